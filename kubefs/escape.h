/*
 * Names of objects, namespaces, contexts and keys as file names, reversibly: every byte string has
 * exactly one escaped path, and every such path stands for one byte string.
 *
 * '/' , NUL and '%' become %2F, %00 and %25 ("%" never occurs in a Kubernetes name). A whole name
 * that is "." or ".." becomes %2E or %2E%2E, an empty one "%-". What is longer than NAME_MAX is cut
 * into directories: each holds ESCAPE_CHUNK bytes (less where an escape would be cut) and ends in a
 * lone "%", which no other name does.
 */
#pragma once

#include <glib.h>

#define ESCAPE_CHUNK 200

/*
 * The name followed by suffix ("" or ".yaml", never escaped) as one string, of any length and not
 * yet cut. Free with g_free. Any thread.
 */
char *escape_name(const char *name, size_t length, const char *suffix);

/*
 * The reverse: NULL when escaped is not what escape_name makes of any name with that suffix; else
 * the name, NUL-terminated, with its length in *ret_length (it may hold NULs). Free with g_free.
 */
char *unescape_name(const char *escaped, const char *suffix, size_t *ret_length);

/*
 * How many bytes of escaped stand in the next component: all of them when they fit NAME_MAX, else
 * those of a directory, to which "%" is added.
 */
size_t escape_next(const char *escaped);

/* TRUE when component is such a directory. */
gboolean escape_is_chunk(const char *component);
