/*
 * How a process has ended, read when its pidfd says that it has.
 */
#pragma once

#include <sys/types.h>

enum process_end {
	PROCESS_END_UNKNOWN, /* before Linux 6.15: its parent had collected it already */
	PROCESS_END_EXITED,
	PROCESS_END_KILLED, /* by a fatal signal */
};

/* proc is where the proc file system is mounted. Waits for nothing. */
enum process_end process_end_read(const char *proc, pid_t group, int pidfd);
