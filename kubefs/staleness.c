#include "kubefs/staleness.h"

#include "client/lock.h"
#include "kubefs/layout.h"

struct staleness {
	struct notifier *notifier;
	struct loop *loop;
	struct strand *strand;
	pthread_mutex_t lock;
	GHashTable *directories; /* set of uint64_t *; while there are some, the timer runs */
};

struct staleness *staleness_create(
	struct notifier *notifier, struct loop *loop, struct strand *strand)
{
	struct staleness *staleness = g_new0(struct staleness, 1);

	staleness->notifier = notifier;
	staleness->loop = loop;
	staleness->strand = strand;
	pthread_mutex_init(&staleness->lock, NULL);
	staleness->directories = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	return staleness;
}

void staleness_destroy(struct staleness *staleness)
{
	if (staleness == NULL)
		return;
	g_hash_table_destroy(staleness->directories);
	pthread_mutex_destroy(&staleness->lock);
	g_free(staleness);
}

static void run_forget(void *data)
{
	struct staleness *staleness = data;
	g_autoptr(GHashTable) directories = NULL;
	GHashTableIter iter;
	void *id;

	pthread_mutex_lock(&staleness->lock);
	directories = g_steal_pointer(&staleness->directories);
	staleness->directories = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	pthread_mutex_unlock(&staleness->lock);
	g_hash_table_iter_init(&iter, directories);
	/* A listing may be on its way to the kernel yet. */
	while (g_hash_table_iter_next(&iter, &id, NULL))
		notifier_listing_settled(staleness->notifier, *(uint64_t *)id);
}

void staleness_add(struct staleness *staleness, uint64_t directory)
{
	gboolean is_first;

	pthread_mutex_lock(&staleness->lock);
	is_first = g_hash_table_size(staleness->directories) == 0;
	g_hash_table_add(staleness->directories, g_memdup2(&directory, sizeof(directory)));
	pthread_mutex_unlock(&staleness->lock);
	if (is_first)
		loop_timer_add(staleness->loop, (uint64_t)(LAYOUT_POLLED * 1000), staleness->strand,
			run_forget, staleness);
}
