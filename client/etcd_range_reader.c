#include "client/etcd_range_reader.h"

#include <errno.h>

#include "client/error.h"
#include "client/etcd_kv.h"
#include "client/protobuf_wire.h"

/* Kept between keys; a larger buffer is given back. */
#define BUFFER_KEPT ((size_t)1024 * 1024)
/* A tag and a length or a number. */
#define HEADER_MAX 20

/* Fields of a RangeResponse, and of the ResponseHeader within. */
enum {
	RANGE_HEADER = 1,
	RANGE_KVS = 2,
	RANGE_MORE = 3,
	RANGE_COUNT = 4,
	HEADER_REVISION = 3,
};

enum state {
	STATE_HEADER, /* a field's tag, and its length or number */
	STATE_CONTENT, /* as many bytes as that says */
	STATE_STOPPED, /* the rest does not matter */
	STATE_BROKEN,
};

struct etcd_range_reader {
	struct etcd_range_reader_handlers handlers;
	void *data;
	size_t kv_max;
	enum state state;
	char header[HEADER_MAX];
	size_t header_length;
	uint32_t field; /* whose content comes */
	uint64_t left; /* of the content */
	GByteArray *buffer; /* the content's bytes of earlier pieces */
	uint64_t count;
	struct etcd_range_numbers numbers;
};

struct etcd_range_reader *etcd_range_reader_create(
	size_t kv_max, const struct etcd_range_reader_handlers *handlers, void *data)
{
	struct etcd_range_reader *reader = g_new0(struct etcd_range_reader, 1);

	reader->handlers = *handlers;
	reader->data = data;
	/* GByteArray counts in 32 bits. */
	reader->kv_max = MIN(kv_max, (size_t)G_MAXUINT / 2);
	reader->buffer = g_byte_array_new();
	return reader;
}

void etcd_range_reader_free(struct etcd_range_reader *reader)
{
	if (reader == NULL)
		return;
	g_byte_array_unref(reader->buffer);
	g_free(reader);
}

struct etcd_range_numbers etcd_range_reader_numbers(const struct etcd_range_reader *reader)
{
	return reader->numbers;
}

uint64_t etcd_range_reader_count(const struct etcd_range_reader *reader)
{
	return reader->count;
}

static int fail(struct etcd_range_reader *reader, int errnum, const char *problem, GError **error)
{
	reader->state = STATE_BROKEN;
	return error_set(
		error, errnum, "kvs[%" G_GUINT64_FORMAT "]: %s", (guint64)reader->count, problem);
}

static gboolean read_header(struct etcd_range_reader *reader, struct protobuf_input content)
{
	while (content.at < content.end) {
		uint64_t value = 0;
		uint32_t number;
		unsigned int wire;

		if (!protobuf_read_tag(&content, &number, &wire))
			return FALSE;
		if (number != HEADER_REVISION) {
			if (!protobuf_skip(&content, wire))
				return FALSE;
			continue;
		}
		if (wire != PROTOBUF_VARINT || !protobuf_read_varint(&content, &value))
			return FALSE;
		reader->numbers.revision = (int64_t)value;
	}
	return TRUE;
}

static int finish_kv(
	struct etcd_range_reader *reader, struct protobuf_input content, GError **error)
{
	g_autoptr(GError) problem = NULL;
	struct etcd_kv kv = {0};

	if (etcd_kv_read_protobuf(content, &kv, &problem) < 0)
		return fail(reader, EPROTO, problem->message, error);
	reader->count++;
	if (!reader->handlers.kv(reader->data, &kv))
		reader->state = STATE_STOPPED;
	etcd_kv_clear(&kv);
	return 0;
}

static int finish_content(
	struct etcd_range_reader *reader, struct protobuf_input content, GError **error)
{
	reader->state = STATE_HEADER;
	switch (reader->field) {
	case RANGE_HEADER:
		return read_header(reader, content)
			       ? 0
			       : fail(reader, EPROTO, "a header that cannot be read", error);
	case RANGE_KVS:
		return finish_kv(reader, content, error);
	default:
		return 0;
	}
}

static int begin_content(struct etcd_range_reader *reader, uint64_t length, GError **error)
{
	static const struct protobuf_input none = {"", ""};

	if (length > reader->kv_max)
		return fail(reader, EMSGSIZE, "longer than any key with its value", error);
	reader->left = length;
	reader->state = STATE_CONTENT;
	return length == 0 ? finish_content(reader, none, error) : 0;
}

static int begin_field(
	struct etcd_range_reader *reader, unsigned int wire, uint64_t value, GError **error)
{
	const gboolean delimited = reader->field == RANGE_HEADER || reader->field == RANGE_KVS;

	reader->header_length = 0;
	if (wire == PROTOBUF_DELIMITED)
		return begin_content(reader, value, error);
	if (delimited)
		return fail(reader, EPROTO, "a number in place of a message", error);
	if (reader->field == RANGE_MORE)
		reader->numbers.more = value != 0;
	else if (reader->field == RANGE_COUNT)
		reader->numbers.count = (int64_t)value;
	return 0;
}

/* Nothing of etcd has such fields: they are of a later version, and only passed over. */
static int begin_fixed(struct etcd_range_reader *reader, unsigned int wire, GError **error)
{
	reader->header_length = 0;
	if ((wire != PROTOBUF_FIXED64 && wire != PROTOBUF_FIXED32) || reader->field <= RANGE_COUNT)
		return fail(reader, EPROTO, "malformed", error);
	return begin_content(reader, wire == PROTOBUF_FIXED64 ? 8 : 4, error);
}

/* One byte more of the header has come. */
static int take_header(struct etcd_range_reader *reader, GError **error)
{
	struct protobuf_input header = {reader->header, reader->header + reader->header_length};
	unsigned int wire;
	uint64_t value;

	/* Neither of its two ends with such a byte. */
	if ((unsigned char)header.end[-1] >= 0x80)
		return reader->header_length == HEADER_MAX
			       ? fail(reader, EPROTO, "malformed", error)
			       : 0;
	if (!protobuf_read_tag(&header, &reader->field, &wire))
		return fail(reader, EPROTO, "malformed", error);
	if (wire != PROTOBUF_VARINT && wire != PROTOBUF_DELIMITED)
		return begin_fixed(reader, wire, error);
	if (header.at == header.end)
		return 0;
	if (!protobuf_read_varint(&header, &value))
		return fail(reader, EPROTO, "malformed", error);
	return begin_field(reader, wire, value, error);
}

static int feed_content(
	struct etcd_range_reader *reader, struct protobuf_input *input, GError **error)
{
	const size_t length = (size_t)MIN(reader->left, protobuf_length(input));
	struct protobuf_input content = {input->at, input->at + length};
	int r;

	input->at += length;
	reader->left -= length;
	if (reader->left == 0 && reader->buffer->len == 0)
		return finish_content(reader, content, error);
	g_byte_array_append(reader->buffer, (const guint8 *)content.at, (guint)length);
	if (reader->left > 0)
		return 0;
	content.at = (const char *)reader->buffer->data;
	content.end = content.at + reader->buffer->len;
	r = finish_content(reader, content, error);
	if (reader->buffer->len > BUFFER_KEPT) {
		g_byte_array_unref(reader->buffer);
		reader->buffer = g_byte_array_new();
	} else {
		g_byte_array_set_size(reader->buffer, 0);
	}
	return r;
}

int etcd_range_reader_feed(
	struct etcd_range_reader *reader, const char *bytes, size_t length, GError **error)
{
	struct protobuf_input input = {bytes, bytes + length};
	int r = 0;

	while (r == 0 && input.at < input.end) {
		switch (reader->state) {
		case STATE_HEADER:
			reader->header[reader->header_length++] = *input.at++;
			r = take_header(reader, error);
			break;
		case STATE_CONTENT:
			r = feed_content(reader, &input, error);
			break;
		case STATE_STOPPED:
			return 0;
		default:
			return fail(reader, EPROTO, "the answer is broken", error);
		}
	}
	return r;
}

int etcd_range_reader_end(struct etcd_range_reader *reader, GError **error)
{
	if (reader->state == STATE_STOPPED ||
		(reader->state == STATE_HEADER && reader->header_length == 0))
		return 0;
	return fail(reader, EPROTO, "the answer ends in the middle", error);
}
