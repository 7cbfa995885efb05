#include <errno.h>
#include <stdlib.h>

#include "cache/document_order.h"
#include "cache/json_parse.h"
#include "cache/schema.h"
#include "cache/schema_node.h"
#include "client/error.h"

/* A node takes 40 bytes, and a text has one for every two bytes at the most. */
#define TREE_MAX ((size_t)1 << 30)
#define KEPT_MAX ((size_t)64 << 20)

/* JSON that is still to be read, since how deep it is is for a stranger to say. */
struct pending {
	struct pending *next;
	const struct document_node *json;
	struct schema *schema;
};

struct parse {
	struct arena *scratch;
	struct schema_set *set;
	struct pending *pending;
};

static int add_pending(struct parse *parse, const struct document_node *json, struct schema *schema)
{
	struct pending *pending = arena_allocate(parse->scratch, sizeof(*pending));

	if (pending == NULL)
		return -EFBIG;
	*pending = (struct pending){parse->pending, json, schema};
	parse->pending = pending;
	return 0;
}

/* A schema of its own, to be read later. Other than an object says nothing: *ret stays NULL. */
static int add_schema(
	struct parse *parse, const struct document_node *json, const struct schema **ret)
{
	struct schema *schema;

	if (json == NULL || json->type != DOCUMENT_OBJECT)
		return 0;
	schema = arena_allocate(&parse->set->document->arena, sizeof(*schema));
	if (schema == NULL)
		return -EFBIG;
	*schema = (struct schema){0};
	*ret = schema;
	return add_pending(parse, json, schema);
}

/* The schemas that are the members of json become properties of schema. */
static int add_properties(
	struct parse *parse, const struct document_node *json, struct schema *schema)
{
	struct document *kept = parse->set->document;
	struct document_node **members;

	if (json == NULL || json->type != DOCUMENT_OBJECT || json->length == 0)
		return 0;
	members = document_sort(parse->scratch, json, document_compare_bytes);
	schema->properties =
		arena_allocate(&kept->arena, json->length * sizeof(*schema->properties));
	if (members == NULL || schema->properties == NULL)
		return -EFBIG;
	schema->property_count = json->length;
	for (size_t i = 0; i < json->length; i++) {
		struct schema_property *property = &schema->properties[i];
		int result = 0;

		*property = (struct schema_property){.length = members[i]->key_length};
		property->name = document_copy_text(kept, members[i]->key, property->length);
		if (members[i]->type == DOCUMENT_OBJECT)
			result = add_pending(parse, members[i], &property->schema);
		if (property->name == NULL || result < 0)
			return -EFBIG;
	}
	return 0;
}

static bool is_text(const struct document_node *json, const char *text)
{
	return json != NULL && json->type == DOCUMENT_STRING && json->length == strlen(text) &&
	       memcmp(json->text, text, json->length) == 0;
}

/* A copy for those who know strings by their NUL. *ret stays NULL when it is no such string. */
static int copy_string(struct parse *parse, const struct document_node *json, const char **ret)
{
	char *copy;

	if (json == NULL || json->type != DOCUMENT_STRING ||
		memchr(json->text, '\0', json->length) != NULL)
		return 0;
	copy = arena_allocate(&parse->set->document->arena, (size_t)json->length + 1);
	if (copy == NULL)
		return -EFBIG;
	memcpy(copy, json->text, json->length);
	copy[json->length] = '\0';
	*ret = copy;
	return 0;
}

/* keys: an array of strings, or a string. Anything else, and the list is one value. */
static int read_keys(struct parse *parse, const struct document_node *keys, struct schema *schema)
{
	bool lone = keys->type == DOCUMENT_STRING;
	const struct document_node *key = lone ? keys : keys->first;
	size_t count = lone ? 1 : keys->length;
	const char **copies;

	schema->list = SCHEMA_LIST_WHOLE;
	if (count == 0 || count > SCHEMA_KEYS_MAX)
		return 0;
	copies = arena_allocate(&parse->set->document->arena, (count + 1) * sizeof(*copies));
	if (copies == NULL)
		return -EFBIG;
	for (size_t i = 0; i < count; i++) {
		copies[i] = NULL;
		if (copy_string(parse, key, &copies[i]) < 0)
			return -EFBIG;
		if (copies[i] == NULL)
			return 0;
		key = key->next;
	}
	copies[count] = NULL;
	schema->list_keys = copies;
	schema->list = SCHEMA_LIST_KEYED;
	return 0;
}

/* Whether a patch-strategy ("merge", "merge,retainKeys") names merge. */
static bool merges(const struct document_node *strategy)
{
	return strategy != NULL && strategy->type == DOCUMENT_STRING && strategy->length >= 5 &&
	       memcmp(strategy->text, "merge", 5) == 0 &&
	       (strategy->length == 5 || strategy->text[5] == ',');
}

static int read_list(struct parse *parse, const struct document_node *json, struct schema *schema)
{
	const struct document_node *type = document_get(json, "x-kubernetes-list-type");
	const struct document_node *keys = document_get(json, "x-kubernetes-list-map-keys");
	const struct document_node *merge_key = document_get(json, "x-kubernetes-patch-merge-key");

	if (type != NULL && !is_text(type, "map")) {
		schema->list = is_text(type, "set") ? SCHEMA_LIST_SET : SCHEMA_LIST_WHOLE;
		return 0;
	}
	if (type != NULL && keys != NULL && keys->type == DOCUMENT_ARRAY)
		return read_keys(parse, keys, schema);
	if (merge_key != NULL && merge_key->type == DOCUMENT_STRING)
		return read_keys(parse, merge_key, schema);
	if (type != NULL)
		schema->list = SCHEMA_LIST_WHOLE;
	else if (merges(document_get(json, "x-kubernetes-patch-strategy")))
		schema->list = SCHEMA_LIST_SET;
	return 0;
}

static void read_map(const struct document_node *json, struct schema *schema)
{
	const struct document_node *type = document_get(json, "x-kubernetes-map-type");

	if (is_text(type, "atomic"))
		schema->map = SCHEMA_MAP_ATOMIC;
	else if (is_text(type, "granular"))
		schema->map = SCHEMA_MAP_GRANULAR;
}

static int read_default(
	struct parse *parse, const struct document_node *json, struct schema *schema)
{
	const struct document_node *value = document_get(json, "default");
	struct document *kept = parse->set->document;
	struct document_node *copy;

	if (value == NULL || value->type == DOCUMENT_ARRAY || value->type == DOCUMENT_OBJECT)
		return 0;
	copy = document_new(kept, (enum document_type)value->type);
	if (copy == NULL)
		return -EFBIG;
	schema->preset = copy;
	if (value->length == 0)
		return 0;
	copy->length = value->length;
	copy->text = document_copy_text(kept, value->text, value->length);
	return copy->text == NULL ? -EFBIG : 0;
}

static int read_target(struct parse *parse, const struct document_node *json, struct schema *schema)
{
	static const char prefix[] = "#/components/schemas/";
	const size_t skip = sizeof(prefix) - 1;
	const struct document_node *all = document_get(json, "allOf");
	const char *text;
	size_t length;

	if (document_get_string(json, "$ref", &text, &length)) {
		if (length > skip && memcmp(text, prefix, skip) == 0)
			schema->target = schema_property_find(
				&parse->set->components, text + skip, length - skip);
		return 0;
	}
	if (all != NULL && all->type == DOCUMENT_ARRAY && all->length == 1)
		return add_schema(parse, all->first, &schema->target);
	return 0;
}

static int read_schema(struct parse *parse, const struct document_node *json, struct schema *schema)
{
	int result = read_list(parse, json, schema);

	read_map(json, schema);
	if (result == 0)
		result = read_default(parse, json, schema);
	if (result == 0)
		result = read_target(parse, json, schema);
	if (result == 0)
		result = add_properties(parse, document_get(json, "properties"), schema);
	if (result == 0)
		result = add_schema(
			parse, document_get(json, "additionalProperties"), &schema->additional);
	if (result == 0)
		result = add_schema(parse, document_get(json, "items"), &schema->items);
	return result;
}

/* Behind the parsed kinds there is room. */
static int add_kind(
	struct parse *parse, const struct document_node *json, const struct schema *schema)
{
	struct schema_kind kind = {.schema = schema};

	if (copy_string(parse, document_get(json, "group"), &kind.group) < 0 ||
		copy_string(parse, document_get(json, "version"), &kind.version) < 0 ||
		copy_string(parse, document_get(json, "kind"), &kind.kind) < 0)
		return -EFBIG;
	if (kind.group != NULL && kind.version != NULL && kind.kind != NULL)
		parse->set->kinds[parse->set->kind_count++] = kind;
	return 0;
}

static const struct document_node *kinds_of(const struct document_node *component)
{
	const struct document_node *kinds =
		document_get(component, "x-kubernetes-group-version-kind");

	return kinds != NULL && kinds->type == DOCUMENT_ARRAY ? kinds : NULL;
}

static int read_kinds(struct parse *parse, const struct document_node *components)
{
	struct schema_set *set = parse->set;
	size_t count = 0;

	for (const struct document_node *at = components->first; at != NULL; at = at->next)
		count += kinds_of(at) == NULL ? 0 : kinds_of(at)->length;
	set->kinds = arena_allocate(&set->document->arena, MAX(count, 1) * sizeof(*set->kinds));
	if (set->kinds == NULL)
		return -EFBIG;
	for (const struct document_node *at = components->first; at != NULL; at = at->next) {
		const struct document_node *kinds = kinds_of(at);

		if (kinds == NULL)
			continue;
		for (kinds = kinds->first; kinds != NULL; kinds = kinds->next) {
			if (add_kind(parse, kinds,
				    schema_property_find(
					    &set->components, at->key, at->key_length)) < 0)
				return -EFBIG;
		}
	}
	if (set->kind_count > 0)
		qsort(set->kinds, set->kind_count, sizeof(*set->kinds), schema_kind_compare);
	return 0;
}

static int read_components(struct parse *parse, const struct document_node *components)
{
	int result = add_properties(parse, components, &parse->set->components);

	while (result == 0 && parse->pending != NULL) {
		struct pending *pending = parse->pending;

		parse->pending = pending->next;
		result = read_schema(parse, pending->json, pending->schema);
	}
	return result < 0 ? result : read_kinds(parse, components);
}

/* *ret_components stays NULL in a document that has none. */
static int find_components(const struct document_node *root,
	const struct document_node **ret_components, GError **error)
{
	static const char *const path[] = {"components", "schemas"};
	const struct document_node *node = root;

	if (root->type != DOCUMENT_OBJECT)
		return error_set(error, EBADMSG, "OpenAPI document is no object");
	for (size_t i = 0; i < G_N_ELEMENTS(path) && node != NULL; i++) {
		node = document_get(node, path[i]);
		if (node != NULL && node->type != DOCUMENT_OBJECT)
			return error_set(error, EBADMSG, "OpenAPI document: %s is no object",
				i == 0 ? "components" : "components.schemas");
	}
	*ret_components = node;
	return 0;
}

int schema_set_parse(const char *text, size_t length, struct schema_set **ret, GError **error)
{
	DOCUMENT_CLEANUP struct document *tree = document_create(0, TREE_MAX);
	const struct document_node *components = NULL;
	struct document_node *root;
	struct parse parse = {.scratch = &tree->arena};
	int result;

	if (length > SCHEMA_TEXT_MAX)
		return error_set(error, EFBIG, "OpenAPI document of %zu bytes is too long", length);
	result = json_parse(tree, text, length, &root, error);
	if (result < 0) {
		g_prefix_error(error, "OpenAPI document: ");
		return result;
	}
	result = find_components(root, &components, error);
	if (result < 0)
		return result;

	parse.set = g_new0(struct schema_set, 1);
	parse.set->references = 1;
	parse.set->document = document_create(0, KEPT_MAX);
	if (components != NULL && read_components(&parse, components) < 0) {
		schema_set_unref(parse.set);
		return error_set(
			error, EFBIG, "OpenAPI document's schemas take more memory than allowed");
	}
	*ret = parse.set;
	return 0;
}
