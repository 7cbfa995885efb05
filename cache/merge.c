#include "cache/merge.h"

#include <errno.h>

#include "cache/merge_conflict.h"
#include "cache/merge_walk.h"
#include "client/error.h"

/* Of notes on the containers under way; an API server takes objects of 3 MiB. */
#define NOTES_MAX ((size_t)256 << 20)

struct merge {
	struct document *document;
	struct arena *notes;
	struct merge_frame *top;
	struct document_node *root; /* of the result */
	struct merge_conflicts conflicts;
	unsigned int flags;
};

static bool is_container(const struct document_node *node)
{
	return node->type == DOCUMENT_ARRAY || node->type == DOCUMENT_OBJECT;
}

/* What a server does not tell from nothing. */
static bool is_hollow(const struct document_node *node)
{
	return node == NULL || node->type == DOCUMENT_NULL ||
	       (is_container(node) && node->length == 0);
}

static bool same(const struct document_node *a, const struct document_node *b)
{
	return a == b || (a != NULL && b != NULL && document_equal(a, b));
}

/* Whether theirs is what the server makes of the other. */
static bool same_as_theirs(const struct merge *merge, const struct document_node *theirs,
	const struct document_node *other)
{
	return same(theirs, other) ||
	       ((merge->flags & MERGE_SAME_AGREES) != 0 && is_hollow(theirs) && is_hollow(other));
}

static void add_node(struct merge *merge, struct document_node *node)
{
	struct merge_frame *top = merge->top;

	if (top == NULL)
		merge->root = node;
	else
		document_append(top->node, &top->tail, node);
}

static int take(struct merge *merge, const struct document_node *node)
{
	struct document_node *copy;

	if (node == NULL)
		return 0;
	copy = document_copy(merge->document, node);
	if (copy == NULL)
		return -EFBIG;
	add_node(merge, copy);
	return 0;
}

/* Both sides have changed it: mine, unless that would overwrite theirs. */
static int collide(struct merge *merge, const struct document_node *mine)
{
	if ((merge->flags & MERGE_MINE_WINS) != 0)
		return take(merge, mine);
	merge_conflicts_add(&merge->conflicts, merge->top, "");
	return 0;
}

static int merge_leaf(struct merge *merge, const struct merge_entry *entry)
{
	const struct document_node *base = entry->side[MERGE_BASE];
	const struct document_node *theirs = entry->side[MERGE_THEIRS];
	const struct document_node *mine = entry->side[MERGE_MINE];

	if (same(base, mine))
		return take(merge, theirs);
	if (same_as_theirs(merge, theirs, base))
		return take(merge, mine);
	if ((merge->flags & MERGE_SAME_AGREES) != 0 && same_as_theirs(merge, theirs, mine))
		return take(merge, theirs);
	return collide(merge, mine);
}

/*
 * Whether its children can be merged one by one, as far as it is no matter of keys. *ret_base is
 * base, or NULL when it is as if base had nothing.
 */
static bool has_parts(const struct merge *merge, const struct schema *schema,
	const struct merge_entry *entry, const struct document_node **ret_base)
{
	const struct document_node *base = entry->side[MERGE_BASE];
	const struct document_node *theirs = entry->side[MERGE_THEIRS];
	const struct document_node *mine = entry->side[MERGE_MINE];

	if (theirs == NULL || mine == NULL || theirs->type != mine->type || !is_container(theirs))
		return false;
	if (theirs->type == DOCUMENT_OBJECT && schema_is_atomic(schema))
		return false;
	if (base != NULL && base->type != theirs->type) {
		if ((merge->flags & MERGE_SAME_AGREES) == 0 || !is_hollow(base))
			return false;
		base = NULL;
	}
	/* Then it is an empty one that both have added. */
	if (base == NULL && theirs->length == 0 && mine->length == 0)
		return false;
	*ret_base = base;
	return true;
}

static int pair_children(struct merge *merge, const struct schema *schema,
	const struct document_node *const sides[MERGE_SIDES], struct merge_entry **ret_first)
{
	enum merge_order order = MERGE_ORDER_FREE;
	int result;

	if (sides[MERGE_MINE]->type == DOCUMENT_OBJECT) {
		result = merge_object_pair(merge->notes, sides, ret_first);
		return result < 0 ? result : 1;
	}
	result = merge_list_pair(merge->notes, schema, sides, ret_first, &order);
	if ((order == MERGE_ORDER_SAME && merge->flags == MERGE_DISTRUST) ||
		(order == MERGE_ORDER_DIFFERENT && (merge->flags & MERGE_MINE_WINS) == 0))
		merge_conflicts_add(&merge->conflicts, merge->top, " (order)");
	return result;
}

/* Returns 1 when its children come next, 0 when it is a leaf, or -EFBIG. */
static int open_container(
	struct merge *merge, const struct schema *schema, const struct merge_entry *entry)
{
	struct arena_mark mark = arena_mark(merge->notes);
	const struct document_node *mine = entry->side[MERGE_MINE];
	const struct document_node *sides[MERGE_SIDES] = {
		NULL, entry->side[MERGE_THEIRS], entry->side[MERGE_MINE]};
	struct merge_entry *first = NULL;
	struct merge_frame *frame;
	int result;

	if (!has_parts(merge, schema, entry, &sides[MERGE_BASE]))
		return 0;
	frame = arena_allocate(merge->notes, sizeof(*frame));
	result = frame == NULL ? -EFBIG : pair_children(merge, schema, sides, &first);
	if (result <= 0) {
		arena_release(merge->notes, mark);
		return result;
	}
	*frame = (struct merge_frame){
		.parent = merge->top, .mark = mark, .next = first, .schema = schema};
	frame->node = document_new(merge->document, (enum document_type)mine->type);
	if (frame->node == NULL)
		return -EFBIG;
	frame->node->key = mine->key;
	frame->node->key_length = mine->key_length;
	frame->tail = &frame->node->first;
	add_node(merge, frame->node);
	merge->top = frame;
	return 1;
}

static int merge_value(
	struct merge *merge, const struct schema *schema, const struct merge_entry *entry)
{
	bool added = entry->keys != NULL && entry->side[MERGE_BASE] == NULL &&
		     entry->side[MERGE_THEIRS] != NULL && entry->side[MERGE_MINE] != NULL;
	int result;

	/* Its key is a leaf that both made the same: one conflict, not one a member. */
	if (added && merge->flags == MERGE_DISTRUST)
		return collide(merge, NULL);
	result = open_container(merge, schema, entry);
	return result == 0 ? merge_leaf(merge, entry) : MIN(result, 0);
}

static const struct schema *child_schema(
	const struct schema *schema, const struct merge_entry *entry)
{
	const struct document_node *node = NULL;

	if (entry->keys != NULL)
		return schema_items(schema);
	for (int side = 0; side < MERGE_SIDES && node == NULL; side++)
		node = entry->side[side];
	return schema_member(schema, node->key, node->key_length);
}

static int walk(struct merge *merge, const struct schema *schema, const struct merge_entry *root)
{
	int result = merge_value(merge, schema, root);

	while (result == 0 && merge->top != NULL) {
		struct merge_frame *top = merge->top;

		top->entry = top->next;
		if (top->entry == NULL) {
			merge->top = top->parent;
			arena_release(merge->notes, top->mark);
			continue;
		}
		top->next = top->entry->next;
		result = merge_value(merge, child_schema(top->schema, top->entry), top->entry);
	}
	return result;
}

int merge_three(struct document *document, const struct schema *schema,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine, unsigned int flags, struct document_node **ret,
	GError **error)
{
	const struct merge_entry root = {.side = {base, theirs, mine}};
	struct arena notes;
	struct merge merge = {.document = document, .notes = &notes, .flags = flags};
	int result;

	arena_init(&notes, SIZE_MAX, NOTES_MAX);
	result = walk(&merge, schema, &root);
	arena_finish(&notes);
	if (result < 0)
		result = error_set(error, EFBIG, "merging takes more memory than allowed");
	else if (merge.conflicts.count > 0)
		result = merge_conflicts_fail(&merge.conflicts, error);
	else
		*ret = merge.root;
	merge_conflicts_finish(&merge.conflicts);
	return result;
}
