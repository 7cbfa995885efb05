/*
 * Which keys of etcd may be changed through the mount, decided before anything is sent. On top of
 * what -o ro, allow and deny have it (kubefs/guard.h), what belongs to a Kubernetes is not written
 * without -o etcd_registry_write, since its API server is the way in: keys below /registry, what an
 * API server keeps beside it, and any key whose value is one that an API server has stored.
 */
#pragma once

#include "cache/key_snapshot.h"
#include "client/source.h"

struct filesystem;
struct node_key;

/*
 * 0; -EROFS or -EACCES with the option named. value: what is there, or NULL. key may be the prefix
 * of a directory. Waits for nothing.
 */
int key_guard_check(const struct filesystem *filesystem, GBytes *key,
	const struct key_snapshot *value, enum source_verb verb, GError **error);
/* Whether no key at all can be written. */
gboolean key_guard_is_read_only(const struct filesystem *filesystem);
/* Why nothing can be changed of what is of etcd, or in it: that is no key of now, too. NULL: it
 * may. */
const char *key_guard_why_fixed(const struct filesystem *filesystem, const struct node_key *node);
