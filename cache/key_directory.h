/*
 * One directory of keys (cache/key_scope.h) as it is known, kept true by a reflector. Started by
 * the first look. Any thread; no function waits for the network.
 *
 * How it is kept true. etcd can only watch a range with all of its values: there is no watch of
 * names alone, and its filters leave out all puts or all deletes. A watch of /registry/ would carry
 * every write to the cluster, each value whole, to tell of thirty names that change once a month.
 * So it depends on what stands in the directory:
 *
 * - Keys alone (a leaf), or nothing: the watch of the prefix carries what is shown and nothing
 *   else. Every change is told; the kernel may keep what it was given.
 * - Directories alone: it is not watched. It is loaded again, by hops (cache/key_loader.h), when it
 *   is older than KEY_DIRECTORY_STALE_MS and somebody looks, and the kernel keeps nothing longer.
 *   That new or vanished subdirectory may show so late; what is in them is a matter of their own.
 * - Both: watched like a leaf, since values are shown. Events from below tell of new
 *   subdirectories; after a deletion below, one key is asked for to see whether anything is left.
 *   Where what comes from below is more than KEY_DIRECTORY_NOISE_RATE, the directory is treated
 *   like one of directories alone for KEY_DIRECTORY_NOISE_MS; keys that have not changed are not
 *   transferred again by a reload (cache/key_loader.h).
 *
 * - At a revision of the past: loaded once; it stays as it is, as may what the kernel was given.
 *
 * A watch takes a connection of its own where there is no TLS (protocol.md 28), so there are only
 * so many at a time (cache/keyspace.h); a directory that gets none is loaded again when it is old,
 * too.
 */
#pragma once

#include "cache/collection.h"
#include "cache/key_children.h"
#include "cache/key_reflector.h"
#include "cache/revision_clock.h"

struct key_directory;

#define KEY_DIRECTORY_STALE_MS COLLECTION_STALE_MS
/* Who looks waits for a load anew for no longer than this: then the last state is shown. */
#define KEY_DIRECTORY_PATIENCE_MS 3000
/* A failed first load is not tried again sooner than this, however often somebody looks. */
#define KEY_DIRECTORY_RETRY_MS COLLECTION_RETRY_MS
#define KEY_DIRECTORY_RETRY_DENIED_MS COLLECTION_RETRY_DENIED_MS
#define KEY_DIRECTORY_WAITERS_MAX COLLECTION_WAITERS_MAX
/* Bytes a second from below a directory that is shown for its own keys; bursts may be larger. */
#define KEY_DIRECTORY_NOISE_RATE (64U << 10)
#define KEY_DIRECTORY_NOISE_BURST (1U << 20)
#define KEY_DIRECTORY_NOISE_MS (10UL * 60 * 1000)

struct key_directory_handlers {
	/* Something changed after the first load, and shows already. On the strand. */
	void (*changed)(
		void *data, struct key_directory *directory, const struct key_change *change);
	/* A load was complete. On the strand. */
	void (*loaded)(void *data, struct key_directory *directory);
	/*
	 * What was said to last must be asked for again: from now on nothing tells of changes
	 * (key_directory_must_poll has become TRUE), or it may no more be read. On the strand.
	 */
	void (*unwatched)(void *data, struct key_directory *directory);
	/* Whether there may be one more watch. TRUE: until watch_ended. On the strand. */
	gboolean (*watch_begins)(void *data);
	void (*watch_ended)(void *data);
	void (*contact)(void *data, const struct etcd_result *result);
	/* After key_directory_stop, once and last: neither client nor handlers are called more. */
	void (*stopped)(void *data);
};

struct key_directory_options {
	struct etcd_client *client;
	struct loop *loop;
	struct strand_pool *pool;
	struct admission *admission;
	struct revision_clock *clock;
	int64_t expected; /* keys; key_loader_start */
	const struct key_directory_handlers *handlers;
	void *data;
};

struct key_directory *key_directory_create(
	const struct key_directory_options *options, const struct key_scope *scope);
struct key_directory *key_directory_ref(struct key_directory *directory);
struct key_directory *key_directory_unref(struct key_directory *directory); /* returns NULL */
/* Ends the reflector soon; whoever waits is called. What is known stays readable. */
void key_directory_stop(struct key_directory *directory);

/*
 * Makes sure that there is something to show: 0; -EINPROGRESS, and wait(data) follows unless wait
 * is NULL; or why the last load failed, with error set. Counts as use.
 */
int key_directory_look(
	struct key_directory *directory, collection_wait wait, void *data, GError **error);

/*
 * After key_directory_look returned 0: FALSE when there is no such name. *ret_snapshot is the
 * caller's reference or NULL.
 */
gboolean key_directory_find(struct key_directory *directory, const char *name, size_t length,
	struct key_snapshot **ret_snapshot, gboolean *ret_directory);
/* key_children_each under the lock: visit must not look into any directory. */
void key_directory_each(
	struct key_directory *directory, uint64_t after, key_visit visit, void *data);
size_t key_directory_longest(struct key_directory *directory);

/*
 * A change of ours was stored: the key has become snapshot, or NULL, gone, at that revision, and
 * shows so when done(data) is called, on the strand, which comes in any case. What older events and
 * loads tell does not take it back.
 */
void key_directory_apply(struct key_directory *directory, GBytes *key,
	struct key_snapshot *snapshot, int64_t revision, void (*done)(void *data), void *data);

/* Whoever waits asks again, and may be told something else meanwhile. */
void key_directory_wake(struct key_directory *directory);
/* etcd is back: what waits to be tried again is tried now, or at the next look. */
void key_directory_kick(struct key_directory *directory);
void key_directory_reconnect(struct key_directory *directory);

/* What .kubefs/status says of it. */
struct key_directory_status {
	const char *state; /* "loading", "watching", "polled", "past", "failed" */
	size_t keys;
	size_t directories;
	size_t bytes; /* of keys and values */
	int64_t revision; /* at which it was loaded last */
	uint64_t idle; /* milliseconds since the last look */
};
void key_directory_describe(struct key_directory *directory, struct key_directory_status *ret);
const struct key_scope *key_directory_scope(const struct key_directory *directory);
/* A load was complete: there is something to show. */
gboolean key_directory_is_shown(struct key_directory *directory);
gboolean key_directory_must_poll(struct key_directory *directory);
/* When a name came or went since the first load; zero: none did. */
struct timespec key_directory_changed(struct key_directory *directory);
/* Counts as a look. */
void key_directory_touch(struct key_directory *directory);
/* Milliseconds since the last look; 0 while somebody waits. */
uint64_t key_directory_idle(struct key_directory *directory);
