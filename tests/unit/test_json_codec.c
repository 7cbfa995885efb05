/* cache/json_parse.h, cache/json_write.h and cache/number.h */
#include "cache/json_parse.h"

#include <check.h>
#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "cache/json_write.h"
#include "cache/number.h"

#define LIMIT ((size_t)1 << 28)

/* Parses and writes; the caller frees it. */
static char *convert(const char *text, size_t length, enum json_style style)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;

	buffer_init(&buffer, LIMIT);
	ck_assert_msg(json_parse(document, text, length, &root, &error) == 0, "%s: %s", text,
		error != NULL ? error->message : "no message");
	ck_assert_int_eq(json_write(document, root, style, &buffer, &error), 0);
	return g_strndup(buffer.data, buffer.length);
}

static void expect(const char *text, const char *wanted)
{
	g_autofree char *got = convert(text, strlen(text), JSON_COMPACT);

	ck_assert_str_eq(got, wanted);
}

static void refuse_bytes(const char *text, size_t length, int errnum)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	/* Its own block, so that a sanitizer sees a read behind the end. */
	g_autofree char *copy = g_memdup2(text, length);
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;
	int result = json_parse(document, copy, length, &root, &error);

	ck_assert_msg(result == -errnum, "%.*s: %d", (int)MIN(length, 100), text, result);
	ck_assert_ptr_null(root);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, errnum);
	ck_assert_ptr_null(strchr(error->message, '\n'));
}

static void refuse(const char *text)
{
	refuse_bytes(text, strlen(text), EBADMSG);
}

START_TEST (values) {
	expect("null", "null");
	expect(" \t\r\n true \n", "true");
	expect("false", "false");
	expect("[]", "[]");
	expect("[ ]", "[]");
	expect("{ }", "{}");
	expect("\"\"", "\"\"");
	expect("[1,[2,[3],{}],{\"a\":[]}]", "[1,[2,[3],{}],{\"a\":[]}]");
	expect("{\"b\":1,\"a\":{\"d\":2,\"c\":3},\"\":0}",
		"{\"\":0,\"a\":{\"c\":3,\"d\":2},\"b\":1}");
}
END_TEST

START_TEST (malformed) {
	static const char *const texts[] = {"", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]",
		"[,1]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{1:2}",
		"{a:1}", "[1}", "{\"a\":1]", "nul", "nulll", "True", "tru", "1 2", "[] []", "\"",
		"\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\'\"", "\"\t\"",
		"\"\n\"", "\"\x01\"", "\"\\ud83d\\u12\"", "01", "-", "+1", "1.", ".5", "1e", "1e+",
		"1.e5", "-a", "0x1", "1_0", "Infinity", "NaN", "1e400", "-1e309", "'a'", "[1 2]",
		"{\"a\" 1}", "{\"a\":1 \"b\":2}", "\xEF\xBB\xBF{}", "/**/1", "\x80"};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		refuse(texts[i]);
	refuse_bytes("1\0", 2, EBADMSG);
	refuse_bytes("\"\0\"", 3, EBADMSG);
}
END_TEST

START_TEST (every_prefix) {
	static const char text[] =
		"{\"a\\n\\u00e9\\ud83d\\ude00\":[1,-2.5e+3,true,null,\"\xC3\xA9\"],"
		"\"b\":{\"c\":{}}}";

	for (size_t length = 0; length < sizeof(text) - 1; length++)
		refuse_bytes(text, length, EBADMSG);
}
END_TEST

START_TEST (strings) {
	expect("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
	expect("\"\\u0000\\u001f\\u007f\"", "\"\\u0000\\u001f\x7F\"");
	expect("\"<a&b>\"", "\"\\u003ca\\u0026b\\u003e\"");
	expect("\"\\u2028\\u2029\\u202a\"", "\"\\u2028\\u2029\xE2\x80\xAA\"");
	expect("\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"");
	expect("\"\\uD83D\\uDE00 plain enough to be longer than sixteen bytes\"",
		"\"\xF0\x9F\x98\x80 plain enough to be longer than sixteen bytes\"");
	expect("{\"\\u0061\":1}", "{\"a\":1}");
}
END_TEST

START_TEST (bad_unicode) {
	expect("\"\\ud83d\"", "\"\xEF\xBF\xBD\"");
	expect("\"\\ude00\"", "\"\xEF\xBF\xBD\"");
	expect("\"\\ud83dx\"", "\"\xEF\xBF\xBDx\"");
	expect("\"\\ud83d\\n\"", "\"\xEF\xBF\xBD\\n\"");
	expect("\"\\ud83d\\ud83d\\ude00\"", "\"\xEF\xBF\xBD\xF0\x9F\x98\x80\"");
	expect("\"a\x80z\"", "\"a\xEF\xBF\xBDz\"");
	expect("\"\xC0\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
	expect("\"\xE2\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
	expect("\"\xED\xA0\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
	expect("\"\xF4\x90\x80\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
	expect("\"\xF4\x8F\xBF\xBF\"", "\"\xF4\x8F\xBF\xBF\"");
	expect("{\"\xFF\":1}", "{\"\xEF\xBF\xBD\":1}");
}
END_TEST

START_TEST (plain_strings_are_not_copied) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	static const char text[] = "[\"plain\",\"\xC3\xA9\",\"a\\n\",12,1.5]";
	struct document_node *root = NULL, *node;

	ck_assert_int_eq(json_parse(document, text, sizeof(text) - 1, &root, NULL), 0);
	node = root->first;
	ck_assert_ptr_eq(node->text, text + 2);
	node = node->next;
	ck_assert_ptr_eq(node->text, text + 10);
	node = node->next;
	ck_assert(node->text < text || node->text >= text + sizeof(text));
	node = node->next;
	ck_assert_int_eq(node->type, DOCUMENT_INTEGER);
	node = node->next;
	ck_assert_int_eq(node->type, DOCUMENT_FLOAT);
	ck_assert_ptr_null(node->next);
}
END_TEST

START_TEST (last_of_equal_keys) {
	g_autoptr(GString) many = g_string_new("{");

	expect("{\"a\":1,\"a\":2}", "{\"a\":2}");
	expect("{\"a\":{\"b\":1},\"c\":0,\"a\":{\"d\":1}}", "{\"a\":{\"d\":1},\"c\":0}");
	expect("{\"a\":1,\"\\u0061\":2,\"a\":3}", "{\"a\":3}");
	for (int i = 0; i < 1000; i++)
		g_string_append_printf(many, "\"k%d\":%d,", i % 2, i);
	g_string_append(many, "\"z\":0}");
	expect(many->str, "{\"k0\":998,\"k1\":999,\"z\":0}");
}
END_TEST

START_TEST (numbers) {
	static const struct {
		const char *text;
		enum document_type type;
		const char *json;
		const char *yaml;
	} cases[] = {
		{"0", DOCUMENT_INTEGER, "0", "0"},
		{"-0", DOCUMENT_INTEGER, "0", "0"},
		{"-0.0", DOCUMENT_FLOAT, "-0", "0"},
		{"1.0", DOCUMENT_FLOAT, "1", "1"},
		{"9223372036854775807", DOCUMENT_INTEGER, "9223372036854775807",
			"9223372036854775807"},
		{"-9223372036854775808", DOCUMENT_INTEGER, "-9223372036854775808",
			"-9223372036854775808"},
		{"9223372036854775808", DOCUMENT_FLOAT, "9223372036854776000",
			"9223372036854776000"},
		{"-9223372036854775809", DOCUMENT_FLOAT, "-9223372036854776000",
			"-9.223372036854776e+18"},
		{"18446744073709551615", DOCUMENT_FLOAT, "18446744073709552000",
			"1.8446744073709552e+19"},
		{"1e5", DOCUMENT_FLOAT, "100000", "100000"},
		{"1e20", DOCUMENT_FLOAT, "100000000000000000000", "1e+20"},
		{"1e21", DOCUMENT_FLOAT, "1e+21", "1e+21"},
		{"1234567.5", DOCUMENT_FLOAT, "1234567.5", "1.2345675e+06"},
		{"100000.5", DOCUMENT_FLOAT, "100000.5", "100000.5"},
		{"0.0001", DOCUMENT_FLOAT, "0.0001", "0.0001"},
		{"0.00001", DOCUMENT_FLOAT, "0.00001", "1e-05"},
		{"0.000001", DOCUMENT_FLOAT, "0.000001", "1e-06"},
		{"0.0000001", DOCUMENT_FLOAT, "1e-7", "1e-07"},
		{"1e-10", DOCUMENT_FLOAT, "1e-10", "1e-10"},
		{"1e-400", DOCUMENT_FLOAT, "0", "0"},
		{"5e-324", DOCUMENT_FLOAT, "5e-324", "5e-324"},
		{"1.7976931348623157e308", DOCUMENT_FLOAT, "1.7976931348623157e+308",
			"1.7976931348623157e+308"},
		{"5.684341886080801e-14", DOCUMENT_FLOAT, "5.684341886080801e-14",
			"5.684341886080801e-14"},
		{"0.1", DOCUMENT_FLOAT, "0.1", "0.1"},
		{"0.30000000000000004", DOCUMENT_FLOAT, "0.30000000000000004",
			"0.30000000000000004"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
		struct document_node *root = NULL;
		char scratch[NUMBER_TEXT_MAX];
		const char *text;
		size_t length;

		ck_assert_int_eq(
			json_parse(document, cases[i].text, strlen(cases[i].text), &root, NULL), 0);
		ck_assert_msg(root->type == cases[i].type, "%s", cases[i].text);
		length = number_json(root, scratch, &text);
		ck_assert_msg(
			length == strlen(cases[i].json) && memcmp(text, cases[i].json, length) == 0,
			"%s: %.*s", cases[i].text, (int)length, text);
		length = number_yaml(root, scratch, &text);
		ck_assert_msg(
			length == strlen(cases[i].yaml) && memcmp(text, cases[i].yaml, length) == 0,
			"%s: %.*s", cases[i].text, (int)length, text);
	}
}
END_TEST

/* Every power of two, and its neighbours, is printed with as few digits as read back. */
START_TEST (shortest) {
	for (int exponent = DBL_MIN_EXP - DBL_MANT_DIG; exponent < DBL_MAX_EXP; exponent++) {
		double power = ldexp(1, exponent);
		double doubles[] = {nextafter(power, 0), power, nextafter(power, INFINITY)};

		for (size_t i = 0; i < G_N_ELEMENTS(doubles); i++) {
			char text[NUMBER_TEXT_MAX + 1], longer[40];
			size_t length = number_print_g(doubles[i], text);
			double back;

			ck_assert(number_parse(text, length, &back));
			ck_assert(back == doubles[i]);
			text[length] = '\0';
			g_snprintf(longer, sizeof(longer), "%.17g", doubles[i]);
			ck_assert_uint_le(strcspn(text, "e"), strlen(longer) + 1);
		}
	}
}
END_TEST

START_TEST (no_locale) {
	if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL && setlocale(LC_ALL, "fr_FR.UTF-8") == NULL)
		setlocale(LC_ALL, "");
	expect("1.5", "1.5");
	expect("1e-7", "1e-7");
	setlocale(LC_ALL, "C");
}
END_TEST

static char *nested(const char *open, const char *close, size_t depth)
{
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < depth; i++)
		g_string_append(text, open);
	g_string_append_c(text, '1');
	for (size_t i = 0; i < depth; i++)
		g_string_append(text, close);
	return g_string_free(text, FALSE);
}

START_TEST (depth) {
	static const size_t allowed[] = {1, 200, 10000};
	static const size_t refused[] = {10001, 100000, 1000000};

	for (size_t i = 0; i < G_N_ELEMENTS(allowed); i++) {
		g_autofree char *arrays = nested("[", "]", allowed[i]);
		g_autofree char *objects = nested("{\"a\":", "}", allowed[i]);

		expect(arrays, arrays);
		expect(objects, objects);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autofree char *arrays = nested("[", "]", refused[i]);
		g_autofree char *objects = nested("{\"a\":", "}", refused[i]);

		refuse_bytes(arrays, strlen(arrays), EFBIG);
		refuse_bytes(objects, strlen(objects), EFBIG);
	}
}
END_TEST

START_TEST (limits) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, 100000);
	BUFFER_CLEANUP struct buffer buffer;
	g_autoptr(GString) text = g_string_new("[0");
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;

	for (int i = 0; i < 5000; i++)
		g_string_append(text, ",0");
	g_string_append_c(text, ']');
	ck_assert_int_eq(json_parse(document, text->str, text->len, &root, &error), -EFBIG);
	ck_assert_int_eq(error->code, EFBIG);
	g_clear_error(&error);

	document_reset(document);
	buffer_init(&buffer, 10);
	ck_assert_int_eq(json_parse(document, "[1,2,\"345678\"]", 14, &root, NULL), 0);
	ck_assert_int_eq(json_write(document, root, JSON_COMPACT, &buffer, &error), -EFBIG);
	ck_assert_int_eq(error->code, EFBIG);
	ck_assert_uint_le(buffer.length, 10);
}
END_TEST

static void refuse_strict(const char *text, int errnum, const char *message)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, 100000);
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(json_parse_strict(document, text, strlen(text), &root, &error), -errnum);
	ck_assert_ptr_null(root);
	ck_assert_int_eq(error->code, errnum);
	if (message != NULL)
		ck_assert_str_eq(error->message, message);
}

START_TEST (strict) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, 100000);
	g_autoptr(GString) text = g_string_new("{");
	struct document_node *root = NULL;

	ck_assert_int_eq(json_parse_strict(document,
				 "{\"a\":{\"a\":1},\"b\":[{\"a\":1},"
				 "{\"a\":1}]}",
				 35, &root, NULL),
		0);
	ck_assert_uint_eq(root->length, 2);
	refuse_strict("{\n\t\"a\":1,\"b\":2,\"a\":3}", EINVAL,
		"line 2, column 14: the object has the key \"a\" twice");
	refuse_strict("[{\"\xc3\xa4\":{},\"\\u00e4\" : {}}]", EINVAL,
		"line 1, column 23: the object has the key \"\xc3\xa4\" twice");
	refuse_strict("", EINVAL, "line 1, column 1: JSON ends early");
	refuse_strict("[1,\n2", EINVAL, "line 2, column 2: JSON ends early");
	refuse_strict("[1,\n 2.]", EINVAL, "line 2, column 4: malformed JSON");
	refuse_strict(
		"1 2", EINVAL, "line 1, column 3: something follows the end of the JSON value");
	for (int i = 0; i < 500; i++)
		g_string_append_printf(text, "\"k%d\":\n0,", i * 7919 % 499);
	g_string_append(text, "\"x\":0}");
	refuse_strict(text->str, EINVAL, "line 500, column 3: the object has the key \"k0\" twice");
	g_string_assign(text, "[");
	for (int i = 0; i < 5000; i++)
		g_string_append(text, "0,");
	refuse_strict(text->str, EFBIG, NULL);
}
END_TEST

START_TEST (kubectl_style) {
	static const char text[] = "{\"kind\":\"Pod\",\"a\":[],\"b\":{},\"c\":[1,{\"d\":\"<\"}]}";
	g_autofree char *got = convert(text, sizeof(text) - 1, JSON_KUBECTL);

	ck_assert_str_eq(got, "{\n"
			      "    \"a\": [],\n"
			      "    \"b\": {},\n"
			      "    \"c\": [\n"
			      "        1,\n"
			      "        {\n"
			      "            \"d\": \"\\u003c\"\n"
			      "        }\n"
			      "    ],\n"
			      "    \"kind\": \"Pod\"\n"
			      "}\n");
}
END_TEST

START_TEST (many_keys_in_order) {
	g_autoptr(GString) text = g_string_new("{");
	g_autofree char *got = NULL;
	const char *at;

	for (int i = 0; i < 5000; i++)
		g_string_append_printf(text, "%s\"k%04d\":0", i > 0 ? "," : "", i * 7919 % 5000);
	g_string_append_c(text, '}');
	got = convert(text->str, text->len, JSON_COMPACT);
	at = got;
	for (int i = 0; i < 5000; i++) {
		at = strstr(at, "\"k");
		ck_assert_ptr_nonnull(at);
		ck_assert_int_eq(strtol(at + 2, NULL, 10), i);
		at++;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_codec");
	TCase *tcase = tcase_create("json_codec");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, values);
	tcase_add_test(tcase, malformed);
	tcase_add_test(tcase, every_prefix);
	tcase_add_test(tcase, strings);
	tcase_add_test(tcase, bad_unicode);
	tcase_add_test(tcase, plain_strings_are_not_copied);
	tcase_add_test(tcase, last_of_equal_keys);
	tcase_add_test(tcase, numbers);
	tcase_add_test(tcase, shortest);
	tcase_add_test(tcase, no_locale);
	tcase_add_test(tcase, depth);
	tcase_add_test(tcase, limits);
	tcase_add_test(tcase, strict);
	tcase_add_test(tcase, kubectl_style);
	tcase_add_test(tcase, many_keys_in_order);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
