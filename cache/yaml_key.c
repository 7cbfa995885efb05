#include "cache/yaml_key.h"

#include <glib.h>

#include "cache/utf8.h"

static bool is_letter(uint32_t character)
{
	if (character < 0x80)
		return g_ascii_isalpha((char)character);
	return g_unichar_isalpha(character);
}

static bool is_digit(uint32_t character)
{
	if (character < 0x80)
		return g_ascii_isdigit((char)character);
	return g_unichar_isdigit(character);
}

/* Whether the digits that end just before at, back to begin, hold another one than '0'. */
static bool counts(const char *begin, const char *at)
{
	while (at > begin) {
		const char *digit;
		uint32_t character;

		do
			at--;
		while (utf8_is_continuation(*at));
		digit = at;
		character = utf8_next(&digit);
		if (!is_digit(character))
			return false;
		if (character != '0')
			return true;
	}
	return false;
}

/* The number that begins at at, its digits counted. Overflow wraps as Go's int64 does. */
static int64_t number(const char *at, const char *end, uint64_t value, int *ret_digits)
{
	int digits = 0;

	while (at < end) {
		uint32_t character = utf8_next(&at);

		if (!is_digit(character))
			break;
		value = value * 10 + character - '0';
		digits++;
	}
	*ret_digits = digits;
	return (int64_t)value;
}

static int order(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* From the first character that differs, which is at offset of both. */
static int compare_rest(
	const struct document_node *a, const struct document_node *b, uint32_t offset)
{
	const char *a_at = a->key + offset, *a_end = a->key + a->key_length;
	const char *b_at = b->key + offset, *b_end = b->key + b->key_length;
	const char *a_next = a_at, *b_next = b_at;
	uint32_t a_character = utf8_next(&a_next), b_character = utf8_next(&b_next);
	bool a_letter = is_letter(a_character), b_letter = is_letter(b_character);
	int a_digits, b_digits;
	int64_t a_number, b_number;
	uint64_t start = 0;

	if (a_letter && b_letter)
		return order(a_character, b_character);
	if (a_letter || b_letter)
		return a_letter - b_letter;

	/* A zero within a number makes it longer; one at its begin does not count. */
	if ((a_character == '0' || b_character == '0') && counts(a->key, a_at))
		start = 1;
	a_number = number(a_at, a_end, start, &a_digits);
	b_number = number(b_at, b_end, start, &b_digits);
	if (a_number != b_number)
		return order(a_number, b_number);
	if (a_digits != b_digits)
		return order(a_digits, b_digits);
	return order(a_character, b_character);
}

int yaml_key_compare(const struct document_node *a, const struct document_node *b)
{
	uint32_t shorter = MIN(a->key_length, b->key_length), i = 0;

	while (i < shorter && a->key[i] == b->key[i])
		i++;
	if (i == shorter)
		return order(a->key_length, b->key_length);
	if (g_ascii_isalpha(a->key[i]) && g_ascii_isalpha(b->key[i]))
		return a->key[i] - b->key[i];
	while (utf8_is_continuation(a->key[i]) || utf8_is_continuation(b->key[i]))
		i--;
	return compare_rest(a, b, i);
}
