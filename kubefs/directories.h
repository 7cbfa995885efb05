/*
 * MKDIR and RMDIR (of keys: kubefs/key_directories.h): what a directory stands for is something
 * big. Only namespaces are made; they are removed where the user has asked for that (-o
 * rmdir_namespaces).
 */
#pragma once

#include "kubefs/request.h"

/* request_run each. */
int directories_make_run(struct request *request, collection_wait wait, void *data, GError **error);
int directories_remove_run(
	struct request *request, collection_wait wait, void *data, GError **error);
/* request.interrupt for both. */
gboolean directories_interrupt(struct request *request, gboolean timed_out);
