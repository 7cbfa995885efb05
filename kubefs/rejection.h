/*
 * What becomes of a text that could not be saved: it is kept beside the file as NAME.yaml.rejected,
 * with the reason in comments on top (of a key's value: as it is), and the reason is noted in the
 * journal.
 */
#pragma once

#include "kubefs/filesystem.h"
#include "kubefs/overlay.h"

/* Texts of one file that are kept: the last one, and those of other writers before it. */
#define REJECTION_TEXTS 10

/*
 * The text lies under the first of NAME.yaml.rejected, NAME.yaml.rejected.1 and so on that is no
 * file of its user's. message: one line; reasons: of char *, field by field, may be NULL or empty.
 * Neither holds a Secret's value. What is there of the same writer makes room; what is there of
 * another one, or of one that is not known (NULL), is kept under the names that follow. Any thread.
 */
void rejection_keep(struct filesystem *filesystem, const struct place *place, GBytes *text,
	struct process *writer, int errnum, const char *message, const GPtrArray *reasons);
/*
 * A good save of text, which began then (g_get_monotonic_time): what was kept for that file before
 * is gone, and what was kept meanwhile, another one's, stays. A save that changed nothing is one
 * only of that very text, whose first save had arrived: vim writes the base back after a refusal.
 */
void rejection_clear(struct filesystem *filesystem, const struct place *place, GBytes *text,
	gboolean unchanged, gint64 begun);
/* The text without the comments that rejection_keep puts on top; a reference. */
GBytes *rejection_strip(GBytes *text);
/* What is kept for that file, or NULL; a reference. */
struct rejected *rejection_find(struct filesystem *filesystem, const struct place *place);
