/*
 * Strings within JSON text.
 */
#pragma once

#include <glib.h>

#include "cache/arena.h"

struct json_string {
	const char *text;
	size_t length;
};

/*
 * Decodes the string whose opening quote is at *at, which then is behind its closing quote. The
 * text is within the input, or copied into arena when escapes or bad UTF-8 had to be replaced.
 * Returns 0, -EBADMSG with *at where it is wrong, or -EFBIG.
 */
int json_string_parse(
	const char **at, const char *end, struct arena *arena, struct json_string *ret_string);
