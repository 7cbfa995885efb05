#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/json_scan.h"
#include "client/json_stream.h"
#include "client/json_text.h"

/* What a stream hands out, one line each: "=TEXT" for an object, "KEY=TEXT" for a member. */
static void note_object(void *data, const char *json, size_t length)
{
	g_string_append_printf(data, "=%.*s\n", (int)length, json);
}

static void note_member(void *data, const char *key, const char *json, size_t length)
{
	g_string_append_printf(data, "%s=%.*s\n", key, (int)length, json);
}

static const struct json_stream_handlers handlers = {note_object, note_member};

/* Feeds text in pieces that the callee may not read beyond. */
static int feed(struct json_stream *stream, const char *text, size_t length, GError **error)
{
	char *piece = g_memdup2(text, length);
	int r = json_stream_feed(stream, piece, length, error);

	g_free(piece);
	return r;
}

/* Cuts text into a first piece of first bytes and further ones of step bytes. */
static int run(enum json_stream_mode mode, size_t object_max, const char *text, size_t length,
	size_t first, size_t step, GString *notes, GError **error)
{
	struct json_stream *stream = json_stream_create(mode, object_max, &handlers, notes);
	int r = feed(stream, text, MIN(first, length), error);

	for (size_t at = first; r == 0 && at < length; at += step)
		r = feed(stream, text + at, MIN(step, length - at), error);
	if (r == 0)
		r = json_stream_end(stream, error);
	json_stream_free(stream);
	return r;
}

/* The text gives wanted, whole, in single bytes, and cut in two anywhere. */
static void expect_notes(enum json_stream_mode mode, const char *text, const char *wanted)
{
	size_t length = strlen(text);

	for (size_t cut = 0; cut <= length + 1; cut++) {
		g_autoptr(GError) error = NULL;
		GString *notes = g_string_new(NULL);
		size_t first = cut == length + 1 ? 1 : cut;
		size_t step = cut == length + 1 ? 1 : length + 1;
		int r = run(mode, JSON_STREAM_OBJECT_MAX, text, length, first, step, notes, &error);

		ck_assert_msg(r == 0, "cut at %zu: %s", cut,
			error != NULL ? error->message : "no message");
		ck_assert_str_eq(notes->str, wanted);
		g_string_free(notes, TRUE);
	}
}

/* The text fails with errnum and exactly this message, wherever it is cut. */
static void expect_error(enum json_stream_mode mode, size_t object_max, const char *text,
	size_t length, int errnum, const char *message)
{
	for (size_t cut = 0; cut <= length; cut++) {
		g_autoptr(GError) error = NULL;
		GString *notes = g_string_new(NULL);
		int r = run(mode, object_max, text, length, cut, length + 1, notes, &error);

		ck_assert_int_eq(r, -errnum);
		ck_assert_ptr_nonnull(error);
		ck_assert_int_eq(error->code, errnum);
		if (message != NULL)
			ck_assert_str_eq(error->message, message);
		g_string_free(notes, TRUE);
	}
}

static void expect_garbage(enum json_stream_mode mode, const char *text, const char *message)
{
	expect_error(mode, JSON_STREAM_OBJECT_MAX, text, strlen(text), EPROTO, message);
}

START_TEST (list_items_are_cut) {
	expect_notes(JSON_STREAM_LIST,
		"{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
		"\"7\","
		"\"continue\":\"x\"},\"items\":[{\"a\":[1,{}]},{\"b\":\"}]\\\"\\\\\"},{}]}\n",
		"kind=\"PodList\"\napiVersion=\"v1\"\n"
		"metadata={\"resourceVersion\":\"7\",\"continue\":\"x\"}\n"
		"={\"a\":[1,{}]}\n={\"b\":\"}]\\\"\\\\\"}\n={}\n");
}
END_TEST

START_TEST (list_members_in_any_order) {
	expect_notes(JSON_STREAM_LIST,
		" {\n \"other\" : [ {\"items\":[{}]}, \"]\" ] ,\t\"n\":-1.5e+3,\"t\":true, "
		"\"s\":\"\\\"\","
		"\"items\" : [ {\"x\" : 1} ,\r\n {\"y\":2} ] , \"metadata\" : { } , \"kind\":null} "
		" \n ",
		"={\"x\" : 1}\n={\"y\":2}\nmetadata={ }\nkind=null\n");
}
END_TEST

START_TEST (list_without_items) {
	expect_notes(JSON_STREAM_LIST, "{\"items\":[]}", "");
	expect_notes(JSON_STREAM_LIST, "{\"items\":null,\"kind\":\"L\"}", "kind=\"L\"\n");
	expect_notes(JSON_STREAM_LIST, "{\"\\u0069tems\":[{}]}", "={}\n");
	expect_garbage(JSON_STREAM_LIST, "{}", "a list without \"items\"");
	expect_garbage(JSON_STREAM_LIST, "{\"metadata\":{}}", "a list without \"items\"");
}
END_TEST

START_TEST (ranges_are_cut_as_lists_are) {
	expect_notes(JSON_STREAM_RANGE,
		"{\"header\":{\"revision\":\"7\"},\"items\":[{}],\"kvs\":[{\"key\":\"YQ==\"},{}],"
		"\"more\":true,\"count\":\"9\",\"kind\":1}",
		"header={\"revision\":\"7\"}\n={\"key\":\"YQ==\"}\n={}\nmore=true\ncount=\"9\"\n");
	expect_notes(JSON_STREAM_RANGE, "{}", "");
	expect_notes(JSON_STREAM_RANGE, "{\"kvs\":null}", "");
	expect_garbage(JSON_STREAM_RANGE, "{\"kvs\":nope}",
		"byte 11: \"kvs\" is neither an array nor null");
	expect_garbage(JSON_STREAM_RANGE, "{\"kvs\":[{},1",
		"byte 11 (kvs[1]): expected an object, found '1'");
	expect_garbage(JSON_STREAM_RANGE, "{\"kvs\":[],\"kvs\":[]}", "byte 15: \"kvs\" twice");
}
END_TEST

START_TEST (list_garbage) {
	expect_garbage(JSON_STREAM_LIST, "", "ends after 0 bytes in the middle of the list");
	expect_garbage(JSON_STREAM_LIST, "<html>", "byte 0 (the list): expected '{', found '<'");
	expect_garbage(JSON_STREAM_LIST, "[]", "byte 0 (the list): expected '{', found '['");
	expect_garbage(JSON_STREAM_LIST, "{1", "byte 1 (the list): expected a key, found '1'");
	expect_garbage(
		JSON_STREAM_LIST, "{\"a\":1,}", "byte 7 (the list): expected a key, found '}'");
	expect_garbage(JSON_STREAM_LIST, "{\"a\" 1", "byte 5 (the list): expected ':', found '1'");
	expect_garbage(JSON_STREAM_LIST, "{\"a\":,",
		"byte 5 (a member of the list): expected a value, found ','");
	expect_garbage(
		JSON_STREAM_LIST, "{\"a\":1]", "byte 6 (the list): expected ',' or '}', found ']'");
	expect_garbage(
		JSON_STREAM_LIST, "{\"items\":{", "byte 9 (\"items\"): expected '[', found '{'");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":nope}",
		"byte 13: \"items\" is neither an array nor null");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[1",
		"byte 10 (items[0]): expected an object, found '1'");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[{},]",
		"byte 13 (items[1]): expected an object, found ']'");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[{}{",
		"byte 12 (items[1]): expected ',' or ']', found '{'");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[{}\x01",
		"byte 12 (items[1]): expected ',' or ']', found byte 0x01");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[],\"items\":[]}", "byte 19: \"items\" twice");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[]}x",
		"byte 12 (the list): expected nothing more, found 'x'");
}
END_TEST

START_TEST (list_that_ends_early) {
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[{},{\"a\":\"",
		"ends after 19 bytes in the middle of items[1]");
	expect_garbage(JSON_STREAM_LIST, "{\"items\":[{},",
		"ends after 13 bytes in the middle of items[1]");
	expect_garbage(
		JSON_STREAM_LIST, "{\"items\":[]", "ends after 11 bytes in the middle of the list");
	expect_garbage(JSON_STREAM_LIST, "{\"metadata\":{",
		"ends after 13 bytes in the middle of \"metadata\"");
}
END_TEST

START_TEST (frames_follow_one_another) {
	expect_notes(JSON_STREAM_FRAMES, "", "");
	expect_notes(JSON_STREAM_FRAMES, " \n", "");
	expect_notes(JSON_STREAM_FRAMES,
		"{\"type\":\"ADDED\",\"object\":{\"a\":\"\\\\\"}}{\"b\":\"\\\"}\"}\n\n {\n}\r\n",
		"={\"type\":\"ADDED\",\"object\":{\"a\":\"\\\\\"}}\n={\"b\":\"\\\"}\"}\n={\n}\n");
	expect_garbage(
		JSON_STREAM_FRAMES, "{}[", "byte 2 (frame 2): expected an object, found '['");
	expect_garbage(
		JSON_STREAM_FRAMES, "{}{\"a\"", "ends after 6 bytes in the middle of frame 2");
}
END_TEST

START_TEST (objects_have_a_limit) {
	const char *list = "{\"items\":[{\"a\":1},{\"a\":\"12345678\"}]}";
	const char *metadata = "{\"metadata\":{\"continue\":\"0123456789\"},\"items\":[]}";
	const char *other = "{\"other\":{\"continue\":\"0123456789\"},\"items\":[]}";
	g_autoptr(GError) error = NULL;
	GString *notes = g_string_new(NULL);

	expect_error(JSON_STREAM_LIST, 15, list, strlen(list), EMSGSIZE, NULL);
	expect_error(JSON_STREAM_LIST, 15, metadata, strlen(metadata), EMSGSIZE, NULL);
	ck_assert_int_eq(run(JSON_STREAM_LIST, 16, list, strlen(list), 20, 3, notes, NULL), 0);
	ck_assert_int_eq(run(JSON_STREAM_LIST, 15, other, strlen(other), 20, 3, notes, NULL), 0);
	g_string_free(notes, TRUE);

	notes = g_string_new(NULL);
	ck_assert_int_eq(
		run(JSON_STREAM_LIST, 15, list, strlen(list), 99, 99, notes, &error), -EMSGSIZE);
	ck_assert_str_eq(error->message, "byte 18 (items[1]): longer than the limit of 15 bytes");
	ck_assert_str_eq(notes->str, "={\"a\":1}\n");
	g_string_free(notes, TRUE);
}
END_TEST

START_TEST (nesting_has_a_limit) {
	for (int deep = 0; deep < 2; deep++) {
		size_t depth = deep ? JSON_DEPTH_MAX + 70 : JSON_DEPTH_MAX - 70;
		GString *text = g_string_new("{\"items\":[{\"a\":");
		GString *notes = g_string_new(NULL);
		g_autoptr(GError) error = NULL;
		int r;

		for (size_t i = 0; i < depth; i++)
			g_string_append_c(text, '[');
		for (size_t i = 0; i < depth; i++)
			g_string_append_c(text, ']');
		g_string_append(text, "}]}");
		for (size_t step = 1; step < 200000; step = step * 7 + 1) {
			g_clear_error(&error);
			r = run(JSON_STREAM_LIST, JSON_STREAM_OBJECT_MAX, text->str, text->len,
				step, step, notes, &error);
			ck_assert_int_eq(r, deep ? -EPROTO : 0);
			if (deep)
				ck_assert_ptr_nonnull(strstr(error->message,
					"(items[0]): nested deeper than 10000 levels"));
		}
		g_string_free(text, TRUE);
		g_string_free(notes, TRUE);
	}
}
END_TEST

/* A second implementation, one byte at a time. */
static const char *find_end_slowly(const char *at, const char *end)
{
	gboolean in_string = FALSE;
	size_t depth = 0;

	for (; at < end; at++) {
		if (in_string && *at == '\\')
			at++;
		else if (*at == '"')
			in_string = !in_string;
		else if (!in_string && strchr("{[", *at) != NULL && *at != '\0')
			depth++;
		else if (!in_string && strchr("}]", *at) != NULL && *at != '\0' && --depth == 0)
			return at + 1;
	}
	return NULL;
}

/* JSON-like text: backslashes only in strings. */
static char *random_text(GRand *random, size_t length)
{
	char *text = g_malloc(length);
	gboolean in_string = FALSE;

	text[0] = '{';
	for (size_t i = 1; i < length; i++) {
		char byte = "{}[]\"\\\\a{[\x80\xdb\xdd\xfb\xfd"[g_rand_int_range(random, 0, 15)];

		if (byte == '\\' && !in_string)
			byte = '{';
		text[i] = byte;
		if (byte == '"')
			in_string = !in_string;
		if (byte == '\\' && i + 1 < length)
			text[++i] = "\\\"{}a"[g_rand_int_range(random, 0, 5)];
	}
	return text;
}

START_TEST (scan_agrees_with_the_slow_one) {
	GRand *random = g_rand_new_with_seed(20260101);

	for (unsigned int round = 0; round < 20000; round++) {
		size_t length = (size_t)g_rand_int_range(random, 1, 400);
		char *text = random_text(random, length);
		const char *wanted = find_end_slowly(text, text + length);
		const char *found = NULL;
		struct json_scan scan = {0};
		size_t at = 0;

		while (found == NULL && at < length) {
			size_t step = (size_t)g_rand_int_range(random, 1, 150);

			step = MIN(step, length - at);
			found = json_scan_value(&scan, text + at, text + at + step);
			at += step;
		}
		ck_assert_ptr_eq(found, wanted);
		g_free(text);
	}
	g_rand_free(random);
}
END_TEST

static struct json_text text_of(const char *string)
{
	return (struct json_text){string, strlen(string)};
}

START_TEST (text_members) {
	struct json_text json = text_of(
		" {\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\\u0032\","
		"\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}},\"n\":-1,\"a\":[1], "
		"\"n\":2} ");
	struct json_text value;
	char *string;

	ck_assert(json_text_find(json, JSON_PATH("type"), &value));
	ck_assert(json_text_is(value, "ADDED"));
	ck_assert(!json_text_is(value, "ADDE"));
	ck_assert(json_text_find(json, JSON_PATH("object", "metadata", "resourceVersion"), &value));
	ck_assert(json_text_is(value, "12"));
	string = json_text_string(value);
	ck_assert_str_eq(string, "12");
	g_free(string);
	ck_assert(json_text_find(json,
		JSON_PATH("object", "metadata", "annotations", "k8s.io/initial-events-end"),
		&value));
	ck_assert(json_text_is(value, "true"));
	ck_assert(json_text_find(json, JSON_PATH("n"), &value));
	ck_assert(value.length == 1 && value.text[0] == '2');
	ck_assert_ptr_null(json_text_string(value));
	ck_assert(!json_text_find(json, JSON_PATH("n", "x"), &value));
	ck_assert(!json_text_find(json, JSON_PATH("missing"), &value));
	ck_assert(value.length == 1 && value.text[0] == '2');
	ck_assert_ptr_null(json_text_string(text_of("\"a\\u0000b\"")));
	ck_assert_ptr_null(json_text_string((struct json_text){"\"a\0b\"", 5}));
	string = json_text_string(text_of("\"\""));
	ck_assert_str_eq(string, "");
	g_free(string);
	/* No NUL, but a backslash and what follows it. */
	string = json_text_string(text_of("\"a\\\\u0000\""));
	ck_assert_str_eq(string, "a\\u0000");
	g_free(string);
}
END_TEST

START_TEST (text_garbage) {
	static const char *const broken[] = {
		"",
		"[]",
		"{",
		"{1:2}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":1,}",
		"{\"a\":{}",
		"{\"a\":\"",
		"{\"a",
		"{,}",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(broken); i++) {
		char *copy = g_memdup2(broken[i], strlen(broken[i]));
		struct json_text json = {copy, strlen(broken[i])};
		struct json_members members;
		struct json_text key, value;
		int r = json_members_init(&members, json);

		while (r == 0 && (r = json_members_next(&members, &key, &value)) > 0)
			r = 0;
		ck_assert_msg(r == -EPROTO || i == 0, "%s", broken[i]);
		g_free(copy);
	}
}
END_TEST

/* The elements with blanks between, and how walking over them ends. */
static int walk_elements(const char *text, GString *notes)
{
	g_autofree char *copy = g_memdup2(text, strlen(text));
	struct json_elements elements;
	struct json_text value;
	int r = json_elements_init(
		&elements, (struct json_text){copy != NULL ? copy : "", strlen(text)});

	g_string_truncate(notes, 0);
	while (r >= 0 && (r = json_elements_next(&elements, &value)) > 0)
		g_string_append_printf(notes, "%.*s ", (int)value.length, value.text);
	return r;
}

START_TEST (text_elements) {
	static const char *const broken[] = {
		"", "{}", "[", "[,]", "[1", "[1,", "[1,]", "[1 2]", "[\"", "[{]", "[[1]"};
	g_autoptr(GString) notes = g_string_new(NULL);

	ck_assert_int_eq(walk_elements(" [ 1 ,{\"a\":[]} , [2] ,\"],\",null ] ", notes), 0);
	ck_assert_str_eq(notes->str, "1 {\"a\":[]} [2] \"],\" null ");
	ck_assert_int_eq(walk_elements("[]", notes), 0);
	ck_assert_str_eq(notes->str, "");
	for (size_t i = 0; i < G_N_ELEMENTS(broken); i++)
		ck_assert_msg(walk_elements(broken[i], notes) == -EPROTO, "%s", broken[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_stream");
	TCase *tests = tcase_create("json_stream");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, list_items_are_cut);
	tcase_add_test(tests, list_members_in_any_order);
	tcase_add_test(tests, list_without_items);
	tcase_add_test(tests, ranges_are_cut_as_lists_are);
	tcase_add_test(tests, list_garbage);
	tcase_add_test(tests, list_that_ends_early);
	tcase_add_test(tests, frames_follow_one_another);
	tcase_add_test(tests, objects_have_a_limit);
	tcase_add_test(tests, nesting_has_a_limit);
	tcase_add_test(tests, scan_agrees_with_the_slow_one);
	tcase_add_test(tests, text_members);
	tcase_add_test(tests, text_garbage);
	tcase_add_test(tests, text_elements);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
