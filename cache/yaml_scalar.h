/*
 * Strings as YAML scalars, as the emitter of go.yaml.in/yaml/v2 writes them.
 */
#pragma once

#include "cache/buffer.h"
#include "cache/yaml_style.h"

/* Lines are folded at the first single blank behind this column. */
#define YAML_WIDTH 80

struct yaml_scalar {
	const char *text; /* valid UTF-8 */
	size_t length;
	struct yaml_choice choice;
	size_t indent; /* of continuation lines */
	size_t column; /* where it begins, in characters */
	bool foldable; /* FALSE for a key that must stay on one line */
};

/*
 * Appends the scalar without a line end, but a literal's last line break. *ret_line_start is set
 * when the text ends at the begin of a line. FALSE: out's limit is met.
 */
bool yaml_scalar_write(const struct yaml_scalar *scalar, struct buffer *out, bool *ret_line_start);
