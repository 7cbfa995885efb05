/* How long something takes, whatever else the machine does meanwhile. */
#pragma once

#include <glib.h>
#include <time.h>

/* Microseconds that this thread has computed. */
static inline gint64 cpu_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * (gint64)G_USEC_PER_SEC + now.tv_nsec / 1000;
}
