/*
 * What the keys of one etcd look like, as far as anybody looked: directories (cache/
 * key_directory.h), each loaded when somebody first looks into it and let go after it has been idle
 * for long. The counterpart of cache/cache.h, and the same rules hold:
 *
 * Any thread unless said otherwise; no function waits for the network. Where something has to be
 * waited for, -EINPROGRESS is returned and wait(data) is called once, with no lock held, when it is
 * worth asking again. With wait NULL nobody is called.
 */
#pragma once

#include "cache/cache.h"
#include "cache/key_directory.h"
#include "cache/key_history.h"

struct keyspace;

/* Directories that are kept, and of these, how many are watched at a time. */
#define KEYSPACE_DIRECTORIES_MAX 100000
#define KEYSPACE_WATCHES_MAX 256

/* What the keyspace tells. Called from strands with no lock held. */
struct keyspace_handlers {
	void (*changed)(void *data, struct keyspace *keyspace, struct key_directory *directory,
		const struct key_change *change);
	/* A load of it was complete. */
	void (*loaded)(void *data, struct keyspace *keyspace, struct key_directory *directory);
	/*
	 * The directory has been idle, or tells of no more changes: whatever the kernel holds of it
	 * must be invalidated, then keyspace_retire be called, on any thread. Comes again while an
	 * idle one is not retired.
	 */
	void (*retiring)(void *data, struct keyspace *keyspace, struct key_directory *directory);
};

struct keyspace_options {
	struct etcd_client *client; /* taken over; destroyed by keyspace_stop */
	struct loop *loop;
	struct strand_pool *pool;
	GBytes *prefix; /* that all keys have which are looked at; a reference is taken */
	const struct keyspace_handlers *handlers;
	void *data;
	uint64_t idle; /* milliseconds; 0: CACHE_IDLE_MS */
	uint64_t commit_timeout; /* milliseconds; 0: COMMIT_TIMEOUT_MS */
};

struct keyspace *keyspace_create(const struct keyspace_options *options);
/*
 * Ends all that is under way, waits for it on the pool and destroys the client. No handler is
 * called afterwards. Not from a strand.
 */
void keyspace_stop(struct keyspace *keyspace);
/* After keyspace_stop, and after the pool was destroyed. NULL is fine. */
void keyspace_destroy(struct keyspace *keyspace);

/*
 * The directory of that scope: 0 with a reference in *ret, and it can be read; -EINPROGRESS; or why
 * it cannot be. Counts as use.
 */
int keyspace_look(struct keyspace *keyspace, const struct key_scope *scope, collection_wait wait,
	void *data, struct key_directory **ret, GError **error);
/* A reference to the directory if it is kept and can be shown, else NULL. Begins nothing. */
struct key_directory *keyspace_peek(struct keyspace *keyspace, const struct key_scope *scope);
/* The kernel has shown that somebody uses what it holds of the directory. Begins nothing. */
void keyspace_touch(struct keyspace *keyspace, const struct key_scope *scope);
/* The versions of a key (key_histories_look). */
int keyspace_look_back(struct keyspace *keyspace, struct key_snapshot *newest, collection_wait wait,
	void *data, struct key_history **ret, GError **error);
/* Follows keyspace_handlers.retiring: lets it go, unless it was looked into meanwhile. */
void keyspace_retire(struct keyspace *keyspace, struct key_directory *directory);

/* Grows with every change, before its handler is called (cache_changes). */
uint64_t keyspace_changes(struct keyspace *keyspace);

/* TRUE while etcd is away, with since when and why (health.h). */
gboolean keyspace_is_away(struct keyspace *keyspace, gint64 *ret_since, char **ret_message);
/* The server, for messages. Valid until keyspace_stop. */
const char *keyspace_where(struct keyspace *keyspace);

/* All that is kept. */
struct keyspace_status {
	size_t directories;
	size_t watched; /* of these */
	size_t keys;
	size_t bytes; /* of keys and values */
};
void keyspace_describe(struct keyspace *keyspace, struct keyspace_status *ret);
