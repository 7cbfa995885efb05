/*
 * KEY@/revisions/: the versions of a key that its etcd still has (cache/key_history.h), each a file
 * named for the revision that made it. All can only be read.
 */
#pragma once

#include "kubefs/key_listing.h"

#define KEY_VERSIONS "revisions"

/* Whether that directory is one of views that holds it. */
gboolean key_versions_stand_in(const struct node_key *views);
/* It, as an entry, the caller's to finish. */
void key_versions_entry(const struct node_key *views, struct layout_entry *ret);

/* layout_resolve for NODE_KEY_VERSIONS. */
int key_versions_resolve(struct filesystem *filesystem, const struct node *directory,
	const char *name, collection_wait wait, void *data, struct layout_entry *ret,
	GError **error);

/* The names that the directory lists, oldest first, as key_listing_run. */
int key_versions_list(struct filesystem *filesystem, const struct node *directory, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error);
