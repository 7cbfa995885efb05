/*
 * From what changed in a cache to what the kernel must forget.
 */
#pragma once

#include "cache/cache.h"

/* The handlers of a context's cache; their data is the struct context. */
extern const struct cache_handlers CHANGES_HANDLERS;
