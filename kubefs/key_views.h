/*
 * KEY@/, the unlisted directory of what else there is to see of a key:
 *
 *	raw	the bytes of the value
 *	yaml	the object that it holds as YAML, where it holds one (cache/stored_object.h)
 *	json	the same as JSON
 *	revisions/	what it was before (kubefs/key_versions.h); not of a key in the past
 *
 * A file is that of the version that the key has when its name is looked up.
 */
#pragma once

#include "kubefs/key_listing.h"

/* The views of a key that is there: an entry, the caller's to finish. */
void key_views_entry(
	const struct key_scope *scope, const char *name, size_t length, struct layout_entry *ret);

/*
 * A file as an entry, whose time-outs are the caller's: 0, or why it cannot be (stored_object_read)
 * with error set.
 */
int key_views_file(struct filesystem *filesystem, const struct key_scope *scope,
	struct key_snapshot *snapshot, enum node_format format, struct layout_entry *ret,
	GError **error);

/*
 * The key that NODE_KEY_VIEWS or NODE_KEY_VERSIONS is of; *ret is a reference, NULL when it is
 * gone.
 */
int key_views_find(struct filesystem *filesystem, const struct node *directory,
	collection_wait wait, void *data, struct key_snapshot **ret, GError **error);

/* layout_resolve for NODE_KEY_VIEWS. */
int key_views_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error);

/* The names that the directory lists, as key_listing_run. */
int key_views_list(struct filesystem *filesystem, const struct node *directory, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error);
