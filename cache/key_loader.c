#include "cache/key_loader.h"

#include <errno.h>
#include <string.h>

#define GROWTH 4
/* With values, of which the first few tell the size. */
#define VALUES_FIRST 16
#define VALUES_GROWTH 64
/* More keys than so many pages have are a crowd, too. */
#define CROWD_PAGES 8
/* A part that holds less than this share of a crowd was cut too small. */
#define SPARSE 16
/* So many names in a row that were not where they were expected: they are of another kind. */
#define MISSES_MAX 2

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
	GBytes *part_end; /* only what is before it is asked for; NULL: all of the range */
	size_t part_depth; /* bytes that the names of the part have in common */
	int64_t part_keys; /* in all of it, or less; 0 before the first answer */
	GBytes *guess_end; /* the next name is expected before it; NULL: where it is nobody knows */
	gboolean crowded; /* before the last end that was no guess */
	guint misses; /* in a row */
	GPtrArray *hops; /* the owner's, of the last load; or NULL */
	guint hop; /* the first that is not behind */
	GPtrArray *new_hops;
	gboolean hopped; /* the page under way ends at a hop */
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
	/* The subdirectory met last, also on an earlier page, and its first key. */
	GBytes *directory;
	GBytes *directory_key;
};

static void next_page(struct key_loader *loader);

static void loader_free(struct key_loader *loader)
{
	key_scope_finish(&loader->scope);
	key_ranges_finish(&loader->ranges);
	strand_unref(loader->strand);
	g_clear_pointer(&loader->last, g_bytes_unref);
	g_clear_pointer(&loader->directory, g_bytes_unref);
	g_clear_pointer(&loader->directory_key, g_bytes_unref);
	g_clear_pointer(&loader->part_end, g_bytes_unref);
	g_clear_pointer(&loader->guess_end, g_bytes_unref);
	if (loader->hops != NULL)
		g_ptr_array_unref(loader->hops);
	g_ptr_array_unref(loader->new_hops);
	g_free(loader);
}

static void unref_bytes(void *bytes)
{
	g_bytes_unref(bytes);
}

GPtrArray *key_loader_hops_create(void)
{
	return g_ptr_array_new_with_free_func(unref_bytes);
}

static void keep_hops(struct key_loader *loader)
{
	g_ptr_array_set_size(loader->hops, 0);
	g_ptr_array_extend_and_steal(loader->hops, g_steal_pointer(&loader->new_hops));
	loader->new_hops = key_loader_hops_create();
}

static void finish(struct key_loader *loader, const struct etcd_result *result)
{
	if (result->errnum == 0 && loader->hops != NULL)
		keep_hops(loader);
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

static void take_directory(struct key_loader *loader, const struct key_part *part, GBytes *key)
{
	if (is_directory_met_last(loader, part))
		return;
	loader->names++;
	g_clear_pointer(&loader->directory, g_bytes_unref);
	loader->directory = g_bytes_new(part->name, part->length);
	g_clear_pointer(&loader->directory_key, g_bytes_unref);
	loader->directory_key = g_bytes_ref(key);
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
		take_directory(loader, &part, kv->key);
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
		loader->limit = MAX(loader->limit, VALUES_FIRST);
	} else {
		if (loader->names == loader->keys)
			loader->limit *= loader->valued ? VALUES_GROWTH : GROWTH;
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

/* The bytes of a name at the beginning of the range that is left. */
static size_t depth_of_next(const struct key_loader *loader)
{
	return g_bytes_get_size(loader->ranges.at[loader->range].key) -
	       g_bytes_get_size(loader->scope.prefix);
}

static gboolean is_within(GBytes *key, GBytes *range_end)
{
	return g_bytes_get_size(key) > 0 &&
	       (g_bytes_get_size(range_end) == 0 || g_bytes_compare(key, range_end) < 0);
}

/* From now on those names are asked for that begin with so many bytes of the next; 0: all. */
static void choose_part(struct key_loader *loader, size_t depth)
{
	const struct etcd_keys *range = &loader->ranges.at[loader->range];
	g_autoptr(GBytes) common = NULL;

	g_clear_pointer(&loader->part_end, g_bytes_unref);
	loader->part_depth = depth;
	if (depth == 0)
		return;
	common = g_bytes_new_from_bytes(
		range->key, 0, g_bytes_get_size(loader->scope.prefix) + depth);
	loader->part_end = key_scope_end_of_prefix(common);
	if (!is_within(loader->part_end, range->range_end))
		g_clear_pointer(&loader->part_end, g_bytes_unref);
}

/* The one that the last load would make from here; NULL: none. */
static GBytes *find_hop(struct key_loader *loader, GBytes *key)
{
	while (loader->hops != NULL && loader->hop < loader->hops->len) {
		GBytes *hop = g_ptr_array_index(loader->hops, loader->hop);

		if (g_bytes_compare(hop, key) >= 0)
			return hop;
		loader->hop++;
	}
	return NULL;
}

/* Up to where the last load found a key: where it is still there, nothing else is counted. */
static gboolean choose_hop(struct key_loader *loader)
{
	const struct etcd_keys *range = &loader->ranges.at[loader->range];
	GBytes *hop = loader->limit == 1 ? find_hop(loader, range->key) : NULL;
	g_autoptr(GBytes) end = hop != NULL ? key_scope_after(hop) : NULL;

	if (end == NULL || !is_within(end, range->range_end))
		return FALSE;
	g_clear_pointer(&loader->part_end, g_bytes_unref);
	loader->part_end = g_steal_pointer(&end);
	loader->part_depth = 0;
	return TRUE;
}

/* The page has found a directory by counting a crowd, or would have without a hop. */
static void note_hop(struct key_loader *loader, int64_t count)
{
	if (loader->last == NULL || !loader->last_is_deeper ||
		loader->new_hops->len >= KEY_LOADER_HOPS_MAX)
		return;
	if (loader->hopped || loader->part_depth > 0 || count > KEY_LOADER_CROWD)
		g_ptr_array_add(loader->new_hops, g_bytes_ref(loader->directory_key));
}

static void begin_at(struct key_loader *loader, GBytes *key)
{
	struct etcd_keys *range = &loader->ranges.at[loader->range];

	g_bytes_unref(range->key);
	range->key = key;
}

static int64_t crowd(const struct key_loader *loader)
{
	return MAX(KEY_LOADER_CROWD, CROWD_PAGES * loader->limit);
}

/* Makes a name the one that comes after it where names are numbered; FALSE: there is no such one.
 */
static gboolean increment(char *name, size_t length)
{
	while (length > 0 && name[length - 1] == '9') {
		name[length - 1] = '0';
		length--;
	}
	if (length == 0 || name[length - 1] == '\xff')
		return FALSE;
	name[length - 1]++;
	return TRUE;
}

/* The name that the last one suggests is asked for alone. */
static void choose_guess(struct key_loader *loader)
{
	const struct etcd_keys *range = &loader->ranges.at[loader->range];
	g_autofree char *name = NULL;
	g_autoptr(GBytes) guess = NULL;
	g_autoptr(GBytes) end = NULL;
	size_t length;

	if (loader->hopped || loader->valued || loader->limit > GROWTH || !loader->last_is_deeper ||
		!loader->crowded || loader->misses >= MISSES_MAX)
		return;
	length = g_bytes_get_size(loader->directory);
	name = g_memdup2(g_bytes_get_data(loader->directory, NULL), length);
	if (!increment(name, length))
		return;
	guess = key_join(loader->scope.prefix, name, length, KEY_JOIN_NONE);
	end = key_scope_end_of_prefix(guess);
	if (is_within(end, range->range_end) && g_bytes_compare(end, range->key) > 0)
		loader->guess_end = g_steal_pointer(&end);
}

static void choose_next(struct key_loader *loader, size_t depth)
{
	loader->hopped = choose_hop(loader);
	if (!loader->hopped)
		choose_part(loader, depth);
}

/* There was no other key than the hop's, or not even that. */
static void go_on_hopping(struct key_loader *loader)
{
	begin_at(loader, loader->last != NULL ? next_key(loader) : g_bytes_ref(loader->part_end));
	loader->part_keys = 0;
	choose_next(loader, 0);
}

/* There is more in the part. */
static void go_on(struct key_loader *loader, int64_t count)
{
	size_t depth = loader->part_depth;
	size_t deepest;

	begin_at(loader, next_key(loader));
	adapt(loader);
	if (count > crowd(loader)) {
		depth++;
		loader->part_keys = 0;
	}
	/* The next key is a name and a byte; names that differ in their last one are one part. */
	deepest = MAX(depth_of_next(loader), 2) - 2;
	choose_next(loader, MIN(depth, deepest));
	choose_guess(loader);
}

/* The page was for the name that was expected, wherever the part ends. */
static void go_on_guessing(struct key_loader *loader, GBytes *guess_end, int64_t count)
{
	if (loader->last != NULL) {
		loader->misses = 0;
		go_on(loader, count);
	} else {
		loader->misses++;
		begin_at(loader, g_bytes_ref(guess_end));
		choose_next(loader, MIN(loader->part_depth, depth_of_next(loader)));
	}
}

/* There is no more in the part: what comes is likely to be as dense as it was. */
static void go_to_next_part(struct key_loader *loader)
{
	size_t depth = loader->part_depth;

	if (loader->last != NULL)
		adapt(loader);
	begin_at(loader, g_bytes_ref(loader->part_end));
	if (loader->part_keys == 0)
		depth /= 2;
	else if (loader->part_keys < crowd(loader) / SPARSE)
		depth--;
	loader->part_keys = 0;
	choose_next(loader, MIN(depth, depth_of_next(loader)));
}

static void on_done(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct key_loader *loader = data;
	g_autoptr(GBytes) guess_end = g_steal_pointer(&loader->guess_end);

	loader->call = etcd_call_unref(loader->call);
	if (result->errnum != 0 || loader->cancelled) {
		finish(loader, result);
		return;
	}
	if (loader->revision == 0)
		loader->revision = result->revision;
	loader->part_keys = MAX(loader->part_keys, count);
	note_hop(loader, count);
	if (guess_end == NULL)
		loader->crowded = count > KEY_LOADER_CROWD;
	if (guess_end != NULL) {
		go_on_guessing(loader, guess_end, count);
	} else if (loader->hopped && !loader->stopped && !more) {
		go_on_hopping(loader);
	} else if (loader->stopped || (more && loader->last != NULL)) {
		go_on(loader, count);
	} else if (loader->part_end != NULL) {
		go_to_next_part(loader);
	} else if (++loader->range < loader->ranges.count) {
		loader->limit = 1;
		loader->valued = FALSE;
		choose_next(loader, 0);
	} else {
		finish(loader, result);
		return;
	}
	next_page(loader);
}

static const struct etcd_range_handlers handlers = {.kv = on_kv, .done = on_done};

static void next_page(struct key_loader *loader)
{
	const struct etcd_keys *keys = &loader->ranges.at[loader->range];
	GBytes *end = loader->part_end != NULL ? loader->part_end : keys->range_end;
	const struct etcd_range range = {
		.keys = {keys->key, loader->guess_end != NULL ? loader->guess_end : end},
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
	GPtrArray *hops, int64_t expected, const struct key_loader_handlers *loader_handlers,
	void *data, struct strand *strand)
{
	struct key_loader *loader = g_new0(struct key_loader, 1);

	loader->client = client;
	key_scope_copy(&loader->scope, scope);
	key_scope_ranges(scope, &loader->ranges);
	loader->strand = strand_ref(strand);
	loader->handlers = loader_handlers;
	loader->data = data;
	loader->revision = scope->revision;
	loader->hops = hops != NULL ? g_ptr_array_ref(hops) : NULL;
	loader->new_hops = key_loader_hops_create();
	loader->limit = 1;
	if (expected > 0) {
		/* Some more, so that one request is enough. */
		loader->limit = MIN(expected + expected / 8 + 1, KEY_LOADER_PAGE_KEYS);
		loader->valued = TRUE;
	}
	choose_next(loader, 0);
	next_page(loader);
	return loader;
}

void key_loader_cancel(struct key_loader *loader)
{
	loader->cancelled = TRUE;
	if (loader->call != NULL)
		etcd_cancel(loader->call);
}
