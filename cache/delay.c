#include "cache/delay.h"

void delay_start(struct delay *delay, struct loop *loop, uint64_t milliseconds,
	struct strand *strand, strand_job job, void *data)
{
	delay->timer = loop_timer_add(loop, milliseconds, strand, job, data);
}

gboolean delay_is_set(const struct delay *delay)
{
	return delay->timer != 0;
}

gboolean delay_is_due(struct delay *delay)
{
	/* Jobs come in the order of their timers: this one is of a cancelled timer. */
	if (delay->overdue > 0) {
		delay->overdue--;
		return FALSE;
	}
	delay->timer = 0;
	return TRUE;
}

gboolean delay_cancel(struct delay *delay, struct loop *loop)
{
	uint64_t timer = delay->timer;

	delay->timer = 0;
	if (timer == 0)
		return FALSE;
	if (loop_timer_cancel(loop, timer))
		return TRUE;
	delay->overdue++;
	return FALSE;
}
