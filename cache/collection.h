/*
 * One scope of a source (a resource in all namespaces, in one, or one object by name) as a store
 * that a reflector keeps true. Started by the first look. Any thread; no function waits for the
 * network.
 */
#pragma once

#include "cache/reflector.h"
#include "cache/store.h"
#include "cache/waiters.h"

struct collection;

/* A resource that cannot be watched is listed again when older than this and somebody looks. */
#define COLLECTION_STALE_MS 3000
/* A failed first list is not tried again sooner than this, however often somebody looks. */
#define COLLECTION_RETRY_MS 1000
#define COLLECTION_RETRY_DENIED_MS 10000
/* Looks that wait for one list at a time. */
#define COLLECTION_WAITERS_MAX 65536

/* How long what a change's response told outlives older news of the watch. */
#define COLLECTION_APPLIED_MS 60000

struct collection_handlers {
	/*
	 * Something changed after the first list: old is NULL for an added object, new for a
	 * removed one. Both are borrowed. The store shows the new state already. On the strand.
	 */
	void (*changed)(void *data, struct collection *collection, struct snapshot *old,
		struct snapshot *new);
	/*
	 * What was said to last must be asked for again: from now on nothing tells of changes
	 * (collection_must_poll is TRUE and was FALSE), or it may no more be read. On the strand.
	 */
	void (*unwatched)(void *data, struct collection *collection);
	void (*contact)(void *data, const struct source_result *result);
	void (*problem)(void *data, const char *text);
	/* After collection_stop, once and last: neither source nor handlers are called any more. */
	void (*stopped)(void *data);
};

struct collection_options {
	struct source *source;
	struct loop *loop;
	struct strand_pool *pool;
	struct admission *admission;
	struct protobuf_choice *protobuf; /* NULL: JSON alone is asked for */
	const struct collection_handlers *handlers;
	void *data;
	uint64_t applied; /* milliseconds; 0: COLLECTION_APPLIED_MS */
};

/* scope's strings are copied. */
struct collection *collection_create(
	const struct collection_options *options, const struct source_scope *scope);
struct collection *collection_ref(struct collection *collection);
struct collection *collection_unref(struct collection *collection); /* returns NULL; NULL is fine */
/* Ends the reflector soon; whoever waits is called. The store stays readable while referenced. */
void collection_stop(struct collection *collection);

/*
 * Makes sure that there is something to show: 0, and the store can be read; -EINPROGRESS, and
 * wait(data) follows unless wait is NULL; or why the last list failed, with error set. Counts as
 * use.
 */
int collection_look(
	struct collection *collection, collection_wait wait, void *data, GError **error);

/* A reference, or NULL. After collection_look returned 0. */
struct snapshot *collection_find(
	struct collection *collection, const char *namespace, const char *name);
/* store_each under the lock: visit must not look into any collection. */
void collection_each(struct collection *collection, const char *namespace, uint64_t after,
	store_visit visit, void *data);
/* Whether there ever was an object with a name of more than STORE_LONG_NAME bytes. */
gboolean collection_has_long_names(struct collection *collection);
size_t collection_count(struct collection *collection, const char *namespace);
struct timespec collection_changed(struct collection *collection, const char *namespace);

/*
 * Shows what a change's response told before the watch tells of it (cache/applied.h): that object
 * as it was stored, or (removed) that the object of that uid is gone, snapshot being its last known
 * state. Nothing happens when the watch is ahead of it, nor where nobody looked yet. done(data)
 * follows once, on any thread, when the store shows it and the handlers have been told.
 */
void collection_apply(struct collection *collection, struct snapshot *snapshot, gboolean removed,
	collection_wait done, void *data);

/* Whoever waits asks again, and may be told something else meanwhile. */
void collection_wake(struct collection *collection);
/* The server is back: what waits to be tried again is tried now, or at the next look. */
void collection_kick(struct collection *collection);
void collection_reconnect(struct collection *collection);

/* What .kubefs/status says of it. */
struct collection_status {
	const char *state; /* "loading", "watching", "polled", "failed" */
	const char *encoding; /* what it is asked for as: "protobuf", "json" */
	size_t objects;
	size_t bytes; /* of YAML */
	uint64_t idle; /* milliseconds since the last look */
};
void collection_describe(struct collection *collection, struct collection_status *ret);
const struct source_scope *collection_scope(const struct collection *collection);
/* A list was complete: there is something to show, even while it is listed again. */
gboolean collection_is_shown(struct collection *collection);
gboolean collection_must_poll(struct collection *collection);
/* Counts as a look. */
void collection_touch(struct collection *collection);
/* Milliseconds since the last look; 0 while somebody waits. */
uint64_t collection_idle(struct collection *collection);
