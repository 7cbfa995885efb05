/*
 * The rules (cache/rules.h) of each namespace that somebody looked at, fetched lazily and again
 * when they are old. Any thread; nothing waits.
 */
#pragma once

#include "cache/rules.h"
#include "client/strand.h"

struct permissions;

#define PERMISSIONS_AGE_MS (5UL * 60 * 1000)
#define PERMISSIONS_NAMESPACES_MAX 10000

/* changed: the rules of a namespace arrived, or (again) are others now; on a strand. */
struct permissions *permissions_create(struct source *source, struct strand_pool *pool,
	void (*changed)(void *data, const char *namespace, gboolean again), void *data);
/* No more is asked for, and nobody told. */
void permissions_stop(struct permissions *permissions);
void permissions_unref(struct permissions *permissions); /* NULL is fine */

/*
 * Whether the caller may do that to the resource, or to that subresource of it (NULL: itself), in
 * the namespace ("" for the cluster); TRUE while it is not known, which begins to find it out.
 */
gboolean permissions_allow(struct permissions *permissions, const struct resource *resource,
	const char *subresource, const char *namespace, const char *verb);
