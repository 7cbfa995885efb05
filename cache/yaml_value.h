/*
 * Scalars of YAML text as values and keys of a document.
 */
#pragma once

#include "cache/document.h"

struct yaml_source {
	const char *text;
	size_t length;
	const char *tag; /* in its long form, or NULL */
	bool implicit; /* plain, without a tag */
};

/*
 * Allocates the node in document, of size bytes (at least a node's: the caller may keep more in
 * it), and copies text. Returns 0, -EFBIG (over the document's limit), or -EINVAL with
 * *ret_problem, a constant that tells why.
 */
int yaml_value_node(struct document *document, const struct yaml_source *source, size_t size,
	struct document_node **ret_node, const char **ret_problem);

/*
 * What sigs.k8s.io/yaml makes of a key that is no string: numbers and booleans become their text,
 * the rest is an error. Errors as above.
 */
int yaml_value_key(struct document *document, const struct yaml_source *source,
	const char **ret_key, size_t *ret_length, const char **ret_problem);

/* The same of a node that an alias stands for. */
int yaml_value_node_key(const struct document_node *node, struct document *document,
	const char **ret_key, size_t *ret_length, const char **ret_problem);
