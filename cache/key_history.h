/*
 * The versions of a key that its etcd still has, walked back from one that is known: each is what a
 * range of the key gives at the revision before the one that replaced it. The walk ends at the
 * key's creation, at what was compacted, or when there is enough. What a walk has found is
 * remembered for a while, and a later one of the same key goes back to there alone.
 *
 * Any thread; no function waits for the network (cache/keyspace.h).
 */
#pragma once

#include "cache/key_snapshot.h"
#include "cache/revision_clock.h"
#include "cache/waiters.h"

/* Versions of one key, and the bytes of their values: the newest ones. */
#define KEY_HISTORY_VERSIONS_MAX 1000
#define KEY_HISTORY_BYTES_MAX (16UL << 20)
/* Walks that ask at a time, each for one version after the other. */
#define KEY_HISTORY_WALKS_MAX 2
/* Keys whose versions are remembered or walked, and for how long what was found is shown. */
#define KEY_HISTORIES_MAX 32
#define KEY_HISTORY_FRESH_MS 2000
#define KEY_HISTORY_WAITERS_MAX 1000

enum key_history_end {
	KEY_HISTORY_CREATED, /* the last one is the key's first */
	KEY_HISTORY_COMPACTED, /* what is older is gone */
	KEY_HISTORY_CUT, /* there may be older ones */
};

/* Immutable. */
struct key_history {
	gint references;
	GPtrArray *versions; /* of struct key_snapshot *, newest first, never empty */
	enum key_history_end end;
};

struct key_history *key_history_unref(struct key_history *history); /* returns NULL; NULL is fine */
void key_history_unref_pointer(struct key_history **history);
#define KEY_HISTORY_CLEANUP __attribute__((cleanup(key_history_unref_pointer)))

struct key_histories;

/* All must outlive it. */
struct key_histories *key_histories_create(
	struct etcd_client *client, struct strand_pool *pool, struct revision_clock *clock);
/* Ends all walks and waits for that; the client may go then. Not from a strand. */
void key_histories_stop(struct key_histories *histories);
/* After key_histories_stop. */
void key_histories_destroy(struct key_histories *histories);

/*
 * The versions of a key back from newest, which it has now, or from a newer one: 0 with a reference
 * in *ret; -EINPROGRESS, and wait(data) follows unless wait is NULL; or why they cannot be told.
 */
int key_histories_look(struct key_histories *histories, struct key_snapshot *newest,
	collection_wait wait, void *data, struct key_history **ret, GError **error);
/* Lets go of what is shown no more. */
void key_histories_sweep(struct key_histories *histories);
/* etcd is back: what failed for want of it is tried again at the next look. Any thread. */
void key_histories_kick(struct key_histories *histories);
