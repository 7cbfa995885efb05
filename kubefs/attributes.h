/*
 * What stat says of a node (writes.md 7).
 */
#pragma once

#include <sys/stat.h>

#include "kubefs/filesystem.h"
#include "kubefs/place.h"

/*
 * Fills *ret from what is known now; waits for nothing. st_ino is a hash of context, resource, kind
 * and uid, so it follows the object through its versions and differs between clusters that share
 * uids. Any thread.
 */
void attributes_fill(struct filesystem *filesystem, const struct node *node, struct stat *ret);

/*
 * Whether the user's rights let the file of an object, or a view of it, be saved: TRUE while they
 * are not known.
 */
gboolean attributes_may_save(const struct node_key *key);

/*
 * The permissions of a draft of such an object, and of a text of it that was refused; NULL: of a
 * key.
 */
mode_t attributes_mode_of_draft(const struct resource *resource);
/* st_ino of a draft: the object's while it is there, else one that follows the place. */
ino_t attributes_inode_of_draft(struct filesystem *filesystem, const struct place *place);

/* Whether the key may be written, or keys be made in the directory of keys. */
gboolean attributes_key_may(struct filesystem *filesystem, const struct node_key *key);

/* The same for a name that has no node yet: what a listing needs. */
ino_t attributes_inode(const struct node_key *key);
mode_t attributes_type(enum node_kind kind);
