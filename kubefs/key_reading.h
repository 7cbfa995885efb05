/*
 * Which version of a key a process (thread group) opened last to read it: what a later save of it
 * compares with, so that it does not revert what others have changed since (an editor opens the
 * file anew to save it). Bounded; the oldest goes first. Any thread.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

struct key_readings;

#define KEY_READINGS_MAX 4096

struct key_readings *key_readings_create(void);
void key_readings_destroy(struct key_readings *readings); /* NULL is fine */

/*
 * By one of its threads, which may be gone later: asks /proc, without waiting (process_group), but
 * not each time. A thread that is not known (0) is not noted.
 */
void key_readings_note(struct key_readings *readings, pid_t thread, const char *key, size_t length,
	int64_t revision);
/* The last one of that process; 0: none. */
int64_t key_readings_find(
	struct key_readings *readings, pid_t group, const char *key, size_t length);
/* It has removed the key itself: what it saves next is a new one. */
void key_readings_forget(
	struct key_readings *readings, pid_t group, const char *key, size_t length);
