#include "kubefs/statement.h"

#include <string.h>

#include "client/escape.h"
#include "kubefs/key_guard.h"

const char *const STATEMENT_NAMES[] = {"errors", "status", "version", NULL};

char *statement_path(const char *directory, const char *name)
{
	return g_strconcat(directory, "/", name, NULL);
}

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
			"    state: %s\n    encoding: %s\n    objects: %zu\n    bytes: %zu\n    "
			"idleSeconds: %" G_GUINT64_FORMAT "\n",
			status.state, status.encoding, status.objects, status.bytes,
			status.idle / 1000);
	}
}

static void append_state(GString *text, gboolean away, gint64 since, const char *message)
{
	if (away) {
		g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(since);
		g_autofree char *stamp = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");

		g_string_append_printf(
			text, "  state: away\n  since: %s\n  reason: %s\n", stamp, message);
	} else {
		g_string_append(text, "  state: connected\n");
	}
}

static void append_context(GString *text, struct context *context)
{
	g_autofree char *message = NULL;
	gboolean away;
	gint64 since;

	g_string_append_printf(text, "- name: %s\n  server: %s\n  readOnly: %s\n  dryRun: %s\n",
		context->name, cache_where(context->cache), context->read_only ? "true" : "false",
		context->dry_run ? "true" : "false");
	away = cache_is_away(context->cache, &since, &message);
	append_state(text, away, since, message);
	append_collections(text, context->cache);
}

static void append_etcd(GString *text, struct filesystem *filesystem)
{
	struct keyspace *keyspace = filesystem->keyspace;
	g_autofree char *message = NULL;
	size_t length;
	const char *prefix = g_bytes_get_data(filesystem->keys, &length);
	g_autofree char *escaped = escape_start(prefix != NULL ? prefix : "", length, 4096);
	struct keyspace_status status;
	gint64 since;
	gboolean away = keyspace_is_away(keyspace, &since, &message);

	g_string_append_printf(text, "etcd:\n  server: %s\n  prefix: \"%s\"\n  readOnly: %s\n",
		keyspace_where(keyspace), escaped,
		key_guard_is_read_only(filesystem) ? "true" : "false");
	append_state(text, away, since, message);
	/* Directories of keys are many: as a whole. */
	keyspace_describe(keyspace, &status);
	g_string_append_printf(text,
		"  directories: %zu\n  watchedDirectories: %zu\n  keys: %zu\n  bytes: %zu\n",
		status.directories, status.watched, status.keys, status.bytes);
}

static GBytes *status_text(struct filesystem *filesystem)
{
	GString *text = g_string_new(NULL);

	g_string_append_printf(text, "version: %s\nparkedRequests: %u\ncontexts:%s\n",
		KUBEFS_VERSION, parking_count(filesystem->parking),
		filesystem->contexts->len == 0 ? " []" : "");
	for (guint i = 0; i < filesystem->contexts->len; i++)
		append_context(text, g_ptr_array_index(filesystem->contexts, i));
	if (filesystem->keyspace != NULL)
		append_etcd(text, filesystem);
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
