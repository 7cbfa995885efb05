/*
 * LOOKUP and what READDIRPLUS shares with it: from a name's meaning to a node that the kernel may
 * hold, and the check that the answer was not overtaken by a change.
 */
#pragma once

#include "kubefs/layout.h"
#include "kubefs/request.h"

/* request_run for LOOKUP. */
int lookup_run(struct request *request, collection_wait wait, void *data, GError **error);

/*
 * Enters the node of a found entry and fills *ret for the kernel, which holds one more lookup of it
 * then (undone by node_table_forget when the reply does not arrive).
 */
int lookup_enter(struct filesystem *filesystem, const struct layout_entry *entry,
	struct fuse_entry_param *ret, GError **error);

/*
 * Answers the request that made local with its new node; CREATE with info. FALSE when nobody waits
 * for the answer any more: what info holds is the caller's then.
 */
gboolean lookup_reply_local(
	struct request *request, struct local *local, struct fuse_file_info *info);

/*
 * After the reply for entry, which stands in the directory as name: when something changed since
 * its state was read, makes the kernel ask again if it was given something else than what is true
 * now (fuse.md 8).
 */
void lookup_verify(struct filesystem *filesystem, const struct node *directory, const char *name,
	const struct layout_entry *entry);
