/* cache/yaml_read.h; expectations are what sigs.k8s.io/yaml 1.6 reads, but where it says otherwise.
 */
#include "cache/yaml_read.h"

#include <check.h>
#include <errno.h>

#include "cache/json_write.h"
#include "tests/unit/cpu_time.h"

#define LIMIT ((size_t)1 << 28)

static int read_text(
	const char *text, size_t length, unsigned int flags, char **ret_json, GError **error)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	/* Its own block, so that a sanitizer sees a read behind the end. */
	g_autofree char *copy = g_memdup2(text, length);
	struct document_node *root = NULL;
	int result;

	buffer_init(&buffer, LIMIT);
	result = yaml_read(document, copy, length, flags, &root, error);
	if (result < 0) {
		ck_assert_ptr_null(root);
		return result;
	}
	ck_assert_int_eq(json_write(document, root, JSON_COMPACT, &buffer, NULL), 0);
	*ret_json = g_strndup(buffer.data, buffer.length);
	return 0;
}

static void expect(const char *yaml, const char *json)
{
	g_autofree char *got = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_msg(read_text(yaml, strlen(yaml), YAML_READ_LAX, &got, &error) == 0, "%s: %s",
		yaml, error != NULL ? error->message : "no message");
	ck_assert_msg(strcmp(got, json) == 0, "%s: %s, not %s", yaml, got, json);
}

static void refuse_flags(const char *yaml, unsigned int flags, int errnum, const char *message)
{
	g_autofree char *got = NULL;
	g_autoptr(GError) error = NULL;
	int result = read_text(yaml, strlen(yaml), flags, &got, &error);

	ck_assert_msg(result == -errnum, "%.100s: %d", yaml, result);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, errnum);
	ck_assert_msg(strcmp(error->message, message) == 0, "%.100s: %s", yaml, error->message);
}

static void refuse(const char *yaml, const char *message)
{
	refuse_flags(yaml, YAML_READ_LAX, EINVAL, message);
}

START_TEST (scalars) {
	static const struct {
		const char *yaml;
		const char *json;
	} cases[] = {
		{"", "null"},
		{"\n# nothing\n", "null"},
		{"~", "null"},
		{"null", "null"},
		{"NULL", "null"},
		{"nUll", "\"nUll\""},
		{"''", "\"\""},
		{"yes", "true"},
		{"On", "true"},
		{"y", "true"},
		{"no", "false"},
		{"OFF", "false"},
		{"N", "false"},
		{"yEs", "\"yEs\""},
		{"'yes'", "\"yes\""},
		{"1", "1"},
		{"+1", "1"},
		{"-0", "0"},
		{"0x1F", "31"},
		{"-0X1f", "-31"},
		{"0777", "511"},
		{"0o17", "15"},
		{"0b101", "5"},
		{"-0b1", "-1"},
		{"0b-1", "-1"},
		{"1_000", "1000"},
		{"1__0_", "10"},
		{"089", "89"},
		{"08.5", "8.5"},
		{"0x", "\"0x\""},
		{"0b2", "\"0b2\""},
		{"9223372036854775807", "9223372036854775807"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"18446744073709551615", "18446744073709552000"},
		{"18446744073709551616", "18446744073709552000"},
		{"0x8000000000000000", "9223372036854776000"},
		{"1.5", "1.5"},
		{"+.5", "0.5"},
		{"5.", "5"},
		{"1e3", "1000"},
		{"1e21", "1e+21"},
		{"1E-7", "1e-7"},
		{"1e400", "\"1e400\""},
		{"1e", "\"1e\""},
		{".", "\".\""},
		{".1_0", "0.1"},
		{"._1", "\"._1\""},
		{"1:30", "\"1:30\""},
		{"2024-01-01", "\"2024-01-01\""},
		{"2024-01-01T00:00:00Z", "\"2024-01-01T00:00:00Z\""},
		{"<<", "\"\\u003c\\u003c\""},
		{"=", "\"=\""},
		{"! 12", "\"12\""},
		{"! '12'", "\"12\""},
		{"!!str 12", "\"12\""},
		{"!!int '12'", "12"},
		{"!!float 12", "12"},
		{"!!bool yes", "true"},
		{"!!null ''", "null"},
		{"!!timestamp 2024-01-01", "\"2024-01-01\""},
		{"!foo 12", "\"12\""},
		{"!!binary aGVsbG8=", "\"hello\""},
		{"!!binary /w==", "\"\xEF\xBF\xBD\""},
		{"!!binary |\n  aGVs\n  bG8=\n", "\"hello\""},
		{"\"\\x41\\u263A\\U0001F600\\0\"", "\"A\xE2\x98\xBA\xF0\x9F\x98\x80\\u0000\""},
		{"a\n b\n\n c", "\"a b\\nc\""},
		{"|\n a\n b\n", "\"a\\nb\\n\""},
		{">-\n a\n b\n", "\"a b\""},
		{"\xEF\xBB\xBF"
		 "a: 1",
			"{\"a\":1}"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		expect(cases[i].yaml, cases[i].json);
}
END_TEST

START_TEST (collections) {
	expect("a: 1\nb:\n- x\n- z: 2\nc: {d: [1, 2]}\n",
		"{\"a\":1,\"b\":[\"x\",{\"z\":2}],\"c\":{\"d\":[1,2]}}");
	expect("? a\n: 1\n? |\n  b\n:\n  - 2\n", "{\"a\":1,\"b\\n\":[2]}");
	expect("{\"kind\": \"Pod\", \"n\": 1}", "{\"kind\":\"Pod\",\"n\":1}");
	expect("- - 1\n  - 2\n-\n", "[[1,2],null]");
	expect("a:\nb: {}\nc: []\n", "{\"a\":null,\"b\":{},\"c\":[]}");
}
END_TEST

START_TEST (keys) {
	expect("1: a\n0x10: b\n", "{\"1\":\"a\",\"16\":\"b\"}");
	expect("true: a\nno: b\n", "{\"false\":\"b\",\"true\":\"a\"}");
	expect("1.5: a\n1e10: b\n.inf: c\n-.inf: d\n.nan: e\n0.1: f\n",
		"{\"-.inf\":\"d\",\".inf\":\"c\",\".nan\":\"e\",\"0.1\":\"f\",\"1.5\":\"a\",\"1e+"
		"10\":\"b\"}");
	expect("2024-01-01: a\n", "{\"2024-01-01\":\"a\"}");
	refuse("~: a", "line 1, column 1: a key is null");
	refuse("a: 1\n? [b]\n: 1", "line 2, column 3: a key is a map or a list");
	refuse("{a: 1}: b", "line 1, column 1: a key is a map or a list");
	refuse("18446744073709551615: a",
		"line 1, column 1: a key is a number beyond 64 bits with sign");
}
END_TEST

START_TEST (aliases) {
	expect("a: &x {b: 1}\nc: *x\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}");
	expect("- &x 1\n- *x\n- &x 2\n- *x\n", "[1,1,2,2]");
	expect("&k a: 1\nb: *k\n", "{\"a\":1,\"b\":\"a\"}");
	expect("- &k 12\n- *k : 1\n", "[12,{\"12\":1}]");
	expect("- &x [[], {a: [1]}, []]\n- [*x, *x]\n",
		"[[[],{\"a\":[1]},[]],[[[],{\"a\":[1]},[]],[[],{\"a\":[1]},[]]]]");
	refuse("- *x", "line 1, column 3: no such anchor before this alias");
	refuse("a: &x\n  b: *x\n", "line 2, column 6: an anchor's value contains itself");
	refuse("- &x [1]\n- *x : 1\n", "line 2, column 3: a key is a map or a list");
}
END_TEST

START_TEST (merges) {
	expect("x: &x {a: 1, b: 2}\nw: {<<: *x, a: 3}\n",
		"{\"w\":{\"a\":3,\"b\":2},\"x\":{\"a\":1,\"b\":2}}");
	/* go.yaml.in/yaml/v2 merges in order: what stands behind wins. */
	expect("x: &x {a: 1}\nw: {a: 3, <<: *x}\n", "{\"w\":{\"a\":1},\"x\":{\"a\":1}}");
	expect("x: &x {a: 1}\nw: {<<: [*x, {a: 2, b: 3}]}\n",
		"{\"w\":{\"a\":1,\"b\":3},\"x\":{\"a\":1}}");
	expect("'<<': {a: 1}", "{\"\\u003c\\u003c\":{\"a\":1}}");
	expect("!!merge <<: {a: 1}", "{\"a\":1}");
	refuse("<<: 1", "line 1, column 5: a merge needs a map or a list of maps");
	refuse("<<: [1]", "line 1, column 7: a merge needs a map or a list of maps");
	refuse("- &x [{a: 1}]\n- <<: *x\n",
		"line 2, column 7: a merge needs a map or a list of maps");
}
END_TEST

START_TEST (duplicates) {
	expect("a: 1\nb: 2\na: 3\n", "{\"a\":3,\"b\":2}");
	refuse_flags("a: 1\nb: 2\na: 3\n", YAML_READ_STRICT, EINVAL,
		"line 3, column 1: the map has this key already");
	refuse_flags("x:\n  - {b: 1, 'b': 2}\n", YAML_READ_STRICT, EINVAL,
		"line 2, column 12: the map has this key already");
	refuse_flags("1: a\n'1': b\n", YAML_READ_STRICT, EINVAL,
		"line 2, column 1: the map has this key already");
}
END_TEST

START_TEST (errors) {
	refuse("a: b: c", "line 1, column 5: mapping values are not allowed in this context");
	refuse("a: 1\n b: 2", "line 2, column 3: mapping values are not allowed in this context");
	refuse("[1, 2", "line 2, column 1: did not find expected ',' or ']'");
	refuse("a:\n\t- b\n", "line 2, column 1: found character that cannot start any token");
	refuse("a: 'b", "line 1, column 6: found unexpected end of stream");
	refuse("a: .inf", "line 1, column 4: JSON has no infinity and no NaN");
	refuse("a: !!int b", "line 1, column 4: the value is not what its tag says");
	refuse("a: !!binary '*'", "line 1, column 4: !!binary is not base64");
	refuse("a: 1\nb: \x01\n", "line 2, column 4: control characters are not allowed");
	refuse("a: \xFF", "line 1, column 4: invalid leading UTF-8 octet");
	refuse("a: 1\n\xEF\xBB\xBF"
	       "b: 2",
		"line 1, column 1: a line begins with a byte order mark");
	/* The last byte of the letter is that of a line separator. */
	expect("a: \xC3\xA9\xEF\xBB\xBF", "{\"a\":\"\xC3\xA9\xEF\xBB\xBF\"}");
}
END_TEST

/* kubectl reads the first and says nothing of the rest. */
START_TEST (one_document) {
	expect("---\na: 1\n", "{\"a\":1}");
	expect("---\na: 1\n---\n# nothing\n", "{\"a\":1}");
	expect("a: 1\n...\n", "{\"a\":1}");
	refuse("a: 1\n---\nb: 2\n", "line 3, column 1: a second document begins");
	refuse("a: 1\n--- ''\n", "line 2, column 5: a second document begins");
}
END_TEST

/* Millions of values from a few lines. */
START_TEST (alias_bombs) {
	g_autoptr(GString) text = g_string_new("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	g_autoptr(GString) maps = g_string_new("a0: &a0 {k: v}\n");

	for (int i = 1; i < 20; i++) {
		g_string_append_printf(text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 10; j++)
			g_string_append_printf(text, "%s*a%d", j > 0 ? "," : "", i - 1);
		g_string_append(text, "]\n");
		g_string_append_printf(maps, "a%d: &a%d {<<: *a%d, x: *a%d, y: *a%d}\n", i, i,
			i - 1, i - 1, i - 1);
	}
	refuse_flags(text->str, YAML_READ_LAX, EFBIG,
		"line 4, column 18: aliases multiply the document");
	refuse_flags(maps->str, YAML_READ_LAX, EFBIG,
		"line 10, column 14: aliases multiply the document");
}
END_TEST

static char *repeated(const char *text, size_t count)
{
	GString *whole = g_string_new(NULL);

	while (count-- > 0)
		g_string_append(whole, text);
	return g_string_free(whole, FALSE);
}

START_TEST (depth) {
	static const char *const opens[] = {"[", "{a: ", "- ", "? ", "{"};

	for (size_t i = 0; i < G_N_ELEMENTS(opens); i++) {
		g_autofree char *text = repeated(opens[i], 100000);
		g_autofree char *got = NULL;
		g_autoptr(GError) error = NULL;
		gint64 begin = cpu_time();

		ck_assert_int_lt(read_text(text, strlen(text), YAML_READ_LAX, &got, &error), 0);
		ck_assert_int_lt(cpu_time() - begin, 20 * G_TIME_SPAN_SECOND);
	}
}
END_TEST

/* Each would take hours if its time grew with the square of its length. */
START_TEST (slow_texts) {
	static const struct {
		const char *begin;
		const char *piece;
		size_t count;
	} cases[] = {
		{"", "%TAG !a! b\n", 300000},
		{"", "- &a x\n- *a\n", 300000},
		{"", "[", 9000},
		{"a: '", "\n\n", 1000000},
		{"a: |\n", "\n", 2000000},
		{"", "# x\n", 1000000},
		{"{", "a, ", 1000000},
		{"", "? a\n", 500000},
		{"", "!!str ", 500000},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = repeated(cases[i].piece, cases[i].count);
		g_autofree char *whole = g_strconcat(cases[i].begin, text, NULL);
		g_autofree char *got = NULL;
		gint64 begin = cpu_time();

		read_text(whole, strlen(whole), YAML_READ_LAX, &got, NULL);
		ck_assert_msg(cpu_time() - begin < 20 * G_TIME_SPAN_SECOND, "case %zu", i);
	}
}
END_TEST

START_TEST (flow_work) {
	g_autofree char *open = repeated("[", 9000);
	g_autofree char *items = repeated("1,", 500000);
	g_autofree char *text = g_strconcat(open, items, NULL);
	g_autofree char *got = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(read_text(text, strlen(text), YAML_READ_LAX, &got, &error), -EFBIG);
	ck_assert(g_str_has_suffix(error->message, "too many values too deep in [] and {}"));
}
END_TEST

START_TEST (memory_limit) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, 1 << 20);
	g_autofree char *text = repeated("- x\n", 100000);
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(
		yaml_read(document, text, strlen(text), YAML_READ_LAX, &root, &error), -EFBIG);
	ck_assert(g_str_has_suffix(error->message, "the document takes more memory than allowed"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("yaml_read");
	TCase *tcase = tcase_create("yaml_read");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 240);
	tcase_add_test(tcase, scalars);
	tcase_add_test(tcase, collections);
	tcase_add_test(tcase, keys);
	tcase_add_test(tcase, aliases);
	tcase_add_test(tcase, merges);
	tcase_add_test(tcase, duplicates);
	tcase_add_test(tcase, errors);
	tcase_add_test(tcase, one_document);
	tcase_add_test(tcase, alias_bombs);
	tcase_add_test(tcase, depth);
	tcase_add_test(tcase, slow_texts);
	tcase_add_test(tcase, flow_work);
	tcase_add_test(tcase, memory_limit);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
