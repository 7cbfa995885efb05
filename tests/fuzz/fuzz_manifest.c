/*
 * The input as a text that was saved somewhere, as YAML and as JSON. An error must be one short
 * line; what is accepted must have its place's name, be nothing more to strip when it is a copy,
 * and be a plain manifest when it is read again without its uid and version.
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "cache/json_write.h"
#include "cache/manifest.h"
#include "cache/manifest_copy.h"

#define LIMIT (256UL << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct resource resources[] = {
	{.group = (char *)"",
		.version = (char *)"v1",
		.kind = (char *)"Pod",
		.name = (char *)"pods",
		.has_status = TRUE},
	{.group = (char *)"",
		.version = (char *)"v1",
		.kind = (char *)"Service",
		.name = (char *)"services",
		.has_status = TRUE},
	{.group = (char *)"",
		.version = (char *)"v1",
		.kind = (char *)"Secret",
		.name = (char *)"secrets"},
	{.group = (char *)"",
		.version = (char *)"v1",
		.kind = (char *)"ServiceAccount",
		.name = (char *)"serviceaccounts"},
	{.group = (char *)"batch",
		.version = (char *)"v1",
		.kind = (char *)"Job",
		.name = (char *)"jobs.batch"},
};

static void write_json(struct manifest *manifest, struct buffer *buffer)
{
	buffer_reset(buffer, 0);
	g_assert_cmpint(
		json_write(manifest->document, manifest->root, JSON_COMPACT, buffer, NULL), ==, 0);
}

static bool has_text(const struct document_node *object, const char *key, const char *wanted)
{
	const char *text;
	size_t length;

	return document_get_string(object, key, &text, &length) && length == strlen(wanted) &&
	       memcmp(text, wanted, length) == 0;
}

static void check_metadata(struct manifest *manifest, const struct manifest_place *place)
{
	struct document_node *metadata = document_get(manifest->root, "metadata");

	g_assert_true(has_text(metadata, "name", place->name));
	g_assert_true(has_text(metadata, "namespace", place->namespace));
	if (manifest->origin != MANIFEST_COPY)
		return;
	g_assert_null(document_get(metadata, "uid"));
	g_assert_null(document_get(metadata, "resourceVersion"));
	g_assert_null(document_get(manifest->root, "status"));
}

/* Its own JSON is the same manifest, plain when it is no edit. */
static void check_again(struct manifest *manifest, const struct manifest_place *place)
{
	struct manifest_place json = *place;
	struct manifest *again MANIFEST_CLEANUP = NULL;
	struct buffer buffer BUFFER_CLEANUP;
	g_autoptr(GError) error = NULL;

	json.json = TRUE;
	buffer_init(&buffer, LIMIT);
	write_json(manifest, &buffer);
	if (buffer.length > MANIFEST_TEXT_MAX)
		return;
	manifest_read(buffer.data, buffer.length, &json, &again, &error);
	g_assert_no_error(error);
	g_assert_true(document_equal(manifest->root, again->root));
	g_assert_cmpint(again->origin, ==,
		manifest->origin == MANIFEST_COPY ? MANIFEST_PLAIN : manifest->origin);
}

/* What it takes from itself changes nothing but what it says nothing of. */
static void check_owned(struct manifest *manifest, const struct manifest_place *place)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, LIMIT);
	struct document_node *same = document_copy(document, manifest->root);
	g_autoptr(GError) error = NULL;

	g_assert_nonnull(same);
	manifest_check_owned(place->resource, same, manifest, &error);
	g_assert_no_error(error);
	g_assert_true(document_equal(same, manifest->root));
	manifest_keep_metadata(manifest, same, &error);
	g_assert_no_error(error);
	g_assert_true(document_equal(same, manifest->root));
}

static void check_stripped(struct manifest *manifest, const struct manifest_place *place)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, LIMIT);
	struct document_node *once;

	manifest_strip(place->resource, manifest->root);
	once = document_copy(document, manifest->root);
	manifest_strip(place->resource, manifest->root);
	g_assert_true(document_equal(once, manifest->root));
}

static void check(const uint8_t *data, size_t size, const struct manifest_place *place)
{
	struct manifest *manifest MANIFEST_CLEANUP = NULL;
	g_autoptr(GError) error = NULL;
	int result = manifest_read((const char *)data, size, place, &manifest, &error);

	if (result < 0) {
		g_assert_null(manifest);
		g_assert_nonnull(error);
		g_assert_cmpint(error->code, ==, -result);
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
		g_assert_cmpuint(strlen(error->message), <, 1000);
		g_assert_null(strchr(error->message, '\n'));
		return;
	}
	check_metadata(manifest, place);
	check_again(manifest, place);
	check_owned(manifest, place);
	check_stripped(manifest, place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest_place place = {
		.resource = &resources[size % G_N_ELEMENTS(resources)],
		.namespace = "b",
		.name = "a",
		.uid = size % 3 == 0 ? "" : "u",
	};

	check(data, size, &place);
	place.json = TRUE;
	check(data, size, &place);
	return 0;
}
