/*
 * From the kubeconfig to the contexts of a file system, and from an etcd's endpoints to its keys.
 */
#pragma once

#include "client/kubeconfig.h"
#include "kubefs/filesystem.h"
#include "kubefs/options.h"

/*
 * Reads the configuration and adds the contexts that are asked for, with their switches (-o ro, -o
 * dry_run) and without caches.
 */
int connect_load(struct filesystem *filesystem, const struct options *options,
	GPtrArray *ret_connections, GError **error);
/*
 * Gives each context its cache, and etcd its keyspace: requests begin. connections are in the
 * contexts' order, etcd's is the last.
 */
int connect_start(struct filesystem *filesystem, const struct options *options,
	GPtrArray *connections, struct strand_pool *pool, GError **error);
/*
 * Waits until the context's server has answered; an error says what is wrong. Blocks, in bounded
 * time: the main thread before the mount, nobody else.
 */
int connect_wait(struct context *context, GError **error);
/* The same for etcd, whose topmost directory of keys must be readable. */
int connect_wait_etcd(struct filesystem *filesystem, GError **error);
