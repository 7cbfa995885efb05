#include "cache/document.h"
#include "cache/document_order.h"
#include "cache/number.h"

/* Two containers of one kind and length under way. */
struct frame {
	struct frame *parent;
	struct arena_mark mark;
	struct document_node **a_members; /* of objects, sorted; NULL for arrays */
	struct document_node **b_members;
	const struct document_node *a_element;
	const struct document_node *b_element;
	uint32_t left;
};

static bool is_number(const struct document_node *node)
{
	return node->type == DOCUMENT_INTEGER || node->type == DOCUMENT_FLOAT;
}

static bool is_zero(const char *text, size_t length)
{
	return (length == 1 && text[0] == '0') || (length == 2 && text[0] == '-' && text[1] == '0');
}

static bool same_text(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length == b_length && memcmp(a, b, a_length) == 0;
}

static bool same_number(const struct document_node *a, const struct document_node *b)
{
	char a_scratch[NUMBER_TEXT_MAX], b_scratch[NUMBER_TEXT_MAX];
	const char *a_text, *b_text;
	size_t a_length = number_json(a, a_scratch, &a_text);
	size_t b_length = number_json(b, b_scratch, &b_text);

	return same_text(a_text, a_length, b_text, b_length) ||
	       (is_zero(a_text, a_length) && is_zero(b_text, b_length));
}

static bool is_container(const struct document_node *node)
{
	return node->type == DOCUMENT_ARRAY || node->type == DOCUMENT_OBJECT;
}

/* Whether they are equal as far as their children do not matter. */
static bool same_node(const struct document_node *a, const struct document_node *b)
{
	if (is_number(a) && is_number(b))
		return same_number(a, b);
	if (a->type != b->type)
		return false;
	if (a->type == DOCUMENT_STRING)
		return same_text(a->text, a->length, b->text, b->length);
	return !is_container(a) || a->length == b->length;
}

static struct frame *open_pair(struct arena *arena, struct frame *parent,
	const struct document_node *a, const struct document_node *b)
{
	struct arena_mark mark = arena_mark(arena);
	struct frame *frame = arena_allocate(arena, sizeof(*frame));

	*frame = (struct frame){
		.parent = parent,
		.mark = mark,
		.a_element = a->first,
		.b_element = b->first,
		.left = a->length,
	};
	if (a->type == DOCUMENT_OBJECT) {
		frame->a_members = document_sort(arena, a, document_compare_bytes);
		frame->b_members = document_sort(arena, b, document_compare_bytes);
	}
	return frame;
}

/* The next pair of children; FALSE: two members have different keys. */
static bool next_pair(
	struct frame *frame, const struct document_node **ret_a, const struct document_node **ret_b)
{
	frame->left--;
	if (frame->a_members == NULL) {
		*ret_a = frame->a_element;
		*ret_b = frame->b_element;
		frame->a_element = frame->a_element->next;
		frame->b_element = frame->b_element->next;
		return true;
	}
	*ret_a = *frame->a_members++;
	*ret_b = *frame->b_members++;
	return same_text((*ret_a)->key, (*ret_a)->key_length, (*ret_b)->key, (*ret_b)->key_length);
}

static bool equal(struct arena *arena, const struct document_node *a, const struct document_node *b)
{
	struct frame *top = NULL;

	for (;;) {
		if (!same_node(a, b))
			return false;
		if (is_container(a) && a->length > 0)
			top = open_pair(arena, top, a, b);
		while (top != NULL && top->left == 0) {
			struct frame *parent = top->parent;

			arena_release(arena, top->mark);
			top = parent;
		}
		if (top == NULL)
			return true;
		if (!next_pair(top, &a, &b))
			return false;
	}
}

bool document_equal(const struct document_node *a, const struct document_node *b)
{
	struct arena arena;
	bool result;

	arena_init(&arena, SIZE_MAX, SIZE_MAX);
	result = equal(&arena, a, b);
	arena_finish(&arena);
	return result;
}
