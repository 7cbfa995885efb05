/* mvccpb.KeyValue as gRPC and the gateway's JSON have it, and the keys that a call asks for. */
#pragma once

#include "client/etcd.h"
#include "client/json_text.h"
#include "client/protobuf_wire.h"

/*
 * Reads one. -EPROTO when it is no object, has no key, a number that is none, or bytes that are no
 * base64. value is NULL when it is absent. The result is the caller's to clear. Any thread.
 */
int etcd_kv_read(struct json_text json, struct etcd_kv *ret_kv, GError **error);
/* The same of a protobuf message; one without a value has an empty one. */
int etcd_kv_read_protobuf(struct protobuf_input message, struct etcd_kv *ret_kv, GError **error);
void etcd_kv_clear(struct etcd_kv *kv);

/* The same with references; the source may be NULL in range_end. */
void etcd_keys_copy(struct etcd_keys *keys, const struct etcd_keys *source);
void etcd_keys_clear(struct etcd_keys *keys);
gboolean etcd_keys_contain(const struct etcd_keys *keys, GBytes *key);

/*
 * Adds "key" and "range_end" to a request's body. The protocol writes "all from the key on" as one
 * NUL, and the empty key, which there is not, as one, too.
 */
void etcd_keys_add(GString *json, const struct etcd_keys *keys);
/* The same as fields 1 and 2 of a protobuf message. */
void etcd_keys_add_protobuf(GByteArray *message, const struct etcd_keys *keys);
