/*
 * What the files of a listing share. Each adds names to a reply until there are no more, or it is
 * full. `after` is the offset of the last name that the kernel has, less LISTING_FIRST: 0 at the
 * beginning.
 *
 *   listing.c          the reply, and the next one ahead
 *   listing_tree.c     what the tree itself has: contexts, namespaces, resources, our own files
 *   listing_objects.c  the objects of a resource
 *   listing_overlay.c  what is in memory alone
 */
#pragma once

#include "kubefs/layout.h"
#include "kubefs/listing.h"

/* "." and ".." have the offsets 1 and 2; what follows begins here. */
#define LISTING_FIRST 2
/* Behind all objects: what is in memory alone (kubefs/overlay.h). */
#define LISTING_OVERLAY_FIRST (1ULL << 62)

/* A reply that is being put together. */
struct listing {
	struct request *request;
	gboolean plus;
	char *bytes;
	size_t used;
	uint64_t last; /* the offset of the last name in it */
	gboolean full;
	struct cache *cache;
	struct keyspace *keyspace;
	uint64_t changes; /* of either */
	GArray *given; /* of struct given, listing.c */
	GHashTable *chunks; /* prefixes of long names that have been listed */
	char *directory; /* kubefs/place.h; NULL: nothing is in memory alone */
	double timeout; /* of objects and namespaces */
	uint64_t after;
};

/*
 * listing.c: add a name, without attributes, which the kernel asks for when somebody does, or with
 * those of entry, which is taken over. FALSE when the reply is full.
 */
gboolean listing_add_plain(
	struct listing *listing, const char *name, ino_t inode, mode_t type, uint64_t offset);
gboolean listing_add_entry(
	struct listing *listing, const char *name, struct layout_entry *entry, uint64_t offset);
/* listing.c: an entry for listing_add_entry. */
struct layout_entry listing_make_entry(struct listing *listing, enum node_kind kind,
	struct context *context, const char *namespace, struct resource *resource, double timeout);
/* listing.c: sets listing->timeout to how long what the collection tells is good for. */
void listing_set_timeout(struct listing *listing, struct collection *collection);

/* listing_tree.c. Those with a wait are as request_runs is (kubefs/request.h). */
void listing_contexts(struct listing *listing, uint64_t after);
void listing_context(struct listing *listing, uint64_t after);
void listing_control(struct listing *listing, uint64_t after);
void listing_views(struct listing *listing, uint64_t after);
int listing_namespaces(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error);
int listing_resources(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error);

/* listing_objects.c */
int listing_objects(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error);

/* listing_overlay.c: behind all others, whatever comes before. */
void listing_overlay(struct listing *listing, uint64_t after);
/* Whether somebody writes the object, or the key under either of its names. */
gboolean listing_is_being_written(struct listing *listing, const char *name);
gboolean listing_is_key_being_written(struct listing *listing, const char *name);
