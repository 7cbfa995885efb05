/*
 * What each process last saved of an object: the base of its next save of the same buffer
 * (writes.md 5a). Bounded; the oldest goes first.
 */
#pragma once

#include "kubefs/place.h"
#include "kubefs/process.h"

struct lineages;

#define LINEAGES_MAX 4096
#define LINEAGES_BYTES_MAX (32UL << 20)

struct lineages *lineages_create(void);
void lineages_destroy(struct lineages *lineages); /* NULL is fine */

/* A process's last good save of an object; references are the holder's. */
struct lineage {
	GBytes *text; /* NULL: none yet */
	struct snapshot *stored; /* what the server made of it; NULL: not known */
	gboolean uncertain; /* a later save failed, but may have arrived */
};
void lineage_finish(struct lineage *lineage);
#define LINEAGE_CLEANUP __attribute__((cleanup(lineage_finish)))

/*
 * A good save. Of a process that is not known (NULL) nothing is remembered. Any thread, as all
 * below.
 */
void lineages_remember(struct lineages *lineages, struct process *process,
	const struct place *place, GBytes *text, struct snapshot *stored);
/* A save of which nobody knows whether it arrived. */
void lineages_doubt(struct lineages *lineages, struct process *process, const struct place *place);
/* *ret is zeroed when there is none. */
void lineages_find(struct lineages *lineages, const struct process *process,
	const struct place *place, struct lineage *ret);
