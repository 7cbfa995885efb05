/*
 * Saves: from a user's text to a change that the server has validated and stored, never over
 * somebody else's (design.md Writes, writes.md 5 and 6). Knows nothing of files.
 *
 * A commit reads the text (cache/manifest.h), finds its base, merges it with what is there
 * (cache/merge.h), sends it guarded by that version, and tries again a bounded number of times when
 * the version moved. Commits of one object run one after another. Once a change was stored, the
 * cache shows it before the outcome is told.
 */
#pragma once

#include "cache/cache.h"

/* How often a version may move under a commit before it is EBUSY. */
#define COMMIT_TRIES_MAX 5
/* Milliseconds that a commit may take before it is on the wire, and altogether. */
#define COMMIT_TIMEOUT_MS 30000
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
	 * The same writer's last accepted text for this object, or NULL: the base when it has one
	 * (writes.md 5a). A text that names the same version as text does.
	 */
	GBytes *lineage;
	/* The writer's last save of this object may have arrived without our knowing. */
	gboolean uncertain;
	gboolean exclusive; /* O_EXCL: EEXIST when there is an object */
	gboolean dry_run; /* nothing is stored and the cache shows nothing of it */
};

/* Valid during the call. */
struct commit_outcome {
	int errnum; /* 0, or as design.md 3 says */
	const char *message; /* one line, "" on success */
	const GPtrArray *reasons; /* of char *: field by field where the server said so, or empty */
	gboolean uncertain; /* ETIMEDOUT or EIO, and it may have arrived */
	gboolean unchanged; /* there was nothing to send */
	struct snapshot *snapshot; /* as stored (a dry run: as it would be); NULL on failure */
};

typedef void (*commit_done)(void *data, const struct commit_outcome *outcome);

/* The request is copied. done comes exactly once, later, on a strand. Any thread. */
struct commit *commit_save(
	struct cache *cache, const struct commit_request *request, commit_done done, void *data);

/*
 * Deletes that very object (uid precondition, background propagation). A success shows at once:
 * gone, or terminating. outcome->snapshot is NULL when it is gone.
 */
struct commit *commit_delete(struct cache *cache, struct resource *resource,
	struct snapshot *snapshot, gboolean dry_run, commit_done done, void *data);

/*
 * The user gave up: ends the commit soon with EINTR if nothing of it is on the wire; else it goes
 * on to its true outcome. Any thread.
 */
void commit_cancel(struct commit *commit);
struct commit *commit_unref(struct commit *commit); /* returns NULL; NULL is fine */
