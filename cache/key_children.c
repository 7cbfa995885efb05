#include "cache/key_children.h"

#include <string.h>

struct entry {
	uint64_t sequence;
	uint64_t key_sweep; /* the last sweep that saw the key */
	uint64_t directory_sweep;
	struct key_snapshot *snapshot;
	gboolean directory;
	guint hash;
	const char *name; /* into bytes; elsewhere for one that is only looked for */
	size_t length;
	char bytes[];
};

struct key_children {
	GHashTable *by_name; /* set of struct entry *, owned by order */
	GPtrArray *order; /* of struct entry *, by sequence */
	uint64_t sequence;
	uint64_t sweep;
	size_t keys;
	size_t directories;
	size_t bytes;
	size_t longest;
};

void key_change_finish(struct key_change *change)
{
	g_clear_pointer(&change->name, g_bytes_unref);
	change->old = key_snapshot_unref(change->old);
	change->new = key_snapshot_unref(change->new);
}

static void entry_free(void *pointer)
{
	struct entry *entry = pointer;

	key_snapshot_unref(entry->snapshot);
	g_free(entry);
}

static guint entry_hash(const void *entry)
{
	return ((const struct entry *)entry)->hash;
}

static gboolean entry_equal(const void *pointer_a, const void *pointer_b)
{
	const struct entry *a = pointer_a;
	const struct entry *b = pointer_b;

	return a->length == b->length &&
	       (a->length == 0 || memcmp(a->name, b->name, a->length) == 0);
}

/* FNV-1a: names are often a counter's last digits apart. */
static guint hash_name(const char *name, size_t length)
{
	guint32 hash = 2166136261U;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619U;
	return hash;
}

struct key_children *key_children_create(void)
{
	struct key_children *children = g_new0(struct key_children, 1);

	children->by_name = g_hash_table_new(entry_hash, entry_equal);
	children->order = g_ptr_array_new_with_free_func(entry_free);
	return children;
}

void key_children_destroy(struct key_children *children)
{
	if (children == NULL)
		return;
	g_hash_table_destroy(children->by_name);
	g_ptr_array_unref(children->order);
	g_free(children);
}

static struct entry *find(const struct key_children *children, const char *name, size_t length)
{
	const struct entry wanted = {
		.hash = hash_name(name, length),
		.name = name,
		.length = length,
	};

	return g_hash_table_lookup(children->by_name, &wanted);
}

static struct key_child child_of(const struct entry *entry)
{
	return (struct key_child){
		.name = entry->name,
		.length = entry->length,
		.snapshot = entry->snapshot,
		.directory = entry->directory,
	};
}

gboolean key_children_find(
	const struct key_children *children, const char *name, size_t length, struct key_child *ret)
{
	const struct entry *entry = find(children, name, length);

	if (entry == NULL)
		return FALSE;
	*ret = child_of(entry);
	return TRUE;
}

static struct entry *add(struct key_children *children, const char *name, size_t length)
{
	struct entry *entry = g_malloc(sizeof(*entry) + length);

	*entry = (struct entry){
		.sequence = ++children->sequence,
		.hash = hash_name(name, length),
		.name = entry->bytes,
		.length = length,
	};
	if (length > 0)
		memcpy(entry->bytes, name, length);
	g_hash_table_add(children->by_name, entry);
	g_ptr_array_add(children->order, entry);
	children->longest = MAX(children->longest, length);
	return entry;
}

/* The index of the first entry whose sequence is greater than after. */
static guint position_after(const struct key_children *children, uint64_t after)
{
	guint low = 0;
	guint high = children->order->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const struct entry *entry = g_ptr_array_index(children->order, middle);

		if (entry->sequence <= after)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t snapshot_bytes(const struct key_snapshot *snapshot)
{
	return snapshot != NULL ? snapshot->key_length + g_bytes_get_size(snapshot->value) : 0;
}

/* Gives the entry a new state and accounts for it; returns the caller's reference to the old. */
static struct key_snapshot *change_state(struct key_children *children, struct entry *entry,
	struct key_snapshot *snapshot, gboolean directory)
{
	struct key_snapshot *old = entry->snapshot;

	/* Sizes wrap as they should. */
	children->keys += (size_t)(snapshot != NULL) - (size_t)(old != NULL);
	children->directories += (size_t)(directory != FALSE) - (size_t)(entry->directory != FALSE);
	children->bytes += snapshot_bytes(snapshot) - snapshot_bytes(old);
	entry->snapshot = snapshot;
	entry->directory = directory;
	return old;
}

gboolean key_children_set(struct key_children *children, const char *name, size_t length,
	struct key_snapshot *snapshot, gboolean directory, struct key_change *ret)
{
	struct entry *entry = find(children, name, length);
	gboolean is_gone = snapshot == NULL && !directory;
	struct key_change change = {.is_directory = directory};

	if (entry == NULL && is_gone)
		return FALSE;
	if (entry == NULL)
		entry = add(children, name, length);
	if (entry->snapshot == snapshot && !entry->directory == !directory) {
		key_snapshot_unref(snapshot);
		return FALSE;
	}
	change.was_directory = entry->directory;
	change.old = change_state(children, entry, snapshot, directory);
	if (ret != NULL) {
		*ret = change;
		ret->new = snapshot != NULL ? key_snapshot_ref(snapshot) : NULL;
		ret->name = g_bytes_new(name, length);
	} else {
		key_snapshot_unref(change.old);
	}
	if (is_gone) {
		g_hash_table_remove(children->by_name, entry);
		g_ptr_array_remove_index(
			children->order, position_after(children, entry->sequence - 1));
	}
	return TRUE;
}

void key_children_sweep_begin(struct key_children *children)
{
	children->sweep++;
}

void key_children_mark_key(struct key_children *children, const char *name, size_t length)
{
	struct entry *entry = find(children, name, length);

	if (entry != NULL)
		entry->key_sweep = children->sweep;
}

void key_children_mark_directory(struct key_children *children, const char *name, size_t length)
{
	struct entry *entry = find(children, name, length);

	if (entry != NULL)
		entry->directory_sweep = children->sweep;
}

static void clear_change(void *change)
{
	key_change_finish(change);
}

/* Takes away of the entry what the sweep has not seen; FALSE when nothing of it is left. */
static gboolean sweep_entry(struct key_children *children, struct entry *entry, GArray *changes)
{
	gboolean keeps_key = entry->snapshot != NULL && entry->key_sweep == children->sweep;
	gboolean keeps_directory = entry->directory && entry->directory_sweep == children->sweep;
	struct key_change change = {
		.was_directory = entry->directory,
		.is_directory = keeps_directory,
	};

	if ((entry->snapshot == NULL || keeps_key) && !entry->directory == !keeps_directory)
		return TRUE;
	if (entry->snapshot != NULL)
		change.old = key_snapshot_ref(entry->snapshot);
	if (keeps_key)
		change.new = key_snapshot_ref(entry->snapshot);
	change.name = g_bytes_new(entry->name, entry->length);
	if (keeps_key)
		change_state(children, entry, entry->snapshot, keeps_directory);
	else
		key_snapshot_unref(change_state(children, entry, NULL, keeps_directory));
	g_array_append_val(changes, change);
	return keeps_key || keeps_directory;
}

GArray *key_children_sweep_end(struct key_children *children)
{
	GArray *changes = g_array_new(FALSE, FALSE, sizeof(struct key_change));
	guint kept = 0;

	g_array_set_clear_func(changes, clear_change);
	for (guint i = 0; i < children->order->len; i++) {
		struct entry *entry = g_ptr_array_index(children->order, i);

		if (sweep_entry(children, entry, changes)) {
			children->order->pdata[kept++] = entry;
		} else {
			g_hash_table_remove(children->by_name, entry);
			entry_free(entry);
		}
	}
	/* What lies behind has moved or is freed: shrink without freeing it again. */
	g_ptr_array_set_free_func(children->order, NULL);
	g_ptr_array_set_size(children->order, (gint)kept);
	g_ptr_array_set_free_func(children->order, entry_free);
	return changes;
}

void key_children_each(
	const struct key_children *children, uint64_t after, key_visit visit, void *data)
{
	for (guint i = position_after(children, after); i < children->order->len; i++) {
		const struct entry *entry = g_ptr_array_index(children->order, i);
		const struct key_child child = child_of(entry);

		if (!visit(data, entry->sequence, &child))
			return;
	}
}

size_t key_children_count(const struct key_children *children)
{
	return children->order->len;
}

size_t key_children_keys(const struct key_children *children)
{
	return children->keys;
}

size_t key_children_directories(const struct key_children *children)
{
	return children->directories;
}

size_t key_children_bytes(const struct key_children *children)
{
	return children->bytes;
}

size_t key_children_longest(const struct key_children *children)
{
	return children->longest;
}
