#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/base64.h"
#include "client/etcd_failure.h"
#include "client/etcd_frame.h"
#include "client/etcd_json.h"
#include "client/etcd_kv.h"

static struct json_text text_of(const char *string)
{
	return (struct json_text){string, strlen(string)};
}

static GBytes *bytes_of(const char *string)
{
	return g_bytes_new(string, strlen(string));
}

static int decode(const char *text, GBytes **ret_bytes)
{
	/* Exactly as much memory as there is text, for AddressSanitizer. */
	g_autofree char *copy = g_memdup2(text, strlen(text));

	return base64_decode(copy, strlen(text), ret_bytes);
}

START_TEST (base64_is_what_glib_says) {
	for (unsigned int length = 0; length < 200; length++) {
		g_autofree guchar *data = g_malloc(length + 1);
		g_autofree char *encoded = NULL;
		g_autoptr(GString) appended = g_string_new("x");
		g_autoptr(GBytes) decoded = NULL;
		g_autoptr(GBytes) bytes = NULL;

		for (unsigned int i = 0; i < length; i++)
			data[i] = (guchar)g_random_int();
		bytes = g_bytes_new(data, length);
		encoded = g_base64_encode(data, length);
		base64_append(appended, bytes);
		ck_assert_str_eq(appended->str + 1, encoded);
		ck_assert_int_eq(decode(encoded, &decoded), 0);
		ck_assert(g_bytes_equal(decoded, bytes));
	}
}
END_TEST

START_TEST (base64_garbage_is_refused) {
	static const char *const garbage[] = {"=", "a", "ab", "abc", "a===", "====", "ab=c",
		"ab==cd==", "abcde", "ab c", "abc\n", "abc-", "abc_", "abcd=", "abc=abcd",
		"\303\244bc", "*bcd", "=bcd"};

	for (size_t i = 0; i < G_N_ELEMENTS(garbage); i++) {
		GBytes *bytes = NULL;

		ck_assert_msg(decode(garbage[i], &bytes) == -EINVAL, "%s", garbage[i]);
		ck_assert_ptr_null(bytes);
	}
}
END_TEST

static void expect_int64(const char *json, int64_t wanted)
{
	int64_t value = 1;

	ck_assert_msg(etcd_json_int64(text_of(json), &value) == 0, "%s", json);
	ck_assert_msg(value == wanted, "%s", json);
}

START_TEST (integers_are_strings_or_numbers) {
	static const char *const garbage[] = {"", "\"\"", "\"", "-", "\"-\"", "1.5", "1e3",
		"\"0x1\"", "\" 1\"", "\"1 \"", "null", "true", "\"9223372036854775808\"",
		"\"-9223372036854775809\"", "99999999999999999999", "\"1\\u0000\"", "{}"};

	expect_int64("\"0\"", 0);
	expect_int64("17", 17);
	expect_int64("\"-1\"", -1);
	expect_int64("\"9223372036854775807\"", INT64_MAX);
	expect_int64("\"-9223372036854775808\"", INT64_MIN);
	for (size_t i = 0; i < G_N_ELEMENTS(garbage); i++) {
		int64_t value = 1;

		ck_assert_msg(
			etcd_json_int64(text_of(garbage[i]), &value) == -EPROTO, "%s", garbage[i]);
		ck_assert_int_eq(value, 1);
	}
}
END_TEST

START_TEST (zero_members_are_left_out) {
	g_autoptr(GString) json = g_string_new("{");
	g_autoptr(GBytes) empty = bytes_of("");
	g_autoptr(GBytes) a = bytes_of("a");

	etcd_json_add_bytes(json, "none", empty);
	etcd_json_add_int64(json, "zero", 0);
	etcd_json_add_bool(json, "no", FALSE);
	etcd_json_add_bytes(json, "key", a);
	etcd_json_add_int64(json, "last", INT64_MIN);
	etcd_json_add_bool(json, "yes", TRUE);
	ck_assert_str_eq(
		json->str, "{\"key\":\"YQ==\",\"last\":\"-9223372036854775808\",\"yes\":true");
}
END_TEST

START_TEST (a_whole_key_is_read) {
	struct etcd_kv kv = {0};

	ck_assert_int_eq(
		etcd_kv_read(text_of("{\"key\":\"YQ==\",\"create_revision\":\"2\","
				     "\"mod_revision\":\"9223372036854775807\",\"version\":\"4\","
				     "\"value\":\"AAE=\",\"lease\":\"-5\",\"new\":[{}]}"),
			&kv, NULL),
		0);
	ck_assert_mem_eq(g_bytes_get_data(kv.key, NULL), "a", 1);
	ck_assert_uint_eq(g_bytes_get_size(kv.value), 2);
	ck_assert_mem_eq(g_bytes_get_data(kv.value, NULL), "\0\1", 2);
	ck_assert(kv.create_revision == 2 && kv.mod_revision == INT64_MAX);
	ck_assert(kv.version == 4 && kv.lease == -5);
	etcd_kv_clear(&kv);
	ck_assert_int_eq(
		etcd_kv_read(text_of("{\"key\":\"\\u0059Q==\",\"mod_revision\":1}"), &kv, NULL), 0);
	ck_assert_ptr_null(kv.value);
	etcd_kv_clear(&kv);
}
END_TEST

START_TEST (a_key_that_is_none_is_refused) {
	static const char *const garbage[] = {"", "[]", "{", "{}",
		"{\"key\":\"\",\"mod_revision\":1}", "{\"key\":\"YQ==\"}",
		"{\"key\":\"YQ\",\"mod_revision\":1}", "{\"key\":7,\"mod_revision\":1}",
		"{\"key\":\"YQ==\",\"mod_revision\":\"-1\"}",
		"{\"key\":\"YQ==\",\"mod_revision\":\"99999999999999999999\"}",
		"{\"key\":\"YQ==\",\"mod_revision\":1,\"version\":-1}",
		"{\"key\":\"YQ==\",\"mod_revision\":1,\"value\":\"?\"}",
		"{\"key\":\"YQ==\",\"mod_revision\":1,}"};

	for (size_t i = 0; i < G_N_ELEMENTS(garbage); i++) {
		g_autoptr(GError) error = NULL;
		struct etcd_kv kv = {0};

		ck_assert_msg(etcd_kv_read(text_of(garbage[i]), &kv, &error) == -EPROTO, "%s",
			garbage[i]);
		ck_assert_ptr_null(kv.key);
		ck_assert_int_eq(error->code, EPROTO);
	}
}
END_TEST

static gboolean contains(const char *key, const char *range_end, const char *wanted)
{
	g_autoptr(GBytes) first = bytes_of(key);
	g_autoptr(GBytes) end = range_end != NULL ? bytes_of(range_end) : NULL;
	g_autoptr(GBytes) asked = bytes_of(wanted);
	const struct etcd_keys keys = {first, end};

	return etcd_keys_contain(&keys, asked);
}

START_TEST (keys_are_compared_as_bytes) {
	ck_assert(contains("a", NULL, "a"));
	ck_assert(!contains("a", NULL, "aa"));
	ck_assert(contains("a", "b", "a") && contains("a", "b", "a\xff"));
	ck_assert(!contains("a", "b", "b") && !contains("a", "b", "A"));
	ck_assert(contains("a", "", "\xff\xff") && !contains("b", "", "a"));
	ck_assert(contains("", "", "\x01"));
}
END_TEST

static void expect_keys(const char *key, const char *range_end, const char *wanted)
{
	g_autoptr(GString) json = g_string_new("{");
	g_autoptr(GBytes) first = bytes_of(key);
	g_autoptr(GBytes) end = range_end != NULL ? bytes_of(range_end) : NULL;
	const struct etcd_keys keys = {first, end};

	etcd_keys_add(json, &keys);
	ck_assert_str_eq(json->str, wanted);
}

START_TEST (an_open_range_is_written_as_nul) {
	expect_keys("a", NULL, "{\"key\":\"YQ==\"");
	expect_keys("a", "b", "{\"key\":\"YQ==\",\"range_end\":\"Yg==\"");
	expect_keys("a", "", "{\"key\":\"YQ==\",\"range_end\":\"AA==\"");
	expect_keys("", "", "{\"key\":\"AA==\",\"range_end\":\"AA==\"");
}
END_TEST

static struct etcd_frame read_frame(const char *json)
{
	g_autoptr(GError) error = NULL;
	struct etcd_frame frame = {0};

	ck_assert_msg(etcd_frame_read(text_of(json), &frame, &error) == 0, "%s: %s", json,
		error != NULL ? error->message : "");
	return frame;
}

START_TEST (frames_of_all_dialects_are_read) {
	struct etcd_frame frame = read_frame(
		"{\"result\":{\"header\":{\"revision\":\"7\"},\"watch_id\":\"-1\",\"created\":true,"
		"\"canceled\":true,\"compact_revision\":\"5\",\"cancel_reason\":\"old "
		"\\\"one\\\"\"}}");

	ck_assert(frame.revision == 7 && frame.created && frame.canceled && !frame.failed);
	ck_assert(frame.compact_revision == 5);
	ck_assert_str_eq(frame.words, "old \"one\"");
	etcd_frame_clear(&frame);
	frame = read_frame(
		"{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no "
		"leader\",\"http_status\":\"Service Unavailable\"}}");
	ck_assert(frame.failed && frame.code == 14);
	ck_assert_str_eq(frame.words, "etcdserver: no leader");
	etcd_frame_clear(&frame);
	frame = read_frame("{\"error\":{\"code\":7,\"message\":\"no\",\"details\":[]}}");
	ck_assert(frame.failed && frame.code == 7);
	etcd_frame_clear(&frame);
	frame = read_frame("{\"result\":{\"events\":null}}");
	ck_assert_ptr_null(frame.events.text);
	etcd_frame_clear(&frame);
}
END_TEST

START_TEST (frames_that_are_none_are_refused) {
	static const char *const garbage[] = {"", "[]", "{}", "{\"other\":{}}", "{\"result\":7}",
		"{\"error\":\"x\"}", "{\"result\":{\"created\":1}}",
		"{\"result\":{\"header\":{\"revision\":\"x\"}}}",
		"{\"result\":{\"cancel_reason\":{}}}", "{\"error\":{\"code\":\"x\"}}",
		"{\"error\":{\"code\":-1}}", "{\"error\":{\"code\":4294967296}}",
		"{\"result\":{\"cancel_reason\":\"a\\u0000b\"}}"};

	for (size_t i = 0; i < G_N_ELEMENTS(garbage); i++) {
		struct etcd_frame frame = {0};

		ck_assert_msg(etcd_frame_read(text_of(garbage[i]), &frame, NULL) == -EPROTO, "%s",
			garbage[i]);
	}
}
END_TEST

/* Returns how walking over the events ends. */
static int walk(const char *json, GString *notes)
{
	struct etcd_frame frame = read_frame(json);
	struct etcd_events events;
	enum etcd_event event;
	struct etcd_kv kv;
	int r = etcd_events_init(&events, &frame, NULL);

	while (r >= 0 && (r = etcd_events_next(&events, &event, &kv, NULL)) > 0) {
		g_string_append_printf(notes, "%s%.*s%s ", event == ETCD_PUT ? "+" : "-",
			(int)g_bytes_get_size(kv.key), (const char *)g_bytes_get_data(kv.key, NULL),
			kv.value == NULL ? "" : "=");
		etcd_kv_clear(&kv);
	}
	etcd_frame_clear(&frame);
	return r;
}

#define KV(key) "\"kv\":{\"key\":\"" key "\",\"mod_revision\":\"3\"}"

START_TEST (events_are_walked_over) {
	g_autoptr(GString) notes = g_string_new(NULL);

	ck_assert_int_eq(
		walk("{\"result\":{\"events\":[{" KV("YQ==") "},{\"type\":\"DELETE\"," KV(
			     "Yg==") "},{\"type\":1," KV("Yw==") "},{\"type\":0," KV("ZA==") "}]}}",
			notes),
		0);
	ck_assert_str_eq(notes->str, "+a= -b -c +d= ");
	ck_assert_int_eq(walk("{\"result\":{\"events\":{}}}", notes), -EPROTO);
	ck_assert_int_eq(walk("{\"result\":{\"events\":[7]}}", notes), -EPROTO);
	ck_assert_int_eq(walk("{\"result\":{\"events\":[{}]}}", notes), -EPROTO);
	ck_assert_int_eq(walk("{\"result\":{\"events\":[{" KV("YQ==") "}{}]}}", notes), -EPROTO);
	ck_assert_int_eq(
		walk("{\"result\":{\"events\":[{\"type\":\"LOCK\"," KV("YQ==") "}]}}", notes),
		-EPROTO);
	ck_assert_int_eq(
		walk("{\"result\":{\"events\":[{\"type\":2," KV("YQ==") "}]}}", notes), -EPROTO);
}
END_TEST

static struct etcd_failure read_failure(const char *body, int status)
{
	struct etcd_failure failure = {0};
	cJSON *object = body != NULL ? cJSON_Parse(body) : NULL;

	etcd_failure_read(&failure, object, status, "said otherwise");
	cJSON_Delete(object);
	return failure;
}

static void expect_failure(const char *body, int status, int errnum, int code, const char *words)
{
	struct etcd_failure failure = read_failure(body, status);

	ck_assert_msg(failure.errnum == errnum, "%s: %s", body, g_strerror(failure.errnum));
	ck_assert_int_eq(failure.code, code);
	ck_assert_str_eq(failure.words, words);
	etcd_failure_clear(&failure);
}

START_TEST (errors_of_all_dialects_are_read) {
	/* 3.4 and 3.5, 3.6, and a proxy's. */
	expect_failure(
		"{\"error\":\"etcdserver: mvcc: required revision has been compacted\",\"code\":11,"
		"\"message\":\"etcdserver: mvcc: required revision has been compacted\"}",
		400, ESTALE, 11, "etcdserver: mvcc: required revision has been compacted");
	expect_failure("{\"code\":11, \"message\":\"etcdserver: mvcc: required revision has been "
		       "compacted\", \"details\":[]}",
		400, ESTALE, 11, "etcdserver: mvcc: required revision has been compacted");
	expect_failure("{\"error\":\"etcdserver: invalid auth token\",\"code\":16}", 401, EACCES,
		16, "etcdserver: invalid auth token");
	expect_failure(NULL, 502, EIO, 0, "said otherwise");
	expect_failure("{\"error\":{}}", 503, EAGAIN, 0, "said otherwise");
	expect_failure(NULL, 404, EOPNOTSUPP, 0, "said otherwise");
	expect_failure("{\"error\":\"Not Found\",\"message\":\"Not Found\",\"code\":5}", 404,
		EOPNOTSUPP, 5, "Not Found");
	expect_failure("{\"error\":\"etcdserver: requested lease not found\",\"code\":5}", 404,
		ENOENT, 5, "etcdserver: requested lease not found");
	expect_failure("{\"code\":1e99,\"message\":\"x\\ny\"}", 400, EINVAL, 0, "x\\x0Ay");
	expect_failure("\"CommonName of client sending a request against gateway\"", 400, EINVAL, 0,
		"said otherwise");
	expect_failure(
		"{\"error\":\"CommonName of client sending a request against gateway will be\"}",
		400, EACCES, 0,
		"etcd's gateway refuses a client certificate with a common name while "
		"authentication is enabled: use one without");
	expect_failure("{\"code\":-3}", 500, EIO, 0, "said otherwise");
	expect_failure("{\"code\":77,\"message\":\"new\"}", 500, EIO, 77, "new");
}
END_TEST

START_TEST (codes_and_words_become_errnos) {
	static const struct {
		int code;
		const char *words;
		int errnum;
		gboolean untouched;
	} cases[] = {
		{8, "etcdserver: mvcc: database space exceeded", ENOSPC, FALSE},
		{8, "grpc: received message larger than max (5 vs. 2)", EFBIG, TRUE},
		{8, "etcdserver: too many requests", EAGAIN, TRUE},
		{3, "etcdserver: request is too large", EFBIG, TRUE},
		{3, "etcdserver: authentication failed, invalid user ID or password", EACCES, TRUE},
		{3, "etcdserver: duplicate key given in txn request", EINVAL, TRUE},
		{3, "etcdserver: key not found", ENOENT, TRUE},
		{4, "context deadline exceeded", ETIMEDOUT, FALSE},
		{7, "etcdserver: permission denied", EACCES, TRUE},
		{11, "etcdserver: mvcc: required revision is a future revision", ERANGE, TRUE},
		{12, "unknown method", EOPNOTSUPP, TRUE},
		{14, "etcdserver: no leader", EAGAIN, TRUE},
		{14, "etcdserver: request timed out", EAGAIN, FALSE},
		{14, "transport is closing", EAGAIN, FALSE},
		{16, "x", EACCES, TRUE},
		{2, "x", EIO, FALSE},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct etcd_failure failure = {0};

		etcd_failure_set(&failure, cases[i].code, cases[i].words, 0);
		ck_assert_msg(failure.errnum == cases[i].errnum, "%s", cases[i].words);
		ck_assert_msg(failure.untouched == cases[i].untouched, "%s", cases[i].words);
		etcd_failure_clear(&failure);
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_decode");
	TCase *tests = tcase_create("etcd_decode");

	tcase_add_test(tests, base64_is_what_glib_says);
	tcase_add_test(tests, base64_garbage_is_refused);
	tcase_add_test(tests, integers_are_strings_or_numbers);
	tcase_add_test(tests, zero_members_are_left_out);
	tcase_add_test(tests, a_whole_key_is_read);
	tcase_add_test(tests, a_key_that_is_none_is_refused);
	tcase_add_test(tests, keys_are_compared_as_bytes);
	tcase_add_test(tests, an_open_range_is_written_as_nul);
	tcase_add_test(tests, frames_of_all_dialects_are_read);
	tcase_add_test(tests, frames_that_are_none_are_refused);
	tcase_add_test(tests, events_are_walked_over);
	tcase_add_test(tests, errors_of_all_dialects_are_read);
	tcase_add_test(tests, codes_and_words_become_errnos);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
