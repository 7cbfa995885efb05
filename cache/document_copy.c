#include "cache/document.h"

/* A container whose children are being copied. */
struct level {
	struct level *parent;
	struct arena_mark mark;
	const struct document_node *source; /* the child to be copied next */
	struct document_node *copy;
	struct document_node **tail;
};

static bool has_children(const struct document_node *node)
{
	return (node->type == DOCUMENT_ARRAY || node->type == DOCUMENT_OBJECT) && node->length > 0;
}

static struct document_node *copy_node(struct document *document, const struct document_node *node)
{
	struct document_node *copy = arena_allocate(&document->arena, sizeof(*copy));

	if (copy != NULL) {
		*copy = *node;
		copy->next = NULL;
	}
	return copy;
}

/* copy is still node's own shape: its children are those of the source. */
static struct level *enter(struct arena *notes, struct level *parent, struct document_node *copy)
{
	struct arena_mark mark = arena_mark(notes);
	struct level *level = arena_allocate(notes, sizeof(*level));

	*level = (struct level){parent, mark, copy->first, copy, &copy->first};
	copy->length = 0;
	copy->first = NULL;
	return level;
}

static bool copy_children(
	struct document *document, struct arena *notes, struct document_node *root)
{
	struct level *level = enter(notes, NULL, root);

	while (level != NULL) {
		struct document_node *copy;

		if (level->source == NULL) {
			struct level *parent = level->parent;

			arena_release(notes, level->mark);
			level = parent;
			continue;
		}
		copy = copy_node(document, level->source);
		if (copy == NULL)
			return false;
		level->source = level->source->next;
		document_append(level->copy, &level->tail, copy);
		if (has_children(copy))
			level = enter(notes, level, copy);
	}
	return true;
}

struct document_node *document_copy(struct document *document, const struct document_node *node)
{
	struct document_node *copy = copy_node(document, node);
	struct arena notes;
	bool done;

	if (copy == NULL || !has_children(copy))
		return copy;
	arena_init(&notes, SIZE_MAX, SIZE_MAX);
	done = copy_children(document, &notes, copy);
	arena_finish(&notes);
	return done ? copy : NULL;
}
