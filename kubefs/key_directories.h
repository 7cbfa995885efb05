/*
 * Directories of keys, as far as they are in memory alone. etcd has none: one that was made stays
 * here until a key appears in it or it is removed, and one whose keys were removed through the
 * mount stays for a while, so that rm -r finds what it is about to remove (kubefs/overlay.h).
 */
#pragma once

#include "kubefs/layout.h"
#include "kubefs/request.h"

/* How long one stays when its last key is gone. */
#define KEY_DIRECTORIES_KEEP_MS 10000

/* request_run for MKDIR and RMDIR in a directory of keys. */
int key_directories_make_run(
	struct request *request, collection_wait wait, void *data, GError **error);
int key_directories_remove_run(
	struct request *request, collection_wait wait, void *data, GError **error);

/*
 * Something is removed from the directory, perhaps the last; or, for_good, it holds what is in
 * memory alone.
 */
void key_directories_keep(
	struct filesystem *filesystem, const struct node_key *directory, gboolean for_good);

/* A key has come to be in it: it is kept no longer, nor are those above it. */
void key_directories_appeared(struct filesystem *filesystem, const struct node_key *directory);
/* Whether anything is in memory alone there, but for directories that stay for a while. */
gboolean key_directories_hold_any(struct filesystem *filesystem, const struct node_key *directory);

/* Whether what the overlay holds is such a directory, and has not had its time. */
gboolean key_directories_is_kept(const struct local *local);
/* The entry for that name, a directory, in the directory; FALSE: no directory can have it. */
gboolean key_directories_entry(struct filesystem *filesystem, const struct node_key *directory,
	const char *name, struct layout_entry *ret);

/*
 * Takes from a child of the directory, as etcd has it, what is being removed (kubefs/removal.h):
 * the key, and the directory when that goes for all that is known to be in it. Drops no reference.
 */
void key_directories_leave_out(
	struct filesystem *filesystem, const struct key_scope *scope, struct key_child *child);
