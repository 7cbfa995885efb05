/*
 * What went wrong lately, for .kubefs/errors: a bounded ring of lines. Messages hold no secrets:
 * that is their makers' duty.
 */
#pragma once

#include <glib.h>

struct journal;

/* Lines kept, and the longest of them in bytes. */
#define JOURNAL_LINES 1000
#define JOURNAL_LINE_MAX 4096

struct journal *journal_create(void);
void journal_destroy(struct journal *journal); /* NULL is fine */

/*
 * Notes and logs text; errnum is 0 for a warning. Control characters, terminal escapes and
 * bidirectional controls are escaped. A repetition of the last line only counts. Any thread.
 */
void journal_add(struct journal *journal, int errnum, const char *text);

/* All lines, oldest first: "2026-01-31T12:00:00Z EACCES text\n". Any thread. */
GBytes *journal_text(struct journal *journal);
