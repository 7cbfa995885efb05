#include "cache/yaml_write.h"

#include <errno.h>

#include "cache/document_order.h"
#include "cache/number.h"
#include "cache/utf8.h"
#include "cache/yaml_key.h"
#include "cache/yaml_scalar.h"
#include "client/error.h"

/* goyaml writes longer keys behind a '?'. */
#define SIMPLE_KEY_MAX 128

/* An object or array under way. */
struct frame {
	struct frame *parent;
	struct arena_mark mark; /* before the frame */
	struct document_node **members; /* of an object, sorted; NULL for an array */
	const struct document_node *element; /* the array's next */
	uint32_t left; /* members or elements still to be written */
	size_t indent; /* of each member or element */
};

struct writer {
	struct arena *arena;
	struct buffer *out;
	struct frame *top;
	size_t line; /* where in out the line begins */
	bool inside; /* the first member goes on behind "- " or ": " */
	bool line_start; /* the last scalar ended with a line break */
};

static bool put(struct writer *writer, const char *text, size_t length)
{
	return buffer_append(writer->out, text, length);
}

/* Nothing when the line is empty because a literal scalar has ended there. */
static bool end_line(struct writer *writer)
{
	if (!writer->line_start && !put(writer, "\n", 1))
		return false;
	writer->line_start = false;
	writer->line = writer->out->length;
	return true;
}

/* Characters on the line so far. */
static size_t column(const struct writer *writer)
{
	const struct buffer *out = writer->out;
	size_t count = 0;

	for (size_t i = writer->line; i < out->length; i++)
		count += !utf8_is_continuation(out->data[i]);
	return count;
}

static bool write_scalar(struct writer *writer, const char *text, size_t length, size_t indent,
	struct yaml_choice choice, bool foldable)
{
	struct yaml_scalar scalar;

	writer->line_start = false;
	if (choice.style == YAML_PLAIN && choice.simple)
		return put(writer, text, length);
	scalar = (struct yaml_scalar){
		.text = text,
		.length = length,
		.choice = choice,
		.indent = indent + 2,
		.column = foldable ? column(writer) : 0,
		.foldable = foldable,
	};
	return yaml_scalar_write(&scalar, writer->out, &writer->line_start);
}

/* The value that stands behind what is on the line already, and the line's end. */
static bool write_leaf(struct writer *writer, const struct document_node *node, size_t indent)
{
	char scratch[NUMBER_TEXT_MAX];
	struct yaml_choice choice;
	const char *text = "null";
	size_t length = 4;

	switch ((enum document_type)node->type) {
	case DOCUMENT_NULL:
		break;
	case DOCUMENT_FALSE:
		text = "false";
		length = 5;
		break;
	case DOCUMENT_TRUE:
		text = "true";
		break;
	case DOCUMENT_INTEGER:
	case DOCUMENT_FLOAT:
		length = number_yaml(node, scratch, &text);
		break;
	case DOCUMENT_ARRAY:
		text = "[]";
		length = 2;
		break;
	case DOCUMENT_OBJECT:
		text = "{}";
		length = 2;
		break;
	case DOCUMENT_STRING:
		choice = yaml_choose_style(node->text, node->length);
		return write_scalar(writer, node->text, node->length, indent, choice, true) &&
		       end_line(writer);
	}
	return put(writer, text, length) && end_line(writer);
}

static bool write_blanks(struct writer *writer, size_t count)
{
	struct buffer *out = writer->out;

	if (count == 0)
		return true;
	if (!buffer_reserve(out, count))
		return false;
	memset(out->data + out->length, ' ', count);
	out->length += count;
	return true;
}

static bool is_leaf(const struct document_node *node)
{
	return (node->type != DOCUMENT_ARRAY && node->type != DOCUMENT_OBJECT) || node->length == 0;
}

static bool open_container(struct writer *writer, const struct document_node *node, size_t indent)
{
	struct arena_mark mark = arena_mark(writer->arena);
	struct frame *frame = arena_allocate(writer->arena, sizeof(*frame));

	if (frame == NULL)
		return false;
	*frame = (struct frame){
		.parent = writer->top,
		.mark = mark,
		.element = node->first,
		.left = node->length,
		.indent = indent,
	};
	if (node->type == DOCUMENT_OBJECT) {
		frame->members = document_sort(writer->arena, node, yaml_key_compare);
		if (frame->members == NULL)
			return false;
	}
	writer->top = frame;
	return true;
}

static void close_container(struct writer *writer)
{
	struct frame *frame = writer->top;

	writer->top = frame->parent;
	arena_release(writer->arena, frame->mark);
}

/* A value on the same line; containers begin there, too. */
static bool write_inside(struct writer *writer, const struct document_node *node, size_t indent)
{
	if (!put(writer, " ", 1))
		return false;
	if (is_leaf(node))
		return write_leaf(writer, node, indent);
	writer->inside = true;
	return open_container(writer, node, indent + 2);
}

/* The value of a simple key. An array's dashes stand in the key's own column. */
static bool write_value(struct writer *writer, const struct document_node *node, size_t indent)
{
	if (is_leaf(node))
		return put(writer, " ", 1) && write_leaf(writer, node, indent);
	return end_line(writer) &&
	       open_container(writer, node, node->type == DOCUMENT_ARRAY ? indent : indent + 2);
}

static bool write_member(struct writer *writer, const struct document_node *node, size_t indent)
{
	struct yaml_choice choice = yaml_choose_style(node->key, node->key_length);

	/* Plain, it would be read as YAML's merge key. */
	if (node->key_length == 2 && memcmp(node->key, "<<", 2) == 0)
		choice.style = YAML_DOUBLE_QUOTED;
	if (!choice.multiline && node->key_length <= SIMPLE_KEY_MAX) {
		return write_scalar(writer, node->key, node->key_length, indent, choice, false) &&
		       put(writer, ":", 1) && write_value(writer, node, indent);
	}
	return put(writer, "? ", 2) &&
	       write_scalar(writer, node->key, node->key_length, indent, choice, true) &&
	       end_line(writer) && write_blanks(writer, indent) && put(writer, ":", 1) &&
	       write_inside(writer, node, indent);
}

/* The next member or element of the innermost container. */
static bool write_next(struct writer *writer)
{
	struct frame *frame = writer->top;
	const struct document_node *node;

	if (!writer->inside && !write_blanks(writer, frame->indent))
		return false;
	writer->inside = false;
	frame->left--;
	if (frame->members != NULL)
		return write_member(writer, *frame->members++, frame->indent);
	node = frame->element;
	frame->element = node->next;
	return put(writer, "-", 1) && write_inside(writer, node, frame->indent);
}

static bool write_root(struct writer *writer, const struct document_node *node)
{
	if (is_leaf(node))
		return write_leaf(writer, node, 0);
	if (!open_container(writer, node, 0))
		return false;
	while (writer->top != NULL) {
		if (writer->top->left == 0)
			close_container(writer);
		else if (!write_next(writer))
			return false;
	}
	return true;
}

int yaml_write(struct document *scratch, const struct document_node *node, struct buffer *out,
	GError **error)
{
	struct writer writer = {.arena = &scratch->arena, .out = out, .line = out->length};
	struct arena_mark mark = arena_mark(writer.arena);
	bool done = write_root(&writer, node);

	arena_release(writer.arena, mark);
	if (!done) {
		return error_set(
			error, EFBIG, "YAML text is longer than the %zu bytes allowed", out->limit);
	}
	return 0;
}
