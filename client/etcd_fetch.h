/* A call of the etcd client whose answer is one small JSON object, handed out whole. */
#pragma once

#include "client/etcd_call.h"
#include "client/json_text.h"

/* More than the longest answer: of 128 operations, of an alarm list, of a token. */
#define ETCD_FETCH_BYTES_MAX ((size_t)4 << 20)

/* Both run on the strand; json is borrowed, and wiped afterwards. */
struct etcd_fetch_handlers {
	/*
	 * Reads the answer: 0, or -EPROTO when it makes no sense. At most once, before done; may be
	 * NULL.
	 */
	int (*read)(void *data, struct json_text json, GError **error);
	/* Exactly once. json is empty on failure; result->revision is its header's. */
	void (*done)(void *data, const struct etcd_result *result, struct json_text json);
};

/* request is taken over. */
struct etcd_call *etcd_fetch(struct etcd_client *client, const struct etcd_request *request,
	const struct etcd_fetch_handlers *handlers, void *data, struct strand *strand);
