/*
 * The objects of one collection, by namespace and name, each namespace in a stable order: an object
 * has a sequence number from when it was first stored until it is removed, which serves as a
 * directory offset. Not locked: the collection guards it.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "cache/snapshot.h"

struct store;

struct store *store_create(void);
void store_destroy(struct store *store); /* NULL is fine */

/* Borrowed, NULL when there is none. */
struct snapshot *store_find(const struct store *store, const char *namespace, const char *name);

/*
 * Takes over snapshot. *ret_old is what it replaced (the caller's reference) or NULL. The entry
 * is marked as seen by the present sweep.
 */
void store_put(struct store *store, struct snapshot *snapshot, struct snapshot **ret_old);
/* Returns the caller's reference to what was removed, or NULL. */
struct snapshot *store_remove(struct store *store, const char *namespace, const char *name);

/* A relist is a diff: begin, mark or put what is there, and end with what vanished (protocol.md 8).
 */
void store_sweep_begin(struct store *store);
void store_sweep_mark(struct store *store, const char *namespace, const char *name);
/* Takes a mark or put back: unless it is seen again, it has vanished. */
void store_sweep_unmark(struct store *store, const char *namespace, const char *name);
/* Removes what was neither put nor marked since begin; returns it as (owned) struct snapshot *. */
GPtrArray *store_sweep_end(struct store *store);

/*
 * Calls visit for each object of the namespace whose sequence is greater than after, in order,
 * until it returns FALSE.
 */
typedef gboolean (*store_visit)(void *data, uint64_t sequence, struct snapshot *snapshot);
void store_each(const struct store *store, const char *namespace, uint64_t after, store_visit visit,
	void *data);

/* Names of at most this many bytes are file names however they are escaped. */
#define STORE_LONG_NAME 80
/* Whether there ever was an object with a longer one. */
gboolean store_has_long_names(const struct store *store);

size_t store_count(const struct store *store, const char *namespace); /* NULL: all */
size_t store_bytes(const struct store *store); /* of YAML text */
/* When an object was last added to or removed from the namespace since the first sweep; else 0. */
struct timespec store_changed(const struct store *store, const char *namespace);
