#include "cache/schema.h"

#include <stdlib.h>

#include "cache/schema_node.h"

/* References to references; a document can make them lead in a circle. */
#define HOPS_MAX 16

struct schema_set *schema_set_ref(struct schema_set *set)
{
	g_atomic_int_inc(&set->references);
	return set;
}

struct schema_set *schema_set_unref(struct schema_set *set)
{
	if (set == NULL || !g_atomic_int_dec_and_test(&set->references))
		return NULL;
	document_destroy(set->document);
	g_free(set);
	return NULL;
}

int schema_kind_compare(const void *a, const void *b)
{
	const struct schema_kind *left = a, *right = b;
	int order = strcmp(left->kind, right->kind);

	if (order == 0)
		order = strcmp(left->group, right->group);
	return order != 0 ? order : strcmp(left->version, right->version);
}

const struct schema *schema_of_kind(
	const struct schema_set *set, const char *group, const char *version, const char *kind)
{
	const struct schema_kind wanted = {.group = group, .version = version, .kind = kind};
	const struct schema_kind *found = set->kind_count == 0
						  ? NULL
						  : bsearch(&wanted, set->kinds, set->kind_count,
							    sizeof(wanted), schema_kind_compare);

	return found == NULL ? NULL : found->schema;
}

/* As document_compare_bytes. */
static int compare_name(const struct schema_property *property, const char *name, size_t length)
{
	int order = memcmp(property->name, name, MIN(property->length, length));

	if (order != 0)
		return order;
	return (property->length > length) - (property->length < length);
}

struct schema *schema_property_find(const struct schema *schema, const char *name, size_t length)
{
	size_t low = 0, high = schema->property_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_name(&schema->properties[middle], name, length);

		if (order == 0)
			return &schema->properties[middle].schema;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct schema *schema_member(const struct schema *schema, const char *key, size_t length)
{
	const struct schema *additional = NULL;

	for (int hops = 0; schema != NULL && hops < HOPS_MAX; hops++, schema = schema->target) {
		const struct schema *member = schema_property_find(schema, key, length);

		if (member != NULL)
			return member;
		if (additional == NULL)
			additional = schema->additional;
	}
	return additional;
}

const struct schema *schema_items(const struct schema *schema)
{
	for (int hops = 0; schema != NULL && hops < HOPS_MAX; hops++, schema = schema->target) {
		if (schema->items != NULL)
			return schema->items;
	}
	return NULL;
}

bool schema_is_atomic(const struct schema *schema)
{
	for (int hops = 0; schema != NULL && hops < HOPS_MAX; hops++, schema = schema->target) {
		if (schema->map != SCHEMA_MAP_UNSAID)
			return schema->map == SCHEMA_MAP_ATOMIC;
	}
	return false;
}

/* The schema that says what kind of list it is, or NULL. */
static const struct schema *list_schema(const struct schema *schema)
{
	for (int hops = 0; schema != NULL && hops < HOPS_MAX; hops++, schema = schema->target) {
		if (schema->list != SCHEMA_LIST_UNSAID)
			return schema;
	}
	return NULL;
}

const char *const *schema_list_keys(const struct schema *schema)
{
	const struct schema *list = list_schema(schema);

	return list == NULL ? NULL : list->list_keys;
}

bool schema_is_set(const struct schema *schema)
{
	const struct schema *list = list_schema(schema);

	return list != NULL && list->list == SCHEMA_LIST_SET;
}

const struct document_node *schema_default(const struct schema *items, const char *key)
{
	const struct schema *schema = schema_member(items, key, strlen(key));

	for (int hops = 0; schema != NULL && hops < HOPS_MAX; hops++, schema = schema->target) {
		if (schema->preset != NULL)
			return schema->preset;
	}
	return NULL;
}
