#include "client/yaml_tree.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <yaml.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/secret.h"
#include "client/yaml_scalar.h"

struct reader {
	const char *name;
	yaml_parser_t parser;
	GHashTable *anchors; /* char * -> struct yaml_node *, NULL while it is being read */
	unsigned int depth;
	unsigned int nodes;
	GError **error;
};

static int read_node(struct reader *reader, yaml_event_t *event, struct yaml_node **ret_node);

struct yaml_node *yaml_node_ref(struct yaml_node *node)
{
	g_atomic_int_inc(&node->references);
	return node;
}

struct yaml_node *yaml_node_unref(struct yaml_node *node)
{
	if (node == NULL || !g_atomic_int_dec_and_test(&node->references))
		return NULL;
	secret_free(node->text);
	g_clear_pointer(&node->keys, g_ptr_array_unref);
	g_clear_pointer(&node->values, g_ptr_array_unref);
	g_free(node);
	return NULL;
}

static void unref_value(void *data)
{
	yaml_node_unref(data);
}

static void node_cleanup(struct yaml_node **node)
{
	yaml_node_unref(*node);
}
#define autonode __attribute__((cleanup(node_cleanup)))

static int fail(struct reader *reader, size_t line, const char *problem)
{
	g_autofree char *where = escape_text(reader->name, -1);
	g_autofree char *what = escape_text(problem, -1);

	return error_set(reader->error, EINVAL, "%s:%zu: %s", where, line, what);
}

static int next_event(struct reader *reader, yaml_event_t *event)
{
	size_t line;

	if (yaml_parser_parse(&reader->parser, event))
		return 0;
	/* Only the scanner and the parser set the mark of the problem. */
	line = reader->parser.error == YAML_READER_ERROR ? reader->parser.mark.line
							 : reader->parser.problem_mark.line;
	return fail(reader, line + 1,
		reader->parser.problem != NULL ? reader->parser.problem : "not YAML");
}

static void event_finish(yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		explicit_bzero(event->data.scalar.value, event->data.scalar.length);
	yaml_event_delete(event);
}

/* NULL, with the error set, when there are too many. */
static struct yaml_node *node_create(
	struct reader *reader, enum yaml_kind kind, const yaml_event_t *event)
{
	struct yaml_node *node;

	if (++reader->nodes > YAML_TREE_NODES_MAX) {
		fail(reader, event->start_mark.line + 1, "too many values");
		return NULL;
	}
	node = g_new0(struct yaml_node, 1);
	node->kind = kind;
	node->line = (unsigned int)event->start_mark.line + 1;
	node->references = 1;
	if (kind == YAML_MAPPING)
		node->keys = g_ptr_array_new_with_free_func(g_free);
	if (kind == YAML_MAPPING || kind == YAML_SEQUENCE)
		node->values = g_ptr_array_new_with_free_func(unref_value);
	return node;
}

static int read_scalar(
	struct reader *reader, const yaml_event_t *event, struct yaml_node **ret_node)
{
	const char *tag = (const char *)event->data.scalar.tag;
	const char *text = (const char *)event->data.scalar.value;
	gboolean plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && tag == NULL;
	enum yaml_kind kind = YAML_STRING;
	autosecret char *value = NULL;
	struct yaml_node *node;

	if (strlen(text) != event->data.scalar.length)
		return fail(reader, event->start_mark.line + 1, "a NUL character in a string");
	if (tag != NULL && strcmp(tag, YAML_STR_TAG) != 0 && strcmp(tag, "!") != 0) {
		if (!yaml_scalar_is_known_tag(tag))
			return fail(
				reader, event->start_mark.line + 1, "a tag that is not supported");
		plain = TRUE;
	}
	if (plain)
		kind = yaml_scalar_resolve(text, &value);
	node = node_create(reader, kind, event);
	if (node == NULL)
		return -EINVAL;
	node->text = value != NULL ? g_steal_pointer(&value) : g_strdup(text);
	*ret_node = node;
	return 0;
}

static int read_alias(struct reader *reader, const yaml_event_t *event, struct yaml_node **ret_node)
{
	void *node = NULL;

	if (!g_hash_table_lookup_extended(reader->anchors, event->data.alias.anchor, NULL, &node))
		return fail(reader, event->start_mark.line + 1, "an alias without its anchor");
	if (node == NULL)
		return fail(reader, event->start_mark.line + 1, "an alias to what contains it");
	*ret_node = yaml_node_ref(node);
	return 0;
}

static void mapping_set(struct yaml_node *mapping, const char *key, struct yaml_node *value)
{
	unsigned int index;

	if (g_ptr_array_find_with_equal_func(mapping->keys, key, g_str_equal, &index)) {
		yaml_node_unref(mapping->values->pdata[index]);
		mapping->values->pdata[index] = value;
		return;
	}
	g_ptr_array_add(mapping->keys, g_strdup(key));
	g_ptr_array_add(mapping->values, value);
}

/* "<<" of YAML 1.1: what is written out wins over what is merged in, the first merged over later.
 */
static int merge_into(
	struct reader *reader, struct yaml_node *mapping, const struct yaml_node *from)
{
	if (from->kind == YAML_SEQUENCE) {
		for (unsigned int i = 0; i < from->values->len; i++) {
			const struct yaml_node *item = from->values->pdata[i];
			int result;

			if (item->kind != YAML_MAPPING)
				return fail(reader, item->line, "<< needs mappings");
			result = merge_into(reader, mapping, item);
			if (result < 0)
				return result;
		}
		return 0;
	}
	if (from->kind != YAML_MAPPING)
		return fail(reader, from->line, "<< needs a mapping");
	for (unsigned int i = 0; i < from->keys->len; i++) {
		if (yaml_node_get(mapping, from->keys->pdata[i]) != NULL)
			continue;
		if (mapping->keys->len == YAML_TREE_KEYS_MAX)
			return fail(reader, from->line, "too many keys");
		mapping_set(mapping, from->keys->pdata[i], yaml_node_ref(from->values->pdata[i]));
	}
	return 0;
}

/* Reads one value, whatever it is. */
static int read_value(struct reader *reader, struct yaml_node **ret_node)
{
	yaml_event_t event;
	int result = next_event(reader, &event);

	if (result < 0)
		return result;
	result = read_node(reader, &event, ret_node);
	event_finish(&event);
	return result;
}

static int read_items(struct reader *reader, struct yaml_node *sequence)
{
	for (;;) {
		struct yaml_node *item = NULL;
		yaml_event_t event;
		gboolean end;
		int result = next_event(reader, &event);

		if (result < 0)
			return result;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			result = read_node(reader, &event, &item);
		event_finish(&event);
		if (end || result < 0)
			return result;
		g_ptr_array_add(sequence->values, item);
	}
}

/* One key and its value. *merge keeps what "<<" names until the written keys are known. */
static int read_member(struct reader *reader, const yaml_event_t *event, struct yaml_node *mapping,
	struct yaml_node **merge)
{
	struct yaml_node *value = NULL;
	autonode struct yaml_node *key = NULL;
	gboolean merging = event->type == YAML_SCALAR_EVENT &&
			   event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
			   strcmp((const char *)event->data.scalar.value, "<<") == 0;
	int result;

	if (event->type == YAML_SCALAR_EVENT) {
		result = read_scalar(reader, event, &key);
		if (result < 0)
			return result;
	} else {
		return fail(reader, event->start_mark.line + 1, "a key that is not a string");
	}
	result = read_value(reader, &value);
	if (result < 0)
		return result;
	if (mapping->keys->len == YAML_TREE_KEYS_MAX) {
		yaml_node_unref(value);
		return fail(reader, event->start_mark.line + 1, "too many keys");
	}
	if (merging) {
		yaml_node_unref(*merge);
		*merge = value;
	} else {
		mapping_set(mapping, key->text, value);
	}
	return 0;
}

static int read_members(struct reader *reader, struct yaml_node *mapping)
{
	autonode struct yaml_node *merge = NULL;

	for (;;) {
		yaml_event_t event;
		gboolean end;
		int result = next_event(reader, &event);

		if (result < 0)
			return result;
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end)
			result = read_member(reader, &event, mapping, &merge);
		event_finish(&event);
		if (result < 0)
			return result;
		if (end)
			return merge != NULL ? merge_into(reader, mapping, merge) : 0;
	}
}

static int read_collection(
	struct reader *reader, const yaml_event_t *event, struct yaml_node **ret_node)
{
	gboolean mapping = event->type == YAML_MAPPING_START_EVENT;
	struct yaml_node *node;
	int result;

	if (reader->depth == YAML_TREE_DEPTH_MAX)
		return fail(reader, event->start_mark.line + 1, "nested too deeply");
	node = node_create(reader, mapping ? YAML_MAPPING : YAML_SEQUENCE, event);
	if (node == NULL)
		return -EINVAL;
	reader->depth++;
	result = mapping ? read_members(reader, node) : read_items(reader, node);
	reader->depth--;
	if (result < 0)
		yaml_node_unref(node);
	else
		*ret_node = node;
	return result;
}

static const char *event_anchor(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return (const char *)event->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static int read_node(struct reader *reader, yaml_event_t *event, struct yaml_node **ret_node)
{
	const char *anchor = event_anchor(event);
	struct yaml_node *node = NULL;
	int result;

	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(reader, event, ret_node);
	if (anchor != NULL)
		g_hash_table_insert(reader->anchors, g_strdup(anchor), NULL);
	if (event->type == YAML_SCALAR_EVENT)
		result = read_scalar(reader, event, &node);
	else
		result = read_collection(reader, event, &node);
	if (result < 0)
		return result;
	if (anchor != NULL)
		g_hash_table_insert(reader->anchors, g_strdup(anchor), yaml_node_ref(node));
	*ret_node = node;
	return 0;
}

/* Skips to the content of the first document and reads it. */
static int read_document(struct reader *reader, struct yaml_node **ret_root)
{
	for (;;) {
		yaml_event_t event;
		int result = next_event(reader, &event);

		if (result < 0)
			return result;
		if (event.type == YAML_STREAM_START_EVENT ||
			event.type == YAML_DOCUMENT_START_EVENT) {
			event_finish(&event);
			continue;
		}
		if (event.type == YAML_STREAM_END_EVENT)
			*ret_root = node_create(reader, YAML_NULL, &event);
		else
			result = read_node(reader, &event, ret_root);
		event_finish(&event);
		return result;
	}
}

int yaml_tree_parse(const char *name, const char *text, size_t length, struct yaml_node **ret_root,
	GError **error)
{
	struct reader reader = {.name = name, .error = error};
	int result;

	if (!yaml_parser_initialize(&reader.parser))
		return error_set(error, ENOMEM, "%s: no memory", name);
	reader.anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_value);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
	result = read_document(&reader, ret_root);
	g_hash_table_unref(reader.anchors);
	yaml_parser_delete(&reader.parser);
	return result;
}

const struct yaml_node *yaml_node_get(const struct yaml_node *node, const char *key)
{
	unsigned int index;

	if (node == NULL || node->kind != YAML_MAPPING)
		return NULL;
	if (!g_ptr_array_find_with_equal_func(node->keys, key, g_str_equal, &index))
		return NULL;
	return node->values->pdata[index];
}

static cJSON *to_json(const struct yaml_node *node, unsigned int *budget)
{
	cJSON *json;

	if (*budget == 0)
		return NULL;
	--*budget;
	switch (node->kind) {
	case YAML_NULL:
		return cJSON_CreateNull();
	case YAML_BOOLEAN:
	case YAML_NUMBER:
		return cJSON_CreateRaw(node->text);
	case YAML_STRING:
		return cJSON_CreateString(node->text);
	case YAML_SEQUENCE:
	case YAML_MAPPING:
		break;
	}
	json = node->kind == YAML_MAPPING ? cJSON_CreateObject() : cJSON_CreateArray();
	for (unsigned int i = 0; i < node->values->len; i++) {
		cJSON *child = to_json(node->values->pdata[i], budget);

		if (child == NULL) {
			cJSON_Delete(json);
			return NULL;
		}
		if (node->kind == YAML_MAPPING)
			cJSON_AddItemToObject(json, node->keys->pdata[i], child);
		else
			cJSON_AddItemToArray(json, child);
	}
	return json;
}

cJSON *yaml_node_to_json(const struct yaml_node *node)
{
	unsigned int budget = YAML_TREE_NODES_MAX;

	return to_json(node, &budget);
}
