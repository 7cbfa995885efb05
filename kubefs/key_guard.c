#include "kubefs/key_guard.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/filesystem.h"

/* The API server's --etcd-prefix, and where it says how far it has compacted. */
#define REGISTRY "/registry"
#define COMPACT "compact_rev_key"

static gboolean begins(const char *bytes, size_t length, const char *with, size_t with_length)
{
	return length >= with_length && memcmp(bytes, with, with_length) == 0;
}

static gboolean is_registry_key(GBytes *key)
{
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);

	if (length == strlen(COMPACT) && begins(bytes, length, COMPACT, length))
		return TRUE;
	return begins(bytes, length, REGISTRY, strlen(REGISTRY)) &&
	       (length == strlen(REGISTRY) || bytes[strlen(REGISTRY)] == '/');
}

/* Protobuf, encrypted, and what custom resources are stored as. */
static gboolean is_registry_value(GBytes *value)
{
	static const char protobuf[] = {'k', '8', 's', '\0'};
	static const char encrypted[] = "k8s:enc:";
	static const char custom[] = "{\"apiVersion\":";
	size_t length;
	const char *bytes = g_bytes_get_data(value, &length);

	return begins(bytes, length, protobuf, sizeof(protobuf)) ||
	       begins(bytes, length, encrypted, strlen(encrypted)) ||
	       begins(bytes, length, custom, strlen(custom));
}

static const char *why_read_only(const struct filesystem *filesystem)
{
	if (filesystem->read_only || filesystem->keys_read_only)
		return "refused by -o ro: the keys of etcd are read-only";
	if (filesystem->keys_dry_run)
		return "refused by -o dry_run: etcd has no way to try a change without making it";
	if (filesystem->decode)
		return "refused by -o decode: a text that is shown in place of a value is not "
		       "written back";
	return NULL;
}

gboolean key_guard_is_read_only(const struct filesystem *filesystem)
{
	return why_read_only(filesystem) != NULL;
}

const char *key_guard_why_fixed(const struct filesystem *filesystem, const struct node_key *node)
{
	if (node->revision != 0 || node->kind == NODE_REVISIONS)
		return "the past of the keys of etcd cannot be changed";
	if (node->kind == NODE_V2_DIRECTORY || node->kind == NODE_V2_KEY)
		return "the keys of etcd's v2 store can only be read";
	if (node->kind != NODE_KEYS && node->kind != NODE_KEY)
		return "can only be read: a key of etcd is changed under its own name";
	return why_read_only(filesystem);
}

int key_guard_check(const struct filesystem *filesystem, GBytes *key,
	const struct key_snapshot *value, enum source_verb verb, GError **error)
{
	const char *why = why_read_only(filesystem);

	if (why != NULL)
		return error_set(error, EROFS, "%s", why);
	if (!filesystem->etcd_registry_write &&
		(is_registry_key(key) || (value != NULL && is_registry_value(value->value))))
		return error_set(error, EROFS,
			"the key is a Kubernetes API server's: change the object through it, or "
			"mount with -o etcd_registry_write");
	return guard_check_keys(filesystem->guard, verb, error);
}
