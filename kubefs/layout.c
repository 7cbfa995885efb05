#include "kubefs/layout.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/escape.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_place.h"
#include "kubefs/key_revisions.h"
#include "kubefs/key_versions.h"
#include "kubefs/key_views.h"
#include "kubefs/statement.h"
#include "kubefs/v2_layout.h"
#include "kubefs/views.h"

static const char *const SUFFIXES[NODE_FORMATS] = {
	[NODE_YAML] = ".yaml",
	[NODE_JSON] = ".json",
};

/* What resolving a name works with. */
struct question {
	struct filesystem *filesystem;
	const struct node *directory;
	const char *name;
	collection_wait wait;
	void *data;
	struct layout_entry *entry;
};

void layout_entry_finish(struct layout_entry *entry)
{
	g_free((char *)entry->key.namespace);
	g_free((char *)entry->key.name);
	resource_unref(entry->key.resource);
	snapshot_unref(entry->key.snapshot);
	g_clear_pointer(&entry->key.text, g_bytes_unref);
	local_unref(entry->key.local);
	rejected_unref(entry->key.rejected);
	g_clear_pointer(&entry->key.prefix, g_bytes_unref);
	key_snapshot_unref(entry->key.value);
	*entry = (struct layout_entry){0};
}

static void found(struct question *question, enum node_kind kind, struct context *context,
	const char *namespace, struct resource *resource, double timeout)
{
	struct layout_entry *entry = question->entry;

	entry->found = TRUE;
	entry->key.kind = kind;
	entry->key.context = context;
	entry->key.namespace = g_strdup(namespace);
	entry->key.resource = resource != NULL ? resource_ref(resource) : NULL;
	entry->entry_timeout = timeout;
	entry->attr_timeout = timeout;
}

static struct context *find_context(struct filesystem *filesystem, const char *escaped)
{
	size_t length;
	g_autofree char *name = unescape_name(escaped, "", &length);

	for (guint i = 0; name != NULL && i < filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(filesystem->contexts, i);

		if (strcmp(context->name, name) == 0)
			return context;
	}
	return NULL;
}

static int resolve_in_context(struct question *question, struct context *context)
{
	/* Their link counts are not known before the first look: do not keep them for long. */
	if (strcmp(question->name, "namespaces") == 0)
		found(question, NODE_NAMESPACES, context, NULL, NULL, LAYOUT_LONG);
	else if (strcmp(question->name, "cluster") == 0)
		found(question, NODE_CLUSTER, context, "", NULL, LAYOUT_LONG);
	else
		return 0;
	question->entry->attr_timeout = LAYOUT_SOON;
	return 0;
}

/* What stands at the mount point beside the clusters, or beside the keys. */
static gboolean resolve_at_top(struct question *question)
{
	struct filesystem *filesystem = question->filesystem;

	if (question->directory->id != FUSE_ROOT_ID)
		return FALSE;
	if (strcmp(question->name, ".kubefs") == 0)
		found(question, NODE_CONTROL, NULL, NULL, NULL, LAYOUT_LONG);
	else if (strcmp(question->name, KEY_LAYOUT_TOP) == 0 && filesystem->keyspace != NULL &&
		 !filesystem->keys_at_root)
		key_layout_top(filesystem, question->entry);
	return question->entry->found;
}

/* TRUE for the name of the keys of etcd's v2 store. */
static gboolean is_v2(const struct question *question)
{
	return question->filesystem->v2_keys != NULL && strcmp(question->name, V2_LAYOUT_NAME) == 0;
}

static int resolve_v2(struct question *question, GError **error)
{
	return v2_layout_top(
		question->filesystem, question->wait, question->data, question->entry, error);
}

static int resolve_in_root(struct question *question, GError **error)
{
	const struct node *directory = question->directory;
	struct context *context;

	if (resolve_at_top(question))
		return 0;
	/* A context of that name has it. */
	context = directory->key.kind == NODE_ROOT
			  ? find_context(question->filesystem, question->name)
			  : NULL;
	if (context != NULL)
		found(question, NODE_CONTEXT, context, NULL, NULL, LAYOUT_LONG);
	else if (directory->id == FUSE_ROOT_ID && is_v2(question))
		return resolve_v2(question, error);
	else if (directory->key.kind == NODE_CONTEXT)
		return resolve_in_context(question, directory->key.context);
	return 0;
}

/* A reference to the catalog of the directory's context; begins to watch for changes. */
static int get_catalog(struct question *question, struct catalog **ret, GError **error)
{
	struct cache *cache = question->directory->key.context->cache;

	question->entry->cache = cache;
	question->entry->changes = cache_changes(cache);
	return cache_catalog(cache, question->wait, question->data, ret, error);
}

static void found_namespace(struct question *question, const char *namespace, double timeout)
{
	found(question, NODE_NAMESPACE, question->directory->key.context, namespace, NULL, timeout);
}

/* RFC 1123 labels, which the API server demands of namespaces: what shells and git look for is
 * none. */
static gboolean is_label(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= 63 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length && name[0] != '-' &&
	       name[length - 1] != '-';
}

static int resolve_namespace(
	struct question *question, struct resource *resource, const char *namespace, GError **error)
{
	struct context *context = question->directory->key.context;
	g_autoptr(GError) denied = NULL;
	struct collection *collection;
	struct snapshot *snapshot;
	int r = cache_look(context->cache, resource, "", namespace, question->wait, question->data,
		&collection, &denied);

	if (r == -EACCES && !is_label(namespace))
		return 0;
	if (r == -EACCES) {
		/* Whether it exists is not ours to know: what is in it will tell. */
		if (context_add_namespace(context, namespace))
			notifier_listing(question->filesystem->notifier, question->directory->id);
		/* It may be allowed later, and nobody tells. */
		found_namespace(question, namespace, LAYOUT_USE);
		return 0;
	}
	if (r < 0) {
		if (denied != NULL)
			g_propagate_error(error, g_steal_pointer(&denied));
		return r;
	}
	snapshot = collection_find(collection, "", namespace);
	question->entry->entry_timeout =
		collection_must_poll(collection) ? LAYOUT_POLLED : LAYOUT_LONG;
	if (snapshot != NULL && collection_scope(collection)->name != NULL &&
		context_add_namespace(context, namespace))
		notifier_listing(question->filesystem->notifier, question->directory->id);
	if (snapshot != NULL)
		found_namespace(question, namespace, question->entry->entry_timeout);
	snapshot_unref(snapshot);
	collection_unref(collection);
	return 0;
}

static int resolve_in_namespaces(struct question *question, GError **error)
{
	struct catalog *catalog;
	struct resource *resource;
	size_t length;
	g_autofree char *namespace = unescape_name(question->name, "", &length);
	int r;

	if (namespace == NULL || strlen(namespace) != length) {
		question->entry->entry_timeout = LAYOUT_LONG;
		return 0;
	}
	r = get_catalog(question, &catalog, error);
	if (r < 0)
		return r;
	resource = catalog_find(catalog, "namespaces");
	if (resource != NULL)
		r = resolve_namespace(question, resource, namespace, error);
	catalog_unref(catalog);
	return r;
}

/*
 * Who walks the tree asks for a resource's directory every LAYOUT_USE seconds, and perhaps for
 * nothing else: the kernel holds the rest (fuse.md 14).
 */
static void note_use(
	struct question *question, struct catalog *catalog, const struct resource *resource)
{
	const struct node_key *directory = &question->directory->key;
	const struct resource *namespaces = catalog_find(catalog, "namespaces");

	cache_touch(directory->context->cache, resource, directory->namespace);
	if (directory->kind == NODE_NAMESPACE && namespaces != NULL)
		cache_touch(directory->context->cache, namespaces, "");
}

static int resolve_resource(struct question *question, GError **error)
{
	const struct node_key *directory = &question->directory->key;
	gboolean namespaced = directory->kind == NODE_NAMESPACE;
	struct catalog *catalog;
	struct resource *resource;
	int r = get_catalog(question, &catalog, error);

	if (r < 0)
		return r;
	question->entry->entry_timeout = LAYOUT_LONG;
	resource = catalog_find(catalog, question->name);
	if (resource != NULL)
		note_use(question, catalog, resource);
	if (resource != NULL && resource->namespaced == namespaced &&
		(resource->can_list || resource->can_get)) {
		found(question, NODE_RESOURCE, directory->context, directory->namespace, resource,
			LAYOUT_USE);
		question->entry->attr_timeout = LAYOUT_LONG;
	} else if (resource == NULL &&
		   (resource = catalog_find_alias(catalog, question->name)) != NULL &&
		   resource->namespaced == namespaced && resource->can_list) {
		found(question, NODE_ALIAS, directory->context, directory->namespace, resource,
			LAYOUT_LONG);
		question->entry->key.name = g_strdup(question->name);
	}
	catalog_unref(catalog);
	return 0;
}

struct chunk_search {
	const char *prefix;
	gboolean seen;
};

/* Whether the object's name is cut into directories, one of them right after the prefix. */
static gboolean is_cut_after(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct chunk_search *search = data;
	g_autofree char *escaped = layout_object_name(snapshot, NODE_YAML);
	size_t length = strlen(search->prefix);
	size_t begin = 0;

	if (strncmp(escaped, search->prefix, length) != 0)
		return TRUE;
	while (begin < length && escape_next(escaped + begin) < strlen(escaped + begin))
		begin += escape_next(escaped + begin);
	search->seen = begin == length;
	return !search->seen;
}

static int resolve_chunk(struct question *question, const char *prefix, GError **error)
{
	const struct node_key *directory = &question->directory->key;
	struct cache *cache = directory->context->cache;
	struct chunk_search search = {prefix, FALSE};
	struct collection *collection;
	int r = cache_look(cache, directory->resource, directory->namespace, NULL, question->wait,
		question->data, &collection, error);

	if (r < 0)
		return r;
	collection_each(collection, directory->namespace, 0, is_cut_after, &search);
	collection_unref(collection);
	question->entry->entry_timeout = LAYOUT_POLLED;
	if (!search.seen)
		return 0;
	found(question, NODE_CHUNK, directory->context, directory->namespace, directory->resource,
		LAYOUT_POLLED);
	question->entry->key.name = g_strdup(prefix);
	return 0;
}

static int find_object(
	struct question *question, const char *object, enum node_format format, GError **error)
{
	const struct node_key *directory = &question->directory->key;
	struct filesystem *filesystem = question->filesystem;
	struct layout_entry *entry = question->entry;
	struct collection *collection;
	struct snapshot *snapshot;
	int r = cache_look(directory->context->cache, directory->resource, directory->namespace,
		object, question->wait, question->data, &collection, error);

	if (r < 0)
		return r;
	snapshot = collection_find(collection, directory->namespace, object);
	entry->entry_timeout = LAYOUT_LONG;
	if (collection_must_poll(collection))
		entry->entry_timeout = LAYOUT_POLLED;
	else if (collection_scope(collection)->name != NULL)
		entry->entry_timeout = LAYOUT_USE;
	if (snapshot != NULL && removals_hide(filesystem->removals, directory->context,
					directory->resource, snapshot)) {
		snapshot = snapshot_unref(snapshot);
		entry->entry_timeout = 0;
	}
	if (snapshot != NULL) {
		found(question, NODE_OBJECT, directory->context, NULL, directory->resource,
			entry->entry_timeout);
		entry->key.format = format;
		entry->key.snapshot = snapshot;
		/* A snapshot never changes; its mode may, and is notified. */
		entry->attr_timeout = LAYOUT_LONG;
	}
	collection_unref(collection);
	return 0;
}

/* The object that a file name in the directory is of, or NULL; g_free. */
static char *parse_object(
	const struct node_key *directory, const char *name, enum node_format *ret_format)
{
	const char *prefix = directory->kind == NODE_CHUNK ? directory->name : "";
	g_autofree char *escaped = g_strconcat(prefix, name, NULL);

	for (guint format = 0; format < NODE_FORMATS; format++) {
		size_t length;
		g_autofree char *object = unescape_name(escaped, SUFFIXES[format], &length);
		size_t begin = 0;

		if (object == NULL || length == 0 || strlen(object) != length)
			continue;
		/* Only the one way of cutting it up is a path to it. */
		while (escape_next(escaped + begin) < strlen(escaped + begin))
			begin += escape_next(escaped + begin);
		*ret_format = (enum node_format)format;
		return begin == strlen(prefix) ? g_steal_pointer(&object) : NULL;
	}
	return NULL;
}

gboolean layout_is_overtaken(const struct layout_entry *entry)
{
	if (entry->keyspace != NULL)
		return keyspace_changes(entry->keyspace) != entry->changes;
	return entry->cache != NULL && cache_changes(entry->cache) != entry->changes;
}

gboolean layout_holds_files(const struct node *directory)
{
	enum node_kind kind = directory->key.kind;

	return kind == NODE_RESOURCE || kind == NODE_CHUNK || kind == NODE_VIEWS ||
	       (kind == NODE_KEYS && directory->key.revision == 0);
}

gboolean layout_is_scratch(const struct node *directory, const char *name)
{
	return directory->key.kind == NODE_KEYS ? key_place_is_scratch(name)
						: layout_is_scratch_name(name);
}

gboolean layout_object_place(struct filesystem *filesystem, const struct node *directory,
	const char *name, struct place *ret)
{
	const struct node_key *key = &directory->key;
	enum node_format format;
	char *object;

	if (key->kind == NODE_KEYS)
		return key_place_of_name(filesystem, key, name, ret);
	if (key->kind == NODE_VIEWS)
		return views_name_place(key, name, ret);
	object = parse_object(key, name, &format);
	if (object == NULL)
		return FALSE;
	*ret = (struct place){
		.kind = PLACE_OBJECT,
		.format = format,
		.context = key->context,
		.resource = resource_ref(key->resource),
		.namespace = g_strdup(key->namespace),
		.name = object,
	};
	return TRUE;
}

/* NAME@/ of an object that is there. */
static int resolve_views(struct question *question, GError **error)
{
	const struct node_key *directory = &question->directory->key;
	size_t length;
	g_autofree char *object = unescape_name(question->name, VIEWS_SUFFIX, &length);
	int r;

	question->entry->entry_timeout = LAYOUT_LONG;
	if (object == NULL || length == 0 || strlen(object) != length ||
		directory->kind != NODE_RESOURCE)
		return 0;
	r = find_object(question, object, NODE_YAML, error);
	/* Of what a dry run would create there is a preview alone. */
	if (r == 0 && !question->entry->found &&
		views_have_preview(question->filesystem, directory, object))
		found(question, NODE_VIEWS, directory->context, NULL, directory->resource,
			LAYOUT_SOON);
	/* Nobody tells when it comes to be. */
	question->entry->entry_timeout = MIN(question->entry->entry_timeout, LAYOUT_SOON);
	if (r < 0 || !question->entry->found)
		return r;
	g_clear_pointer(&question->entry->key.snapshot, snapshot_unref);
	question->entry->key.kind = NODE_VIEWS;
	question->entry->key.namespace = g_strdup(directory->namespace);
	question->entry->key.name = g_steal_pointer(&object);
	question->entry->entry_timeout = LAYOUT_SOON;
	return 0;
}

static int resolve_object(struct question *question, GError **error)
{
	const struct node_key *directory = &question->directory->key;
	g_autofree char *object = NULL;
	enum node_format format;

	question->entry->cache = directory->context->cache;
	question->entry->changes = cache_changes(directory->context->cache);
	if (escape_is_chunk(question->name)) {
		const char *prefix = directory->kind == NODE_CHUNK ? directory->name : "";
		g_autofree char *escaped = g_strconcat(prefix, question->name, NULL);

		escaped[strlen(escaped) - 1] = '\0';
		return resolve_chunk(question, escaped, error);
	}
	object = parse_object(directory, question->name, &format);
	if (object == NULL)
		return resolve_views(question, error);
	return find_object(question, object, format, error);
}

/* What is in memory alone: the kernel asks for it each time. */
static gboolean found_overlay(struct question *question, const char *key, const char *name)
{
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

	if (!overlay_find(question->filesystem->overlay, key, name, &entry))
		return FALSE;
	if (entry.local != NULL && S_ISDIR(entry.local->type)) {
		/* The escaped name is never a directory's. */
		if (strcmp(name, question->name) != 0)
			return FALSE;
		if (!key_directories_is_kept(entry.local)) {
			overlay_remove(question->filesystem->overlay, key, name, entry.local);
			return FALSE;
		}
		layout_entry_finish(question->entry);
		return key_directories_entry(
			question->filesystem, &question->directory->key, name, question->entry);
	}
	layout_entry_finish(question->entry);
	found(question, entry.local != NULL ? NODE_LOCAL : NODE_REJECTED, NULL, NULL, NULL, 0);
	question->entry->key.local = g_steal_pointer(&entry.local);
	question->entry->key.rejected = g_steal_pointer(&entry.rejected);
	return TRUE;
}

static int resolve_shown(struct question *question, GError **error)
{
	if (question->directory->key.kind == NODE_VIEWS)
		return views_resolve(question->filesystem, question->directory, question->name,
			question->wait, question->data, question->entry, error);
	if (question->directory->key.kind == NODE_KEYS)
		return key_layout_resolve(question->filesystem, question->directory, question->name,
			question->wait, question->data, question->entry, error);
	return resolve_object(question, error);
}

/* A key has come to be in a directory that was kept without one. */
static void forget_kept(struct question *question, const char *key, const char *name)
{
	struct overlay *overlay = question->filesystem->overlay;
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

	if (question->entry->key.kind != NODE_KEYS || !overlay_find(overlay, key, name, &entry) ||
		entry.local == NULL || !S_ISDIR(entry.local->type))
		return;
	/* What is in memory alone is to be found when the keys are gone, too. */
	if (!key_directories_hold_any(question->filesystem, &question->entry->key))
		overlay_remove(overlay, key, name, entry.local);
}

/*
 * An object wins over a draft of it, which was made before the object came to be; while somebody
 * writes it, its name is asked for each time (writes.md 2).
 */
static int resolve_file(struct question *question, GError **error)
{
	const struct node *directory = question->directory;
	struct filesystem *filesystem = question->filesystem;
	g_autofree char *key = NULL;
	g_autofree char *name = NULL;
	struct place place PLACE_CLEANUP = {0};
	gboolean is_object;
	int r;

	/* Mostly there is nothing but objects. */
	if (overlay_is_unused(filesystem->overlay))
		return resolve_shown(question, error);
	is_object = layout_object_place(filesystem, directory, question->name, &place);
	/* A key has two names, and what is of it stands under one. */
	if (place.kind == PLACE_KEY) {
		key = place_directory_of(&place, &name);
	} else {
		key = place_directory(&directory->key);
		name = g_strdup(question->name);
	}
	if (!is_object && found_overlay(question, key, name))
		return 0;
	r = resolve_shown(question, error);
	if (r == -EINPROGRESS || !is_object)
		return r;
	if ((r < 0 || !question->entry->found) && found_overlay(question, key, name)) {
		g_clear_error(error);
		return 0;
	}
	if (r == 0)
		forget_kept(question, key, name);
	if (r == 0 && overlay_has_writer(filesystem->overlay, key, name))
		question->entry->entry_timeout = 0;
	return r;
}

static void found_statement(struct question *question, const char *name, GBytes *text)
{
	found(question, NODE_STATEMENT, NULL, NULL, NULL, 0);
	question->entry->key.name = g_strdup(name);
	question->entry->key.text = g_bytes_ref(text);
}

static int resolve_member_statement(struct question *question, GError **error)
{
	struct members *members = question->filesystem->members;
	g_autofree char *name = statement_path(STATEMENT_ETCD, question->name);
	g_autoptr(GBytes) text = NULL;
	int r = members_look(members, question->name, question->wait, question->data, &text, error);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		found_statement(question, name, text);
	return r;
}

static int resolve_statement(struct question *question, GError **error)
{
	struct filesystem *filesystem = question->filesystem;
	g_autoptr(GBytes) text = NULL;

	if (question->directory->key.name != NULL)
		return resolve_member_statement(question, error);
	if (filesystem->members != NULL && strcmp(question->name, STATEMENT_ETCD) == 0) {
		found(question, NODE_CONTROL, NULL, NULL, NULL, LAYOUT_LONG);
		question->entry->key.name = g_strdup(STATEMENT_ETCD);
		return 0;
	}
	if (is_v2(question))
		return resolve_v2(question, error);
	text = statement_text(filesystem, question->name);
	if (text != NULL)
		found_statement(question, question->name, text);
	return 0;
}

int layout_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error)
{
	struct question question = {filesystem, directory, name, wait, data, ret};

	*ret = (struct layout_entry){0};
	switch (directory->key.kind) {
	case NODE_ROOT:
	case NODE_CONTEXT:
		return resolve_in_root(&question, error);
	case NODE_NAMESPACES:
		return resolve_in_namespaces(&question, error);
	case NODE_NAMESPACE:
	case NODE_CLUSTER:
		return resolve_resource(&question, error);
	case NODE_RESOURCE:
	case NODE_CHUNK:
	case NODE_VIEWS:
		return resolve_file(&question, error);
	case NODE_CONTROL:
		return resolve_statement(&question, error);
	case NODE_KEYS:
		if (resolve_at_top(&question))
			return 0;
		/* In the past there is nothing but what was. */
		if (directory->key.revision != 0)
			return key_layout_resolve(
				filesystem, directory, name, wait, data, ret, error);
		return resolve_file(&question, error);
	case NODE_REVISIONS:
		return key_revisions_resolve(filesystem, name, wait, data, ret, error);
	case NODE_KEY_VIEWS:
		return key_views_resolve(filesystem, directory, name, wait, data, ret, error);
	case NODE_KEY_VERSIONS:
		return key_versions_resolve(filesystem, directory, name, wait, data, ret, error);
	case NODE_V2_DIRECTORY:
		return v2_layout_resolve(filesystem, directory, name, wait, data, ret, error);
	default:
		return error_set(error, ENOTDIR, "%s: not a directory", name);
	}
}

static char *file_name(const char *name, enum node_format format)
{
	return escape_name(name, strlen(name), SUFFIXES[format]);
}

char *layout_object_name(const struct snapshot *snapshot, enum node_format format)
{
	return file_name(snapshot->name, format);
}

char *layout_place(struct context *context, struct resource *resource, const char *namespace,
	const char *name, enum node_format format, struct node_key *ret_directory, char **ret_chunk)
{
	g_autofree char *escaped = file_name(name, format);
	size_t begin = 0;

	while (escape_next(escaped + begin) < strlen(escaped + begin))
		begin += escape_next(escaped + begin);
	*ret_chunk = begin > 0 ? g_strndup(escaped, begin) : NULL;
	*ret_directory = (struct node_key){
		.kind = begin > 0 ? NODE_CHUNK : NODE_RESOURCE,
		.context = context,
		.namespace = namespace,
		.resource = resource,
		.name = *ret_chunk,
	};
	return g_strdup(escaped + begin);
}
