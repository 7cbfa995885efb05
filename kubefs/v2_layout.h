/*
 * etcd2/, the keys of etcd's v2 store, read-only: beside etcd/ where the keys of v3 have a
 * directory, and in any case in .kubefs/, which no path of a key begins with. Neither lists it. The
 * store has directories, and names without slashes, none of them empty, "." or ".."; they are
 * escaped as kubefs/escape.h does. Those that begin with '_' are hidden, as they are from etcd's
 * own clients; one whose escaped name is longer than NAME_MAX is not shown.
 */
#pragma once

#include "kubefs/key_listing.h"

#define V2_LAYOUT_NAME "etcd2"

/* The top, as an entry; errors as of v2_layout_resolve. */
int v2_layout_top(struct filesystem *filesystem, collection_wait wait, void *data,
	struct layout_entry *ret, GError **error);
/* layout_resolve for NODE_V2_DIRECTORY. */
int v2_layout_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error);

/* The names that the directory lists, as key_listing_run. */
int v2_layout_list(struct filesystem *filesystem, const struct node *directory, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error);
