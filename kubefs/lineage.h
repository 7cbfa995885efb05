/*
 * What each process last saved of an object: the base of its next save of the same buffer
 * (writes.md 5a). Bounded; the oldest goes first.
 */
#pragma once

#include "kubefs/place.h"
#include "kubefs/process.h"

struct lineages;

#define LINEAGES_MAX 256
#define LINEAGES_BYTES_MAX (32UL << 20)

struct lineages *lineages_create(void);
void lineages_destroy(struct lineages *lineages); /* NULL is fine */

/*
 * Remembers the text. uncertain: the save failed, but may have arrived. Nothing is remembered of a
 * process that is not known. Any thread.
 */
void lineages_remember(struct lineages *lineages, struct process *process,
	const struct place *place, GBytes *text, gboolean uncertain);
/* A reference to the text, or NULL. Any thread. */
GBytes *lineages_find(struct lineages *lineages, const struct process *process,
	const struct place *place, gboolean *ret_uncertain);
