/*
 * A tree of JSON values: what a server sent or a user wrote, before it becomes text or requests.
 *
 * A document owns the memory of its nodes; they go all at once. One made for many objects in turn
 * (document_reset between them) settles down to no allocation at all. A document and its nodes are
 * used by one thread at a time.
 *
 * Nodes are plain and open: whoever walks a tree follows first and next. Trees can be
 * DOCUMENT_DEPTH_MAX deep: walk them with a stack of your own, never by recursion.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cache/arena.h"

/* Containers in containers; Go's encoding/json refuses more, and so does the API server. */
#define DOCUMENT_DEPTH_MAX 10000

enum document_type {
	DOCUMENT_NULL,
	DOCUMENT_FALSE,
	DOCUMENT_TRUE,
	/*
	 * Numbers as k8s.io/apimachinery/pkg/util/json tells them apart: an INTEGER fits int64 and
	 * its text is decimal and canonical ("-0" is "0"). A FLOAT is any other; its text is a JSON
	 * number that, read as a float64, is finite.
	 */
	DOCUMENT_INTEGER,
	DOCUMENT_FLOAT,
	DOCUMENT_STRING, /* valid UTF-8, may hold NUL */
	DOCUMENT_ARRAY,
	DOCUMENT_OBJECT, /* keys are unique; their order means nothing */
};

struct document_node {
	uint8_t type; /* enum document_type */
	uint32_t length; /* of text in bytes, or the number of children */
	union {
		const char *text; /* numbers and strings; not NUL-terminated */
		struct document_node *first; /* child of an array or object, or NULL */
	};
	struct document_node *next; /* sibling, or NULL */
	const char *key; /* of an object's member; valid UTF-8, not NUL-terminated */
	uint32_t key_length;
};

struct document {
	struct arena arena;
};

/*
 * keep: bytes of memory that document_reset retains. limit: bytes that nodes and copied text may
 * take; a node takes 40. Memory that the documents' input occupies is not counted.
 */
struct document *document_create(size_t keep, size_t limit);
void document_destroy(struct document *document); /* NULL is fine */
/* All nodes are gone. */
void document_reset(struct document *document);
void document_destroy_pointer(struct document **document);
#define DOCUMENT_CLEANUP __attribute__((cleanup(document_destroy_pointer)))

/* Text copied into the document, or NULL: over the limit. */
const char *document_copy_text(struct document *document, const char *text, size_t length);

/* An empty container, or null, false or true. NULL: over the limit. */
struct document_node *document_new(struct document *document, enum document_type type);

/* The text is not copied and must outlive the node (document_copy_text). NULL: over the limit. */
struct document_node *document_new_string(
	struct document *document, const char *text, size_t length);

/* The member of that name, or NULL: none, or node is NULL or no object. */
struct document_node *document_get(const struct document_node *node, const char *key);
struct document_node *document_get_length(
	const struct document_node *node, const char *key, size_t key_length);

/* Sets *ret_text and *ret_length when the member is there and a string. */
bool document_get_string(const struct document_node *node, const char *key, const char **ret_text,
	size_t *ret_length);

/* Takes the member out of the object; returns it, or NULL. */
struct document_node *document_remove(struct document_node *object, const char *key);

/*
 * Makes value the member key of object, in place of one that is there. The key is not copied and
 * must outlive the node; value is in no other container.
 */
void document_set(struct document_node *object, const char *key, struct document_node *value);

/*
 * Appends child. *tail is where the next child is linked in: &parent->first for an empty one.
 * For objects the caller has set the key and sees to it that it is unique.
 */
static inline void document_append(
	struct document_node *parent, struct document_node ***tail, struct document_node *child)
{
	**tail = child;
	*tail = &child->next;
	parent->length++;
}

/*
 * A copy of node (which may belong to another document) with all below it, key and text included;
 * it has no sibling. NULL: over the limit.
 */
struct document_node *document_copy(struct document *document, const struct document_node *node);

/*
 * Whether both are the same value: objects regardless of order, numbers when `kubectl -o json`
 * prints them alike (3 and 3.0; also 0 and -0.0). Key order costs n log n, depth costs no stack.
 */
bool document_equal(const struct document_node *a, const struct document_node *b);
