/*
 * The schemas (cache/schema.h) of the group versions that merges needed lately: a document can have
 * megabytes, so they are fetched one by one, kept in small number, and dropped when the catalog
 * changes. Any thread.
 */
#pragma once

#include "cache/schema.h"
#include "client/source.h"

struct schema_store;

/* Documents at a time; one more drops the one that was used longest ago. */
#define SCHEMA_STORE_MAX 8

struct schema_store *schema_store_create(void);
void schema_store_destroy(struct schema_store *store); /* NULL is fine */

/* A reference, or NULL; then *ret_epoch is for schema_store_put. */
struct schema_set *schema_store_find(
	struct schema_store *store, const struct resource *resource, guint *ret_epoch);
/* Keeps a reference, unless the store was cleared since that epoch. */
void schema_store_put(struct schema_store *store, const struct resource *resource, guint epoch,
	struct schema_set *set);
void schema_store_clear(struct schema_store *store);
