#include "client/base64.h"

#include <errno.h>

/* g_base64_decode skips what is not of the alphabet. */
static gboolean is_base64(const char *text, size_t length)
{
	size_t padding = 0;

	if (length % 4 != 0)
		return FALSE;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < length - padding; i++)
		if (!g_ascii_isalnum(text[i]) && text[i] != '+' && text[i] != '/')
			return FALSE;
	return TRUE;
}

int base64_decode(const char *text, size_t length, GBytes **ret_bytes)
{
	g_autofree guchar *data = NULL;
	gint state = 0;
	guint save = 0;
	size_t written;

	if (!is_base64(text, length))
		return -EINVAL;
	data = g_malloc(length / 4 * 3 + 3);
	written = g_base64_decode_step(text, length, data, &state, &save);
	*ret_bytes = g_bytes_new_take(g_steal_pointer(&data), written);
	return 0;
}

void base64_append(GString *string, GBytes *bytes)
{
	gsize length;
	const guchar *data = g_bytes_get_data(bytes, &length);
	gsize begin = string->len, written;
	gint state = 0, save = 0;

	if (length == 0)
		return;
	g_string_set_size(string, begin + (length / 3 + 1) * 4 + 4);
	written = g_base64_encode_step(data, length, FALSE, string->str + begin, &state, &save);
	written += g_base64_encode_close(FALSE, string->str + begin + written, &state, &save);
	g_string_truncate(string, begin + written);
}
