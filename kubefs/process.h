/*
 * What /proc and pidfds tell of the processes that use the mount. Nothing here runs on the FUSE
 * thread: reading /proc of a process inside its own FLUSH can wait for that very FLUSH (execve's
 * close-on-exec), so each question has a deadline and a thread that may be lost to it (writes.md
 * 3).
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

struct processes;

/* How long an answer may take, in milliseconds. */
#define PROCESS_DEADLINE_MS 50
/* Questions that hang at a time; the next ones are answered with unknown at once. */
#define PROCESS_HUNG_MAX 8

struct processes *processes_create(void);
/* After the mount is gone: hanging questions end with it. NULL is fine. */
void processes_destroy(struct processes *processes);

/*
 * Once mounted: which superblock is ours (major:minor in mountinfo), so that descriptors in any
 * mount namespace can be told. 0 or a negative errno.
 */
int processes_attach(struct processes *processes, const char *mountpoint);

/* The thread group of a thread, without waiting: /proc/TID/status never hangs. 0: unknown. */
pid_t process_group(pid_t thread);

enum process_answer {
	PROCESS_UNKNOWN, /* the deadline passed, or the question could not be asked */
	PROCESS_HOLDS, /* one of them still holds another writable descriptor of the file */
	PROCESS_LEFT, /* none of them does */
	PROCESS_KILLED, /* the first one is being ended by a signal */
};

/*
 * Whether the flushing process or the opener still has a writable descriptor of inode open; the
 * flushing one's descriptor under close does not count (the kernel has removed it already). answer
 * is called once, on any thread, with no lock held, within the deadline.
 */
void processes_ask(struct processes *processes, pid_t flusher, pid_t opener, ino_t inode,
	void (*answer)(void *data, enum process_answer answer), void *data);

/*
 * A process (thread group) as an identity that does not outlive it: the same pid used again is
 * another process.
 */
struct process;
/* A reference, or NULL when it is gone already. Any thread. */
struct process *processes_get(struct processes *processes, pid_t group);
struct process *process_ref(struct process *process);
struct process *process_unref(struct process *process); /* returns NULL; NULL is fine */
gboolean process_same(const struct process *a, const struct process *b); /* NULL: FALSE */

/*
 * Calls job(data) once when the process has exited or after milliseconds, whichever is first; on
 * a thread of its own. Returns an id for processes_forget.
 */
guint64 processes_after(struct processes *processes, struct process *process,
	unsigned int milliseconds, void (*job)(void *data), void *data);
/* TRUE when job has not been and will not be called. */
gboolean processes_forget(struct processes *processes, guint64 id);
