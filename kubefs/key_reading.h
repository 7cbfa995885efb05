/*
 * Which version of a key a thread opened last to read it: what a later save of its process compares
 * with, so that it does not revert what others have changed since (an editor opens the file anew to
 * save it). Bounded; the oldest goes first. Any thread.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

struct key_readings;

#define KEY_READINGS_MAX 4096

struct key_readings *key_readings_create(void);
void key_readings_destroy(struct key_readings *readings); /* NULL is fine */

/* thread 0, which is not known, is not noted. */
void key_readings_note(struct key_readings *readings, pid_t thread, const char *key, size_t length,
	int64_t revision);
/*
 * The last one that a thread of that process (thread group) noted; 0: none. Asks /proc, without
 * waiting (process_group).
 */
int64_t key_readings_find(
	struct key_readings *readings, pid_t group, const char *key, size_t length);
