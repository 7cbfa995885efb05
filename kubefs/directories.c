#include "kubefs/directories.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/errand.h"
#include "kubefs/escape.h"
#include "kubefs/filesystem.h"
#include "kubefs/key_directories.h"
#include "kubefs/lookup.h"

gboolean directories_interrupt(struct request *request, gboolean timed_out)
{
	struct errand *errand = g_atomic_pointer_get(&request->state);

	if (errand == NULL)
		return FALSE;
	if (timed_out || process_is_given_up(request->thread))
		errand_cancel(errand);
	return TRUE;
}

/* The namespace of that name and the resource of namespaces; both the caller's. */
static int find_resource(struct request *request, enum source_verb verb, collection_wait wait,
	void *data, char **ret_namespace, struct resource **ret, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct context *context = request->node->key.context;
	g_autofree char *namespace = NULL;
	struct resource *resource;
	struct catalog *catalog;
	size_t length;
	int r;

	if (request->node->key.kind != NODE_NAMESPACES)
		return error_set(error, EPERM,
			"%s: only namespaces are made and removed as "
			"directories",
			request->name);
	namespace = unescape_name(request->name, "", &length);
	if (namespace == NULL || strlen(namespace) != length)
		return error_set(
			error, EINVAL, "%s: there can be no such namespace", request->name);
	r = cache_catalog(context->cache, wait, data, &catalog, error);
	if (r < 0)
		return r;
	resource = catalog_find(catalog, "namespaces");
	if (resource == NULL)
		r = error_set(error, EOPNOTSUPP, "%s: the server has no namespaces",
			cache_where(context->cache));
	else
		r = guard_check(filesystem->guard, context, resource, verb, error);
	if (r == 0) {
		*ret = resource_ref(resource);
		*ret_namespace = g_steal_pointer(&namespace);
	}
	catalog_unref(catalog);
	return r;
}

/* A name that is no label would be no scalar either. */
static gboolean is_plain(const char *name)
{
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(name);
}

static void begin_make(struct request *request, struct resource *resource, const char *namespace)
{
	struct context *context = request->node->key.context;
	g_autofree char *manifest = g_strdup_printf(
		"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: \"%s\"\n", namespace);
	g_autoptr(GBytes) text = g_bytes_new(manifest, strlen(manifest));
	struct errand *errand = errand_create(request->filesystem);

	request->state_free = errand_unref;
	g_atomic_pointer_set(&request->state, errand);
	errand_save(errand, context->cache,
		&(struct commit_request){
			.resource = resource,
			.namespace = "",
			.name = namespace,
			.text = text,
			.exclusive = TRUE,
			.dry_run = context->dry_run,
		});
}

static int reply_made(struct request *request, const char *namespace)
{
	struct filesystem *filesystem = request->filesystem;
	struct context *context = request->node->key.context;
	const struct layout_entry entry = {
		.found = TRUE,
		.entry_timeout = LAYOUT_SOON,
		.attr_timeout = LAYOUT_SOON,
		.key = {.kind = NODE_NAMESPACE, .context = context, .namespace = namespace},
	};
	struct fuse_entry_param parameters;
	int r;

	/* The verdict was good, but there is nothing that could be entered. */
	if (context->dry_run)
		return -EROFS;
	r = lookup_enter(filesystem, &entry, &parameters, NULL);
	if (r < 0)
		return r;
	if (fuse_reply_entry(request->fuse, &parameters) < 0)
		node_table_forget(filesystem->nodes, parameters.ino, 1);
	return 0;
}

int directories_make_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	g_autofree char *namespace = NULL;
	struct resource *resource = NULL;
	int r;

	if (request->node->key.kind == NODE_KEYS)
		return key_directories_make_run(request, wait, data, error);
	r = find_resource(request, SOURCE_CREATE, wait, data, &namespace, &resource, error);
	if (r < 0)
		return r;
	if (namespace == NULL || !is_plain(namespace))
		r = error_set(error, EINVAL, "%s: there can be no such namespace", request->name);
	else if (request->state == NULL)
		begin_make(request, resource, namespace);
	resource_unref(resource);
	if (r == 0)
		r = errand_look(request->state, wait, data, NULL, error);
	return r < 0 ? r : reply_made(request, namespace);
}

static int begin_remove(struct request *request, struct resource *resource, const char *namespace,
	collection_wait wait, void *data, GError **error)
{
	struct context *context = request->node->key.context;
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;
	struct errand *errand;
	int r = cache_find(context->cache, resource, "", namespace, wait, data, &snapshot, error);

	if (r < 0)
		return r;
	errand = errand_create(request->filesystem);
	request->state_free = errand_unref;
	g_atomic_pointer_set(&request->state, errand);
	errand_delete(errand, context->cache, resource, snapshot, context->dry_run);
	return 0;
}

int directories_remove_run(
	struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	g_autofree char *namespace = NULL;
	struct resource *resource = NULL;
	int r;

	if (request->node->key.kind == NODE_KEYS)
		return key_directories_remove_run(request, wait, data, error);
	if (!filesystem->rmdir_namespaces)
		return error_set(error, EPERM,
			"%s: stands for all that is in it; mount with -o rmdir_namespaces to "
			"remove namespaces",
			request->name);
	r = find_resource(request, SOURCE_DELETE, wait, data, &namespace, &resource, error);
	if (r < 0)
		return r;
	if (request->state == NULL)
		r = begin_remove(request, resource, namespace, wait, data, error);
	resource_unref(resource);
	if (r == 0)
		r = errand_look(request->state, wait, data, NULL, error);
	if (r < 0)
		return r;
	fuse_reply_err(request->fuse, 0);
	/* It is there until its content is gone. */
	notifier_entry(filesystem->notifier, request->node->id, request->name);
	notifier_listing(filesystem->notifier, request->node->id);
	return 0;
}
