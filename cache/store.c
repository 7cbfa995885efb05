#include "cache/store.h"

#include <string.h>

struct entry {
	struct snapshot *snapshot;
	uint64_t sequence;
	uint64_t sweep; /* the last sweep that saw it */
};

struct partition {
	GHashTable *by_name; /* snapshot->name -> struct entry * (owned by order) */
	GPtrArray *order; /* of struct entry *, by sequence */
	struct timespec changed;
};

struct store {
	GHashTable *partitions; /* namespace (owned) -> struct partition * */
	uint64_t sequence;
	uint64_t sweep;
	size_t bytes;
	size_t count;
	gboolean complete; /* a sweep ended */
	gboolean long_names;
};

static void entry_free(void *pointer)
{
	struct entry *entry = pointer;

	snapshot_unref(entry->snapshot);
	g_free(entry);
}

static struct partition *partition_create(void)
{
	struct partition *partition = g_new0(struct partition, 1);

	partition->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	partition->order = g_ptr_array_new_with_free_func(entry_free);
	return partition;
}

static void partition_destroy(void *pointer)
{
	struct partition *partition = pointer;

	g_hash_table_destroy(partition->by_name);
	g_ptr_array_unref(partition->order);
	g_free(partition);
}

struct store *store_create(void)
{
	struct store *store = g_new0(struct store, 1);

	store->partitions =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, partition_destroy);
	return store;
}

void store_destroy(struct store *store)
{
	if (store == NULL)
		return;
	g_hash_table_destroy(store->partitions);
	g_free(store);
}

static struct entry *find(const struct store *store, const char *namespace, const char *name)
{
	struct partition *partition = g_hash_table_lookup(store->partitions, namespace);

	return partition != NULL ? g_hash_table_lookup(partition->by_name, name) : NULL;
}

struct snapshot *store_find(const struct store *store, const char *namespace, const char *name)
{
	struct entry *entry = find(store, namespace, name);

	return entry != NULL ? entry->snapshot : NULL;
}

/* The first list is no change: what it finds was there before. */
static void touch(const struct store *store, struct partition *partition)
{
	if (store->complete)
		clock_gettime(CLOCK_REALTIME, &partition->changed);
}

static void add(struct store *store, struct snapshot *snapshot)
{
	struct partition *partition = g_hash_table_lookup(store->partitions, snapshot->namespace);
	struct entry *entry = g_new0(struct entry, 1);

	if (partition == NULL) {
		partition = partition_create();
		g_hash_table_insert(store->partitions, g_strdup(snapshot->namespace), partition);
	}
	store->long_names |= strlen(snapshot->name) > STORE_LONG_NAME;
	entry->snapshot = snapshot;
	entry->sequence = ++store->sequence;
	entry->sweep = store->sweep;
	g_hash_table_insert(partition->by_name, (char *)snapshot->name, entry);
	g_ptr_array_add(partition->order, entry);
	touch(store, partition);
	store->bytes += snapshot->yaml_length;
	store->count++;
}

void store_put(struct store *store, struct snapshot *snapshot, struct snapshot **ret_old)
{
	struct partition *partition = g_hash_table_lookup(store->partitions, snapshot->namespace);
	struct entry *entry = find(store, snapshot->namespace, snapshot->name);

	if (entry == NULL) {
		*ret_old = NULL;
		add(store, snapshot);
		return;
	}
	/* The key points into the snapshot, so it must move on with it. */
	g_hash_table_replace(partition->by_name, (char *)snapshot->name, entry);
	*ret_old = entry->snapshot;
	store->bytes += snapshot->yaml_length - entry->snapshot->yaml_length;
	entry->snapshot = snapshot;
	entry->sweep = store->sweep;
}

/* The index of the first entry whose sequence is greater than after. */
static guint position_after(const struct partition *partition, uint64_t after)
{
	guint low = 0;
	guint high = partition->order->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const struct entry *entry = g_ptr_array_index(partition->order, middle);

		if (entry->sequence <= after)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Accounts for the removal of entry from by_name; the order is the caller's. */
static struct snapshot *detach(
	struct store *store, struct partition *partition, struct entry *entry)
{
	struct snapshot *snapshot = g_steal_pointer(&entry->snapshot);

	g_hash_table_remove(partition->by_name, snapshot->name);
	store->bytes -= snapshot->yaml_length;
	store->count--;
	return snapshot;
}

struct snapshot *store_remove(struct store *store, const char *namespace, const char *name)
{
	struct partition *partition = g_hash_table_lookup(store->partitions, namespace);
	struct entry *entry = find(store, namespace, name);
	struct snapshot *snapshot;

	if (entry == NULL)
		return NULL;
	snapshot = detach(store, partition, entry);
	g_ptr_array_remove_index(partition->order, position_after(partition, entry->sequence - 1));
	touch(store, partition);
	return snapshot;
}

void store_sweep_begin(struct store *store)
{
	store->sweep++;
}

void store_sweep_mark(struct store *store, const char *namespace, const char *name)
{
	struct entry *entry = find(store, namespace, name);

	if (entry != NULL)
		entry->sweep = store->sweep;
}

void store_sweep_unmark(struct store *store, const char *namespace, const char *name)
{
	struct entry *entry = find(store, namespace, name);

	if (entry != NULL)
		entry->sweep = store->sweep - 1;
}

static void sweep_partition(struct store *store, struct partition *partition, GPtrArray *gone)
{
	guint kept = 0;

	for (guint i = 0; i < partition->order->len; i++) {
		struct entry *entry = g_ptr_array_index(partition->order, i);

		if (entry->sweep == store->sweep) {
			partition->order->pdata[kept++] = entry;
			continue;
		}
		g_ptr_array_add(gone, detach(store, partition, entry));
		g_free(entry);
	}
	if (kept == partition->order->len)
		return;
	touch(store, partition);
	/* What lies behind has moved or is freed: shrink without freeing it again. */
	g_ptr_array_set_free_func(partition->order, NULL);
	g_ptr_array_set_size(partition->order, (gint)kept);
	g_ptr_array_set_free_func(partition->order, entry_free);
}

static void unref_snapshot(void *snapshot)
{
	snapshot_unref(snapshot);
}

GPtrArray *store_sweep_end(struct store *store)
{
	GPtrArray *gone = g_ptr_array_new_with_free_func(unref_snapshot);
	GHashTableIter iter;
	void *partition;

	g_hash_table_iter_init(&iter, store->partitions);
	while (g_hash_table_iter_next(&iter, NULL, &partition))
		sweep_partition(store, partition, gone);
	store->complete = TRUE;
	return gone;
}

void store_each(const struct store *store, const char *namespace, uint64_t after, store_visit visit,
	void *data)
{
	struct partition *partition = g_hash_table_lookup(store->partitions, namespace);

	if (partition == NULL)
		return;
	for (guint i = position_after(partition, after); i < partition->order->len; i++) {
		struct entry *entry = g_ptr_array_index(partition->order, i);

		if (!visit(data, entry->sequence, entry->snapshot))
			return;
	}
}

gboolean store_has_long_names(const struct store *store)
{
	return store->long_names;
}

size_t store_count(const struct store *store, const char *namespace)
{
	struct partition *partition;

	if (namespace == NULL)
		return store->count;
	partition = g_hash_table_lookup(store->partitions, namespace);
	return partition != NULL ? partition->order->len : 0;
}

size_t store_bytes(const struct store *store)
{
	return store->bytes;
}

struct timespec store_changed(const struct store *store, const char *namespace)
{
	struct partition *partition = g_hash_table_lookup(store->partitions, namespace);

	return partition != NULL ? partition->changed : (struct timespec){0};
}
