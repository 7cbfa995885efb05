/*
 * Threads for jobs that may block in the kernel for long. One is made when a job finds none idle,
 * up to a number; they stay until the end. (GThreadPool does the same, out of ThreadSanitizer's
 * sight.)
 */
#pragma once

struct workers;

struct workers *workers_create(unsigned int most);
/* Waits until every posted job has run. Nothing may be posted any more. NULL is fine. */
void workers_destroy(struct workers *workers);

/* Runs job(data) on one of the threads. Any thread; never blocks. */
void workers_post(struct workers *workers, void (*job)(void *data), void *data);
