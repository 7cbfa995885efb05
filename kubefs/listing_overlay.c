#include "kubefs/attributes.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_place.h"
#include "kubefs/listing_internal.h"

gboolean listing_is_being_written(struct listing *listing, const char *name)
{
	return listing->directory != NULL &&
	       overlay_has_writer(listing->request->filesystem->overlay, listing->directory, name);
}

gboolean listing_is_key_being_written(struct listing *listing, const char *name)
{
	struct filesystem *filesystem = listing->request->filesystem;
	struct place place PLACE_CLEANUP = {0};
	g_autofree char *directory = NULL;
	g_autofree char *canonical = NULL;

	if (listing->directory == NULL ||
		!layout_object_place(filesystem, listing->request->node, name, &place))
		return FALSE;
	directory = place_directory_of(&place, &canonical);
	return overlay_has_writer(filesystem->overlay, directory, canonical);
}

/* Whether an object stands under the name, too. */
static gboolean is_object(
	struct filesystem *filesystem, const struct node *directory, const char *name)
{
	struct place place PLACE_CLEANUP = {0};
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;

	if (!layout_object_place(filesystem, directory, name, &place))
		return FALSE;
	if (place.kind == PLACE_KEY)
		return key_place_peek(&place);
	if (place.kind != PLACE_OBJECT)
		return FALSE;
	snapshot = cache_peek(place.context->cache, place.resource, place.namespace, place.name);
	return snapshot != NULL;
}

static gboolean visit_overlay(
	void *data, uint64_t sequence, const char *name, const struct overlay_entry *entry)
{
	struct listing *listing = data;
	const struct node_key key = {
		.kind = entry->local != NULL ? NODE_LOCAL : NODE_REJECTED,
		.local = entry->local,
		.rejected = entry->rejected,
	};

	/* An object has come to be in its place, and is listed already. */
	if (entry->local != NULL &&
		is_object(listing->request->filesystem, listing->request->node, name))
		return TRUE;
	if (entry->local != NULL && S_ISDIR(entry->local->type) &&
		!key_directories_is_kept(entry->local))
		return TRUE;
	/* Without attributes: they are asked for by name, and stay true. */
	return listing_add_plain(listing, name,
		entry->local != NULL ? entry->local->inode : entry->rejected->inode,
		entry->local != NULL ? entry->local->type : attributes_type(key.kind),
		LISTING_OVERLAY_FIRST + sequence);
}

/* Scratch files are their user's alone. */
void listing_overlay(struct listing *listing, uint64_t after)
{
	struct request *request = listing->request;
	struct filesystem *filesystem = request->filesystem;

	if (listing->directory == NULL || listing->full ||
		fuse_req_ctx(request->fuse)->uid != filesystem->uid)
		return;
	overlay_each(filesystem->overlay, listing->directory,
		after > LISTING_OVERLAY_FIRST - LISTING_FIRST
			? after + LISTING_FIRST - LISTING_OVERLAY_FIRST
			: 0,
		visit_overlay, listing);
}
