/*
 * Delays between attempts that fail: 0.8 s doubling to 30 s, each with jitter, back to the start
 * after two healthy minutes (client-go tools/cache/reflector.go). Not locked.
 */
#pragma once

#include <stdint.h>

struct backoff {
	uint64_t delay; /* the next one without jitter, milliseconds; 0 before the first */
	uint64_t last; /* when the last one was handed out, loop_now() */
};

/* The delay in milliseconds to wait now, at least floor (but no more than five minutes for it). */
uint64_t backoff_next(struct backoff *backoff, uint64_t now, uint64_t floor);
void backoff_reset(struct backoff *backoff);
