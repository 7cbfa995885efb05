/*
 * What saves would have made of objects: the results of dry runs, as NAME@/dry_run.yaml. Bounded;
 * the oldest goes first. Any thread.
 */
#pragma once

#include "kubefs/place.h"

struct previews;

#define PREVIEWS_MAX 100

struct previews *previews_create(void);
void previews_destroy(struct previews *previews); /* NULL is fine */

/* snapshot: the object as it would be. */
void previews_put(struct previews *previews, const struct place *place, struct snapshot *snapshot);
/* A reference to the last one of that object, or NULL. */
struct snapshot *previews_find(struct previews *previews, const struct place *place);
