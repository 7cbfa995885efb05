/*
 * What /proc/TID tells of a thread, told so that it never waits for the thread: status can always
 * be read, stat only of a thread that is ending (inside execve it waits for the end of it).
 *
 * proc is where the proc file system is mounted.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

struct process_status {
	pid_t group; /* thread group id */
	uint64_t pending; /* signals, the thread's and the process's: bit N - 1 is signal N */
	/* It has no memory (any more). A thread gives it up before it closes its files. */
	gboolean ending;
};

/* 0 or a negative errno: -ENOENT when there is no such thread, or none that we may see. */
int process_status_read(const char *proc, pid_t thread, struct process_status *ret_status);

/*
 * Whether an ending thread was ended by a fatal signal to its process. Where we may not inspect it
 * as ptrace(2) would, less is known, and the threads that another one's exit(2) ends count as
 * killed, too. FALSE when it cannot be read.
 */
gboolean process_status_killed(const char *proc, pid_t thread);
