/* cache/document.h, cache/arena.h and cache/buffer.h */
#include "cache/document.h"

#include <check.h>

#include "cache/buffer.h"
#include "cache/json_parse.h"

#define LIMIT ((size_t)1 << 26)

static struct document_node *parse(struct document *document, const char *text)
{
	struct document_node *root = NULL;
	g_autoptr(GError) error = NULL;
	int result = json_parse(document, text, strlen(text), &root, &error);

	ck_assert_msg(result == 0, "%s", error != NULL ? error->message : "no message");
	return root;
}

START_TEST (members) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	struct document_node *root =
		parse(document, "{\"a\":1,\"metadata\":{\"name\":\"x\",\"n\":2},\"b\":null}");
	struct document_node *metadata = document_get(root, "metadata");
	const char *text = "untouched";
	size_t length = 9;

	ck_assert_uint_eq(root->length, 3);
	ck_assert_ptr_nonnull(metadata);
	ck_assert_ptr_null(document_get(root, "meta"));
	ck_assert_ptr_null(document_get(NULL, "meta"));
	ck_assert_ptr_null(document_get(document_get(root, "a"), "meta"));
	ck_assert(!document_get_string(metadata, "n", &text, &length));
	ck_assert(!document_get_string(metadata, "none", &text, &length));
	ck_assert_str_eq(text, "untouched");
	ck_assert(document_get_string(metadata, "name", &text, &length));
	ck_assert_mem_eq(text, "x", 1);
	ck_assert_uint_eq(length, 1);
}
END_TEST

START_TEST (removal) {
	static const char *const orders[][3] = {{"a", "b", "c"}, {"c", "b", "a"}, {"b", "a", "c"}};

	for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
		DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
		struct document_node *root = parse(document, "{\"a\":1,\"b\":2,\"c\":3}");

		ck_assert_ptr_null(document_remove(root, "d"));
		for (size_t j = 0; j < 3; j++) {
			ck_assert_ptr_nonnull(document_remove(root, orders[i][j]));
			ck_assert_ptr_null(document_get(root, orders[i][j]));
			ck_assert_uint_eq(root->length, 2 - j);
		}
		ck_assert_ptr_null(root->first);
	}
}
END_TEST

START_TEST (setting) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	struct document_node *root = parse(document, "{\"spec\":{},\"kind\":1,\"z\":true}");
	struct document_node *wanted =
		parse(document, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{},\"z\":true}");

	document_set(root, "apiVersion", document_new_string(document, "v1", 2));
	ck_assert_uint_eq(root->length, 4);
	document_set(root, "kind", document_new_string(document, "Pod", 3));
	ck_assert_uint_eq(root->length, 4);
	ck_assert(document_equal(root, wanted));
}
END_TEST

START_TEST (equality) {
	static const struct {
		const char *a;
		const char *b;
		bool equal;
	} cases[] = {
		{"1", "1", true},
		{"1", "2", false},
		{"1", "\"1\"", false},
		{"1", "1.0", true},
		{"100", "1e2", true},
		{"0", "-0.0", true},
		{"0", "-0", true},
		{"9007199254740993", "9007199254740992.0", false},
		{"1.5", "15e-1", true},
		{"true", "false", false},
		{"null", "{}", false},
		{"{}", "[]", false},
		{"\"a\"", "\"\\u0061\"", true},
		{"\"a\"", "\"a\\u0000\"", false},
		{"[1,2]", "[2,1]", false},
		{"[1,2]", "[1,2,3]", false},
		{"{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1}", true},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
		{"[[[[1]]],{\"a\":[]}]", "[[[[1]]],{\"a\":[]}]", true},
		{"[[[[1]]],{\"a\":[]}]", "[[[[2]]],{\"a\":[]}]", false},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
		struct document_node *a = parse(document, cases[i].a);
		struct document_node *b = parse(document, cases[i].b);

		ck_assert_msg(document_equal(a, b) == cases[i].equal, "%s and %s", cases[i].a,
			cases[i].b);
		ck_assert(document_equal(b, a) == cases[i].equal);
	}
}
END_TEST

START_TEST (copies) {
	DOCUMENT_CLEANUP struct document *to = document_create(0, LIMIT);
	DOCUMENT_CLEANUP struct document *small = document_create(0, 10000);
	DOCUMENT_CLEANUP struct document *unchanged = document_create(0, LIMIT);
	struct document *from = document_create(0, LIMIT);
	g_autofree char *text = g_strdup(
		"{\"a\":[1,-2.5,[],{}],\"b\":{\"c\":\"d\\n\",\"\":[[true],false]},\"e\":null}");
	struct document_node *wanted = parse(unchanged, text);
	g_autofree char *same = g_strdup(text);
	struct document_node *root = parse(from, same);
	struct document_node *copy = document_copy(to, root);
	struct document_node *member = document_copy(to, document_get(root, "b"));
	g_autoptr(GString) deep = g_string_new(NULL);

	for (int i = 0; i < 1000; i++)
		g_string_append_c(deep, '[');
	for (int i = 0; i < 1000; i++)
		g_string_append_c(deep, ']');
	ck_assert_ptr_null(document_copy(small, parse(from, deep->str)));
	memset(same, 'x', strlen(same));
	document_destroy(from);
	ck_assert(document_equal(copy, wanted));
	ck_assert(document_equal(member, document_get(wanted, "b")));
	ck_assert_ptr_null(member->next);
	ck_assert_mem_eq(member->key, "b", 1);
}
END_TEST

START_TEST (reuse_allocates_nothing) {
	DOCUMENT_CLEANUP struct document *document = document_create(1 << 20, LIMIT);
	g_autoptr(GString) text = g_string_new("[");
	struct arena_chunk *first, *last;

	for (int i = 0; i < 5000; i++)
		g_string_append(text, "{\"name\":\"a\\n\"},");
	g_string_append(text, "1]");
	parse(document, text->str);
	document_reset(document);
	first = document->arena.first;
	parse(document, text->str);
	last = document->arena.current;
	for (int i = 0; i < 10; i++) {
		document_reset(document);
		parse(document, text->str);
		ck_assert_ptr_eq(document->arena.first, first);
		ck_assert_ptr_eq(document->arena.current, last);
	}
}
END_TEST

START_TEST (reset_gives_back) {
	DOCUMENT_CLEANUP struct document *document = document_create(100000, LIMIT);
	size_t kept = 0;

	for (int i = 0; i < 100; i++)
		ck_assert_ptr_nonnull(arena_allocate(&document->arena, 100000));
	document_reset(document);
	for (struct arena_chunk *chunk = document->arena.first; chunk != NULL; chunk = chunk->next)
		kept += chunk->size;
	ck_assert_uint_le(kept, 100000);
}
END_TEST

START_TEST (limit) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, 100000);
	size_t count = 0;

	while (document_new(document, DOCUMENT_NULL) != NULL)
		count++;
	ck_assert_uint_le(count, 100000 / sizeof(struct document_node));
	ck_assert_uint_ge(count, 90000 / (sizeof(struct document_node) + ARENA_GAP));
	document_reset(document);
	ck_assert_ptr_nonnull(document_new(document, DOCUMENT_NULL));
	ck_assert_ptr_null(arena_allocate(&document->arena, 100001));
	ck_assert_ptr_null(arena_allocate(&document->arena, SIZE_MAX));
}
END_TEST

START_TEST (release) {
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	const char *before = document_copy_text(document, "before", 6);
	struct arena_mark mark = arena_mark(&document->arena);
	char *at = arena_allocate(&document->arena, 8);

	for (int i = 0; i < 1000; i++)
		memset(arena_allocate(&document->arena, 1000), 'x', 1000);
	arena_release(&document->arena, mark);
	ck_assert_ptr_eq(arena_allocate(&document->arena, 8), at);
	ck_assert_mem_eq(before, "before", 6);
}
END_TEST

START_TEST (buffer_limit) {
	BUFFER_CLEANUP struct buffer buffer;
	g_autoptr(GBytes) bytes = NULL;

	buffer_init(&buffer, 10000);
	for (int i = 0; i < 1000; i++)
		ck_assert(buffer_append(&buffer, "0123456789", 10));
	ck_assert(!buffer_append(&buffer, "x", 1));
	ck_assert(!buffer_reserve(&buffer, SIZE_MAX));
	ck_assert(buffer_append(&buffer, "", 0));
	ck_assert_uint_eq(buffer.length, 10000);
	bytes = buffer_steal(&buffer);
	ck_assert_uint_eq(g_bytes_get_size(bytes), 10000);
	ck_assert_uint_eq(buffer.length, 0);
	ck_assert(buffer_append(&buffer, "again", 5));
	buffer_reset(&buffer, 0);
	ck_assert_ptr_null(buffer.data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("document");
	TCase *tcase = tcase_create("document");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, members);
	tcase_add_test(tcase, removal);
	tcase_add_test(tcase, setting);
	tcase_add_test(tcase, equality);
	tcase_add_test(tcase, copies);
	tcase_add_test(tcase, reuse_allocates_nothing);
	tcase_add_test(tcase, reset_gives_back);
	tcase_add_test(tcase, limit);
	tcase_add_test(tcase, release);
	tcase_add_test(tcase, buffer_limit);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
