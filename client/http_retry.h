/* Header values that steer repeats and warnings. Pure functions, any thread. */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <time.h>

/*
 * Retry-After (RFC 9110 10.2.3): seconds, or an HTTP date compared with now. Milliseconds, 1 for no
 * wait at all, at most G_MAXINT; 0 for what is neither.
 */
unsigned int http_retry_after(const char *value, time_t now);

/*
 * The texts of a Warning header with code 299 (RFC 7234 5.5; apimachinery/pkg/util/net/http.go), in
 * order, for one line of a terminal (client/escape.h). Stops at what it cannot read. The caller
 * owns the array, which frees its strings.
 */
GPtrArray *http_warnings(const char *value);
