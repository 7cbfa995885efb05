/* Ranges, transactions and questions; how failures are told and what is repeated. */
#include <errno.h>
#include <string.h>

#include "tests/unit/etcd_fixture.h"

#define KV_A                                                                                       \
	"{\"key\":\"YQ==\",\"create_revision\":\"2\",\"mod_revision\":\"3\",\"version\":\"2\","    \
	"\"value\":\"eA==\",\"lease\":\"9\"}"
#define KV_B "{\"key\":\"Yg==\",\"create_revision\":\"4\",\"mod_revision\":\"4\",\"version\":\"1\"}"
#define TWO "{" ETCD_HEADER ",\"kvs\":[" KV_A "," KV_B "],\"more\":true,\"count\":\"7\"}"
#define NOTES_TWO "kv a=x 2/3/2/9\nkv b= 4/4/1/0\n"
#define RANGE "/v3/kv/range"
#define TXN "/v3/kv/txn"

static struct etcd_fixture etcd;

static void setup(void)
{
	etcd_fixture_init(&etcd, NULL, NULL);
}

static void teardown(void)
{
	etcd_fixture_finish(&etcd);
}

static void range(const char *key, const char *end)
{
	g_autoptr(GBytes) first = g_bytes_new(key, strlen(key));
	g_autoptr(GBytes) last = end != NULL ? g_bytes_new(end, strlen(end)) : NULL;
	const struct etcd_range range = {.keys = {first, last}};

	etcd_begin_range(&etcd, &range);
}

START_TEST (a_range_is_handed_out_key_by_key) {
	etcd_respond(&etcd, RANGE, "200 OK", TWO);
	range("a", "c");
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, NOTES_TWO);
	ck_assert(etcd.end.more && etcd.end.count == 7);
	ck_assert_int_eq(etcd.end.result.revision, 70);
	etcd_expect_body(&etcd, 0, "{\"key\":\"YQ==\",\"range_end\":\"Yw==\"}");
	ck_assert(etcd_request_holds(&etcd, 0, "Grpc-Metadata-hasleader: true\r\n"));
	ck_assert(!etcd_request_holds(&etcd, 0, "Authorization"));
}
END_TEST

START_TEST (all_of_a_range_is_asked_for) {
	g_autoptr(GBytes) empty = g_bytes_new("", 0);
	const struct etcd_range wanted = {
		.keys = {empty, empty},
		.revision = INT64_MAX,
		.limit = 5,
		.keys_only = TRUE,
		.count_only = TRUE,
		.serializable = TRUE,
	};

	etcd_respond(&etcd, RANGE, "200 OK", "{" ETCD_HEADER ",\"kvs\":[" KV_A "]}");
	etcd_begin_range(&etcd, &wanted);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "kv a=- 2/3/2/9\n");
	etcd_expect_body(&etcd, 0,
		"{\"key\":\"AA==\",\"range_end\":\"AA==\",\"limit\":\"5\",\"revision\":\""
		"9223372036854775807\",\"serializable\":true,\"keys_only\":true,\"count_only\":"
		"true}");
	ck_assert(!etcd_request_holds(&etcd, 0, "hasleader"));
}
END_TEST

START_TEST (an_empty_range_has_no_kvs) {
	etcd_respond(&etcd, RANGE, "200 OK", "{" ETCD_HEADER "}");
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "");
	ck_assert(!etcd.end.more && etcd.end.count == 0);
}
END_TEST

START_TEST (an_answer_cut_anywhere_is_the_same) {
	static const char two[] = TWO;
	const size_t length = strlen(two);

	for (size_t at = 1; at < length; at++) {
		g_autofree char *head = g_strdup_printf("HTTP/1.1 200 OK\r\n" ETCD_JSON
							"Transfer-Encoding: chunked\r\n\r\n"
							"%zx\r\n%.*s\r\n%zx\r\n%s\r\n0\r\n\r\n",
			at, (int)at, two, length - at, two + at);
		const struct scripted_answer answer = {.bytes = head};

		scripted_server_add(etcd.http.server, &answer);
		etcd_begin_all(&etcd);
		etcd_expect_success(&etcd);
		etcd_expect_notes(&etcd, NOTES_TWO);
	}
}
END_TEST

static void expect_garbage(const char *body, const char *words)
{
	etcd_respond(&etcd, RANGE, "200 OK", body);
	range("a", "c");
	etcd_expect_failure(&etcd, EPROTO, 0, words);
	g_string_truncate(etcd.notes, 0);
}

START_TEST (a_range_that_makes_no_sense_is_refused) {
	expect_garbage("", "in the middle");
	expect_garbage("[]", "expected '{'");
	expect_garbage("{}", "without its revision");
	expect_garbage("{\"header\":{\"revision\":\"-1\"}}", "without its revision");
	expect_garbage("{\"header\":{\"revision\":\"x\"}}", "header cannot be read");
	expect_garbage("{" ETCD_HEADER ",\"count\":\"x\"}", "count cannot be read");
	expect_garbage("{" ETCD_HEADER ",\"more\":1}", "more cannot be read");
	expect_garbage("{" ETCD_HEADER ",\"more\":true}", "more keys, but none was sent");
	expect_garbage("{" ETCD_HEADER ",\"kvs\":{}}", "\"kvs\"");
	expect_garbage("{" ETCD_HEADER ",\"kvs\":[],\"kvs\":[]}", "\"kvs\" twice");
	expect_garbage("{" ETCD_HEADER ",\"kvs\":[{}]}", "kvs[0]: a key without its name");
	expect_garbage(
		"{" ETCD_HEADER ",\"kvs\":[{\"key\":\"YQ\"}]}", "kvs[0]: a key with a member");
	expect_garbage(
		"{" ETCD_HEADER ",\"kvs\":[" KV_A "," KV_A "]}", "kvs[1]: keys out of order");
	expect_garbage("{" ETCD_HEADER ",\"kvs\":[" KV_B "," KV_A "]}", "keys out of order");
	expect_garbage("{" ETCD_HEADER ",\"kvs\":[{\"key\":\"Yw==\",\"mod_revision\":1}]}",
		"a key that was not asked for");
	expect_garbage("{" ETCD_HEADER ",\"kvs\":[" KV_A, "in the middle");
}
END_TEST

START_TEST (another_content_type_is_no_answer) {
	scripted_server_respond(
		etcd.http.server, "200 OK", "Content-Type: text/html\r\n", "<html>");
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, EPROTO, 0, "Content-Type is \"text/html\"");
}
END_TEST

START_TEST (nothing_comes_after_a_cancel) {
	etcd.cancels = TRUE;
	etcd_respond(&etcd, RANGE, "200 OK", TWO);
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, ECANCELED, 0, "canceled");
	etcd_expect_notes(&etcd, "kv a=x 2/3/2/9\n");
}
END_TEST

START_TEST (the_three_dialects_of_errors) {
	static const char *const bodies[] = {
		"{\"error\":\"etcdserver: mvcc: required revision has been "
		"compacted\",\"code\":11}",
		"{\"error\":\"etcdserver: mvcc: required revision has been compacted\",\"code\":11,"
		"\"message\":\"etcdserver: mvcc: required revision has been compacted\"}",
		"{\"code\":11, \"message\":\"etcdserver: mvcc: required revision has been "
		"compacted\","
		" \"details\":[]}",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
		etcd_respond(&etcd, RANGE, "400 Bad Request", bodies[i]);
		etcd_begin_all(&etcd);
		etcd_expect_failure(&etcd, ESTALE, 11, "required revision has been compacted");
		ck_assert(!etcd.end.result.uncertain);
	}
}
END_TEST

START_TEST (what_is_no_gateway_is_named) {
	scripted_server_respond(etcd.http.server, "404 Not Found", "Content-Type: text/plain\r\n",
		"404 page not found\n");
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, EOPNOTSUPP, 0, "404 page not found");
}
END_TEST

#define NO_LEADER "{\"error\":\"etcdserver: no leader\",\"code\":14}"
#define TIMED_OUT "{\"code\":14,\"message\":\"etcdserver: request timed out\"}"

START_TEST (a_read_is_repeated_until_there_is_a_leader) {
	etcd_respond(&etcd, RANGE, "503 Service Unavailable", NO_LEADER);
	etcd_respond(&etcd, RANGE, "503 Service Unavailable", TIMED_OUT);
	etcd_respond(&etcd, RANGE, "200 OK", TWO);
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, NOTES_TWO);
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 3);
}
END_TEST

START_TEST (a_read_is_not_repeated_once_it_was_handed_out) {
	const struct scripted_answer cut = {
		.bytes = "HTTP/1.1 200 OK\r\n" ETCD_JSON "Content-Length: 1000\r\n\r\n{" ETCD_HEADER
			 ",\"kvs\":[" KV_A ",",
		.end = SCRIPTED_CLOSE,
	};

	scripted_server_add(etcd.http.server, &cut);
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, EIO, 0, "the connection was lost");
	etcd_expect_notes(&etcd, "kv a=x 2/3/2/9\n");
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 1);
}
END_TEST

START_TEST (a_repeat_is_given_up_by_a_cancel) {
	etcd_respond(&etcd, RANGE, "503 Service Unavailable", NO_LEADER);
	etcd_begin_all(&etcd);
	scripted_server_wait(etcd.http.server, 1);
	g_usleep(20000);
	etcd_cancel(etcd.call);
	etcd_wait_end(&etcd);
	ck_assert_int_eq(etcd.end.result.errnum, ECANCELED);
}
END_TEST

START_TEST (a_transaction_compares_and_puts) {
	etcd_respond(&etcd, TXN, "200 OK",
		"{" ETCD_HEADER ",\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}");
	etcd_begin_put(&etcd, "a", 3, "x");
	etcd_expect_success(&etcd);
	ck_assert(etcd.end.succeeded);
	ck_assert_int_eq(etcd.end.result.revision, 70);
	etcd_expect_body(&etcd, 0,
		"{\"compare\":[{\"result\":\"EQUAL\",\"target\":\"MOD\",\"key\":\"YQ==\",\"mod_"
		"revision\":"
		"\"3\"}],\"success\":[{\"request_put\":{\"key\":\"YQ==\",\"value\":\"eA==\","
		"\"ignore_lease\":"
		"true}}]}");
}
END_TEST

START_TEST (a_transaction_that_did_not_hold_is_told) {
	etcd_respond(&etcd, TXN, "200 OK", "{" ETCD_HEADER "}");
	etcd_begin_put(&etcd, "a", 0, NULL);
	etcd_expect_success(&etcd);
	ck_assert(!etcd.end.succeeded);
	etcd_expect_body(&etcd, 0,
		"{\"compare\":[{\"result\":\"EQUAL\",\"target\":\"MOD\",\"key\":\"YQ==\",\"mod_"
		"revision\":"
		"\"0\"}],\"success\":[{\"request_delete_range\":{\"key\":\"YQ==\"}}]}");
}
END_TEST

static void expect_change(
	const char *status, const char *body, int errnum, int code, gboolean uncertain)
{
	etcd_respond(&etcd, TXN, status, body);
	etcd_begin_put(&etcd, "a", 3, "x");
	etcd_expect_failure(&etcd, errnum, code, "");
	ck_assert_msg(etcd.end.result.uncertain == uncertain, "%s", body);
	ck_assert(!etcd.end.succeeded);
}

START_TEST (what_became_of_a_change_is_told) {
	expect_change("403 Forbidden", "{\"code\":7,\"message\":\"etcdserver: permission denied\"}",
		EACCES, 7, FALSE);
	expect_change("400 Bad Request",
		"{\"code\":3,\"message\":\"etcdserver: request is too large\"}", EFBIG, 3, FALSE);
	expect_change("429 Too Many Requests",
		"{\"code\":8,\"message\":\"etcdserver: mvcc: database space exceeded\"}", ENOSPC, 8,
		TRUE);
	expect_change("404 Not Found",
		"{\"code\":5,\"message\":\"etcdserver: requested lease not found\"}", ENOENT, 5,
		FALSE);
	expect_change("503 Service Unavailable", TIMED_OUT, EAGAIN, 14, TRUE);
	expect_change("500 Internal Server Error", "", EIO, 0, TRUE);
	expect_change("413 Content Too Large", "", EFBIG, 0, FALSE);
	expect_change("200 OK", "[]", EPROTO, 0, TRUE);
	expect_change("200 OK", "{}{}", EPROTO, 0, TRUE);
	expect_change("200 OK", "{" ETCD_HEADER ",\"succeeded\":7}", EPROTO, 0, TRUE);
	expect_change("200 OK", "{\"header\":{\"revision\":\"-\"}}", EPROTO, 0, TRUE);
}
END_TEST

START_TEST (a_change_that_got_no_answer_is_uncertain) {
	const struct scripted_answer reset = {.bytes = "HTTP/1.1 2", .end = SCRIPTED_RESET};

	scripted_server_add(etcd.http.server, &reset);
	etcd_begin_put(&etcd, "a", 3, "x");
	etcd_expect_failure(&etcd, EIO, 0, "");
	ck_assert(etcd.end.result.uncertain);
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 1);
}
END_TEST

START_TEST (a_cancelled_change_is_uncertain) {
	const struct scripted_answer stall = {.bytes = "HTTP/1.1 2", .end = SCRIPTED_STALL};

	scripted_server_add(etcd.http.server, &stall);
	etcd_begin_put(&etcd, "a", 3, "x");
	scripted_server_wait(etcd.http.server, 1);
	etcd_cancel(etcd.call);
	etcd_expect_failure(&etcd, ECANCELED, 0, "");
	ck_assert(etcd.end.result.uncertain);
}
END_TEST

START_TEST (a_change_is_repeated_when_nothing_was_done) {
	etcd_respond(&etcd, TXN, "503 Service Unavailable", NO_LEADER);
	etcd_respond(&etcd, TXN, "200 OK", "{" ETCD_HEADER ",\"succeeded\":true}");
	etcd_begin_put(&etcd, "a", 3, "x");
	etcd_expect_success(&etcd);
	ck_assert(etcd.end.succeeded);
}
END_TEST

START_TEST (questions_are_answered_as_objects) {
	etcd_respond(&etcd, "/v3/maintenance/status", "200 OK",
		"{" ETCD_HEADER ",\"dbSize\":\"9223372036854775807\"}\n");
	etcd_begin_ask(&etcd, ETCD_STATUS);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "{" ETCD_HEADER ",\"dbSize\":\"9223372036854775807\"}\n");
	etcd_respond(&etcd, "/v3/cluster/member/list", "200 OK", "{\"members\":[]}");
	etcd_begin_ask(&etcd, ETCD_MEMBERS);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "{\"members\":[]}\n");
	etcd_respond(&etcd, "/v3/maintenance/alarm", "200 OK", "{}");
	etcd_begin_ask(&etcd, ETCD_ALARMS);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "{}\n");
	etcd_expect_body(&etcd, 2, "{\"action\":\"GET\"}");
	etcd_respond(&etcd, "/v3/maintenance/alarm", "200 OK", "{\"a\":nope}");
	etcd_begin_ask(&etcd, ETCD_ALARMS);
	etcd_expect_failure(&etcd, EPROTO, 0, "is not JSON");
}
END_TEST

START_TEST (an_answer_without_end_is_cut) {
	static const char kilobyte[] =
		"                                                                "
		"                                                                "
		"                                                                "
		"                                                                ";
	const struct scripted_answer endless = {
		.bytes = "HTTP/1.1 200 OK\r\n" ETCD_JSON "Connection: close\r\n\r\n{",
		.repeated = kilobyte,
		.repeats = 20000,
		.end = SCRIPTED_CLOSE,
	};

	scripted_server_add(etcd.http.server, &endless);
	etcd_begin_ask(&etcd, ETCD_STATUS);
	etcd_expect_failure(&etcd, EMSGSIZE, 0, "longer than the limit");
}
END_TEST

START_TEST (the_clients_end_ends_its_calls) {
	const struct scripted_answer stall = {.bytes = "HTTP/1.1 2", .end = SCRIPTED_STALL};

	scripted_server_add(etcd.http.server, &stall);
	etcd_begin_all(&etcd);
	scripted_server_wait(etcd.http.server, 1);
	etcd_client_destroy(g_steal_pointer(&etcd.client));
	ck_assert_uint_eq(etcd.done, 1);
	ck_assert_int_eq(etcd.end.result.errnum, ECANCELED);
	/* Also after the client. */
	etcd_cancel(etcd.call);
}
END_TEST

START_TEST (the_clients_end_ends_what_waits_for_a_repeat) {
	etcd_respond(&etcd, RANGE, "503 Service Unavailable", NO_LEADER);
	etcd_begin_all(&etcd);
	scripted_server_wait(etcd.http.server, 1);
	g_usleep(20000);
	etcd_client_destroy(g_steal_pointer(&etcd.client));
	ck_assert_uint_eq(etcd.done, 1);
	ck_assert_int_eq(etcd.end.result.errnum, ECANCELED);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd");
	TCase *tests = tcase_create("etcd");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_range_is_handed_out_key_by_key);
	tcase_add_test(tests, all_of_a_range_is_asked_for);
	tcase_add_test(tests, an_empty_range_has_no_kvs);
	tcase_add_test(tests, an_answer_cut_anywhere_is_the_same);
	tcase_add_test(tests, a_range_that_makes_no_sense_is_refused);
	tcase_add_test(tests, another_content_type_is_no_answer);
	tcase_add_test(tests, nothing_comes_after_a_cancel);
	tcase_add_test(tests, the_three_dialects_of_errors);
	tcase_add_test(tests, what_is_no_gateway_is_named);
	tcase_add_test(tests, a_read_is_repeated_until_there_is_a_leader);
	tcase_add_test(tests, a_read_is_not_repeated_once_it_was_handed_out);
	tcase_add_test(tests, a_repeat_is_given_up_by_a_cancel);
	tcase_add_test(tests, a_transaction_compares_and_puts);
	tcase_add_test(tests, a_transaction_that_did_not_hold_is_told);
	tcase_add_test(tests, what_became_of_a_change_is_told);
	tcase_add_test(tests, a_change_that_got_no_answer_is_uncertain);
	tcase_add_test(tests, a_cancelled_change_is_uncertain);
	tcase_add_test(tests, a_change_is_repeated_when_nothing_was_done);
	tcase_add_test(tests, questions_are_answered_as_objects);
	tcase_add_test(tests, an_answer_without_end_is_cut);
	tcase_add_test(tests, the_clients_end_ends_its_calls);
	tcase_add_test(tests, the_clients_end_ends_what_waits_for_a_repeat);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return fixture_run_suite(make_suite());
}
