#include "cache/backoff.h"

#include <glib.h>

#define FIRST 800
#define LONGEST 30000
#define HEALTHY 120000

uint64_t backoff_next(struct backoff *backoff, uint64_t now, uint64_t floor)
{
	uint64_t delay;

	if (backoff->delay == 0 || now - backoff->last > HEALTHY + backoff->delay)
		backoff->delay = FIRST;
	/* Between one and two times the delay, so that many reflectors do not return at once. */
	delay = backoff->delay + (uint64_t)(g_random_double() * (double)backoff->delay);
	backoff->delay = MIN(backoff->delay * 2, LONGEST);
	backoff->last = now;
	return MAX(MIN(delay, LONGEST), floor);
}

void backoff_reset(struct backoff *backoff)
{
	*backoff = (struct backoff){0};
}
