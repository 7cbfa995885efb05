#include "cache/yaml_read.h"

#include <errno.h>
#include <yaml.h>

#include "cache/document_order.h"
#include "cache/yaml_alias.h"
#include "cache/yaml_input.h"
#include "cache/yaml_value.h"
#include "client/error.h"

/*
 * libyaml looks through all open flow containers at every token: what would make that quadratic is
 * refused. Block text has no such limit.
 */
#define FLOW_WORK_MAX 100000000

/* A node of the tree and, with YAML_READ_STRICT, where its key stands. */
struct marked_node {
	struct document_node node;
	yaml_mark_t mark;
};

/* A map or list under way. */
struct frame {
	struct frame *parent;
	struct document_node *node;
	struct document_node **tail;
	struct yaml_anchor *anchor; /* its own, or NULL */
	bool flow;
	bool has_key; /* the value of key comes next */
	bool merges; /* that key is the merge key */
	const char *key;
	size_t key_length;
	yaml_mark_t key_mark;
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	struct document *document;
	struct arena notes; /* frames and anchors */
	struct yaml_anchors *anchors;
	struct yaml_budget budget;
	struct frame *top;
	struct frame *spare; /* closed ones, linked by parent */
	struct document_node *root;
	size_t node_size;
	size_t depth;
	size_t flow_depth;
	size_t flow_work;
	struct yaml_input input;
	bool strict;
	GError **error;
};

static int fail_at(struct reader *reader, const yaml_mark_t *mark, int errnum, const char *problem)
{
	return error_set(reader->error, errnum, "line %zu, column %zu: %s", mark->line + 1,
		mark->column + 1, problem);
}

static int fail(struct reader *reader, int errnum, const char *problem)
{
	return fail_at(reader, &reader->event.start_mark, errnum, problem);
}

static int fail_memory(struct reader *reader)
{
	return fail(reader, EFBIG, "the document takes more memory than allowed");
}

/* What a helper returned: 0, or -EINVAL with a problem, or one of the limits. */
static int check(struct reader *reader, int result, const char *problem)
{
	switch (result) {
	case 0:
		return 0;
	case -EINVAL:
		return fail(reader, EINVAL, problem);
	case -E2BIG:
		return fail(reader, EFBIG, "aliases multiply the document");
	default:
		return fail_memory(reader);
	}
}

static int fail_parser(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	yaml_mark_t mark = parser->problem_mark;

	switch (parser->error) {
	case YAML_MEMORY_ERROR:
		return fail_at(reader, &parser->mark, EFBIG, "too large for the YAML parser");
	case YAML_READER_ERROR:
		yaml_input_position(
			&reader->input, parser->problem_offset, &mark.line, &mark.column);
		break;
	default:
		break;
	}
	return fail_at(reader, &mark, EINVAL,
		parser->problem != NULL ? parser->problem : "malformed YAML");
}

/* Fetches the next event into reader->event. */
static int next_event(struct reader *reader)
{
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	reader->has_event = yaml_parser_parse(&reader->parser, &reader->event) != 0;
	if (!reader->has_event)
		return fail_parser(reader);
	reader->flow_work += reader->flow_depth;
	if (reader->flow_work > FLOW_WORK_MAX)
		return fail(reader, EFBIG, "too many values too deep in [] and {}");
	return 0;
}

/* Moves the members of a map, or of the maps in a list, into the map around. */
static int merge_map(struct reader *reader, struct frame *frame, struct document_node *map)
{
	struct document_node *member = map->first;

	if (map->type != DOCUMENT_OBJECT)
		return fail(reader, EINVAL, "a merge needs a map or a list of maps");
	while (member != NULL) {
		struct document_node *next = member->next;

		document_append(frame->node, &frame->tail, member);
		member = next;
	}
	*frame->tail = NULL;
	return 0;
}

/* decode.go's merge: of the maps in a list the earlier ones win, so they come last. */
static int merge(
	struct reader *reader, struct frame *frame, struct document_node *value, bool aliased)
{
	struct document_node *reversed = NULL;

	if (value->type != DOCUMENT_ARRAY || aliased)
		return merge_map(reader, frame, value);
	for (struct document_node *map = value->first, *next; map != NULL; map = next) {
		next = map->next;
		map->next = reversed;
		reversed = map;
	}
	for (struct document_node *map = reversed; map != NULL; map = map->next) {
		int result = merge_map(reader, frame, map);

		if (result < 0)
			return result;
	}
	return 0;
}

/* Puts a complete value where it belongs. */
static int add_value(struct reader *reader, struct document_node *node, bool aliased)
{
	struct frame *frame = reader->top;

	if (frame == NULL) {
		reader->root = node;
		return 0;
	}
	if (frame->node->type == DOCUMENT_OBJECT) {
		frame->has_key = false;
		if (frame->merges)
			return merge(reader, frame, node, aliased);
		node->key = frame->key;
		node->key_length = (uint32_t)frame->key_length;
		if (reader->strict)
			((struct marked_node *)node)->mark = frame->key_mark;
	}
	document_append(frame->node, &frame->tail, node);
	return 0;
}

static bool expects_key(const struct reader *reader)
{
	return reader->top != NULL && reader->top->node->type == DOCUMENT_OBJECT &&
	       !reader->top->has_key;
}

static void set_key(struct reader *reader, const char *key, size_t length)
{
	struct frame *frame = reader->top;

	frame->has_key = true;
	frame->merges = false;
	frame->key = key;
	frame->key_length = length;
	frame->key_mark = reader->event.start_mark;
}

static int add_anchor(struct reader *reader, const yaml_char_t *name, struct document_node *node,
	struct yaml_anchor **ret_anchor)
{
	if (name == NULL)
		return 0;
	*ret_anchor = yaml_anchors_add(reader->anchors, (const char *)name, node);
	return *ret_anchor == NULL ? fail_memory(reader) : 0;
}

static struct yaml_source source_of(const struct reader *reader)
{
	return (struct yaml_source){
		.text = (const char *)reader->event.data.scalar.value,
		.length = reader->event.data.scalar.length,
		.tag = (const char *)reader->event.data.scalar.tag,
		.implicit = reader->event.data.scalar.plain_implicit != 0,
	};
}

static bool is_merge_key(const struct yaml_source *source)
{
	return source->length == 2 && memcmp(source->text, "<<", 2) == 0 &&
	       (source->implicit || (source->tag != NULL &&
					    strcmp(source->tag, "tag:yaml.org,2002:merge") == 0));
}

static int read_key(struct reader *reader, const struct yaml_source *source)
{
	const char *key, *problem = NULL;
	size_t length;
	int result = yaml_value_key(reader->document, source, &key, &length, &problem);

	if (result < 0)
		return check(reader, result, problem);
	set_key(reader, key, length);
	reader->top->merges = is_merge_key(source);
	return 0;
}

static int read_scalar(struct reader *reader)
{
	const yaml_char_t *name = reader->event.data.scalar.anchor;
	struct yaml_source source = source_of(reader);
	struct yaml_anchor *anchor;
	struct document_node *node;
	const char *problem = NULL;
	bool key = expects_key(reader);
	int result = 0;

	if (source.length > G_MAXINT32)
		return fail_memory(reader);
	if (!(key && is_merge_key(&source)) && !yaml_budget_take(&reader->budget, false))
		return check(reader, -E2BIG, NULL);
	if (!key || name != NULL) {
		result = yaml_value_node(
			reader->document, &source, reader->node_size, &node, &problem);
		if (result < 0)
			return check(reader, result, problem);
		result = add_anchor(reader, name, node, &anchor);
		if (result < 0)
			return result;
	}
	return key ? read_key(reader, &source) : add_value(reader, node, false);
}

static int read_alias(struct reader *reader)
{
	struct yaml_anchor *anchor =
		yaml_anchors_find(reader->anchors, (const char *)reader->event.data.alias.anchor);
	struct document_node *copy;
	const char *key, *problem = NULL;
	size_t length;
	int result;

	if (anchor == NULL)
		return fail(reader, EINVAL, "no such anchor before this alias");
	if (anchor->open)
		return fail(reader, EINVAL, "an anchor's value contains itself");
	if (!yaml_budget_take(&reader->budget, false))
		return check(reader, -E2BIG, NULL);
	if (expects_key(reader)) {
		result = yaml_value_node_key(
			anchor->node, reader->document, &key, &length, &problem);
		if (result < 0)
			return check(reader, result, problem);
		set_key(reader, key, length);
		return 0;
	}
	result = yaml_alias_copy(reader->document, anchor->node, reader->node_size, reader->depth,
		&reader->budget, &copy);
	if (result < 0)
		return check(reader, result, NULL);
	copy->key = NULL;
	copy->key_length = 0;
	return add_value(reader, copy, true);
}

static struct frame *take_frame(struct reader *reader)
{
	struct frame *frame = reader->spare;

	if (frame == NULL)
		return arena_allocate(&reader->notes, sizeof(*frame));
	reader->spare = frame->parent;
	return frame;
}

static int open_container(
	struct reader *reader, enum document_type type, const yaml_char_t *name, bool flow)
{
	struct document_node *node;
	struct frame *frame;
	int result;

	if (expects_key(reader))
		return fail(reader, EINVAL, "a key is a map or a list");
	if (++reader->depth > DOCUMENT_DEPTH_MAX)
		return fail(reader, EFBIG, "nested too deep");
	if (!yaml_budget_take(&reader->budget, false))
		return check(reader, -E2BIG, NULL);
	node = arena_allocate(&reader->document->arena, reader->node_size);
	frame = take_frame(reader);
	if (node == NULL || frame == NULL)
		return fail_memory(reader);
	memset(node, 0, reader->node_size);
	node->type = (uint8_t)type;
	*frame = (struct frame){
		.parent = reader->top,
		.node = node,
		.tail = &node->first,
		.flow = flow,
	};
	result = add_anchor(reader, name, node, &frame->anchor);
	if (result < 0)
		return result;
	if (frame->anchor != NULL)
		frame->anchor->open = true;
	reader->flow_depth += flow;
	reader->top = frame;
	return 0;
}

static int close_container(struct reader *reader)
{
	struct frame *frame = reader->top;
	struct document_node *node = frame->node;
	const struct document_node *duplicate = NULL;

	if (frame->node->type == DOCUMENT_OBJECT &&
		document_unique(&reader->document->arena, frame->node, &duplicate) < 0)
		return fail_memory(reader);
	if (duplicate != NULL && reader->strict) {
		return fail_at(reader, &((const struct marked_node *)duplicate)->mark, EINVAL,
			"the map has this key already");
	}
	if (frame->anchor != NULL)
		frame->anchor->open = false;
	reader->top = frame->parent;
	reader->depth--;
	reader->flow_depth -= frame->flow;
	frame->parent = reader->spare;
	reader->spare = frame;
	return add_value(reader, node, false);
}

/* From behind the document's start up to its end. */
static int read_nodes(struct reader *reader)
{
	for (;;) {
		int result = next_event(reader);

		if (result < 0)
			return result;
		switch (reader->event.type) {
		case YAML_SCALAR_EVENT:
			result = read_scalar(reader);
			break;
		case YAML_ALIAS_EVENT:
			result = read_alias(reader);
			break;
		case YAML_SEQUENCE_START_EVENT:
			result = open_container(reader, DOCUMENT_ARRAY,
				reader->event.data.sequence_start.anchor,
				reader->event.data.sequence_start.style ==
					YAML_FLOW_SEQUENCE_STYLE);
			break;
		case YAML_MAPPING_START_EVENT:
			result = open_container(reader, DOCUMENT_OBJECT,
				reader->event.data.mapping_start.anchor,
				reader->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
			break;
		case YAML_SEQUENCE_END_EVENT:
		case YAML_MAPPING_END_EVENT:
			result = close_container(reader);
			break;
		default:
			return 0;
		}
		if (result < 0)
			return result;
	}
}

static bool is_empty_scalar(const yaml_event_t *event)
{
	return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
	       event->data.scalar.plain_implicit != 0 && event->data.scalar.tag == NULL &&
	       event->data.scalar.anchor == NULL;
}

/* Behind the first document there is none but empty ones, as a last "---" makes. */
static int read_rest(struct reader *reader)
{
	for (;;) {
		int result = next_event(reader);

		if (result < 0)
			return result;
		switch (reader->event.type) {
		case YAML_STREAM_END_EVENT:
			return 0;
		case YAML_DOCUMENT_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		default:
			if (!is_empty_scalar(&reader->event))
				return fail(reader, EINVAL, "a second document begins");
			break;
		}
	}
}

static int read_stream(struct reader *reader)
{
	int result = next_event(reader);

	if (result == 0)
		result = next_event(reader);
	if (result < 0)
		return result;
	if (reader->event.type == YAML_STREAM_END_EVENT) {
		reader->root = document_new(reader->document, DOCUMENT_NULL);
		return reader->root == NULL ? fail_memory(reader) : 0;
	}
	result = read_nodes(reader);
	return result < 0 ? result : read_rest(reader);
}

static int read_text(struct reader *reader)
{
	int result = yaml_input_check(&reader->input, reader->error);

	if (result < 0)
		return result;
	if (yaml_parser_initialize(&reader->parser) == 0)
		return error_set(reader->error, EFBIG, "line 1, column 1: out of memory");
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
		&reader->parser, (const unsigned char *)reader->input.text, reader->input.length);
	reader->anchors = yaml_anchors_create(&reader->notes);
	result = read_stream(reader);
	if (reader->has_event)
		yaml_event_delete(&reader->event);
	yaml_anchors_destroy(reader->anchors);
	yaml_parser_delete(&reader->parser);
	return result;
}

int yaml_read(struct document *document, const char *text, size_t length, unsigned int flags,
	struct document_node **ret_root, GError **error)
{
	bool strict = (flags & YAML_READ_STRICT) != 0;
	struct reader reader = {
		.document = document,
		.budget = {.decoded = 1}, /* the document itself */
		.input = yaml_input_of(text, length),
		.strict = strict,
		.node_size = strict ? sizeof(struct marked_node) : sizeof(struct document_node),
		.error = error,
	};
	int result;

	arena_init(&reader.notes, 0, document->arena.limit);
	result = read_text(&reader);
	arena_finish(&reader.notes);
	if (result == 0)
		*ret_root = reader.root;
	return result;
}
