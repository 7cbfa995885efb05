/*
 * Protobuf, field by field.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

static inline void build_varint(GByteArray *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		g_byte_array_append(to, (const guint8[]){(guint8)(value | 0x80)}, 1);
	g_byte_array_append(to, (const guint8[]){(guint8)value}, 1);
}

static inline void build_number(GByteArray *to, uint32_t number, uint64_t value)
{
	build_varint(to, (uint64_t)number << 3);
	build_varint(to, value);
}

static inline void build_bytes(GByteArray *to, uint32_t number, const void *bytes, size_t length)
{
	build_varint(to, (uint64_t)number << 3 | 2);
	build_varint(to, length);
	g_byte_array_append(to, bytes, (guint)length);
}

static inline void build_text(GByteArray *to, uint32_t number, const char *text)
{
	build_bytes(to, number, text, strlen(text));
}

/* Frees the message. */
static inline void build_message(GByteArray *to, uint32_t number, GByteArray *message)
{
	build_bytes(to, number, message->data, message->len);
	g_byte_array_unref(message);
}

static inline GByteArray *build_envelope(
	const char *api_version, const char *kind, const void *object, size_t length)
{
	GByteArray *type = g_byte_array_new();
	GByteArray *envelope = g_byte_array_new();

	build_text(type, 1, api_version);
	build_text(type, 2, kind);
	g_byte_array_append(envelope, (const guint8 *)"k8s\0", 4);
	build_message(envelope, 1, type);
	build_bytes(envelope, 2, object, length);
	build_text(envelope, 3, "");
	build_text(envelope, 4, "");
	return envelope;
}

/* A ConfigMap without data; extra is appended to its fields, as they are. */
static inline GByteArray *build_config_map(
	const char *namespace, const char *name, const char *version, const char *extra)
{
	GByteArray *metadata = g_byte_array_new();
	GByteArray *object = g_byte_array_new();

	build_text(metadata, 1, name);
	build_text(metadata, 3, namespace);
	build_text(metadata, 6, version);
	build_message(object, 1, metadata);
	g_byte_array_append(object, (const guint8 *)extra, (guint)strlen(extra));
	return object;
}

/* A field that no message has: number 2000, the string "x". */
#define BUILD_UNKNOWN_FIELD "\x82\x7d\x01x"
