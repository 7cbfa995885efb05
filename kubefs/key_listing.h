/*
 * The names in a directory of keys, for READDIR.
 */
#pragma once

#include "kubefs/layout.h"

/*
 * Takes over entry; FALSE when no more names are wanted. offset is that of the name, greater than
 * those before it, and stays with it.
 */
typedef gboolean (*key_listing_add)(
	void *data, const char *name, struct layout_entry *entry, uint64_t offset);

/*
 * Calls add for each listed name with an offset greater than after. 0, -EINPROGRESS, or why the
 * directory cannot be read.
 */
int key_listing_run(struct filesystem *filesystem, const struct node *directory, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error);
