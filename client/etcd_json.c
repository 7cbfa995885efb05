#include "client/etcd_json.h"

#include <errno.h>
#include <string.h>

#include "client/base64.h"

/* Characters of INT64_MIN. */
#define INT64_LENGTH_MAX 20

static struct json_text unquoted(struct json_text text)
{
	if (text.length < 2 || text.text[0] != '"' || text.text[text.length - 1] != '"')
		return text;
	return (struct json_text){text.text + 1, text.length - 2};
}

int etcd_json_int64(struct json_text text, int64_t *ret_value)
{
	const struct json_text digits = unquoted(text);
	char copy[INT64_LENGTH_MAX + 1];
	gint64 value;

	if (digits.length == 0 || digits.length > INT64_LENGTH_MAX)
		return -EPROTO;
	memcpy(copy, digits.text, digits.length);
	copy[digits.length] = '\0';
	if (strlen(copy) != digits.length ||
		!g_ascii_string_to_signed(copy, 10, G_MININT64, G_MAXINT64, &value, NULL))
		return -EPROTO;
	*ret_value = value;
	return 0;
}

int etcd_json_bytes(struct json_text text, GBytes **ret_bytes)
{
	const struct json_text plain = unquoted(text);
	g_autofree char *string = NULL;
	int r;

	if (plain.text == text.text)
		return -EPROTO;
	/* Nothing of base64 needs to be escaped, but it may be. */
	if (memchr(plain.text, '\\', plain.length) != NULL) {
		string = json_text_string(text);
		r = string != NULL ? base64_decode(string, strlen(string), ret_bytes) : -EINVAL;
	} else {
		r = base64_decode(plain.text, plain.length, ret_bytes);
	}
	return r < 0 ? -EPROTO : 0;
}

int etcd_json_bool(struct json_text text, gboolean *ret_value)
{
	if (text.length == 4 && memcmp(text.text, "true", 4) == 0)
		*ret_value = TRUE;
	else if (text.length == 5 && memcmp(text.text, "false", 5) == 0)
		*ret_value = FALSE;
	else
		return -EPROTO;
	return 0;
}

int etcd_json_revision(struct json_text header, int64_t *ret_revision)
{
	struct json_text value;

	if (!json_text_find(header, JSON_PATH("revision"), &value)) {
		*ret_revision = 0;
		return 0;
	}
	return etcd_json_int64(value, ret_revision);
}

static void add_key(GString *json, const char *key)
{
	if (json->str[json->len - 1] != '{')
		g_string_append_c(json, ',');
	g_string_append_printf(json, "\"%s\":", key);
}

void etcd_json_add_bytes(GString *json, const char *key, GBytes *bytes)
{
	if (g_bytes_get_size(bytes) == 0)
		return;
	add_key(json, key);
	g_string_append_c(json, '"');
	base64_append(json, bytes);
	g_string_append_c(json, '"');
}

void etcd_json_add_int64(GString *json, const char *key, int64_t value)
{
	if (value == 0)
		return;
	add_key(json, key);
	g_string_append_printf(json, "\"%" G_GINT64_FORMAT "\"", (gint64)value);
}

void etcd_json_add_bool(GString *json, const char *key, gboolean value)
{
	if (!value)
		return;
	add_key(json, key);
	g_string_append(json, "true");
}

void etcd_json_add_text(GString *json, const char *key, const char *text)
{
	add_key(json, key);
	g_string_append(json, text);
}
