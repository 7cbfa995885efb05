/*
 * What a name in a directory stands for, to who removes or renames it.
 */
#pragma once

#include "kubefs/filesystem.h"
#include "kubefs/overlay.h"

struct named {
	char *directory; /* kubefs/place.h */
	struct local *local; /* a scratch file, or a draft of what is not there yet */
	struct rejected *rejected;
	struct snapshot *snapshot; /* an object */
	struct key_snapshot *value; /* a key */
	gboolean is_directory; /* of keys; value may be set, too */
	gboolean is_place; /* place is set: the name can be an object's, or a key's */
	struct place place;
};

/*
 * 0 with *ret filled, which may say that nothing is there; or a negative errno with error set,
 * where nothing can be removed or renamed. Finish *ret, which begins zeroed, in either case.
 */
int named_find(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct named *ret, GError **error);
void named_finish(struct named *named);
#define NAMED_CLEANUP __attribute__((cleanup(named_finish)))

/* A scratch file with a copy of the object or of the refused text; NULL with error set. */
struct local *named_copy(struct filesystem *filesystem, const struct named *named, GError **error);
