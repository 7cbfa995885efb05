/*
 * What stands in directories besides the objects that servers have: scratch files, drafts of
 * objects that are not there yet, refused texts. By directory (kubefs/place.h) and name. Any
 * thread.
 */
#pragma once

#include "kubefs/local.h"
#include "kubefs/place.h"
#include "kubefs/process.h"

struct overlay;

/* A text that could not be saved, as NAME.yaml.rejected. Immutable. */
struct rejected {
	gint references;
	struct place place; /* what it was meant for */
	char *name; /* under which it stands */
	struct process *writer; /* whose text it is, or NULL */
	int errnum;
	char *reason; /* one line */
	GBytes *text; /* with the reason in comments on top */
	mode_t mode;
	struct timespec time;
	gint64 kept; /* the same by g_get_monotonic_time */
	ino_t inode;
};

#define OVERLAY_REJECTED_MAX 100
#define OVERLAY_PASSING_MAX 1000
#define OVERLAY_REJECTED_BYTES_MAX (32UL << 20)

struct rejected *rejected_ref(struct rejected *rejected);
struct rejected *rejected_unref(struct rejected *rejected); /* returns NULL; NULL is fine */

/* One of both is set; references are the holder's. */
struct overlay_entry {
	struct local *local;
	struct rejected *rejected;
};
void overlay_entry_finish(struct overlay_entry *entry);
#define OVERLAY_ENTRY_CLEANUP __attribute__((cleanup(overlay_entry_finish)))

struct overlay *overlay_create(void);
void overlay_destroy(struct overlay *overlay); /* NULL is fine */

/* FALSE when nothing of that name is there. */
gboolean overlay_find(struct overlay *overlay, const char *directory, const char *name,
	struct overlay_entry *ret);
/* Puts a reference of local there, in place of what is. */
void overlay_put(
	struct overlay *overlay, const char *directory, const char *name, struct local *local);
/* The same of what passes by itself: when there are too many, the oldest one goes. */
void overlay_put_passing(
	struct overlay *overlay, const char *directory, const char *name, struct local *local);
/* Takes away what is there; local: only if it is that. FALSE when nothing was. */
gboolean overlay_remove(struct overlay *overlay, const char *directory, const char *name,
	const struct local *local);

/*
 * Keeps a reference of the text, in place of an older one of that name. FALSE when a file stands
 * there, which is its user's. When there are too many, the oldest ones go: *ret_evicted has their
 * paths (", " between them; g_free), else NULL.
 */
gboolean overlay_reject(struct overlay *overlay, const char *directory, const char *name,
	struct rejected *rejected, char **ret_evicted);

/*
 * Calls visit for what comes after that place, in order, until it says FALSE. No lock is held then:
 * visit may ask the overlay and the cache, whose visitors ask the overlay (overlay_has_writer).
 */
typedef gboolean (*overlay_visit)(
	void *data, uint64_t sequence, const char *name, const struct overlay_entry *entry);
void overlay_each(struct overlay *overlay, const char *directory, uint64_t after,
	overlay_visit visit, void *data);
/* TRUE when there is nothing in any directory. */
gboolean overlay_is_unused(struct overlay *overlay);
/* Whether anything stands in that directory. */
gboolean overlay_is_empty(struct overlay *overlay, const char *directory);

/*
 * The files that are being written in place of what has that name, each once for each handle: the
 * kernel must not keep what it means (writes.md 2). local is borrowed until it is removed.
 */
void overlay_add_writer(
	struct overlay *overlay, const char *directory, const char *name, struct local *local);
void overlay_remove_writer(struct overlay *overlay, const char *directory, const char *name,
	const struct local *local);
gboolean overlay_has_writer(struct overlay *overlay, const char *directory, const char *name);
/* Of struct local *, which the array has references of; maybe empty. */
GPtrArray *overlay_writers(struct overlay *overlay, const char *directory, const char *name);
