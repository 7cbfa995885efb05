#include "cache/buffer.h"

#define SIZE_MIN ((size_t)4096)

void buffer_init(struct buffer *buffer, size_t limit)
{
	*buffer = (struct buffer){.limit = limit};
}

void buffer_finish(struct buffer *buffer)
{
	g_free(buffer->data);
	*buffer = (struct buffer){0};
}

void buffer_reset(struct buffer *buffer, size_t keep)
{
	if (buffer->size > keep) {
		g_free(buffer->data);
		buffer->data = NULL;
		buffer->size = 0;
	}
	buffer->length = 0;
}

GBytes *buffer_steal(struct buffer *buffer)
{
	char *data = g_realloc(buffer->data, buffer->length);
	GBytes *bytes = g_bytes_new_take(data, buffer->length);

	*buffer = (struct buffer){.limit = buffer->limit};
	return bytes;
}

bool buffer_grow(struct buffer *buffer, size_t more)
{
	size_t wanted;

	if (more > buffer->limit - buffer->length)
		return false;
	wanted = buffer->size > buffer->limit / 2 ? buffer->limit : buffer->size * 2;
	wanted = MAX(wanted, buffer->length + more);
	wanted = MAX(wanted, MIN(SIZE_MIN, buffer->limit));
	buffer->data = g_realloc(buffer->data, wanted);
	buffer->size = wanted;
	return true;
}
