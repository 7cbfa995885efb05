/*
 * One frame of a watch taken apart: JSON, or what client/protobuf_stream.h cut out of protobuf.
 */
#pragma once

#include <cjson/cJSON.h>

#include "client/json_text.h"
#include "client/protobuf_wire.h"
#include "client/source.h"

/* All within the bytes that were read. */
struct kubernetes_frame {
	/* An ERROR: event and item mean nothing, and the watch is over. */
	gboolean is_error;
	enum source_event event; /* never SOURCE_SYNCED */
	/* A bookmark that ends the initial events (KEP-3157). */
	gboolean ends_initial;
	struct source_item item;
	const char *status; /* an ERROR's Status, in the frame's own form */
	size_t status_length;
};

/*
 * api_version and kind are those of the watched objects, and the item's; they must outlive it.
 * Returns 0, -EPROTO when it is no frame, or, of protobuf, -EBADMSG or -EOPNOTSUPP when its object
 * is malformed or nothing that is known here; with error set. Any thread.
 */
int kubernetes_frame_read_json(struct json_text json, const char *api_version, const char *kind,
	struct kubernetes_frame *ret, GError **error);
int kubernetes_frame_read_protobuf(const struct protobuf_input *type,
	const struct protobuf_input *envelope, const char *api_version, const char *kind,
	struct kubernetes_frame *ret, GError **error);

/* What an ERROR says, or NULL when that is no Status; free with cJSON_Delete. */
cJSON *kubernetes_frame_status(const struct kubernetes_frame *frame);
