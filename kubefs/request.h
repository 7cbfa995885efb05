/*
 * Requests of the kernel that may have to wait for a server. No thread waits with them: a request
 * whose answer is not there yet is parked, and run again when there is news. It ends in bounded
 * time (ETIMEDOUT), and at once when the user interrupts it (EINTR).
 */
#pragma once

#include <fuse_lowlevel.h>
#include <glib.h>

#include "cache/collection.h"
#include "kubefs/node.h"

struct filesystem;
struct parking;
struct process;
struct request;

/* How long a request may be parked. */
#define REQUEST_TIMEOUT_MS 60000
/* Requests parked at a time; one more is EAGAIN. */
#define REQUEST_PARKED_MAX 65536

/*
 * Does the work of a request: replies and returns 0, or returns a negative errno with error set and
 * has not replied. -EINPROGRESS: it passed wait and data on to the cache, which will call (when
 * wait is NULL it has just tried).
 */
typedef int (*request_run)(
	struct request *request, collection_wait wait, void *data, GError **error);

struct request {
	struct filesystem *filesystem;
	fuse_req_t fuse;
	pid_t thread; /* who asks */
	struct node *node; /* what it is about: the directory for LOOKUP */
	char *name; /* LOOKUP */
	size_t size; /* READ, READDIR */
	off_t offset; /* READ, READDIR */
	request_run run;
	/* Of those that change something. */
	struct node *target; /* RENAME, LINK: the new directory */
	char *target_name;
	unsigned int flags; /* of OPEN, CREATE, RENAME */
	mode_t mode; /* of CREATE, MKDIR, SETATTR */
	struct timespec modified; /* of SETATTR */
	uint64_t handle; /* of FLUSH, FSYNC */
	unsigned int timeout; /* milliseconds, 0: REQUEST_TIMEOUT_MS */
	/* What run keeps from one call to the next; freed with the request. */
	void *state;
	void (*state_free)(void *state);
	/*
	 * The kernel interrupts it (for any signal that is handled), or time ran out. TRUE: run
	 * will be called again and answer, unless time ran out. Called with locks held: may only
	 * cancel. NULL: the request just ends.
	 */
	gboolean (*interrupt)(struct request *request, gboolean timed_out);
};

struct parking *parking_create(struct filesystem *filesystem);
/* Answers whatever is parked, or as soon as it stops running; nothing is parked any more. */
void parking_close(struct parking *parking);
/* When nobody calls wait any more. NULL is fine. */
void parking_destroy(struct parking *parking);

/*
 * Runs the request and answers it, now or later. name may be NULL and is copied if need be.
 * id is the inode that the kernel named. On the FUSE thread.
 */
void request_begin(struct filesystem *filesystem, fuse_req_t fuse, uint64_t id, const char *name,
	size_t size, off_t offset, request_run run);

/*
 * The same for a request of which more is known; what it points to is copied, and references are
 * taken, if need be. state belongs to the request from here on.
 */
void request_begin_full(struct filesystem *filesystem, fuse_req_t fuse, uint64_t id,
	const struct request *description);

/* Who asks; a reference, NULL when it is not known or gone already. */
struct process *request_process(const struct request *request);
/* Replies that it is done; 0. */
int request_reply_done(struct request *request);

/* How many are parked now. Any thread. */
guint parking_count(struct parking *parking);
