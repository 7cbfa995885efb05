/*
 * Reads an etcdserverpb.RangeResponse that arrives in pieces, key by key: what client/json_stream.h
 * is for the gateway's. Fields that it does not know are passed over.
 */
#pragma once

#include "client/etcd.h"

struct etcd_range_reader;

/* Bytes that one key with its value may have: etcd's limit of a request is 1.5 MiB, as it is set.
 */
#define ETCD_RANGE_READER_KV_MAX ((size_t)64 << 20)

struct etcd_range_reader_handlers {
	/* Each key, within etcd_range_reader_feed. FALSE: the rest does not matter. */
	gboolean (*kv)(void *data, struct etcd_kv *kv);
};

/* What stands beside the keys; complete at the end. */
struct etcd_range_numbers {
	int64_t revision;
	int64_t count;
	gboolean more;
};

struct etcd_range_reader *etcd_range_reader_create(
	size_t kv_max, const struct etcd_range_reader_handlers *handlers, void *data);
void etcd_range_reader_free(struct etcd_range_reader *reader); /* NULL is fine */

/*
 * The next piece, cut anywhere. Returns -EPROTO when it is not well-formed or a key makes no sense,
 * -EMSGSIZE when a key is too long; after that the reader is of no use.
 */
int etcd_range_reader_feed(
	struct etcd_range_reader *reader, const char *bytes, size_t length, GError **error);
/* The message is over: -EPROTO when that was in the middle. */
int etcd_range_reader_end(struct etcd_range_reader *reader, GError **error);

struct etcd_range_numbers etcd_range_reader_numbers(const struct etcd_range_reader *reader);
uint64_t etcd_range_reader_count(const struct etcd_range_reader *reader); /* keys handed out */
