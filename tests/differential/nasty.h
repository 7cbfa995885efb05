/*
 * Strings and numbers that have been, or may be, trouble.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tests/differential/random.h"

/*
 * A string to append to text, valid UTF-8. wild: also characters for which kubectl itself fails or
 * loses the value.
 */
void nasty_string(struct random *random, bool wild, GString *text);

/* A JSON number that fits a float64. */
void nasty_number(struct random *random, GString *text);
