#include "kubefs/attributes.h"

#include <string.h>

#include "client/lock.h"
#include "kubefs/key_guard.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/key_versions.h"
#include "kubefs/overlay.h"
#include "kubefs/views.h"

/* FNV-1a, 64 bits. */
static uint64_t hash_bytes(uint64_t hash, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3ULL;
	return hash;
}

/* The terminating NUL counts, so that fields cannot run into each other. */
static uint64_t hash_field(uint64_t hash, const char *text)
{
	const char *bytes = text != NULL ? text : "";

	return hash_bytes(hash, bytes, strlen(bytes) + 1);
}

static uint64_t hash_kind(const struct node_key *key)
{
	const char kind[] = {(char)('a' + key->kind), (char)('0' + key->format), '\0'};
	uint64_t hash = hash_bytes(0xcbf29ce484222325ULL, kind, sizeof(kind));

	hash = hash_field(hash, key->context != NULL ? key->context->name : NULL);
	return hash_field(hash, key->resource != NULL ? key->resource->name : NULL);
}

/* The multiplication leaves the low bits weak; 0 and the root's 1 mean something. */
static ino_t finish_hash(uint64_t hash)
{
	hash ^= hash >> 32;
	return hash > FUSE_ROOT_ID ? hash : hash + 2;
}

ino_t attributes_inode(const struct node_key *key)
{
	uint64_t hash = hash_kind(key);
	size_t length;
	const char *bytes;

	/* diff takes files of one inode number for the same. */
	if (key->revision != 0)
		hash = hash_bytes(hash, (const char *)&key->revision, sizeof(key->revision));
	if (key->value != NULL) {
		hash = hash_bytes(hash, key->value->key, key->value->key_length);
	} else if (key->prefix != NULL) {
		bytes = g_bytes_get_data(key->prefix, &length);
		hash = hash_bytes(hash, bytes, length);
		hash = hash_field(hash, key->slashless ? KEY_PATH_SLASHLESS : "");
		hash = hash_field(hash, key->name);
	} else if (key->snapshot != NULL && key->snapshot->uid[0] != '\0') {
		hash = hash_field(hash, key->snapshot->uid);
	} else {
		/* Metrics and the like have no uid. */
		hash = hash_field(
			hash, key->snapshot != NULL ? key->snapshot->namespace : key->namespace);
		hash = hash_field(hash, key->snapshot != NULL ? key->snapshot->name : key->name);
	}
	return finish_hash(hash);
}

mode_t attributes_type(enum node_kind kind)
{
	switch (kind) {
	case NODE_ALIAS:
		return S_IFLNK;
	case NODE_OBJECT:
	case NODE_STATEMENT:
	case NODE_VIEW:
	case NODE_LOCAL:
	case NODE_REJECTED:
	case NODE_KEY:
	case NODE_KEY_VIEW:
	case NODE_V2_KEY:
		return S_IFREG;
	default:
		return S_IFDIR;
	}
}

static gboolean is_secret(const struct resource *resource)
{
	return resource->group[0] == '\0' && strcmp(resource->plural, "secrets") == 0;
}

gboolean attributes_may_save(const struct node_key *key)
{
	const char *subresource = key->kind == NODE_VIEW ? views_subresource(key) : NULL;

	if (key->kind == NODE_VIEW && subresource == NULL)
		return FALSE;
	return cache_may(key->context->cache, key->resource, subresource, key->snapshot->namespace,
		"update");
}

static mode_t object_mode(const struct filesystem *filesystem, const struct node_key *key)
{
	mode_t mode = is_secret(key->resource) ? 0400 : 0444;

	if (!key->resource->can_update || guard_check(filesystem->guard, key->context,
						  key->resource, SOURCE_UPDATE, NULL) < 0)
		return mode;
	if (attributes_may_save(key))
		mode |= 0200;
	return mode;
}

mode_t attributes_mode_of_draft(const struct resource *resource)
{
	return resource == NULL || is_secret(resource) ? 0600 : 0644;
}

/* As attributes_inode has it of one that is there. */
static ino_t inode_of_key(GBytes *key)
{
	const struct node_key node = {.kind = NODE_KEY};
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);

	return finish_hash(hash_bytes(hash_kind(&node), bytes, length));
}

static ino_t inode_of_object(const struct place *place)
{
	struct snapshot *snapshot SNAPSHOT_CLEANUP =
		cache_peek(place->context->cache, place->resource, place->namespace, place->name);
	const struct node_key key = {
		.snapshot = snapshot,
		.kind = place->kind == PLACE_OBJECT ? NODE_OBJECT : NODE_VIEW,
		.format = place->format,
		.context = place->context,
		.namespace = place->namespace,
		.resource = place->resource,
		.name = place->name,
	};

	return attributes_inode(&key);
}

ino_t attributes_inode_of_draft(struct filesystem *filesystem, const struct place *place)
{
	return place->kind == PLACE_KEY ? inode_of_key(place->key) : inode_of_object(place);
}

gboolean attributes_key_may(struct filesystem *filesystem, const struct node_key *key)
{
	g_autoptr(GBytes) bytes = NULL;

	if (key_guard_why_fixed(filesystem, key) != NULL)
		return FALSE;
	if (key->kind == NODE_KEYS)
		return key_guard_check(filesystem, key->prefix, NULL, SOURCE_CREATE, NULL) == 0;
	bytes = g_bytes_new_static(key->value->key, key->value->key_length);
	return key_guard_check(filesystem, bytes, key->value, SOURCE_UPDATE, NULL) == 0;
}

static void fill_local(struct local *local, struct stat *ret)
{
	LOCK_GUARD(&local->lock);

	ret->st_ino = local->inode;
	ret->st_mode = local->type | local->mode;
	/* A name that is gone leaves a file without links. */
	ret->st_nlink = local->draft != NULL ? 1 : local->links;
	ret->st_size =
		local->target != NULL ? (off_t)strlen(local->target) : (off_t)local->content.length;
	ret->st_blocks = (ret->st_size + 511) / 512;
	ret->st_mtim = local->modified;
	ret->st_ctim = local->changed;
}

static void fill_rejected(const struct rejected *rejected, struct stat *ret)
{
	ret->st_ino = rejected->inode;
	ret->st_mode |= rejected->mode;
	ret->st_size = (off_t)g_bytes_get_size(rejected->text);
	ret->st_blocks = (ret->st_size + 511) / 512;
	ret->st_mtim = ret->st_ctim = rejected->time;
}

static void fill_key(struct filesystem *filesystem, const struct node *node, struct stat *ret)
{
	const struct node_key *key = &node->key;
	gboolean is_text = key->kind == NODE_KEY_VIEW && key->format != NODE_RAW;

	/* Any of them may be a Secret: they are the mounting user's alone. */
	ret->st_mode |= attributes_key_may(filesystem, key) ? 0600 : 0400;
	ret->st_size = (off_t)(is_text ? key->length : g_bytes_get_size(key->value->value));
	ret->st_blocks = (ret->st_size + 511) / 512;
	ret->st_mtim = ret->st_ctim = is_text ? key->modified : key->value->seen;
}

static void fill_file(struct filesystem *filesystem, const struct node *node, struct stat *ret)
{
	const struct snapshot *snapshot = node->key.snapshot;
	size_t length = 0;

	node_text(node, &length);
	ret->st_size = (off_t)length;
	ret->st_blocks = (ret->st_size + 511) / 512;
	if (snapshot == NULL) {
		ret->st_mode |= 0400;
		clock_gettime(CLOCK_REALTIME, &ret->st_mtim);
		ret->st_ctim = ret->st_mtim;
		return;
	}
	ret->st_mode |= object_mode(filesystem, &node->key);
	ret->st_mtim = snapshot->modified;
	ret->st_ctim = snapshot->changed;
}

/* The collection of a resource directory or of the namespaces, if there is something to show. */
static struct collection *shown_collection(
	struct context *context, struct resource *resource, const char *namespace)
{
	struct collection *collection;

	if (cache_look(context->cache, resource, namespace, NULL, NULL, NULL, &collection, NULL) <
		0)
		return NULL;
	return collection;
}

static void fill_namespaces(const struct node *node, struct stat *ret)
{
	struct context *context = node->key.context;
	struct catalog *catalog = cache_catalog_now(context->cache);
	struct resource *resource = catalog != NULL ? catalog_find(catalog, "namespaces") : NULL;
	struct collection *collection =
		resource != NULL ? shown_collection(context, resource, "") : NULL;

	/* Not known yet: one means that, to find and others. */
	ret->st_nlink = 1;
	if (collection != NULL) {
		struct timespec changed = collection_changed(collection, "");

		ret->st_nlink = 2 + collection_count(collection, "");
		if (changed.tv_sec != 0)
			ret->st_mtim = ret->st_ctim = changed;
		collection_unref(collection);
	}
	catalog_unref(catalog);
}

static void fill_resources(const struct node *node, struct stat *ret)
{
	struct context *context = node->key.context;
	struct catalog *catalog = cache_catalog_now(context->cache);

	ret->st_nlink = 1;
	if (catalog != NULL)
		ret->st_nlink =
			2 + context_count(context, catalog, node->key.kind == NODE_NAMESPACE);
	catalog_unref(catalog);
}

static void fill_resource(const struct node *node, struct stat *ret)
{
	/* Not by a look: stat of a directory must not list what is in it. */
	struct timespec changed =
		cache_changed(node->key.context->cache, node->key.resource, node->key.namespace);

	if (changed.tv_sec != 0)
		ret->st_mtim = ret->st_ctim = changed;
}

/* context is NULL at the top of several. */
static gboolean is_read_only(const struct filesystem *filesystem, const struct context *context)
{
	return context != NULL ? context->read_only : filesystem->read_only;
}

static void fill_keys(struct filesystem *filesystem, const struct node *node, struct stat *ret)
{
	const struct key_scope scope = key_layout_scope(&node->key);
	struct key_directory *directory = keyspace_peek(filesystem->keyspace, &scope);
	struct timespec changed = {0};

	ret->st_mode = S_IFDIR | (attributes_key_may(filesystem, &node->key) ? 0700 : 0500);
	/* Not known without looking: what is in it is not counted. */
	ret->st_nlink = 1;
	if (directory != NULL)
		changed = key_directory_changed(directory);
	if (changed.tv_sec != 0)
		ret->st_mtim = ret->st_ctim = changed;
	key_directory_unref(directory);
}

static void fill_directory(struct filesystem *filesystem, const struct node *node, struct stat *ret)
{
	ret->st_mode |= is_read_only(filesystem, node->key.context) ? 0555 : 0755;
	ret->st_nlink = 2;
	ret->st_mtim = ret->st_ctim = (struct timespec){.tv_sec = filesystem->mounted};
	switch (node->key.kind) {
	case NODE_ROOT:
		ret->st_nlink =
			2 + filesystem->contexts->len + (filesystem->keyspace != NULL ? 1 : 0);
		break;
	case NODE_CONTEXT:
		ret->st_nlink = 4;
		if (node->id == FUSE_ROOT_ID && filesystem->keyspace != NULL)
			ret->st_nlink++;
		break;
	case NODE_KEYS:
		fill_keys(filesystem, node, ret);
		break;
	case NODE_NAMESPACES:
		fill_namespaces(node, ret);
		break;
	case NODE_NAMESPACE:
	case NODE_CLUSTER:
		fill_resources(node, ret);
		break;
	case NODE_RESOURCE:
		fill_resource(node, ret);
		break;
	case NODE_V2_DIRECTORY:
		ret->st_mode = S_IFDIR | 0500;
		ret->st_nlink = 1;
		break;
	case NODE_CONTROL:
	case NODE_KEY_VIEWS:
	case NODE_KEY_VERSIONS:
	case NODE_REVISIONS:
		ret->st_mode = S_IFDIR | 0500;
		if (node->key.kind == NODE_CONTROL && node->key.name == NULL &&
			filesystem->members != NULL)
			ret->st_nlink++;
		if (key_versions_stand_in(&node->key))
			ret->st_nlink++;
		break;
	default:
		break;
	}
}

void attributes_fill(struct filesystem *filesystem, const struct node *node, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->st_ino = attributes_inode(&node->key);
	ret->st_mode = attributes_type(node->key.kind);
	ret->st_nlink = 1;
	ret->st_uid = filesystem->uid;
	ret->st_gid = filesystem->gid;
	ret->st_blksize = 4096;
	if (node->key.kind == NODE_LOCAL) {
		fill_local(node->key.local, ret);
	} else if (node->key.kind == NODE_REJECTED) {
		fill_rejected(node->key.rejected, ret);
	} else if (S_ISDIR(ret->st_mode)) {
		fill_directory(filesystem, node, ret);
	} else if (S_ISLNK(ret->st_mode)) {
		ret->st_mode |= 0777;
		ret->st_size = (off_t)strlen(node->key.resource->name);
		ret->st_mtim = ret->st_ctim = (struct timespec){.tv_sec = filesystem->mounted};
	} else if (node->key.value != NULL) {
		fill_key(filesystem, node, ret);
	} else {
		fill_file(filesystem, node, ret);
	}
	ret->st_atim = ret->st_mtim;
}
