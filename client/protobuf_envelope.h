/*
 * What Kubernetes wraps its protobuf in, on the wire and in etcd: "k8s\0" and a runtime.Unknown.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "client/protobuf_wire.h"

#define PROTOBUF_PREFIX "k8s"
#define PROTOBUF_PREFIX_LENGTH 4 /* with its NUL */

/* All within the bytes that were read. */
struct protobuf_envelope {
	struct protobuf_input api_version;
	struct protobuf_input kind;
	struct protobuf_input object; /* the message of that kind */
};

bool protobuf_is_envelope(const char *bytes, size_t length);

/*
 * Takes off the envelope. Returns 0, -EBADMSG (malformed) or -EOPNOTSUPP (well-formed, but with a
 * field, an encoding or a content that is not known here), with error set; the message holds
 * nothing of the bytes. Any thread.
 */
int protobuf_envelope_read(
	const char *bytes, size_t length, struct protobuf_envelope *ret, GError **error);
