#include "cache/key_snapshot.h"

#include <string.h>

struct key_snapshot *key_snapshot_create(const struct etcd_kv *kv, struct timespec seen)
{
	size_t length;
	const char *key = g_bytes_get_data(kv->key, &length);
	struct key_snapshot *snapshot = g_malloc(sizeof(*snapshot) + length + 1);

	*snapshot = (struct key_snapshot){
		.references = 1,
		.value = kv->value != NULL ? g_bytes_ref(kv->value) : g_bytes_new(NULL, 0),
		.create_revision = kv->create_revision,
		.mod_revision = kv->mod_revision,
		.version = kv->version,
		.lease = kv->lease,
		.seen = seen,
		.key_length = length,
	};
	if (length > 0)
		memcpy(snapshot->key, key, length);
	snapshot->key[length] = '\0';
	return snapshot;
}

struct key_snapshot *key_snapshot_ref(struct key_snapshot *snapshot)
{
	g_atomic_int_inc(&snapshot->references);
	return snapshot;
}

struct key_snapshot *key_snapshot_unref(struct key_snapshot *snapshot)
{
	if (snapshot == NULL || !g_atomic_int_dec_and_test(&snapshot->references))
		return NULL;
	g_bytes_unref(snapshot->value);
	g_free(snapshot);
	return NULL;
}

void key_snapshot_unref_pointer(struct key_snapshot **snapshot)
{
	key_snapshot_unref(*snapshot);
}

gboolean key_snapshot_is(const struct key_snapshot *snapshot, const struct etcd_kv *kv)
{
	return snapshot->mod_revision == kv->mod_revision &&
	       snapshot->create_revision == kv->create_revision && snapshot->version == kv->version;
}
