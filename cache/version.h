/*
 * Resource versions: opaque by contract, decimal in practice, and comparable within one resource
 * (protocol.md 10; KEP-5504).
 */
#pragma once

#include <glib.h>

/*
 * TRUE with *ret less than, equal to or greater than 0 when both are decimal numbers without
 * leading zeros; FALSE when nothing can be told. Either may be NULL. Any thread.
 */
gboolean version_compare(const char *a, const char *b, int *ret);
/* Whether a is known to be older than b. */
gboolean version_is_older(const char *a, const char *b);
