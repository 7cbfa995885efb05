/*
 * The keys of etcd's v2 store (client/etcd_v2.h), asked for when somebody looks. Any thread;
 * nothing waits.
 */
#pragma once

#include "cache/key_snapshot.h"
#include "cache/waiters.h"

struct v2_keys;

/* What is kept: answers, and the bytes of their values. */
#define V2_ANSWERS_MAX 256
#define V2_BYTES_MAX ((size_t)128 << 20)

struct v2_child {
	char *name; /* escaped (kubefs/escape.h) */
	gboolean directory;
	int64_t created_index;
	struct key_snapshot *value; /* of a key */
};

/* What the store said of one path. Immutable. */
struct v2_answer {
	gint references;
	struct key_snapshot *value; /* of a key; NULL: it is a directory */
	GPtrArray *children; /* of struct v2_child *, by the order of their creation */
	GHashTable *names; /* of these: name -> struct v2_child * */
	size_t bytes; /* of the values */
};

void v2_answer_unref(struct v2_answer *answer);
void v2_answer_unref_pointer(struct v2_answer **answer);
#define V2_ANSWER_CLEANUP __attribute__((cleanup(v2_answer_unref_pointer)))

/* client is borrowed. */
struct v2_keys *v2_keys_create(struct etcd_client *client, struct strand_pool *pool);
/* After the client was destroyed. NULL is fine. */
void v2_keys_destroy(struct v2_keys *keys);

/*
 * What stands at a path of escaped components, "" for the top: 0 with a reference in *ret, as of
 * the last LAYOUT_POLLED seconds; -EINPROGRESS, and wait(data) follows unless wait is NULL;
 * -ENOENT; or why nobody told, with error set.
 */
int v2_keys_look(struct v2_keys *keys, const char *path, collection_wait wait, void *data,
	struct v2_answer **ret, GError **error);
