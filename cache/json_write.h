/*
 * A document as JSON text.
 */
#pragma once

#include <glib.h>

#include "cache/buffer.h"
#include "cache/document.h"

enum json_style {
	/* What kubectl get -o json prints: four spaces, keys in byte order, a newline at the end.
	 */
	JSON_KUBECTL,
	/* No white space and no newline, else the same. For requests. */
	JSON_COMPACT,
};

/*
 * Appends node. Escapes and numbers are those of Go's encoding/json with HTML escaping, as kubectl
 * uses it. scratch lends memory for the work (any document, node's own included) and is as before
 * afterwards.
 *
 * Returns 0, or -EFBIG with error set when out's or scratch's limit is met; out then holds part of
 * the text. Any thread.
 */
int json_write(struct document *scratch, const struct document_node *node, enum json_style style,
	struct buffer *out, GError **error);
