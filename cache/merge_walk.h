/*
 * What the parts of the merge share: values of three versions side by side.
 */
#pragma once

#include "cache/arena.h"
#include "cache/document.h"
#include "cache/schema.h"

enum merge_side {
	MERGE_BASE,
	MERGE_THEIRS,
	MERGE_MINE,
	MERGE_SIDES,
};

/* One of the keys of a list's item, as it is compared: equal values have equal texts. */
struct merge_key {
	const char *text;
	uint32_t length;
	uint8_t type; /* enum document_type; DOCUMENT_NULL: absent, DOCUMENT_INTEGER: any number */
};

/* What the three have in one place; NULL: nothing. */
struct merge_entry {
	struct merge_entry *next;
	const struct document_node *side[MERGE_SIDES];
	const struct merge_key *keys; /* of a list's item, as many as the list has; else NULL */
	uint32_t place; /* in base, of a list's item that is there */
};

/* A container under way. */
struct merge_frame {
	struct merge_frame *parent;
	struct arena_mark mark;
	const struct merge_entry *entry; /* the one under way */
	const struct merge_entry *next;
	const struct schema *schema; /* the container's */
	struct document_node *node; /* of the result */
	struct document_node **tail;
};

enum merge_order {
	MERGE_ORDER_FREE, /* at most one side moved items */
	MERGE_ORDER_SAME, /* both moved them alike */
	MERGE_ORDER_DIFFERENT,
};

/*
 * The members of three objects by their names; any may be NULL. Returns 0 or -EFBIG.
 */
int merge_object_pair(struct arena *arena, const struct document_node *const sides[MERGE_SIDES],
	struct merge_entry **ret_first);

/*
 * The items of three arrays by their keys, in the order of the result; base may be NULL. Returns 1,
 * 0 when the list is one value, or -EFBIG.
 */
int merge_list_pair(struct arena *arena, const struct schema *schema,
	const struct document_node *const sides[MERGE_SIDES], struct merge_entry **ret_first,
	enum merge_order *ret_order);
