/*
 * NAME@/, the unlisted directory of what else there is to see of an object.
 */
#pragma once

#include "kubefs/layout.h"

#define VIEWS_SUFFIX "@"
#define VIEWS_STATUS "status.yaml" /* the object, to edit its status subresource */
#define VIEWS_SCALE "scale" /* the number of replicas */
#define VIEWS_DRY_RUN "dry_run.yaml" /* what the last save would have made of it (-o dry_run) */

/* What would be saved under that name in the directory of that key; FALSE: nothing. */
gboolean views_name_place(const struct node_key *directory, const char *name, struct place *ret);
/* The same for the key of a NODE_VIEW. */
gboolean views_place(const struct node_key *view, struct place *ret);

/* What the view of that key is saved to: "status", "scale", or NULL for one that is not saved. */
const char *views_subresource(const struct node_key *view);

/* Whether there is a preview of that object of a resource's directory. */
gboolean views_have_preview(
	struct filesystem *filesystem, const struct node_key *directory, const char *object);

/* As layout_resolve, for a NODE_VIEWS directory. */
int views_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error);

/* The names that the directory lists, after that index: NULL at the end. */
const char *views_name_at(
	struct filesystem *filesystem, const struct node *directory, uint64_t *index);
