/* cache/schema.h */
#include "cache/schema.h"

#include <errno.h>

#include "tests/unit/openapi_fixture.h"

static const struct schema *down(const struct schema *schema, const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, ".", -1);

	for (size_t i = 0; names[i] != NULL; i++) {
		schema = strcmp(names[i], "[]") == 0
				 ? schema_items(schema)
				 : schema_member(schema, names[i], strlen(names[i]));
	}
	return schema;
}

static const struct schema *deployment(const struct schema_set *set)
{
	const struct schema *schema = schema_of_kind(set, "apps", "v1", "Deployment");

	ck_assert_ptr_nonnull(schema);
	return schema;
}

static void expect_keys(const struct schema *schema, const char *keys)
{
	const char *const *found = schema_list_keys(schema);
	g_autofree char *joined = found == NULL ? NULL : g_strjoinv(",", (char **)found);

	ck_assert_pstr_eq(joined, keys);
}

START_TEST (kinds) {
	struct schema_set *set = openapi_apps();

	ck_assert_ptr_nonnull(schema_of_kind(set, "apps", "v1", "Deployment"));
	ck_assert_ptr_nonnull(schema_of_kind(set, "", "v1", "DeleteOptions"));
	ck_assert_ptr_nonnull(schema_of_kind(set, "apps", "v1", "DeleteOptions"));
	ck_assert_ptr_null(schema_of_kind(set, "apps", "v1", "DeploymentSpec"));
	ck_assert_ptr_null(schema_of_kind(set, "apps", "v2", "Deployment"));
	ck_assert_ptr_null(schema_of_kind(set, "", "v1", "Deployment"));
	schema_set_unref(set);
	ck_assert_ptr_null(schema_set_unref(NULL));
}
END_TEST

START_TEST (built_in_lists) {
	static const struct {
		const char *path;
		const char *keys;
		bool set;
	} cases[] = {
		{"metadata.finalizers", NULL, true},
		{"metadata.ownerReferences", "uid", false},
		{"spec.template.spec.containers", "name", false},
		{"spec.template.spec.containers.[].ports", "containerPort,protocol", false},
		{"spec.template.spec.containers.[].env", "name", false},
		{"spec.template.spec.containers.[].args", NULL, false},
		{"spec.template.spec.containers.[].volumeMounts", "mountPath", false},
		{"spec.template.spec.tolerations", NULL, false},
		{"spec.template.spec.topologySpreadConstraints", "topologyKey,whenUnsatisfiable",
			false},
		{"spec.template.spec.hostAliases", "ip", false},
		{"status.conditions", "type", false},
		{"spec.replicas", NULL, false},
		{"spec.nothing", NULL, false},
	};
	struct schema_set *set = openapi_apps();

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct schema *list = down(deployment(set), cases[i].path);

		expect_keys(list, cases[i].keys);
		ck_assert_msg(schema_is_set(list) == cases[i].set, "%s", cases[i].path);
	}
	schema_set_unref(set);
}
END_TEST

START_TEST (built_in_maps) {
	struct schema_set *set = openapi_apps();
	const struct schema *root = deployment(set);

	ck_assert(schema_is_atomic(down(root, "spec.selector")));
	ck_assert(schema_is_atomic(down(root, "metadata.ownerReferences.[]")));
	ck_assert(schema_is_atomic(
		down(root, "spec.template.spec.containers.[].env.[].valueFrom.secretKeyRef")));
	ck_assert(!schema_is_atomic(root));
	ck_assert(!schema_is_atomic(down(root, "metadata.labels")));
	ck_assert(!schema_is_atomic(NULL));
	ck_assert_ptr_nonnull(down(root, "metadata.labels.any"));
	ck_assert_ptr_null(down(root, "metadata.labels.any.more"));
	ck_assert_ptr_null(down(root, "nothing"));
	ck_assert_ptr_null(schema_items(root));
	schema_set_unref(set);
}
END_TEST

START_TEST (defaults_of_keys) {
	struct schema_set *set = openapi_apps();
	const struct schema *port =
		down(deployment(set), "spec.template.spec.containers.[].ports.[]");
	const struct document_node *protocol = schema_default(port, "protocol");

	ck_assert_ptr_nonnull(protocol);
	ck_assert_int_eq(protocol->type, DOCUMENT_STRING);
	ck_assert_uint_eq(protocol->length, 3);
	ck_assert_mem_eq(protocol->text, "TCP", 3);
	ck_assert_int_eq(schema_default(port, "containerPort")->type, DOCUMENT_INTEGER);
	ck_assert_ptr_null(schema_default(port, "hostIP"));
	ck_assert_ptr_null(schema_default(port, "nothing"));
	ck_assert_ptr_null(schema_default(NULL, "protocol"));
	/* {} */
	ck_assert_ptr_null(schema_default(deployment(set), "spec"));
	schema_set_unref(set);
}
END_TEST

/* Everything of its own stands in one piece; metadata, its own and embedded, is a reference. */
START_TEST (custom_resource) {
	struct schema_set *set = openapi_load("openapi_menus_v1.json");
	const struct schema *menu = schema_of_kind(set, "merge.kubefs.dev", "v1", "Menu");
	const struct document_node *size = schema_default(down(menu, "spec.dishes.[]"), "size");

	expect_keys(down(menu, "spec.dishes"), "name,size");
	ck_assert_ptr_nonnull(size);
	ck_assert_uint_eq(size->length, 6);
	ck_assert_mem_eq(size->text, "normal", 6);
	ck_assert_ptr_null(schema_default(down(menu, "spec.dishes.[]"), "name"));
	ck_assert(schema_is_set(down(menu, "spec.tags")));
	ck_assert(schema_is_atomic(down(menu, "spec.place")));
	ck_assert_ptr_null(schema_list_keys(down(menu, "spec.dishes.[].steps")));
	ck_assert_ptr_null(down(menu, "spec.extra.any"));
	ck_assert_ptr_nonnull(down(menu, "spec.limits.any"));
	ck_assert_ptr_nonnull(down(menu, "spec.one.a"));
	ck_assert(schema_is_set(down(menu, "metadata.finalizers")));
	expect_keys(down(menu, "spec.template.metadata.ownerReferences"), "uid");
	ck_assert_ptr_null(down(menu, "spec.template.spec"));
	schema_set_unref(set);
}
END_TEST

/* The set of one object T whose member x is the given schema. */
static struct schema_set *member_x(const char *schema, const struct schema **ret_x)
{
	g_autofree char *text =
		g_strdup_printf("{\"components\":{\"schemas\":{\"T\":{\"properties\":{\"x\":%s},"
				"\"x-kubernetes-group-version-kind\":[{\"group\":\"g\","
				"\"version\":\"v\",\"kind\":\"T\"}]},"
				"\"List\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
				"\"x-kubernetes-list-map-keys\":[\"k\"]},"
				"\"Atom\":{\"x-kubernetes-map-type\":\"atomic\"},"
				"\"Word\":{\"type\":\"string\",\"default\":\"target\"},"
				"\"Hop\":{\"$ref\":\"#/components/schemas/List\"},"
				"\"A\":{\"$ref\":\"#/components/schemas/B\"},"
				"\"B\":{\"allOf\":[{\"$ref\":\"#/components/schemas/A\"}]}}}}",
			schema);
	struct schema_set *set = openapi_parse(text);

	*ret_x = schema_member(schema_of_kind(set, "g", "v", "T"), "x", 1);
	return set;
}

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define ALL_OF(name) "\"allOf\":[" REF(name) "]"

START_TEST (list_types) {
	static const struct {
		const char *schema;
		const char *keys;
		bool set;
	} cases[] = {
		{"{\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"a\",\"b\"],"
		 "\"x-kubernetes-patch-merge-key\":\"a\"}",
			"a,b", false},
		{"{\"x-kubernetes-patch-merge-key\":\"a\"}", "a", false},
		{"{\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-patch-merge-key\":\"a\"}", "a",
			false},
		/* PodStatus.hostIPs */
		{"{\"x-kubernetes-list-type\":\"atomic\",\"x-kubernetes-patch-merge-key\":\"a\"}",
			NULL, false},
		{"{\"x-kubernetes-list-type\":\"set\",\"x-kubernetes-patch-merge-key\":\"a\"}",
			NULL, true},
		{"{\"x-kubernetes-list-type\":\"set\"}", NULL, true},
		{"{\"x-kubernetes-patch-strategy\":\"merge\"}", NULL, true},
		{"{\"x-kubernetes-patch-strategy\":\"merge,retainKeys\"}", NULL, true},
		{"{\"x-kubernetes-patch-strategy\":\"retainKeys\"}", NULL, false},
		{"{\"x-kubernetes-patch-strategy\":\"mergers\"}", NULL, false},
		/* Keys of a list that is no map say nothing. */
		{"{\"x-kubernetes-list-map-keys\":[\"a\"]}", NULL, false},
		{"{\"x-kubernetes-list-type\":\"map\"}", NULL, false},
		{"{\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[]}", NULL,
			false},
		{"{\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[1]}", NULL,
			false},
		{"{\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":"
		 "[\"a\\u0000b\"]}",
			NULL, false},
		{"{\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[\"a\",\"a\","
		 "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
		 "\"a\",\"a\"]}",
			NULL, false},
		{"{\"x-kubernetes-list-type\":\"ring\",\"x-kubernetes-patch-merge-key\":\"a\"}",
			NULL, false},
		{"{\"x-kubernetes-list-type\":7}", NULL, false},
		{REF("List"), "k", false},
		{REF("Hop"), "k", false},
		{"{" ALL_OF("List") ",\"description\":\"d\"}", "k", false},
		{"{" ALL_OF("List") ",\"x-kubernetes-list-type\":\"atomic\"}", NULL, false},
		{"{\"$ref\":\"#/components/schemas/List\",\"x-kubernetes-list-type\":\"set\"}",
			NULL, true},
		{"{\"allOf\":[" REF("List") "," REF("Atom") "]}", NULL, false},
		{REF("None"), NULL, false},
		{"{\"$ref\":\"elsewhere\"}", NULL, false},
		{"{\"$ref\":7,\"allOf\":7}", NULL, false},
		{"7", NULL, false},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct schema *x;
		struct schema_set *set = member_x(cases[i].schema, &x);

		expect_keys(x, cases[i].keys);
		ck_assert_msg(schema_is_set(x) == cases[i].set, "%s", cases[i].schema);
		schema_set_unref(set);
	}
}
END_TEST

START_TEST (map_types) {
	static const struct {
		const char *schema;
		bool atomic;
	} cases[] = {
		{"{\"x-kubernetes-map-type\":\"atomic\"}", true},
		{"{\"x-kubernetes-map-type\":\"granular\"}", false},
		{"{\"x-kubernetes-map-type\":[]}", false},
		{REF("Atom"), true},
		{"{" ALL_OF("Atom") ",\"default\":{}}", true},
		{"{" ALL_OF("Atom") ",\"x-kubernetes-map-type\":\"granular\"}", false},
		{"{\"allOf\":[{\"x-kubernetes-map-type\":\"atomic\"}]}", true},
		{REF("A"), false},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct schema *x;
		struct schema_set *set = member_x(cases[i].schema, &x);

		ck_assert_msg(schema_is_atomic(x) == cases[i].atomic, "%s", cases[i].schema);
		schema_set_unref(set);
	}
}
END_TEST

START_TEST (defaults) {
	static const struct {
		const char *schema;
		const char *text;
	} cases[] = {
		{"{\"default\":\"a\"}", "a"},
		{"{\"default\":17}", "17"},
		{"{\"default\":\"\"}", ""},
		{"{\"default\":{}}", NULL},
		{"{\"default\":[\"a\"]}", NULL},
		{REF("Word"), "target"},
		{"{" ALL_OF("Word") ",\"default\":\"beside\"}", "beside"},
		{"{" ALL_OF("Word") ",\"default\":{}}", "target"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct schema *x;
		struct schema_set *set = member_x(cases[i].schema, &x);
		const struct document_node *value =
			schema_default(schema_of_kind(set, "g", "v", "T"), "x");

		ck_assert_msg((value != NULL) == (cases[i].text != NULL), "%s", cases[i].schema);
		if (value != NULL) {
			ck_assert_uint_eq(value->length, strlen(cases[i].text));
			if (value->length > 0)
				ck_assert_mem_eq(value->text, cases[i].text, value->length);
		}
		schema_set_unref(set);
	}
}
END_TEST

START_TEST (circles) {
	const struct schema *x;
	struct schema_set *set = member_x(REF("A"), &x);

	ck_assert_ptr_null(schema_member(x, "y", 1));
	ck_assert_ptr_null(schema_items(x));
	ck_assert_ptr_null(schema_list_keys(x));
	ck_assert(!schema_is_set(x));
	schema_set_unref(set);
}
END_TEST

/* JSONSchemaProps */
START_TEST (recursive_schema) {
	const struct schema *x;
	struct schema_set *set = member_x("{\"properties\":{\"next\":{" ALL_OF(
						  "T") ",\"description\":\"d\"}},"
						       "\"additionalProperties\":" REF("List") "}",
		&x);

	for (int i = 0; i < 1000; i++) {
		expect_keys(down(x, "other"), "k");
		x = down(x, "next.x");
		ck_assert_ptr_nonnull(x);
	}
	schema_set_unref(set);
}
END_TEST

START_TEST (additional_properties) {
	const struct schema *x;
	struct schema_set *set = member_x("{\"properties\":{\"y\":{}},\"additionalProperties\":"
					  "{\"x-kubernetes-map-type\":\"atomic\"}}",
		&x);

	ck_assert(!schema_is_atomic(down(x, "y")));
	ck_assert(schema_is_atomic(down(x, "z")));
	schema_set_unref(set);
	set = member_x("{\"additionalProperties\":true}", &x);
	ck_assert_ptr_null(down(x, "z"));
	schema_set_unref(set);
}
END_TEST

/* Everything stands in one piece, as in the document of a custom resource. */
START_TEST (deep_schema) {
	enum { DEPTH = 3000 };
	g_autoptr(GString) text = g_string_new(NULL);
	const struct schema *x;
	struct schema_set *set;

	for (int i = 0; i < DEPTH; i++)
		g_string_append(text, "{\"items\":{\"properties\":{\"y\":");
	g_string_append(text, "{\"x-kubernetes-list-type\":\"set\"}");
	for (int i = 0; i < DEPTH; i++)
		g_string_append(text, "}}}");
	set = member_x(text->str, &x);
	for (int i = 0; i < DEPTH; i++)
		x = down(x, "[].y");
	ck_assert(schema_is_set(x));
	schema_set_unref(set);
}
END_TEST

START_TEST (refused) {
	static const struct {
		const char *text;
		int errnum;
		const char *message;
	} cases[] = {
		{"", EBADMSG, "OpenAPI document: JSON ends early, after 0 bytes"},
		{"{\"components\":{\"schemas\":{\"T\":}}}", EBADMSG,
			"OpenAPI document: JSON is malformed at byte 30"},
		{"[]", EBADMSG, "OpenAPI document is no object"},
		{"{\"components\":[]}", EBADMSG, "OpenAPI document: components is no object"},
		{"{\"components\":{\"schemas\":7}}", EBADMSG,
			"OpenAPI document: components.schemas is no object"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct schema_set *set = NULL;
		g_autoptr(GError) error = NULL;
		int result = schema_set_parse(cases[i].text, strlen(cases[i].text), &set, &error);

		ck_assert_int_eq(result, -cases[i].errnum);
		ck_assert_int_eq(error->code, cases[i].errnum);
		ck_assert_str_eq(error->message, cases[i].message);
		ck_assert_ptr_null(set);
	}
}
END_TEST

START_TEST (too_long) {
	struct schema_set *set = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(schema_set_parse("{}", SCHEMA_TEXT_MAX + 1, &set, &error), -EFBIG);
	ck_assert_int_eq(error->code, EFBIG);
}
END_TEST

START_TEST (nothing_in_it) {
	static const char *const texts[] = {
		"{}",
		"{\"openapi\":\"3.0.0\",\"components\":{}}",
		"{\"components\":{\"schemas\":{}}}",
		"{\"components\":{\"schemas\":{\"T\":7,\"U\":{\"x-kubernetes-group-version-kind\":"
		"[7,{},{\"group\":\"g\\u0000\",\"version\":\"v\",\"kind\":\"T\"},"
		"{\"group\":\"g\",\"version\":\"v\"}],\"properties\":7,\"items\":[],"
		"\"additionalProperties\":[]}}}}",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		struct schema_set *set = openapi_parse(texts[i]);

		ck_assert_ptr_null(schema_of_kind(set, "g", "v", "T"));
		schema_set_unref(schema_set_ref(set));
		schema_set_unref(set);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("schema");
	TCase *tcase = tcase_create("schema");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, kinds);
	tcase_add_test(tcase, built_in_lists);
	tcase_add_test(tcase, built_in_maps);
	tcase_add_test(tcase, defaults_of_keys);
	tcase_add_test(tcase, custom_resource);
	tcase_add_test(tcase, list_types);
	tcase_add_test(tcase, map_types);
	tcase_add_test(tcase, defaults);
	tcase_add_test(tcase, circles);
	tcase_add_test(tcase, recursive_schema);
	tcase_add_test(tcase, additional_properties);
	tcase_add_test(tcase, deep_schema);
	tcase_add_test(tcase, refused);
	tcase_add_test(tcase, too_long);
	tcase_add_test(tcase, nothing_in_it);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
