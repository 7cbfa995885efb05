#include "client/base64.h"

#include <errno.h>
#include <stdint.h>

/* The value of each character, plus one; 0: not of the alphabet. */
static const uint8_t values[256] = {
	['A'] = 1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	10,
	11,
	12,
	13,
	14,
	15,
	16,
	17,
	18,
	19,
	20,
	21,
	22,
	23,
	24,
	25,
	26,
	['a'] = 27,
	28,
	29,
	30,
	31,
	32,
	33,
	34,
	35,
	36,
	37,
	38,
	39,
	40,
	41,
	42,
	43,
	44,
	45,
	46,
	47,
	48,
	49,
	50,
	51,
	52,
	['0'] = 53,
	54,
	55,
	56,
	57,
	58,
	59,
	60,
	61,
	62,
	['+'] = 63,
	['/'] = 64,
};

/* Four characters that stand for three bytes. FALSE when one is not of the alphabet. */
static gboolean decode_group(const uint8_t *text, uint8_t *bytes)
{
	const unsigned int a = values[text[0]], b = values[text[1]];
	const unsigned int c = values[text[2]], d = values[text[3]];
	uint32_t group;

	if (a == 0 || b == 0 || c == 0 || d == 0)
		return FALSE;
	group = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
	bytes[0] = (uint8_t)(group >> 16);
	bytes[1] = (uint8_t)(group >> 8);
	bytes[2] = (uint8_t)group;
	return TRUE;
}

int base64_decode(const char *text, size_t length, GBytes **ret_bytes)
{
	const uint8_t *at = (const uint8_t *)text;
	g_autofree uint8_t *data = NULL;
	uint8_t last[4], tail[3];
	size_t groups = length / 4, padding = 0, i;

	if (length % 4 != 0)
		return -EINVAL;
	if (length == 0) {
		*ret_bytes = g_bytes_new_static("", 0);
		return 0;
	}
	data = g_malloc(groups * 3);
	for (i = 0; i + 1 < groups; i++) {
		if (!decode_group(at + i * 4, data + i * 3))
			return -EINVAL;
	}
	for (size_t j = 0; j < 4; j++)
		last[j] = at[i * 4 + j];
	while (padding < 2 && last[3 - padding] == '=')
		last[3 - padding++] = 'A';
	if (!decode_group(last, tail))
		return -EINVAL;
	for (size_t j = 0; j < 3 - padding; j++)
		data[i * 3 + j] = tail[j];
	*ret_bytes = g_bytes_new_take(g_steal_pointer(&data), groups * 3 - padding);
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
