#include "client/yaml_scalar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const trues[] = {
	"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
static const char *const falses[] = {
	"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
static const char *const tags[] = {
	YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG, NULL};

gboolean yaml_scalar_is_known_tag(const char *tag)
{
	return g_strv_contains(tags, tag);
}

/* [-+]? (0x | 0o | 0b | 0)? digits, underscores anywhere but in front. */
static gboolean parse_integer(const char *text, char **ret_text)
{
	g_autofree char *plain = g_strdup(text);
	const char *digits = plain;
	gboolean negative;
	guint64 value;
	char *to = plain, *end;
	int base = 10;

	for (const char *from = text; *from != '\0'; from++) {
		if (*from != '_')
			*to++ = *from;
	}
	*to = '\0';
	negative = *digits == '-';
	if (*digits == '-' || *digits == '+')
		digits++;
	if (digits[0] == '0' && digits[1] != '\0') {
		base = digits[1] == 'x' || digits[1] == 'X'   ? 16
		       : digits[1] == 'b' || digits[1] == 'B' ? 2
							      : 8;
		digits += base != 8 || digits[1] == 'o' || digits[1] == 'O' ? 2 : 1;
	}
	if (!g_ascii_isxdigit(*digits))
		return FALSE;
	errno = 0;
	value = g_ascii_strtoull(digits, &end, (guint)base);
	if (*end != '\0' || errno != 0 || (negative && value > (guint64)G_MAXINT64 + 1))
		return FALSE;
	*ret_text = g_strdup_printf("%s%" G_GUINT64_FORMAT, negative ? "-" : "", value);
	return TRUE;
}

/* ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$ of go-yaml's resolve.go */
static gboolean is_float(const char *text)
{
	size_t before, after = 0;

	text += *text == '-' || *text == '+';
	before = strspn(text, "0123456789");
	text += before;
	if (*text == '.') {
		after = strspn(++text, "0123456789");
		text += after;
	}
	if (before + after == 0)
		return FALSE;
	if (*text == 'e' || *text == 'E') {
		text++;
		text += *text == '-' || *text == '+';
		if (!g_ascii_isdigit(*text))
			return FALSE;
		text += strspn(text, "0123456789");
	}
	return *text == '\0';
}

static gboolean parse_float(const char *text, char **ret_text)
{
	char buffer[G_ASCII_DTOSTR_BUF_SIZE];
	double value;

	if (!is_float(text))
		return FALSE;
	value = g_ascii_strtod(text, NULL);
	if (value > G_MAXDOUBLE || value < -G_MAXDOUBLE)
		return FALSE;
	*ret_text = g_strdup(g_ascii_dtostr(buffer, sizeof(buffer), value));
	return TRUE;
}

enum yaml_kind yaml_scalar_resolve(const char *text, char **ret_text)
{
	if (g_strv_contains(nulls, text))
		return YAML_NULL;
	if (g_strv_contains(trues, text)) {
		*ret_text = g_strdup("true");
		return YAML_BOOLEAN;
	}
	if (g_strv_contains(falses, text)) {
		*ret_text = g_strdup("false");
		return YAML_BOOLEAN;
	}
	if (*text == '\0' || strchr("+-.0123456789", *text) == NULL)
		return YAML_STRING;
	if (parse_integer(text, ret_text) || parse_float(text, ret_text))
		return YAML_NUMBER;
	return YAML_STRING;
}
