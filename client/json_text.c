#include "client/json_text.h"

#include <errno.h>
#include <string.h>

#include "client/json_scan.h"

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	return at;
}

/* The place behind the number or literal that begins at at. */
static const char *skip_scalar(const char *at, const char *end)
{
	while (at < end && strchr(" \n\t\r,]}:\"[{", *at) == NULL)
		at++;
	return at;
}

/* The place behind the value that begins at at; NULL when there is none or it does not end. */
static const char *skip_value(const char *at, const char *end)
{
	struct json_scan scan = {0};
	const char *behind;

	if (at == end)
		return NULL;
	if (*at == '{' || *at == '[')
		return json_scan_value(&scan, at, end);
	if (*at == '"')
		return json_scan_string(&scan, at + 1, end);
	behind = skip_scalar(at, end);
	return behind == at ? NULL : behind;
}

int json_members_init(struct json_members *members, struct json_text json)
{
	const char *end = json.text + json.length;
	const char *at = skip_blanks(json.text, end);

	if (at == end || *at != '{')
		return -EPROTO;
	*members = (struct json_members){.at = at + 1, .end = end, .first = TRUE};
	return 0;
}

int json_members_next(
	struct json_members *members, struct json_text *ret_key, struct json_text *ret_value)
{
	const char *end = members->end;
	const char *at = skip_blanks(members->at, end);
	const char *key, *key_end, *value, *value_end;

	if (at < end && *at == '}')
		return 0;
	if (!members->first) {
		if (at == end || *at != ',')
			return -EPROTO;
		at = skip_blanks(at + 1, end);
	}
	if (at == end || *at != '"')
		return -EPROTO;
	key = at;
	key_end = skip_value(key, end);
	if (key_end == NULL)
		return -EPROTO;
	at = skip_blanks(key_end, end);
	if (at == end || *at != ':')
		return -EPROTO;
	value = skip_blanks(at + 1, end);
	value_end = skip_value(value, end);
	if (value_end == NULL)
		return -EPROTO;

	members->at = value_end;
	members->first = FALSE;
	*ret_key = (struct json_text){key, (size_t)(key_end - key)};
	*ret_value = (struct json_text){value, (size_t)(value_end - value)};
	return 1;
}

int json_elements_init(struct json_elements *elements, struct json_text json)
{
	const char *end = json.text + json.length;
	const char *at = skip_blanks(json.text, end);

	if (at == end || *at != '[')
		return -EPROTO;
	*elements = (struct json_elements){.at = at + 1, .end = end, .first = TRUE};
	return 0;
}

int json_elements_next(struct json_elements *elements, struct json_text *ret_value)
{
	const char *end = elements->end;
	const char *at = skip_blanks(elements->at, end);
	const char *behind;

	if (at < end && *at == ']')
		return 0;
	if (!elements->first) {
		if (at == end || *at != ',')
			return -EPROTO;
		at = skip_blanks(at + 1, end);
	}
	behind = skip_value(at, end);
	if (behind == NULL)
		return -EPROTO;
	elements->at = behind;
	elements->first = FALSE;
	*ret_value = (struct json_text){at, (size_t)(behind - at)};
	return 1;
}

static gboolean is_string(struct json_text text)
{
	return text.length >= 2 && text.text[0] == '"' && text.text[text.length - 1] == '"';
}

/* The four digits of a \u, or -1. */
static int read_unit(const char *at, const char *end)
{
	int unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = g_ascii_xdigit_value(at[i]);

		if (digit < 0)
			return -1;
		unit = unit * 16 + digit;
	}
	return unit;
}

/* *at stands behind "\u"; FALSE for what is no character. */
static gboolean append_unicode(GString *text, const char **at, const char *end)
{
	int unit = read_unit(*at, end);
	int low;

	if (unit < 0)
		return FALSE;
	*at += 4;
	if (unit < 0xd800 || unit > 0xdfff) {
		g_string_append_unichar(text, (gunichar)unit);
		return TRUE;
	}
	low = end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' ? read_unit(*at + 2, end) : -1;
	if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return FALSE;
	*at += 6;
	g_string_append_unichar(
		text, 0x10000 + ((gunichar)(unit - 0xd800) << 10) + (gunichar)(low - 0xdc00));
	return TRUE;
}

/* *at stands behind the backslash. */
static gboolean append_escape(GString *text, const char **at, const char *end)
{
	static const char names[] = "\"\\/bfnrt";
	static const char bytes[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if (*at == end)
		return FALSE;
	if (**at == 'u') {
		(*at)++;
		return append_unicode(text, at, end);
	}
	name = **at != '\0' ? strchr(names, **at) : NULL;
	if (name == NULL)
		return FALSE;
	(*at)++;
	g_string_append_c(text, bytes[name - names]);
	return TRUE;
}

GBytes *json_text_bytes(struct json_text json)
{
	GString *text;
	const char *at;
	const char *end;

	if (!is_string(json))
		return NULL;
	at = json.text + 1;
	end = json.text + json.length - 1;
	text = g_string_sized_new(json.length);
	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		const char *next = escape != NULL ? escape : end;

		g_string_append_len(text, at, next - at);
		at = escape != NULL ? escape + 1 : end;
		if (escape != NULL && !append_escape(text, &at, end)) {
			g_string_free(text, TRUE);
			return NULL;
		}
	}
	return g_string_free_to_bytes(text);
}

char *json_text_string(struct json_text json)
{
	g_autoptr(GBytes) bytes = json_text_bytes(json);
	size_t length;
	const char *text;

	if (bytes == NULL)
		return NULL;
	text = g_bytes_get_data(bytes, &length);
	if (length == 0)
		return g_strdup("");
	return memchr(text, '\0', length) == NULL ? g_strndup(text, length) : NULL;
}

gboolean json_text_is(struct json_text text, const char *wanted)
{
	g_autofree char *string = NULL;

	if (!is_string(text))
		return FALSE;
	if (memchr(text.text, '\\', text.length) == NULL)
		return text.length - 2 == strlen(wanted) &&
		       memcmp(text.text + 1, wanted, text.length - 2) == 0;
	string = json_text_string(text);
	return string != NULL && strcmp(string, wanted) == 0;
}

static gboolean find_member(struct json_text json, const char *wanted, struct json_text *ret_value)
{
	struct json_members members;
	struct json_text key, value;
	gboolean found = FALSE;

	if (json_members_init(&members, json) < 0)
		return FALSE;
	while (json_members_next(&members, &key, &value) > 0) {
		if (json_text_is(key, wanted)) {
			*ret_value = value;
			found = TRUE;
		}
	}
	return found;
}

gboolean json_text_find(struct json_text json, const char *const *path, struct json_text *ret_value)
{
	for (; *path != NULL; path++) {
		if (!find_member(json, *path, &json))
			return FALSE;
	}
	*ret_value = json;
	return TRUE;
}
