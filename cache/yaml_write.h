/*
 * A document as YAML text.
 */
#pragma once

#include <glib.h>

#include "cache/buffer.h"
#include "cache/document.h"

/*
 * Appends node as kubectl get -o yaml prints it, byte for byte: sigs.k8s.io/yaml's JSONToYAML over
 * go.yaml.in/yaml/v2. Two exceptions: where that fails (control characters, very long keys) and
 * where its text would read back as another value, ours is valid YAML of the same look. Reading the
 * text by sigs.k8s.io/yaml's rules, or with yaml_read, always gives node's value.
 *
 * apiVersion and kind are not added and managedFields not removed: that is the caller's.
 * scratch lends memory for the work (any document, node's own included) and is as before
 * afterwards.
 *
 * Returns 0, or -EFBIG with error set when out's or scratch's limit is met; out then holds part of
 * the text. Indentation makes text of deep trees grow with the square of the depth: the limit of
 * out is what bounds it. Any thread.
 */
int yaml_write(struct document *scratch, const struct document_node *node, struct buffer *out,
	GError **error);
