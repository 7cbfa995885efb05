#include "cache/document.h"

/* A container whose children are being copied. */
struct level {
	struct level *parent;
	struct arena_mark mark;
	struct document_node **tail;
	const struct document_node *source; /* the child to be copied next */
};

static bool is_container(const struct document_node *node)
{
	return node->type == DOCUMENT_ARRAY || node->type == DOCUMENT_OBJECT;
}

static bool has_text(const struct document_node *node)
{
	return node->type == DOCUMENT_STRING || node->type == DOCUMENT_INTEGER ||
	       node->type == DOCUMENT_FLOAT;
}

/* All but its children and sibling. */
static struct document_node *copy_node(struct document *document, const struct document_node *node)
{
	struct document_node *copy = document_new(document, node->type);

	if (copy == NULL)
		return NULL;
	copy->length = node->length;
	if (has_text(node)) {
		copy->text = document_copy_text(document, node->text, node->length);
		if (copy->text == NULL)
			return NULL;
	}
	if (node->key != NULL) {
		copy->key = document_copy_text(document, node->key, node->key_length);
		copy->key_length = node->key_length;
		if (copy->key == NULL)
			return NULL;
	}
	return copy;
}

static struct level *open_level(struct arena *notes, struct level *parent,
	const struct document_node *source, struct document_node *copy)
{
	struct arena_mark mark = arena_mark(notes);
	struct level *level = arena_allocate(notes, sizeof(*level));

	*level = (struct level){parent, mark, &copy->first, source->first};
	return level;
}

static bool copy_children(struct document *document, struct arena *notes,
	const struct document_node *node, struct document_node *root)
{
	struct level *level = open_level(notes, NULL, node, root);

	while (level != NULL) {
		const struct document_node *source = level->source;
		struct document_node *copy;

		if (source == NULL) {
			struct level *parent = level->parent;

			arena_release(notes, level->mark);
			level = parent;
			continue;
		}
		copy = copy_node(document, source);
		if (copy == NULL)
			return false;
		level->source = source->next;
		*level->tail = copy;
		level->tail = &copy->next;
		if (is_container(source))
			level = open_level(notes, level, source, copy);
	}
	return true;
}

struct document_node *document_copy(struct document *document, const struct document_node *node)
{
	struct document_node *copy = copy_node(document, node);
	struct arena notes;
	bool complete;

	if (copy == NULL || !is_container(node))
		return copy;
	/* No limit: it holds one piece a level, and levels are few. */
	arena_init(&notes, 0, SIZE_MAX);
	complete = copy_children(document, &notes, node, copy);
	arena_finish(&notes);
	return complete ? copy : NULL;
}
