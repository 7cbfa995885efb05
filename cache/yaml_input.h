/*
 * YAML text before libyaml sees it.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

struct yaml_input {
	const char *text; /* UTF-8, without a byte order mark at its begin */
	size_t length;
};

struct yaml_input yaml_input_of(const char *text, size_t length);

/*
 * Refuses what libyaml 0.2.5 would take too long for, or read otherwise than goyaml. Returns 0,
 * -EFBIG or -EINVAL; the message begins with "line 1, column 1:".
 */
int yaml_input_check(const struct yaml_input *input, GError **error);

/* The line and column, both from 0, of the byte at offset. */
void yaml_input_position(
	const struct yaml_input *input, size_t offset, size_t *ret_line, size_t *ret_column);
