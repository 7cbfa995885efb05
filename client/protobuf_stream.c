#include "client/protobuf_stream.h"

#include <errno.h>

#include "client/error.h"
#include "client/protobuf_envelope.h"

/* Kept between objects; a larger buffer is given back. */
#define BUFFER_KEPT ((size_t)1024 * 1024)
#define FRAME_LENGTH 4
/* A tag and a length. */
#define HEADER_MAX 20

/* Fields of a list. */
enum {
	LIST_METADATA = 1,
	LIST_ITEM = 2,
};

/* Fields of metav1.ListMeta. */
enum {
	METADATA_RESOURCE_VERSION = 2,
	METADATA_CONTINUE = 3,
};

/* Fields of metav1.WatchEvent and of the runtime.RawExtension within. */
enum {
	EVENT_TYPE = 1,
	EVENT_OBJECT = 2,
	RAW_RAW = 1,
};

enum state {
	STATE_PREFIX, /* of the envelope */
	STATE_HEADER, /* a field's tag and length, or a frame's length */
	STATE_CONTENT, /* as many bytes as that says */
	STATE_BROKEN,
};

struct protobuf_stream {
	struct protobuf_stream_handlers handlers;
	void *data;
	size_t object_max;
	enum protobuf_stream_mode mode;
	enum state state;
	gboolean has_type; /* the envelope's fields that have come */
	gboolean has_list;
	gboolean in_list;
	guint64 list_left; /* bytes of the list that are still to come */
	char header[HEADER_MAX];
	size_t header_length;
	uint32_t field; /* whose content comes; frames have none */
	guint64 left; /* of the content */
	GByteArray *buffer; /* the content's bytes of earlier pieces */
	guint64 count;
	guint64 offset; /* of the next byte */
};

struct protobuf_stream *protobuf_stream_create(enum protobuf_stream_mode mode, size_t object_max,
	const struct protobuf_stream_handlers *handlers, void *data)
{
	struct protobuf_stream *stream = g_new0(struct protobuf_stream, 1);

	stream->handlers = *handlers;
	stream->data = data;
	stream->object_max = object_max;
	stream->mode = mode;
	stream->state = mode == PROTOBUF_STREAM_LIST ? STATE_PREFIX : STATE_HEADER;
	stream->buffer = g_byte_array_new();
	return stream;
}

void protobuf_stream_free(struct protobuf_stream *stream)
{
	if (stream == NULL)
		return;
	g_byte_array_unref(stream->buffer);
	g_free(stream);
}

guint64 protobuf_stream_count(const struct protobuf_stream *stream)
{
	return stream->count;
}

static int read_list_metadata(struct protobuf_stream *stream, struct protobuf_input input)
{
	struct protobuf_input version = {"", ""}, continue_token = {"", ""};

	while (input.at < input.end) {
		struct protobuf_input *wanted = NULL;
		uint32_t number;
		unsigned int wire;

		if (!protobuf_read_tag(&input, &number, &wire))
			return -EPROTO;
		if (number == METADATA_RESOURCE_VERSION)
			wanted = &version;
		else if (number == METADATA_CONTINUE)
			wanted = &continue_token;
		if (wanted != NULL && wire != PROTOBUF_DELIMITED)
			return -EOPNOTSUPP;
		/* What else there may be is shown nowhere. */
		if (wanted != NULL ? !protobuf_read_delimited(&input, wanted)
				   : !protobuf_skip(&input, wire))
			return -EPROTO;
	}
	stream->handlers.metadata(stream->data, &version, &continue_token);
	return 0;
}

static int finish_list_field(struct protobuf_stream *stream, struct protobuf_input content)
{
	if (stream->field == LIST_METADATA)
		return read_list_metadata(stream, content);
	stream->count++;
	stream->handlers.item(stream->data, &content);
	return 0;
}

static int finish_type(struct protobuf_stream *stream, struct protobuf_input content)
{
	struct protobuf_input api_version, kind;
	int result = protobuf_type_read(content, &api_version, &kind);

	if (result < 0)
		return result == -EBADMSG ? -EPROTO : result;
	stream->has_type = TRUE;
	if (stream->handlers.type != NULL)
		stream->handlers.type(stream->data, &api_version, &kind);
	return 0;
}

static int finish_envelope_field(struct protobuf_stream *stream, struct protobuf_input content)
{
	if (stream->field == PROTOBUF_UNKNOWN_TYPE)
		return finish_type(stream, content);
	return protobuf_content_is_known(stream->field, &content) ? 0 : -EOPNOTSUPP;
}

/* Fields 1 to count of a message that has only these, all delimited. */
static int read_delimited_fields(
	struct protobuf_input input, struct protobuf_input *fields, uint32_t count)
{
	while (input.at < input.end) {
		uint32_t number;
		unsigned int wire;

		if (!protobuf_read_tag(&input, &number, &wire))
			return -EPROTO;
		if (number > count || wire != PROTOBUF_DELIMITED)
			return -EOPNOTSUPP;
		if (!protobuf_read_delimited(&input, &fields[number]))
			return -EPROTO;
	}
	return 0;
}

static int finish_frame(struct protobuf_stream *stream, struct protobuf_input content)
{
	struct protobuf_input event[EVENT_OBJECT + 1] = {{"", ""}, {"", ""}, {"", ""}};
	struct protobuf_input raw[RAW_RAW + 1] = {{"", ""}, {"", ""}};
	int result = read_delimited_fields(content, event, EVENT_OBJECT);

	if (result == 0)
		result = read_delimited_fields(event[EVENT_OBJECT], raw, RAW_RAW);
	if (result < 0)
		return result;
	stream->count++;
	stream->handlers.event(stream->data, &event[EVENT_TYPE], &raw[RAW_RAW]);
	return 0;
}

static int finish_content(struct protobuf_stream *stream, struct protobuf_input content)
{
	stream->state = STATE_HEADER;
	if (stream->mode == PROTOBUF_STREAM_FRAMES)
		return finish_frame(stream, content);
	if (!stream->in_list)
		return finish_envelope_field(stream, content);
	stream->in_list = stream->list_left > 0;
	return finish_list_field(stream, content);
}

static int begin_content(struct protobuf_stream *stream, guint64 length)
{
	static const struct protobuf_input none = {"", ""};

	if (length > stream->object_max)
		return -EMSGSIZE;
	stream->left = length;
	stream->state = STATE_CONTENT;
	return length == 0 ? finish_content(stream, none) : 0;
}

/* A field within the list, whose header has come. */
static int begin_list_field(struct protobuf_stream *stream, guint64 length)
{
	if (length > stream->list_left)
		return -EPROTO;
	if (stream->field != LIST_METADATA && stream->field != LIST_ITEM)
		return -EOPNOTSUPP;
	stream->list_left -= length;
	return begin_content(stream, length);
}

/* The envelope's list is not gathered, but entered. Its type has to be known by then. */
static int begin_list(struct protobuf_stream *stream, guint64 length)
{
	if (!stream->has_type || stream->has_list)
		return -EOPNOTSUPP;
	stream->has_list = TRUE;
	stream->in_list = length > 0;
	stream->list_left = length;
	return 0;
}

static int begin_field(struct protobuf_stream *stream, guint64 length)
{
	if (stream->in_list)
		return begin_list_field(stream, length);
	if (stream->field == PROTOBUF_UNKNOWN_RAW)
		return begin_list(stream, length);
	if (stream->field > PROTOBUF_UNKNOWN_CONTENT_TYPE ||
		(stream->field == PROTOBUF_UNKNOWN_TYPE && stream->has_type))
		return -EOPNOTSUPP;
	return begin_content(stream, length);
}

/* Whether the header's bytes end with one that ends a varint, the first or the second. */
static bool is_whole_varint(const struct protobuf_input *input)
{
	return input->at < input->end && (unsigned char)input->end[-1] < 0x80;
}

static int take_header(struct protobuf_stream *stream)
{
	struct protobuf_input header = {stream->header, stream->header + stream->header_length};
	unsigned int wire;
	uint64_t length;

	if (!is_whole_varint(&header))
		return stream->header_length == HEADER_MAX ? -EPROTO : 0;
	if (!protobuf_read_tag(&header, &stream->field, &wire))
		return -EPROTO;
	if (wire != PROTOBUF_DELIMITED)
		return -EOPNOTSUPP;
	if (header.at == header.end)
		return 0;
	if (!protobuf_read_varint(&header, &length))
		return -EPROTO;
	stream->header_length = 0;
	return begin_field(stream, length);
}

static int take_frame_length(struct protobuf_stream *stream)
{
	const unsigned char *byte = (const unsigned char *)stream->header;

	if (stream->header_length < FRAME_LENGTH)
		return 0;
	stream->header_length = 0;
	return begin_content(stream,
		(guint64)byte[0] << 24 | (guint64)byte[1] << 16 | (guint64)byte[2] << 8 | byte[3]);
}

static int take_prefix(struct protobuf_stream *stream)
{
	if (memcmp(stream->header, PROTOBUF_PREFIX, stream->header_length) != 0)
		return -EPROTO;
	if (stream->header_length == PROTOBUF_PREFIX_LENGTH) {
		stream->header_length = 0;
		stream->state = STATE_HEADER;
	}
	return 0;
}

static int feed_byte(struct protobuf_stream *stream, struct protobuf_input *input)
{
	stream->header[stream->header_length++] = *input->at++;
	if (stream->state == STATE_PREFIX)
		return take_prefix(stream);
	if (stream->mode == PROTOBUF_STREAM_FRAMES)
		return take_frame_length(stream);
	if (stream->in_list && stream->list_left-- == 0)
		return -EPROTO;
	return take_header(stream);
}

static int feed_content(struct protobuf_stream *stream, struct protobuf_input *input)
{
	size_t length = (size_t)MIN(stream->left, protobuf_length(input));
	struct protobuf_input content = {input->at, input->at + length};
	int result;

	input->at += length;
	stream->left -= length;
	if (stream->left == 0 && stream->buffer->len == 0)
		return finish_content(stream, content);
	g_byte_array_append(stream->buffer, (const guint8 *)content.at, (guint)length);
	if (stream->left > 0)
		return 0;
	content.at = (const char *)stream->buffer->data;
	content.end = content.at + stream->buffer->len;
	result = finish_content(stream, content);
	if (stream->buffer->len > BUFFER_KEPT) {
		g_byte_array_unref(stream->buffer);
		stream->buffer = g_byte_array_new();
	} else {
		g_byte_array_set_size(stream->buffer, 0);
	}
	return result;
}

static int fail(struct protobuf_stream *stream, int result, GError **error)
{
	const char *part = stream->mode == PROTOBUF_STREAM_LIST ? "item" : "frame";
	const char *problem = "malformed";

	stream->state = STATE_BROKEN;
	if (result == -EMSGSIZE)
		problem = "too long";
	else if (result == -EOPNOTSUPP)
		problem = "something that this version of kubefs does not know";
	return error_set(error, -result,
		"protobuf, byte %" G_GUINT64_FORMAT " (behind %s %" G_GUINT64_FORMAT "): %s",
		stream->offset, part, stream->count, problem);
}

int protobuf_stream_feed(
	struct protobuf_stream *stream, const char *bytes, size_t length, GError **error)
{
	struct protobuf_input input = {bytes, bytes + length};

	if (stream->state == STATE_BROKEN)
		return error_set(error, EPROTO, "the stream is broken");
	while (input.at < input.end) {
		const char *before = input.at;
		int result = stream->state == STATE_CONTENT ? feed_content(stream, &input)
							    : feed_byte(stream, &input);

		stream->offset += (guint64)(input.at - before);
		if (result < 0)
			return fail(stream, result, error);
	}
	return 0;
}

int protobuf_stream_end(struct protobuf_stream *stream, GError **error)
{
	bool between = stream->state == STATE_HEADER && stream->header_length == 0;

	if (between &&
		(stream->mode == PROTOBUF_STREAM_FRAMES || (stream->has_list && !stream->in_list)))
		return 0;
	if (stream->state == STATE_BROKEN)
		return error_set(error, EPROTO, "the stream is broken");
	stream->state = STATE_BROKEN;
	return error_set(error, EPROTO, "protobuf ends early, after %" G_GUINT64_FORMAT " bytes",
		stream->offset);
}
