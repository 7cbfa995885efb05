/* Base64 as the etcd gateway writes bytes: the standard alphabet, padded, nothing between. */
#pragma once

#include <glib.h>

/*
 * Decodes length characters. -EINVAL for anything else than the above, *ret_bytes is untouched
 * then. Any thread.
 */
int base64_decode(const char *text, size_t length, GBytes **ret_bytes);

/* Appends the text for bytes. Any thread. */
void base64_append(GString *string, GBytes *bytes);
