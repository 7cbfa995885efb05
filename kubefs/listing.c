#include "kubefs/listing.h"

#include <errno.h>

#include "client/error.h"
#include "kubefs/attributes.h"
#include "kubefs/key_listing.h"
#include "kubefs/key_versions.h"
#include "kubefs/key_views.h"
#include "kubefs/listing_internal.h"
#include "kubefs/lookup.h"
#include "kubefs/v2_layout.h"

/* One entry that was given to the kernel with its attributes. */
struct given {
	char *name;
	struct layout_entry entry;
	uint64_t id;
};

static void given_finish(void *pointer)
{
	struct given *given = pointer;

	g_free(given->name);
	layout_entry_finish(&given->entry);
}

static void listing_init(struct listing *listing, struct request *request, gboolean plus)
{
	*listing = (struct listing){
		.request = request,
		.plus = plus,
		.bytes = g_malloc(request->size),
		.given = g_array_new(FALSE, FALSE, sizeof(struct given)),
		.chunks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
	};
	g_array_set_clear_func(listing->given, given_finish);
	if (layout_holds_files(request->node) && !overlay_is_unused(request->filesystem->overlay))
		listing->directory = place_directory(&request->node->key);
	if (request->node->key.context != NULL) {
		listing->cache = request->node->key.context->cache;
		listing->changes = cache_changes(listing->cache);
	} else if (request->node->key.kind == NODE_KEYS && request->node->key.revision == 0) {
		listing->keyspace = request->filesystem->keyspace;
		listing->changes = keyspace_changes(listing->keyspace);
	}
}

static void listing_finish(struct listing *listing)
{
	g_free(listing->bytes);
	g_array_unref(listing->given);
	g_hash_table_destroy(listing->chunks);
	g_free(listing->directory);
}

gboolean listing_add_plain(
	struct listing *listing, const char *name, ino_t inode, mode_t type, uint64_t offset)
{
	struct request *request = listing->request;
	struct fuse_entry_param entry = {
		.attr = {.st_ino = inode, .st_mode = type},
	};
	size_t rest = request->size - listing->used;
	char *at = listing->bytes + listing->used;
	size_t size = listing->plus ? fuse_add_direntry_plus(
					      request->fuse, at, rest, name, &entry, (off_t)offset)
				    : fuse_add_direntry(request->fuse, at, rest, name, &entry.attr,
					      (off_t)offset);

	if (size > rest) {
		listing->full = TRUE;
		return FALSE;
	}
	listing->used += size;
	listing->last = offset;
	return TRUE;
}

gboolean listing_add_entry(
	struct listing *listing, const char *name, struct layout_entry *entry, uint64_t offset)
{
	struct request *request = listing->request;
	size_t rest = request->size - listing->used;
	struct fuse_entry_param parameters;
	struct given given;

	if (!listing->plus) {
		gboolean added = listing_add_plain(listing, name, attributes_inode(&entry->key),
			attributes_type(entry->key.kind), offset);

		layout_entry_finish(entry);
		return added;
	}
	if (fuse_add_direntry_plus(request->fuse, NULL, 0, name, NULL, 0) > rest) {
		layout_entry_finish(entry);
		listing->full = TRUE;
		return FALSE;
	}
	/* YAML is rendered already: only memory could fail here. */
	if (lookup_enter(request->filesystem, entry, &parameters, NULL) < 0) {
		layout_entry_finish(entry);
		return TRUE;
	}
	listing->used += fuse_add_direntry_plus(request->fuse, listing->bytes + listing->used, rest,
		name, &parameters, (off_t)offset);
	listing->last = offset;
	given = (struct given){g_strdup(name), *entry, parameters.ino};
	g_array_append_val(listing->given, given);
	return TRUE;
}

struct layout_entry listing_make_entry(struct listing *listing, enum node_kind kind,
	struct context *context, const char *namespace, struct resource *resource, double timeout)
{
	return (struct layout_entry){
		.key =
			{
				.kind = kind,
				.context = context,
				.namespace = g_strdup(namespace),
				.resource = resource != NULL ? resource_ref(resource) : NULL,
			},
		.found = TRUE,
		.entry_timeout = timeout,
		.attr_timeout = timeout,
		.cache = listing->cache,
		.changes = listing->changes,
	};
}

void listing_set_timeout(struct listing *listing, struct collection *collection)
{
	listing->timeout = LAYOUT_LONG;
	if (!collection_must_poll(collection))
		return;
	listing->timeout = LAYOUT_POLLED;
	staleness_add(listing->request->filesystem->staleness, listing->request->node->id);
}

static gboolean add_key(void *data, const char *name, struct layout_entry *entry, uint64_t offset)
{
	struct listing *listing = data;

	entry->changes = listing->changes;
	if (listing_is_key_being_written(listing, name))
		entry->entry_timeout = 0;
	return listing_add_entry(listing, name, entry, LISTING_FIRST + offset);
}

static int fill(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error)
{
	int r = 0;

	switch (listing->request->node->key.kind) {
	case NODE_ROOT:
		listing_contexts(listing, after);
		return 0;
	case NODE_CONTEXT:
		listing_context(listing, after);
		return 0;
	case NODE_CONTROL:
		listing_control(listing, after);
		return 0;
	case NODE_KEYS:
		if (after < LISTING_OVERLAY_FIRST - LISTING_FIRST)
			r = key_listing_run(listing->request->filesystem, listing->request->node,
				after, wait, data, add_key, listing, error);
		break;
	case NODE_REVISIONS:
		/* Any of them can be named; there are too many to list. */
		return 0;
	case NODE_KEY_VIEWS:
		return key_views_list(listing->request->filesystem, listing->request->node, after,
			wait, data, add_key, listing, error);
	case NODE_KEY_VERSIONS:
		return key_versions_list(listing->request->filesystem, listing->request->node,
			after, wait, data, add_key, listing, error);
	case NODE_V2_DIRECTORY:
		return v2_layout_list(listing->request->filesystem, listing->request->node, after,
			wait, data, add_key, listing, error);
	case NODE_NAMESPACES:
		return listing_namespaces(listing, after, wait, data, error);
	case NODE_NAMESPACE:
	case NODE_CLUSTER:
		return listing_resources(listing, after, wait, data, error);
	case NODE_RESOURCE:
	case NODE_CHUNK:
		r = after < LISTING_OVERLAY_FIRST - LISTING_FIRST
			    ? listing_objects(listing, after, wait, data, error)
			    : 0;
		break;
	case NODE_VIEWS:
		if (after < LISTING_OVERLAY_FIRST - LISTING_FIRST)
			listing_views(listing, after);
		break;
	default:
		return error_set(error, ENOTDIR, "not a directory");
	}
	if (r == 0)
		listing_overlay(listing, after);
	return r;
}

static void forget_given(struct listing *listing)
{
	for (guint i = 0; i < listing->given->len; i++)
		node_table_forget(listing->request->filesystem->nodes,
			g_array_index(listing->given, struct given, i).id, 1);
}

/* After the reply: what a change overtook is asked for again. */
static void verify(struct listing *listing)
{
	struct request *request = listing->request;

	const struct layout_entry read = {
		.cache = listing->cache,
		.keyspace = listing->keyspace,
		.changes = listing->changes,
	};

	if (!layout_is_overtaken(&read))
		return;
	for (guint i = 0; i < listing->given->len; i++) {
		struct given *given = &g_array_index(listing->given, struct given, i);

		lookup_verify(request->filesystem, request->node, given->name, &given->entry);
	}
	notifier_listing_settled(request->filesystem->notifier, request->node->id);
}

/* A piece that is ready before it is asked for; as a request of its own. */
struct piece {
	struct request request;
	struct listing listing;
};

static void piece_free(struct piece *piece)
{
	listing_finish(&piece->listing);
	node_unref(piece->request.node);
	g_free(piece);
}

void listing_drop(void *pointer)
{
	struct piece *piece = pointer;

	forget_given(&piece->listing);
	piece_free(piece);
}

/* Makes what follows the listing ready, if there is more and nothing is written meanwhile. */
static void go_ahead(struct request *request, const struct listing *listing)
{
	struct filesystem *filesystem = request->filesystem;
	uint64_t offset = listing->last;
	struct piece *piece;

	if (!listing->full || listing->given->len == 0 || !filesystem->zero_message_open)
		return;
	piece = g_new0(struct piece, 1);
	piece->request = (struct request){
		.filesystem = filesystem,
		.node = node_ref(request->node),
		.size = request->size,
	};
	listing_init(&piece->listing, &piece->request, TRUE);
	if (fill(&piece->listing, offset - LISTING_FIRST, NULL, NULL, NULL) < 0)
		listing_drop(piece);
	else
		listing_ahead_put(
			filesystem->listing_ahead, request->node->id, offset, request->size, piece);
}

static int answer(struct request *request, struct listing *listing)
{
	if (fuse_reply_buf(request->fuse, listing->bytes, listing->used) < 0) {
		forget_given(listing);
		return -EIO;
	}
	verify(listing);
	return 0;
}

static int run(
	struct request *request, gboolean plus, collection_wait wait, void *data, GError **error)
{
	uint64_t offset = (uint64_t)request->offset;
	struct listing listing;
	int r;

	listing_init(&listing, request, plus);
	if (offset < 1)
		listing_add_plain(&listing, ".", attributes_inode(&request->node->key), S_IFDIR, 1);
	if (offset < LISTING_FIRST)
		listing_add_plain(&listing, "..", FUSE_ROOT_ID, S_IFDIR, LISTING_FIRST);
	r = fill(&listing, offset > LISTING_FIRST ? offset - LISTING_FIRST : 0, wait, data, error);
	if (r < 0)
		forget_given(&listing);
	else if (answer(request, &listing) == 0)
		go_ahead(request, &listing);
	if (r == 0 && offset == 0)
		readahead_note_listing(request->filesystem->readahead, request->node);
	listing_finish(&listing);
	return r;
}

int listing_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	return run(request, FALSE, wait, data, error);
}

int listing_run_plus(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct piece *piece = listing_ahead_take(request->filesystem->listing_ahead,
		request->node->id, (uint64_t)request->offset, request->size);

	if (piece == NULL)
		return run(request, TRUE, wait, data, error);
	if (answer(request, &piece->listing) == 0)
		go_ahead(request, &piece->listing);
	piece_free(piece);
	return 0;
}
