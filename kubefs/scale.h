/*
 * NAME@/scale: how many replicas an object should have, asked of the server's scale subresource
 * when somebody looks. Any thread; nothing waits.
 */
#pragma once

#include "cache/collection.h"
#include "kubefs/place.h"

struct scales;

/* An answer is good for this long: LOOKUP and what follows it see one. */
#define SCALE_MS 1000
#define SCALES_MAX 1024

struct scales *scales_create(void);
void scales_destroy(struct scales *scales); /* NULL is fine; after the caches have stopped */

/*
 * 0 with "3\n" in *ret; -EINPROGRESS, and wait(data) follows unless wait is NULL; or why the server
 * did not say, with error set.
 */
int scales_look(struct scales *scales, const struct place *place, collection_wait wait, void *data,
	GBytes **ret, GError **error);
/* It was saved: the next look asks anew. */
void scales_forget(struct scales *scales, const struct place *place);
