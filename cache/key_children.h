/*
 * What stands in one directory of keys (cache/key_scope.h): names, each a key, a directory or both,
 * in a stable order. A name has a sequence number from when it was first stored until it is gone,
 * which serves as a directory offset. Not locked: the directory guards it.
 */
#pragma once

#include "cache/key_snapshot.h"

struct key_children;

struct key_child {
	const char *name; /* any bytes but '/', not terminated */
	size_t length;
	struct key_snapshot *snapshot; /* the key of that name, or NULL */
	gboolean directory; /* there are keys below it */
};

/* One name as it was and is. Owns all it points to; one side may be nothing at all. */
struct key_change {
	GBytes *name;
	struct key_snapshot *old;
	struct key_snapshot *new;
	gboolean was_directory;
	gboolean is_directory;
};
void key_change_finish(struct key_change *change);

struct key_children *key_children_create(void);
void key_children_destroy(struct key_children *children); /* NULL is fine */

/* Borrowed until the next change; FALSE when there is no such name. */
gboolean key_children_find(const struct key_children *children, const char *name, size_t length,
	struct key_child *ret);

/*
 * Makes the name what is said; neither a key nor a directory takes it away. snapshot is taken over.
 * FALSE when nothing changed; else *ret, if not NULL, is the caller's to finish.
 */
gboolean key_children_set(struct key_children *children, const char *name, size_t length,
	struct key_snapshot *snapshot, gboolean directory, struct key_change *ret);

/* Loading anew is a diff: begin, mark what is there, end with what vanished. */
void key_children_sweep_begin(struct key_children *children);
void key_children_mark_key(struct key_children *children, const char *name, size_t length);
void key_children_mark_directory(struct key_children *children, const char *name, size_t length);
/* Takes away what was not seen; returns the changes, of struct key_change, owned by the array. */
GArray *key_children_sweep_end(struct key_children *children);

/* Calls visit for each name whose sequence is greater than after, in order, until it says FALSE. */
typedef gboolean (*key_visit)(void *data, uint64_t sequence, const struct key_child *child);
void key_children_each(
	const struct key_children *children, uint64_t after, key_visit visit, void *data);

size_t key_children_count(const struct key_children *children); /* names */
size_t key_children_keys(const struct key_children *children);
size_t key_children_directories(const struct key_children *children);
size_t key_children_bytes(const struct key_children *children); /* of keys and values */
/* The longest name that there ever was. */
size_t key_children_longest(const struct key_children *children);
