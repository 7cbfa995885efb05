#include "cache/number.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Significant decimal digits: value is 0.DIGITS x 10^point. */
struct decimal {
	char digits[24];
	int count;
	int point;
	bool negative;
};

static bool fits(const char *text, size_t length, const char *limit)
{
	size_t limit_length = strlen(limit);

	return length < limit_length ||
	       (length == limit_length && memcmp(text, limit, limit_length) <= 0);
}

bool number_fits_int64(const char *text, size_t length)
{
	if (length > 0 && text[0] == '-')
		return fits(text + 1, length - 1, "9223372036854775808");
	return fits(text, length, "9223372036854775807");
}

bool number_fits_uint64(const char *text, size_t length)
{
	return text[0] != '-' && fits(text, length, "18446744073709551615");
}

bool number_parse(const char *text, size_t length, double *ret_value)
{
	char small[64];
	g_autofree char *large = NULL;
	char *copy = small;
	double value;

	if (length >= sizeof(small))
		copy = large = g_malloc(length + 1);
	memcpy(copy, text, length);
	copy[length] = '\0';

	value = g_ascii_strtod(copy, NULL);
	if (!isfinite(value))
		return false;
	*ret_value = value;
	return true;
}

static bool reads_back(const struct decimal *decimal, double value, bool is_float32)
{
	char text[48];

	g_snprintf(
		text, sizeof(text), "0.%.*se%d", decimal->count, decimal->digits, decimal->point);
	if (is_float32) {
		/* Through double: 9 digits are too few for a double rounding to matter. */
		return (float)g_ascii_strtod(text, NULL) == (float)value;
	}
	return g_ascii_strtod(text, NULL) == value;
}

/* The count digits nearest to value, which is positive and finite. */
static void round_to(double value, int count, struct decimal *decimal)
{
	char format[8];
	char text[48];
	const char *exponent;

	g_snprintf(format, sizeof(format), "%%.%de", count - 1);
	g_ascii_formatd(text, sizeof(text), format, value);
	exponent = strchr(text, 'e');
	decimal->digits[0] = text[0];
	if (count > 1)
		memcpy(decimal->digits + 1, text + 2, (size_t)count - 1);
	decimal->count = count;
	decimal->point = (int)strtol(exponent + 1, NULL, 10) + 1;
}

/* The next decimal of as many digits; FALSE when it would need another one. */
static bool increment(struct decimal *decimal)
{
	for (int i = decimal->count - 1; i >= 0; i--) {
		if (decimal->digits[i] != '9') {
			decimal->digits[i]++;
			return true;
		}
		decimal->digits[i] = '0';
	}
	return false;
}

/*
 * The fewest digits that read back as value; among equally few the nearest. A power of two has less
 * room below than above, so the nearest may fall out where the one above does not.
 */
static bool try_digits(double value, int count, bool is_float32, struct decimal *decimal)
{
	int exponent;

	round_to(value, count, decimal);
	if (reads_back(decimal, value, is_float32))
		return true;
	return frexp(value, &exponent) == 0.5 && increment(decimal) &&
	       reads_back(decimal, value, is_float32);
}

static void shortest(double value, bool is_float32, struct decimal *decimal)
{
	int most = is_float32 ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG;
	double normal = is_float32 ? (double)FLT_MIN : DBL_MIN;
	/* This many digits survive in every normal number; fewer are these with zeros behind. */
	int least = is_float32 ? FLT_DIG : DBL_DIG;

	*decimal = (struct decimal){.negative = signbit(value) != 0};
	value = fabs(value);
	if (value == 0)
		return;
	for (int count = value < normal ? 1 : least; count <= most; count++) {
		if (try_digits(value, count, is_float32, decimal))
			break;
	}
	while (decimal->count > 1 && decimal->digits[decimal->count - 1] == '0')
		decimal->count--;
}

static size_t print_fixed(const struct decimal *decimal, char *text)
{
	char *at = text;
	int i = 0;

	if (decimal->negative)
		*at++ = '-';
	if (decimal->point <= 0)
		*at++ = '0';
	for (; i < decimal->point; i++)
		*at++ = (char)(i < decimal->count ? decimal->digits[i] : '0');
	if (i < decimal->count) {
		*at++ = '.';
		for (int zero = decimal->point; zero < 0; zero++)
			*at++ = '0';
		while (i < decimal->count)
			*at++ = decimal->digits[i++];
	}
	return (size_t)(at - text);
}

static size_t print_exponent(const struct decimal *decimal, int exponent_digits, char *text)
{
	int exponent = decimal->count == 0 ? 0 : decimal->point - 1;
	char *at = text;

	if (decimal->negative)
		*at++ = '-';
	*at++ = decimal->digits[0];
	if (decimal->count > 1) {
		*at++ = '.';
		memcpy(at, decimal->digits + 1, (size_t)decimal->count - 1);
		at += decimal->count - 1;
	}
	at += g_snprintf(
		at, 8, "e%c%0*d", exponent < 0 ? '-' : '+', exponent_digits, abs(exponent));
	return (size_t)(at - text);
}

size_t number_print_json(double value, char text[NUMBER_TEXT_MAX])
{
	struct decimal decimal;
	double magnitude = fabs(value);

	shortest(value, false, &decimal);
	if (magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21))
		return print_exponent(&decimal, 1, text);
	return print_fixed(&decimal, text);
}

static size_t print_g(const struct decimal *decimal, char *text)
{
	int exponent = decimal->point - 1;

	/* strconv: the shortest form decides as if its precision were 6, and 0 is fixed. */
	if (decimal->count > 0 && (exponent < -4 || exponent >= 6))
		return print_exponent(decimal, 2, text);
	return print_fixed(decimal, text);
}

size_t number_print_g(double value, char text[NUMBER_TEXT_MAX])
{
	struct decimal decimal;

	shortest(value, false, &decimal);
	return print_g(&decimal, text);
}

size_t number_print_g32(double value, char text[NUMBER_TEXT_MAX])
{
	struct decimal decimal;

	if (isinf((float)value))
		return g_strlcpy(text, value < 0 ? "-.inf" : ".inf", NUMBER_TEXT_MAX);
	shortest((double)(float)value, true, &decimal);
	return print_g(&decimal, text);
}

size_t number_json(
	const struct document_node *node, char scratch[NUMBER_TEXT_MAX], const char **ret_text)
{
	double value = 0;

	if (node->type == DOCUMENT_INTEGER) {
		*ret_text = node->text;
		return node->length;
	}
	number_parse(node->text, node->length, &value);
	*ret_text = scratch;
	return number_print_json(value, scratch);
}

size_t number_yaml(
	const struct document_node *node, char scratch[NUMBER_TEXT_MAX], const char **ret_text)
{
	size_t length = number_json(node, scratch, ret_text);
	double value = 0;

	if (node->type == DOCUMENT_INTEGER)
		return length;
	/* kubectl's YAML goes through JSON, and an integer there is one in YAML, too. */
	if (memchr(scratch, '.', length) == NULL && memchr(scratch, 'e', length) == NULL) {
		if (length == 2 && scratch[0] == '-' && scratch[1] == '0') {
			*ret_text = "0";
			return 1;
		}
		if (number_fits_int64(scratch, length) || number_fits_uint64(scratch, length))
			return length;
	}
	number_parse(node->text, node->length, &value);
	return number_print_g(value, scratch);
}
