/*
 * An object as protobuf, and what our decoder makes of it, held against the API server's JSON.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum stored_outcome {
	STORED_SAME, /* the same text from both */
	STORED_REFUSED, /* neither Go nor we can read it */
	STORED_FALLS_BACK, /* we leave it to the server's JSON */
	STORED_WRONG,
	STORED_OUTCOMES,
};

struct stored_comparer;

struct stored_comparer *stored_comparer_create(void);
void stored_comparer_destroy(struct stored_comparer *comparer); /* NULL is fine */

/*
 * Compares the texts, JSON and YAML, that we make of an envelope of protobuf and of json, which is
 * NULL when Go could not read it. Appends what differs to report.
 */
enum stored_outcome stored_compare(struct stored_comparer *comparer, const char *bytes,
	size_t length, const char *json, size_t json_length, GString *report);
