/*
 * READDIR and READDIRPLUS. Offsets are places in an order that survives insertions and deletions:
 * an object keeps its place as long as it exists.
 */
#pragma once

#include "kubefs/request.h"

/* request_runs. */
int listing_run(struct request *request, collection_wait wait, void *data, GError **error);
int listing_run_plus(struct request *request, collection_wait wait, void *data, GError **error);

/* For kubefs/listing_ahead.h. */
void listing_drop(void *piece);
