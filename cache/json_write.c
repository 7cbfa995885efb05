#include "cache/json_write.h"

#include <errno.h>

#include "cache/document_order.h"
#include "cache/number.h"
#include "client/error.h"

#define INDENT 4

/* An object or array under way. */
struct frame {
	struct frame *parent;
	struct arena_mark mark; /* before the frame */
	struct document_node **members; /* of an object, sorted; NULL for an array */
	const struct document_node *element; /* the array's next */
	uint32_t left;
	bool first;
};

struct writer {
	struct arena *arena;
	struct buffer *out;
	struct frame *top;
	size_t depth;
	bool pretty;
};

static bool put(struct writer *writer, const char *text, size_t length)
{
	return buffer_append(writer->out, text, length);
}

static bool start_line(struct writer *writer)
{
	struct buffer *out = writer->out;
	size_t count = writer->depth * INDENT + 1;

	if (!writer->pretty)
		return true;
	if (!buffer_reserve(out, count))
		return false;
	out->data[out->length] = '\n';
	memset(out->data + out->length + 1, ' ', count - 1);
	out->length += count;
	return true;
}

/*
 * What Go's encoding/json writes for the character at at (< end): NULL for itself. *ret_width is
 * its length there.
 */
static const char *escape(const char *at, const char *end, char text[8], size_t *ret_width)
{
	static const char lower[] = "0123456789abcdef";
	unsigned char byte = (unsigned char)*at;

	*ret_width = 1;
	switch (byte) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	case 0xE2:
		if (end - at < 3 || at[1] != '\x80' || (at[2] != '\xA8' && at[2] != '\xA9'))
			return NULL;
		*ret_width = 3;
		return at[2] == '\xA8' ? "\\u2028" : "\\u2029";
	default:
		break;
	}
	if (byte >= ' ' && byte != '<' && byte != '>' && byte != '&')
		return NULL;
	memcpy(text, "\\u00", 4);
	text[4] = lower[byte >> 4];
	text[5] = lower[byte & 0x0F];
	text[6] = '\0';
	return text;
}

static bool write_string(struct writer *writer, const char *text, size_t length)
{
	const char *at = text, *end = text + length, *from = text;

	if (!put(writer, "\"", 1))
		return false;
	while (at < end) {
		char buffer[8];
		size_t width;
		const char *escaped = escape(at, end, buffer, &width);

		if (escaped == NULL) {
			at++;
			continue;
		}
		if (!put(writer, from, (size_t)(at - from)) ||
			!put(writer, escaped, strlen(escaped)))
			return false;
		at += width;
		from = at;
	}
	return put(writer, from, (size_t)(end - from)) && put(writer, "\"", 1);
}

static bool write_leaf(struct writer *writer, const struct document_node *node)
{
	char scratch[NUMBER_TEXT_MAX];
	const char *text;
	size_t length;

	switch ((enum document_type)node->type) {
	case DOCUMENT_NULL:
		return put(writer, "null", 4);
	case DOCUMENT_FALSE:
		return put(writer, "false", 5);
	case DOCUMENT_TRUE:
		return put(writer, "true", 4);
	case DOCUMENT_INTEGER:
	case DOCUMENT_FLOAT:
		length = number_json(node, scratch, &text);
		return put(writer, text, length);
	case DOCUMENT_STRING:
		return write_string(writer, node->text, node->length);
	case DOCUMENT_ARRAY:
		return put(writer, "[]", 2);
	case DOCUMENT_OBJECT:
		return put(writer, "{}", 2);
	}
	return false;
}

static bool open_container(struct writer *writer, const struct document_node *node)
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
		.first = true,
	};
	if (node->type == DOCUMENT_OBJECT) {
		frame->members = document_sort(writer->arena, node, document_compare_bytes);
		if (frame->members == NULL)
			return false;
	}
	writer->top = frame;
	writer->depth++;
	return put(writer, node->type == DOCUMENT_OBJECT ? "{" : "[", 1);
}

static bool close_container(struct writer *writer)
{
	struct frame *frame = writer->top;
	bool object = frame->members != NULL;

	writer->depth--;
	writer->top = frame->parent;
	arena_release(writer->arena, frame->mark);
	return start_line(writer) && put(writer, object ? "}" : "]", 1);
}

static bool write_node(struct writer *writer, const struct document_node *node)
{
	bool container = node->type == DOCUMENT_ARRAY || node->type == DOCUMENT_OBJECT;

	return container && node->length > 0 ? open_container(writer, node)
					     : write_leaf(writer, node);
}

/* The next member or element of the innermost container. */
static bool write_next(struct writer *writer)
{
	struct frame *frame = writer->top;
	const struct document_node *node = frame->element;

	if (!frame->first && !put(writer, ",", 1))
		return false;
	if (!start_line(writer))
		return false;
	frame->first = false;
	frame->left--;
	if (frame->members == NULL) {
		frame->element = node->next;
		return write_node(writer, node);
	}
	node = *frame->members++;
	return write_string(writer, node->key, node->key_length) &&
	       put(writer, ": ", writer->pretty ? 2 : 1) && write_node(writer, node);
}

static bool write_root(struct writer *writer, const struct document_node *node)
{
	if (!write_node(writer, node))
		return false;
	while (writer->top != NULL) {
		if (!(writer->top->left == 0 ? close_container(writer) : write_next(writer)))
			return false;
	}
	return !writer->pretty || put(writer, "\n", 1);
}

int json_write(struct document *scratch, const struct document_node *node, enum json_style style,
	struct buffer *out, GError **error)
{
	struct writer writer = {
		.arena = &scratch->arena,
		.out = out,
		.pretty = style == JSON_KUBECTL,
	};
	struct arena_mark mark = arena_mark(writer.arena);
	bool done = write_root(&writer, node);

	arena_release(writer.arena, mark);
	if (!done) {
		return error_set(
			error, EFBIG, "JSON text is longer than the %zu bytes allowed", out->limit);
	}
	return 0;
}
