/* Watches: what their frames become, and how they end. */
#include <errno.h>
#include <string.h>

#include "tests/unit/etcd_fixture.h"

#define RESULT(members) "{\"result\":{" ETCD_HEADER "," members "}}\n"
#define CREATED RESULT("\"created\":true")
#define PUT(key, mod)                                                                              \
	"{\"kv\":{\"key\":\"" key "\",\"create_revision\":\"2\",\"mod_revision\":\"" mod           \
	"\",\"version\":\"1\",\"value\":\"eA==\"}}"
#define DELETE(key, mod)                                                                           \
	"{\"type\":\"DELETE\",\"kv\":{\"key\":\"" key "\",\"mod_revision\":\"" mod "\"}}"
#define EVENTS(events) RESULT("\"events\":[" events "]")
#define FRAGMENT(events) RESULT("\"fragment\":true,\"events\":[" events "]")
#define PROGRESS(revision) "{\"result\":{\"header\":{\"revision\":\"" revision "\"}}}\n"

static struct etcd_fixture etcd;

static void setup(void)
{
	etcd_fixture_init(&etcd, NULL, NULL);
}

static void teardown(void)
{
	etcd_fixture_finish(&etcd);
}

static void watch(const char *frames, enum scripted_end end)
{
	etcd_respond_stream(&etcd, frames, end);
	etcd_begin_watch(&etcd, "a", "e", 3);
}

#define ALL_FRAMES CREATED EVENTS(PUT("YQ==", "3") "," DELETE("Yg==", "4")) PROGRESS("80")
#define ALL_NOTES "created 70\nput a=x 2/3/1/0\ndelete b=- 0/4/0/0\nprogress 4\nprogress 80\n"

START_TEST (events_and_progress_are_told) {
	watch(ALL_FRAMES, SCRIPTED_CLOSE);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, ALL_NOTES);
	etcd_expect_body(&etcd, 0,
		"{\"create_request\":{\"key\":\"YQ==\",\"range_end\":\"ZQ==\",\"start_revision\":"
		"\"3\","
		"\"progress_notify\":true,\"fragment\":true}}");
	ck_assert(etcd_request_holds(&etcd, 0, "Grpc-Metadata-hasleader: true\r\n"));
}
END_TEST

START_TEST (frames_cut_anywhere_are_the_same) {
	static const char frames[] = ALL_FRAMES;
	const size_t length = strlen(frames);

	for (size_t at = 1; at < length; at++) {
		g_autofree char *bytes = g_strdup_printf("HTTP/1.1 200 OK\r\n" ETCD_JSON
							 "Transfer-Encoding: chunked\r\n\r\n"
							 "%zx\r\n%.*s\r\n%zx\r\n%s\r\n0\r\n\r\n",
			at, (int)at, frames, length - at, frames + at);
		const struct scripted_answer answer = {.bytes = bytes};

		scripted_server_add(etcd.http.server, &answer);
		etcd_begin_watch(&etcd, "a", "e", 3);
		etcd_expect_success(&etcd);
		etcd_expect_notes(&etcd, ALL_NOTES);
	}
}
END_TEST

START_TEST (fragments_are_one_response) {
	watch(CREATED FRAGMENT(PUT("YQ==", "5")) FRAGMENT(PUT("Yg==", "5")) EVENTS(PUT("Yw==", "5"))
			EVENTS(PUT("YQ==", "6")),
		SCRIPTED_CLOSE);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd,
		"created 70\nput a=x 2/5/1/0\nput b=x 2/5/1/0\nput c=x 2/5/1/0\nprogress 5\n"
		"put a=x 2/6/1/0\nprogress 6\n");
}
END_TEST

START_TEST (a_response_cut_between_fragments_is_no_progress) {
	watch(CREATED FRAGMENT(PUT("YQ==", "5")), SCRIPTED_CLOSE);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "created 70\nput a=x 2/5/1/0\n");
}
END_TEST

START_TEST (a_quiet_watch_waits) {
	watch(CREATED, SCRIPTED_STALL);
	etcd_wait_note(&etcd, "created 70\n");
	ck_assert_uint_eq(etcd.done, 0);
	etcd_cancel(etcd.call);
	etcd_expect_failure(&etcd, ECANCELED, 0, "canceled");
}
END_TEST

START_TEST (nothing_comes_after_a_cancel) {
	etcd.cancels = TRUE;
	watch(CREATED EVENTS(PUT("YQ==", "3") "," PUT("Yg==", "4")) PROGRESS("80"), SCRIPTED_CLOSE);
	etcd_expect_failure(&etcd, ECANCELED, 0, "canceled");
	etcd_expect_notes(&etcd, "created 70\nput a=x 2/3/1/0\n");
}
END_TEST

static void expect_end(
	const char *frames, int errnum, int code, int64_t compacted, const char *words)
{
	watch(frames, SCRIPTED_STALL);
	etcd_expect_failure(&etcd, errnum, code, words);
	ck_assert(etcd.end.result.compact_revision == compacted);
	g_string_truncate(etcd.notes, 0);
}

START_TEST (a_compacted_revision_is_told) {
	/* As 3.4, as 3.5 and 3.6, and created and canceled at once. */
	expect_end(CREATED RESULT("\"canceled\":true,\"compact_revision\":\"60\""), ESTALE, 0, 60,
		"the revision has been compacted, up to 60");
	expect_end(CREATED RESULT("\"canceled\":true,\"compact_revision\":\"60\",\"cancel_reason\":"
				  "\"etcdserver: mvcc: required revision has been compacted\""),
		ESTALE, 0, 60, "required revision has been compacted");
	expect_end(RESULT("\"created\":true,\"canceled\":true,\"compact_revision\":\"60\""), ESTALE,
		0, 60, "compacted");
	expect_end(
		RESULT("\"created\":true,\"canceled\":true,\"cancel_reason\":\"etcdserver: mvcc: "
		       "required revision has been compacted\""),
		ESTALE, 0, 0, "compacted");
}
END_TEST

START_TEST (created_and_canceled_is_never_created) {
	watch(RESULT("\"watch_id\":\"-1\",\"created\":true,\"canceled\":true,\"cancel_reason\":"
		     "\"rpc "
		     "error: code = PermissionDenied desc = etcdserver: permission denied\""),
		SCRIPTED_STALL);
	etcd_expect_failure(&etcd, EACCES, 0, "permission denied");
	etcd_expect_notes(&etcd, "");
}
END_TEST

START_TEST (an_error_frame_ends_a_watch) {
	expect_end(CREATED
		"{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no "
		"leader\",\"http_status\":\"Service Unavailable\"}}",
		EAGAIN, 14, 0, "etcdserver: no leader");
	expect_end("{\"error\":{\"code\":14,\"message\":\"etcdserver: no leader\",\"details\":[]}}",
		EAGAIN, 14, 0, "etcdserver: no leader");
	expect_end("{\"error\":{}}", EIO, 0, 0, "the watch was canceled");
	/* What follows an end in the same piece does not count. */
	expect_end(CREATED "{\"error\":{\"code\":7}}" EVENTS(PUT("YQ==", "3")) "garbage", EACCES, 7,
		0, "");
}
END_TEST

START_TEST (frames_that_make_no_sense_end_a_watch) {
	expect_end("x", EPROTO, 0, 0, "expected an object");
	expect_end("{}", EPROTO, 0, 0, "frame 1: neither a result nor an error");
	expect_end(EVENTS(PUT("YQ==", "3")), EPROTO, 0, 0, "frame 1: not yet created");
	expect_end(CREATED CREATED, EPROTO, 0, 0, "frame 2: created twice");
	expect_end(CREATED EVENTS("{}"), EPROTO, 0, 0, "frame 2: an event that cannot be read");
	expect_end(CREATED EVENTS(PUT("Y", "3")), EPROTO, 0, 0, "a member that cannot be read");
	expect_end(CREATED EVENTS(PUT("Zg==", "3")), EPROTO, 0, 0, "a key that was not asked for");
	expect_end(CREATED EVENTS(PUT("YQ==", "0")), EPROTO, 0, 0, "an impossible revision");
	expect_end(
		CREATED EVENTS(PUT("YQ==", "9223372036854775808")), EPROTO, 0, 0, "cannot be read");
	expect_end(CREATED EVENTS(PUT("YQ==", "4") "," PUT("Yg==", "3")), EPROTO, 0, 0,
		"events out of order");
}
END_TEST

START_TEST (the_last_revision_is_one) {
	watch(CREATED EVENTS(PUT("YQ==", "9223372036854775807")) PROGRESS("9223372036854775807")
			PROGRESS("-1") PROGRESS("5"),
		SCRIPTED_CLOSE);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "created 70\nput a=x 2/9223372036854775807/1/0\n"
				 "progress 9223372036854775807\nprogress 9223372036854775807\n");
}
END_TEST

START_TEST (a_lost_stream_fails) {
	watch(CREATED, SCRIPTED_RESET);
	etcd_expect_failure(&etcd, EIO, 0, "the connection was lost");
	watch(CREATED "{\"result\":", SCRIPTED_CLOSE);
	etcd_expect_failure(&etcd, EPROTO, 0, "in the middle of frame 2");
}
END_TEST

START_TEST (an_end_is_a_success) {
	watch("", SCRIPTED_CLOSE);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "");
}
END_TEST

START_TEST (a_refused_watch_fails) {
	etcd_respond(&etcd, "/v3/watch", "400 Bad Request",
		"{\"error\":\"invalid character\",\"code\":3,\"message\":\"invalid character\"}");
	etcd_begin_watch(&etcd, "a", NULL, 0);
	etcd_expect_failure(&etcd, EINVAL, 3, "invalid character");
	etcd_expect_body(&etcd, 0,
		"{\"create_request\":{\"key\":\"YQ==\",\"progress_notify\":true,\"fragment\":true}"
		"}");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_watch");
	TCase *tests = tcase_create("etcd_watch");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, events_and_progress_are_told);
	tcase_add_test(tests, frames_cut_anywhere_are_the_same);
	tcase_add_test(tests, fragments_are_one_response);
	tcase_add_test(tests, a_response_cut_between_fragments_is_no_progress);
	tcase_add_test(tests, a_quiet_watch_waits);
	tcase_add_test(tests, nothing_comes_after_a_cancel);
	tcase_add_test(tests, a_compacted_revision_is_told);
	tcase_add_test(tests, created_and_canceled_is_never_created);
	tcase_add_test(tests, an_error_frame_ends_a_watch);
	tcase_add_test(tests, frames_that_make_no_sense_end_a_watch);
	tcase_add_test(tests, the_last_revision_is_one);
	tcase_add_test(tests, a_lost_stream_fails);
	tcase_add_test(tests, an_end_is_a_success);
	tcase_add_test(tests, a_refused_watch_fails);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return fixture_run_suite(make_suite());
}
