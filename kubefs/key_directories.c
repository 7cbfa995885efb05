#include "kubefs/key_directories.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/attributes.h"
#include "kubefs/escape.h"
#include "kubefs/key_guard.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/lookup.h"

/* What stays for so long yet is not kept anew. */
#define RENEW_MS (KEY_DIRECTORIES_KEEP_MS - 1000)

gboolean key_directories_is_kept(const struct local *local)
{
	return S_ISDIR(local->type) && (local->until == 0 || g_get_monotonic_time() < local->until);
}

gboolean key_directories_entry(struct filesystem *filesystem, const struct node_key *directory,
	const char *name, struct layout_entry *ret)
{
	const struct key_scope scope = key_layout_scope(directory);
	struct key_scope child = {0};
	g_autofree char *component = NULL;
	const char *chunk = "";
	size_t length;

	switch (key_path_step(key_layout_chunk(directory), name, &component, &length)) {
	case KEY_STEP_PLAIN:
		key_path_child(&scope, component, length, &child);
		break;
	case KEY_STEP_CHUNK:
		key_scope_copy(&child, &scope);
		chunk = component;
		break;
	case KEY_STEP_SLASHLESS:
		if (!key_path_slashless(filesystem->keys, &child))
			return FALSE;
		break;
	default:
		return FALSE;
	}
	/* Nobody tells when its time is over. */
	key_layout_directory_entry(filesystem, &child, chunk, LAYOUT_SOON, ret);
	key_scope_finish(&child);
	return TRUE;
}

/* What is in a directory */

struct content {
	struct filesystem *filesystem;
	const struct key_scope *scope;
	gboolean any; /* a key that stays */
	GPtrArray *below; /* of struct key_scope *: what is looked into without the lock */
};

static void free_scope(void *pointer)
{
	struct key_scope *scope = pointer;

	key_scope_finish(scope);
	g_free(scope);
}

static gboolean visit(void *data, uint64_t sequence, const struct key_child *child)
{
	struct content *content = data;

	if (child->snapshot != NULL &&
		!removals_hide_key(content->filesystem->removals, child->snapshot))
		content->any = TRUE;
	if (child->directory) {
		struct key_scope *below = g_new0(struct key_scope, 1);

		key_path_child(content->scope, child->name, child->length, below);
		g_ptr_array_add(content->below, below);
	}
	return !content->any;
}

static gboolean vanishes(struct filesystem *filesystem, const struct key_scope *scope);

static gboolean holds_something(struct filesystem *filesystem, struct key_directory *directory,
	const struct key_scope *scope)
{
	g_autoptr(GPtrArray) below = g_ptr_array_new_with_free_func(free_scope);
	struct content content = {filesystem, scope, FALSE, below};

	key_directory_each(directory, 0, visit, &content);
	for (guint i = 0; !content.any && i < below->len; i++)
		content.any = !vanishes(filesystem, g_ptr_array_index(below, i));
	return content.any;
}

/* Whether all that is known to be in the directory is being removed. */
static gboolean vanishes(struct filesystem *filesystem, const struct key_scope *scope)
{
	struct key_directory *directory;
	gboolean is_empty;

	if (!removals_are_there(filesystem->removals))
		return FALSE;
	directory = keyspace_peek(filesystem->keyspace, scope);
	if (directory == NULL)
		return FALSE;
	is_empty = !holds_something(filesystem, directory, scope);
	key_directory_unref(directory);
	return is_empty;
}

void key_directories_leave_out(
	struct filesystem *filesystem, const struct key_scope *scope, struct key_child *child)
{
	struct key_scope below;

	if (!removals_are_there(filesystem->removals))
		return;
	if (child->snapshot != NULL && removals_hide_key(filesystem->removals, child->snapshot))
		child->snapshot = NULL;
	if (!child->directory)
		return;
	key_path_child(scope, child->name, child->length, &below);
	child->directory = !vanishes(filesystem, &below);
	key_scope_finish(&below);
}

/* MKDIR */

static int put_directory(struct request *request, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	g_autofree char *directory = place_directory(&request->node->key);
	struct overlay_entry there OVERLAY_ENTRY_CLEANUP = {0};
	struct local *local;

	if (overlay_find(filesystem->overlay, directory, request->name, &there) &&
		(there.local == NULL || key_directories_is_kept(there.local)))
		return -EEXIST;
	local = local_create_directory(&filesystem->usage);
	if (local == NULL)
		return error_set(error, ENOSPC, "too many files and directories in memory");
	overlay_put(filesystem->overlay, directory, request->name, local);
	local_unref(local);
	return 0;
}

static int reply_made(struct request *request, const struct layout_entry *entry)
{
	struct fuse_entry_param parameters;
	int r = lookup_enter(request->filesystem, entry, &parameters, NULL);

	if (r < 0)
		return r;
	if (fuse_reply_entry(request->fuse, &parameters) < 0)
		node_table_forget(request->filesystem->nodes, parameters.ino, 1);
	return 0;
}

int key_directories_make_run(
	struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct layout_entry entry LAYOUT_ENTRY_CLEANUP = {0};
	struct layout_entry there LAYOUT_ENTRY_CLEANUP = {0};
	int r;

	if (strlen(request->name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (!key_directories_entry(filesystem, &request->node->key, request->name, &entry))
		return error_set(
			error, EINVAL, "%s: there can be no such directory of keys", request->name);
	r = key_guard_check(filesystem, entry.key.prefix, NULL, SOURCE_CREATE, error);
	if (r < 0) {
		g_prefix_error(error, "%s: ", request->name);
		return r;
	}
	r = layout_resolve(filesystem, request->node, request->name, wait, data, &there, error);
	if (r < 0)
		return r;
	if (there.found)
		return -EEXIST;
	r = put_directory(request, error);
	if (r < 0)
		return r;
	return reply_made(request, &entry);
}

/* RMDIR */

static gboolean visit_overlay(
	void *data, uint64_t sequence, const char *name, const struct overlay_entry *entry)
{
	gboolean *any = data;

	*any = entry->local == NULL || !S_ISDIR(entry->local->type) ||
	       key_directories_is_kept(entry->local);
	return !*any;
}

/* 0: it is empty. */
static int check_empty(struct request *request, const struct node_key *key, collection_wait wait,
	void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	const struct key_scope scope = key_layout_scope(key);
	g_autofree char *name = place_directory(key);
	struct key_directory *directory;
	gboolean any = FALSE;
	int r = keyspace_look(filesystem->keyspace, &scope, wait, data, &directory, error);

	if (r < 0)
		return r;
	if (key_layout_chunk(key)[0] == '\0')
		any = holds_something(filesystem, directory, &scope);
	else
		any = key_layout_has_chunk(filesystem, directory, key_layout_chunk(key));
	key_directory_unref(directory);
	if (!any)
		overlay_each(filesystem->overlay, name, 0, visit_overlay, &any);
	return any ? -ENOTEMPTY : 0;
}

int key_directories_remove_run(
	struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct layout_entry entry LAYOUT_ENTRY_CLEANUP = {0};
	g_autofree char *directory = NULL;
	int r;

	if (!key_directories_entry(filesystem, &request->node->key, request->name, &entry))
		return -ENOTDIR;
	r = check_empty(request, &entry.key, wait, data, error);
	if (r < 0)
		return r;
	directory = place_directory(&request->node->key);
	overlay_remove(filesystem->overlay, directory, request->name, NULL);
	key_directories_keep(filesystem, &request->node->key, FALSE);
	return request_reply_done(request);
}

/* Keeping */

/* Where the directory stands: its directory's key, which borrows from the rest, and its name. */
struct standing {
	struct node_key directory;
	struct key_scope scope;
	char *chunk;
	char *name;
};

static void standing_finish(struct standing *standing)
{
	key_scope_finish(&standing->scope);
	g_free(standing->chunk);
	g_free(standing->name);
}

/* A directory of long names stands where its last cut is. */
static void locate_chunk(const struct node_key *directory, struct standing *ret)
{
	const struct key_scope scope = key_layout_scope(directory);
	const char *chunk = key_layout_chunk(directory);

	key_scope_copy(&ret->scope, &scope);
	ret->chunk = key_path_chunk(chunk);
	ret->name = g_strdup_printf("%s%%", chunk + strlen(ret->chunk));
}

/* FALSE: it is the mount point's. */
static gboolean locate(
	struct filesystem *filesystem, const struct node_key *directory, struct standing *ret)
{
	const struct key_scope scope = key_layout_scope(directory);
	g_autoptr(GBytes) name = NULL;
	g_autofree char *escaped = NULL;

	if (key_layout_chunk(directory)[0] != '\0') {
		locate_chunk(directory, ret);
	} else {
		if (!key_path_parent(filesystem->keys, &scope, &ret->scope, &name))
			return FALSE;
		escaped = key_path_directory_name(name);
		ret->chunk = key_path_chunk(escaped);
		ret->name = g_strdup(escaped + strlen(ret->chunk));
	}
	ret->directory = key_layout_directory(&ret->scope, ret->chunk);
	return TRUE;
}

static void keep(struct filesystem *filesystem, const struct standing *standing, gboolean for_good)
{
	g_autofree char *directory = place_directory(&standing->directory);
	struct overlay_entry there OVERLAY_ENTRY_CLEANUP = {0};
	const gint64 now = g_get_monotonic_time();
	struct local *local;

	/* What somebody has made stays as it is. */
	if (overlay_find(filesystem->overlay, directory, standing->name, &there) &&
		(there.local == NULL || !S_ISDIR(there.local->type) || there.local->until == 0))
		return;
	/* One that has just been kept needs not to be again, for each of its keys. */
	if (!for_good && there.local != NULL && there.local->until > now + RENEW_MS * 1000)
		return;
	local = local_create_directory(&filesystem->usage);
	if (local == NULL)
		return;
	if (for_good) {
		overlay_put(filesystem->overlay, directory, standing->name, local);
	} else {
		local->until = now + KEY_DIRECTORIES_KEEP_MS * 1000;
		overlay_put_passing(filesystem->overlay, directory, standing->name, local);
	}
	local_unref(local);
}

void key_directories_keep(
	struct filesystem *filesystem, const struct node_key *directory, gboolean for_good)
{
	struct standing standing = {0};

	if (locate(filesystem, directory, &standing)) {
		keep(filesystem, &standing, for_good);
		/* Else there would be no way to it once the keys above are gone. */
		key_directories_keep(filesystem, &standing.directory, for_good);
	}
	standing_finish(&standing);
}

static gboolean visit_for_any(
	void *data, uint64_t sequence, const char *name, const struct overlay_entry *entry)
{
	gboolean *any = data;

	*any = entry->local == NULL || !S_ISDIR(entry->local->type) || entry->local->until == 0;
	return !*any;
}

gboolean key_directories_hold_any(struct filesystem *filesystem, const struct node_key *directory)
{
	g_autofree char *name = place_directory(directory);
	gboolean any = FALSE;

	overlay_each(filesystem->overlay, name, 0, visit_for_any, &any);
	return any;
}

static void let_go(struct filesystem *filesystem, const struct node_key *directory,
	const struct standing *standing)
{
	g_autofree char *where = place_directory(&standing->directory);
	struct overlay_entry there OVERLAY_ENTRY_CLEANUP = {0};

	if (overlay_find(filesystem->overlay, where, standing->name, &there) &&
		there.local != NULL && S_ISDIR(there.local->type) &&
		!key_directories_hold_any(filesystem, directory))
		overlay_remove(filesystem->overlay, where, standing->name, there.local);
}

void key_directories_appeared(struct filesystem *filesystem, const struct node_key *directory)
{
	struct standing standing = {0};

	if (overlay_is_unused(filesystem->overlay))
		return;
	if (locate(filesystem, directory, &standing)) {
		let_go(filesystem, directory, &standing);
		key_directories_appeared(filesystem, &standing.directory);
	}
	standing_finish(&standing);
}
