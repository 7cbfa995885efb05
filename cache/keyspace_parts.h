/*
 * What a keyspace lends to the commits of its keys (cache/key_commit.h).
 */
#pragma once

#include "cache/keyspace.h"

struct key_commit;

const struct keyspace_options *keyspace_get_options(struct keyspace *keyspace);

/*
 * Counts commit until keyspace_leave; keyspace_stop ends it (key_commit_stop) and waits for that.
 * 0; -EAGAIN: there are COMMIT_MAX already; -ESHUTDOWN: the keyspace is stopped. Counted in either
 * case but the last.
 */
int keyspace_enter(struct keyspace *keyspace, struct key_commit *commit);
void keyspace_leave(struct keyspace *keyspace, struct key_commit *commit);

/*
 * The key has become snapshot, or NULL, gone, at that revision: every directory that is kept shows
 * it when done(data) is called, once, on any thread (key_directory_apply).
 */
void keyspace_apply(struct keyspace *keyspace, GBytes *key, struct key_snapshot *snapshot,
	int64_t revision, void (*done)(void *data), void *data);
