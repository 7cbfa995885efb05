/*
 * Our texts of one JSON document against kubectl's.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tests/differential/oracle.h"

enum compare_outcome {
	COMPARE_SAME, /* byte for byte, and read back to the same value */
	COMPARE_REFUSED, /* both refuse the JSON */
	COMPARE_ORACLE_FAILED, /* kubectl has no YAML for it; ours reads back */
	COMPARE_ORACLE_LOSES, /* kubectl's YAML reads back as another value; ours does not */
	COMPARE_ORACLE_VARIES, /* the order of kubectl's keys is a matter of chance */
	COMPARE_WRONG,
	COMPARE_OUTCOMES,
};

struct comparison {
	GString *json;
	GString *yaml; /* ours */
	GString *kubectl_json; /* ours */
	bool parsed;
	enum compare_outcome outcome;
	GString *report; /* of what is wrong */
};

void comparison_init(struct comparison *comparison);
void comparison_finish(struct comparison *comparison);

struct comparer;

struct comparer *comparer_create(struct oracle *oracle);
void comparer_destroy(struct comparer *comparer); /* NULL is fine */

/* Fills in all but json of each of at most COMPARE_BATCH comparisons. */
#define COMPARE_BATCH 64
void compare(struct comparer *comparer, struct comparison *comparisons, size_t count);
