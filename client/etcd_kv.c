#include "client/etcd_kv.h"

#include <errno.h>

#include "client/error.h"
#include "client/etcd_json.h"
#include "client/protobuf_write.h"

static int read_member(struct etcd_kv *kv, struct json_text key, struct json_text value)
{
	if (json_text_is(key, "key") && kv->key == NULL)
		return etcd_json_bytes(value, &kv->key);
	if (json_text_is(key, "value") && kv->value == NULL)
		return etcd_json_bytes(value, &kv->value);
	if (json_text_is(key, "create_revision"))
		return etcd_json_int64(value, &kv->create_revision);
	if (json_text_is(key, "mod_revision"))
		return etcd_json_int64(value, &kv->mod_revision);
	if (json_text_is(key, "version"))
		return etcd_json_int64(value, &kv->version);
	if (json_text_is(key, "lease"))
		return etcd_json_int64(value, &kv->lease);
	return 0;
}

static int fail(struct etcd_kv *kv, GError **error, const char *problem)
{
	etcd_kv_clear(kv);
	return error_set(error, EPROTO, "a key %s", problem);
}

/* kv becomes the caller's when it makes sense. */
static int check(struct etcd_kv *kv, struct etcd_kv *ret_kv, GError **error)
{
	if (kv->key == NULL || g_bytes_get_size(kv->key) == 0)
		return fail(kv, error, "without its name");
	if (kv->mod_revision <= 0 || kv->create_revision < 0 || kv->version < 0)
		return fail(kv, error, "with an impossible revision");
	*ret_kv = *kv;
	return 0;
}

int etcd_kv_read(struct json_text json, struct etcd_kv *ret_kv, GError **error)
{
	struct etcd_kv kv = {0};
	struct json_members members;
	struct json_text key, value;
	int r = json_members_init(&members, json);

	while (r >= 0 && (r = json_members_next(&members, &key, &value)) > 0) {
		if (read_member(&kv, key, value) < 0)
			return fail(&kv, error, "with a member that cannot be read");
	}
	if (r < 0)
		return fail(&kv, error, "that is not a JSON object");
	return check(&kv, ret_kv, error);
}

/* Fields of the message. */
enum {
	KV_KEY = 1,
	KV_CREATE_REVISION = 2,
	KV_MOD_REVISION = 3,
	KV_VERSION = 4,
	KV_VALUE = 5,
	KV_LEASE = 6,
};

static bool read_bytes(struct protobuf_input *input, unsigned int wire, GBytes **ret_bytes)
{
	struct protobuf_input bytes;

	if (wire != PROTOBUF_DELIMITED || !protobuf_read_delimited(input, &bytes))
		return false;
	g_clear_pointer(ret_bytes, g_bytes_unref);
	*ret_bytes = g_bytes_new(bytes.at, protobuf_length(&bytes));
	return true;
}

static bool read_number(struct protobuf_input *input, unsigned int wire, int64_t *ret_number)
{
	uint64_t number = 0;

	if (wire != PROTOBUF_VARINT || !protobuf_read_varint(input, &number))
		return false;
	*ret_number = (int64_t)number;
	return true;
}

static bool read_field(struct protobuf_input *input, struct etcd_kv *kv)
{
	uint32_t number;
	unsigned int wire;

	if (!protobuf_read_tag(input, &number, &wire))
		return false;
	switch (number) {
	case KV_KEY:
		return read_bytes(input, wire, &kv->key);
	case KV_CREATE_REVISION:
		return read_number(input, wire, &kv->create_revision);
	case KV_MOD_REVISION:
		return read_number(input, wire, &kv->mod_revision);
	case KV_VERSION:
		return read_number(input, wire, &kv->version);
	case KV_VALUE:
		return read_bytes(input, wire, &kv->value);
	case KV_LEASE:
		return read_number(input, wire, &kv->lease);
	default:
		return protobuf_skip(input, wire);
	}
}

int etcd_kv_read_protobuf(struct protobuf_input message, struct etcd_kv *ret_kv, GError **error)
{
	struct etcd_kv kv = {0};

	while (message.at < message.end) {
		if (!read_field(&message, &kv))
			return fail(&kv, error, "that is malformed");
	}
	return check(&kv, ret_kv, error);
}

void etcd_kv_clear(struct etcd_kv *kv)
{
	g_clear_pointer(&kv->key, g_bytes_unref);
	g_clear_pointer(&kv->value, g_bytes_unref);
	*kv = (struct etcd_kv){0};
}

void etcd_keys_copy(struct etcd_keys *keys, const struct etcd_keys *source)
{
	keys->key = g_bytes_ref(source->key);
	keys->range_end = source->range_end != NULL ? g_bytes_ref(source->range_end) : NULL;
}

void etcd_keys_clear(struct etcd_keys *keys)
{
	g_clear_pointer(&keys->key, g_bytes_unref);
	g_clear_pointer(&keys->range_end, g_bytes_unref);
}

gboolean etcd_keys_contain(const struct etcd_keys *keys, GBytes *key)
{
	if (keys->range_end == NULL)
		return g_bytes_equal(keys->key, key);
	if (g_bytes_compare(keys->key, key) > 0)
		return FALSE;
	return g_bytes_get_size(keys->range_end) == 0 || g_bytes_compare(key, keys->range_end) < 0;
}

void etcd_keys_add(GString *json, const struct etcd_keys *keys)
{
	g_autoptr(GBytes) nul = g_bytes_new_static("", 1);
	gboolean first = g_bytes_get_size(keys->key) == 0;

	etcd_json_add_bytes(json, "key", first ? nul : keys->key);
	if (keys->range_end == NULL)
		return;
	first = g_bytes_get_size(keys->range_end) == 0;
	etcd_json_add_bytes(json, "range_end", first ? nul : keys->range_end);
}

static void add_delimited(GByteArray *message, uint32_t number, GBytes *bytes)
{
	gsize length;
	/* The protocol's one NUL for none. */
	const void *data = g_bytes_get_data(bytes, &length);

	protobuf_add_delimited(message, number, length > 0 ? data : "", MAX(length, 1));
}

void etcd_keys_add_protobuf(GByteArray *message, const struct etcd_keys *keys)
{
	add_delimited(message, 1, keys->key);
	if (keys->range_end != NULL)
		add_delimited(message, 2, keys->range_end);
}
