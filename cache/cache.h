/*
 * What one cluster looks like, kept true by watches: the catalog of its resources and their
 * objects. A collection is listed when somebody first looks into it and stops after it has been
 * idle for long.
 *
 * Any thread unless said otherwise; no function waits for the network. Where something has to be
 * waited for, -EINPROGRESS is returned and wait(data) is called once, with no lock held, when it is
 * worth asking again. With wait NULL nobody is called.
 */
#pragma once

#include "cache/catalog.h"
#include "cache/collection.h"
#include "cache/health.h"

struct cache;

/* Lists under way at a time (design.md 2). */
#define CACHE_LISTS_MAX 4
/* Where lists are allowed in single namespaces only, there is one for each that was looked into. */
#define CACHE_COLLECTIONS_MAX 20000
/* Single objects that are watched by name where neither list is allowed. */
#define CACHE_NAMED_MAX 1024
/* They are let go sooner than whole collections, since each costs a watch. */
#define CACHE_NAMED_IDLE_MS (5UL * 60 * 1000)
/* A collection that nobody looked into for this long is let go. */
#define CACHE_IDLE_MS (30UL * 60 * 1000)
/* Milliseconds that a commit (cache/commit.h) may take, its wait for others included. */
#define COMMIT_TIMEOUT_MS 30000
/* Discovery is repeated at this age where CRDs and APIServices cannot be watched. */
#define CACHE_CATALOG_MS (10UL * 60 * 1000)

/* What the cache tells. Called from strands with no lock held. */
struct cache_handlers {
	/* old is NULL for an added object, new for a removed one; both borrowed. */
	void (*object_changed)(void *data, struct cache *cache, struct resource *resource,
		struct snapshot *old, struct snapshot *new);
	/* old is NULL the first time; both borrowed. */
	void (*catalog_changed)(
		void *data, struct cache *cache, struct catalog *old, struct catalog *new);
	/*
	 * The collection has been idle, or tells of no more changes: whatever the kernel holds of
	 * it must be invalidated, then cache_retire be called, on any thread. Comes again while an
	 * idle one is not retired.
	 */
	void (*retiring)(void *data, struct cache *cache, struct collection *collection);
	/*
	 * What the caller may do in the namespace is known now; "": the cluster. again: it is other
	 * than was known before, where unknown had counted as allowed.
	 */
	void (*permissions_changed)(
		void *data, struct cache *cache, const char *namespace, gboolean again);
	/* Something a person should know of. One line. */
	void (*problem)(void *data, struct cache *cache, const char *text);
};

struct cache_options {
	struct source *source; /* taken over; destroyed by cache_stop */
	struct loop *loop;
	struct strand_pool *pool;
	const struct cache_handlers *handlers;
	void *data;
	uint64_t idle; /* milliseconds; 0: CACHE_IDLE_MS */
	uint64_t commit_timeout; /* milliseconds; 0: COMMIT_TIMEOUT_MS */
	gboolean json; /* nothing is asked for as protobuf */
};

/* Begins with discovery at once. */
struct cache *cache_create(const struct cache_options *options);
/*
 * Ends all that is under way, waits for it on the pool and destroys the source. No handler is
 * called afterwards. Not from a strand.
 */
void cache_stop(struct cache *cache);
/* After cache_stop, and after the pool was destroyed. NULL is fine. */
void cache_destroy(struct cache *cache);

/* 0 with a reference in *ret; -EINPROGRESS; or why discovery failed. */
int cache_catalog(struct cache *cache, collection_wait wait, void *data, struct catalog **ret,
	GError **error);
/* The catalog as it is now, a reference, or NULL. */
struct catalog *cache_catalog_now(struct cache *cache);

/*
 * The collection that can answer for the resource in the namespace ("" for cluster-scoped), and, if
 * name is not NULL, for that object: the one of all namespaces, else the namespace's, else the
 * single object's, as far down as is forbidden (403) or impossible. 0 with a reference in *ret;
 * -EINPROGRESS; or a negative errno. Counts as use.
 */
int cache_look(struct cache *cache, struct resource *resource, const char *namespace,
	const char *name, collection_wait wait, void *data, struct collection **ret,
	GError **error);
/* One object: 0 with a reference in *ret, -ENOENT when it is not there, else as cache_look. */
int cache_find(struct cache *cache, struct resource *resource, const char *namespace,
	const char *name, collection_wait wait, void *data, struct snapshot **ret, GError **error);

/* A reference to the object if some collection holds it already, else NULL. Begins nothing. */
struct snapshot *cache_peek(struct cache *cache, const struct resource *resource,
	const char *namespace, const char *name);

/*
 * When an object was last added to or removed from the resource in the namespace, as far as anybody
 * looked; zero when that is not known. Begins nothing.
 */
struct timespec cache_changed(
	struct cache *cache, const struct resource *resource, const char *namespace);

/*
 * The kernel has shown that somebody uses what it holds of the resource in the namespace ("" for
 * cluster-scoped): counts as a look where there is a collection, and begins none.
 */
void cache_touch(struct cache *cache, const struct resource *resource, const char *namespace);

/*
 * Shows what the response of a change told, before the watch does, in every collection that holds
 * the object: as it was stored, or (removed) that the object of that uid is gone, snapshot being
 * its last known state. done(data) follows once, on any thread, when all of them show it.
 */
void cache_apply(struct cache *cache, const struct resource *resource, struct snapshot *snapshot,
	gboolean removed, collection_wait done, void *data);

/* Follows cache_handlers.retiring: lets the collection go, unless it was looked into meanwhile. */
void cache_retire(struct cache *cache, struct collection *collection);

/*
 * Grows by at least one with every change, before its handler is called: a reader who sees it
 * unmoved has seen the latest state throughout.
 */
uint64_t cache_changes(struct cache *cache);

/*
 * Whether the caller may do that to the resource, or to that subresource of it (NULL: itself), in
 * the namespace ("" for the cluster): FALSE when the server says no, TRUE while it is not known
 * (cache/permissions.h). Begins to ask.
 */
gboolean cache_may(struct cache *cache, const struct resource *resource, const char *subresource,
	const char *namespace, const char *verb);

/*
 * What the server says of that object (or its subresource) now, for what no collection holds. done
 * comes once, on a strand, and before cache_stop returns. Any thread; not after cache_stop.
 */
void cache_get(struct cache *cache, const struct source_scope *scope,
	const struct source_get_handlers *handlers, void *data);

/* TRUE while the server is away, with since when and why (health.h). */
gboolean cache_is_away(struct cache *cache, gint64 *ret_since, char **ret_message);
/* The server, for messages: "https://10.0.0.1:6443". Valid until cache_stop. */
const char *cache_where(struct cache *cache);
/* References to all collections; free with g_ptr_array_unref. */
GPtrArray *cache_collections(struct cache *cache);
