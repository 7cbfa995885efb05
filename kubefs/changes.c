#include "kubefs/changes.h"

#include <string.h>

#include "kubefs/attributes.h"
#include "kubefs/escape.h"
#include "kubefs/layout.h"

/* The kernel's directory of that key; 0 when it does not hold it. */
static uint64_t directory_id(struct filesystem *filesystem, const struct node_key *key)
{
	struct node *node NODE_CLEANUP = node_table_find(filesystem->nodes, key);

	return node != NULL ? node->id : 0;
}

static gboolean is_namespaces(const struct resource *resource)
{
	return strcmp(resource->name, "namespaces") == 0;
}

/* namespaces/NAMESPACE comes and goes with the object of that name. */
static void namespace_changed(
	struct filesystem *filesystem, struct context *context, const char *namespace)
{
	uint64_t directory = directory_id(
		filesystem, &(struct node_key){.kind = NODE_NAMESPACES, .context = context});
	g_autofree char *name = escape_name(namespace, strlen(namespace), "");

	if (directory == 0)
		return;
	notifier_listing(filesystem->notifier, directory);
	notifier_entry(filesystem->notifier, directory, name);
}

/* The name of one of the object's files means something else, or nothing, or something at last. */
static void file_changed(struct filesystem *filesystem, struct context *context,
	struct resource *resource, struct snapshot *old, struct snapshot *new,
	enum node_format format)
{
	struct snapshot *either = old != NULL ? old : new;
	struct node *node NODE_CLEANUP = NULL;
	g_autofree char *chunk = NULL;
	g_autofree char *name = NULL;
	struct node_key directory_key;
	uint64_t directory;

	if (old != NULL)
		node = node_table_find(filesystem->nodes, &(struct node_key){
								  .kind = NODE_OBJECT,
								  .format = format,
								  .context = context,
								  .resource = resource,
								  .snapshot = old,
							  });
	/* Of a version that the kernel never saw it need not be told. */
	if (old != NULL && new != NULL && node == NULL)
		return;
	name = layout_place(
		context, resource, either->namespace, either->name, format, &directory_key, &chunk);
	directory = directory_id(filesystem, &directory_key);
	if (directory == 0)
		return;
	if (new == NULL && node != NULL)
		notifier_delete(filesystem->notifier, directory, node->id, name);
	else
		notifier_entry(filesystem->notifier, directory, name);
	if ((old == NULL || new == NULL) && format == NODE_YAML)
		notifier_listing(filesystem->notifier, directory);
}

static void on_object_changed(void *data, struct cache *cache, struct resource *resource,
	struct snapshot *old, struct snapshot *new)
{
	struct context *context = data;
	struct filesystem *filesystem = context->filesystem;

	if (is_namespaces(resource) && (old == NULL || new == NULL))
		namespace_changed(filesystem, context, old != NULL ? old->name : new->name);
	/* The listed name comes last: who sees its new text finds the derived files new as well. */
	for (guint format = NODE_FORMATS; format-- > 0;)
		file_changed(filesystem, context, resource, old, new, (enum node_format)format);
}

static gboolean lists_resources(const struct node *node, const void *context)
{
	return (node->key.kind == NODE_NAMESPACE || node->key.kind == NODE_CLUSTER) &&
	       node->key.context == context;
}

/* Every name of a resource in a directory of resources. */
static void forget_resource(
	struct filesystem *filesystem, uint64_t directory, const struct resource *resource)
{
	g_autofree char *kind = g_ascii_strdown(resource->kind, -1);

	notifier_entry(filesystem->notifier, directory, resource->name);
	notifier_entry(filesystem->notifier, directory, resource->plural);
	notifier_entry(filesystem->notifier, directory, resource->singular);
	notifier_entry(filesystem->notifier, directory, kind);
	for (char **name = resource->short_names; name != NULL && *name != NULL; name++)
		notifier_entry(filesystem->notifier, directory, *name);
}

/* The resources of a that b does not have as they are. */
static void forget_difference(
	struct filesystem *filesystem, GPtrArray *directories, struct catalog *a, struct catalog *b)
{
	for (size_t i = 0; i < catalog_count(a); i++) {
		const struct resource *resource = catalog_at(a, i);
		const struct resource *other = catalog_find(b, resource->name);

		if (other != NULL && resource_equal(resource, other))
			continue;
		for (guint j = 0; j < directories->len; j++) {
			const struct node *node = g_ptr_array_index(directories, j);

			forget_resource(filesystem, node->id, resource);
		}
	}
}

static void on_catalog_changed(
	void *data, struct cache *cache, struct catalog *old, struct catalog *new)
{
	struct context *context = data;
	struct filesystem *filesystem = context->filesystem;
	g_autoptr(GPtrArray) directories = NULL;

	context_learn(context, new);
	if (old == NULL)
		return;
	directories = node_table_select(filesystem->nodes, lists_resources, context);
	forget_difference(filesystem, directories, old, new);
	forget_difference(filesystem, directories, new, old);
	for (guint i = 0; i < directories->len; i++) {
		const struct node *node = g_ptr_array_index(directories, i);

		notifier_listing(filesystem->notifier, node->id);
	}
}

struct scope_match {
	struct context *context;
	const struct source_scope *scope;
};

static gboolean shows_collection(const struct node *node, const void *data)
{
	const struct scope_match *match = data;
	const struct source_scope *scope = match->scope;

	if (node->key.kind == NODE_NAMESPACES)
		return node->key.context == match->context && is_namespaces(scope->resource);
	return node->key.kind == NODE_RESOURCE && node->key.context == match->context &&
	       resource_equal(node->key.resource, scope->resource) &&
	       (scope->namespace == NULL || strcmp(scope->namespace, node->key.namespace) == 0);
}

/* What is let go once the kernel has forgotten it. */
struct retirement {
	struct cache *cache;
	struct collection *collection;
};

static void on_forgotten(void *data)
{
	struct retirement *retirement = data;

	cache_retire(retirement->cache, retirement->collection);
	collection_unref(retirement->collection);
	g_free(retirement);
}

/*
 * Forgetting a directory's own name makes the kernel drop every dentry below it, negative ones
 * included (d_invalidate).
 */
static void retire_directory(struct filesystem *filesystem, const struct node *node, GArray *lanes)
{
	gboolean namespaces = node->key.kind == NODE_NAMESPACES;
	struct node_key parent_key = {
		.kind = namespaces			 ? NODE_CONTEXT
			: node->key.namespace[0] != '\0' ? NODE_NAMESPACE
							 : NODE_CLUSTER,
		.context = node->key.context,
		.namespace = namespaces ? NULL : node->key.namespace,
	};
	uint64_t parent = directory_id(filesystem, &parent_key);

	notifier_listing(filesystem->notifier, node->id);
	if (parent == 0)
		return;
	notifier_entry(
		filesystem->notifier, parent, namespaces ? "namespaces" : node->key.resource->name);
	notifier_lanes_add(lanes, parent);
}

static gboolean comes_of_collection(const struct node *node, const void *data)
{
	const struct scope_match *match = data;
	const struct source_scope *scope = match->scope;

	if (node->key.context != match->context)
		return FALSE;
	if (node->key.kind == NODE_NAMESPACE)
		return is_namespaces(scope->resource);
	return node->key.kind == NODE_OBJECT &&
	       resource_equal(node->key.resource, scope->resource) &&
	       (scope->namespace == NULL ||
		       strcmp(scope->namespace, node->key.snapshot->namespace) == 0);
}

/* The directory of a file or of a namespace, and its name there; g_free. */
static char *place_of(struct filesystem *filesystem, const struct node *node, uint64_t *ret_id)
{
	struct node_key key = {.kind = NODE_NAMESPACES, .context = node->key.context};
	const char *namespace = node->key.namespace;
	g_autofree char *chunk = NULL;
	char *name;

	if (node->key.kind == NODE_NAMESPACE)
		name = escape_name(namespace, strlen(namespace), "");
	else
		name = layout_place(node->key.context, node->key.resource,
			node->key.snapshot->namespace, node->key.snapshot->name, node->key.format,
			&key, &chunk);
	*ret_id = directory_id(filesystem, &key);
	return name;
}

/*
 * A dentry that is in use outlives that of its directory, which the next lookup of the directory
 * brings back with it (d_splice_alias): what is open, or is somebody's working directory, is
 * forgotten by its own name.
 */
static void retire_names(
	struct filesystem *filesystem, const struct scope_match *match, GArray *lanes)
{
	g_autoptr(GPtrArray) nodes =
		node_table_select(filesystem->nodes, comes_of_collection, match);

	for (guint i = 0; i < nodes->len; i++) {
		uint64_t directory;
		g_autofree char *name =
			place_of(filesystem, g_ptr_array_index(nodes, i), &directory);

		if (directory == 0)
			continue;
		notifier_entry(filesystem->notifier, directory, name);
		notifier_lanes_add(lanes, directory);
	}
}

static void on_retiring(void *data, struct cache *cache, struct collection *collection)
{
	struct context *context = data;
	struct filesystem *filesystem = context->filesystem;
	struct scope_match match = {context, collection_scope(collection)};
	g_autoptr(GPtrArray) directories =
		node_table_select(filesystem->nodes, shows_collection, &match);
	g_autoptr(GArray) lanes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	struct retirement *retirement = g_new(struct retirement, 1);

	*retirement = (struct retirement){cache, collection_ref(collection)};
	for (guint i = 0; i < directories->len; i++)
		retire_directory(filesystem, g_ptr_array_index(directories, i), lanes);
	retire_names(filesystem, &match, lanes);
	notifier_after_all(filesystem->notifier, lanes, on_forgotten, retirement);
}

struct permission_match {
	struct context *context;
	const char *namespace;
};

static gboolean is_object_in(const struct node *node, const void *data)
{
	const struct permission_match *match = data;

	return (node->key.kind == NODE_OBJECT || node->key.kind == NODE_VIEW) &&
	       node->key.context == match->context &&
	       strcmp(node->key.snapshot->namespace, match->namespace) == 0;
}

static void on_permissions_changed(
	void *data, struct cache *cache, const char *namespace, gboolean again)
{
	struct context *context = data;
	struct filesystem *filesystem = context->filesystem;
	struct permission_match match = {context, namespace};
	g_autoptr(GPtrArray) objects = node_table_select(filesystem->nodes, is_object_in, &match);

	for (guint i = 0; i < objects->len; i++) {
		const struct node *node = g_ptr_array_index(objects, i);

		/* Unknown counted as allowed: the first time, only a no is news. */
		if (again || !attributes_may_save(&node->key))
			notifier_attributes(filesystem->notifier, node->id);
	}
}

static void on_problem(void *data, struct cache *cache, const char *text)
{
	struct context *context = data;

	journal_add(context->filesystem->journal, 0, text);
}

const struct cache_handlers CHANGES_HANDLERS = {
	.object_changed = on_object_changed,
	.catalog_changed = on_catalog_changed,
	.retiring = on_retiring,
	.permissions_changed = on_permissions_changed,
	.problem = on_problem,
};
