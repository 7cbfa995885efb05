#include "cache/protobuf_scalar.h"

#include <errno.h>
#include <glib.h>

#include "cache/json_parse.h"
#include "cache/number.h"
#include "cache/protobuf_text.h"
#include "cache/utf8.h"

/* metav1.Time's zero: 0001-01-01T00:00:00Z. */
#define TIME_ZERO INT64_C(-62135596800)

/* Fields 1 to PARTS_MAX of a message. */
#define PARTS_MAX 3

struct part {
	bool there;
	uint64_t number;
	struct protobuf_input text;
};

/* Which wire type each field has, in order; "v" is a varint, "d" is delimited. */
static int read_parts(
	const struct protobuf_input *input, const char *types, struct part parts[PARTS_MAX])
{
	struct protobuf_input rest = *input;
	size_t count = strlen(types);

	memset(parts, 0, PARTS_MAX * sizeof(parts[0]));
	while (rest.at < rest.end) {
		struct part *part;
		uint32_t number;
		unsigned int wire;
		bool is_number;

		if (!protobuf_read_tag(&rest, &number, &wire))
			return -EBADMSG;
		if (number > count)
			return -EOPNOTSUPP;
		is_number = types[number - 1] == 'v';
		if (wire != (is_number ? PROTOBUF_VARINT : PROTOBUF_DELIMITED))
			return -EOPNOTSUPP;
		part = &parts[number - 1];
		part->there = true;
		if (is_number ? !protobuf_read_varint(&rest, &part->number)
			      : !protobuf_read_delimited(&rest, &part->text))
			return -EBADMSG;
	}
	return 0;
}

static inline int make_node(
	struct document *document, enum document_type type, struct document_node **ret_node)
{
	*ret_node = document_new(document, type);
	return *ret_node == NULL ? -EFBIG : 0;
}

/* A node whose text lies within the input, or for ever. */
static inline int make_text(struct document *document, enum document_type type, const char *text,
	size_t length, struct document_node **ret_node)
{
	struct document_node *node = arena_allocate(&document->arena, sizeof(*node));

	if (node == NULL)
		return -EFBIG;
	*node = (struct document_node){.type = type, .length = (uint32_t)length, .text = text};
	*ret_node = node;
	return 0;
}

static int make_copy(struct document *document, enum document_type type, const char *text,
	size_t length, struct document_node **ret_node)
{
	const char *copy = document_copy_text(document, text, length);

	return copy == NULL ? -EFBIG : make_text(document, type, copy, length, ret_node);
}

int protobuf_integer(struct document *document, int64_t number, struct document_node **ret_node)
{
	static const char digits[] = "0123456789";
	char text[PROTOBUF_TEXT_MAX];
	size_t length;

	if (number >= 0 && number <= 9)
		return make_text(document, DOCUMENT_INTEGER, digits + number, 1, ret_node);
	length = protobuf_print_integer(number, text);
	return make_copy(document, DOCUMENT_INTEGER, text, length, ret_node);
}

/* Whoever reads the number in JSON takes one without fraction and exponent for an integer. */
int protobuf_double(struct document *document, double number, struct document_node **ret_node)
{
	char text[NUMBER_TEXT_MAX];
	size_t length = number_print_json(number, text);
	bool whole = memchr(text, '.', length) == NULL && memchr(text, 'e', length) == NULL;

	if (number == 0)
		return protobuf_integer(document, 0, ret_node);
	return make_copy(document,
		whole && number_fits_int64(text, length) ? DOCUMENT_INTEGER : DOCUMENT_FLOAT, text,
		length, ret_node);
}

static const char *skip_ascii(const char *at, const char *end)
{
	uint64_t word;

	for (; end - at >= (ptrdiff_t)sizeof(word); at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		if ((word & UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	while (at < end && ((unsigned char)*at & 0x80) == 0)
		at++;
	return at;
}

/* Where the first byte is that is not well-formed UTF-8, or the end. */
static const char *skip_utf8(const char *at, const char *end)
{
	for (;;) {
		size_t length;

		at = skip_ascii(at, end);
		if (at == end)
			return at;
		length = utf8_length(at, end);
		if (length == 0)
			return at;
		at += length;
	}
}

static int replace_utf8(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	const char *at = input->at;
	size_t length = protobuf_length(input);
	char *text = arena_allocate(&document->arena, 3 * length);
	char *out = text;

	if (text == NULL)
		return -EFBIG;
	while (at < input->end) {
		const char *bad = skip_utf8(at, input->end);

		memcpy(out, at, (size_t)(bad - at));
		out += bad - at;
		at = bad;
		if (at < input->end) {
			out = utf8_put(out, 0xFFFD);
			at++;
		}
	}
	return make_text(document, DOCUMENT_STRING, text, (size_t)(out - text), ret_node);
}

int protobuf_string(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	if (skip_utf8(input->at, input->end) < input->end)
		return replace_utf8(document, input, ret_node);
	return make_text(document, DOCUMENT_STRING, input->at, protobuf_length(input), ret_node);
}

int protobuf_base64(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	size_t length = protobuf_length(input), done;
	int state = 0, save = 0;
	char *text;

	if (length == 0)
		return make_text(document, DOCUMENT_STRING, "", 0, ret_node);
	text = arena_allocate(&document->arena, (length / 3 + 1) * 4 + 4);
	if (text == NULL)
		return -EFBIG;
	done = g_base64_encode_step((const guchar *)input->at, length, FALSE, text, &state, &save);
	done += g_base64_encode_close(FALSE, text + done, &state, &save);
	return make_text(document, DOCUMENT_STRING, text, done, ret_node);
}

static int make_time(struct document *document, int64_t seconds, int microseconds,
	struct document_node **ret_node)
{
	char text[PROTOBUF_TEXT_MAX];
	size_t length = protobuf_print_time(seconds, microseconds, text);

	if (length == 0)
		return -EOPNOTSUPP;
	return make_copy(document, DOCUMENT_STRING, text, length, ret_node);
}

/* Its parts are seconds and nanoseconds; Go's Time.Unmarshal ignores the latter. */
int protobuf_time(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	struct part parts[PARTS_MAX];
	int result = read_parts(input, "vv", parts);
	int64_t seconds = (int64_t)parts[0].number;

	if (result < 0)
		return result;
	if (protobuf_length(input) == 0 || seconds == TIME_ZERO)
		return make_node(document, DOCUMENT_NULL, ret_node);
	return make_time(document, seconds, -1, ret_node);
}

int protobuf_micro_time(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	struct part parts[PARTS_MAX];
	int result = read_parts(input, "vv", parts);
	int64_t seconds = (int64_t)parts[0].number;
	int32_t nanoseconds = (int32_t)parts[1].number;

	if (result < 0)
		return result;
	if (nanoseconds < 0 || nanoseconds >= 1000000000)
		return -EOPNOTSUPP;
	if (protobuf_length(input) == 0 || (seconds == TIME_ZERO && nanoseconds < 1000))
		return make_node(document, DOCUMENT_NULL, ret_node);
	return make_time(document, seconds, nanoseconds / 1000, ret_node);
}

int protobuf_duration(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	struct part parts[PARTS_MAX];
	char text[PROTOBUF_TEXT_MAX];
	int result = read_parts(input, "v", parts);
	size_t length;

	if (result < 0)
		return result;
	length = protobuf_print_duration((int64_t)parts[0].number, text);
	return make_copy(document, DOCUMENT_STRING, text, length, ret_node);
}

int protobuf_quantity(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	struct part parts[PARTS_MAX];
	const struct protobuf_input *text = &parts[0].text;
	int result = read_parts(input, "d", parts);

	if (result < 0)
		return result;
	if (!parts[0].there)
		return make_text(document, DOCUMENT_STRING, "0", 1, ret_node);
	if (!protobuf_is_quantity(text->at, protobuf_length(text)))
		return -EOPNOTSUPP;
	return make_text(document, DOCUMENT_STRING, text->at, protobuf_length(text), ret_node);
}

/* Its parts are the type, the integer and the string. */
int protobuf_int_or_string(struct document *document, const struct protobuf_input *input,
	struct document_node **ret_node)
{
	struct part parts[PARTS_MAX];
	int result = read_parts(input, "vvd", parts);

	if (result < 0)
		return result;
	if (parts[0].number == 0)
		return protobuf_integer(document, (int32_t)parts[1].number, ret_node);
	if (parts[0].number != 1)
		return -EOPNOTSUPP;
	if (!parts[2].there)
		return make_text(document, DOCUMENT_STRING, "", 0, ret_node);
	return protobuf_string(document, &parts[2].text, ret_node);
}

/* What RawExtension.MarshalJSON does not take for CBOR or an error. */
static bool begins_json(const struct protobuf_input *text)
{
	return text->at < text->end && *text->at != '\0' &&
	       strchr("\t\r\n {[ntf\"-0123456789", *text->at) != NULL;
}

int protobuf_raw(struct document *document, enum protobuf_shape shape,
	const struct protobuf_input *input, unsigned int depth, struct document_node **ret_node)
{
	struct part parts[PARTS_MAX];
	const struct protobuf_input *text = &parts[0].text;
	int result = read_parts(input, "d", parts);

	if (result < 0)
		return result;
	if (!parts[0].there || (protobuf_length(text) == 0 && shape != PROTOBUF_RAW_EXTENSION))
		return make_node(document, DOCUMENT_NULL, ret_node);
	if (!begins_json(text))
		return -EOPNOTSUPP;
	return json_parse_within(document, text->at, protobuf_length(text), depth, ret_node, NULL);
}
