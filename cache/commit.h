/*
 * Saves: from a user's text to a change that the server has validated and stored, never over
 * somebody else's (design.md Writes, writes.md 5 and 6). Knows nothing of files.
 *
 * A commit reads the text (cache/manifest.h), finds its base, merges it with what is there
 * (cache/merge.h), sends it guarded by that version, and tries again a bounded number of times when
 * the version moved. Commits of one object run one after another. Once a change was stored, the
 * cache shows it before the outcome is told.
 *
 * Where an answer is lost, what is there then tells what became of the change:
 * - The version that it was sent against is still there: it is sent again. That is safe, for both
 *   are guarded by that version (a creation by the name, a deletion by the uid): one of them can
 *   succeed at most.
 * - All that the change changed is there: it has arrived. To undo what another one undid meanwhile
 *   cannot follow from that.
 * - Only status and version moved, the generation did not, and what was sent would have moved it:
 *   it has not arrived, and never will; it is merged and sent again.
 * - Anything else (others wrote, too) tells nothing: EIO, uncertain. To send it again could undo
 *   what somebody did on top of it.
 */
#pragma once

#include "cache/cache.h"

/* How often a version may move under a commit before it is EBUSY. */
#define COMMIT_TRIES_MAX 5
/* Commits under way or queued in one cache; one more is EAGAIN. */
#define COMMIT_MAX 1024

struct commit;

struct commit_request {
	struct resource *resource;
	const char *namespace; /* "" for cluster-scoped */
	const char *name;
	const char *subresource; /* NULL, "status" or "scale" */
	GBytes *text; /* YAML, or JSON when json */
	gboolean json;
	/*
	 * The uid of the object that the writer opened, or NULL. Without that object, text that
	 * names it is no copy of another one, and whatever else is there is not replaced.
	 */
	const char *uid;
	/*
	 * The uids of objects of that name in other clusters, or NULL: text that names one of them
	 * is a copy of it, and of no object that was here before.
	 */
	char *const *elsewhere;
	/*
	 * The same writer's last accepted text for this object, or NULL: the base when it has one
	 * (writes.md 5a). A text that names the same version as text does, else it is ignored.
	 */
	GBytes *lineage;
	/*
	 * What lineage was stored as (outcome->snapshot), or NULL. With it, what the server made of
	 * the text is told from what others did: nothing of the former conflicts.
	 */
	struct snapshot *stored;
	/* The writer's last save of this object may have arrived without our knowing. */
	gboolean uncertain;
	/* Why nothing may be created, or updated, through this mount; NULL: it may. */
	const char *no_create;
	const char *no_update;
	gboolean exclusive; /* O_EXCL: EEXIST when there is an object */
	gboolean dry_run; /* nothing is stored and the cache shows nothing of it */
};

/* Valid during the call. */
struct commit_outcome {
	/*
	 * 0, or as design.md 3 says. Besides: ENOENT, the object is gone; EINTR, cancelled; EIO
	 * also where the server could not be reached; ESHUTDOWN, the cache is stopped.
	 */
	int errnum;
	const char *message; /* one line, "" on success */
	const GPtrArray *reasons; /* of char *: field by field where the server said so, or empty */
	gboolean uncertain; /* ETIMEDOUT or EIO, and it may have arrived */
	gboolean unchanged; /* there was nothing to send */
	/*
	 * As stored (a dry run: as it would be). Of a scale: the object, in a dry run the Scale.
	 * NULL on failure, of what was deleted, and when the server's answer makes no sense.
	 */
	struct snapshot *snapshot;
};

typedef void (*commit_done)(void *data, const struct commit_outcome *outcome);

/*
 * subresource "status": text is the whole object as NAME.yaml shows it, of which only status may be
 * changed. "scale": text is the number of replicas.
 *
 * text that names the uid of an object that is gone is a copy of it, unless the writer had opened
 * that very object: then it is ENOENT.
 *
 * The request is copied. done comes exactly once, later, on a strand, and before cache_stop
 * returns. A reference is the caller's. Any thread; not after cache_stop.
 */
struct commit *commit_save(
	struct cache *cache, const struct commit_request *request, commit_done done, void *data);

/*
 * Deletes that very object (uid precondition, background propagation). A success shows at once:
 * gone, or terminating. outcome->snapshot is NULL when it is gone. ENOENT when it was gone already;
 * EBUSY when another object has its name: nothing is deleted.
 */
struct commit *commit_delete(struct cache *cache, struct resource *resource,
	struct snapshot *snapshot, gboolean dry_run, commit_done done, void *data);

/*
 * The user gave up: ends the commit soon with EINTR if nothing of it is on the wire; else it goes
 * on to its true outcome. Any thread.
 */
void commit_cancel(struct commit *commit);
struct commit *commit_unref(struct commit *commit); /* returns NULL; NULL is fine */
