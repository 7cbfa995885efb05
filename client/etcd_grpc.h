/*
 * gRPC as far as one question with one answer needs it: an HTTP/2 POST to /SERVICE/METHOD whose
 * body, and the answer's, is one message behind five bytes (compressed or not, and its length, big
 * endian), with the status in the trailers. etcd's JSON gateway is a client of the same calls,
 * which turns each answer to JSON and back to bytes: that takes several times as long as the
 * answer.
 *
 * Source: github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md.
 */
#pragma once

#include "client/etcd_failure.h"
#include "client/http.h"
#include "client/protobuf_wire.h"

#define ETCD_GRPC_TYPE "application/grpc"
#define ETCD_GRPC_HEADER 5

/* message framed, as a request's body. */
GBytes *etcd_grpc_wrap(const GByteArray *message);

/* -EPROTO when the answer is not gRPC's. */
int etcd_grpc_check_head(const struct http_head *head, GError **error);

/* Where an answer stands. All zero before it begins. */
struct etcd_grpc_frame {
	unsigned char header[ETCD_GRPC_HEADER];
	size_t header_length;
	uint64_t left; /* of the message */
};

/*
 * The next piece of an answer, cut anywhere: sets which of its bytes belong to the message. Returns
 * -EPROTO when it is compressed (nobody asked for that), or there is more than one message.
 */
int etcd_grpc_unwrap(struct etcd_grpc_frame *frame, const char *bytes, size_t length,
	struct protobuf_input *ret_message, GError **error);
/* The answer is over: -EPROTO when the message is not whole. */
int etcd_grpc_end(const struct etcd_grpc_frame *frame, GError **error);

/*
 * What the trailers say. FALSE: it is not gRPC's answer, or not one to this call (UNIMPLEMENTED).
 * failure is set in that case, and when they tell of one; it is left all zero for success.
 */
gboolean etcd_grpc_read_status(const struct http_result *http, struct etcd_failure *failure);
