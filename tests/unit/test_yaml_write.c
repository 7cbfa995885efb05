/* cache/yaml_write.h; expectations are what kubectl 1.36 prints, but where it says otherwise. */
#include "cache/yaml_write.h"

#include <check.h>
#include <errno.h>

#include "cache/json_parse.h"
#include "cache/yaml_read.h"

#define LIMIT ((size_t)1 << 28)

static void write_text(const char *json, struct buffer *buffer)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	struct document_node *root = NULL, *back = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_msg(json_parse(document, json, strlen(json), &root, &error) == 0, "%s: %s", json,
		error != NULL ? error->message : "no message");
	ck_assert_int_eq(yaml_write(document, root, buffer, &error), 0);
	ck_assert_msg(yaml_read(document, buffer->data, buffer->length, YAML_READ_STRICT, &back,
			      &error) == 0,
		"%s", error != NULL ? error->message : "no message");
	ck_assert_msg(document_equal(root, back), "%s", json);
}

static void expect(const char *json, const char *yaml)
{
	BUFFER_CLEANUP struct buffer buffer;
	g_autofree char *got = NULL;

	buffer_init(&buffer, LIMIT);
	write_text(json, &buffer);
	got = g_strndup(buffer.data, buffer.length);
	ck_assert_str_eq(got, yaml);
}

START_TEST (roots) {
	expect("null", "null\n");
	expect("true", "true\n");
	expect("-1", "-1\n");
	expect("\"a\"", "a\n");
	expect("\"\"", "\"\"\n");
	expect("[]", "[]\n");
	expect("{}", "{}\n");
	expect("[1,[]]", "- 1\n- []\n");
}
END_TEST

START_TEST (layout) {
	expect("{\"a\":{\"b\":[1,2],\"c\":{}},\"d\":[],\"e\":[[1,[2]],{\"f\":1,\"g\":[3]},[]]}",
		"a:\n"
		"  b:\n"
		"  - 1\n"
		"  - 2\n"
		"  c: {}\n"
		"d: []\n"
		"e:\n"
		"- - 1\n"
		"  - - 2\n"
		"- f: 1\n"
		"  g:\n"
		"  - 3\n"
		"- []\n");
}
END_TEST

START_TEST (key_order) {
	expect("{\"x10\":0,\"x9\":0,\"x1\":0,\"X\":0,\"x\":0,\"_a\":0,\"1\":0,\"\":0,\"a-b\":0,"
	       "\"ab\":0,"
	       "\"a.b\":0,\"\xC3\xA9\":0,\"a01\":0,\"a1\":0}",
		"\"\": 0\n"
		"_a: 0\n"
		"\"1\": 0\n"
		"X: 0\n"
		"a-b: 0\n"
		"a.b: 0\n"
		"a1: 0\n"
		"a01: 0\n"
		"ab: 0\n"
		"x: 0\n"
		"x1: 0\n"
		"x9: 0\n"
		"x10: 0\n"
		"\xC3\xA9: 0\n");
}
END_TEST

START_TEST (strings_that_are_quoted) {
	static const char *const doubled[] = {"", "~", "null", "Null", "true", "yes", "Off", "y",
		"N", "1", "-1", "+1", "0x1F", "0777", "0o7", "0b1", "0b-1", "1_000", "1.5", ".5",
		"5.", "1e3", ".inf", "-.INF", ".nan", "1:30", "190:20:30.15", "2024-01-01",
		"2024-1-1", "2024-01-01T00:00:00Z", "2024-01-01 00:00:00", "089",
		"9223372036854775808", "18446744073709551615", "0xffffffffffffffff"};
	static const char *const single[] = {" a", "a ", " ", "#a", ",a", "[a", "]", "{", "}", "&a",
		"*a", "!a", "|", ">", "%a", "@a", "`a", "- a", "-", "? a", "?", ": a", ":", "a: b",
		"a:", "a #b", "---", "--- a", "...", "...a"};
	static const char *const plain[] = {"a", "a b", "-a", "--", "?a", ":a", "a:b", "a#b", "a,b",
		"a[b]", "it's", "a=b", "=", "<<", "<", "nUll", "yEs", "0o8", "0x", "0xg", "1e400",
		"1e", ".", "..", "._1", "1:60", "2024-13-01", "2023-02-29", "2024-01-01T24:00:00Z",
		"inf", "NaN", "-", "18446744073709551616x", "10.0.0.1", "fe80::1", "100m", "$(A)",
		"(a)", "\xC3\xA9"};

	for (size_t i = 0; i < G_N_ELEMENTS(doubled); i++) {
		g_autofree char *json = g_strdup_printf("[\"%s\"]", doubled[i]);
		g_autofree char *yaml = g_strdup_printf("- \"%s\"\n", doubled[i]);

		expect(json, yaml);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(single); i++) {
		g_autofree char *json = g_strdup_printf("[\"%s\"]", single[i]);
		g_autofree char *yaml = g_strdup_printf("- '%s'\n", single[i]);

		expect(json, yaml);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
		g_autofree char *json = g_strdup_printf("[\"%s\"]", plain[i]);
		g_autofree char *yaml = g_strdup_printf("- %s\n", plain[i]);

		if (strcmp(plain[i], "-") != 0)
			expect(json, yaml);
	}
	expect("[\"'a' # b\"]", "- '''a'' # b'\n");
}
END_TEST

START_TEST (escapes) {
	expect("\"a\\tb\"", "\"a\\tb\"\n");
	expect("\"\\u0000\\u0007\\b\\u000b\\f\\r\\u001b\\u001f\"",
		"\"\\0\\a\\b\\v\\f\\r\\e\\x1F\"\n");
	expect("\"\\\"\\\\\\t\"", "\"\\\"\\\\\\t\"\n");
	expect("\"\\ud83d\\ude00\"", "\"\\U0001F600\"\n");
	expect("\"a\\ufeff\"", "\"a\\uFEFF\"\n");
	/* goyaml escapes all behind a leading byte order mark. */
	expect("\"\\ufeffab\"", "\"\\uFEFF\\x61\\x62\"\n");
	expect("\"a\\u2028b\"", "'a\xE2\x80\xA8  b'\n");
	expect("\"a\\u00a0\"", "a\xC2\xA0\n");
}
END_TEST

/* kubectl fails: "control characters are not allowed"; or folds NEL into a blank. */
START_TEST (what_kubectl_cannot) {
	expect("\"\\u007f\"", "\"\\x7F\"\n");
	expect("\"\\u0080\"", "\"\\x80\"\n");
	expect("\"\\ufffe\"", "\"\\uFFFE\"\n");
	expect("\"a\\u0085b\"", "\"a\\Nb\"\n");
	/* Plain, this key would be read as the merge key. */
	expect("{\"<<\":{\"a\":1}}", "\"<<\":\n  a: 1\n");
}
END_TEST

START_TEST (literals) {
	expect("{\"a\":\"x\\ny\"}", "a: |-\n  x\n  y\n");
	expect("{\"a\":\"x\\ny\\n\"}", "a: |\n  x\n  y\n");
	expect("{\"a\":\"x\\ny\\n\\n\"}", "a: |+\n  x\n  y\n\n");
	expect("{\"a\":\"\\n\"}", "a: |2+\n\n");
	expect("{\"a\":\"\\nx\"}", "a: |2-\n\n  x\n");
	expect("{\"a\":\"  x\\ny\\n\"}", "a: |2\n    x\n  y\n");
	expect("{\"a\":\"x\\n\\n  y\"}", "a: |-\n  x\n\n    y\n");
	expect("[\"x\\ny\"]", "- |-\n  x\n  y\n");
	expect("\"x\\ny\\n\"", "|\n  x\n  y\n");
	expect("{\"a\":{\"b\":[\"x\\ny\\n\"]}}", "a:\n  b:\n  - |\n    x\n    y\n");
	/* Blanks at line ends, tabs and carriage returns do not fit into one. */
	expect("{\"a\":\"x \\ny\"}", "a: \"x \\ny\"\n");
	expect("{\"a\":\"x\\ny \"}", "a: \"x\\ny \"\n");
	expect("{\"a\":\"x\\n\\ty\"}", "a: \"x\\n\\ty\"\n");
	expect("{\"a\":\"x\\r\\ny\"}", "a: \"x\\r\\ny\"\n");
}
END_TEST

/* 80 columns and then the next single blank. */
START_TEST (folding) {
	expect("{\"key\":\"aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "
	       "aaaaaaaaa "
	       "aaaaaaaaa b\"}",
		"key: aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "
		"aaaaaaaaa\n"
		"  aaaaaaaaa b\n");
	expect("{\"key\":\"'aaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "
	       "aaaaaaaaa "
	       " aaaaaaaaa b\"}",
		"key: '''aaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "
		"aaaaaaaaa  aaaaaaaaa\n"
		"  b'\n");
	expect("{\"key\":\"\\taaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "
	       "aaaaaaaaa "
	       "  b\"}",
		"key: \"\\taaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "
		"aaaaaaaaa\n"
		"  \\  b\"\n");
}
END_TEST

START_TEST (complex_keys) {
	g_autofree char *name = g_strnfill(129, 'k');
	g_autofree char *json = g_strdup_printf("{\"%s\":[1,2]}", name);
	g_autofree char *yaml = g_strdup_printf("? %s\n: - 1\n  - 2\n", name);
	g_autofree char *simple_json = g_strdup_printf("{\"%s\":[1,2]}", name + 1);
	g_autofree char *simple_yaml = g_strdup_printf("%s:\n- 1\n- 2\n", name + 1);
	g_autofree char *huge = g_strnfill(5000, 'k');
	g_autofree char *huge_json = g_strdup_printf("{\"%s\":{\"a\":{}}}", huge);
	g_autofree char *huge_yaml = g_strdup_printf("? %s\n: a: {}\n", huge);

	expect(json, yaml);
	expect(simple_json, simple_yaml);
	/* kubectl: "could not find expected ':'" */
	expect(huge_json, huge_yaml);
	expect("{\"a\\nb\":1}", "? |-\n  a\n  b\n: 1\n");
	expect("{\"a\\nb\\n\":{\"c\":1,\"d\":2}}", "? |\n  a\n  b\n: c: 1\n  d: 2\n");
	expect("{\"a b\":1,\" \":2,\"a: b\":3,\"yes\":4}",
		"' ': 2\na b: 1\n'a: b': 3\n\"yes\": 4\n");
}
END_TEST

START_TEST (deep) {
	static const size_t depths[] = {200, 10000};

	for (size_t i = 0; i < G_N_ELEMENTS(depths); i++) {
		g_autoptr(GString) json = g_string_new(NULL);
		BUFFER_CLEANUP struct buffer buffer;

		buffer_init(&buffer, LIMIT);
		for (size_t j = 0; j < depths[i]; j++)
			g_string_append(json, j % 2 == 0 ? "{\"a\":" : "[");
		g_string_append_c(json, '1');
		for (size_t j = depths[i]; j > 0; j--)
			g_string_append_c(json, j % 2 == 1 ? '}' : ']');
		write_text(json->str, &buffer);
	}
}
END_TEST

START_TEST (limit) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	static const char json[] =
		"{\"a\":[1,{\"b c\":\"d\\ne\"},\"f\\tg\",\"x y\"],\"h\":{\"i\":1.5}}";
	struct document_node *root = NULL;
	size_t whole = 0;

	ck_assert_int_eq(json_parse(document, json, sizeof(json) - 1, &root, NULL), 0);
	for (size_t size = 0; whole == 0; size++) {
		BUFFER_CLEANUP struct buffer buffer;
		g_autoptr(GError) error = NULL;
		int result;

		buffer_init(&buffer, size);
		result = yaml_write(document, root, &buffer, &error);
		ck_assert_uint_le(buffer.length, size);
		if (result == 0) {
			whole = buffer.length;
			ck_assert_uint_eq(whole, size);
		} else {
			ck_assert_int_eq(result, -EFBIG);
			ck_assert_int_eq(error->code, EFBIG);
		}
	}
	ck_assert_uint_gt(whole, 50);
}
END_TEST

START_TEST (appends) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root = NULL;
	static const char text[] = "---\na: 1\n---\na: 1\n";

	buffer_init(&buffer, LIMIT);
	ck_assert_int_eq(json_parse(document, "{\"a\":1}", 7, &root, NULL), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert(buffer_append(&buffer, "---\n", 4));
		ck_assert_int_eq(yaml_write(document, root, &buffer, NULL), 0);
	}
	ck_assert_uint_eq(buffer.length, sizeof(text) - 1);
	ck_assert_mem_eq(buffer.data, text, sizeof(text) - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("yaml_write");
	TCase *tcase = tcase_create("yaml_write");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, roots);
	tcase_add_test(tcase, layout);
	tcase_add_test(tcase, key_order);
	tcase_add_test(tcase, strings_that_are_quoted);
	tcase_add_test(tcase, escapes);
	tcase_add_test(tcase, what_kubectl_cannot);
	tcase_add_test(tcase, literals);
	tcase_add_test(tcase, folding);
	tcase_add_test(tcase, complex_keys);
	tcase_add_test(tcase, deep);
	tcase_add_test(tcase, limit);
	tcase_add_test(tcase, appends);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
