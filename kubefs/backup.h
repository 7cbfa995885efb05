/*
 * Which process has moved which object aside to save over it: vim and emacs rename the file to a
 * backup, and when the save fails unlink what they made and rename the backup back (writes.md 4).
 * Bounded. Any thread.
 */
#pragma once

#include "kubefs/place.h"
#include "kubefs/process.h"

struct backups;

/* The oldest is forgotten first. */
#define BACKUPS_MAX 256

struct backups *backups_create(void);
void backups_destroy(struct backups *backups); /* NULL is fine */

/* The process has moved the file of place to that name; process may be NULL: nothing is noted. */
void backups_add(struct backups *backups, struct process *process, const struct place *place,
	const char *directory, const char *name);
/* The process has saved: what it moved aside before has served its turn. */
void backups_forget(
	struct backups *backups, const struct process *process, const struct place *place);
/* Whether that file is one that the process has moved place's aside to. */
gboolean backups_is_one(struct backups *backups, const struct process *process,
	const struct place *place, const char *directory, const char *name);
/* The directory and name of the process's backup of place, both g_free's; FALSE: it has none. */
gboolean backups_find(struct backups *backups, const struct process *process,
	const struct place *place, char **ret_directory, char **ret_name);
