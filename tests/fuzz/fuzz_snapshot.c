/*
 * The input as what a server sent for an object. What becomes a snapshot must read back as the
 * value that was sent, without its managedFields and with its type, and have times that stat can
 * show.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/document.h"
#include "cache/json_parse.h"
#include "cache/snapshot.h"
#include "cache/yaml_read.h"

#define LIMIT (256UL << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give_type(
	struct document *document, struct document_node *root, const char *key, const char *value)
{
	if (document_get(root, key) == NULL)
		document_set(root, key, document_new_string(document, value, strlen(value)));
}

static void check_text(const struct snapshot *snapshot, const struct source_item *item)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, LIMIT);
	struct document_node *sent = NULL;
	struct document_node *read = NULL;

	if (json_parse(document, item->json, item->length, &sent, NULL) < 0)
		abort();
	give_type(document, sent, "apiVersion", item->api_version);
	give_type(document, sent, "kind", item->kind);
	document_remove(document_get(sent, "metadata"), "managedFields");
	if (yaml_read(document, snapshot->yaml, snapshot->yaml_length, YAML_READ_STRICT, &read,
		    NULL) < 0)
		abort();
	if (!document_equal(sent, read))
		abort();
}

static void check_time(struct timespec time)
{
	if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= 1000000000)
		abort();
}

static void check(const struct snapshot *snapshot, const struct source_item *item)
{
	g_autoptr(GBytes) json = NULL;

	if (snapshot->name[0] == '\0' || snapshot->yaml[snapshot->yaml_length] != '\0')
		abort();
	check_text(snapshot, item);
	check_time(snapshot->modified);
	check_time(snapshot->changed);
	if (snapshot_json(snapshot, &json, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct source_item item = {
		.json = (const char *)data,
		.length = size,
		.api_version = "example.com/v1",
		.kind = "Thing",
	};
	g_autoptr(GError) error = NULL;
	struct snapshot *snapshot = NULL;
	int r = snapshot_create(&item, NULL, NULL, &snapshot, &error);

	if ((r < 0) != (error != NULL) || (r < 0) != (snapshot == NULL))
		abort();
	if (error != NULL && strchr(error->message, '\n') != NULL)
		abort();
	if (snapshot != NULL)
		check(snapshot, &item);
	snapshot_unref(snapshot);
	g_free(snapshot_version_of(&item));
	return 0;
}
