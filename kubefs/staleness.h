/*
 * Listings of collections that nobody tells changes of. On a zero-message mount the kernel caches
 * every listing: it is told to forget these soon.
 */
#pragma once

#include <stdint.h>

#include "client/loop.h"
#include "kubefs/notifier.h"

struct staleness;

/* All three must outlive it; strand runs the timer's job. */
struct staleness *staleness_create(
	struct notifier *notifier, struct loop *loop, struct strand *strand);
/* Not before strand's pool and the loop's thread have ended. NULL is fine. */
void staleness_destroy(struct staleness *staleness);

/* The kernel forgets what it knows to be in the directory, at most LAYOUT_POLLED from now. */
void staleness_add(struct staleness *staleness, uint64_t directory);
