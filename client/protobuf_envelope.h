/*
 * What Kubernetes wraps its protobuf in, on the wire and in etcd: "k8s\0" and a runtime.Unknown.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "client/protobuf_wire.h"

#define PROTOBUF_CONTENT_TYPE "application/vnd.kubernetes.protobuf"
#define PROTOBUF_PREFIX "k8s"
#define PROTOBUF_PREFIX_LENGTH 4 /* with its NUL */

/* All within the bytes that were read. */
struct protobuf_envelope {
	struct protobuf_input api_version;
	struct protobuf_input kind;
	struct protobuf_input object; /* the message of that kind */
};

/* Fields of the runtime.Unknown. */
enum protobuf_unknown {
	PROTOBUF_UNKNOWN_TYPE = 1,
	PROTOBUF_UNKNOWN_RAW = 2,
	PROTOBUF_UNKNOWN_ENCODING = 3,
	PROTOBUF_UNKNOWN_CONTENT_TYPE = 4,
};

bool protobuf_is_envelope(const char *bytes, size_t length);

/*
 * Takes off the envelope. Returns 0, -EBADMSG (malformed) or -EOPNOTSUPP (well-formed, but with a
 * field, an encoding or a content that is not known here), with error set; the message holds
 * nothing of the bytes. Any thread.
 */
int protobuf_envelope_read(
	const char *bytes, size_t length, struct protobuf_envelope *ret, GError **error);

/* For who reads an envelope piece by piece; errors are the same. PROTOBUF_UNKNOWN_TYPE: */
int protobuf_type_read(struct protobuf_input input, struct protobuf_input *ret_api_version,
	struct protobuf_input *ret_kind);
/* PROTOBUF_UNKNOWN_ENCODING and PROTOBUF_UNKNOWN_CONTENT_TYPE: whether they say what is known. */
bool protobuf_content_is_known(enum protobuf_unknown field, const struct protobuf_input *value);
