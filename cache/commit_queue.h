/*
 * The commits of one cache: one after another for each object, side by side for different ones,
 * bounded, and ended with the cache. Any thread.
 */
#pragma once

#include <glib.h>

struct commit;
struct commit_queue;

struct commit_queue *commit_queue_create(void);
void commit_queue_destroy(struct commit_queue *queue); /* NULL is fine; no commit is in it */

/*
 * Counts commit until commit_queue_leave. Returns 0, and it waits for its turn or has it
 * (*ret_first); -EAGAIN: there are COMMIT_MAX already, it has no turn; or -ESHUTDOWN: not even
 * counted.
 */
int commit_queue_enter(
	struct commit_queue *queue, const char *object, struct commit *commit, gboolean *ret_first);
/* Gives up its turn, or its wait for it. Returns a reference to the one whose turn is next, or
 * NULL. */
struct commit *commit_queue_yield(
	struct commit_queue *queue, const char *object, struct commit *commit);
/* The last word of a commit, after which it does not touch the cache. */
void commit_queue_leave(struct commit_queue *queue, struct commit *commit);

/*
 * None may enter any more, and those inside are told to end, all of them before one can pass its
 * turn on; waits until they have left.
 */
void commit_queue_stop(struct commit_queue *queue);
