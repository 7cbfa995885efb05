/*
 * Questions about processes that may hang: each is answered by its deadline, and the thread that
 * asks is left to it (writes.md 3).
 */
#pragma once

#include "kubefs/process.h"

struct process_questions;

/* Questions that are open at a time; one more is answered with unknown at once. */
#define PROCESS_QUESTIONS_MAX 512

/*
 * proc: where the proc file system is mounted. Each answer comes within milliseconds. NULL with
 * errno when there can be no thread.
 */
struct process_questions *process_questions_create(const char *proc, unsigned int milliseconds);
/* Answers what is open with unknown, and waits for the threads that hang. NULL is fine. */
void process_questions_destroy(struct process_questions *questions);

/* The rules are processes_attach's and processes_ask's. */
int process_questions_attach(struct process_questions *questions, const char *mountpoint);
void process_questions_ask(struct process_questions *questions, pid_t flusher, pid_t opener,
	ino_t inode, void (*answer)(void *data, enum process_answer answer), void *data);
/* processes_ask_end's, of one that is in /proc. */
void process_questions_ask_end(struct process_questions *questions, pid_t group,
	void (*answer)(void *data, enum process_answer answer), void *data);
