#include "client/http_retry.h"

#include <curl/curl.h>
#include <string.h>

#include "client/escape.h"

#define MILLISECONDS 1000
/* Not 0, which says that the header is absent. */
#define AT_ONCE 1
#define WARNING_CODE "299"

unsigned int http_retry_after(const char *value, time_t now)
{
	int64_t seconds;
	time_t date;
	char *end;

	value += strspn(value, " \t");
	if (g_ascii_isdigit(*value)) {
		seconds = g_ascii_strtoll(value, &end, 10);
		if (end[strspn(end, " \t")] != '\0')
			return 0;
	} else {
		date = curl_getdate(value, NULL);
		if (date < 0)
			return 0;
		seconds = (int64_t)date - now;
	}
	if (seconds <= 0)
		return AT_ONCE;
	return (unsigned int)MIN(seconds, G_MAXINT / MILLISECONDS) * MILLISECONDS;
}

/* text is after the opening quote. Returns what follows the closing one, NULL without one. */
static const char *read_quoted(const char *text, GString *value)
{
	for (; *text != '\0' && *text != '"'; text++) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		g_string_append_c(value, *text);
	}
	return *text == '"' ? text + 1 : NULL;
}

/* One warning: code SP agent SP quoted-text [ SP quoted-date ]. NULL when it is none. */
static const char *read_warning(const char *text, GPtrArray *warnings)
{
	g_autoptr(GString) value = g_string_new(NULL);
	gboolean wanted;

	text += strspn(text, " \t,");
	if (!g_ascii_isdigit(text[0]) || !g_ascii_isdigit(text[1]) || !g_ascii_isdigit(text[2]) ||
		text[3] != ' ')
		return NULL;
	wanted = strncmp(text, WARNING_CODE, strlen(WARNING_CODE)) == 0;
	text += strlen(WARNING_CODE) + 1;
	text += strcspn(text, " "); /* the agent */
	text += strspn(text, " ");
	if (*text != '"' || (text = read_quoted(text + 1, value)) == NULL)
		return NULL;
	if (wanted)
		g_ptr_array_add(warnings, escape_text(value->str, (gssize)value->len));
	g_string_truncate(value, 0);
	if (strncmp(text, " \"", 2) == 0)
		return read_quoted(text + 2, value);
	return text;
}

GPtrArray *http_warnings(const char *value)
{
	GPtrArray *warnings = g_ptr_array_new_with_free_func(g_free);

	while (value != NULL && *value != '\0')
		value = read_warning(value, warnings);
	return warnings;
}
