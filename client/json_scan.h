/*
 * Finds where a JSON value ends, 64 bytes at a step, without decoding it. Only brackets and strings
 * are followed: whether what stands between them is JSON is for the decoder to say.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* The API server refuses JSON nested deeper than this (apimachinery's and Go's encoding/json). */
#define JSON_DEPTH_MAX 10000

/* Where a scan stands between two pieces of text. Zero before the opening bracket. */
struct json_scan {
	size_t depth; /* brackets open */
	uint64_t in_string; /* all ones within a string, else 0 */
	uint64_t escaped; /* 1 when the next byte follows an unpaired backslash, else 0 */
};

/*
 * Goes on over the bytes from begin to end. Returns the place behind the bracket that closes the
 * value, with *scan zero again, or NULL when the value goes on behind end or is nested deeper than
 * JSON_DEPTH_MAX (scan->depth tells). Any thread.
 */
const char *json_scan_value(struct json_scan *scan, const char *begin, const char *end);

/*
 * The same for a string whose opening quote was passed: returns the place behind the closing quote
 * or NULL. Uses only scan->escaped.
 */
const char *json_scan_string(struct json_scan *scan, const char *begin, const char *end);
