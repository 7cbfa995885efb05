#include "client/escape.h"

#include <string.h>

/* Unicode's Bidi_Control property. */
static gboolean is_bidirectional_control(gunichar c)
{
	return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static void append(GString *line, gunichar c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		g_string_append_printf(line, "\\x%02X", c);
	else if (c == 0x2028 || c == 0x2029 || is_bidirectional_control(c))
		g_string_append_printf(line, "\\u{%04X}", c);
	else
		g_string_append_unichar(line, c);
}

char *escape_text(const char *text, gssize length)
{
	const char *end = text + (length < 0 ? strlen(text) : (size_t)length);
	GString *line = g_string_sized_new((size_t)(end - text));

	while (text < end) {
		gunichar c = g_utf8_get_char_validated(text, end - text);

		if (c == (gunichar)-1 || c == (gunichar)-2) {
			g_string_append_printf(line, "\\x%02X", (unsigned char)*text);
			text++;
			continue;
		}
		append(line, c);
		/* A NUL has a length of one as well. */
		text = g_utf8_next_char(text);
	}
	return g_string_free(line, FALSE);
}

char *escape_start(const char *text, size_t length, size_t max)
{
	g_autofree char *start = NULL;

	if (length <= max)
		return escape_text(text, (gssize)length);
	while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80)
		max--;
	start = escape_text(text, (gssize)max);
	return g_strconcat(start, "...", NULL);
}

char *escape_lines(const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GString) joined = g_string_new(NULL);

	for (unsigned int i = 0; lines[i] != NULL; i++) {
		const char *line = g_strstrip(lines[i]);

		if (*line != '\0')
			g_string_append_printf(joined, "%s%s", joined->len > 0 ? "; " : "", line);
	}
	return escape_text(joined->str, (gssize)joined->len);
}
