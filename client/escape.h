/*
 * Text from strangers on its way to a terminal, a log or an error message: names, server messages,
 * a plugin's stderr. One line, nothing that moves the cursor or reorders what is read.
 */
#pragma once

#include <glib.h>

/*
 * Control characters (C0, DEL, C1), line and paragraph separators and bidirectional controls
 * become \xNN or \u{NNNN}, bytes that are not UTF-8 \xNN; a backslash stays as it is. length may be
 * -1 for a string. The caller owns the result. Any thread.
 */
char *escape_text(const char *text, gssize length);

/*
 * The same of a text that may be long: of its first max bytes, cut between characters, with "..."
 * behind them when that is not all. length is in bytes.
 */
char *escape_start(const char *text, size_t length, size_t max);

/* The same for text of several lines: trimmed and joined with "; ", empty ones left out. */
char *escape_lines(const char *text);
