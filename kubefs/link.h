/*
 * LINK and SYMLINK, which only scratch files have: a link to an object is a copy of it (writes.md
 * 4).
 */
#pragma once

#include "kubefs/request.h"

/* A request_run: node is what is linked, target and target_name are where. */
int link_hard_run(struct request *request, collection_wait wait, void *data, GError **error);
/* Likewise: node is the directory, target_name the link's text. */
int link_symbolic_run(struct request *request, collection_wait wait, void *data, GError **error);
