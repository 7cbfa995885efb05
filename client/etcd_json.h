/*
 * The gateway's JSON: bytes are base64, 64-bit integers are strings, and fields that are zero are
 * left out (google.golang.org/protobuf/encoding/protojson). Reading is lenient where the gateways
 * of etcd 3.4 to 3.6 differ: an integer may also be a number.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "client/json_text.h"

/* All return 0 or -EPROTO, with the output untouched. Any thread. */
int etcd_json_int64(struct json_text text, int64_t *ret_value);
int etcd_json_bytes(struct json_text text, GBytes **ret_bytes);
int etcd_json_bool(struct json_text text, gboolean *ret_value);

/* The revision of a ResponseHeader, 0 when it says none. */
int etcd_json_revision(struct json_text header, int64_t *ret_revision);

/*
 * Request bodies: appends a member to an object that begins with '{', with the comma that it needs.
 * The first leave out what is the default.
 */
void etcd_json_add_bytes(GString *json, const char *key, GBytes *bytes);
void etcd_json_add_int64(GString *json, const char *key, int64_t value);
void etcd_json_add_bool(GString *json, const char *key, gboolean value);
/* Of JSON text as it is. */
void etcd_json_add_text(GString *json, const char *key, const char *text);
