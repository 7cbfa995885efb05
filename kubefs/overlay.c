#include "kubefs/overlay.h"

#include <string.h>

#include "client/lock.h"

/* What one name stands for. */
struct slot {
	char *name;
	uint64_t sequence;
	struct overlay_entry entry;
};

struct directory {
	char *key;
	GHashTable *names; /* slot->name -> struct slot *, owned */
	GHashTable *writers; /* name (owned) -> GPtrArray of struct local *, borrowed */
	GQueue order; /* of struct slot *, by sequence */
};

struct overlay {
	pthread_mutex_t lock;
	GHashTable *directories; /* directory->key -> struct directory *, owned */
	gint count; /* of directories; atomic: most mounts have none most of the time */
	uint64_t last_sequence;
	/* Refused texts, oldest first. */
	GQueue rejected; /* of struct address * */
	size_t rejected_bytes;
	GQueue passing; /* of struct address *, oldest first; some are there no longer */
};

struct address {
	char *directory;
	char *name;
	struct rejected *rejected; /* borrowed from the slot */
	struct local *local; /* of what passes; a reference */
};

struct rejected *rejected_ref(struct rejected *rejected)
{
	g_atomic_int_inc(&rejected->references);
	return rejected;
}

struct rejected *rejected_unref(struct rejected *rejected)
{
	if (rejected == NULL || !g_atomic_int_dec_and_test(&rejected->references))
		return NULL;
	place_finish(&rejected->place);
	process_unref(rejected->writer);
	g_free(rejected->name);
	g_free(rejected->reason);
	g_bytes_unref(rejected->text);
	g_free(rejected);
	return NULL;
}

void overlay_entry_finish(struct overlay_entry *entry)
{
	entry->local = local_unref(entry->local);
	entry->rejected = rejected_unref(entry->rejected);
}

static void entry_copy(struct overlay_entry *to, const struct overlay_entry *from)
{
	to->local = from->local != NULL ? local_ref(from->local) : NULL;
	to->rejected = from->rejected != NULL ? rejected_ref(from->rejected) : NULL;
}

static void slot_free(void *pointer)
{
	struct slot *slot = pointer;

	if (slot->entry.local != NULL)
		local_names_add(slot->entry.local, -1);
	overlay_entry_finish(&slot->entry);
	g_free(slot->name);
	g_free(slot);
}

static void directory_free(void *pointer)
{
	struct directory *directory = pointer;

	g_queue_clear(&directory->order);
	g_hash_table_destroy(directory->names);
	g_hash_table_destroy(directory->writers);
	g_free(directory->key);
	g_free(directory);
}

static void address_free(void *pointer)
{
	struct address *address = pointer;

	local_unref(address->local);
	g_free(address->directory);
	g_free(address->name);
	g_free(address);
}

struct overlay *overlay_create(void)
{
	struct overlay *overlay = g_new0(struct overlay, 1);

	pthread_mutex_init(&overlay->lock, NULL);
	overlay->directories = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, directory_free);
	return overlay;
}

void overlay_destroy(struct overlay *overlay)
{
	if (overlay == NULL)
		return;
	g_queue_clear_full(&overlay->rejected, address_free);
	g_queue_clear_full(&overlay->passing, address_free);
	g_hash_table_destroy(overlay->directories);
	pthread_mutex_destroy(&overlay->lock);
	g_free(overlay);
}

static struct directory *find_directory(struct overlay *overlay, const char *key)
{
	if (g_atomic_int_get(&overlay->count) == 0)
		return NULL;
	return g_hash_table_lookup(overlay->directories, key);
}

static struct slot *find_slot(struct overlay *overlay, const char *key, const char *name)
{
	struct directory *directory = find_directory(overlay, key);

	return directory != NULL ? g_hash_table_lookup(directory->names, name) : NULL;
}

static struct directory *get_directory(struct overlay *overlay, const char *key)
{
	struct directory *directory = g_hash_table_lookup(overlay->directories, key);

	if (directory != NULL)
		return directory;
	directory = g_new0(struct directory, 1);
	directory->key = g_strdup(key);
	directory->names = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, slot_free);
	directory->writers = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
	g_hash_table_insert(overlay->directories, directory->key, directory);
	g_atomic_int_inc(&overlay->count);
	return directory;
}

static void drop_if_empty(struct overlay *overlay, struct directory *directory)
{
	if (g_hash_table_size(directory->names) > 0 || g_hash_table_size(directory->writers) > 0)
		return;
	g_hash_table_remove(overlay->directories, directory->key);
	g_atomic_int_add(&overlay->count, -1);
}

static void forget_rejected(struct overlay *overlay, const struct rejected *rejected)
{
	for (GList *link = overlay->rejected.head; link != NULL; link = link->next) {
		struct address *address = link->data;

		if (address->rejected != rejected)
			continue;
		overlay->rejected_bytes -= g_bytes_get_size(rejected->text);
		address_free(address);
		g_queue_delete_link(&overlay->rejected, link);
		return;
	}
}

/* Under the lock. */
static void remove_slot(struct overlay *overlay, struct directory *directory, struct slot *slot)
{
	if (slot->entry.rejected != NULL)
		forget_rejected(overlay, slot->entry.rejected);
	g_queue_remove(&directory->order, slot);
	g_hash_table_remove(directory->names, slot->name);
}

/* Takes over entry's references. Under the lock. */
static void put(struct overlay *overlay, const char *key, const char *name,
	const struct overlay_entry *entry)
{
	struct directory *directory = get_directory(overlay, key);
	struct slot *slot = g_hash_table_lookup(directory->names, name);

	if (slot != NULL)
		remove_slot(overlay, directory, slot);
	slot = g_new0(struct slot, 1);
	slot->name = g_strdup(name);
	slot->sequence = ++overlay->last_sequence;
	slot->entry = *entry;
	if (entry->local != NULL)
		local_names_add(entry->local, 1);
	g_hash_table_insert(directory->names, slot->name, slot);
	g_queue_push_tail(&directory->order, slot);
}

gboolean overlay_find(
	struct overlay *overlay, const char *key, const char *name, struct overlay_entry *ret)
{
	LOCK_GUARD(&overlay->lock);
	const struct slot *slot = find_slot(overlay, key, name);

	if (slot == NULL)
		return FALSE;
	entry_copy(ret, &slot->entry);
	return TRUE;
}

void overlay_put(struct overlay *overlay, const char *key, const char *name, struct local *local)
{
	const struct overlay_entry entry = {.local = local_ref(local)};
	LOCK_GUARD(&overlay->lock);

	put(overlay, key, name, &entry);
}

/* Under the lock. FALSE: there is nothing of that name, or something else. */
static gboolean take_away(
	struct overlay *overlay, const char *key, const char *name, const struct local *local)
{
	struct directory *directory = find_directory(overlay, key);
	struct slot *slot = find_slot(overlay, key, name);

	if (slot == NULL || (local != NULL && slot->entry.local != local))
		return FALSE;
	remove_slot(overlay, directory, slot);
	drop_if_empty(overlay, directory);
	return TRUE;
}

void overlay_put_passing(
	struct overlay *overlay, const char *key, const char *name, struct local *local)
{
	const struct overlay_entry entry = {.local = local_ref(local)};
	struct address *address = g_new(struct address, 1);
	LOCK_GUARD(&overlay->lock);

	put(overlay, key, name, &entry);
	*address = (struct address){g_strdup(key), g_strdup(name), .local = local_ref(local)};
	g_queue_push_tail(&overlay->passing, address);
	if (overlay->passing.length <= OVERLAY_PASSING_MAX)
		return;
	address = g_queue_pop_head(&overlay->passing);
	take_away(overlay, address->directory, address->name, address->local);
	address_free(address);
}

gboolean overlay_remove(
	struct overlay *overlay, const char *key, const char *name, const struct local *local)
{
	LOCK_GUARD(&overlay->lock);

	return take_away(overlay, key, name, local);
}

/* Under the lock. The paths of those that had to go, or NULL. */
static char *evict_rejected(struct overlay *overlay)
{
	GString *paths = NULL;

	while (overlay->rejected.length > OVERLAY_REJECTED_MAX ||
		overlay->rejected_bytes > OVERLAY_REJECTED_BYTES_MAX) {
		const struct address *oldest = g_queue_peek_head(&overlay->rejected);
		struct directory *directory = find_directory(overlay, oldest->directory);
		g_autofree char *path = place_path(&oldest->rejected->place);

		if (paths == NULL)
			paths = g_string_new(path);
		else
			g_string_append_printf(paths, ", %s", path);
		remove_slot(
			overlay, directory, g_hash_table_lookup(directory->names, oldest->name));
		drop_if_empty(overlay, directory);
	}
	return paths != NULL ? g_string_free(paths, FALSE) : NULL;
}

gboolean overlay_reject(struct overlay *overlay, const char *key, const char *name,
	struct rejected *rejected, char **ret_evicted)
{
	const struct overlay_entry entry = {.rejected = rejected};
	struct address *address;
	LOCK_GUARD(&overlay->lock);
	const struct slot *slot = find_slot(overlay, key, name);

	if (slot != NULL && slot->entry.local != NULL)
		return FALSE;
	rejected_ref(rejected);
	put(overlay, key, name, &entry);
	address = g_new(struct address, 1);
	*address = (struct address){g_strdup(key), g_strdup(name), .rejected = rejected};
	g_queue_push_tail(&overlay->rejected, address);
	overlay->rejected_bytes += g_bytes_get_size(rejected->text);
	*ret_evicted = evict_rejected(overlay);
	return TRUE;
}

/* A slot as it was when it was copied; holds references. */
struct seen {
	char *name;
	uint64_t sequence;
	struct overlay_entry entry;
};

static void seen_clear(void *pointer)
{
	struct seen *seen = pointer;

	overlay_entry_finish(&seen->entry);
	g_free(seen->name);
}

/* At most that many at a time, so that a reader with a small buffer does not copy all each time. */
#define SEEN_MAX 128

static GArray *copy_some(struct overlay *overlay, const char *key, uint64_t after)
{
	GArray *some = g_array_new(FALSE, FALSE, sizeof(struct seen));
	LOCK_GUARD(&overlay->lock);
	struct directory *directory = find_directory(overlay, key);

	g_array_set_clear_func(some, seen_clear);
	for (GList *link = directory != NULL ? directory->order.head : NULL;
		link != NULL && some->len < SEEN_MAX; link = link->next) {
		const struct slot *slot = link->data;
		struct seen seen = {.sequence = slot->sequence};

		if (slot->sequence <= after)
			continue;
		seen.name = g_strdup(slot->name);
		entry_copy(&seen.entry, &slot->entry);
		g_array_append_val(some, seen);
	}
	return some;
}

void overlay_each(
	struct overlay *overlay, const char *key, uint64_t after, overlay_visit visit, void *data)
{
	for (;;) {
		g_autoptr(GArray) some = copy_some(overlay, key, after);

		for (guint i = 0; i < some->len; i++) {
			const struct seen *seen = &g_array_index(some, struct seen, i);

			if (!visit(data, seen->sequence, seen->name, &seen->entry))
				return;
			after = seen->sequence;
		}
		if (some->len < SEEN_MAX)
			return;
	}
}

gboolean overlay_is_unused(struct overlay *overlay)
{
	return g_atomic_int_get(&overlay->count) == 0;
}

gboolean overlay_is_empty(struct overlay *overlay, const char *key)
{
	LOCK_GUARD(&overlay->lock);
	struct directory *directory = find_directory(overlay, key);

	return directory == NULL || g_hash_table_size(directory->names) == 0;
}

/* Under the lock. NULL: nobody. */
static GPtrArray *find_writers(struct overlay *overlay, const char *key, const char *name)
{
	struct directory *directory = find_directory(overlay, key);

	return directory != NULL ? g_hash_table_lookup(directory->writers, name) : NULL;
}

void overlay_add_writer(
	struct overlay *overlay, const char *key, const char *name, struct local *local)
{
	LOCK_GUARD(&overlay->lock);
	struct directory *directory = get_directory(overlay, key);
	GPtrArray *writers = g_hash_table_lookup(directory->writers, name);

	if (writers == NULL) {
		writers = g_ptr_array_new();
		g_hash_table_insert(directory->writers, g_strdup(name), writers);
	}
	g_ptr_array_add(writers, local);
}

void overlay_remove_writer(
	struct overlay *overlay, const char *key, const char *name, const struct local *local)
{
	LOCK_GUARD(&overlay->lock);
	struct directory *directory = find_directory(overlay, key);
	GPtrArray *writers = find_writers(overlay, key, name);

	if (writers == NULL || !g_ptr_array_remove(writers, (void *)local) || writers->len > 0)
		return;
	g_hash_table_remove(directory->writers, name);
	drop_if_empty(overlay, directory);
}

static void unref_local(void *local)
{
	local_unref(local);
}

GPtrArray *overlay_writers(struct overlay *overlay, const char *key, const char *name)
{
	LOCK_GUARD(&overlay->lock);
	GPtrArray *writers = find_writers(overlay, key, name);
	GPtrArray *locals = g_ptr_array_new_with_free_func(unref_local);

	for (guint i = 0; writers != NULL && i < writers->len; i++)
		g_ptr_array_add(locals, local_ref(g_ptr_array_index(writers, i)));
	return locals;
}

gboolean overlay_has_writer(struct overlay *overlay, const char *key, const char *name)
{
	LOCK_GUARD(&overlay->lock);

	return find_writers(overlay, key, name) != NULL;
}
