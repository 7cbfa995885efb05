#include <glib.h>
#include <string.h>

#include "cache/protobuf_text.h"

/* Digits that resource.int64Amount is sure to have room for. */
#define DIGITS_MAX 18
#define EXPONENT_MAX 999

enum format {
	DECIMAL,
	BINARY,
};

/* [+-]WHOLE[.FRACTION]SUFFIX, without zeros before the whole. */
struct quantity {
	bool plain; /* neither a plus sign, zeros in front nor a point */
	const char *whole;
	size_t whole_length;
	const char *fraction;
	size_t fraction_length;
	enum format format;
	int exponent; /* of 10 or of 2 */
};

static size_t count_digits(const char *at, const char *end)
{
	size_t count = 0;

	while (at + count < end && g_ascii_isdigit(at[count]))
		count++;
	return count;
}

/* e3, E-6, e+9. */
static bool read_exponent(const char *at, const char *end, int *ret_exponent)
{
	bool negative = false;
	int exponent = 0;

	if (at == end || (*at != 'e' && *at != 'E'))
		return false;
	at++;
	if (at < end && (*at == '-' || *at == '+'))
		negative = *at++ == '-';
	if (at == end)
		return false;
	for (; at < end; at++) {
		if (!g_ascii_isdigit(*at))
			return false;
		exponent = exponent * 10 + (*at - '0');
		if (exponent > EXPONENT_MAX)
			return false;
	}
	*ret_exponent = negative ? -exponent : exponent;
	return true;
}

static bool read_suffix(const char *at, const char *end, struct quantity *quantity)
{
	static const char decimal[] = "num kMGTPE";
	static const char binary[] = "KMGTPE";
	const char *letter;

	quantity->format = DECIMAL;
	quantity->exponent = 0;
	if (at == end)
		return true;
	if (*at == '\0' || *at == ' ')
		return false;
	if (end - at == 1 && (letter = strchr(decimal, *at)) != NULL) {
		quantity->exponent = 3 * (int)(letter - decimal) - 9;
		return true;
	}
	if (end - at == 2 && at[1] == 'i' && (letter = strchr(binary, *at)) != NULL) {
		quantity->format = BINARY;
		quantity->exponent = 10 * (int)(letter - binary + 1);
		return true;
	}
	return read_exponent(at, end, &quantity->exponent);
}

static bool read_quantity(const char *at, const char *end, struct quantity *quantity)
{
	const char *begin = at;

	*quantity = (struct quantity){.plain = true, .fraction = ""};
	if (at < end && (*at == '-' || *at == '+')) {
		quantity->plain = *at == '-';
		at++;
	}
	begin = at;
	while (at < end && *at == '0')
		at++;
	quantity->whole = at;
	quantity->whole_length = count_digits(at, end);
	at += quantity->whole_length;
	if (quantity->whole > begin)
		quantity->plain = false;
	if (at < end && *at == '.') {
		at++;
		quantity->fraction = at;
		quantity->fraction_length = count_digits(at, end);
		at += quantity->fraction_length;
		quantity->plain = false;
	}
	/* Zero is always "0". */
	return quantity->whole_length > 0 && read_suffix(at, end, quantity);
}

/* The digits of the whole and the fraction in one; there are no more than DIGITS_MAX. */
static int64_t value_of(const struct quantity *quantity)
{
	int64_t value = 0;

	for (size_t i = 0; i < quantity->whole_length; i++)
		value = value * 10 + (quantity->whole[i] - '0');
	for (size_t i = 0; i < quantity->fraction_length; i++)
		value = value * 10 + (quantity->fraction[i] - '0');
	return value;
}

static char digit_at(const struct quantity *quantity, size_t place)
{
	if (place < quantity->whole_length)
		return quantity->whole[place];
	return quantity->fraction[place - quantity->whole_length];
}

static bool ends_in_three_zeros(const struct quantity *quantity)
{
	size_t count = quantity->whole_length + quantity->fraction_length;

	for (size_t i = 1; i <= 3; i++) {
		if (count < i || digit_at(quantity, count - i) != '0')
			return false;
	}
	return true;
}

static bool is_kept_decimal(const struct quantity *quantity)
{
	size_t count = quantity->whole_length + quantity->fraction_length;
	int scale = quantity->exponent - (int)MIN(quantity->fraction_length, DIGITS_MAX + 1);

	return count <= DIGITS_MAX && scale >= -9 && scale % 3 == 0 &&
	       !ends_in_three_zeros(quantity);
}

static bool is_kept_binary(const struct quantity *quantity)
{
	int precision = 15 - (int)MIN(quantity->whole_length, DIGITS_MAX) -
			(int)((float)quantity->exponent * 3 / 10) - 1;
	int64_t value, result;

	if (quantity->fraction_length > 0 || precision < 0)
		return false;
	value = value_of(quantity);
	return (value & 7) != 0 &&
	       !__builtin_mul_overflow(value, INT64_C(1) << quantity->exponent, &result);
}

/* ParseQuantity recognises some texts, not all of them canonical, which it keeps. */
static bool is_kept(const struct quantity *quantity)
{
	return quantity->format == BINARY ? is_kept_binary(quantity) : is_kept_decimal(quantity);
}

/* Others are what CanonicalizeBytes prints, which prints these again. */
static bool is_canonical_decimal(
	const struct quantity *quantity, const char *suffix, const char *end)
{
	if (ends_in_three_zeros(quantity) || quantity->exponent % 3 != 0 || quantity->exponent < -9)
		return false;
	if (end - suffix < 2)
		return true;
	/* An exponent in full: e, a sign when negative, no zeros in front. */
	return suffix[0] == 'e' && suffix[1] != '+' && suffix[1] != '0' &&
	       !(suffix[1] == '-' && suffix[2] == '0');
}

static bool is_canonical_binary(const struct quantity *quantity)
{
	int64_t value, result;

	if (quantity->whole_length > DIGITS_MAX)
		return false;
	value = value_of(quantity);
	return value % 1024 != 0 &&
	       !__builtin_mul_overflow(value, INT64_C(1) << quantity->exponent, &result);
}

static bool is_canonical(const struct quantity *quantity, const char *end)
{
	if (!quantity->plain)
		return false;
	if (quantity->format == BINARY)
		return is_canonical_binary(quantity);
	return is_canonical_decimal(quantity, quantity->whole + quantity->whole_length, end);
}

bool protobuf_is_quantity(const char *text, size_t length)
{
	struct quantity quantity;

	if (length == 1 && text[0] == '0')
		return true;
	return read_quantity(text, text + length, &quantity) &&
	       (is_kept(&quantity) || is_canonical(&quantity, text + length));
}
