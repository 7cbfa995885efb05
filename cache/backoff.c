#include "cache/backoff.h"

#include <glib.h>

#define FIRST 800
#define LONGEST 30000
#define HEALTHY 120000
/* A server that asks for more than this is asked again all the same. */
#define FLOOR_MAX 300000

uint64_t backoff_next(struct backoff *backoff, uint64_t now, uint64_t floor)
{
	uint64_t delay;

	if (backoff->delay == 0 || now - backoff->last > HEALTHY + backoff->delay)
		backoff->delay = FIRST;
	/* Between one and two times the delay, so that many reflectors do not return at once. */
	delay = backoff->delay + (uint64_t)(g_random_double() * (double)backoff->delay);
	/* The longest has its jitter, too. */
	backoff->delay = MIN(backoff->delay * 2, LONGEST / 2);
	backoff->last = now;
	return MAX(delay, MIN(floor, FLOOR_MAX));
}

void backoff_reset(struct backoff *backoff)
{
	*backoff = (struct backoff){0};
}
