/*
 * What was put into a store or taken out of it because of a change's response, before the watch
 * told of it: until the watch has caught up, what is older must not take it back. A bounded table
 * of one entry an object. Not locked: the collection guards it.
 *
 * An entry ends when an event of its version or a newer one comes, with a list that is at least as
 * new, and after a while in any case: versions go back when etcd is restored from a backup.
 */
#pragma once

#include "cache/snapshot.h"

struct applied;

/* Entries at a time; one more drops the oldest. */
#define APPLIED_MAX 4096

/* age: milliseconds that an entry lasts at most. */
struct applied *applied_create(uint64_t age);
void applied_destroy(struct applied *applied); /* NULL is fine */
void applied_clear(struct applied *applied);
gboolean applied_is_empty(const struct applied *applied);

/* now: loop_now(). The object of that key is stored. */
void applied_put(struct applied *applied, const struct snapshot_key *key, uint64_t now);
/* The object of that uid is gone; key's version is the last that was known of it. */
void applied_remove(struct applied *applied, const struct snapshot_key *key, uint64_t now);
/* Whether the object of that key was removed by applied_remove. */
gboolean applied_is_removed(const struct applied *applied, const struct snapshot_key *key);

/*
 * A list or a watch tells that this version is there. TRUE when what was applied is newer, or has
 * removed it: it must be passed over. Else the entry has ended.
 */
gboolean applied_hides(struct applied *applied, const struct snapshot_key *key);
/* The same for an event that tells that the object was deleted; key is its last state. */
gboolean applied_hides_removal(struct applied *applied, const struct snapshot_key *key);

/*
 * A list of that version is complete. latest: it was read from etcd, not from a cache that may be
 * behind. visit tells for each stored object of the table whether it is there, as against: it was
 * deleted meanwhile. Returns TRUE when something was passed over that should not have been: list
 * again.
 */
typedef void (*applied_visit)(void *data, const struct snapshot_key *key, gboolean there);
void applied_list_begun(struct applied *applied);
gboolean applied_list_ended(struct applied *applied, const char *version, gboolean latest,
	applied_visit visit, void *data);

/*
 * Ends what is too old. Returns TRUE when such an entry had hidden something: list again.
 * *ret_next is when to call it next, in milliseconds from now; 0: the table is empty.
 */
gboolean applied_expire(struct applied *applied, uint64_t now, uint64_t *ret_next);
