#include "cache/json_string.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/text_scan.h"
#include "cache/utf8.h"

/* The number of four hexadecimal digits, or -1. */
static int32_t hex4(const char *text, const char *end)
{
	int32_t value = 0;

	if (end - text < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = g_ascii_xdigit_value(text[i]);

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

/* Finds the closing quote and counts the bytes that may be bad UTF-8 and then grow to three. */
static int measure(const char **at, const char *end, size_t *ret_growing)
{
	const char *byte = *at;
	size_t growing = 0;

	while (byte < end && *byte != '"') {
		if ((unsigned char)*byte < ' ') {
			*at = byte;
			return -EBADMSG;
		}
		if (*byte == '\\')
			byte++;
		else if ((unsigned char)*byte >= 0x80)
			growing++;
		byte++;
	}
	if (byte >= end) {
		*at = end;
		return -EBADMSG;
	}
	*at = byte;
	*ret_growing = growing;
	return 0;
}

/* \uXXXX, with its lower half when it is the upper one of a pair. *at is behind the 'u'. */
static int decode_hex(const char **at, const char *end, char **out)
{
	int32_t character = hex4(*at, end);

	if (character < 0)
		return -EBADMSG;
	*at += 4;
	if (character >= 0xD800 && character <= 0xDFFF) {
		int32_t low = -1;

		if (end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u')
			low = hex4(*at + 2, end);
		if (character <= 0xDBFF && low >= 0xDC00 && low <= 0xDFFF) {
			*at += 6;
			character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
		} else {
			character = 0xFFFD;
		}
	}
	*out = utf8_put(*out, (uint32_t)character);
	return 0;
}

/* *at is behind the backslash; there is a byte. */
static int decode_escape(const char **at, const char *end, char **out)
{
	static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

	if (**at == 'u') {
		*at += 1;
		return decode_hex(at, end, out);
	}
	for (size_t i = 0; i < sizeof(escapes) - 1; i += 2) {
		if (**at == escapes[i]) {
			*(*out)++ = escapes[i + 1];
			*at += 1;
			return 0;
		}
	}
	return -EBADMSG;
}

/* From *at up to the closing quote at end. */
static int decode(const char **at, const char *end, char **out)
{
	while (*at < end) {
		size_t length;

		if (**at == '\\') {
			int result;

			*at += 1;
			result = decode_escape(at, end, out);
			if (result < 0)
				return result;
			continue;
		}
		length = utf8_length(*at, end);
		if (length == 0) {
			memcpy(*out, UTF8_REPLACEMENT, 3);
			*out += 3;
			*at += 1;
			continue;
		}
		memcpy(*out, *at, length);
		*out += length;
		*at += length;
	}
	return 0;
}

/* The slow path: begin is behind the opening quote, *at at the first byte that needs work. */
static int parse_odd(const char *begin, const char **at, const char *end, struct arena *arena,
	struct json_string *ret_string)
{
	const char *from = *at;
	size_t growing;
	char *text, *out;
	int result = measure(at, end, &growing);

	if (result < 0)
		return result;
	end = *at;
	text = arena_allocate(arena, (size_t)(end - begin) + 2 * growing);
	if (text == NULL)
		return -EFBIG;
	out = text + (from - begin);
	memcpy(text, begin, (size_t)(from - begin));
	*at = from;
	result = decode(at, end, &out);
	if (result < 0)
		return result;
	*at = end + 1;
	ret_string->text = text;
	ret_string->length = (size_t)(out - text);
	return 0;
}

int json_string_parse(
	const char **at, const char *end, struct arena *arena, struct json_string *ret_string)
{
	const char *begin = *at + 1;
	const char *byte = begin;

	for (;;) {
		size_t length;

		byte = text_scan_plain(byte, end);
		if (byte == end || (unsigned char)*byte < ' ') {
			*at = byte;
			return -EBADMSG;
		}
		if (*byte == '"')
			break;
		length = *byte == '\\' ? 0 : utf8_length(byte, end);
		if (length == 0) {
			*at = byte;
			return parse_odd(begin, at, end, arena, ret_string);
		}
		byte += length;
	}
	*at = byte + 1;
	ret_string->text = begin;
	ret_string->length = (size_t)(byte - begin);
	return 0;
}
