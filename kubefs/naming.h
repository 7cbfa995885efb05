/*
 * Operations on names: UNLINK, RENAME, LINK and SYMLINK of objects and scratch files (writes.md 4).
 * What begins with the name of an object ends on the server; the rest stays in memory.
 */
#pragma once

#include "kubefs/request.h"

/* request_run each. RENAME and LINK: target and target_name are where it goes. */
int naming_unlink_run(struct request *request, collection_wait wait, void *data, GError **error);
int naming_rename_run(struct request *request, collection_wait wait, void *data, GError **error);
/* node is what is linked. */
int naming_link_run(struct request *request, collection_wait wait, void *data, GError **error);
/* node is the directory, target_name the link's text. */
int naming_symlink_run(struct request *request, collection_wait wait, void *data, GError **error);

/* request.interrupt for UNLINK and RENAME. */
gboolean naming_interrupt(struct request *request, gboolean timed_out);
