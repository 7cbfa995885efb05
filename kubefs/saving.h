/*
 * Files open for writing: OPEN, CREATE, WRITE, FLUSH, FSYNC, RELEASE and SETATTR of drafts and
 * scratch files. When a save is sent is decided here (writes.md 3).
 */
#pragma once

#include "kubefs/place.h"
#include "kubefs/request.h"

/* Milliseconds that an operation may take during which the kernel holds its directory's lock. */
#define SAVING_DIRECTORY_MS 10000

/* What the file would be saved to; FALSE: nothing. *ret is the caller's (place_finish). */
gboolean saving_place(struct filesystem *filesystem, const struct node *node, struct place *ret);

/* request_run each. */
int saving_open_run(struct request *request, collection_wait wait, void *data, GError **error);
int saving_create_run(struct request *request, collection_wait wait, void *data, GError **error);
int saving_flush_run(struct request *request, collection_wait wait, void *data, GError **error);
int saving_fsync_run(struct request *request, collection_wait wait, void *data, GError **error);
/* size: the new length (SETATTR). */
int saving_truncate_run(struct request *request, collection_wait wait, void *data, GError **error);

/* request.interrupt for FLUSH, FSYNC and SETATTR. */
gboolean saving_interrupt(struct request *request, gboolean timed_out);

/* The last descriptor of the handle is gone. */
void saving_release(struct filesystem *filesystem, uint64_t handle);
