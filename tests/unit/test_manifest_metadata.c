/* cache/manifest.h: what an edit may not change, and what a plain manifest need not repeat. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/manifest.h"
#include "tests/unit/cache_fixture.h"

static const struct resource with_status = {.group = (char *)"",
	.version = (char *)"v1",
	.kind = (char *)"Thing",
	.name = (char *)"things",
	.namespaced = TRUE,
	.has_status = TRUE};
static const struct resource without_status = {.group = (char *)"",
	.version = (char *)"v1",
	.kind = (char *)"Thing",
	.name = (char *)"things",
	.namespaced = TRUE};

#define TYPE "apiVersion: v1\nkind: Thing\n"
#define EDIT "uid: u-1, resourceVersion: '7'"
#define BASE                                                                                       \
	"{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"uid\":\"u-1\",\"resourceVersion\":"   \
	"\"9\",\"generation\":4,\"creationTimestamp\":\"2024-01-01T00:00:00Z\","                   \
	"\"managedFields\":[{\"manager\":\"m\"}]},\"status\":{\"count\":1}}"
#define OWNED ", generation: 4, creationTimestamp: 2024-01-01T00:00:00Z"
/* Of the base, with the members in the order of our JSON. */
#define TAKEN                                                                                      \
	"{\"apiVersion\":\"v1\",\"kind\":\"Thing\",\"metadata\":{\"creationTimestamp\":\"2024-01-" \
	"01T00:00:00Z\",\"generation\":4,\"managedFields\":[{\"manager\":\"m\"}],\"name\":\"a\","  \
	"\"namespace\":\"b\",\"resourceVersion\":\"9\",\"uid\":\"u-1\"}"

static struct manifest *read_text(const char *text)
{
	const struct manifest_place place = {
		.resource = &with_status, .namespace = "b", .name = "a", .uid = "u-1"};
	struct manifest *manifest = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_msg(manifest_read(text, strlen(text), &place, &manifest, &error) == 0, "%s: %s",
		text, error != NULL ? error->message : "no message");
	return manifest;
}

/* Its document is reset afterwards: nothing may be shared with what is there. */
static struct document_node *parse(struct document *document, const char *json)
{
	struct document_node *root = NULL;
	const char *copy = document_copy_text(document, json, strlen(json));

	ck_assert_int_eq(json_parse(document, copy, strlen(json), &root, NULL), 0);
	return root;
}

static void expect_json(const struct manifest *manifest, const char *json)
{
	struct buffer buffer BUFFER_CLEANUP;
	g_autofree char *got = NULL;

	buffer_init(&buffer, 1UL << 26);
	ck_assert_int_eq(
		json_write(manifest->document, manifest->root, JSON_COMPACT, &buffer, NULL), 0);
	got = g_strndup(buffer.data, buffer.length);
	ck_assert_str_eq(got, json);
}

static void accept(
	const struct resource *resource, const char *base, const char *text, const char *json)
{
	struct manifest *manifest MANIFEST_CLEANUP = read_text(text);
	struct document *document = document_create(0, 1UL << 20);
	g_autoptr(GError) error = NULL;
	int result = manifest_check_owned(resource, parse(document, base), manifest, &error);

	ck_assert_msg(result == 0, "%s: %s", text, error != NULL ? error->message : "no message");
	document_destroy(document);
	expect_json(manifest, json);
}

static void refuse(
	const struct resource *resource, const char *base, const char *text, const char *message)
{
	struct manifest *manifest MANIFEST_CLEANUP = read_text(text);
	struct document *document DOCUMENT_CLEANUP = document_create(0, 1UL << 20);
	g_autoptr(GError) error = NULL;

	ck_assert_msg(
		manifest_check_owned(resource, parse(document, base), manifest, &error) == -EINVAL,
		"%s", text);
	ck_assert_int_eq(error->code, EINVAL);
	ck_assert_str_eq(error->message, message);
}

START_TEST (an_edit_that_changes_nothing_of_it) {
	accept(&with_status, BASE, TYPE "metadata: {" EDIT OWNED "}\nstatus: {count: 1}",
		TAKEN ",\"status\":{\"count\":1}}");
	/* managedFields are in no file of ours, and the version may be an old one. */
	accept(&with_status, BASE,
		TYPE "metadata: {managedFields: [1], " EDIT OWNED "}\nstatus: {count: 1}",
		TAKEN ",\"status\":{\"count\":1}}");
	accept(&with_status, "{\"metadata\":{\"uid\":\"u-1\"}}",
		TYPE "metadata: {" EDIT ", managedFields: [], creationTimestamp: null}\nstatus: {}",
		"{\"apiVersion\":\"v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\","
		"\"namespace\":\"b\",\"uid\":\"u-1\"}}");
}
END_TEST

START_TEST (an_edit_that_changes_what_the_server_owns) {
	static const struct {
		const char *text; /* behind the uid */
		const char *message;
	} cases[] = {
		{", generation: 5, creationTimestamp: 2024-01-01T00:00:00Z}\nstatus: {count: 1}",
			"changed metadata.generation: only the server sets that"},
		{", creationTimestamp: 2024-01-01T00:00:00Z}\nstatus: {count: 1}",
			"changed metadata.generation: only the server sets that"},
		{", generation: 4, creationTimestamp: 2025-01-01T00:00:00Z}\nstatus: {count: 1}",
			"changed metadata.creationTimestamp: only the server sets that"},
		{OWNED ", deletionTimestamp: 2025-01-01T00:00:00Z}\nstatus: {count: 1}",
			"changed metadata.deletionTimestamp: only the server sets that"},
		{OWNED ", deletionGracePeriodSeconds: 1, selfLink: /a}\nstatus: {count: 1}",
			"changed metadata.deletionGracePeriodSeconds, metadata.selfLink: only the "
			"server sets that"},
		{OWNED "}\nstatus: {count: 2}",
			"changed status: it is a subresource and not changed with the object"},
		{OWNED "}\n",
			"changed status: it is a subresource and not changed with the object"},
		{OWNED "}\nstatus: null",
			"changed status: it is a subresource and not changed with the object"},
		{", creationTimestamp: null}\nstatus: {m: 1}",
			"changed metadata.creationTimestamp, metadata.generation: only the server "
			"sets that; status: it is a subresource and not changed with the object"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strconcat(TYPE "metadata: {" EDIT, cases[i].text, NULL);

		refuse(&with_status, BASE, text, cases[i].message);
	}
	refuse(&with_status, "{\"metadata\":{}}", TYPE "metadata: {" EDIT "}\nstatus: {m: 1}",
		"changed metadata.uid: only the server sets that; status: it is a subresource and "
		"not changed with the object");
}
END_TEST

START_TEST (a_status_that_is_no_subresource_is_the_users) {
	accept(&without_status, BASE, TYPE "metadata: {" EDIT OWNED "}\nstatus: {count: 2}",
		TAKEN ",\"status\":{\"count\":2}}");
	accept(&without_status, BASE, TYPE "metadata: {" EDIT OWNED "}", TAKEN "}");
}
END_TEST

START_TEST (a_plain_manifest_may_leave_it_out) {
	accept(&with_status, BASE, TYPE, TAKEN ",\"status\":{\"count\":1}}");
	accept(&with_status, BASE, TYPE "metadata: {creationTimestamp: null}\nstatus: {}",
		TAKEN ",\"status\":{\"count\":1}}");
	accept(&with_status, BASE, TYPE "metadata: {generation: 4}\nstatus: {count: 1}",
		TAKEN ",\"status\":{\"count\":1}}");
	refuse(&with_status, BASE, TYPE "metadata: {generation: 3}",
		"changed metadata.generation: only the server sets that");
	refuse(&with_status, BASE, TYPE "status: {count: 1, m: 1}",
		"changed status: it is a subresource and not changed with the object");
}
END_TEST

static void keep(const char *there, const char *metadata, const char *json)
{
	g_autofree char *text = g_strdup_printf(TYPE "metadata: {%s}\nspec: {x: 1}", metadata);
	struct manifest *manifest MANIFEST_CLEANUP = read_text(text);
	struct document *document = document_create(0, 1UL << 20);
	g_autofree char *wanted = g_strdup_printf("{\"apiVersion\":\"v1\",\"kind\":\"Thing\","
						  "\"metadata\":{%s},\"spec\":{\"x\":1}}",
		json);

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(manifest_keep_metadata(manifest, parse(document, there), NULL), 0);
	document_destroy(document);
	expect_json(manifest, wanted);
}

START_TEST (keeps_metadata_that_is_not_mentioned) {
	static const char there[] =
		"{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"uid\":\"u-1\","
		"\"resourceVersion\":\"9\",\"labels\":{\"k\":\"1\",\"l\":\"2\",\"j\":\"0\"},"
		"\"annotations\":{\"n\":\"3\"},\"finalizers\":[\"f\"],\"ownerReferences\":[{"
		"\"uid\":\"o\"}],\"generateName\":\"g\",\"managedFields\":[1],\"future\":{\"a\":"
		"[1]}},\"spec\":{\"x\":2,\"y\":3},\"status\":{\"z\":1}}";

	keep(there, "",
		"\"annotations\":{\"n\":\"3\"},\"finalizers\":[\"f\"],\"future\":{\"a\":[1]},"
		"\"generateName\":\"g\",\"labels\":{\"j\":\"0\",\"k\":\"1\",\"l\":\"2\"},\"name\":"
		"\"a\",\"namespace\":\"b\",\"ownerReferences\":[{\"uid\":\"o\"}],"
		"\"resourceVersion\":\"9\",\"uid\":\"u-1\"");
	keep(there,
		"labels: {l: 5, m: 6, i: 7}, annotations: null, finalizers: [], ownerReferences: "
		"null, future: {}",
		"\"annotations\":{\"n\":\"3\"},\"finalizers\":[],\"future\":{},\"generateName\":"
		"\"g\",\"labels\":{\"i\":7,\"j\":\"0\",\"k\":\"1\",\"l\":5,\"m\":6},\"name\":\"a\","
		"\"namespace\":\"b\",\"ownerReferences\":[{\"uid\":\"o\"}],\"resourceVersion\":"
		"\"9\",\"uid\":\"u-1\"");
	/* The version that it names is its guard. */
	keep(there,
		"resourceVersion: '7', labels: {}, annotations: [], future: 1, generateName: h, "
		"name: a",
		"\"annotations\":[],\"finalizers\":[\"f\"],\"future\":1,\"generateName\":\"h\","
		"\"labels\":{\"j\":\"0\",\"k\":\"1\",\"l\":\"2\"},\"name\":\"a\",\"namespace\":"
		"\"b\",\"ownerReferences\":[{\"uid\":\"o\"}],\"resourceVersion\":\"7\",\"uid\":"
		"\"u-1\"");
	keep("{}", "labels: {l: x}", "\"labels\":{\"l\":\"x\"},\"name\":\"a\",\"namespace\":\"b\"");
	keep("{\"metadata\":1}", "", "\"name\":\"a\",\"namespace\":\"b\"");
}
END_TEST

START_TEST (memory_is_bounded) {
	struct manifest *kept MANIFEST_CLEANUP = read_text(TYPE);
	struct manifest *checked MANIFEST_CLEANUP = read_text(TYPE);
	struct document *document DOCUMENT_CLEANUP = document_create(0, 1UL << 30);
	g_autoptr(GString) json = g_string_new("{\"metadata\":{\"labels\":{\"a\":\"");
	struct document_node *there;
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < MANIFEST_MEMORY_MAX; i += 16)
		g_string_append(json, "0123456789abcdef");
	g_string_append(json, "\"}},\"status\":{\"a\":[");
	for (size_t i = 0; i < MANIFEST_MEMORY_MAX / 40; i++)
		g_string_append(json, "[],");
	g_string_append(json, "0]}}");
	there = parse(document, json->str);
	ck_assert_int_eq(manifest_keep_metadata(kept, there, &error), -EFBIG);
	ck_assert_str_eq(error->message, "the object takes more memory than allowed");
	g_clear_error(&error);
	ck_assert_int_eq(manifest_check_owned(&with_status, there, checked, &error), -EFBIG);
	ck_assert_int_eq(error->code, EFBIG);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, an_edit_that_changes_nothing_of_it);
	tcase_add_test(tcase, an_edit_that_changes_what_the_server_owns);
	tcase_add_test(tcase, a_status_that_is_no_subresource_is_the_users);
	tcase_add_test(tcase, a_plain_manifest_may_leave_it_out);
	tcase_add_test(tcase, keeps_metadata_that_is_not_mentioned);
	tcase_add_test(tcase, memory_is_bounded);
}

int main(void)
{
	return fixture_run("manifest_metadata", add_tests);
}
