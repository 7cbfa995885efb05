/*
 * Members of an object in order.
 */
#pragma once

#include "cache/arena.h"
#include "cache/document.h"

/* Less than, equal to or greater than 0. */
typedef int (*document_compare)(const struct document_node *a, const struct document_node *b);

/* Keys by their bytes, as Go's encoding/json orders them. */
int document_compare_bytes(const struct document_node *a, const struct document_node *b);

/*
 * The object's members, sorted (stably), in an array of object->length in arena. NULL: over its
 * limit. An empty object gives some pointer.
 */
struct document_node **document_sort(
	struct arena *arena, const struct document_node *object, document_compare compare);

/*
 * Drops all but the last of members with equal keys. Returns 0, or -EFBIG when arena's limit is
 * met. *ret_duplicate, unless NULL, is set to a member that came after its equal, or to NULL.
 */
int document_unique(struct arena *arena, struct document_node *object,
	const struct document_node **ret_duplicate);
