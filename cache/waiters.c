#include "cache/waiters.h"

struct waiter {
	collection_wait wait;
	void *data;
};

void waiters_add(struct waiters *waiters, collection_wait wait, void *data)
{
	const struct waiter waiter = {wait, data};

	if (waiters->all == NULL)
		waiters->all = g_array_new(FALSE, FALSE, sizeof(struct waiter));
	g_array_append_val(waiters->all, waiter);
}

guint waiters_count(const struct waiters *waiters)
{
	return waiters->all != NULL ? waiters->all->len : 0;
}

void waiters_unlock_and_wake(struct waiters *waiters, pthread_mutex_t *lock)
{
	g_autoptr(GArray) all = g_steal_pointer(&waiters->all);

	pthread_mutex_unlock(lock);
	for (guint i = 0; all != NULL && i < all->len; i++) {
		struct waiter *waiter = &g_array_index(all, struct waiter, i);

		waiter->wait(waiter->data);
	}
}

void waiters_finish(struct waiters *waiters)
{
	g_clear_pointer(&waiters->all, g_array_unref);
}
