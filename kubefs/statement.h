/*
 * The files of .kubefs/, in which the daemon speaks of itself: status, errors, version.
 */
#pragma once

#include "kubefs/filesystem.h"

/* Their names, NULL-terminated, in the order of the listing. */
extern const char *const STATEMENT_NAMES[];

/* The directory of what the members of etcd say (kubefs/members.h). */
#define STATEMENT_ETCD "etcd"
/* The name of the node of a file in a directory; g_free. */
char *statement_path(const char *directory, const char *name);

/* The file's text as of now, or NULL when there is no such file. */
GBytes *statement_text(struct filesystem *filesystem, const char *name);
