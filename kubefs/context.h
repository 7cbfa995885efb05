/*
 * One mounted context: a cache and what the tree adds to it.
 */
#pragma once

#include <pthread.h>

#include "cache/cache.h"

struct filesystem;

struct context {
	struct filesystem *filesystem;
	char *name;
	struct cache *cache;
	char *namespace; /* the kubeconfig's, or --namespace */
	gboolean read_only; /* nothing is sent to it that changes anything */
	gboolean dry_run; /* what is sent to it changes nothing (dryRun=All) */
	pthread_mutex_t lock; /* guards all below */
	GPtrArray *order; /* of char *: resource names in the order first seen; only grows */
	GHashTable *places; /* name -> index into order, plus one */
	GPtrArray *namespaces; /* of char *: those that resolved where they cannot be listed */
};

/* Resource names ever seen; a CRD a minute for two months stays below. */
#define CONTEXT_RESOURCES_MAX 100000
#define CONTEXT_NAMESPACES_MAX 10000

/* cache is set by the caller afterwards. namespace may be NULL. */
struct context *context_create(
	struct filesystem *filesystem, const char *name, const char *namespace);
void context_destroy(struct context *context); /* NULL is fine; does not touch the cache */

/* Gives the catalog's resources their places in listings. Any thread. */
void context_learn(struct context *context, struct catalog *catalog);
/*
 * The listed resource that comes next after place, which is moved on to its own: a stable
 * directory offset. NULL at the end; borrowed from the catalog.
 */
struct resource *context_next(
	struct context *context, struct catalog *catalog, gboolean namespaced, uint64_t *place);
/* How many context_next gives. */
guint context_count(struct context *context, struct catalog *catalog, gboolean namespaced);

/* Notes a namespace that resolved though they cannot be listed; TRUE when it is new. */
gboolean context_add_namespace(struct context *context, const char *namespace);
/* The noted namespace at the index, g_free; NULL at the end. */
char *context_namespace_at(struct context *context, guint index);
