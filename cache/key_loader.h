/*
 * Reads what stands in one directory of keys, at one revision, without reading what is below: the
 * first key of a subdirectory is enough to know of it, and the next request begins behind all of
 * its keys ("hopping": range limit 1, keys only; 31 requests for the 30 children of /registry/).
 *
 * Directories are not all like that, so each request is made to fit what the last one met. A
 * request whose keys were all names of their own is followed by one for more, and one
 * that ran into a subdirectory by a small one: a million keys, or subdirectories of one key each,
 * take a thousand requests and not a million. Where a key of the directory itself is met whose
 * value is not known, values are asked for as well; below a subdirectory they never are, but for
 * what stood on the same page. A page is kept below KEY_LOADER_PAGE_BYTES as far as the sizes seen
 * so far tell.
 *
 * etcd counts the keys of a range up to its end, whatever the limit: a hop before a hundred
 * thousand keys takes tens of milliseconds, however little it brings. So where an answer tells of a
 * crowd, the next request is for the names alone that begin as the last one does, then for the next
 * such part, each as wide as fits what the last one held, and within a part for the name that comes
 * after the last one if names are numbered. And where the directory was loaded
 * before, each hop ends at the key that it found then: as long as that is still there, a load takes
 * as little of etcd's time as there are subdirectories.
 *
 * Where its siblings had keys alone, a directory is expected to have about as many, and the first
 * request asks for them all, with their values.
 *
 * All pages are pinned to the revision of the first (protocol.md 30), or to the scope's own.
 */
#pragma once

#include "cache/key_scope.h"
#include "client/strand.h"

#define KEY_LOADER_PAGE_KEYS 10000
#define KEY_LOADER_PAGE_BYTES (8U << 20)
#define KEY_LOADER_HOPS_MAX 10000
/* So many keys to be counted are a crowd. (Fewer in a test.) */
#ifndef KEY_LOADER_CROWD
#define KEY_LOADER_CROWD 5000
#endif

struct key_loader;

struct key_loader_handlers {
	/* There are keys below that name. */
	void (*directory)(void *data, const char *name, size_t length);
	/* TRUE: this version is known, its value is not needed. The key counts as seen then. */
	gboolean (*known)(void *data, const char *name, size_t length, const struct etcd_kv *kv);
	/* A key of the directory with its value. */
	void (*key)(void *data, const char *name, size_t length, const struct etcd_kv *kv);
	/* Exactly once, last. On success all was told as it was at revision. */
	void (*done)(void *data, const struct etcd_result *result, int64_t revision);
};

/*
 * What one load leaves to the next of the same directory: the first key (GBytes, in order) of
 * subdirectories that it found by counting a crowd. Free with g_ptr_array_unref.
 */
GPtrArray *key_loader_hops_create(void);

/*
 * Handlers run on strand. The loader belongs to itself and ends with done. scope is copied. hops,
 * if not NULL, is used on the strand until then, and changed when the load succeeds. expected: so
 * many keys, and no subdirectory; 0: nobody knows.
 */
struct key_loader *key_loader_start(struct etcd_client *client, const struct key_scope *scope,
	GPtrArray *hops, int64_t expected, const struct key_loader_handlers *handlers, void *data,
	struct strand *strand);
/* Before done, on the strand: done comes soon. */
void key_loader_cancel(struct key_loader *loader);
