/*
 * A writer's private draft of what a place shows, and its saves: when what was written is sent, and
 * what comes of it (writes.md 3). Each content is sent once; its outcome is what every later FLUSH
 * and FSYNC of it gets.
 */
#pragma once

#include "cache/commit.h"
#include "cache/key_commit.h"
#include "kubefs/local.h"
#include "kubefs/overlay.h"
#include "kubefs/process.h"

struct filesystem;

#define DRAFT_THREADS 8
/* Bytes of a value that is written; etcd itself takes 1.5 MiB unless it is told otherwise. */
#define DRAFT_VALUE_MAX (16UL << 20)

struct draft {
	struct filesystem *filesystem;
	struct local *local; /* whose draft this is; borrowed */
	struct place place; /* fixed */
	char *uid; /* of the object that was opened, or NULL; fixed */
	gboolean exclusive; /* made with O_EXCL: there must be no such object; until saved */
	/*
	 * Who waits for it holds the directory's lock in the kernel, so that nothing can be told
	 * before the answer (RENAME); fixed before it is saved.
	 */
	gboolean tells_later;
	/* Of a key: what a save compares with, and who has read that; the saves' own. */
	int64_t revision; /* 0: there is no such key */
	struct key_snapshot *base; /* that version, or NULL: only its revision is known */
	struct key_snapshot *shown; /* what it begins with, until that is read; or NULL */
	pid_t group;
	gboolean was_deleted; /* it had been read, and is not there any more */
	/* Guarded by local->lock. */
	uint64_t attempted; /* the generation that was sent last */
	int errnum; /* its outcome */
	gboolean busy; /* it is under way */
	gboolean cancelled; /* the user gave up while it is */
	struct commit *commit; /* NULL: not begun yet, or over */
	struct process *writer; /* whose save it is; may be NULL */
	GBytes *sent;
	gint64 begun; /* its save; g_get_monotonic_time */
	GArray *waiters; /* of struct draft_waiter */
	gboolean settled; /* the kernel has been told, or was given up on */
	uint64_t timer; /* that gives up on it */
	/* What is to be done when that is over: a generation to send, a text to keep. */
	uint64_t rest;
	struct process *rest_writer; /* may be NULL */
	uint64_t refused; /* a generation, 0: none */
	struct process *refused_writer; /* may be NULL */
	int refused_errnum;
	char *refused_reason;
	GBytes *refused_text;
	gboolean abandoned; /* its name was removed: nothing of it is saved any more */
	GPtrArray *openers; /* of struct process *, borrowed: one for each handle that can write */
	/* Threads that wrote lately: to tell a killed writer from one that had only inherited it.
	 */
	pid_t threads[DRAFT_THREADS];
	guint last_thread;
};

struct draft_waiter {
	collection_wait wait;
	void *data;
};

/*
 * A draft with that text to begin with; uid is the opened object's, or NULL. Returns a reference to
 * its file, or NULL with error set when there are too many. Any thread.
 */
struct local *draft_create(struct filesystem *filesystem, const struct place *place,
	const char *uid, const char *text, size_t length, gboolean exclusive, GError **error);
/*
 * Of a key, before anybody sees it: its base is what the process (a thread of it) has read before,
 * else shown, which may be NULL.
 */
void draft_set_base(struct draft *draft, pid_t thread, struct key_snapshot *shown);
/* Likewise: shown is what its text is, too. */
void draft_set_shown(struct draft *draft, struct key_snapshot *shown);
/* It is read: as long as it is what it began with, a save compares with that. */
void draft_read(struct draft *draft);
void draft_free(struct draft *draft); /* local_unref's; NULL is fine */

/* Whether that thread has written to the draft lately; and noting that it does. */
gboolean draft_was_written_by(struct draft *draft, pid_t thread);
void draft_written_by(struct draft *draft, pid_t thread);

/*
 * Whether something was written that has not been sent. *ret_generation is what to pass to
 * draft_save either way.
 */
gboolean draft_is_dirty(struct draft *draft, uint64_t *ret_generation);

/* An empty value is meant: what was never written to is saved, too. */
void draft_mean_empty(struct draft *draft, uint64_t *ret_generation);

/*
 * Sees to it that the content of that generation, or a later one, is saved. Returns 0 or a negative
 * errno: its outcome, of which everybody has been told; or -EINPROGRESS, and wait(data) follows
 * unless wait is NULL. Nothing (an empty file) is saved as success and changes nothing, but for a
 * key: that becomes empty. Any thread.
 */
int draft_save(struct draft *draft, struct process *writer, uint64_t generation,
	collection_wait wait, void *data);
/* The same, and nobody waits: if an older one is under way, it follows. */
void draft_save_rest(struct draft *draft, struct process *writer, uint64_t generation);
/* The user gave up waiting: what is not on the wire yet is not sent. */
void draft_cancel(struct draft *draft);
/* That generation is not sent, for that reason; its text is kept. */
void draft_refuse(struct draft *draft, struct process *writer, uint64_t generation, int errnum,
	const char *reason);
/* Its name is gone, or its writer gave it up: what is not under way is neither saved nor kept. */
void draft_abandon(struct draft *draft);

/* One more or one less handle that can write, of that process, which the handle holds; or NULL. */
void draft_open(struct draft *draft, struct process *process);
void draft_close(struct draft *draft, struct process *process);
/* Whether it is open for writing, and that process alone has opened it. */
gboolean draft_is_open_by(struct draft *draft, const struct process *process);
