#include "cache/yaml_alias.h"

#include <errno.h>

/* Documents below the first size may come from aliases nearly whole, above the second hardly. */
#define RANGE_LOW 400000
#define RANGE_HIGH 4000000
#define RATIO_LOW 0.99
#define RATIO_HIGH 0.10

struct yaml_anchors {
	struct arena *arena;
	GTree *tree; /* name -> struct yaml_anchor; a tree, since names may be chosen to collide */
};

static int compare_names(const void *a, const void *b, void *data)
{
	return strcmp(a, b);
}

struct yaml_anchors *yaml_anchors_create(struct arena *arena)
{
	struct yaml_anchors *anchors = g_new(struct yaml_anchors, 1);

	anchors->arena = arena;
	anchors->tree = g_tree_new_full(compare_names, NULL, g_free, NULL);
	return anchors;
}

void yaml_anchors_destroy(struct yaml_anchors *anchors)
{
	if (anchors == NULL)
		return;
	g_tree_unref(anchors->tree);
	g_free(anchors);
}

struct yaml_anchor *yaml_anchors_add(
	struct yaml_anchors *anchors, const char *name, struct document_node *node)
{
	struct yaml_anchor *anchor = arena_allocate(anchors->arena, sizeof(*anchor));

	if (anchor == NULL)
		return NULL;
	*anchor = (struct yaml_anchor){.node = node};
	g_tree_replace(anchors->tree, g_strdup(name), anchor);
	return anchor;
}

struct yaml_anchor *yaml_anchors_find(const struct yaml_anchors *anchors, const char *name)
{
	return g_tree_lookup(anchors->tree, name);
}

static double allowed_ratio(size_t decoded)
{
	double above;

	if (decoded <= RANGE_LOW)
		return RATIO_LOW;
	if (decoded >= RANGE_HIGH)
		return RATIO_HIGH;
	above = (double)(decoded - RANGE_LOW) / (RANGE_HIGH - RANGE_LOW);
	return RATIO_LOW - (RATIO_LOW - RATIO_HIGH) * above;
}

bool yaml_budget_take(struct yaml_budget *budget, bool aliased)
{
	budget->decoded++;
	budget->aliased += aliased;
	return budget->aliased <= 100 || budget->decoded <= 1000 ||
	       (double)budget->aliased / (double)budget->decoded <= allowed_ratio(budget->decoded);
}

static int copy_node(struct document *document, const struct document_node *node, size_t node_size,
	struct yaml_budget *budget, struct document_node **ret_copy)
{
	struct document_node *copy;

	if (!yaml_budget_take(budget, true))
		return -E2BIG;
	copy = arena_allocate(&document->arena, node_size);
	if (copy == NULL)
		return -EFBIG;
	memset(copy, 0, node_size);
	*copy = *node;
	*ret_copy = copy;
	return 0;
}

static bool has_children(const struct document_node *node)
{
	return (node->type == DOCUMENT_ARRAY || node->type == DOCUMENT_OBJECT) && node->length > 0;
}

/* A container whose children are being copied. */
struct level {
	struct level *parent;
	struct document_node *copy;
	struct document_node **tail;
	const struct document_node *source; /* the child to be copied next */
};

static int copy_children(struct document *document, struct arena *notes, size_t node_size,
	size_t depth, struct yaml_budget *budget, struct document_node *root)
{
	struct level *level = NULL;
	struct document_node *entered = root;

	while (entered != NULL || level != NULL) {
		struct document_node *copy;
		int result;

		if (entered != NULL) {
			struct level *inner = arena_allocate(notes, sizeof(*inner));

			if (inner == NULL || ++depth > DOCUMENT_DEPTH_MAX)
				return -EFBIG;
			*inner = (struct level){level, entered, &entered->first, entered->first};
			level = inner;
			entered = NULL;
		}
		if (level->source == NULL) {
			*level->tail = NULL;
			level = level->parent;
			depth--;
			continue;
		}
		if (level->source->key != NULL && !yaml_budget_take(budget, true))
			return -E2BIG;
		result = copy_node(document, level->source, node_size, budget, &copy);
		if (result < 0)
			return result;
		level->source = level->source->next;
		*level->tail = copy;
		level->tail = &copy->next;
		if (has_children(copy))
			entered = copy;
	}
	return 0;
}

int yaml_alias_copy(struct document *document, const struct document_node *node, size_t node_size,
	size_t depth, struct yaml_budget *budget, struct document_node **ret_copy)
{
	struct document_node *copy;
	struct arena notes;
	int result = copy_node(document, node, node_size, budget, &copy);

	if (result < 0)
		return result;
	copy->next = NULL;
	if (has_children(copy)) {
		arena_init(&notes, 0, document->arena.limit);
		result = copy_children(document, &notes, node_size, depth, budget, copy);
		arena_finish(&notes);
	}
	if (result == 0)
		*ret_copy = copy;
	return result;
}
