/*
 * Places of keys (kubefs/place.h): which key a name in a directory of keys would be saved to. Both
 * of a key's names are of one place, which stands under the plain one.
 */
#pragma once

#include "client/source.h"
#include "kubefs/place.h"

/* FALSE: no key can have that name there. *ret is the caller's (place_finish). */
gboolean key_place_of_name(struct filesystem *filesystem, const struct node_key *directory,
	const char *name, struct place *ret);
/* FALSE: the key is not below this mount. */
gboolean key_place_of_key(struct filesystem *filesystem, GBytes *key, struct place *ret);

/*
 * Names that are always scratch files' in a directory of keys, unless a key of that name is there:
 * those that begin with '.' or '#' or end in '~', and sed's. The escaped path is always the key's.
 */
gboolean key_place_is_scratch(const char *name);

/*
 * What the place's key is now: 0 with *ret a reference or NULL, there is none, and whether it is
 * also a directory; -EINPROGRESS, and wait(data) follows; or why it cannot be told. A key that is
 * being removed (kubefs/removal.h) is not there.
 */
int key_place_look(const struct place *place, collection_wait wait, void *data,
	struct key_snapshot **ret, gboolean *ret_directory, GError **error);
/* The same as far as it is known, FALSE: nothing of that name. Begins nothing. */
gboolean key_place_peek(const struct place *place);

/* key_guard_check of the place's key, with its path before the reason. */
int key_place_check(const struct place *place, const struct key_snapshot *value,
	enum source_verb verb, GError **error);
