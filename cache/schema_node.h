/*
 * How a schema is kept: what its JSON says of merging, and no more of it.
 */
#pragma once

#include "cache/document.h"
#include "cache/schema.h"

enum schema_map {
	SCHEMA_MAP_UNSAID,
	SCHEMA_MAP_GRANULAR,
	SCHEMA_MAP_ATOMIC,
};

enum schema_list {
	SCHEMA_LIST_UNSAID,
	SCHEMA_LIST_WHOLE,
	SCHEMA_LIST_SET,
	SCHEMA_LIST_KEYED,
};

/* Pointers are NULL where nothing is said. */
struct schema {
	const struct schema *target; /* where $ref or a lone allOf leads */
	const struct schema *items;
	const struct schema *additional;
	struct schema_property *properties; /* by document_compare_bytes of their names */
	const char *const *list_keys; /* of SCHEMA_LIST_KEYED */
	const struct document_node *preset; /* the default, when it is a scalar */
	uint32_t property_count;
	uint8_t map; /* enum schema_map */
	uint8_t list; /* enum schema_list */
};

struct schema_property {
	const char *name;
	uint32_t length;
	struct schema schema;
};

struct schema_kind {
	const char *group;
	const char *version;
	const char *kind;
	const struct schema *schema;
};

struct schema_set {
	gint references; /* atomic */
	struct document *document; /* the memory of all */
	struct schema components; /* its properties are components.schemas */
	struct schema_kind *kinds; /* by schema_kind_compare */
	size_t kind_count;
};

/* The property of schema itself, or NULL. */
struct schema *schema_property_find(const struct schema *schema, const char *name, size_t length);
int schema_kind_compare(const void *a, const void *b);
