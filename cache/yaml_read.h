/*
 * YAML text to a document, as kubectl understands it.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"

enum yaml_read_flags {
	YAML_READ_LAX = 0, /* the last of several equal keys wins, as kubectl get reads */
	YAML_READ_STRICT = 1 << 0, /* an equal key is an error, as kubectl apply reads */
};

/*
 * Reads text by sigs.k8s.io/yaml's YAMLToJSON rules: YAML 1.1's yes, no, on and off, octal, hex
 * and binary integers and 1_000; timestamps stay strings; merge keys; !!binary; keys of maps become
 * strings. Infinities and NaN are errors, as in JSON. An empty text is null.
 *
 * Other than sigs.k8s.io/yaml, which reads the first document only, a second one that is not empty
 * is an error. The tree shares nothing with text.
 *
 * Returns 0, or -EINVAL (not YAML, or not JSON's), or -EFBIG (too deep, over the document's limit,
 * or aliases that multiply, by goyaml's measure) with a message that begins with "line L, column
 * C:" and holds nothing of the text. Time and memory are bounded by the length of text and the
 * limit. Any thread.
 */
int yaml_read(struct document *document, const char *text, size_t length, unsigned int flags,
	struct document_node **ret_root, GError **error);
