/*
 * What we read from YAML as people write it, and damage it, against what kubectl reads.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/differential/oracle.h"

enum reading_outcome {
	READING_SAME,
	READING_REFUSED, /* by both */
	READING_STRICTER, /* only we refuse what stands behind the first document */
	READING_KNOWN, /* where libyaml and goyaml are known to differ */
	READING_WRONG,
	READING_OUTCOMES,
};

#define READING_BATCH 32

/*
 * Compares the texts of the seeds from first on. Prints and returns at the first that is wrong:
 * then FALSE. counts has READING_OUTCOMES elements.
 */
bool reading_compare(struct oracle *oracle, guint64 first, unsigned long *counts);
