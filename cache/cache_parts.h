/* What the cache's own parts need of it, and nobody else. */
#pragma once

#include "cache/cache.h"
#include "cache/commit_queue.h"
#include "cache/schema_store.h"

/* Valid until cache_stop returns, source included. */
struct cache_parts {
	struct source *source;
	struct loop *loop;
	struct strand_pool *pool;
	struct commit_queue *commits;
	struct schema_store *schemas;
	uint64_t commit_timeout; /* milliseconds */
};

const struct cache_parts *cache_get_parts(struct cache *cache);
