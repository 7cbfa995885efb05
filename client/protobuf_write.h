/* The other way round than client/protobuf_wire.h: fields appended to a message. */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "client/protobuf_wire.h"

static inline void protobuf_add_varint(GByteArray *message, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		g_byte_array_append(message, (const guint8[]){(guint8)(value | 0x80)}, 1);
	g_byte_array_append(message, (const guint8[]){(guint8)value}, 1);
}

/* One that is 0 is left out, as the default. */
static inline void protobuf_add_number(GByteArray *message, uint32_t number, uint64_t value)
{
	if (value == 0)
		return;
	protobuf_add_varint(message, (uint64_t)number << 3 | PROTOBUF_VARINT);
	protobuf_add_varint(message, value);
}

static inline void protobuf_add_delimited(
	GByteArray *message, uint32_t number, const void *bytes, size_t length)
{
	protobuf_add_varint(message, (uint64_t)number << 3 | PROTOBUF_DELIMITED);
	protobuf_add_varint(message, length);
	g_byte_array_append(message, bytes, (guint)length);
}
