/*
 * Opening an object for writing. Its nodeid is an immutable snapshot: OPEN answers ESTALE once, the
 * kernel looks the name up again (twice), and those LOOKUPs of the same thread are answered with
 * the writer's private draft, which is then opened (writes.md 2).
 */
#pragma once

#include <sys/types.h>

#include "kubefs/local.h"

struct openings;

/* Threads between their ESTALE and their OPEN; who has not come back for so long never will. */
#define OPENINGS_MAX 1024
#define OPENINGS_MS 10000

struct openings *openings_create(void);
void openings_destroy(struct openings *openings); /* NULL is fine */

/* From now on that name there means local to the thread. Any thread. */
void openings_begin(struct openings *openings, pid_t thread, const char *directory,
	const char *name, struct local *local);
/* Whether nobody is. */
gboolean openings_are_none(struct openings *openings);
/* A reference to what the name means to the thread alone, or NULL. */
struct local *openings_find(
	struct openings *openings, pid_t thread, const char *directory, const char *name);
/* The thread has opened it: the name means to it what it means to all. */
void openings_end(struct openings *openings, pid_t thread);
