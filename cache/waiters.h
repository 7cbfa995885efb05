/*
 * Those who wait until something is worth asking again. Its owner's lock guards it.
 */
#pragma once

#include <glib.h>
#include <pthread.h>

/* Called once, on any thread, with no lock held, when a look that waited is worth repeating. */
typedef void (*collection_wait)(void *data);

struct waiters {
	GArray *all; /* NULL: none ever */
};

/* Under the lock, as all but waiters_unlock_and_wake. */
void waiters_add(struct waiters *waiters, collection_wait wait, void *data);
guint waiters_count(const struct waiters *waiters);
/* Unlocks the lock, which is held, and calls all: they may come back at once. */
void waiters_unlock_and_wake(struct waiters *waiters, pthread_mutex_t *lock);
/* Nobody waits any more, or ever will. */
void waiters_finish(struct waiters *waiters);
