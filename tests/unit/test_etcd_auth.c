/* Tokens: got once for all, renewed when they are refused, and several servers. */
#include <errno.h>
#include <string.h>

#include "tests/unit/etcd_fixture.h"

#define AUTHENTICATE "/v3/auth/authenticate"
#define RANGE "/v3/kv/range"
#define EMPTY "{" ETCD_HEADER "}"
#define TOKEN(token) "{" ETCD_HEADER ",\"token\":\"" token "\"}"
#define INVALID_TOKEN "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}"
#define RESULT(members) "{\"result\":{" ETCD_HEADER "," members "}}\n"

static struct etcd_fixture etcd;

static void setup(void)
{
	etcd_fixture_init(&etcd, "ro\"ot", "ge\\heim");
}

static void teardown(void)
{
	etcd_fixture_finish(&etcd);
}

static void expect_token(unsigned int index, const char *token)
{
	g_autofree char *line = g_strdup_printf("\r\nAuthorization: %s\r\n", token);

	ck_assert_msg(etcd_request_holds(&etcd, index, line), "request %u", index);
}

START_TEST (a_token_is_asked_for_first) {
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("abc.1"));
	etcd_respond(&etcd, RANGE, "200 OK", EMPTY);
	etcd_respond(&etcd, RANGE, "200 OK", EMPTY);
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	etcd_expect_body(&etcd, 0, "{\"name\":\"ro\\\"ot\",\"password\":\"ge\\\\heim\"}");
	ck_assert(!etcd_request_holds(&etcd, 0, "Authorization"));
	expect_token(1, "abc.1");
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	expect_token(2, "abc.1");
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 3);
}
END_TEST

static void ignore_kv(void *data, const struct etcd_kv *kv)
{
}

static void count_end(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	gint *ends = data;

	ck_assert_msg(result->errnum == 0, "%s", result->message);
	g_atomic_int_inc(ends);
}

START_TEST (one_token_is_for_all_who_wait) {
	static const struct etcd_range_handlers handlers = {ignore_kv, count_end};
	g_autoptr(GBytes) empty = g_bytes_new("", 0);
	const struct etcd_range range = {.keys = {empty, empty}};
	gint ends = 0;

	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("one"));
	for (int i = 0; i < 20; i++)
		etcd_respond(&etcd, RANGE, "200 OK", EMPTY);
	for (int i = 0; i < 20; i++)
		etcd_call_unref(etcd_range(etcd.client, &range, &handlers, &ends, etcd.strand));
	for (int i = 0; i < 1000 && g_atomic_int_get(&ends) < 20; i++)
		g_usleep(10000);
	ck_assert_int_eq(g_atomic_int_get(&ends), 20);
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 21);
}
END_TEST

START_TEST (a_refused_token_is_renewed_once) {
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("old"));
	etcd_respond(&etcd, RANGE, "401 Unauthorized", INVALID_TOKEN);
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("new"));
	etcd_respond(&etcd, RANGE, "200 OK", EMPTY);
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	expect_token(1, "old");
	expect_token(3, "new");
	/* The next refusal is one for a call of its own. */
	etcd_respond(&etcd, RANGE, "401 Unauthorized", INVALID_TOKEN);
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("newer"));
	etcd_respond(&etcd, RANGE, "401 Unauthorized", INVALID_TOKEN);
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, EACCES, 16, "invalid auth token");
	expect_token(6, "newer");
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 7);
}
END_TEST

START_TEST (a_token_that_is_old_is_renewed) {
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("old"));
	etcd_respond(&etcd, "/v3/kv/txn", "400 Bad Request",
		"{\"code\":3,\"message\":\"etcdserver: revision of auth store is old\"}");
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("new"));
	etcd_respond(&etcd, "/v3/kv/txn", "200 OK", "{" ETCD_HEADER ",\"succeeded\":true}");
	etcd_begin_put(&etcd, "a", 3, "x");
	etcd_expect_success(&etcd);
	ck_assert(etcd.end.succeeded);
	expect_token(3, "new");
}
END_TEST

START_TEST (a_watch_that_is_refused_gets_another_token) {
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("old"));
	/* etcd 3.4 says this of a token that it does not know. */
	etcd_respond_stream(&etcd,
		RESULT("\"created\":true,\"canceled\":true,\"cancel_reason\":\"etcdserver: "
		       "permission "
		       "denied\""),
		SCRIPTED_STALL);
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("new"));
	etcd_respond_stream(&etcd, RESULT("\"created\":true"), SCRIPTED_CLOSE);
	etcd_begin_watch(&etcd, "a", NULL, 0);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "created 70\n");
	expect_token(3, "new");
}
END_TEST

START_TEST (a_wrong_password_is_told_and_not_tried_at_once_again) {
	etcd_respond(&etcd, AUTHENTICATE, "400 Bad Request",
		"{\"code\":3,\"message\":\"etcdserver: authentication failed, invalid user ID or "
		"password\"}");
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, EACCES, 3, "authentication failed");
	ck_assert(strstr(etcd.end.result.message, "heim") == NULL);
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, EACCES, 3, "authentication failed");
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 1);
}
END_TEST

START_TEST (a_server_without_authentication_gets_no_token) {
	etcd_respond(&etcd, AUTHENTICATE, "400 Bad Request",
		"{\"error\":\"etcdserver: authentication is not enabled\",\"code\":9}");
	etcd_respond(&etcd, RANGE, "200 OK", EMPTY);
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	ck_assert(!etcd_request_holds(&etcd, 1, "Authorization"));
	/* It has one now. */
	etcd_respond(&etcd, RANGE, "400 Bad Request",
		"{\"code\":3,\"message\":\"etcdserver: user name is empty\"}");
	etcd_respond(&etcd, AUTHENTICATE, "200 OK", TOKEN("first"));
	etcd_respond(&etcd, RANGE, "200 OK", EMPTY);
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	expect_token(4, "first");
}
END_TEST

START_TEST (a_token_that_is_none_is_refused) {
	static const char *const bodies[] = {"{}", TOKEN(""), TOKEN("a b"), TOKEN("a\\r\\nEvil: 1"),
		"{\"token\":7}", TOKEN("a\\u0000b"), "[]"};

	for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
		etcd_respond(&etcd, AUTHENTICATE, "200 OK", bodies[i]);
		etcd_begin_all(&etcd);
		etcd_wait_end(&etcd);
		ck_assert_int_eq(etcd.end.result.errnum, EPROTO);
		etcd_fixture_finish(&etcd);
		setup();
	}
}
END_TEST

START_TEST (who_waits_for_a_token_can_be_cancelled) {
	const struct scripted_answer stall = {.bytes = "HTTP/1.1 2", .end = SCRIPTED_STALL};

	scripted_server_add(etcd.http.server, &stall);
	etcd_begin_all(&etcd);
	scripted_server_wait(etcd.http.server, 1);
	etcd_cancel(etcd.call);
	etcd_wait_end(&etcd);
	ck_assert_int_eq(etcd.end.result.errnum, ECANCELED);
	/* And ends with the client. */
	etcd_begin_all(&etcd);
	etcd_client_destroy(g_steal_pointer(&etcd.client));
	etcd_wait_end(&etcd);
	ck_assert_int_eq(etcd.end.result.errnum, ECANCELED);
}
END_TEST

START_TEST (a_member_without_a_leader_is_left) {
	struct scripted_server *other = etcd_fixture_add_server(&etcd);

	etcd_respond(&etcd, "/v3/kv/txn", "503 Service Unavailable",
		"{\"code\":14,\"message\":\"etcdserver: no leader\"}");
	scripted_server_respond(other, "200 OK", ETCD_JSON, "{" ETCD_HEADER ",\"succeeded\":true}");
	scripted_server_respond(other, "200 OK", ETCD_JSON, EMPTY);
	etcd_begin_put(&etcd, "a", 3, "x");
	etcd_expect_success(&etcd);
	ck_assert(etcd.end.succeeded);
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	ck_assert_str_eq(etcd_client_where(etcd.client), scripted_server_url(other));
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 1);
	ck_assert_uint_eq(scripted_server_requests(other), 2);
	/* The server's threads use it until its connections are closed. */
	etcd_client_destroy(g_steal_pointer(&etcd.client));
	scripted_server_destroy(other);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_auth");
	TCase *tests = tcase_create("etcd_auth");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_token_is_asked_for_first);
	tcase_add_test(tests, one_token_is_for_all_who_wait);
	tcase_add_test(tests, a_refused_token_is_renewed_once);
	tcase_add_test(tests, a_token_that_is_old_is_renewed);
	tcase_add_test(tests, a_watch_that_is_refused_gets_another_token);
	tcase_add_test(tests, a_wrong_password_is_told_and_not_tried_at_once_again);
	tcase_add_test(tests, a_server_without_authentication_gets_no_token);
	tcase_add_test(tests, a_token_that_is_none_is_refused);
	tcase_add_test(tests, who_waits_for_a_token_can_be_cancelled);
	tcase_add_test(tests, a_member_without_a_leader_is_left);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return fixture_run_suite(make_suite());
}
