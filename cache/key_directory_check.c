#include "cache/key_directory_internal.h"

static void on_check_kv(void *data, const struct etcd_kv *kv)
{
	struct key_directory *directory = data;

	directory->check.found = TRUE;
}

static gboolean is_checking(const struct key_directory *directory, const char *name, size_t length)
{
	g_autoptr(GBytes) asked = NULL;

	if (directory->check.name == NULL)
		return FALSE;
	asked = g_bytes_new_static(name, length);
	return g_bytes_equal(directory->check.name, asked);
}

static void on_check_done(
	void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct key_directory *directory = data;
	g_autoptr(GBytes) name = g_steal_pointer(&directory->check.name);

	directory->check.call = etcd_call_unref(directory->check.call);
	if (directory->ended) {
		/* Of the directory, nobody is told any more. */
		key_directory_end_unsure(directory);
	} else if (result->errnum != 0) {
		/* Asked again with the next event, or when the server is back. */
		g_hash_table_add(directory->check.names, g_steal_pointer(&name));
		directory->options.handlers->contact(directory->options.data, result);
		key_directory_end_unsure(directory);
	} else {
		size_t length;
		const char *bytes = g_bytes_get_data(name, &length);

		/* The answer may be older than the last event. */
		if (!directory->check.found && directory->check.put <= result->revision)
			key_directory_set_below(directory, bytes, length, FALSE);
		key_directory_check_next(directory);
	}
	key_directory_unref(directory);
}

void key_directory_check_next(struct key_directory *directory)
{
	static const struct etcd_range_handlers handlers = {
		.kv = on_check_kv,
		.done = on_check_done,
	};
	struct etcd_range range = {.limit = 1, .keys_only = TRUE};
	GHashTableIter iter;
	const char *bytes;
	size_t length;
	void *name;

	if (directory->check.name != NULL || directory->ended)
		return;
	g_hash_table_iter_init(&iter, directory->check.names);
	if (!g_hash_table_iter_next(&iter, &name, NULL)) {
		key_directory_end_unsure(directory);
		return;
	}
	directory->check.name = g_bytes_ref(name);
	g_hash_table_iter_remove(&iter);
	directory->check.found = FALSE;
	directory->check.put = 0;
	bytes = g_bytes_get_data(directory->check.name, &length);
	range.keys = key_scope_below(&directory->scope, bytes, length);
	directory->check.call = etcd_range(directory->options.client, &range, &handlers,
		key_directory_ref(directory), directory->strand);
	key_range_finish(&range.keys);
}

void key_directory_check(struct key_directory *directory, const char *name, size_t length)
{
	g_hash_table_add(directory->check.names, g_bytes_new(name, length));
	key_directory_check_next(directory);
}

void key_directory_check_put(
	struct key_directory *directory, const char *name, size_t length, int64_t revision)
{
	if (is_checking(directory, name, length))
		directory->check.put = MAX(directory->check.put, revision);
}
