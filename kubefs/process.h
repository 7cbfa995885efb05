/*
 * What /proc and pidfds tell of the processes that use the mount: who has a file open, and when
 * somebody has exited. Nothing here makes its caller wait for another process: reading /proc of a
 * process inside its own FLUSH can wait for that very FLUSH (execve's close-on-exec), so each
 * question has a deadline and a thread that may be lost to it (writes.md 3).
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

struct processes;

/* How long an answer may take, in milliseconds. */
#define PROCESS_DEADLINE_MS 500
/* Questions that hang at a time; the next ones are answered with unknown at once. */
#define PROCESS_HUNG_MAX 8
/* Living processes that are watched at a time; a descriptor each, but half of what there may be. */
#define PROCESS_WATCHED_MAX 4096
/* Jobs that wait at a time; one more is due at once. */
#define PROCESS_JOBS_MAX 1024

/* Starts threads: not before a fork into the background. NULL with errno on failure. */
struct processes *processes_create(void);
/*
 * What is open is answered with unknown, then the jobs that still wait are called, all before it
 * returns. Before fuse_session_unmount, which closes the descriptor that answers are written to: a
 * question that hangs in a FLUSH ends when its answer has that replied to. References to processes
 * may outlive it. NULL is fine.
 */
void processes_destroy(struct processes *processes);

/*
 * Once mounted: which superblock is ours (major:minor in mountinfo), so that descriptors in any
 * mount namespace can be told from those of another file system with the same inode number.
 * mountpoint is absolute, without symbolic links. 0 or a negative errno; until it has succeeded
 * the inode number alone decides.
 */
int processes_attach(struct processes *processes, const char *mountpoint);

/* The thread group of a thread, without waiting: /proc/TID/status never hangs. 0: unknown. */
pid_t process_group(pid_t thread);

/*
 * Whether a signal is pending for the thread or its process with which a user gives up waiting:
 * SIGINT, SIGQUIT, SIGTERM, SIGHUP or SIGKILL. The kernel interrupts requests for any signal that
 * is handled, a child's end and a window's new size included. TRUE when it cannot be told.
 */
gboolean process_is_given_up(pid_t thread);

enum process_answer {
	PROCESS_UNKNOWN, /* the deadline passed, or the question could not be asked */
	PROCESS_HOLDS, /* one of them still holds another writable descriptor of the file */
	PROCESS_LEFT, /* none of them does */
	PROCESS_KILLED, /* the flushing one is being ended by a signal */
	PROCESS_KILLED_HELD, /* the same, and the opener, which is another one, still holds it */
};

/*
 * Whether the flushing process or the opener still has a writable descriptor of inode open; the
 * flushing one's descriptor under close does not count (the kernel has removed it already).
 *
 * flusher is a thread, as FLUSH names it (only that one shows whether it is being killed). opener
 * is a process (process_group at the OPEN: that thread may be gone), 0 for nobody.
 *
 * PROCESS_KILLED_HELD is a killed writer if that process has written (dash runs cat for "cat > f"),
 * else PROCESS_HOLDS: a helper that had inherited the descriptor ("exec 3> f; yes | head >&3" kills
 * yes). Only who sees the WRITEs can tell.
 *
 * answer is called once, within the deadline, on any thread, perhaps before this returns, with no
 * lock held. It must not block: others wait behind it.
 */
void processes_ask(struct processes *processes, pid_t flusher, pid_t opener, ino_t inode,
	void (*answer)(void *data, enum process_answer answer), void *data);

/*
 * A process (thread group) as an identity that does not outlive it: the same pid used again is
 * another process. As long as there is a reference, the same process is the same struct. Where a
 * process cannot be watched (no descriptor left), it is only the same as itself: each
 * processes_get gives another one.
 */
struct process;
/* A reference, or NULL when it is gone already. Any thread; never blocks. */
struct process *processes_get(struct processes *processes, pid_t group);
struct process *process_ref(struct process *process);
struct process *process_unref(struct process *process); /* returns NULL; NULL is fine */
/* Its thread group, which may have ended; NULL: 0. */
pid_t process_get_group(const struct process *process);
gboolean process_same(const struct process *a, const struct process *b); /* NULL: FALSE */
/* FALSE: it is only the same as itself, and will not be known again. */
gboolean process_is_watched(const struct process *process);

/*
 * Whether a fatal signal has ended the process, or is ending it: PROCESS_KILLED, PROCESS_LEFT when
 * not, or PROCESS_UNKNOWN. For RELEASE, which comes when the last mapping of a process that ends is
 * gone, while nobody waits. answer's rules are processes_ask's.
 */
void processes_ask_end(struct processes *processes, struct process *process,
	void (*answer)(void *data, enum process_answer answer), void *data);

/*
 * Calls job(data) once when the process has exited or after milliseconds, whichever is first; one
 * that cannot be watched, or NULL, counts as not exiting. On a thread of its own, one job after
 * another: a job must not block. Returns an id for processes_forget, never 0.
 */
guint64 processes_after(struct processes *processes, struct process *process,
	unsigned int milliseconds, void (*job)(void *data), void *data);
/* TRUE when job has not been and will not be called; FALSE when it was, or is right now. */
gboolean processes_forget(struct processes *processes, guint64 id);
