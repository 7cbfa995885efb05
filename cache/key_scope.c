#include "cache/key_scope.h"

#include <string.h>

/* In etcd a range's end, and what comes right after the separator in the order of bytes. */
#define AFTER_SLASH '0'

gboolean key_scope_find(const struct key_scope *scope, GBytes *key, struct key_part *ret)
{
	size_t prefix_length;
	const char *prefix = g_bytes_get_data(scope->prefix, &prefix_length);
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);
	const char *slash;

	if (length < prefix_length ||
		(prefix_length > 0 && memcmp(bytes, prefix, prefix_length) != 0))
		return FALSE;
	bytes += prefix_length;
	length -= prefix_length;
	slash = length > 0 ? memchr(bytes, '/', length) : NULL;
	if (slash == bytes && scope->slashless)
		return FALSE;
	*ret = (struct key_part){
		.name = bytes,
		.length = slash != NULL ? (size_t)(slash - bytes) : length,
		.deeper = slash != NULL,
	};
	return TRUE;
}

/* The bytes of the prefix that all directories in the same one have in common. */
static size_t parent_length(const struct key_scope *scope)
{
	size_t length;
	const char *bytes = g_bytes_get_data(scope->prefix, &length);
	const char *slash = length > 0 ? memrchr(bytes, '/', length - 1) : NULL;

	return slash != NULL ? (size_t)(slash - bytes) + 1 : 0;
}

gboolean key_scope_are_siblings(const struct key_scope *a, const struct key_scope *b)
{
	size_t length = parent_length(a);

	return length == parent_length(b) &&
	       (length == 0 || memcmp(g_bytes_get_data(a->prefix, NULL),
				       g_bytes_get_data(b->prefix, NULL), length) == 0);
}

GBytes *key_join(GBytes *prefix, const char *name, size_t length, int last)
{
	size_t prefix_length;
	const char *bytes = g_bytes_get_data(prefix, &prefix_length);
	char *joined = g_malloc(prefix_length + length + 1);
	size_t end = prefix_length + length;

	if (prefix_length > 0)
		memcpy(joined, bytes, prefix_length);
	if (length > 0)
		memcpy(joined + prefix_length, name, length);
	if (last != KEY_JOIN_NONE)
		joined[end++] = (char)last;
	return g_bytes_new_take(joined, end);
}

GBytes *key_scope_end_of_prefix(GBytes *prefix)
{
	size_t length;
	const unsigned char *bytes = g_bytes_get_data(prefix, &length);
	unsigned char *end;

	while (length > 0 && bytes[length - 1] == 0xff)
		length--;
	if (length == 0)
		return g_bytes_new(NULL, 0);
	end = g_memdup2(bytes, length);
	end[length - 1]++;
	return g_bytes_new_take(end, length);
}

/* No key is empty: the first that there can be is a single NUL. */
static GBytes *begin_of_prefix(GBytes *prefix)
{
	return g_bytes_get_size(prefix) > 0 ? g_bytes_ref(prefix) : g_bytes_new("", 1);
}

void key_scope_ranges(const struct key_scope *scope, struct key_ranges *ret)
{
	GBytes *begin = begin_of_prefix(scope->prefix);
	GBytes *end = key_scope_end_of_prefix(scope->prefix);

	*ret = (struct key_ranges){.at = {{begin, end}}, .count = 1};
	if (!scope->slashless)
		return;
	ret->at[0].range_end = key_join(scope->prefix, NULL, 0, '/');
	ret->at[1] = (struct etcd_keys){key_join(scope->prefix, NULL, 0, AFTER_SLASH), end};
	ret->count = 2;
}

void key_range_finish(struct etcd_keys *keys)
{
	g_clear_pointer(&keys->key, g_bytes_unref);
	g_clear_pointer(&keys->range_end, g_bytes_unref);
}

void key_ranges_finish(struct key_ranges *ranges)
{
	for (guint i = 0; i < ranges->count; i++)
		key_range_finish(&ranges->at[i]);
	ranges->count = 0;
}

struct etcd_keys key_scope_below(const struct key_scope *scope, const char *name, size_t length)
{
	return (struct etcd_keys){
		.key = key_join(scope->prefix, name, length, '/'),
		.range_end = key_join(scope->prefix, name, length, AFTER_SLASH),
	};
}

GBytes *key_scope_after(GBytes *key)
{
	return key_join(key, NULL, 0, '\0');
}

GBytes *key_scope_after_directory(const struct key_scope *scope, const char *name, size_t length)
{
	return key_join(scope->prefix, name, length, AFTER_SLASH);
}

void key_scope_copy(struct key_scope *to, const struct key_scope *from)
{
	*to = *from;
	g_bytes_ref(to->prefix);
}

void key_scope_finish(struct key_scope *scope)
{
	g_clear_pointer(&scope->prefix, g_bytes_unref);
}

gboolean key_scope_equal(const struct key_scope *a, const struct key_scope *b)
{
	return !a->slashless == !b->slashless && a->revision == b->revision &&
	       g_bytes_equal(a->prefix, b->prefix);
}

guint key_scope_hash(const void *scope)
{
	const struct key_scope *hashed = scope;

	return (g_bytes_hash(hashed->prefix) * 2 + (hashed->slashless ? 1 : 0)) * 31 +
	       g_int64_hash(&hashed->revision);
}
