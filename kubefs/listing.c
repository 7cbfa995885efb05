#include "kubefs/listing.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/attributes.h"
#include "kubefs/draft.h"
#include "kubefs/escape.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_listing.h"
#include "kubefs/key_place.h"
#include "kubefs/key_versions.h"
#include "kubefs/key_views.h"
#include "kubefs/lookup.h"
#include "kubefs/statement.h"
#include "kubefs/v2_layout.h"
#include "kubefs/views.h"

/* "." and ".." have the offsets 1 and 2; what follows begins here. */
#define FIRST 2
/* Behind all objects: what is in memory alone (kubefs/overlay.h). */
#define OVERLAY_FIRST (1ULL << 62)

/* One entry that was given to the kernel with its attributes. */
struct given {
	char *name;
	struct layout_entry entry;
	uint64_t id;
};

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
	GArray *given; /* of struct given */
	GHashTable *chunks; /* prefixes of long names that have been listed */
	char *directory; /* kubefs/place.h; NULL: nothing is in memory alone */
	double timeout; /* of objects and namespaces */
	uint64_t after;
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

/* Adds a name without attributes; the kernel asks for them when somebody does. */
static gboolean add_plain(
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

/* Takes over entry. Returns FALSE when the reply is full. */
static gboolean add_entry(
	struct listing *listing, const char *name, struct layout_entry *entry, uint64_t offset)
{
	struct request *request = listing->request;
	size_t rest = request->size - listing->used;
	struct fuse_entry_param parameters;
	struct given given;

	if (!listing->plus) {
		gboolean added = add_plain(listing, name, attributes_inode(&entry->key),
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

static struct layout_entry make_entry(struct listing *listing, enum node_kind kind,
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

/* etcd/ stands behind the clusters, or what is of the only one. */
static void list_etcd(struct listing *listing, uint64_t after, uint64_t index)
{
	struct request *request = listing->request;
	struct layout_entry entry = {0};

	if (listing->full || after > index || request->node->id != FUSE_ROOT_ID ||
		request->filesystem->keyspace == NULL)
		return;
	key_layout_top(request->filesystem, &entry);
	add_entry(listing, KEY_LAYOUT_TOP, &entry, FIRST + index + 1);
}

static void list_contexts(struct listing *listing, uint64_t after)
{
	GPtrArray *contexts = listing->request->filesystem->contexts;

	for (uint64_t i = after; i < contexts->len; i++) {
		struct context *context = g_ptr_array_index(contexts, i);
		g_autofree char *name = escape_name(context->name, strlen(context->name), "");
		struct layout_entry entry =
			make_entry(listing, NODE_CONTEXT, context, NULL, NULL, LAYOUT_LONG);

		if (!add_entry(listing, name, &entry, FIRST + i + 1))
			return;
	}
	list_etcd(listing, after, contexts->len);
}

static void list_context(struct listing *listing, uint64_t after)
{
	static const struct {
		const char *name;
		enum node_kind kind;
	} entries[] = {{"cluster", NODE_CLUSTER}, {"namespaces", NODE_NAMESPACES}};

	for (uint64_t i = after; i < G_N_ELEMENTS(entries); i++) {
		struct context *context = listing->request->node->key.context;
		struct layout_entry entry = make_entry(listing, entries[i].kind, context,
			entries[i].kind == NODE_CLUSTER ? "" : NULL, NULL, LAYOUT_LONG);

		entry.attr_timeout = LAYOUT_SOON;
		if (!add_entry(listing, entries[i].name, &entry, FIRST + i + 1))
			return;
	}
	list_etcd(listing, after, G_N_ELEMENTS(entries));
}

/* directory: NULL, or the one in .kubefs/ that holds them. */
static void list_files(
	struct listing *listing, const char *directory, const char *const *names, uint64_t after)
{
	for (uint64_t i = after; i < g_strv_length((char **)names); i++) {
		g_autofree char *path = directory != NULL ? statement_path(directory, names[i])
							  : g_strdup(names[i]);
		const struct node_key key = {.kind = NODE_STATEMENT, .name = path};

		/* Their content is made when they are looked up. */
		if (!add_plain(listing, names[i], attributes_inode(&key), S_IFREG, FIRST + i + 1))
			return;
	}
}

static void list_control(struct listing *listing, uint64_t after)
{
	const struct node_key etcd = {.kind = NODE_CONTROL, .name = STATEMENT_ETCD};
	const char *directory = listing->request->node->key.name;
	uint64_t count = g_strv_length((char **)STATEMENT_NAMES);

	if (directory != NULL) {
		list_files(listing, directory, MEMBERS_FILES, after);
		return;
	}
	list_files(listing, NULL, STATEMENT_NAMES, after);
	if (!listing->full && after <= count && listing->request->filesystem->members != NULL)
		add_plain(listing, STATEMENT_ETCD, attributes_inode(&etcd), S_IFDIR,
			FIRST + count + 1);
}

static gboolean visit_namespace(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct listing *listing = data;
	g_autofree char *name = escape_name(snapshot->name, strlen(snapshot->name), "");
	struct layout_entry entry = make_entry(listing, NODE_NAMESPACE,
		listing->request->node->key.context, snapshot->name, NULL, listing->timeout);

	return add_entry(listing, name, &entry, FIRST + sequence);
}

/* Where they cannot be listed: the context's own, and those that resolved. */
static void list_known_namespaces(struct listing *listing, uint64_t after)
{
	struct context *context = listing->request->node->key.context;

	for (;; after++) {
		g_autofree char *namespace = context_namespace_at(context, (guint)after);
		g_autofree char *name = NULL;
		struct layout_entry entry;

		if (namespace == NULL)
			return;
		name = escape_name(namespace, strlen(namespace), "");
		entry = make_entry(listing, NODE_NAMESPACE, context, namespace, NULL, LAYOUT_USE);
		if (!add_entry(listing, name, &entry, FIRST + after + 1))
			return;
	}
}

/* How long what the collection tells is good for. */
static void set_timeout(struct listing *listing, struct collection *collection)
{
	listing->timeout = LAYOUT_LONG;
	if (!collection_must_poll(collection))
		return;
	listing->timeout = LAYOUT_POLLED;
	staleness_add(listing->request->filesystem->staleness, listing->request->node->id);
}

static int list_namespaces(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error)
{
	struct cache *cache = listing->request->node->key.context->cache;
	g_autoptr(GError) denied = NULL;
	struct collection *collection;
	struct catalog *catalog;
	struct resource *resource;
	int r = cache_catalog(cache, wait, data, &catalog, error);

	if (r < 0)
		return r;
	resource = catalog_find(catalog, "namespaces");
	r = resource != NULL
		    ? cache_look(cache, resource, "", NULL, wait, data, &collection, &denied)
		    : -EACCES;
	catalog_unref(catalog);
	if (r == -EACCES) {
		/* They may be listed later, and nobody tells. */
		staleness_add(listing->request->filesystem->staleness, listing->request->node->id);
		list_known_namespaces(listing, after);
		return 0;
	}
	if (r < 0) {
		if (denied != NULL)
			g_propagate_error(error, g_steal_pointer(&denied));
		return r;
	}
	set_timeout(listing, collection);
	collection_each(collection, "", after, visit_namespace, listing);
	collection_unref(collection);
	return 0;
}

static int list_resources(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error)
{
	const struct node_key *key = &listing->request->node->key;
	gboolean namespaced = key->kind == NODE_NAMESPACE;
	struct catalog *catalog;
	struct resource *resource;
	int r = cache_catalog(key->context->cache, wait, data, &catalog, error);

	if (r < 0)
		return r;
	/* The catalog can be seen before it is told of (changes.c). */
	context_learn(key->context, catalog);
	while ((resource = context_next(key->context, catalog, namespaced, &after)) != NULL) {
		struct layout_entry entry = make_entry(
			listing, NODE_RESOURCE, key->context, key->namespace, resource, LAYOUT_USE);

		entry.attr_timeout = LAYOUT_LONG;
		if (!add_entry(listing, resource->name, &entry, FIRST + after))
			break;
	}
	catalog_unref(catalog);
	return 0;
}

/* Where the object's name stands in the listed directory. */
struct position {
	char *escaped;
	size_t begin; /* where the component begins */
	size_t cut; /* its length; less than the rest when it is a directory */
};

/* FALSE when the object is not in the listed directory; escaped is g_free's either way. */
static gboolean find_position(
	struct listing *listing, const struct snapshot *snapshot, struct position *ret)
{
	const struct node_key *key = &listing->request->node->key;
	const char *prefix = key->kind == NODE_CHUNK ? key->name : "";

	ret->escaped = layout_object_name(snapshot, NODE_YAML);
	ret->begin = 0;
	ret->cut = escape_next(ret->escaped);
	while (ret->begin < strlen(prefix) && ret->cut < strlen(ret->escaped + ret->begin)) {
		ret->begin += ret->cut;
		ret->cut = escape_next(ret->escaped + ret->begin);
	}
	return ret->begin == strlen(prefix) && strncmp(ret->escaped, prefix, ret->begin) == 0;
}

static gboolean is_chunk(const struct position *position)
{
	return position->cut < strlen(position->escaped + position->begin);
}

/* A directory of names too long for one component is listed where the first of them is. */
static gboolean add_chunk(
	struct listing *listing, const struct position *position, uint64_t sequence)
{
	const struct node_key *key = &listing->request->node->key;
	g_autofree char *prefix = g_strndup(position->escaped, position->begin + position->cut);
	g_autofree char *name =
		g_strdup_printf("%.*s%%", (int)position->cut, position->escaped + position->begin);
	struct layout_entry entry;

	if (!g_hash_table_add(listing->chunks, g_strdup(prefix)))
		return TRUE;
	entry = make_entry(
		listing, NODE_CHUNK, key->context, key->namespace, key->resource, LAYOUT_POLLED);
	entry.key.name = g_steal_pointer(&prefix);
	return add_entry(listing, name, &entry, FIRST + sequence);
}

static gboolean is_being_written(struct listing *listing, const char *name)
{
	return listing->directory != NULL &&
	       overlay_has_writer(listing->request->filesystem->overlay, listing->directory, name);
}

static gboolean visit_object(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct listing *listing = data;
	const struct node_key *key = &listing->request->node->key;
	struct position position = {0};
	gboolean more = TRUE;

	if (!find_position(listing, snapshot, &position) ||
		removals_hide(listing->request->filesystem->removals, key->context, key->resource,
			snapshot)) {
		more = TRUE;
	} else if (is_chunk(&position)) {
		more = add_chunk(listing, &position, sequence);
	} else {
		struct layout_entry entry = make_entry(
			listing, NODE_OBJECT, key->context, NULL, key->resource, LAYOUT_LONG);

		entry.entry_timeout = listing->timeout;
		if (is_being_written(listing, position.escaped + position.begin))
			entry.entry_timeout = 0;
		entry.key.snapshot = snapshot_ref(snapshot);
		more = add_entry(
			listing, position.escaped + position.begin, &entry, FIRST + sequence);
	}
	g_free(position.escaped);
	return more;
}

/* Notes the directories that an earlier reply has listed. */
static gboolean visit_earlier(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct listing *listing = data;
	struct position position = {0};

	if (sequence > listing->after)
		return FALSE;
	/* A byte takes three at most when it is escaped. */
	if (strlen(snapshot->name) * 3 + strlen(".yaml") <= NAME_MAX)
		return TRUE;
	if (find_position(listing, snapshot, &position) && is_chunk(&position))
		g_hash_table_add(listing->chunks,
			g_strndup(position.escaped, position.begin + position.cut));
	g_free(position.escaped);
	return TRUE;
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
	return add_plain(listing, name,
		entry->local != NULL ? entry->local->inode : entry->rejected->inode,
		entry->local != NULL ? entry->local->type : attributes_type(key.kind),
		OVERLAY_FIRST + sequence);
}

/* Scratch files are their user's alone. */
static void list_overlay(struct listing *listing, uint64_t after)
{
	struct request *request = listing->request;
	struct filesystem *filesystem = request->filesystem;

	if (listing->directory == NULL || listing->full ||
		fuse_req_ctx(request->fuse)->uid != filesystem->uid)
		return;
	overlay_each(filesystem->overlay, listing->directory,
		after > OVERLAY_FIRST - FIRST ? after + FIRST - OVERLAY_FIRST : 0, visit_overlay,
		listing);
}

static void list_views(struct listing *listing, uint64_t after)
{
	struct request *request = listing->request;
	uint64_t index = after;
	const char *name;

	while ((name = views_name_at(request->filesystem, request->node, &index)) != NULL) {
		const struct node_key key = {.kind = NODE_VIEW,
			.context = request->node->key.context,
			.namespace = request->node->key.namespace,
			.resource = request->node->key.resource,
			.name = name};

		if (!add_plain(listing, name, attributes_inode(&key), S_IFREG, FIRST + index))
			return;
	}
}

static int list_objects(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error)
{
	const struct node_key *key = &listing->request->node->key;
	struct collection *collection;
	int r = cache_look(key->context->cache, key->resource, key->namespace, NULL, wait, data,
		&collection, error);

	if (r < 0)
		return r;
	set_timeout(listing, collection);
	listing->after = after;
	if (after > 0 && collection_has_long_names(collection))
		collection_each(collection, key->namespace, 0, visit_earlier, listing);
	collection_each(collection, key->namespace, after, visit_object, listing);
	collection_unref(collection);
	return 0;
}

/* Under either of its names. */
static gboolean is_key_being_written(struct listing *listing, const char *name)
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

static gboolean add_key(void *data, const char *name, struct layout_entry *entry, uint64_t offset)
{
	struct listing *listing = data;

	entry->changes = listing->changes;
	if (is_key_being_written(listing, name))
		entry->entry_timeout = 0;
	return add_entry(listing, name, entry, FIRST + offset);
}

static int fill(
	struct listing *listing, uint64_t after, collection_wait wait, void *data, GError **error)
{
	int r = 0;

	switch (listing->request->node->key.kind) {
	case NODE_ROOT:
		list_contexts(listing, after);
		return 0;
	case NODE_CONTEXT:
		list_context(listing, after);
		return 0;
	case NODE_CONTROL:
		list_control(listing, after);
		return 0;
	case NODE_KEYS:
		if (after < OVERLAY_FIRST - FIRST)
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
		return list_namespaces(listing, after, wait, data, error);
	case NODE_NAMESPACE:
	case NODE_CLUSTER:
		return list_resources(listing, after, wait, data, error);
	case NODE_RESOURCE:
	case NODE_CHUNK:
		r = after < OVERLAY_FIRST - FIRST ? list_objects(listing, after, wait, data, error)
						  : 0;
		break;
	case NODE_VIEWS:
		if (after < OVERLAY_FIRST - FIRST)
			list_views(listing, after);
		break;
	default:
		return error_set(error, ENOTDIR, "not a directory");
	}
	if (r == 0)
		list_overlay(listing, after);
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
	if (fill(&piece->listing, offset - FIRST, NULL, NULL, NULL) < 0)
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
		add_plain(&listing, ".", attributes_inode(&request->node->key), S_IFDIR, 1);
	if (offset < FIRST)
		add_plain(&listing, "..", FUSE_ROOT_ID, S_IFDIR, FIRST);
	r = fill(&listing, offset > FIRST ? offset - FIRST : 0, wait, data, error);
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
