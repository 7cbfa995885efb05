/*
 * Makes a failing document small.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Whether the JSON text still fails. */
typedef bool (*shrink_test)(void *data, const GString *json);

/* Replaces json, which fails, by a smaller text that still does. */
void shrink_json(GString *json, shrink_test fails, void *data);
