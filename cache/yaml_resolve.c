#include "cache/yaml_resolve.h"

#include <glib.h>
#include <math.h>
#include <string.h>

#include "cache/number.h"
#include "cache/yaml_timestamp.h"

struct word {
	const char *text;
	struct yaml_value value;
};

static const struct word words[] = {
	{"~", {.kind = YAML_KIND_NULL}},
	{"null", {.kind = YAML_KIND_NULL}},
	{"Null", {.kind = YAML_KIND_NULL}},
	{"NULL", {.kind = YAML_KIND_NULL}},
	{"y", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"Y", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"yes", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"Yes", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"YES", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"true", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"True", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"TRUE", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"on", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"On", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"ON", {.kind = YAML_KIND_BOOL, .boolean = true}},
	{"n", {.kind = YAML_KIND_BOOL}},
	{"N", {.kind = YAML_KIND_BOOL}},
	{"no", {.kind = YAML_KIND_BOOL}},
	{"No", {.kind = YAML_KIND_BOOL}},
	{"NO", {.kind = YAML_KIND_BOOL}},
	{"false", {.kind = YAML_KIND_BOOL}},
	{"False", {.kind = YAML_KIND_BOOL}},
	{"FALSE", {.kind = YAML_KIND_BOOL}},
	{"off", {.kind = YAML_KIND_BOOL}},
	{"Off", {.kind = YAML_KIND_BOOL}},
	{"OFF", {.kind = YAML_KIND_BOOL}},
	{".nan", {.kind = YAML_KIND_FLOAT, .real = (double)NAN}},
	{".NaN", {.kind = YAML_KIND_FLOAT, .real = (double)NAN}},
	{".NAN", {.kind = YAML_KIND_FLOAT, .real = (double)NAN}},
	{".inf", {.kind = YAML_KIND_FLOAT, .real = (double)INFINITY}},
	{".Inf", {.kind = YAML_KIND_FLOAT, .real = (double)INFINITY}},
	{".INF", {.kind = YAML_KIND_FLOAT, .real = (double)INFINITY}},
	{"+.inf", {.kind = YAML_KIND_FLOAT, .real = (double)INFINITY}},
	{"+.Inf", {.kind = YAML_KIND_FLOAT, .real = (double)INFINITY}},
	{"+.INF", {.kind = YAML_KIND_FLOAT, .real = (double)INFINITY}},
	{"-.inf", {.kind = YAML_KIND_FLOAT, .real = -(double)INFINITY}},
	{"-.Inf", {.kind = YAML_KIND_FLOAT, .real = -(double)INFINITY}},
	{"-.INF", {.kind = YAML_KIND_FLOAT, .real = -(double)INFINITY}},
};

#define WORD_MAX 5

static const struct yaml_value string = {.kind = YAML_KIND_STRING};

static bool find_word(const char *text, size_t length, struct yaml_value *ret_value)
{
	if (length > WORD_MAX)
		return false;
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		if (words[i].text[0] == text[0] && strlen(words[i].text) == length &&
			memcmp(words[i].text, text, length) == 0) {
			*ret_value = words[i].value;
			return true;
		}
	}
	return false;
}

/* An unsigned integer of the given base. FALSE: another character, none, or out of range. */
static bool parse_digits(const char *text, size_t length, unsigned int base, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length; i++) {
		int digit = g_ascii_xdigit_value(text[i]);

		if (digit < 0 || (unsigned int)digit >= base)
			return false;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
			__builtin_add_overflow(value, (uint64_t)digit, &value))
			return false;
	}
	*ret_value = value;
	return true;
}

/* strconv.ParseUint(text, 0, 64), which is without sign. */
static bool parse_unsigned(const char *text, size_t length, uint64_t *ret_value)
{
	unsigned int base = 10;

	if (length == 0)
		return false;
	if (text[0] == '0') {
		int prefix = length >= 3 ? g_ascii_tolower(text[1]) : 0;
		size_t skip = 2;

		if (prefix == 'b')
			base = 2;
		else if (prefix == 'o')
			base = 8;
		else if (prefix == 'x')
			base = 16;
		else {
			base = 8;
			skip = 1;
		}
		text += skip;
		length -= skip;
	}
	return parse_digits(text, length, base, ret_value);
}

static bool sign_integer(bool negative, uint64_t magnitude, struct yaml_value *ret_value)
{
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	*ret_value = (struct yaml_value){
		.kind = YAML_KIND_INTEGER,
		.integer = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude,
	};
	return true;
}

/* goyaml tries base 2 once more behind a "0b", where that leaves a sign: 0b-1. */
static bool parse_signed_binary(const char *text, size_t length, struct yaml_value *ret_value)
{
	uint64_t magnitude;

	if (length < 4 || memcmp(text, "0b", 2) != 0 || (text[2] != '-' && text[2] != '+'))
		return false;
	return parse_digits(text + 3, length - 3, 2, &magnitude) &&
	       sign_integer(text[2] == '-', magnitude, ret_value);
}

static bool parse_integer(const char *text, size_t length, struct yaml_value *ret_value)
{
	bool is_signed = length > 0 && (text[0] == '-' || text[0] == '+');
	uint64_t magnitude;

	if (!parse_unsigned(text + is_signed, length - is_signed, &magnitude))
		return parse_signed_binary(text, length, ret_value);
	if (sign_integer(text[0] == '-', magnitude, ret_value))
		return true;
	if (is_signed)
		return false;
	*ret_value = (struct yaml_value){
		.kind = YAML_KIND_UNSIGNED,
		.unsigned_integer = magnitude,
	};
	return true;
}

static size_t skip_digits(const char *text, size_t length, size_t at)
{
	while (at < length && g_ascii_isdigit(text[at]))
		at++;
	return at;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *text, size_t length)
{
	size_t at = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
	size_t begin = at, whole, exponent;

	whole = at = skip_digits(text, length, at);
	if (at < length && text[at] == '.')
		at = skip_digits(text, length, at + 1);
	if (whole == begin && at <= begin + 1)
		return false;
	if (at < length && (text[at] == 'e' || text[at] == 'E')) {
		at++;
		if (at < length && (text[at] == '-' || text[at] == '+'))
			at++;
		exponent = at;
		at = skip_digits(text, length, at);
		if (at == exponent)
			return false;
	}
	return at == length;
}

static bool parse_float(const char *text, size_t length, struct yaml_value *ret_value)
{
	double value;

	if (!is_float(text, length) || !number_parse(text, length, &value))
		return false;
	*ret_value = (struct yaml_value){.kind = YAML_KIND_FLOAT, .real = value};
	return true;
}

static char *without_underscores(const char *text, size_t *length)
{
	char *copy = g_malloc(*length + 1);
	size_t kept = 0;

	for (size_t i = 0; i < *length; i++) {
		if (text[i] != '_')
			copy[kept++] = text[i];
	}
	*length = kept;
	return copy;
}

/*
 * Behind a leading '.', strconv.ParseFloat decides, which wants a digit on either side of each
 * underscore; elsewhere they are simply left out.
 */
static bool misplaced_underscore(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '_' && (i == 0 || i + 1 == length || !g_ascii_isdigit(text[i - 1]) ||
					      !g_ascii_isdigit(text[i + 1])))
			return true;
	}
	return false;
}

static struct yaml_value resolve_number(const char *text, size_t length)
{
	g_autofree char *copy = NULL;
	struct yaml_value value;

	if (text[0] == '.' && misplaced_underscore(text, length))
		return string;
	if (memchr(text, '_', length) != NULL)
		text = copy = without_underscores(text, &length);
	if (text[0] != '.' && parse_integer(text, length, &value))
		return value;
	return parse_float(text, length, &value) ? value : string;
}

/* No longer number is: the rest needs no look. */
static bool may_be_number(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!g_ascii_isxdigit(text[i]) && strchr("+-._xXoO", text[i]) == NULL)
			return false;
		if (text[i] == '\0')
			return false;
	}
	return true;
}

struct yaml_value yaml_resolve(const char *text, size_t length, bool timestamps)
{
	struct yaml_value value;

	if (length == 0)
		return (struct yaml_value){.kind = YAML_KIND_NULL};
	switch (text[0]) {
	case '~':
	case 'y':
	case 'Y':
	case 'n':
	case 'N':
	case 't':
	case 'T':
	case 'f':
	case 'F':
	case 'o':
	case 'O':
		return find_word(text, length, &value) ? value : string;
	case '.':
	case '+':
	case '-':
		if (find_word(text, length, &value))
			return value;
		break;
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		if (timestamps && yaml_is_timestamp(text, length))
			return (struct yaml_value){.kind = YAML_KIND_TIMESTAMP};
		break;
	default:
		return string;
	}
	return may_be_number(text, length) ? resolve_number(text, length) : string;
}

bool yaml_resolves(const char *text, size_t length)
{
	return yaml_resolve(text, length, true).kind != YAML_KIND_STRING;
}

/* [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)? */
bool yaml_is_base60(const char *text, size_t length)
{
	size_t at = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
	bool colon = false;

	if (at == length || !g_ascii_isdigit(text[at]))
		return false;
	while (at < length && (g_ascii_isdigit(text[at]) || text[at] == '_'))
		at++;
	while (at + 1 < length && text[at] == ':' && g_ascii_isdigit(text[at + 1])) {
		bool two = at + 2 < length && g_ascii_isdigit(text[at + 2]);

		if (two && text[at + 1] > '5')
			return false;
		at += two ? 3 : 2;
		colon = true;
	}
	if (colon && at < length && text[at] == '.') {
		at++;
		while (at < length && (g_ascii_isdigit(text[at]) || text[at] == '_'))
			at++;
	}
	return colon && at == length;
}
