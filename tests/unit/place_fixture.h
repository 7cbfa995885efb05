/* Places, processes and what else the small tables of the write side are keyed by. */
#pragma once

#include <sys/types.h>

#include "kubefs/filesystem.h"
#include "tests/unit/cache_fixture.h"

struct place_fixture {
	struct filesystem filesystem; /* no more than what a place needs */
	struct context *context;
	struct context *other;
	struct resource *maps; /* configmaps */
	struct resource *apps; /* deployments.apps */
	struct processes *processes;
	struct process *self; /* this process */
	struct process *process; /* another one */
	pid_t child; /* which is this */
};

void place_fixture_setup(struct place_fixture *fixture);
void place_fixture_finish(struct place_fixture *fixture);

/* name of configmaps in namespace default, as YAML; it borrows all. */
struct place place_fixture_map(struct place_fixture *fixture, const char *name);

/*
 * A process that does nothing, until child_end: by a signal, so that it is reaped and gone
 * afterwards.
 */
pid_t child_start(void);
void child_end(pid_t child);

/* The bytes of a string; the caller's. */
GBytes *bytes_of(const char *text);
void bytes_expect(GBytes *bytes, const char *text);
