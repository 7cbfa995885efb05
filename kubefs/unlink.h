/*
 * UNLINK: an object or a key is deleted on the server, now or a moment later (kubefs/removal.h); a
 * scratch file, a draft or a refused text is only forgotten (writes.md 4).
 */
#pragma once

#include "kubefs/request.h"

/* A request_run, and its request.interrupt. */
int unlink_run(struct request *request, collection_wait wait, void *data, GError **error);
gboolean unlink_interrupt(struct request *request, gboolean timed_out);
