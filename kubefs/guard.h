/*
 * What may be sent, as -o allow, -o deny and -o ro have it: on top of what the server allows, and
 * decided before anything is sent. Immutable once the command line was read; then any thread.
 */
#pragma once

#include "kubefs/context.h"
#include "kubefs/journal.h"

struct guard;

enum guard_effect {
	GUARD_ALLOW,
	GUARD_DENY,
};

/* One that refuses nothing but what goes to read-only contexts. */
struct guard *guard_create(void);
void guard_destroy(struct guard *guard); /* NULL is fine */

/*
 * Adds items, joined with ':', each [RESOURCE][/VERB]: RESOURCE any name that kubectl accepts, or
 * "*", which is also what a missing one means; VERB create, update, delete or "*", likewise.
 * -EINVAL with a message that names the option; the items before the wrong one are added then.
 */
int guard_add(struct guard *guard, enum guard_effect effect, const char *list, GError **error);

/*
 * Whether the change may be sent to the context: 0; -EROFS when the context is read-only; -EACCES
 * when an item of -o deny names it, or -o allow was given and no item of it does. The message names
 * the option. A name means what the context's catalog says that it does now; one that the catalog
 * does not know means resources that have it themselves. Both forms of events are one resource.
 * guard may be NULL. Waits for nothing.
 */
int guard_check(const struct guard *guard, const struct context *context,
	const struct resource *resource, enum source_verb verb, GError **error);

/*
 * The same for a key of etcd, of which there are no contexts: an item names it with "*", or with
 * the word etcd.
 */
int guard_check_keys(const struct guard *guard, enum source_verb verb, GError **error);

/*
 * Notes a warning for each item that names a resource which no context (of struct context *) has
 * now: often a slip of the pen. For none while a context has no catalog.
 */
void guard_warn(const struct guard *guard, const GPtrArray *contexts, struct journal *journal);
