/*
 * A job that comes later, on a strand, and can be taken back: one that had been posted already when
 * it was cancelled is told so. One at a time; everything is called on that strand.
 */
#pragma once

#include "client/loop.h"

/* Zeroed: nothing is to come. */
struct delay {
	uint64_t timer;
	guint overdue; /* timers that were cancelled after their job had been posted */
};

/* After milliseconds; none may be set. The job begins with delay_is_due. */
void delay_start(struct delay *delay, struct loop *loop, uint64_t milliseconds,
	struct strand *strand, strand_job job, void *data);
gboolean delay_is_set(const struct delay *delay);
/* FALSE: the job is that of a delay which was cancelled, and has nothing to do. */
gboolean delay_is_due(struct delay *delay);
/* TRUE: the job will not come, and what its data holds is the caller's to give back. */
gboolean delay_cancel(struct delay *delay, struct loop *loop);
