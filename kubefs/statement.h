/*
 * The files of .kubefs/, in which the daemon speaks of itself: status, errors, version.
 */
#pragma once

#include "kubefs/filesystem.h"

/* Their names, NULL-terminated, in the order of the listing. */
extern const char *const STATEMENT_NAMES[];

/* The file's text as of now, or NULL when there is no such file. */
GBytes *statement_text(struct filesystem *filesystem, const char *name);
