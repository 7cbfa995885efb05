/*
 * The client thread: one thread drives one libcurl multi handle and the timers. It only moves
 * bytes; everything that decodes runs on strands (client/strand.h).
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "client/strand.h"

struct loop;

/* Starts the thread. curl_global_init must have been called. */
struct loop *loop_create(GError **error);
/*
 * Cancels what is under way (each exchange still ends, with ECANCELED), drops timers, joins. Not
 * from the client thread. NULL is fine.
 */
void loop_destroy(struct loop *loop);
/*
 * References keep the struct, not the thread: that ends with loop_destroy. Whoever adds or cancels
 * timers from jobs that may run after that holds one. Any thread.
 */
struct loop *loop_ref(struct loop *loop);
struct loop *loop_unref(struct loop *loop); /* returns NULL; NULL is fine */

/*
 * After at least milliseconds, posts job(data) to strand, once. Returns an id, never 0.
 * Any thread. The timer holds a reference to the strand. A job without a strand (NULL) runs on
 * the client thread, must not block, and may still run when loop_timer_cancel says FALSE.
 */
uint64_t loop_timer_add(struct loop *loop, uint64_t milliseconds, struct strand *strand,
	strand_job job, void *data);
/*
 * Returns TRUE when the timer was taken back: its job has not been and will not be posted. FALSE
 * when it was posted already (it may be queued, run or done) or the id is 0. Any thread.
 */
gboolean loop_timer_cancel(struct loop *loop, uint64_t id);

/* Monotonic milliseconds, the clock of the timers. */
uint64_t loop_now(void);
