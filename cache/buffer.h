/*
 * Text that grows, up to a cap. A writer reserves the room that a piece can take at most, then
 * writes without further checks.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
	char *data; /* not NUL-terminated */
	size_t length;
	size_t size; /* allocated */
	size_t limit; /* length never exceeds it */
};

/* limit is in bytes. Nothing is allocated yet. */
void buffer_init(struct buffer *buffer, size_t limit);
void buffer_finish(struct buffer *buffer);

/* Empties it; memory above keep bytes is given back. */
void buffer_reset(struct buffer *buffer, size_t keep);

/* Takes the text out as bytes of exactly its length; the buffer is empty afterwards. */
GBytes *buffer_steal(struct buffer *buffer);

/* Slow path of buffer_reserve. */
bool buffer_grow(struct buffer *buffer, size_t more);

/* Room for more bytes behind length. FALSE when that would exceed the limit: nothing changed. */
static inline bool buffer_reserve(struct buffer *buffer, size_t more)
{
	return G_LIKELY(buffer->size - buffer->length >= more) || buffer_grow(buffer, more);
}

static inline bool buffer_append(struct buffer *buffer, const char *text, size_t length)
{
	if (!buffer_reserve(buffer, length))
		return false;
	if (length > 0)
		memcpy(buffer->data + buffer->length, text, length);
	buffer->length += length;
	return true;
}

#define BUFFER_CLEANUP __attribute__((cleanup(buffer_finish)))
