/* client/yaml_tree.h and client/yaml_scalar.h: the YAML of kubeconfig files. */
#include "client/yaml_tree.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static struct yaml_node *parse(const char *text)
{
	struct yaml_node *root = NULL;
	g_autoptr(GError) error = NULL;
	int result = yaml_tree_parse("file", text, strlen(text), &root, &error);

	ck_assert_msg(result == 0, "%s", error != NULL ? error->message : "no message");
	return root;
}

/* The tree as JSON text; the caller frees it. */
static char *to_json(const char *text)
{
	struct yaml_node *root = parse(text);
	cJSON *json = yaml_node_to_json(root);
	char *printed = cJSON_PrintUnformatted(json);

	cJSON_Delete(json);
	yaml_node_unref(root);
	return printed;
}

static void expect_error(const char *text, const char *message)
{
	struct yaml_node *root = NULL;
	GError *error = NULL;
	int result = yaml_tree_parse("file", text, strlen(text), &root, &error);

	ck_assert_int_eq(result, -EINVAL);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, EINVAL);
	ck_assert_msg(strstr(error->message, message) != NULL, "%s", error->message);
	ck_assert_ptr_null(strchr(error->message, '\n'));
	g_error_free(error);
}

/* As sigs.k8s.io/yaml makes JSON of it. */
static const struct {
	const char *yaml;
	const char *json;
} values[] = {
	{"", "null"},
	{"# nothing\n", "null"},
	{"---\n", "null"},
	{"a: b", "{\"a\":\"b\"}"},
	{"{\"a\": [1, \"2\", null]}", "{\"a\":[1,\"2\",null]}"},
	{"- ~\n- Null\n- ''\n- \n", "[null,null,\"\",null]"},
	{"[yes, No, on, OFF, y, N, true, False]", "[true,false,true,false,true,false,true,false]"},
	{"[TruE, yEs, 'true']", "[\"TruE\",\"yEs\",\"true\"]"},
	{"[0x1F, 0b11, 0o17, 017, 08, 1_000, -5, +5]", "[31,3,15,15,8,1000,-5,5]"},
	{"[9007199254740993, 18446744073709551615, -9223372036854775808]",
		"[9007199254740993,18446744073709551615,-9223372036854775808]"},
	{"[1.5, .5, 1e3, 1.]", "[1.5,0.5,1000,1]"},
	{"[2024-01-01, 1e400, 12:30, 0x, -, ., 1f]",
		"[\"2024-01-01\",\"1e400\",\"12:30\",\"0x\",\"-\",\".\",\"1f\"]"},
	{"[!!str 12, !!int \"12\", !!bool 'yes']", "[\"12\",12,true]"},
	{"a: 1\na: 2\n", "{\"a\":2}"},
	{"1: a\ntrue: b\n", "{\"1\":\"a\",\"true\":\"b\"}"},
	{"a: &x {b: 1}\nc: *x\n", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
	{"a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n",
		"{\"a\":{\"b\":1,\"c\":2},\"d\":{\"c\":3,\"b\":1}}"},
	{"a: &x {b: 1}\nc: &y {b: 2, d: 3}\ne:\n  <<: [*x, *y]\n",
		"{\"a\":{\"b\":1},\"c\":{\"b\":2,\"d\":3},\"e\":{\"b\":1,\"d\":3}}"},
	{"a: |\n  one\n  two\nb: >\n  one\n  two\n",
		"{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\\n\"}"},
	{"a: b\n---\nc: d\n", "{\"a\":\"b\"}"},
};

START_TEST (test_value) {
	char *json = to_json(values[_i].yaml);

	ck_assert_str_eq(json, values[_i].json);
	cJSON_free(json);
}
END_TEST

START_TEST (test_lines) {
	struct yaml_node *root = parse("a:\n- b: 1\n\n  c: x\n");
	const struct yaml_node *list = yaml_node_get(root, "a");
	const struct yaml_node *item = list->values->pdata[0];

	ck_assert_int_eq(list->kind, YAML_SEQUENCE);
	ck_assert_uint_eq(yaml_node_get(item, "b")->line, 2);
	ck_assert_uint_eq(yaml_node_get(item, "c")->line, 4);
	ck_assert_ptr_null(yaml_node_get(item, "d"));
	ck_assert_ptr_null(yaml_node_get(list, "b"));
	ck_assert_ptr_null(yaml_node_get(NULL, "b"));
	yaml_node_unref(root);
}
END_TEST

static const struct {
	const char *yaml;
	const char *message;
} errors[] = {
	{"a: [1, 2\nb: 3\n", "file:2: "},
	{"a:\n\t- b\n", "file:2: "},
	{"a: b: c\n", "file:1: "},
	{"\n\na: *nothing\n", "file:3: an alias without its anchor"},
	{"a: &x\n  b: *x\n", "file:2: an alias to what contains it"},
	{"a: &x [*x]\n", "file:1: an alias to what contains it"},
	{"? [a]\n: b\n", "file:1: a key that is not a string"},
	{"a: \"x\\0y\"\n", "file:1: a NUL character"},
	{"a: !!binary aGk=\n", "file:1: a tag that is not supported"},
	{"a:\n  <<: 12\n", "file:2: << needs a mapping"},
	{"a:\n  <<: [12]\n", "file:2: << needs mappings"},
	{"a: \xff\xfe\n", "file:1: "},
	{"a: \x01\n", "file:1: "},
	{"a: '", "file:"},
};

START_TEST (test_error) {
	expect_error(errors[_i].yaml, errors[_i].message);
}
END_TEST

START_TEST (test_depth) {
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned int i = 0; i < YAML_TREE_DEPTH_MAX; i++)
		g_string_append_c(text, '[');
	for (unsigned int i = 0; i < YAML_TREE_DEPTH_MAX; i++)
		g_string_append_c(text, ']');
	yaml_node_unref(parse(text->str));
	g_string_prepend_c(text, '[');
	g_string_append_c(text, ']');
	expect_error(text->str, "file:1: nested too deeply");
}
END_TEST

/* Aliases share their node: a billion laughs are cheap to hold and refused as JSON. */
START_TEST (test_aliases_are_bounded) {
	g_autoptr(GString) text = g_string_new("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	struct yaml_node *root;

	for (unsigned int i = 1; i < 12; i++)
		g_string_append_printf(text,
			"a%u: &a%u [*a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u, *a%u]\n",
			i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	root = parse(text->str);
	ck_assert_ptr_null(yaml_node_to_json(root));
	yaml_node_unref(root);
}
END_TEST

START_TEST (test_nodes_are_bounded) {
	g_autoptr(GString) text = g_string_new("[");

	for (unsigned int i = 0; i < YAML_TREE_NODES_MAX; i++)
		g_string_append(text, "1,");
	g_string_append(text, "1]");
	expect_error(text->str, "too many values");
}
END_TEST

START_TEST (test_keys_are_bounded) {
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned int i = 0; i <= YAML_TREE_KEYS_MAX; i++)
		g_string_append_printf(text, "k%u: 1\n", i);
	expect_error(text->str, "file:10001: too many keys");
}
END_TEST

/* A cut at every byte ends in a tree or an error, never worse. */
START_TEST (test_truncation) {
	const char *text = "a: &x [1, 'b', \"c\\u263a\"]\nd:\n  <<: {e: f}\n  g: *x\nh: |\n  i\n";

	for (size_t length = 0; length <= strlen(text); length++) {
		struct yaml_node *root = NULL;

		if (yaml_tree_parse("file", text, length, &root, NULL) == 0)
			yaml_node_unref(root);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("yaml_tree");
	TCase *tests = tcase_create("yaml_tree");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, test_value, 0, G_N_ELEMENTS(values));
	tcase_add_loop_test(tests, test_error, 0, G_N_ELEMENTS(errors));
	tcase_add_test(tests, test_lines);
	tcase_add_test(tests, test_depth);
	tcase_add_test(tests, test_aliases_are_bounded);
	tcase_add_test(tests, test_nodes_are_bounded);
	tcase_add_test(tests, test_keys_are_bounded);
	tcase_add_test(tests, test_truncation);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
