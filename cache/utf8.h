/*
 * UTF-8, one character at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

static inline bool utf8_is_continuation(char byte)
{
	return ((unsigned char)byte & 0xC0) == 0x80;
}

/*
 * Bytes of the well-formed character (The Unicode Standard, table 3-7) that begins at text, or 0:
 * then Go's utf8.DecodeRune takes one byte for U+FFFD. text < end.
 */
static inline size_t utf8_length(const char *text, const char *end)
{
	const unsigned char *byte = (const unsigned char *)text;
	size_t left = (size_t)(end - text);

	if (byte[0] < 0x80)
		return 1;
	if (byte[0] < 0xC2 || byte[0] > 0xF4 || left < 2 || !utf8_is_continuation(text[1]))
		return 0;
	if (byte[0] < 0xE0)
		return 2;
	if (left < 3 || !utf8_is_continuation(text[2]))
		return 0;
	if (byte[0] < 0xF0) {
		if ((byte[0] == 0xE0 && byte[1] < 0xA0) || (byte[0] == 0xED && byte[1] >= 0xA0))
			return 0;
		return 3;
	}
	if (left < 4 || !utf8_is_continuation(text[3]))
		return 0;
	if ((byte[0] == 0xF0 && byte[1] < 0x90) || (byte[0] == 0xF4 && byte[1] >= 0x90))
		return 0;
	return 4;
}

/* The character at *text, which is well-formed; *text moves behind it. */
static inline uint32_t utf8_next(const char **text)
{
	const unsigned char *byte = (const unsigned char *)*text;

	if (byte[0] < 0x80) {
		*text += 1;
		return byte[0];
	}
	if (byte[0] < 0xE0) {
		*text += 2;
		return (uint32_t)(byte[0] & 0x1F) << 6 | (byte[1] & 0x3F);
	}
	if (byte[0] < 0xF0) {
		*text += 3;
		return (uint32_t)(byte[0] & 0x0F) << 12 | (uint32_t)(byte[1] & 0x3F) << 6 |
		       (byte[2] & 0x3F);
	}
	*text += 4;
	return (uint32_t)(byte[0] & 0x07) << 18 | (uint32_t)(byte[1] & 0x3F) << 12 |
	       (uint32_t)(byte[2] & 0x3F) << 6 | (byte[3] & 0x3F);
}

/* Writes a character that is no surrogate (4 bytes at most); returns the place behind it. */
static inline char *utf8_put(char *at, uint32_t character)
{
	if (character < 0x80) {
		*at++ = (char)character;
	} else if (character < 0x800) {
		*at++ = (char)(0xC0 | character >> 6);
		*at++ = (char)(0x80 | (character & 0x3F));
	} else if (character < 0x10000) {
		*at++ = (char)(0xE0 | character >> 12);
		*at++ = (char)(0x80 | (character >> 6 & 0x3F));
		*at++ = (char)(0x80 | (character & 0x3F));
	} else {
		*at++ = (char)(0xF0 | character >> 18);
		*at++ = (char)(0x80 | (character >> 12 & 0x3F));
		*at++ = (char)(0x80 | (character >> 6 & 0x3F));
		*at++ = (char)(0x80 | (character & 0x3F));
	}
	return at;
}
