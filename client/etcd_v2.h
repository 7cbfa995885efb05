/*
 * The keys of etcd's v2 store, which etcd before 3.6 has with --enable-v2. They are apart from
 * those of v3, and have directories of their own. They are read, never written.
 *
 * Source: etcd's Documentation/v2/api.md.
 */
#pragma once

#include "client/etcd.h"

/* Bytes of the answer of one directory, the values of its keys included. */
#define ETCD_V2_BYTES_MAX ((size_t)64 << 20)

/* A key or a directory. */
struct etcd_v2_node {
	GBytes *name; /* its last component; empty at the top */
	gboolean directory;
	GBytes *value; /* of a key */
	int64_t created_index; /* like revisions; 0 at the top */
	int64_t modified_index;
};

struct etcd_v2_handlers {
	/*
	 * Exactly once; on failure node is NULL. children: of struct etcd_v2_node *, those of a
	 * directory but for the hidden ones, whose names begin with '_'. Both are borrowed.
	 * errnum is EOPNOTSUPP when the server has no v2 store.
	 */
	void (*done)(void *data, const struct etcd_result *result, const struct etcd_v2_node *node,
		const GPtrArray *children);
};

/* path: "" for the top, else "/" and components, their bytes as they are. */
struct etcd_call *etcd_v2_get(struct etcd_client *client, GBytes *path,
	const struct etcd_v2_handlers *handlers, void *data, struct strand *strand);
