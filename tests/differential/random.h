/*
 * Reproducible randomness: splitmix64.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
	uint64_t value = random->state += UINT64_C(0x9E3779B97F4A7C15);

	value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
	return value ^ value >> 31;
}

/* 0 <= result < bound */
static inline size_t random_below(struct random *random, size_t bound)
{
	return (size_t)(random_next(random) % bound);
}

/* TRUE once in n times. */
static inline bool random_once_in(struct random *random, size_t n)
{
	return random_below(random, n) == 0;
}
