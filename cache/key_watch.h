/*
 * One watch of a range of keys that goes on, whatever becomes of its connections, until it is
 * stopped or has lost its place: resumed behind the last revision of which everything was told
 * (protocol.md 32), with the delays of cache/backoff.h. Everything runs on the strand.
 */
#pragma once

#include "client/etcd.h"
#include "client/loop.h"

struct key_watch;

struct key_watch_handlers {
	/* Events can come twice, after a connection was lost amid those of one revision. */
	void (*event)(void *data, enum etcd_event event, const struct etcd_kv *kv);
	/*
	 * What was missed cannot be told: it was compacted, may not be read any more, or (behind)
	 * the server's store is of a time before seen, the revision up to which all was told. The
	 * watch is over; stop it.
	 */
	void (*lost)(void *data, const struct etcd_result *result, gboolean behind, int64_t seen);
	/* The server answered (result NULL), or a call ended with this. */
	void (*contact)(void *data, const struct etcd_result *result);
	/* After key_watch_stop, once and last. */
	void (*stopped)(void *data);
};

struct key_watch_options {
	struct etcd_client *client;
	struct loop *loop;
	struct strand *strand;
};

/* From revision on. keys' references are taken. */
struct key_watch *key_watch_start(const struct key_watch_options *options,
	const struct etcd_keys *keys, int64_t revision, const struct key_watch_handlers *handlers,
	void *data);
/* No event comes any more; stopped does, at once or later, after which there is no watch. */
void key_watch_stop(struct key_watch *watch);
/* The server is back: resumes now. */
void key_watch_kick(struct key_watch *watch);
/* The connections are thought to be dead: ends the stream, which is then resumed. */
void key_watch_reconnect(struct key_watch *watch);
