#include "client/json_text.h"

#include <cjson/cJSON.h>
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

char *json_text_string(struct json_text text)
{
	cJSON *decoded;
	char *string;

	if (!is_string(text))
		return NULL;
	if (memchr(text.text, '\\', text.length) == NULL) {
		if (memchr(text.text, '\0', text.length) != NULL)
			return NULL;
		return g_strndup(text.text + 1, text.length - 2);
	}
	/* cJSON would end the string there. */
	if (g_strstr_len(text.text, (gssize)text.length, "\\u0000") != NULL)
		return NULL;
	decoded = cJSON_ParseWithLength(text.text, text.length);
	string = g_strdup(cJSON_GetStringValue(decoded));
	cJSON_Delete(decoded);
	return string;
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
