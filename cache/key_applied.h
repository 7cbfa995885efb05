/*
 * What a change's response told of the names of one directory of keys before the watch or the next
 * load does: until that has caught up, what is older must not take it back. The counterpart of
 * cache/applied.h. Not locked: the directory's strand guards it.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct key_applied;

/* Entries at a time; one more drops another. */
#define KEY_APPLIED_MAX 4096

struct key_applied *key_applied_create(void);
void key_applied_destroy(struct key_applied *applied); /* NULL is fine */
void key_applied_clear(struct key_applied *applied);

/* The name is known as it was at that revision. */
void key_applied_put(
	struct key_applied *applied, const char *name, size_t length, int64_t revision);
/*
 * A load or a watch tells how the name was at that revision: TRUE when more is known already, and
 * it must be passed over. Else the entry has ended.
 */
gboolean key_applied_hides(
	struct key_applied *applied, const char *name, size_t length, int64_t revision);
/* A load of that revision is complete: calls visit for the names of which more is known. */
typedef void (*key_applied_visit)(void *data, const char *name, size_t length);
void key_applied_loaded(
	struct key_applied *applied, int64_t revision, key_applied_visit visit, void *data);
