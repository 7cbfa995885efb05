/*
 * RENAME: a scratch file that is renamed onto an object's name is saved there, an object that is
 * renamed to a scratch file's is copied and stays, and scratch files are renamed like files
 * (writes.md 4).
 */
#pragma once

#include "kubefs/request.h"

/* A request_run, and its request.interrupt; target and target_name are where it goes. */
int rename_run(struct request *request, collection_wait wait, void *data, GError **error);
gboolean rename_interrupt(struct request *request, gboolean timed_out);
