/*
 * The one place that knows what a path means: which node a name in a directory stands for, and
 * which names an object has.
 */
#pragma once

#include "kubefs/filesystem.h"
#include "kubefs/place.h"

/* Time-outs in seconds of what the kernel caches (fuse.md 4 and 14). */
#define LAYOUT_LONG 86400.0 /* notifications do the rest */
#define LAYOUT_USE 60.0 /* resource directories: their revalidation is the sign of use */
#define LAYOUT_POLLED 3.0 /* what nobody tells changes of */
#define LAYOUT_SOON 1.0 /* what is not known yet */

/* What a name stands for. References are the holder's. */
struct layout_entry {
	struct node_key key; /* its strings are owned, too */
	gboolean found; /* FALSE: there is no such name */
	double entry_timeout;
	double attr_timeout;
	/* Whose changes may overtake the answer; at most one of them. */
	struct cache *cache;
	struct keyspace *keyspace;
	uint64_t changes; /* cache_changes() or keyspace_changes() before anything was read */
};

void layout_entry_finish(struct layout_entry *entry);
#define LAYOUT_ENTRY_CLEANUP __attribute__((cleanup(layout_entry_finish)))

/*
 * What name means in the directory. Returns 0 with *ret filled, found or not; -EINPROGRESS; or a
 * negative errno with error set. Any thread.
 */
int layout_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error);

/* Whether something has changed since the entry's state was read. */
gboolean layout_is_overtaken(const struct layout_entry *entry);

/* Whether scratch files, and objects or keys, can stand in the directory. */
gboolean layout_holds_files(const struct node *directory);
/*
 * What would be saved under that name in the directory; FALSE: the name is nobody's. *ret is the
 * caller's (place_finish). Says nothing of whether it is there.
 */
gboolean layout_object_place(struct filesystem *filesystem, const struct node *directory,
	const char *name, struct place *ret);
/* Whether a new file of that name there is a scratch file (writes.md 6). */
gboolean layout_is_scratch(const struct node *directory, const char *name);

/* Names that are always scratch files', unless an object of that name is there (writes.md 6). */
static inline gboolean layout_is_scratch_name(const char *name)
{
	return name[0] == '.' || name[0] == '#';
}

/* An object's file name, escaped and not cut; g_free. */
char *layout_object_name(const struct snapshot *snapshot, enum node_format format);

/*
 * Where an object stands: the key of its directory (borrowing from the arguments and from
 * *ret_chunk) and its name there. *ret_chunk and the returned name are g_free's. The key is
 * that of a NODE_RESOURCE, or of a NODE_CHUNK when the name is too long for one component.
 */
char *layout_place(struct context *context, struct resource *resource, const char *namespace,
	const char *name, enum node_format format, struct node_key *ret_directory,
	char **ret_chunk);
