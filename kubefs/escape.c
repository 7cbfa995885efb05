#include "kubefs/escape.h"

#include <limits.h>
#include <string.h>

#define EMPTY "%-"

static gboolean is_dots(const char *name, size_t length)
{
	return (length == 1 && name[0] == '.') || (length == 2 && memcmp(name, "..", 2) == 0);
}

char *escape_name(const char *name, size_t length, const char *suffix)
{
	GString *escaped = g_string_sized_new(length + strlen(suffix) + 1);
	gboolean whole = suffix[0] == '\0';
	gboolean dots = whole && is_dots(name, length);

	if (whole && length == 0)
		g_string_append(escaped, EMPTY);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c == '/' || c == '\0' || c == '%' || dots)
			g_string_append_printf(escaped, "%%%02X", c);
		else
			g_string_append_c(escaped, (char)c);
	}
	g_string_append(escaped, suffix);
	return g_string_free(escaped, FALSE);
}

/* Decodes what lies between escaped and end; FALSE at what is no escape. */
static gboolean decode(const char *escaped, const char *end, GString *name)
{
	while (escaped < end) {
		int high;
		int low;

		if (*escaped != '%') {
			g_string_append_c(name, *escaped++);
			continue;
		}
		if (end - escaped < 3)
			return FALSE;
		high = g_ascii_xdigit_value(escaped[1]);
		low = g_ascii_xdigit_value(escaped[2]);
		if (high < 0 || low < 0)
			return FALSE;
		g_string_append_c(name, (char)(high * 16 + low));
		escaped += 3;
	}
	return TRUE;
}

char *unescape_name(const char *escaped, const char *suffix, size_t *ret_length)
{
	g_autoptr(GString) name = g_string_new(NULL);
	g_autofree char *again = NULL;

	if (!g_str_has_suffix(escaped, suffix))
		return NULL;
	if (strcmp(escaped, EMPTY) != 0 || suffix[0] != '\0') {
		const char *end = escaped + strlen(escaped) - strlen(suffix);

		if (!decode(escaped, end, name))
			return NULL;
	}
	/* One name, one path: "%61" is not another way to write "a". */
	again = escape_name(name->str, name->len, suffix);
	if (strcmp(again, escaped) != 0)
		return NULL;
	*ret_length = name->len;
	return g_string_free(g_steal_pointer(&name), FALSE);
}

size_t escape_next(const char *escaped)
{
	size_t length = strlen(escaped);
	size_t cut = ESCAPE_CHUNK;

	if (length <= NAME_MAX)
		return length;
	if (escaped[cut - 1] == '%')
		return cut - 1;
	if (escaped[cut - 2] == '%')
		return cut - 2;
	return cut;
}

gboolean escape_is_chunk(const char *component)
{
	size_t length = strlen(component);

	/* A lone "%" would be a directory in itself. */
	return length > 1 && component[length - 1] == '%';
}
