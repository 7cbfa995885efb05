/*
 * etcd2/, the keys of etcd's v2 store, read-only: beside etcd/ where the keys of v3 have a
 * directory, and in any case in .kubefs/, which no path of a key begins with. Neither lists it. The
 * store has directories, and names without slashes, none of them empty, "." or ".."; they are
 * escaped as kubefs/escape.h does. Those that begin with '_' are hidden, as they are from etcd's
 * own clients; one whose escaped name is longer than NAME_MAX is not shown.
 */
#pragma once

#include "kubefs/layout.h"

#define V2_LAYOUT_NAME "etcd2"

/* The top, as an entry; errors as of v2_layout_resolve. */
int v2_layout_top(struct filesystem *filesystem, collection_wait wait, void *data,
	struct layout_entry *ret, GError **error);
/* layout_resolve for NODE_V2_DIRECTORY. */
int v2_layout_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error);

/* Hands out name, entry (taken over) and offset; FALSE ends it. */
typedef gboolean (*v2_layout_add)(
	void *data, const char *name, struct layout_entry *entry, uint64_t offset);
/* Those behind the offset after. */
int v2_layout_list(struct filesystem *filesystem, const struct node *directory, uint64_t after,
	collection_wait wait, void *data, v2_layout_add add, void *add_data, GError **error);
