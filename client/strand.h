/*
 * A strand runs jobs one after another, in the order in which they were posted, on a small shared
 * pool of threads. Different strands run in parallel. What belongs to one collection runs on one
 * strand and so needs no lock of its own.
 */
#pragma once

#include <glib.h>

struct strand_pool;
struct strand;

typedef void (*strand_job)(void *data);

/* threads: 0 means one a processor, at least two and at most four. */
struct strand_pool *strand_pool_create(unsigned int threads);
/* Waits until every posted job has run; no strand may be posted to afterwards. NULL is fine. */
void strand_pool_destroy(struct strand_pool *pool);

/* Any thread. References are counted; a strand with queued jobs keeps itself alive. */
struct strand *strand_create(struct strand_pool *pool);
struct strand *strand_ref(struct strand *strand);
struct strand *strand_unref(struct strand *strand); /* returns NULL; NULL is fine */

/* Queues job(data). Any thread, a job of the same strand included; never blocks. */
void strand_post(struct strand *strand, strand_job job, void *data);

/* True when called from within a job of this strand. */
gboolean strand_is_current(const struct strand *strand);
