/*
 * What stat says of a node (writes.md 7).
 */
#pragma once

#include <sys/stat.h>

#include "kubefs/filesystem.h"

/*
 * Fills *ret from what is known now; waits for nothing. st_ino is a hash of context, resource, kind
 * and uid, so it follows the object through its versions and differs between clusters that share
 * uids. Any thread.
 */
void attributes_fill(struct filesystem *filesystem, const struct node *node, struct stat *ret);

/* The same for a name that has no node yet: what a listing needs. */
ino_t attributes_inode(const struct node_key *key);
mode_t attributes_type(enum node_kind kind);
