#include "tests/unit/key_generate.h"

#include <string.h>

/* Components, each with its length: what an escape could stumble over. */
static const struct {
	const char *bytes;
	int repeat;
	const char *more;
	size_t more_length;
} PIECES[] = {
	{"", 0, NULL, 0},
	{".", 1, NULL, 0},
	{".", 2, NULL, 0},
	{".", 3, NULL, 0},
	{".kubefs", 1, NULL, 0},
	{"%2Ekubefs", 1, NULL, 0},
	{"%", 1, NULL, 0},
	{"%=", 1, NULL, 0},
	{"%-", 1, NULL, 0},
	{"%.", 1, NULL, 0},
	{"%2F", 1, NULL, 0},
	{"a%", 1, NULL, 0},
	{"a", 1, NULL, 0},
	{"a=", 1, NULL, 0},
	{"=", 1, NULL, 0},
	{"b@", 1, NULL, 0},
	{"", 0, "\0", 1},
	{"a", 1, "\0\0", 2},
	{"\xff", 1, NULL, 0},
	{"\xff\xff", 1, NULL, 0},
	{"\n", 1, NULL, 0},
	{"n", 253, NULL, 0},
	{"n", 254, NULL, 0},
	{"n", 255, NULL, 0},
	{"n", 256, NULL, 0},
	{"n", 199, "%mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", 60},
	{"n", 198, "%mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", 60},
	{"n", 197, "%mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm", 60},
	{"n", 700, NULL, 0},
	{"%", 85, NULL, 0},
	{"%", 86, NULL, 0},
	{"%", 300, NULL, 0},
};

static void append_piece(GRand *random, GByteArray *key)
{
	guint index = (guint)g_rand_int_range(random, 0, G_N_ELEMENTS(PIECES) + 4);

	if (index >= G_N_ELEMENTS(PIECES)) {
		gint length = g_rand_int_range(random, 0, g_rand_boolean(random) ? 4 : 300);

		for (gint i = 0; i < length; i++) {
			guint8 byte = (guint8)g_rand_int_range(random, 0, 256);

			g_byte_array_append(key, &byte, 1);
		}
		return;
	}
	for (int i = 0; i < PIECES[index].repeat; i++)
		g_byte_array_append(key, (const guint8 *)PIECES[index].bytes,
			(guint)strlen(PIECES[index].bytes));
	if (PIECES[index].more_length > 0)
		g_byte_array_append(
			key, (const guint8 *)PIECES[index].more, (guint)PIECES[index].more_length);
}

static GBytes *generate_key(GRand *random, GBytes *prefix)
{
	GByteArray *key = g_byte_array_new();
	gint depth = g_rand_int_range(random, 1, 5);

	if (g_bytes_get_size(prefix) > 0)
		g_byte_array_append(
			key, g_bytes_get_data(prefix, NULL), (guint)g_bytes_get_size(prefix));
	for (gint i = 0; i < depth; i++) {
		if (i > 0 || g_rand_int_range(random, 0, 3) > 0)
			g_byte_array_append(key, (const guint8 *)"/", 1);
		append_piece(random, key);
	}
	if (key->len == 0)
		g_byte_array_append(key, (const guint8 *)"/", 1);
	return g_byte_array_free_to_bytes(key);
}

static gint compare(const void *a, const void *b)
{
	return g_bytes_compare(*(GBytes *const *)a, *(GBytes *const *)b);
}

GPtrArray *generate_keys(GRand *random, GBytes *prefix, guint count)
{
	GPtrArray *keys = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_bytes_hash, g_bytes_equal);

	while (keys->len < count) {
		GBytes *key = generate_key(random, prefix);

		if (g_hash_table_contains(seen, key)) {
			g_bytes_unref(key);
			continue;
		}
		g_hash_table_add(seen, key);
		g_ptr_array_add(keys, key);
	}
	g_ptr_array_sort(keys, compare);
	return keys;
}
