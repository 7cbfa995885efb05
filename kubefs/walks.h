/*
 * Which processes have listed a resource, a namespace, or a directory above it, lately: rm -r, find
 * -delete and rsync --delete reach the file system as UNLINKs first and RMDIR last (writes.md 4),
 * and what stands for something big is not emptied by them (design.md 3). Bounded. Any thread.
 */
#pragma once

#include "kubefs/place.h"
#include "kubefs/process.h"

struct walks;

#define WALK_MS 10000
#define WALKS_MAX 4096

struct walks *walks_create(void);
void walks_destroy(struct walks *walks); /* NULL is fine */

/* The process lists that directory; NULL: unknown. */
void walks_note(struct walks *walks, struct process *process, const struct node *directory);
/* Whether the process has listed the place's directory, or one above it, within WALK_MS. */
gboolean walks_are_recent(
	struct walks *walks, const struct process *process, const struct place *place);
