/*
 * When a revision of etcd was first seen to have been reached: the nearest to a time that etcd can
 * tell, which keeps none. What was there when the mount began has the time of then, and a key that
 * is read anew keeps its time. Any thread.
 */
#pragma once

#include <stdint.h>
#include <time.h>

struct revision_clock;

/* Observations kept; beyond that, times get coarser. */
#define REVISION_CLOCK_MAX 8192

struct revision_clock *revision_clock_create(void);
void revision_clock_destroy(struct revision_clock *clock); /* NULL is fine */

/* When revision was seen, or a later one, whichever came first; now if neither was yet. */
struct timespec revision_clock_seen(struct revision_clock *clock, int64_t revision);
/* The store has gone back to an older state: what came after it is seen anew. */
void revision_clock_turn_back(struct revision_clock *clock, int64_t revision);
