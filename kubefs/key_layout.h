/*
 * What names in directories of keys stand for (kubefs/key_path.h), and where a key stands.
 */
#pragma once

#include "kubefs/layout.h"

/* The key of a directory's node; it borrows from scope and chunk ("" for the directory itself). */
struct node_key key_layout_directory(const struct key_scope *scope, const char *chunk);
/* The reverse; it borrows from key. */
struct key_scope key_layout_scope(const struct node_key *key);
const char *key_layout_chunk(const struct node_key *key);

/* layout_resolve for NODE_KEYS. */
int key_layout_resolve(struct filesystem *filesystem, const struct node *directory,
	const char *name, collection_wait wait, void *data, struct layout_entry *ret,
	GError **error);
/* The directory of all keys, as an entry, and its name where they are not at the mount point. */
#define KEY_LAYOUT_TOP "etcd"
void key_layout_top(struct filesystem *filesystem, struct layout_entry *ret);

/* What a name in the directory stands for: entries for the kernel, the caller's to finish. */
void key_layout_key_entry(struct filesystem *filesystem, const struct key_scope *scope,
	struct key_snapshot *snapshot, double timeout, struct layout_entry *ret);
void key_layout_directory_entry(struct filesystem *filesystem, const struct key_scope *scope,
	const char *chunk, double timeout, struct layout_entry *ret);

/* "%." in a directory. */
struct key_layout_slashless {
	gboolean possible; /* FALSE: never in this one */
	gboolean there; /* there are such keys now */
	struct key_scope scope; /* its own; key_scope_finish */
};
/* 0; -EINPROGRESS, and wait(data) follows; or why it cannot be told: *ret is empty then. */
int key_layout_find_slashless(struct filesystem *filesystem, const struct key_scope *scope,
	collection_wait wait, void *data, struct key_layout_slashless *ret, GError **error);

/* Whether a name is cut right behind that chunk; one that is being removed does not count. */
gboolean key_layout_has_chunk(
	struct filesystem *filesystem, struct key_directory *directory, const char *chunk);
/* How long what stands in the directory is good for. */
double key_layout_timeout(struct key_directory *directory);
/* Whether the name's path is short enough to be shown. base: that of its directory. */
gboolean key_layout_fits(size_t base, const char *escaped);
/* The length of a directory's path below the mount point of the whole file system. */
size_t key_layout_base(struct filesystem *filesystem, const struct key_scope *scope);
/* Whether every name of the directory fits NAME_MAX and PATH_MAX, however it is escaped. */
gboolean key_layout_is_short(size_t base, struct key_directory *directory);

/* The kernel's node of the directory in which the escaped name stands; 0 when it does not hold it.
 * *ret_component is the name there; g_free.
 */
uint64_t key_layout_locate(struct filesystem *filesystem, const struct key_scope *scope,
	const char *escaped, char **ret_component);
