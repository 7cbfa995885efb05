/*
 * Who has a file of ours open for writing, from /proc/TID/fdinfo. May take long or wait for the
 * process: for threads that can be spared (kubefs/process_question.h). Looks at no file itself:
 * that would be a request to ourselves.
 */
#pragma once

#include "kubefs/mountinfo.h"
#include "kubefs/process.h"

struct process_files {
	const char *proc; /* where the proc file system is mounted */
	struct mountinfo_entry mount; /* ours; its id is 0 while it is not known */
	pid_t flusher;
	pid_t opener;
	ino_t inode;
	/* Read atomically: when it is not 0 nobody waits for the answer any more. */
	const gint *abandoned;
};

/* The rules are processes_ask's. */
enum process_answer process_files_inspect(const struct process_files *files);
/* Those of processes_ask_end, of the flusher. */
enum process_answer process_files_inspect_end(const struct process_files *files);
