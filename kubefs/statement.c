#include "kubefs/statement.h"

#include <string.h>

const char *const STATEMENT_NAMES[] = {"errors", "status", "version", NULL};

static void append_collections(GString *text, struct cache *cache)
{
	g_autoptr(GPtrArray) collections = cache_collections(cache);

	g_string_append_printf(text, "  collections:%s\n", collections->len == 0 ? " []" : "");
	for (guint i = 0; i < collections->len; i++) {
		struct collection *collection = g_ptr_array_index(collections, i);
		const struct source_scope *scope = collection_scope(collection);
		struct collection_status status;

		collection_describe(collection, &status);
		g_string_append_printf(text, "  - resource: %s\n", scope->resource->name);
		if (scope->namespace != NULL)
			g_string_append_printf(text, "    namespace: %s\n", scope->namespace);
		if (scope->name != NULL)
			g_string_append_printf(text, "    name: %s\n", scope->name);
		g_string_append_printf(text,
			"    state: %s\n    objects: %zu\n    bytes: %zu\n    idleSeconds: "
			"%" G_GUINT64_FORMAT "\n",
			status.state, status.objects, status.bytes, status.idle / 1000);
	}
}

static void append_context(GString *text, struct context *context)
{
	g_autofree char *message = NULL;
	gint64 since;

	g_string_append_printf(text, "- name: %s\n  server: %s\n  readOnly: %s\n  dryRun: %s\n",
		context->name, cache_where(context->cache), context->read_only ? "true" : "false",
		context->dry_run ? "true" : "false");
	if (cache_is_away(context->cache, &since, &message)) {
		g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(since);
		g_autofree char *stamp = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");

		g_string_append_printf(
			text, "  state: away\n  since: %s\n  reason: %s\n", stamp, message);
	} else {
		g_string_append(text, "  state: connected\n");
	}
	append_collections(text, context->cache);
}

static GBytes *status_text(struct filesystem *filesystem)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "version: %s\nparkedRequests: %u\ncontexts:\n", KUBEFS_VERSION,
		parking_count(filesystem->parking));
	for (guint i = 0; i < filesystem->contexts->len; i++)
		append_context(text, g_ptr_array_index(filesystem->contexts, i));
	return g_string_free_to_bytes(text);
}

GBytes *statement_text(struct filesystem *filesystem, const char *name)
{
	if (strcmp(name, "errors") == 0)
		return journal_text(filesystem->journal);
	if (strcmp(name, "status") == 0)
		return status_text(filesystem);
	if (strcmp(name, "version") == 0)
		return g_bytes_new_static(
			"kubefs " KUBEFS_VERSION "\n", strlen("kubefs " KUBEFS_VERSION "\n"));
	return NULL;
}
