/*
 * One directory of keys: the keys of etcd that begin with a prefix, up to their next '/'. What
 * stands in it are names (any bytes but '/', also none at all); a name is a key, a directory of
 * further keys, or both.
 */
#pragma once

#include <glib.h>

#include "client/etcd.h"

struct key_scope {
	GBytes *prefix; /* "/registry/pods/"; empty: every key */
	/*
	 * Keys that have a '/' right after the prefix are no part of it: where the prefix does not
	 * end in '/', these are the tree that a mount shows, and the others stand apart.
	 */
	gboolean slashless;
	int64_t revision; /* as it was then: nothing changes any more; 0: as it is now */
};

/* What a key is in a directory. The name points into the key. */
struct key_part {
	const char *name;
	size_t length;
	gboolean deeper; /* the key is in the directory of that name */
};

/* FALSE when the key is no part of the scope. */
gboolean key_scope_find(const struct key_scope *scope, GBytes *key, struct key_part *ret);

/* Whether both are directories in the same one, at whatever revision. */
gboolean key_scope_are_siblings(const struct key_scope *a, const struct key_scope *b);

/* At most that many ranges hold all keys of a scope and no others. */
#define KEY_SCOPE_RANGES 2
struct key_ranges {
	struct etcd_keys at[KEY_SCOPE_RANGES];
	guint count;
};
void key_scope_ranges(const struct key_scope *scope, struct key_ranges *ret);
/* The first of all keys that do not begin with prefix and come after it; empty: there is none. */
GBytes *key_scope_end_of_prefix(GBytes *prefix);
void key_ranges_finish(struct key_ranges *ranges);

/* All keys that begin with prefix, name and '/'. Free with key_range_finish. */
struct etcd_keys key_scope_below(const struct key_scope *scope, const char *name, size_t length);
void key_range_finish(struct etcd_keys *keys);

/* The bytes of prefix and of name, and the byte last behind them. */
#define KEY_JOIN_NONE (-1)
GBytes *key_join(GBytes *prefix, const char *name, size_t length, int last);

/* The first key that can come after key itself, and after all that is below name. */
GBytes *key_scope_after(GBytes *key);
GBytes *key_scope_after_directory(const struct key_scope *scope, const char *name, size_t length);

void key_scope_copy(struct key_scope *to, const struct key_scope *from);
void key_scope_finish(struct key_scope *scope);
#define KEY_SCOPE_CLEANUP __attribute__((cleanup(key_scope_finish)))
gboolean key_scope_equal(const struct key_scope *a, const struct key_scope *b);
guint key_scope_hash(const void *scope);
