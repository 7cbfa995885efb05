/*
 * One version of one key of etcd: immutable, reference-counted. The bytes of the value are shared.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <time.h>

#include "client/etcd.h"

struct key_snapshot {
	gint references;
	GBytes *value;
	int64_t create_revision;
	int64_t mod_revision;
	int64_t version;
	int64_t lease;
	struct timespec seen; /* when its mod_revision was (cache/revision_clock.h) */
	size_t key_length;
	char key[]; /* NUL-terminated for debuggers; may hold NULs */
};

struct key_snapshot *key_snapshot_create(const struct etcd_kv *kv, struct timespec seen);
struct key_snapshot *key_snapshot_ref(struct key_snapshot *snapshot);
/* Returns NULL; NULL is fine. */
struct key_snapshot *key_snapshot_unref(struct key_snapshot *snapshot);
void key_snapshot_unref_pointer(struct key_snapshot **snapshot);

#define KEY_SNAPSHOT_CLEANUP __attribute__((cleanup(key_snapshot_unref_pointer)))

/* Whether kv is that very version; within one history a revision changes a key once. */
gboolean key_snapshot_is(const struct key_snapshot *snapshot, const struct etcd_kv *kv);
