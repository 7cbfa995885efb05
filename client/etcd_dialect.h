/*
 * Which servers speak gRPC (client/etcd_grpc.h), learned by asking. It is asked first, since the
 * gateway takes several times as long; what stands before a server may speak HTTP/1.1 alone, and
 * there the gateway is asked, from the first success of that way on without trying.
 */
#pragma once

#include <glib.h>

enum etcd_dialect {
	ETCD_DIALECT_UNKNOWN,
	ETCD_DIALECT_GRPC,
	ETCD_DIALECT_GATEWAY,
};

/* Part of a struct etcd_client, guarded by its lock. */
struct etcd_dialects {
	gboolean enabled; /* else the gateway is asked everything */
	GHashTable *known; /* the server's URL -> enum etcd_dialect */
};

void etcd_dialects_init(struct etcd_dialects *dialects);
void etcd_dialects_finish(struct etcd_dialects *dialects);

/* With the lock held. GATEWAY for all when not enabled. */
enum etcd_dialect etcd_dialects_find(const struct etcd_dialects *dialects, const char *server);
/* With the lock held. A server that has spoken gRPC stays one that does. */
void etcd_dialects_learn(
	struct etcd_dialects *dialects, const char *server, enum etcd_dialect dialect);
