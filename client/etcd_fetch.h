/* A call of the etcd client whose answer is one small JSON object, handed out whole. */
#pragma once

#include "client/etcd_call.h"
#include "client/json_text.h"

/* More than the longest answer: of 128 operations, of an alarm list, of a token. */
#define ETCD_FETCH_BYTES_MAX ((size_t)4 << 20)

/*
 * Exactly one call, on the strand. json is empty on failure, else an object; result->revision is
 * its header's. Borrowed; wiped afterwards.
 */
typedef void (*etcd_fetch_done)(
	void *data, const struct etcd_result *result, struct json_text json);

/* request is taken over. */
struct etcd_call *etcd_fetch(struct etcd_client *client, const struct etcd_request *request,
	etcd_fetch_done done, void *data, struct strand *strand);
