/*
 * Cuts protobuf that arrives in pieces into its objects, without decoding these: the items of a
 * list as they come, or the events of a watch. What client/json_stream.h is for JSON.
 *
 * A list is an envelope (client/protobuf_envelope.h) around a message of ListMeta (1) and items
 * (2). A watch is frames of a length (four bytes, big endian) and a metav1.WatchEvent, whose object
 * is an envelope.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

#include "client/protobuf_wire.h"

enum protobuf_stream_mode {
	PROTOBUF_STREAM_LIST,
	PROTOBUF_STREAM_FRAMES,
};

/* All run within protobuf_stream_feed, on its thread; what they get is valid during the call. */
struct protobuf_stream_handlers {
	/* list mode: what kind of list this is ("PodList"), before its items. May be NULL. */
	void (*type)(void *data, const struct protobuf_input *api_version,
		const struct protobuf_input *kind);
	/* list mode: the list's metadata; its continue token is empty on the last page. */
	void (*metadata)(void *data, const struct protobuf_input *resource_version,
		const struct protobuf_input *continue_token);
	/* list mode: an item, which is a message of the items' kind, as soon as it is complete. */
	void (*item)(void *data, const struct protobuf_input *message);
	/* frames mode: type is "ADDED", "BOOKMARK", "ERROR", ... */
	void (*event)(void *data, const struct protobuf_input *type,
		const struct protobuf_input *envelope);
};

struct protobuf_stream;

/* object_max: bytes that one item, event or other part may have. */
struct protobuf_stream *protobuf_stream_create(enum protobuf_stream_mode mode, size_t object_max,
	const struct protobuf_stream_handlers *handlers, void *data);
void protobuf_stream_free(struct protobuf_stream *stream); /* NULL is fine */

/*
 * The next piece, cut anywhere. What lies wholly within it is handed out in place. Returns 0,
 * -EPROTO when it is not what the mode says, -EOPNOTSUPP when it has something that is not known
 * here (ask for JSON), or -EMSGSIZE when something is too long; the error says at which byte and in
 * which item or frame. After an error the stream is of no use.
 */
int protobuf_stream_feed(
	struct protobuf_stream *stream, const char *bytes, size_t length, GError **error);

/* The input is over: -EPROTO when it ended in the middle. */
int protobuf_stream_end(struct protobuf_stream *stream, GError **error);

/* Items or events handed out so far. */
guint64 protobuf_stream_count(const struct protobuf_stream *stream);
