/*
 * Cuts JSON that arrives in pieces into the texts of its objects, without building a tree: the
 * items of a list as they come, or objects that follow one another (the frames of a watch).
 * Brackets, strings and the outer syntax are checked here; what is within an object is for its
 * decoder.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

/* One object may be this long; etcd's limit is 1.5 MiB, a decoded Table or List may be more. */
#define JSON_STREAM_OBJECT_MAX ((size_t)64 * 1024 * 1024)

enum json_stream_mode {
	JSON_STREAM_LIST, /* one object, whose "items" are cut */
	JSON_STREAM_RANGE, /* the same with "kvs": what etcd answers a range with */
	JSON_STREAM_FRAMES, /* objects one after another, with or without white space (not lines) */
};

/* All run within json_stream_feed, on its thread; the texts are valid during the call. */
struct json_stream_handlers {
	/* One item or frame, as soon as it is complete. */
	void (*object)(void *data, const char *json, size_t length);
	/*
	 * list mode: the value of apiVersion, kind or metadata; range mode: of header, more or
	 * count. May be NULL.
	 */
	void (*member)(void *data, const char *key, const char *json, size_t length);
};

struct json_stream;

/* object_max: bytes that one object, or one of the members named above, may have. */
struct json_stream *json_stream_create(enum json_stream_mode mode, size_t object_max,
	const struct json_stream_handlers *handlers, void *data);
void json_stream_free(struct json_stream *stream); /* NULL is fine */

/*
 * The next piece, cut anywhere. An object that lies wholly within it is handed out in place.
 * Returns 0, -EPROTO when it is not what the mode says, or -EMSGSIZE when an object is too long;
 * the error says at which byte and in which item or frame. After an error the stream is of no use.
 */
int json_stream_feed(struct json_stream *stream, const char *bytes, size_t length, GError **error);

/*
 * The input is over: -EPROTO when it ended in the middle, or (list mode) had no items. "items":
 * null is an empty list: Go writes an empty slice so. A range without "kvs" is an empty one.
 */
int json_stream_end(struct json_stream *stream, GError **error);

/* Objects handed out so far. */
guint64 json_stream_count(const struct json_stream *stream);
