#include <errno.h>
#include <string.h>

#include "client/etcd_v2.h"
#include "tests/unit/etcd_fixture.h"

static struct etcd_fixture etcd;
static GString *told;

static void setup(void)
{
	etcd_fixture_init(&etcd, NULL, NULL);
	told = g_string_new(NULL);
}

static void teardown(void)
{
	etcd_fixture_finish(&etcd);
	g_string_free(told, TRUE);
}

static void note(const struct etcd_v2_node *node)
{
	size_t length;
	const char *name = g_bytes_get_data(node->name, &length);

	g_string_append_len(told, name, (gssize)length);
	g_string_append(told, node->directory ? "/" : "=");
	if (node->value != NULL) {
		const char *value = g_bytes_get_data(node->value, &length);

		g_string_append_len(told, value, (gssize)length);
	}
	g_string_append_printf(
		told, " %d %d\n", (int)node->created_index, (int)node->modified_index);
}

static void on_done(void *data, const struct etcd_result *result, const struct etcd_v2_node *node,
	const GPtrArray *children)
{
	pthread_mutex_lock(&etcd.lock);
	if (result->errnum != 0)
		g_string_append_printf(told, "%d %s\n", result->errnum, result->message);
	else
		note(node);
	for (guint i = 0; children != NULL && i < children->len; i++)
		note(g_ptr_array_index(children, i));
	etcd.done++;
	pthread_cond_broadcast(&etcd.changed);
	pthread_mutex_unlock(&etcd.lock);
}

static void get(const char *path, size_t length)
{
	static const struct etcd_v2_handlers handlers = {on_done};
	g_autoptr(GBytes) bytes = g_bytes_new_static(path, length);

	etcd_call_unref(etcd_v2_get(etcd.client, bytes, &handlers, NULL, etcd.strand));
	etcd_wait_end(&etcd);
}

static void respond(const char *status, const char *body)
{
	scripted_server_respond(etcd.http.server, status, ETCD_JSON, body);
}

static void expect(const char *wanted, size_t length)
{
	ck_assert_uint_eq(told->len, length);
	ck_assert_mem_eq(told->str, wanted, length);
}

#define EXPECT(wanted) expect(wanted, sizeof(wanted) - 1)

START_TEST (a_directory_has_children) {
	respond("200 OK", "{\"action\":\"get\",\"node\":{\"key\":\"/a/b\",\"dir\":true,\"nodes\":["
			  "{\"key\":\"/a/b/c\",\"value\":\"v\",\"modifiedIndex\":7,"
			  "\"createdIndex\":5},"
			  "{\"key\":\"/a/b/d\",\"dir\":true,\"modifiedIndex\":6,"
			  "\"createdIndex\":6}],\"modifiedIndex\":4,\"createdIndex\":4}}");
	get("/a/b", 4);
	EXPECT("b/ 4 4\nc=v 5 7\nd/ 6 6\n");
	ck_assert(etcd_request_holds(&etcd, 0, "GET /v2/keys/a/b?quorum=true HTTP"));
}
END_TEST

START_TEST (the_top_has_no_name) {
	respond("200 OK", "{\"node\":{\"dir\":true}}");
	get("", 0);
	EXPECT("/ 0 0\n");
}
END_TEST

START_TEST (strings_are_their_bytes) {
	respond("200 OK", "{\"node\":{\"key\":\"/\\u0000\\/x\",\"value\":"
			  "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u00e4\\ud83d\\ude00\\u2028\"}}");
	get("/a b\0%", 6);
	EXPECT("x=\"\\\b\f\n\r\t\0\xc3\xa4\xf0\x9f\x98\x80\xe2\x80\xa8 0 0\n");
	ck_assert(etcd_request_holds(&etcd, 0, "GET /v2/keys/a%20b%00%25?quorum=true HTTP"));
}
END_TEST

START_TEST (what_makes_no_sense_is_refused) {
	static const char *const bodies[] = {
		"{}",
		"{\"node\":1}",
		"{\"node\":{\"key\":1}}",
		"{\"node\":{\"value\":\"\\ud83d\"}}",
		"{\"node\":{\"value\":\"\\ud83d\\u0041\"}}",
		"{\"node\":{\"value\":\"\\u12\"}}",
		"{\"node\":{\"value\":\"\\x\"}}",
		"{\"node\":{\"dir\":true,\"nodes\":[1]}}",
		"{\"node\":{\"dir\":true,\"nodes\":{}}}",
		"{\"node\":{\"createdIndex\":\"x\"}}",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
		g_autofree char *wanted = g_strdup_printf("%d ", EPROTO);

		g_string_truncate(told, 0);
		respond("200 OK", bodies[i]);
		get("/a", 2);
		ck_assert_msg(g_str_has_prefix(told->str, wanted), "%s: %s", bodies[i], told->str);
	}
}
END_TEST

START_TEST (refusals_are_told) {
	g_autofree char *none = g_strdup_printf("%d ", ENOENT);

	respond("404 Not Found",
		"{\"errorCode\":100,\"message\":\"Key not found\",\"cause\":\"/a\",\"index\":5}");
	get("/a", 2);
	ck_assert(g_str_has_prefix(told->str, none));
	ck_assert_ptr_nonnull(strstr(told->str, "Key not found: /a\n"));
}
END_TEST

START_TEST (a_server_without_the_store_is_told) {
	g_autofree char *none = g_strdup_printf("%d %s: the server has no v2 keys", EOPNOTSUPP,
		scripted_server_url(etcd.http.server));

	scripted_server_respond(etcd.http.server, "404 Not Found", "Content-Type: text/plain\r\n",
		"404 page not found\n");
	get("/a", 2);
	ck_assert(g_str_has_prefix(told->str, none));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_v2");
	TCase *tests = tcase_create("etcd_v2");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_directory_has_children);
	tcase_add_test(tests, the_top_has_no_name);
	tcase_add_test(tests, strings_are_their_bytes);
	tcase_add_test(tests, what_makes_no_sense_is_refused);
	tcase_add_test(tests, refusals_are_told);
	tcase_add_test(tests, a_server_without_the_store_is_told);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	return fixture_run_suite(make_suite());
}
