#include "kubefs/listing_ahead.h"

#include <pthread.h>

#include "client/lock.h"
#include "client/loop.h"

struct slot {
	uint64_t directory;
	uint64_t offset;
	size_t size;
	uint64_t made; /* loop_now() */
	void *piece; /* NULL: free */
};

struct listing_ahead {
	void (*drop)(void *piece);
	pthread_mutex_t lock; /* guards all below */
	struct slot slots[LISTING_AHEAD_MAX];
};

struct listing_ahead *listing_ahead_create(void (*drop)(void *piece))
{
	struct listing_ahead *ahead = g_new0(struct listing_ahead, 1);

	ahead->drop = drop;
	pthread_mutex_init(&ahead->lock, NULL);
	return ahead;
}

void listing_ahead_destroy(struct listing_ahead *ahead)
{
	if (ahead == NULL)
		return;
	for (size_t i = 0; i < LISTING_AHEAD_MAX; i++)
		if (ahead->slots[i].piece != NULL)
			ahead->drop(ahead->slots[i].piece);
	pthread_mutex_destroy(&ahead->lock);
	g_free(ahead);
}

/* The free slot, or else the one whose piece is the oldest. Under the lock. */
static struct slot *find_room(struct listing_ahead *ahead)
{
	struct slot *found = &ahead->slots[0];

	for (size_t i = 1; i < LISTING_AHEAD_MAX && found->piece != NULL; i++)
		if (ahead->slots[i].piece == NULL || ahead->slots[i].made < found->made)
			found = &ahead->slots[i];
	return found;
}

void listing_ahead_put(
	struct listing_ahead *ahead, uint64_t directory, uint64_t offset, size_t size, void *piece)
{
	struct slot *slot;
	void *old;

	pthread_mutex_lock(&ahead->lock);
	slot = find_room(ahead);
	old = slot->piece;
	*slot = (struct slot){directory, offset, size, loop_now(), piece};
	pthread_mutex_unlock(&ahead->lock);
	if (old != NULL)
		ahead->drop(old);
}

/* Takes the piece out of its slot; NULL: there is none. */
static void *take(struct listing_ahead *ahead, uint64_t directory, uint64_t offset, size_t size,
	gboolean *ret_young)
{
	LOCK_GUARD(&ahead->lock);

	for (size_t i = 0; i < LISTING_AHEAD_MAX; i++) {
		struct slot *slot = &ahead->slots[i];

		if (slot->piece == NULL || slot->directory != directory || slot->offset != offset)
			continue;
		*ret_young = slot->size == size && loop_now() - slot->made < LISTING_AHEAD_MS;
		return g_steal_pointer(&slot->piece);
	}
	return NULL;
}

void *listing_ahead_take(
	struct listing_ahead *ahead, uint64_t directory, uint64_t offset, size_t size)
{
	gboolean is_young = FALSE;
	void *piece = take(ahead, directory, offset, size, &is_young);

	if (piece == NULL || is_young)
		return piece;
	ahead->drop(piece);
	return NULL;
}
