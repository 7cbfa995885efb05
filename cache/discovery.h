/*
 * Keeps a cluster's catalog true: discovers, and again whenever a CRD or an APIService comes, goes
 * or changes (protocol.md 13).
 */
#pragma once

#include "cache/catalog.h"
#include "cache/collection.h"
#include "client/loop.h"

struct discovery;

struct discovery_handlers {
	/* On the discovery's strand; old is NULL the first time; both borrowed. */
	void (*changed)(void *data, struct catalog *old, struct catalog *new);
	void (*contact)(void *data, const struct source_result *result);
	void (*problem)(void *data, const char *text);
	/* After discovery_stop, once and last: neither source nor handlers are called any more. */
	void (*stopped)(void *data);
};

struct discovery_options {
	struct source *source;
	struct loop *loop;
	struct strand_pool *pool;
	const struct discovery_handlers *handlers;
	void *data;
	uint64_t age; /* milliseconds after which it is repeated where nothing can be watched */
};

struct discovery *discovery_create(const struct discovery_options *options);
/* Begins to discover. Once. */
void discovery_start(struct discovery *discovery);
/* Ends what is under way; whoever waits is called; handlers.stopped follows. */
void discovery_stop(struct discovery *discovery);
void discovery_unref(struct discovery *discovery);

/* As cache_catalog. Any thread. */
int discovery_look(struct discovery *discovery, collection_wait wait, void *data,
	struct catalog **ret, GError **error);
/* A reference, or NULL. Any thread. */
struct catalog *discovery_now(struct discovery *discovery);
/* Whoever waits asks again, and may be told something else meanwhile. Any thread. */
void discovery_wake(struct discovery *discovery);
/* The server is back: does now what waits for a timer. Any thread. */
void discovery_kick(struct discovery *discovery);
