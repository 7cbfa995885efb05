/*
 * JSON text to a document, as kubectl understands it.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"

/*
 * Parses one JSON value with nothing but white space around it. Strings and numbers of the tree
 * point into text wherever they can: it must outlive the nodes.
 *
 * Strictly RFC 8259, and where that leaves room as sigs.k8s.io/json does, through which kubectl
 * reads: the last of several equal keys wins, each byte that is not UTF-8 and each lone surrogate
 * is U+FFFD, a number out of float64's range is an error, nesting ends at DOCUMENT_DEPTH_MAX.
 *
 * Returns 0, or -EBADMSG (not JSON) or -EFBIG (too deep, or over the document's limit or 2 GiB)
 * with a message that tells the byte offset and holds nothing of the text. The document then holds
 * remains until it is reset. Any thread.
 */
int json_parse(struct document *document, const char *text, size_t length,
	struct document_node **ret_root, GError **error);

/* The same of a value that goes into a tree, with depth containers around it. */
int json_parse_within(struct document *document, const char *text, size_t length,
	unsigned int depth, struct document_node **ret_root, GError **error);

/*
 * The same of what a person wrote: an equal key is an error, too, and a message begins with
 * "line L, column C:", both from 1, columns in characters. It names the key that is there twice and
 * holds nothing else of the text. -EINVAL takes the place of -EBADMSG.
 */
int json_parse_strict(struct document *document, const char *text, size_t length,
	struct document_node **ret_root, GError **error);
