/*
 * The conflicts of a merge, as a person is told of them.
 */
#pragma once

#include <glib.h>

#include "cache/merge_walk.h"

#define MERGE_CONFLICTS_NAMED 3

struct merge_conflicts {
	char *paths[MERGE_CONFLICTS_NAMED];
	size_t count; /* also of those that are not named */
};

void merge_conflicts_finish(struct merge_conflicts *conflicts);

/* Notes one at the entry under way of top; what tells more of it, or is "". */
void merge_conflicts_add(
	struct merge_conflicts *conflicts, const struct merge_frame *top, const char *what);

/* Returns -EBUSY. There is one at least. */
int merge_conflicts_fail(const struct merge_conflicts *conflicts, GError **error);
