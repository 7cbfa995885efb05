/*
 * Objects and keys that were unlinked: gone from the tree at once, deleted on the server when the
 * process that unlinked them exits or a moment later, unless it creates the same name before: then
 * the two are one update (mv across file systems, git, tar; writes.md 4).
 */
#pragma once

#include "cache/key_snapshot.h"
#include "kubefs/place.h"
#include "kubefs/process.h"

struct filesystem;
struct removals;

#define REMOVAL_DELAY_MS 250
/* One more waits for nothing and is deleted at once. */
#define REMOVALS_MAX 10000

struct removals *removals_create(struct filesystem *filesystem);
void removals_destroy(struct removals *removals); /* NULL is fine; after removals_flush */

/*
 * Hides the object from now on and deletes it later. process may be NULL. FALSE when the mount
 * ends: nothing is hidden or deleted. Any thread.
 */
gboolean removals_add(struct removals *removals, const struct place *place,
	struct snapshot *snapshot, struct process *process);
/* The same of a key; value is what was there. */
gboolean removals_add_key(struct removals *removals, const struct place *place,
	struct key_snapshot *value, struct process *process);
/*
 * The name is created: TRUE when the same process has unlinked it just now, and nothing is deleted.
 * An object that another process unlinked is deleted now.
 */
gboolean removals_take(
	struct removals *removals, const struct place *place, const struct process *process);
/* The same of a key: *ret is what is replaced, a reference. */
gboolean removals_take_key(struct removals *removals, const struct place *place,
	const struct process *process, struct key_snapshot **ret);
/* Whether that version of a key is hidden: what others have made of it meanwhile is not. */
gboolean removals_hide_key(struct removals *removals, const struct key_snapshot *value);
/* Whether there are any at all. */
gboolean removals_are_there(struct removals *removals);
/* Whether that object is hidden. */
gboolean removals_hide(struct removals *removals, const struct context *context,
	const struct resource *resource, const struct snapshot *snapshot);
/* Deletes now what is to be deleted later: the mount ends. What is added then is not deleted. */
void removals_flush(struct removals *removals);
