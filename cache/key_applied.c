#include "cache/key_applied.h"

struct key_applied {
	GHashTable *revisions; /* GBytes (owned) -> int64_t * (owned) */
};

static void unref_bytes(void *bytes)
{
	g_bytes_unref(bytes);
}

struct key_applied *key_applied_create(void)
{
	struct key_applied *applied = g_new(struct key_applied, 1);

	applied->revisions =
		g_hash_table_new_full(g_bytes_hash, g_bytes_equal, unref_bytes, g_free);
	return applied;
}

void key_applied_destroy(struct key_applied *applied)
{
	if (applied == NULL)
		return;
	g_hash_table_destroy(applied->revisions);
	g_free(applied);
}

void key_applied_clear(struct key_applied *applied)
{
	g_hash_table_remove_all(applied->revisions);
}

/* One of them has to go: what it protected is told again before long. */
static void make_room(struct key_applied *applied)
{
	GHashTableIter iter;

	if (g_hash_table_size(applied->revisions) < KEY_APPLIED_MAX)
		return;
	g_hash_table_iter_init(&iter, applied->revisions);
	if (g_hash_table_iter_next(&iter, NULL, NULL))
		g_hash_table_iter_remove(&iter);
}

void key_applied_put(struct key_applied *applied, const char *name, size_t length, int64_t revision)
{
	int64_t *value = g_new(int64_t, 1);

	make_room(applied);
	*value = revision;
	g_hash_table_replace(applied->revisions, g_bytes_new(name, length), value);
}

gboolean key_applied_hides(
	struct key_applied *applied, const char *name, size_t length, int64_t revision)
{
	g_autoptr(GBytes) key = NULL;
	const int64_t *known;

	/* The usual case, for each key of each load. */
	if (g_hash_table_size(applied->revisions) == 0)
		return FALSE;
	key = g_bytes_new_static(name, length);
	known = g_hash_table_lookup(applied->revisions, key);
	if (known == NULL)
		return FALSE;
	if (revision < *known)
		return TRUE;
	g_hash_table_remove(applied->revisions, key);
	return FALSE;
}

void key_applied_loaded(
	struct key_applied *applied, int64_t revision, key_applied_visit visit, void *data)
{
	GHashTableIter iter;
	void *key;
	void *value;

	g_hash_table_iter_init(&iter, applied->revisions);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		size_t length;
		const char *name = g_bytes_get_data(key, &length);

		if (*(const int64_t *)value > revision)
			visit(data, name, length);
		else
			g_hash_table_iter_remove(&iter);
	}
}
