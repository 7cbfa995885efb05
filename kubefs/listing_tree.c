#include <string.h>

#include "kubefs/attributes.h"
#include "kubefs/escape.h"
#include "kubefs/key_layout.h"
#include "kubefs/listing_internal.h"
#include "kubefs/statement.h"
#include "kubefs/views.h"

/* etcd/ stands behind the clusters, or what is of the only one. */
static void list_etcd(struct listing *listing, uint64_t after, uint64_t index)
{
	struct request *request = listing->request;
	struct layout_entry entry = {0};

	if (listing->full || after > index || request->node->id != FUSE_ROOT_ID ||
		request->filesystem->keyspace == NULL)
		return;
	key_layout_top(request->filesystem, &entry);
	listing_add_entry(listing, KEY_LAYOUT_TOP, &entry, LISTING_FIRST + index + 1);
}

void listing_contexts(struct listing *listing, uint64_t after)
{
	GPtrArray *contexts = listing->request->filesystem->contexts;

	for (uint64_t i = after; i < contexts->len; i++) {
		struct context *context = g_ptr_array_index(contexts, i);
		g_autofree char *name = escape_name(context->name, strlen(context->name), "");
		struct layout_entry entry =
			listing_make_entry(listing, NODE_CONTEXT, context, NULL, NULL, LAYOUT_LONG);

		if (!listing_add_entry(listing, name, &entry, LISTING_FIRST + i + 1))
			return;
	}
	list_etcd(listing, after, contexts->len);
}

void listing_context(struct listing *listing, uint64_t after)
{
	static const struct {
		const char *name;
		enum node_kind kind;
	} entries[] = {{"cluster", NODE_CLUSTER}, {"namespaces", NODE_NAMESPACES}};

	for (uint64_t i = after; i < G_N_ELEMENTS(entries); i++) {
		struct context *context = listing->request->node->key.context;
		struct layout_entry entry = listing_make_entry(listing, entries[i].kind, context,
			entries[i].kind == NODE_CLUSTER ? "" : NULL, NULL, LAYOUT_LONG);

		entry.attr_timeout = LAYOUT_SOON;
		if (!listing_add_entry(listing, entries[i].name, &entry, LISTING_FIRST + i + 1))
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
		if (!listing_add_plain(listing, names[i], attributes_inode(&key), S_IFREG,
			    LISTING_FIRST + i + 1))
			return;
	}
}

void listing_control(struct listing *listing, uint64_t after)
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
		listing_add_plain(listing, STATEMENT_ETCD, attributes_inode(&etcd), S_IFDIR,
			LISTING_FIRST + count + 1);
}

static gboolean visit_namespace(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct listing *listing = data;
	g_autofree char *name = escape_name(snapshot->name, strlen(snapshot->name), "");
	struct layout_entry entry = listing_make_entry(listing, NODE_NAMESPACE,
		listing->request->node->key.context, snapshot->name, NULL, listing->timeout);

	return listing_add_entry(listing, name, &entry, LISTING_FIRST + sequence);
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
		entry = listing_make_entry(
			listing, NODE_NAMESPACE, context, namespace, NULL, LAYOUT_USE);
		if (!listing_add_entry(listing, name, &entry, LISTING_FIRST + after + 1))
			return;
	}
}

int listing_namespaces(
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
	listing_set_timeout(listing, collection);
	collection_each(collection, "", after, visit_namespace, listing);
	collection_unref(collection);
	return 0;
}

int listing_resources(
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
		struct layout_entry entry = listing_make_entry(
			listing, NODE_RESOURCE, key->context, key->namespace, resource, LAYOUT_USE);

		entry.attr_timeout = LAYOUT_LONG;
		if (!listing_add_entry(listing, resource->name, &entry, LISTING_FIRST + after))
			break;
	}
	catalog_unref(catalog);
	return 0;
}

void listing_views(struct listing *listing, uint64_t after)
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

		if (!listing_add_plain(
			    listing, name, attributes_inode(&key), S_IFREG, LISTING_FIRST + index))
			return;
	}
}
