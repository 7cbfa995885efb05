#include "client/http_inflate.h"

#include <errno.h>
#include <zlib.h>

#define OUTPUT_BYTES ((size_t)256 << 10)
#define SLICE_BYTES ((size_t)4 << 10)
/* The largest window, and a gzip header is required (zlib.h). */
#define WINDOW_BITS (MAX_WBITS + 16)

struct http_inflate {
	z_stream stream;
	gboolean complete;
	unsigned char output[OUTPUT_BYTES];
};

struct http_inflate *http_inflate_create(void)
{
	struct http_inflate *decoder = g_malloc(sizeof(*decoder));

	decoder->stream = (z_stream){0};
	decoder->complete = FALSE;
	if (inflateInit2(&decoder->stream, WINDOW_BITS) != Z_OK) {
		g_free(decoder);
		return NULL;
	}
	return decoder;
}

void http_inflate_free(struct http_inflate *decoder)
{
	if (decoder == NULL)
		return;
	inflateEnd(&decoder->stream);
	g_free(decoder);
}

/* One call of zlib's. */
static int step(struct http_inflate *decoder, http_inflate_output output, void *data)
{
	z_stream *stream = &decoder->stream;
	int result;

	/* Several members one after another are one content. */
	if (decoder->complete && inflateReset(stream) != Z_OK)
		return -EIO;
	decoder->complete = FALSE;
	stream->next_out = decoder->output;
	stream->avail_out = OUTPUT_BYTES;
	result = inflate(stream, Z_NO_FLUSH);
	if (result == Z_MEM_ERROR)
		return -ENOMEM;
	if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
		return -EIO;
	decoder->complete = result == Z_STREAM_END;
	if (stream->avail_out < OUTPUT_BYTES)
		output(data, (const char *)decoder->output, OUTPUT_BYTES - stream->avail_out);
	return 0;
}

int http_inflate_run(struct http_inflate *decoder, const char *bytes, size_t length,
	http_inflate_output output, void *data)
{
	z_stream *stream = &decoder->stream;
	int result = 0;

	stream->next_in = (unsigned char *)bytes;
	stream->avail_in = (unsigned int)length;
	while (result == 0 && stream->avail_in > 0)
		result = step(decoder, output, data);
	/* What a full output left inside. */
	while (result == 0 && !decoder->complete && stream->avail_out == 0)
		result = step(decoder, output, data);
	return result;
}

gboolean http_inflate_is_cut(const struct http_inflate *decoder)
{
	return !decoder->complete && decoder->stream.total_in > 0;
}

struct gathering {
	GByteArray *bytes;
	size_t limit;
	gboolean too_long;
};

static void gather(void *data, const char *bytes, size_t length)
{
	struct gathering *gathering = data;

	gathering->too_long |= length > gathering->limit - gathering->bytes->len;
	if (!gathering->too_long)
		g_byte_array_append(gathering->bytes, (const guint8 *)bytes, (guint)length);
}

GByteArray *http_inflate_all(const GByteArray *compressed, size_t limit)
{
	struct http_inflate *decoder = http_inflate_create();
	struct gathering gathering = {.bytes = g_byte_array_new(), .limit = limit};
	size_t done = 0, slice;
	int result = decoder != NULL ? 0 : -ENOMEM;

	/* In slices, so that little is inflated beyond the limit. */
	while (result == 0 && done < compressed->len && !gathering.too_long) {
		slice = MIN(compressed->len - done, SLICE_BYTES);
		result = http_inflate_run(
			decoder, (const char *)compressed->data + done, slice, gather, &gathering);
		done += slice;
	}
	if (result < 0 || gathering.too_long || !decoder->complete)
		g_clear_pointer(&gathering.bytes, g_byte_array_unref);
	http_inflate_free(decoder);
	return gathering.bytes;
}
