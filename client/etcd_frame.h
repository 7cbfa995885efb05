/*
 * One frame of a watch's stream: {"result": WatchResponse}, or {"error": ...} as its last
 * (grpc-gateway's runtime/handler.go). Source: WatchResponse in etcd's rpc.proto.
 */
#pragma once

#include "client/etcd.h"
#include "client/json_text.h"

struct etcd_frame {
	int64_t revision; /* header.revision */
	gboolean created;
	gboolean canceled;
	gboolean fragment; /* more of the same response follows */
	int64_t compact_revision;
	char *words; /* cancel_reason or the error's, as sent, or NULL */
	int code; /* gRPC's, of an error */
	gboolean failed; /* it is an error */
	struct json_text events; /* an array, borrowed from the frame; text NULL: none */
};

/*
 * -EPROTO when it is neither, or a member of it cannot be read. The result is the caller's to
 * clear; events are not looked into. Any thread.
 */
int etcd_frame_read(struct json_text json, struct etcd_frame *ret_frame, GError **error);
void etcd_frame_clear(struct etcd_frame *frame);

/* Walks a frame's events. */
struct etcd_events {
	struct json_elements elements;
	gboolean any; /* there is an array */
};

int etcd_events_init(struct etcd_events *events, const struct etcd_frame *frame, GError **error);
/*
 * The next one. Returns 1, 0 behind the last, or -EPROTO. value is set for ETCD_PUT and for no
 * other. *ret_kv is the caller's to clear.
 */
int etcd_events_next(struct etcd_events *events, enum etcd_event *ret_event, struct etcd_kv *ret_kv,
	GError **error);
