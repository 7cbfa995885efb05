/*
 * Anchors of a YAML document, and the copies that aliases of them stand for.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"

struct yaml_anchor {
	struct document_node *node;
	bool open; /* the container still grows: an alias would hold itself */
};

/*
 * goyaml's measure of aliases that multiply (decode.go, allowedAliasRatio): decoded nodes, and
 * those of them that came from aliases.
 */
struct yaml_budget {
	size_t decoded;
	size_t aliased;
};

struct yaml_anchors;

/* Entries are allocated in arena. */
struct yaml_anchors *yaml_anchors_create(struct arena *arena);
void yaml_anchors_destroy(struct yaml_anchors *anchors); /* NULL is fine */

/* A name may be given anew. NULL: over the arena's limit. */
struct yaml_anchor *yaml_anchors_add(
	struct yaml_anchors *anchors, const char *name, struct document_node *node);
/* NULL: no such anchor. */
struct yaml_anchor *yaml_anchors_find(const struct yaml_anchors *anchors, const char *name);

/* Counts one decoded node. FALSE: too many of them came from aliases. */
bool yaml_budget_take(struct yaml_budget *budget, bool aliased);

/*
 * A copy of node; node_size bytes are allocated for each, zero behind the node itself. depth is
 * that of the place it goes to. Returns 0, -EFBIG (over a limit, or too deep), or -E2BIG (the
 * budget).
 */
int yaml_alias_copy(struct document *document, const struct document_node *node, size_t node_size,
	size_t depth, struct yaml_budget *budget, struct document_node **ret_copy);
