/* Timestamps as the Kubernetes API writes them (metav1.Time: RFC 3339). */
#pragma once

#include <glib.h>

/*
 * Unix time in microseconds. -EINVAL unless text is exactly date, 'T', time with optional fraction,
 * and 'Z' or an offset; finer than microseconds is cut. Any thread.
 */
int rfc3339_parse(const char *text, gint64 *ret_microseconds);
