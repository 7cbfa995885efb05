#include "cache/commit_queue.h"

#include <errno.h>

#include "cache/commit_internal.h"
#include "client/lock.h"

struct commit_queue {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t empty;
	GHashTable *lanes; /* object (owned) -> GQueue of struct commit *, the first has its turn */
	GHashTable *inside; /* of struct commit * */
	gboolean stopped;
};

static void lane_free(void *lane)
{
	g_queue_free(lane);
}

struct commit_queue *commit_queue_create(void)
{
	struct commit_queue *queue = g_new0(struct commit_queue, 1);

	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->empty, NULL);
	queue->lanes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, lane_free);
	queue->inside = g_hash_table_new(g_direct_hash, g_direct_equal);
	return queue;
}

void commit_queue_destroy(struct commit_queue *queue)
{
	if (queue == NULL)
		return;
	g_hash_table_destroy(queue->lanes);
	g_hash_table_destroy(queue->inside);
	pthread_cond_destroy(&queue->empty);
	pthread_mutex_destroy(&queue->lock);
	g_free(queue);
}

int commit_queue_enter(
	struct commit_queue *queue, const char *object, struct commit *commit, gboolean *ret_first)
{
	LOCK_GUARD(&queue->lock);
	GQueue *lane;

	if (queue->stopped)
		return -ESHUTDOWN;
	g_hash_table_add(queue->inside, commit);
	if (g_hash_table_size(queue->inside) > COMMIT_MAX)
		return -EAGAIN;
	lane = g_hash_table_lookup(queue->lanes, object);
	if (lane == NULL) {
		lane = g_queue_new();
		g_hash_table_insert(queue->lanes, g_strdup(object), lane);
	}
	*ret_first = g_queue_is_empty(lane);
	g_queue_push_tail(lane, commit);
	return 0;
}

struct commit *commit_queue_yield(
	struct commit_queue *queue, const char *object, struct commit *commit)
{
	LOCK_GUARD(&queue->lock);
	GQueue *lane = g_hash_table_lookup(queue->lanes, object);
	struct commit *next;

	if (lane == NULL)
		return NULL;
	if (g_queue_peek_head(lane) != commit) {
		g_queue_remove(lane, commit);
		return NULL;
	}
	g_queue_pop_head(lane);
	next = g_queue_peek_head(lane);
	if (next == NULL)
		g_hash_table_remove(queue->lanes, object);
	/* What is inside has a reference of its own. */
	return next != NULL ? commit_ref(next) : NULL;
}

void commit_queue_leave(struct commit_queue *queue, struct commit *commit)
{
	LOCK_GUARD(&queue->lock);

	g_hash_table_remove(queue->inside, commit);
	if (g_hash_table_size(queue->inside) == 0)
		pthread_cond_broadcast(&queue->empty);
}

void commit_queue_stop(struct commit_queue *queue)
{
	LOCK_GUARD(&queue->lock);
	GHashTableIter iter;
	void *commit;

	queue->stopped = TRUE;
	g_hash_table_iter_init(&iter, queue->inside);
	while (g_hash_table_iter_next(&iter, &commit, NULL))
		commit_stop(commit);
	while (g_hash_table_size(queue->inside) > 0)
		pthread_cond_wait(&queue->empty, &queue->lock);
}
