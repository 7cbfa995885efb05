#include "cache/key_loader.h"

#include <errno.h>
#include <string.h>

#define GROWTH 4

struct key_loader {
	struct etcd_client *client;
	struct key_scope scope;
	struct strand *strand;
	const struct key_loader_handlers *handlers;
	void *data;
	struct key_ranges ranges;
	guint range; /* the one that is being read */
	struct etcd_call *call;
	int64_t revision; /* 0: not known yet */
	int64_t limit; /* of the page under way */
	gboolean valued; /* with values */
	gboolean cancelled;
	/* The page under way. */
	GBytes *last; /* the last key of it that was taken, or that is needed with its value */
	gboolean last_is_deeper;
	gboolean stopped; /* last is needed with its value: the rest does not count */
	gboolean met_unknown; /* a value that was needed came */
	int64_t keys;
	int64_t names;
	size_t bytes;
	/* The subdirectory met last, also on an earlier page. */
	GBytes *directory;
};

static void next_page(struct key_loader *loader);

static void loader_free(struct key_loader *loader)
{
	key_scope_finish(&loader->scope);
	key_ranges_finish(&loader->ranges);
	strand_unref(loader->strand);
	g_clear_pointer(&loader->last, g_bytes_unref);
	g_clear_pointer(&loader->directory, g_bytes_unref);
	g_free(loader);
}

static void finish(struct key_loader *loader, const struct etcd_result *result)
{
	loader->handlers->done(loader->data, result, loader->revision);
	loader_free(loader);
}

static gboolean is_directory_met_last(const struct key_loader *loader, const struct key_part *part)
{
	size_t length;
	const char *name;

	if (loader->directory == NULL)
		return FALSE;
	name = g_bytes_get_data(loader->directory, &length);
	return length == part->length && (length == 0 || memcmp(name, part->name, length) == 0);
}

static void take_directory(struct key_loader *loader, const struct key_part *part)
{
	if (is_directory_met_last(loader, part))
		return;
	loader->names++;
	g_clear_pointer(&loader->directory, g_bytes_unref);
	loader->directory = g_bytes_new(part->name, part->length);
	loader->handlers->directory(loader->data, part->name, part->length);
}

static void take_key(
	struct key_loader *loader, const struct key_part *part, const struct etcd_kv *kv)
{
	if (loader->handlers->known(loader->data, part->name, part->length, kv)) {
		loader->names++;
	} else if (loader->valued) {
		loader->names++;
		loader->met_unknown = TRUE;
		loader->handlers->key(loader->data, part->name, part->length, kv);
	} else {
		loader->stopped = TRUE;
	}
}

static void on_kv(void *data, const struct etcd_kv *kv)
{
	struct key_loader *loader = data;
	struct key_part part;

	if (loader->stopped || loader->cancelled || !key_scope_find(&loader->scope, kv->key, &part))
		return;
	loader->keys++;
	loader->bytes += g_bytes_get_size(kv->key);
	if (kv->value != NULL)
		loader->bytes += g_bytes_get_size(kv->value);
	if (part.deeper)
		take_directory(loader, &part);
	else
		take_key(loader, &part, kv);
	g_clear_pointer(&loader->last, g_bytes_unref);
	loader->last = g_bytes_ref(kv->key);
	loader->last_is_deeper = part.deeper;
}

/* Where the next page begins. */
static GBytes *next_key(const struct key_loader *loader)
{
	struct key_part part;

	if (loader->stopped)
		return g_bytes_ref(loader->last);
	if (!loader->last_is_deeper)
		return key_scope_after(loader->last);
	key_scope_find(&loader->scope, loader->last, &part);
	return key_scope_after_directory(&loader->scope, part.name, part.length);
}

/* What the page says of the next one: how many keys, and whether with their values. */
static void adapt(struct key_loader *loader)
{
	int64_t fitting;

	if (loader->stopped) {
		loader->valued = TRUE;
		loader->limit *= GROWTH;
	} else {
		if (loader->names == loader->keys)
			loader->limit *= GROWTH;
		else
			loader->limit = MAX(loader->names, 1);
		if (loader->last_is_deeper || !loader->met_unknown)
			loader->valued = FALSE;
	}
	if (loader->keys > 0 && loader->bytes > 0) {
		fitting = (int64_t)(KEY_LOADER_PAGE_BYTES /
				    (loader->bytes / (size_t)loader->keys + 1));
		loader->limit = MIN(loader->limit, MAX(fitting, 1));
	}
	loader->limit = MIN(loader->limit, KEY_LOADER_PAGE_KEYS);
}

static void on_done(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct key_loader *loader = data;

	loader->call = etcd_call_unref(loader->call);
	if (result->errnum != 0 || loader->cancelled) {
		finish(loader, result);
		return;
	}
	if (loader->revision == 0)
		loader->revision = result->revision;
	if (loader->stopped || (more && loader->last != NULL)) {
		struct etcd_keys *range = &loader->ranges.at[loader->range];
		GBytes *next = next_key(loader);

		g_bytes_unref(range->key);
		range->key = next;
		adapt(loader);
	} else if (++loader->range < loader->ranges.count) {
		loader->limit = 1;
		loader->valued = FALSE;
	} else {
		finish(loader, result);
		return;
	}
	next_page(loader);
}

static const struct etcd_range_handlers handlers = {.kv = on_kv, .done = on_done};

static void next_page(struct key_loader *loader)
{
	const struct etcd_range range = {
		.keys = loader->ranges.at[loader->range],
		.revision = loader->revision,
		.limit = loader->limit,
		.keys_only = !loader->valued,
	};

	g_clear_pointer(&loader->last, g_bytes_unref);
	loader->stopped = FALSE;
	loader->met_unknown = FALSE;
	loader->keys = 0;
	loader->names = 0;
	loader->bytes = 0;
	loader->call = etcd_range(loader->client, &range, &handlers, loader, loader->strand);
}

struct key_loader *key_loader_start(struct etcd_client *client, const struct key_scope *scope,
	const struct key_loader_handlers *loader_handlers, void *data, struct strand *strand)
{
	struct key_loader *loader = g_new0(struct key_loader, 1);

	loader->client = client;
	key_scope_copy(&loader->scope, scope);
	key_scope_ranges(scope, &loader->ranges);
	loader->strand = strand_ref(strand);
	loader->handlers = loader_handlers;
	loader->data = data;
	loader->revision = scope->revision;
	loader->limit = 1;
	next_page(loader);
	return loader;
}

void key_loader_cancel(struct key_loader *loader)
{
	loader->cancelled = TRUE;
	if (loader->call != NULL)
		etcd_cancel(loader->call);
}
