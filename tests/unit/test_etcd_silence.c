/*
 * Servers that accept connections and say nothing. Built with short times: the client's parts that
 * have them stand before the library's.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/etcd_fixture.h"

#define CREATED "{\"result\":{" ETCD_HEADER ",\"created\":true}}\n"

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

START_TEST (a_watch_that_is_never_created_times_out) {
	watch("", SCRIPTED_STALL);
	etcd_expect_failure(&etcd, ETIMEDOUT, 0, "not accepted within 1.5 s");
}
END_TEST

START_TEST (a_server_that_falls_silent_loses_its_watches) {
	/* No answer for its status. */
	watch(CREATED, SCRIPTED_STALL);
	etcd_expect_failure(&etcd, ETIMEDOUT, 0, "the server no longer answers");
	ck_assert(etcd_request_holds(&etcd, 1, "POST /v3/maintenance/status "));
}
END_TEST

START_TEST (a_server_that_refuses_its_status_lives) {
	for (int i = 0; i < 100; i++)
		etcd_respond(&etcd, "/v3/maintenance/status", "401 Unauthorized", "{\"code\":16}");
	watch(CREATED, SCRIPTED_STALL);
	scripted_server_wait(etcd.http.server, 4);
	ck_assert_uint_eq(etcd.done, 0);
	etcd_client_destroy(g_steal_pointer(&etcd.client));
	ck_assert_uint_eq(etcd.done, 1);
}
END_TEST

START_TEST (a_silent_member_is_left_by_reads) {
	const struct scripted_answer stall = {.bytes = "HTTP/1.1 2", .end = SCRIPTED_STALL};
	struct scripted_server *other = etcd_fixture_add_server(&etcd);

	scripted_server_add(etcd.http.server, &stall);
	scripted_server_respond(other, "200 OK", ETCD_JSON, "{" ETCD_HEADER "}");
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	ck_assert_uint_eq(scripted_server_requests(other), 1);
	etcd_client_destroy(g_steal_pointer(&etcd.client));
	scripted_server_destroy(other);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_silence");
	TCase *tests = tcase_create("etcd_silence");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_watch_that_is_never_created_times_out);
	tcase_add_test(tests, a_server_that_falls_silent_loses_its_watches);
	tcase_add_test(tests, a_server_that_refuses_its_status_lives);
	tcase_add_test(tests, a_silent_member_is_left_by_reads);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return fixture_run_suite(make_suite());
}
