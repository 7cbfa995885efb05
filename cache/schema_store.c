#include "cache/schema_store.h"

#include <string.h>

#include "client/lock.h"

struct entry {
	char *group;
	char *version;
	struct schema_set *set;
};

struct schema_store {
	pthread_mutex_t lock; /* guards all below */
	GQueue entries; /* of struct entry *, the one used last first */
	guint epoch;
};

static void entry_free(void *pointer)
{
	struct entry *entry = pointer;

	g_free(entry->group);
	g_free(entry->version);
	schema_set_unref(entry->set);
	g_free(entry);
}

struct schema_store *schema_store_create(void)
{
	struct schema_store *store = g_new0(struct schema_store, 1);

	pthread_mutex_init(&store->lock, NULL);
	g_queue_init(&store->entries);
	return store;
}

void schema_store_destroy(struct schema_store *store)
{
	if (store == NULL)
		return;
	g_queue_clear_full(&store->entries, entry_free);
	pthread_mutex_destroy(&store->lock);
	g_free(store);
}

/* Under the lock; what is found moves to the front. */
static struct entry *find(struct schema_store *store, const struct resource *resource)
{
	for (GList *link = store->entries.head; link != NULL; link = link->next) {
		struct entry *entry = link->data;

		if (strcmp(entry->group, resource->group) != 0 ||
			strcmp(entry->version, resource->version) != 0)
			continue;
		g_queue_unlink(&store->entries, link);
		g_queue_push_head_link(&store->entries, link);
		return entry;
	}
	return NULL;
}

struct schema_set *schema_store_find(
	struct schema_store *store, const struct resource *resource, guint *ret_epoch)
{
	LOCK_GUARD(&store->lock);
	struct entry *entry = find(store, resource);

	*ret_epoch = store->epoch;
	return entry != NULL ? schema_set_ref(entry->set) : NULL;
}

void schema_store_put(struct schema_store *store, const struct resource *resource, guint epoch,
	struct schema_set *set)
{
	LOCK_GUARD(&store->lock);
	struct entry *entry;

	/* Another one may have fetched it meanwhile. */
	if (epoch != store->epoch || find(store, resource) != NULL)
		return;
	if (store->entries.length >= SCHEMA_STORE_MAX)
		entry_free(g_queue_pop_tail(&store->entries));
	entry = g_new0(struct entry, 1);
	entry->group = g_strdup(resource->group);
	entry->version = g_strdup(resource->version);
	entry->set = schema_set_ref(set);
	g_queue_push_head(&store->entries, entry);
}

void schema_store_clear(struct schema_store *store)
{
	LOCK_GUARD(&store->lock);

	g_queue_clear_full(&store->entries, entry_free);
	store->epoch++;
}
