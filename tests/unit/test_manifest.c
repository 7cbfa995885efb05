/* cache/manifest.h: what a text is, or why it is refused, before any server is asked. */
#include "cache/manifest.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/cpu_time.h"

static const struct resource services = {.group = (char *)"",
	.version = (char *)"v1",
	.kind = (char *)"Service",
	.name = (char *)"services",
	.namespaced = TRUE};
static const struct resource deployments = {.group = (char *)"apps",
	.version = (char *)"v1",
	.kind = (char *)"Deployment",
	.name = (char *)"deployments.apps",
	.namespaced = TRUE};
static const struct resource nodes = {.group = (char *)"",
	.version = (char *)"v1",
	.kind = (char *)"Node",
	.name = (char *)"nodes"};

/* The object there is the Service web in shop. */
static const struct manifest_place there = {
	.resource = &services, .namespace = "shop", .name = "web", .uid = "u-1"};
static const struct manifest_place nothing = {
	.resource = &services, .namespace = "shop", .name = "web", .uid = ""};
static const struct manifest_place there_json = {
	.resource = &services, .namespace = "shop", .name = "web", .uid = "u-1", .json = TRUE};
static const struct manifest_place node = {
	.resource = &nodes, .namespace = "", .name = "n1", .uid = "u-1"};

#define TYPE "apiVersion: v1\nkind: Service\n"

static struct manifest *read_bytes(
	const char *text, size_t length, const struct manifest_place *place)
{
	/* Its own block, gone afterwards: nothing may be kept of it. */
	g_autofree char *copy = g_memdup2(text, length);
	struct manifest *manifest = NULL;
	g_autoptr(GError) error = NULL;
	int result = manifest_read(copy, length, place, &manifest, &error);

	ck_assert_msg(result == 0, "%.*s: %s", (int)MIN(length, 200), text,
		error != NULL ? error->message : "no message");
	if (copy != NULL)
		memset(copy, 'x', length);
	return manifest;
}

static struct manifest *read_text(const char *text, const struct manifest_place *place)
{
	return read_bytes(text, strlen(text), place);
}

static void expect_origin(
	const char *text, const struct manifest_place *place, enum manifest_origin origin)
{
	struct manifest *manifest MANIFEST_CLEANUP = read_text(text, place);

	ck_assert_msg((int)manifest->origin == (int)origin, "%s: %d", text, manifest->origin);
}

static void expect_json(const char *text, const struct manifest_place *place, const char *json)
{
	struct manifest *manifest MANIFEST_CLEANUP = read_text(text, place);
	struct buffer buffer BUFFER_CLEANUP;
	g_autofree char *got = NULL;

	buffer_init(&buffer, 1UL << 26);
	ck_assert_int_eq(
		json_write(manifest->document, manifest->root, JSON_COMPACT, &buffer, NULL), 0);
	got = g_strndup(buffer.data, buffer.length);
	ck_assert_str_eq(got, json);
}

static void refuse_bytes(const char *text, size_t length, const struct manifest_place *place,
	int errnum, const char *message)
{
	g_autofree char *copy = g_memdup2(text, length);
	struct manifest *manifest = NULL;
	g_autoptr(GError) error = NULL;
	int result = manifest_read(copy, length, place, &manifest, &error);

	ck_assert_msg(result == -errnum, "%.*s: %d", (int)MIN(length, 200), text, result);
	ck_assert_ptr_null(manifest);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, errnum);
	ck_assert_str_eq(error->message, message);
	ck_assert_int_eq(manifest_read(copy, length, place, &manifest, NULL), -errnum);
}

static void refuse(const char *text, const struct manifest_place *place, const char *message)
{
	refuse_bytes(text, strlen(text), place, EINVAL, message);
}

START_TEST (says_what_a_text_is) {
	static const struct {
		const char *metadata;
		const struct manifest_place *place;
		int origin; /* or a negative errno */
	} cases[] = {
		{"uid: u-1, resourceVersion: '7'", &there, MANIFEST_EDIT},
		{"uid: u-1, resourceVersion: '7', name: web, namespace: shop", &there,
			MANIFEST_EDIT},
		{"uid: u-1, name: web", &there, MANIFEST_PLAIN},
		{"uid: u-1, resourceVersion: ''", &there, MANIFEST_PLAIN},
		{"name: web", &there, MANIFEST_PLAIN},
		{"", &there, MANIFEST_PLAIN},
		{"uid: '', resourceVersion: null", &there, MANIFEST_PLAIN},
		{"name: web", &nothing, MANIFEST_PLAIN},
		{"name: web, resourceVersion: '7'", &there, MANIFEST_PLAIN},
		{"name: web, resourceVersion: '7'", &nothing, -EBUSY},
		{"name: web, namespace: shop, uid: u-1, resourceVersion: '7'", &nothing,
			MANIFEST_COPY},
		{"name: other, namespace: shop, uid: u-2, resourceVersion: '7'", &nothing,
			MANIFEST_COPY},
		{"name: other, namespace: shop, uid: u-2, resourceVersion: '7'", &there,
			MANIFEST_COPY},
		{"name: other, namespace: shop, uid: u-2", &there, MANIFEST_COPY},
		{"name: web, namespace: other, uid: u-2", &there, MANIFEST_COPY},
		{"name: web, namespace: shop, uid: u-2, resourceVersion: '7'", &there, -EBUSY},
		{"name: web, uid: u-2", &there, -EBUSY},
		{"uid: u-2", &there, -EBUSY},
		{"name: other, uid: u-1, resourceVersion: '7'", &there, -EINVAL},
		{"name: other", &there, -EINVAL},
		{"namespace: other", &nothing, -EINVAL},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strdup_printf(TYPE "metadata: {%s}\n", cases[i].metadata);
		struct manifest *manifest MANIFEST_CLEANUP = NULL;
		int result = manifest_read(text, strlen(text), cases[i].place, &manifest, NULL);

		if (result == 0)
			result = (int)manifest->origin;
		ck_assert_msg(result == cases[i].origin, "%s: %d", text, result);
	}
	refuse_bytes(TYPE "metadata: {uid: u-2}", strlen(TYPE "metadata: {uid: u-2}"), &there,
		EBUSY,
		"metadata.uid is of another object of this name; without uid and resourceVersion "
		"the text replaces the one that is there");
	refuse_bytes(TYPE "metadata: {resourceVersion: '1'}",
		strlen(TYPE "metadata: {resourceVersion: '1'}"), &nothing, EBUSY,
		"metadata.resourceVersion is of an object that is not there");
}
END_TEST

START_TEST (knows_objects_of_other_clusters) {
	char third[] = "u-3";
	char second[] = "u-2";
	char *uids[] = {third, second, NULL};
	struct manifest_place place = there;
	struct manifest *copy MANIFEST_CLEANUP = NULL;

	place.elsewhere = uids;
	copy = read_text(TYPE "metadata: {name: web, uid: u-2, resourceVersion: '7'}", &place);
	ck_assert_int_eq(copy->origin, MANIFEST_COPY);
	ck_assert_ptr_null(document_get(document_get(copy->root, "metadata"), "uid"));
	refuse_bytes(TYPE "metadata: {uid: u-4}", strlen(TYPE "metadata: {uid: u-4}"), &place,
		EBUSY,
		"metadata.uid is of another object of this name; without uid and resourceVersion "
		"the text replaces the one that is there");
}
END_TEST

START_TEST (tells_uid_and_version) {
	struct manifest *edit MANIFEST_CLEANUP =
		read_text(TYPE "metadata: {uid: u-1, resourceVersion: '7'}", &there);
	struct manifest *plain MANIFEST_CLEANUP = read_text(TYPE, &there);
	struct manifest *copy MANIFEST_CLEANUP =
		read_text(TYPE "metadata: {name: x, uid: u-2, resourceVersion: '8'}", &nothing);

	ck_assert_str_eq(edit->uid, "u-1");
	ck_assert_str_eq(edit->version, "7");
	ck_assert_str_eq(plain->uid, "");
	ck_assert_str_eq(plain->version, "");
	ck_assert_str_eq(copy->uid, "u-2");
	ck_assert_str_eq(copy->version, "8");
	manifest_free(NULL);
}
END_TEST

#define PLACED                                                                                     \
	"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","              \
	"\"namespace\":\"shop\"}}"

START_TEST (fills_in_name_and_namespace) {
	expect_json(TYPE, &there, PLACED);
	expect_json(TYPE "metadata:\n", &there, PLACED);
	expect_json(TYPE "metadata: {}\n", &there, PLACED);
	expect_json(TYPE "metadata: {name: null, namespace: ''}\n", &there, PLACED);
	expect_json("{\"kind\":\"Service\",\"apiVersion\":\"v1\"}", &there_json, PLACED);
	/* A copy's follow the place, even when they are not what a name can be. */
	expect_json(TYPE "metadata: {name: x, namespace: c, uid: d}\n", &nothing, PLACED);
	expect_json("apiVersion: v1\nkind: Node\nmetadata: {name: x, namespace: '', uid: d}\n",
		&node, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}");
}
END_TEST

START_TEST (strips_copies_only) {
	static const char spec[] =
		"status: {a: 1}\nspec: {clusterIP: 10.0.0.1, ports: [{port: 80, nodePort: 3}]}\n";
	static const char kept[] = "\"spec\":{\"clusterIP\":\"10.0.0.1\",\"ports\":[{\"nodePort\":"
				   "3,\"port\":80}]},\"status\":{\"a\":1}}";
	g_autofree char *plain = g_strconcat(TYPE, spec, NULL);
	g_autofree char *edit =
		g_strconcat(TYPE, "metadata: {uid: u-1, resourceVersion: '1'}\n", spec, NULL);
	g_autofree char *copy = g_strconcat(TYPE, "metadata: {name: x, uid: u-2}\n", spec, NULL);
	g_autofree char *plain_json = g_strconcat("{\"apiVersion\":\"v1\",\"kind\":\"Service\","
						  "\"metadata\":{\"name\":\"web\",\"namespace\":"
						  "\"shop\"},",
		kept, NULL);
	g_autofree char *edit_json = g_strconcat("{\"apiVersion\":\"v1\",\"kind\":\"Service\","
						 "\"metadata\":{\"name\":\"web\",\"namespace\":"
						 "\"shop\",\"resourceVersion\":\"1\",\"uid\":\"u-"
						 "1\"},",
		kept, NULL);

	expect_json(plain, &nothing, plain_json);
	expect_json(plain, &there, plain_json);
	expect_json(edit, &there, edit_json);
	expect_json(copy, &there,
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","
		"\"namespace\":\"shop\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
}
END_TEST

START_TEST (checks_in_order) {
	/* Each text has this mistake and all that are looked for later. */
	static const char rest[] = "kind: B\nmetadata: {name: c, namespace: d, uid: u-1}\n";
	g_autoptr(GString) large = g_string_new(NULL);
	g_autofree char *text = NULL;

	while (large->len <= MANIFEST_TEXT_MAX)
		g_string_append(large, "\xff a: 1\na: 2\n---\n");
	g_string_truncate(large, MANIFEST_TEXT_MAX + 1);
	refuse_bytes(large->str, large->len, &there, EFBIG,
		"the text has 3145729 bytes, more than 3145728");
	refuse("# \xe9\xbb\x84\na: \xff]\na: 2\n---\nb\n", &there,
		"line 2, column 4: the text is not UTF-8");
	refuse("apiVersion: a\n]\n---\na\n", &there, "line 2, column 1: did not find expected key");
	refuse("a: 1\na: 2\n---\nb: 1\n", &there, "line 2, column 1: the map has this key already");
	refuse("apiVersion: a\nkind: b\n---\nb: 1\n", &there,
		"line 4, column 1: a second document begins");
	text = g_strconcat("apiVersion: a\n", rest, NULL);
	refuse(text, &there, "apiVersion is \"a\", but this is v1");
	g_free(text);
	text = g_strconcat("apiVersion: v1\n", rest, NULL);
	refuse(text, &there, "kind is \"B\", but this is services");
	refuse(TYPE "metadata: {name: c, namespace: d, uid: u-1}\n", &there,
		"metadata.name is \"c\", but the file is \"web.yaml\"");
	refuse(TYPE "metadata: {namespace: d, uid: u-1}\n", &there,
		"metadata.namespace is \"d\", but the file is in \"shop\"");
}
END_TEST

START_TEST (refuses_what_is_no_object_of_this_place) {
	refuse("", &there, "the text holds no object");
	refuse("# a\n\n# b\n", &there, "the text holds no object");
	refuse("---\n", &there, "the text holds no object");
	refuse("# a\n\n", &there_json, "the text holds no object");
	refuse("null", &there_json, "the text holds no object");
	refuse("- a\n", &there, "the text is a list, not an object");
	refuse("a", &there, "the text is a single value, not an object");
	refuse("kind: Service", &there, "apiVersion is missing: it is \"v1\" here");
	refuse("apiVersion: v1", &there, "kind is missing: it is \"Service\" here");
	refuse("apiVersion: 1\n", &there, "apiVersion is not a string");
	refuse("apiVersion: v1\nkind: [a]", &there, "kind is not a string");
	refuse("apiVersion: v1\nkind: service", &there,
		"kind is \"service\", but this is services");
	refuse("apiVersion: v1\nkind: List\nitems: []", &there,
		"kind is \"List\", but a file holds one object");
	refuse("apiVersion: apps/v1\nkind: DeploymentList\nitems: []", &there,
		"kind is \"DeploymentList\", but a file holds one object");
	refuse("apiVersion: v1\nkind: List", &there, "kind is \"List\", but this is services");
	refuse("apiVersion: v1\nkind: items\nitems: []", &there,
		"kind is \"items\", but this is services");
	refuse(TYPE "metadata: []", &there, "metadata is not a map");
	refuse(TYPE "metadata: {name: 1}", &there, "metadata.name is not a string");
	refuse(TYPE "metadata: {namespace: on}", &there, "metadata.namespace is not a string");
	refuse(TYPE "metadata: {uid: {}}", &there, "metadata.uid is not a string");
	refuse(TYPE "metadata: {resourceVersion: 7}", &there,
		"metadata.resourceVersion is not a string");
	refuse(TYPE "metadata: {name: \"web\\0\"}", &there, "metadata.name holds a NUL");
	refuse("apiVersion: v1\nkind: Node\nmetadata: {namespace: a}", &node,
		"metadata.namespace is \"a\", but nodes are in no namespace");
	refuse("{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"b\"}}",
		&there_json, "metadata.name is \"b\", but the file is \"web.json\"");
}
END_TEST

START_TEST (knows_groups) {
	const struct manifest_place place = {
		.resource = &deployments, .namespace = "shop", .name = "web", .uid = ""};

	expect_origin("apiVersion: apps/v1\nkind: Deployment\n", &place, MANIFEST_PLAIN);
	refuse("apiVersion: v1\nkind: Deployment\n", &place,
		"apiVersion is \"v1\", but this is apps/v1");
	refuse("apiVersion: apps/v1beta1\nkind: Deployment\n", &place,
		"apiVersion is \"apps/v1beta1\", but this is apps/v1");
	refuse("apiVersion: apps/v1\nkind: Service\n", &place,
		"kind is \"Service\", but this is deployments.apps");
}
END_TEST

/* Of a custom resource any kind and any member may be. */
START_TEST (a_kind_that_ends_in_list) {
	static const struct resource lists = {.group = (char *)"example.com",
		.version = (char *)"v1",
		.kind = (char *)"AllowList",
		.name = (char *)"allowlists.example.com"};
	const struct manifest_place place = {
		.resource = &lists, .namespace = "", .name = "a", .uid = ""};

	expect_origin("apiVersion: example.com/v1\nkind: AllowList\nitems: [a]\n", &place,
		MANIFEST_PLAIN);
	refuse("apiVersion: example.com/v1\nkind: AllowListList\nitems: [a]\n", &place,
		"kind is \"AllowListList\", but a file holds one object");
}
END_TEST

START_TEST (generated_names) {
	refuse(TYPE "metadata: {generateName: web-}", &nothing,
		"metadata.generateName asks for another name than the file's, which is \"web\"");
	refuse(TYPE "metadata: {generateName: web-, name: ''}", &there,
		"metadata.generateName asks for another name than the file's, which is \"web\"");
	/* As the server shows what it named. */
	expect_origin(TYPE "metadata: {generateName: we, name: web, uid: u-1, "
			   "resourceVersion: '1'}",
		&there, MANIFEST_EDIT);
	expect_origin(TYPE "metadata: {generateName: we, name: web}", &nothing, MANIFEST_PLAIN);
	expect_json(TYPE "metadata: {generateName: we, name: x, uid: u}", &nothing, PLACED);
}
END_TEST

START_TEST (quotes_in_one_short_line) {
	g_autoptr(GString) name = g_string_new(NULL);
	g_autofree char *text = NULL;
	struct manifest *manifest = NULL;
	g_autoptr(GError) error = NULL;

	refuse(TYPE "metadata: {name: \"a\\nb\\e[31m\\u202E\"}", &there,
		"metadata.name is \"a\\x0Ab\\x1B[31m\\u{202E}\", but the file is \"web.yaml\"");
	for (int i = 0; i < 10000; i++)
		g_string_append(name, "世");
	text = g_strdup_printf(TYPE "metadata: {name: %s}", name->str);
	ck_assert_int_eq(manifest_read(text, strlen(text), &there, &manifest, &error), -EINVAL);
	ck_assert_uint_lt(strlen(error->message), 300);
	ck_assert(g_utf8_validate(error->message, -1, NULL));
	ck_assert_ptr_nonnull(strstr(error->message, "世...\""));
}
END_TEST

#define JSON_TYPE "{\"apiVersion\":\"v1\",\"kind\":\"Service\""

START_TEST (reads_json) {
	struct manifest_place odd = there_json;

	expect_json(
		"# kept: EINVAL\n#\n\n \t\r\n# \xc3\xa4\n" JSON_TYPE "}\n", &there_json, PLACED);
	expect_json(
		"\r\n# a\r\n" JSON_TYPE ",\"metadata\":{\"name\":\"web\"}}", &there_json, PLACED);
	refuse("# a\n\n{\"a\": tru}\n", &there_json, "line 3, column 7: malformed JSON");
	refuse("{\"\xc3\xa4\xc3\xa4\": 1,}\n", &there_json, "line 1, column 10: malformed JSON");
	refuse("# a\n{\"a\":\n", &there_json, "line 3, column 1: JSON ends early");
	refuse(JSON_TYPE "}\n# a\n", &there_json,
		"line 2, column 1: something follows the end of the JSON value");
	refuse(JSON_TYPE "}\n" JSON_TYPE "}\n", &there_json,
		"line 2, column 1: something follows the end of the JSON value");
	refuse("apiVersion: v1", &there_json, "line 1, column 1: malformed JSON");
	refuse(" # a\n{}", &there_json, "line 1, column 2: malformed JSON");
	refuse("{\n \"a\": {\"b\": 1,\n  \"b\": 2}}", &there_json,
		"line 3, column 3: the object has the key \"b\" twice");
	refuse("{\"a\": {\"\\u0062\\n\": 1,\n\"b\\n\": 2 }}", &there_json,
		"line 2, column 10: the object has the key \"b\\x0A\" twice");
	refuse("{\"\":1,\"\":2}", &there_json,
		"line 1, column 7: the object has the key \"\" twice");
	refuse_bytes("{\"a\":\"\0\"}", 9, &there_json, EINVAL, "line 1, column 7: malformed JSON");
	/* JSON is YAML, too, but YAML is not JSON. */
	expect_json(JSON_TYPE "}", &there, PLACED);
	odd.name = "\xff";
	refuse(JSON_TYPE "}", &odd, "the name of the file is not UTF-8");
}
END_TEST

START_TEST (keeps_values_exactly) {
	static const char json[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"annotations\":{\"\":"
		"\"\\u0000\",\"a b\":\"yes\"},\"creationTimestamp\":\"2024-01-01T00:00:00Z\","
		"\"generation\":3,\"name\":\"web\",\"namespace\":\"shop\",\"resourceVersion\":"
		"\"7\",\"uid\":\"u-1\"},\"spec\":{\"big\":9223372036854775807,\"bigger\":"
		"123456789012345678901234567890,\"real\":0.1,\"texts\":[\"007\",\"1e3\",\"~\","
		"\"a\\r\\nb\",\"\\u2028\",\" x \"],\"none\":null,\"empty\":[{},[]]}}";
	struct document *document DOCUMENT_CLEANUP = document_create(0, 1UL << 26);
	struct snapshot *snapshot = fixture_snapshot_of(json);
	struct document_node *sent = NULL;
	g_autoptr(GBytes) bytes = NULL;
	struct manifest *yaml MANIFEST_CLEANUP =
		read_bytes(snapshot->yaml, snapshot->yaml_length, &there);
	struct manifest *text MANIFEST_CLEANUP = NULL;

	ck_assert_int_eq(json_parse(document, json, sizeof(json) - 1, &sent, NULL), 0);
	ck_assert_int_eq(snapshot_json(snapshot, &bytes, NULL), 0);
	text = read_bytes(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &there_json);
	ck_assert_int_eq(yaml->origin, MANIFEST_EDIT);
	ck_assert_int_eq(text->origin, MANIFEST_EDIT);
	ck_assert(document_equal(sent, yaml->root));
	ck_assert(document_equal(sent, text->root));
	snapshot_unref(snapshot);
}
END_TEST

/* What a text repeats until it is as long as a text may be. */
static char *fill(const char *head, const char *piece, const char *tail)
{
	size_t count = (MANIFEST_TEXT_MAX - strlen(head) - strlen(tail)) / strlen(piece);
	GString *text = g_string_new(head);

	for (size_t i = 0; i < count; i++)
		g_string_append(text, piece);
	g_string_append(text, tail);
	return g_string_free(text, FALSE);
}

static void expect_quick(const char *head, const char *piece, const char *tail, bool json)
{
	g_autofree char *text = fill(head, piece, tail);
	gint64 begin = cpu_time();
	struct manifest *manifest MANIFEST_CLEANUP = NULL;
	g_autoptr(GError) error = NULL;
	int result =
		manifest_read(text, strlen(text), json ? &there_json : &there, &manifest, &error);

	ck_assert_msg(cpu_time() - begin < 20 * G_USEC_PER_SEC, "%s%s", head, piece);
	if (result == 0)
		ck_assert_uint_le(manifest->document->arena.taken, MANIFEST_MEMORY_MAX);
	else
		ck_assert_uint_lt(strlen(error->message), 300);
}

START_TEST (hostile_texts_end_soon) {
	expect_quick(TYPE "a: \"", "x", "\"", false);
	expect_quick(TYPE "a: |\n", " x\n", "", false);
	expect_quick(TYPE "a: [", "0,", "]", false);
	expect_quick(TYPE "a: [", "{},", "]", false);
	expect_quick(TYPE "a: ", "[", "", false);
	expect_quick(TYPE "a:\n", "- ", "", false);
	expect_quick(TYPE "a:\n", "- \n", "", false);
	expect_quick(TYPE "a:\n", "- &a b\n", "", false);
	expect_quick(TYPE "a: ", "&a ", "", false);
	expect_quick(TYPE "b: &b {c: d}\na:\n", "- *b\n", "", false);
	expect_quick(TYPE, "? a\n", "", false);
	expect_quick("", "---\n", TYPE, false);
	expect_quick(TYPE, "#\n", "", false);
	expect_quick("", "#\n", JSON_TYPE "}", true);
	expect_quick(JSON_TYPE ",\"a\":[", "0,", "0]}", true);
	expect_quick(JSON_TYPE ",\"a\":", "[", "", true);
	expect_quick(JSON_TYPE ",\"a\":", "{\"a\":", "", true);
	expect_quick(JSON_TYPE, ",\"a\":0", "}", true);
	expect_quick(JSON_TYPE ",\"a\":\"", "\\u0000", "\"}", true);
}
END_TEST

START_TEST (alias_bombs_are_refused) {
	g_autoptr(GString) text = g_string_new(TYPE "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");

	for (int i = 1; i < 12; i++) {
		g_string_append_printf(text, "a%d: &a%d [", i, i);
		for (int j = 0; j < 9; j++)
			g_string_append_printf(text, "%s*a%d", j > 0 ? ", " : "", i - 1);
		g_string_append(text, "]\n");
	}
	refuse_bytes(text->str, text->len, &there, EFBIG,
		"line 6, column 30: aliases multiply the document");
}
END_TEST

/* Short text may not take what long text may, and what is refused says where. */
START_TEST (memory_follows_the_text) {
	g_autofree char *wide = fill(JSON_TYPE ",\"a\":[", "[],", "0]}");
	struct manifest *small MANIFEST_CLEANUP = read_text(TYPE, &there);
	struct manifest *large MANIFEST_CLEANUP = read_text(wide, &there_json);
	g_autofree char *dense = fill(TYPE "a: [", "0,", "0]");
	struct manifest *manifest = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_uint_le(small->document->arena.limit, MANIFEST_MEMORY_MIN + 4096);
	ck_assert_uint_eq(large->document->arena.limit, MANIFEST_MEMORY_MAX);
	ck_assert_int_eq(manifest_read(dense, strlen(dense), &there, &manifest, &error), -EFBIG);
	ck_assert(g_str_has_prefix(error->message, "line 3, column "));
	ck_assert(
		g_str_has_suffix(error->message, ": the document takes more memory than allowed"));
}
END_TEST

START_TEST (nesting_is_bounded) {
	g_autoptr(GString) text = g_string_new(JSON_TYPE ",\"a\":");

	for (int i = 0; i < DOCUMENT_DEPTH_MAX; i++)
		g_string_append_c(text, '[');
	for (int i = 0; i < DOCUMENT_DEPTH_MAX; i++)
		g_string_append_c(text, ']');
	g_string_append_c(text, '}');
	refuse_bytes(
		text->str, text->len, &there_json, EFBIG, "line 1, column 10040: nested too deep");
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, says_what_a_text_is);
	tcase_add_test(tcase, knows_objects_of_other_clusters);
	tcase_add_test(tcase, tells_uid_and_version);
	tcase_add_test(tcase, fills_in_name_and_namespace);
	tcase_add_test(tcase, strips_copies_only);
	tcase_add_test(tcase, checks_in_order);
	tcase_add_test(tcase, refuses_what_is_no_object_of_this_place);
	tcase_add_test(tcase, knows_groups);
	tcase_add_test(tcase, a_kind_that_ends_in_list);
	tcase_add_test(tcase, generated_names);
	tcase_add_test(tcase, quotes_in_one_short_line);
	tcase_add_test(tcase, reads_json);
	tcase_add_test(tcase, keeps_values_exactly);
	tcase_add_test(tcase, hostile_texts_end_soon);
	tcase_add_test(tcase, alias_bombs_are_refused);
	tcase_add_test(tcase, memory_follows_the_text);
	tcase_add_test(tcase, nesting_is_bounded);
}

int main(void)
{
	return fixture_run("manifest", add_tests);
}
