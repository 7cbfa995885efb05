#include <limits.h>
#include <string.h>

#include "kubefs/escape.h"
#include "kubefs/listing_internal.h"

/* Where the object's name stands in the listed directory. */
struct position {
	char *escaped;
	size_t begin; /* where the component begins */
	size_t cut; /* its length; less than the rest when it is a directory */
};

/* FALSE when the object is not in the listed directory; escaped is g_free's either way. */
static gboolean find_position(
	struct listing *listing, const struct snapshot *snapshot, struct position *ret)
{
	const struct node_key *key = &listing->request->node->key;
	const char *prefix = key->kind == NODE_CHUNK ? key->name : "";

	ret->escaped = layout_object_name(snapshot, NODE_YAML);
	ret->begin = 0;
	ret->cut = escape_next(ret->escaped);
	while (ret->begin < strlen(prefix) && ret->cut < strlen(ret->escaped + ret->begin)) {
		ret->begin += ret->cut;
		ret->cut = escape_next(ret->escaped + ret->begin);
	}
	return ret->begin == strlen(prefix) && strncmp(ret->escaped, prefix, ret->begin) == 0;
}

static gboolean is_chunk(const struct position *position)
{
	return position->cut < strlen(position->escaped + position->begin);
}

/* A directory of names too long for one component is listed where the first of them is. */
static gboolean add_chunk(
	struct listing *listing, const struct position *position, uint64_t sequence)
{
	const struct node_key *key = &listing->request->node->key;
	g_autofree char *prefix = g_strndup(position->escaped, position->begin + position->cut);
	g_autofree char *name =
		g_strdup_printf("%.*s%%", (int)position->cut, position->escaped + position->begin);
	struct layout_entry entry;

	if (!g_hash_table_add(listing->chunks, g_strdup(prefix)))
		return TRUE;
	entry = listing_make_entry(
		listing, NODE_CHUNK, key->context, key->namespace, key->resource, LAYOUT_POLLED);
	entry.key.name = g_steal_pointer(&prefix);
	return listing_add_entry(listing, name, &entry, LISTING_FIRST + sequence);
}

static gboolean visit_object(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct listing *listing = data;
	const struct node_key *key = &listing->request->node->key;
	struct position position = {0};
	gboolean more = TRUE;

	if (!find_position(listing, snapshot, &position) ||
		removals_hide(listing->request->filesystem->removals, key->context, key->resource,
			snapshot)) {
		more = TRUE;
	} else if (is_chunk(&position)) {
		more = add_chunk(listing, &position, sequence);
	} else {
		struct layout_entry entry = listing_make_entry(
			listing, NODE_OBJECT, key->context, NULL, key->resource, LAYOUT_LONG);

		entry.entry_timeout = listing->timeout;
		if (listing_is_being_written(listing, position.escaped + position.begin))
			entry.entry_timeout = 0;
		entry.key.snapshot = snapshot_ref(snapshot);
		more = listing_add_entry(listing, position.escaped + position.begin, &entry,
			LISTING_FIRST + sequence);
	}
	g_free(position.escaped);
	return more;
}

/* Notes the directories that an earlier reply has listed. */
static gboolean visit_earlier(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct listing *listing = data;
	struct position position = {0};

	if (sequence > listing->after)
		return FALSE;
	/* A byte takes three at most when it is escaped. */
	if (strlen(snapshot->name) * 3 + strlen(".yaml") <= NAME_MAX)
		return TRUE;
	if (find_position(listing, snapshot, &position) && is_chunk(&position))
		g_hash_table_add(listing->chunks,
			g_strndup(position.escaped, position.begin + position.cut));
	g_free(position.escaped);
	return TRUE;
}

int listing_objects(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error)
{
	const struct node_key *key = &listing->request->node->key;
	struct collection *collection;
	int r = cache_look(key->context->cache, key->resource, key->namespace, NULL, wait, data,
		&collection, error);

	if (r < 0)
		return r;
	listing_set_timeout(listing, collection);
	listing->after = after;
	if (after > 0 && collection_has_long_names(collection))
		collection_each(collection, key->namespace, 0, visit_earlier, listing);
	collection_each(collection, key->namespace, after, visit_object, listing);
	collection_unref(collection);
	return 0;
}
