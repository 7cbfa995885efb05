/*
 * The resources that a server has, under every name that kubectl accepts. Immutable,
 * reference-counted. Any thread.
 */
#pragma once

#include "client/source.h"

struct catalog;

/* Takes over discovered. The order of its resources decides which one a bare name means. */
struct catalog *catalog_create(struct source_catalog *discovered);
struct catalog *catalog_ref(struct catalog *catalog);
struct catalog *catalog_unref(struct catalog *catalog); /* returns NULL; NULL is fine */

/* By its one spelling ("deployments.apps"); borrowed, or NULL. */
struct resource *catalog_find(const struct catalog *catalog, const char *name);
/*
 * By any other name that kubectl accepts: singular, short name, bare plural, kind in lower case,
 * each alone or with .group or .version.group. Borrowed, or NULL.
 */
struct resource *catalog_find_alias(const struct catalog *catalog, const char *alias);

size_t catalog_count(const struct catalog *catalog);
struct resource *catalog_at(const struct catalog *catalog, size_t index); /* borrowed */

/* Groups that could not be asked: of char *, one line each. */
const GPtrArray *catalog_partial(const struct catalog *catalog);

/* Same resources with the same properties. */
gboolean catalog_equal(const struct catalog *a, const struct catalog *b);
