#include "client/json_stream.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/json_scan.h"
#include "client/json_text.h"

/* Kept between objects; a larger buffer is given back. */
#define BUFFER_KEPT ((size_t)1024 * 1024)

enum state {
	STATE_LIST, /* before the list's '{' */
	STATE_FIRST_KEY, /* a key or '}' */
	STATE_KEY, /* a key */
	STATE_COLON, /* ':' */
	STATE_VALUE, /* a member's value */
	STATE_BEHIND_VALUE, /* ',' or '}' */
	STATE_FIRST_ITEM, /* '{' or ']' */
	STATE_ITEM, /* '{' */
	STATE_BEHIND_ITEM, /* ',' or ']' */
	STATE_BEHIND_LIST, /* nothing more */
	STATE_FRAME, /* '{', or nothing more */
	STATE_IN_KEY, /* states from here on are within a token */
	STATE_IN_STRING, /* a member's value that is a string */
	STATE_IN_SCALAR, /* a member's value that is a number or a literal */
	STATE_IN_BRACKETS, /* a member's value that is an object or an array */
	STATE_IN_ITEM,
	STATE_IN_FRAME,
	STATE_BROKEN,
};

/* By their place in the mode's names. */
enum member {
	MEMBER_ITEMS, /* the array that is cut */
	MEMBER_OTHER = 4, /* those between are handed out whole */
};

static const char *const member_names[][MEMBER_OTHER] = {
	[JSON_STREAM_LIST] = {"items", "apiVersion", "kind", "metadata"},
	[JSON_STREAM_RANGE] = {"kvs", "header", "more", "count"},
};

struct json_stream {
	struct json_stream_handlers handlers;
	void *data;
	size_t object_max;
	enum json_stream_mode mode;
	enum state state;
	unsigned int member; /* whose value comes: an enum member */
	gboolean has_items;
	gboolean kept; /* whether the current token is handed out, or only passed over */
	struct json_scan scan;
	GByteArray *buffer; /* the current token's bytes of earlier pieces */
	guint64 count;
	guint64 offset; /* bytes before the current piece */
};

struct json_stream *json_stream_create(enum json_stream_mode mode, size_t object_max,
	const struct json_stream_handlers *handlers, void *data)
{
	struct json_stream *stream = g_new0(struct json_stream, 1);

	stream->handlers = *handlers;
	stream->data = data;
	/* GByteArray counts in 32 bits. */
	stream->object_max = MIN(object_max, (size_t)G_MAXUINT / 2);
	stream->mode = mode;
	stream->state = mode == JSON_STREAM_FRAMES ? STATE_FRAME : STATE_LIST;
	stream->buffer = g_byte_array_new();
	return stream;
}

void json_stream_free(struct json_stream *stream)
{
	if (stream == NULL)
		return;
	g_byte_array_unref(stream->buffer);
	g_free(stream);
}

guint64 json_stream_count(const struct json_stream *stream)
{
	return stream->count;
}

/* Not in frames mode. */
static const char *member_name(const struct json_stream *stream, unsigned int member)
{
	return member_names[stream->mode][member];
}

/* Where the stream stands, for a message: "items[3]", "frame 17", "the list". Allocated. */
static char *describe(const struct json_stream *stream)
{
	switch (stream->state) {
	case STATE_FIRST_ITEM:
	case STATE_ITEM:
	case STATE_BEHIND_ITEM:
	case STATE_IN_ITEM:
		return g_strdup_printf("%s[%" G_GUINT64_FORMAT "]",
			member_name(stream, MEMBER_ITEMS), stream->count);
	case STATE_FRAME:
	case STATE_IN_FRAME:
		return g_strdup_printf("frame %" G_GUINT64_FORMAT, stream->count + 1);
	case STATE_VALUE:
	case STATE_IN_STRING:
	case STATE_IN_SCALAR:
	case STATE_IN_BRACKETS:
		if (stream->member != MEMBER_OTHER)
			return g_strdup_printf("\"%s\"", member_name(stream, stream->member));
		return g_strdup("a member of the list");
	default:
		return g_strdup("the list");
	}
}

static int fail_expected(
	struct json_stream *stream, const char *expected, char found, guint64 at, GError **error)
{
	g_autofree char *place = describe(stream);

	stream->state = STATE_BROKEN;
	if (g_ascii_isprint(found))
		return error_set(error, EPROTO,
			"byte %" G_GUINT64_FORMAT " (%s): expected %s, found '%c'", at, place,
			expected, found);
	return error_set(error, EPROTO,
		"byte %" G_GUINT64_FORMAT " (%s): expected %s, found byte 0x%02x", at, place,
		expected, (unsigned char)found);
}

static int fail_token(struct json_stream *stream, const char *problem, guint64 at, GError **error)
{
	stream->state = STATE_BROKEN;
	return error_set(error, EPROTO, "byte %" G_GUINT64_FORMAT ": %s", at, problem);
}

static int fail_long(struct json_stream *stream, guint64 at, GError **error)
{
	g_autofree char *place = describe(stream);

	stream->state = STATE_BROKEN;
	return error_set(error, EMSGSIZE,
		"byte %" G_GUINT64_FORMAT " (%s): longer than the limit of %zu bytes", at, place,
		stream->object_max);
}

static int fail_deep(struct json_stream *stream, guint64 at, GError **error)
{
	g_autofree char *place = describe(stream);

	stream->state = STATE_BROKEN;
	return error_set(error, EPROTO,
		"byte %" G_GUINT64_FORMAT " (%s): nested deeper than %d levels", at, place,
		JSON_DEPTH_MAX);
}

static unsigned int find_member(const struct json_stream *stream, struct json_text key)
{
	for (unsigned int member = MEMBER_ITEMS; member < MEMBER_OTHER; member++) {
		if (json_text_is(key, member_name(stream, member)))
			return member;
	}
	return MEMBER_OTHER;
}

/* Begins a token at a byte that was just read. */
static void begin_token(struct json_stream *stream, enum state state, gboolean kept)
{
	stream->state = state;
	stream->kept = kept;
	stream->scan = (struct json_scan){0};
}

static enum state begin_value(struct json_stream *stream, char byte)
{
	gboolean kept = stream->member != MEMBER_OTHER;

	if (byte == '"')
		begin_token(stream, STATE_IN_STRING, kept);
	else if (byte == '{' || byte == '[')
		begin_token(stream, STATE_IN_BRACKETS, kept);
	else if (g_ascii_isalnum(byte) || byte == '-')
		begin_token(stream, STATE_IN_SCALAR, kept);
	return stream->state;
}

static const char *expect_member(struct json_stream *stream, char byte)
{
	switch (stream->state) {
	case STATE_LIST:
		if (byte != '{')
			return "'{'";
		stream->state = STATE_FIRST_KEY;
		return NULL;
	case STATE_FIRST_KEY:
	case STATE_KEY:
		if (byte == '}' && stream->state == STATE_FIRST_KEY)
			stream->state = STATE_BEHIND_LIST;
		else if (byte == '"')
			begin_token(stream, STATE_IN_KEY, TRUE);
		else
			return "a key";
		return NULL;
	case STATE_COLON:
		if (byte != ':')
			return "':'";
		stream->state = STATE_VALUE;
		return NULL;
	case STATE_VALUE:
		if (stream->member == MEMBER_ITEMS && byte == '[')
			stream->state = STATE_FIRST_ITEM;
		else if (stream->member == MEMBER_ITEMS && byte == 'n')
			begin_token(stream, STATE_IN_SCALAR, TRUE);
		else if (stream->member == MEMBER_ITEMS)
			return "'['";
		else if (begin_value(stream, byte) == STATE_VALUE)
			return "a value";
		return NULL;
	default:
		if (byte == ',')
			stream->state = STATE_KEY;
		else if (byte == '}')
			stream->state = STATE_BEHIND_LIST;
		else
			return "',' or '}'";
		return NULL;
	}
}

/* Takes the byte, not a blank, that stands between tokens. Returns what was expected instead. */
static const char *expect(struct json_stream *stream, char byte)
{
	switch (stream->state) {
	case STATE_FIRST_ITEM:
	case STATE_ITEM:
		if (byte == '{')
			begin_token(stream, STATE_IN_ITEM, TRUE);
		else if (byte == ']' && stream->state == STATE_FIRST_ITEM)
			stream->state = STATE_BEHIND_VALUE;
		else
			return "an object";
		return NULL;
	case STATE_BEHIND_ITEM:
		if (byte == ',')
			stream->state = STATE_ITEM;
		else if (byte == ']')
			stream->state = STATE_BEHIND_VALUE;
		else
			return "',' or ']'";
		return NULL;
	case STATE_FRAME:
		if (byte != '{')
			return "an object";
		begin_token(stream, STATE_IN_FRAME, TRUE);
		return NULL;
	case STATE_BEHIND_LIST:
		return "nothing more";
	default:
		return expect_member(stream, byte);
	}
}

/* The place behind the current token, or NULL when it goes on behind end. */
static const char *scan_token(struct json_stream *stream, const char *at, const char *end)
{
	switch (stream->state) {
	case STATE_IN_KEY:
	case STATE_IN_STRING:
		return json_scan_string(&stream->scan, at, end);
	case STATE_IN_SCALAR:
		while (at < end && (g_ascii_isalnum(*at) || strchr("+-.", *at) != NULL))
			at++;
		return at < end ? at : NULL;
	default:
		return json_scan_value(&stream->scan, at, end);
	}
}

/* Takes a whole token, with its quotes or brackets. Returns what is wrong with it, or NULL. */
static const char *take_token(struct json_stream *stream, struct json_text token)
{
	switch (stream->state) {
	case STATE_IN_KEY:
		stream->member = find_member(stream, token);
		stream->state = STATE_COLON;
		if (stream->member != MEMBER_ITEMS)
			return NULL;
		if (stream->has_items)
			return stream->mode == JSON_STREAM_LIST ? "\"items\" twice"
								: "\"kvs\" twice";
		stream->has_items = TRUE;
		return NULL;
	case STATE_IN_ITEM:
	case STATE_IN_FRAME:
		stream->state = stream->state == STATE_IN_ITEM ? STATE_BEHIND_ITEM : STATE_FRAME;
		stream->count++;
		stream->handlers.object(stream->data, token.text, token.length);
		return NULL;
	default:
		if (stream->member == MEMBER_ITEMS) {
			if (token.length != 4 || memcmp(token.text, "null", 4) != 0)
				return stream->mode == JSON_STREAM_LIST
					       ? "\"items\" is neither an array nor null"
					       : "\"kvs\" is neither an array nor null";
		} else if (stream->kept && stream->handlers.member != NULL) {
			stream->handlers.member(stream->data, member_name(stream, stream->member),
				token.text, token.length);
		}
		stream->state = STATE_BEHIND_VALUE;
		return NULL;
	}
}

/* Hands out the token of which the last bytes are from begin to end. */
static const char *finish_token(struct json_stream *stream, const char *begin, const char *end)
{
	struct json_text token = {begin, (size_t)(end - begin)};
	GByteArray *buffer = stream->buffer;
	const char *problem;

	if (!stream->kept)
		token = (struct json_text){"", 0};
	if (buffer->len == 0)
		return take_token(stream, token);
	g_byte_array_append(buffer, (const guint8 *)token.text, (guint)token.length);
	token = (struct json_text){(const char *)buffer->data, buffer->len};
	problem = take_token(stream, token);
	if (buffer->len > BUFFER_KEPT) {
		g_byte_array_unref(buffer);
		stream->buffer = g_byte_array_new();
	} else {
		g_byte_array_set_size(buffer, 0);
	}
	return problem;
}

int json_stream_feed(struct json_stream *stream, const char *bytes, size_t length, GError **error)
{
	const char *end = bytes + length;
	const char *at = bytes; /* the next byte to look at */
	const char *begin = bytes; /* the current token's first byte in this piece */

	if (stream->state == STATE_BROKEN)
		return error_set(error, EPROTO, "the stream is broken");
	while (at < end) {
		const char *problem;
		const char *behind;
		size_t token_length;

		if (stream->state < STATE_IN_KEY) {
			const char *expected = NULL;
			char byte = *at;

			if (byte != ' ' && byte != '\n' && byte != '\t' && byte != '\r')
				expected = expect(stream, byte);
			if (expected != NULL)
				return fail_expected(stream, expected, byte,
					stream->offset + (guint64)(at - bytes), error);
			begin = at;
			/* A bracket is seen by the scan, a quote or a scalar's first byte is not.
			 */
			if (stream->state != STATE_IN_BRACKETS && stream->state != STATE_IN_ITEM &&
				stream->state != STATE_IN_FRAME)
				at++;
			continue;
		}

		behind = scan_token(stream, at, end);
		if (stream->scan.depth > JSON_DEPTH_MAX)
			return fail_deep(stream, stream->offset + (guint64)(at - bytes), error);
		token_length = (size_t)((behind != NULL ? behind : end) - begin);
		if (stream->kept && stream->buffer->len + token_length > stream->object_max)
			return fail_long(stream, stream->offset + (guint64)(begin - bytes), error);
		if (behind == NULL)
			break;
		at = behind;
		problem = finish_token(stream, begin, behind);
		if (problem != NULL)
			return fail_token(
				stream, problem, stream->offset + (guint64)(at - bytes), error);
	}
	if (stream->state >= STATE_IN_KEY && stream->kept && begin < end)
		g_byte_array_append(stream->buffer, (const guint8 *)begin, (guint)(end - begin));
	stream->offset += length;
	return 0;
}

int json_stream_end(struct json_stream *stream, GError **error)
{
	if (stream->state == STATE_FRAME)
		return 0;
	if (stream->state == STATE_BEHIND_LIST) {
		if (stream->has_items || stream->mode == JSON_STREAM_RANGE)
			return 0;
		return error_set(error, EPROTO, "a list without \"items\"");
	}
	if (stream->state == STATE_BROKEN)
		return error_set(error, EPROTO, "the stream is broken");

	g_autofree char *place = describe(stream);

	return error_set(error, EPROTO,
		"ends after %" G_GUINT64_FORMAT " bytes in the middle of %s", stream->offset,
		place);
}
