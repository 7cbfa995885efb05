/*
 * .revisions/REVISION/, all keys as they were then: the same directories and files as at the mount
 * point of the keys (kubefs/key_layout.h), which change no more. etcd has the past until it is
 * compacted.
 */
#pragma once

#include "kubefs/layout.h"

/* .revisions/ in the directory of that scope, when it is the mount point of the keys. */
void key_revisions_top(
	struct filesystem *filesystem, const struct key_scope *scope, struct layout_entry *ret);

/* layout_resolve for NODE_REVISIONS: -ESTALE when the revision was compacted. */
int key_revisions_resolve(struct filesystem *filesystem, const char *name, collection_wait wait,
	void *data, struct layout_entry *ret, GError **error);

/* One revision, one name; FALSE: it is none. */
gboolean key_revisions_parse(const char *name, int64_t *ret);
