#include "kubefs/key_layout.h"

#include <limits.h>
#include <string.h>

#include "kubefs/key_directories.h"
#include "kubefs/key_path.h"
#include "kubefs/key_revisions.h"
#include "kubefs/key_views.h"

/* A byte takes three at most when it is escaped, and a cut two for each ESCAPE_CHUNK less two. */
#define ESCAPED_MAX(length) ((length)*3 + strlen(KEY_PATH_VALUE KEY_PATH_VIEWS) + 1)
#define CUT_MAX(length) (ESCAPED_MAX(length) + ESCAPED_MAX(length) / 64)

struct node_key key_layout_directory(const struct key_scope *scope, const char *chunk)
{
	return (struct node_key){
		.kind = NODE_KEYS,
		.prefix = scope->prefix,
		.slashless = scope->slashless,
		.revision = scope->revision,
		.name = chunk[0] != '\0' ? chunk : NULL,
	};
}

struct key_scope key_layout_scope(const struct node_key *key)
{
	return (struct key_scope){
		.prefix = key->prefix, .slashless = key->slashless, .revision = key->revision};
}

const char *key_layout_chunk(const struct node_key *key)
{
	return key->name != NULL ? key->name : "";
}

static void begin_entry(struct filesystem *filesystem, double timeout, struct layout_entry *ret)
{
	ret->found = TRUE;
	ret->keyspace = filesystem->keyspace;
	ret->entry_timeout = timeout;
	/* What is true for long is told of when it changes. */
	ret->attr_timeout = LAYOUT_LONG;
}

void key_layout_key_entry(struct filesystem *filesystem, const struct key_scope *scope,
	struct key_snapshot *snapshot, double timeout, struct layout_entry *ret)
{
	begin_entry(filesystem, timeout, ret);
	if (filesystem->decode &&
		key_views_file(filesystem, scope, snapshot, NODE_YAML, ret, NULL) == 0)
		return;
	ret->key = (struct node_key){
		.kind = NODE_KEY,
		.revision = scope->revision,
		.value = key_snapshot_ref(snapshot),
	};
}

void key_layout_directory_entry(struct filesystem *filesystem, const struct key_scope *scope,
	const char *chunk, double timeout, struct layout_entry *ret)
{
	/* That it is asked for is the sign of its use (fuse.md 14). */
	begin_entry(filesystem, MIN(timeout, LAYOUT_USE), ret);
	ret->key = key_layout_directory(scope, chunk);
	g_bytes_ref(ret->key.prefix);
	ret->key.name = g_strdup(ret->key.name);
}

void key_layout_top(struct filesystem *filesystem, struct layout_entry *ret)
{
	struct key_scope scope;

	key_path_root(filesystem->keys, &scope);
	key_layout_directory_entry(filesystem, &scope, "", LAYOUT_USE, ret);
	key_scope_finish(&scope);
}

double key_layout_timeout(struct key_directory *directory)
{
	return key_directory_must_poll(directory) ? LAYOUT_POLLED : LAYOUT_LONG;
}

size_t key_layout_base(struct filesystem *filesystem, const struct key_scope *scope)
{
	g_autofree char *path = key_path_of_directory(filesystem->keys, scope);

	return strlen(path) + (filesystem->keys_at_root ? 0 : strlen(KEY_LAYOUT_TOP "/"));
}

gboolean key_layout_fits(size_t base, const char *escaped)
{
	return base + 1 + key_path_cut_length(escaped) <= KEY_PATH_MAX;
}

gboolean key_layout_is_short(size_t base, struct key_directory *directory)
{
	size_t longest = key_directory_longest(directory);

	return ESCAPED_MAX(longest) <= NAME_MAX && base + 1 + CUT_MAX(longest) <= KEY_PATH_MAX;
}

uint64_t key_layout_locate(struct filesystem *filesystem, const struct key_scope *scope,
	const char *escaped, char **ret_component)
{
	g_autofree char *chunk = key_path_chunk(escaped);
	const struct node_key key = key_layout_directory(scope, chunk);
	struct node *node NODE_CLEANUP = node_table_find(filesystem->nodes, &key);

	*ret_component = g_strdup(escaped + strlen(chunk));
	return node != NULL ? node->id : 0;
}

struct chunk_search {
	struct filesystem *filesystem;
	const char *chunk;
	size_t base;
	gboolean found;
};

static gboolean is_cut_after(const struct chunk_search *search, const char *escaped)
{
	gboolean is_chunk;
	g_autofree char *component = key_path_component(escaped, search->chunk, &is_chunk);

	return component != NULL && key_layout_fits(search->base, escaped);
}

static gboolean visit_for_chunk(void *data, uint64_t sequence, const struct key_child *child)
{
	struct chunk_search *search = data;
	g_autofree char *plain = key_path_name(child->name, child->length, KEY_PLAIN);
	g_autofree char *value = key_path_name(child->name, child->length, KEY_VALUE);
	g_autofree char *views = g_strconcat(plain, KEY_PATH_VIEWS, NULL);
	g_autofree char *value_views = g_strconcat(value, KEY_PATH_VIEWS, NULL);

	if (!child->directory && removals_hide_key(search->filesystem->removals, child->snapshot))
		return TRUE;
	search->found = is_cut_after(search, plain) ||
			(child->snapshot != NULL &&
				(is_cut_after(search, value) || is_cut_after(search, views) ||
					is_cut_after(search, value_views)));
	return !search->found;
}

gboolean key_layout_has_chunk(
	struct filesystem *filesystem, struct key_directory *directory, const char *chunk)
{
	const size_t base = key_layout_base(filesystem, key_directory_scope(directory));
	struct chunk_search search = {.filesystem = filesystem, .chunk = chunk, .base = base};

	if (!key_layout_is_short(base, directory))
		key_directory_each(directory, 0, visit_for_chunk, &search);
	return search.found;
}

/* A name that can be in the directory, which is known. */
static void resolve_name(struct filesystem *filesystem, struct key_directory *directory,
	enum key_step step, const char *name, size_t length, struct layout_entry *ret)
{
	const struct key_scope *scope = key_directory_scope(directory);
	const enum key_form form = step == KEY_STEP_VALUE ? KEY_VALUE : KEY_PLAIN;
	g_autofree char *escaped = key_path_name(name, length, form);
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_child shown = {.name = name, .length = length};
	gboolean is_directory;

	if (!key_directory_find(directory, name, length, &snapshot, &is_directory) ||
		!key_layout_fits(key_layout_base(filesystem, scope), escaped))
		return;
	shown.snapshot = snapshot;
	shown.directory = form == KEY_PLAIN && is_directory;
	key_directories_leave_out(filesystem, scope, &shown);
	if (shown.snapshot != snapshot || shown.directory != (form == KEY_PLAIN && is_directory))
		ret->entry_timeout = 0;
	if (shown.directory) {
		struct key_scope child;

		key_path_child(scope, name, length, &child);
		keyspace_touch(filesystem->keyspace, &child);
		key_layout_directory_entry(filesystem, &child, "", ret->entry_timeout, ret);
		key_scope_finish(&child);
	} else if (shown.snapshot != NULL) {
		key_layout_key_entry(filesystem, scope, snapshot, ret->entry_timeout, ret);
	}
}

/* The views of a key that is there. */
static void resolve_views(struct filesystem *filesystem, struct key_directory *directory,
	const char *chunk, const char *file, struct layout_entry *ret)
{
	const struct key_scope *scope = key_directory_scope(directory);
	g_autofree char *escaped = g_strconcat(chunk, file, NULL);
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = NULL;
	g_autofree char *name = NULL;
	gboolean is_directory;
	size_t length;

	if (!key_path_views(chunk, file, &name, &length))
		return;
	/* Nobody tells when the key comes. */
	ret->entry_timeout = MIN(ret->entry_timeout, LAYOUT_SOON);
	if (key_directory_find(directory, name, length, &snapshot, &is_directory) &&
		snapshot != NULL && key_layout_fits(key_layout_base(filesystem, scope), escaped))
		key_views_entry(scope, name, length, ret);
}

int key_layout_find_slashless(struct filesystem *filesystem, const struct key_scope *scope,
	collection_wait wait, void *data, struct key_layout_slashless *ret, GError **error)
{
	struct key_scope root;
	struct key_directory *directory;
	struct key_directory_status status;
	int r;

	*ret = (struct key_layout_slashless){0};
	key_path_root(filesystem->keys, &root);
	root.revision = scope->revision;
	ret->possible =
		key_scope_equal(scope, &root) && key_path_slashless(filesystem->keys, &ret->scope);
	key_scope_finish(&root);
	if (!ret->possible)
		return 0;
	ret->scope.revision = scope->revision;
	r = keyspace_look(filesystem->keyspace, &ret->scope, wait, data, &directory, error);
	if (r < 0) {
		key_scope_finish(&ret->scope);
		return r;
	}
	key_directory_describe(directory, &status);
	ret->there = status.keys + status.directories > 0;
	key_directory_unref(directory);
	return 0;
}

static int resolve_slashless(struct filesystem *filesystem, const struct key_scope *scope,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error)
{
	struct key_layout_slashless slashless;
	int r = key_layout_find_slashless(filesystem, scope, wait, data, &slashless, error);

	if (r < 0)
		return r;
	/* The mount point is not told when the first of them comes or the last goes. */
	ret->entry_timeout = slashless.possible ? LAYOUT_POLLED : LAYOUT_LONG;
	if (slashless.there)
		key_layout_directory_entry(filesystem, &slashless.scope, "", LAYOUT_POLLED, ret);
	key_scope_finish(&slashless.scope);
	return 0;
}

int key_layout_resolve(struct filesystem *filesystem, const struct node *node, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error)
{
	const struct key_scope scope = key_layout_scope(&node->key);
	const char *chunk = key_layout_chunk(&node->key);
	struct key_directory *directory;
	g_autofree char *component = NULL;
	enum key_step step;
	size_t length;
	int r;

	if (scope.revision == 0) {
		ret->keyspace = filesystem->keyspace;
		ret->changes = keyspace_changes(filesystem->keyspace);
	}
	if (chunk[0] == '\0' && strcmp(name, KEY_PATH_REVISIONS) == 0) {
		key_revisions_top(filesystem, &scope, ret);
		return 0;
	}
	step = key_path_step(chunk, name, &component, &length);
	if (step == KEY_STEP_SLASHLESS)
		return resolve_slashless(filesystem, &scope, wait, data, ret, error);
	ret->entry_timeout = LAYOUT_LONG;
	/* The views of "web%=" stand under a name that no key can have. */
	if (step == KEY_STEP_NONE && !g_str_has_suffix(name, KEY_PATH_VIEWS))
		return 0;
	if (step == KEY_STEP_VALUE)
		g_atomic_int_set(&filesystem->values_named, TRUE);
	r = keyspace_look(filesystem->keyspace, &scope, wait, data, &directory, error);
	if (r < 0)
		return r;
	ret->entry_timeout = key_layout_timeout(directory);
	if (step == KEY_STEP_PLAIN || step == KEY_STEP_VALUE)
		resolve_name(filesystem, directory, step, component, length, ret);
	if (step != KEY_STEP_CHUNK && !ret->found) {
		resolve_views(filesystem, directory, chunk, name, ret);
	} else if (step == KEY_STEP_CHUNK) {
		/* Nobody tells when the first name of that chunk comes or the last goes. */
		ret->entry_timeout = LAYOUT_POLLED;
		if (key_layout_has_chunk(filesystem, directory, component))
			key_layout_directory_entry(
				filesystem, &scope, component, LAYOUT_POLLED, ret);
	}
	/* The mount point cannot be forgotten with all below it when nobody tells any more. */
	if (!ret->found && node->id == FUSE_ROOT_ID)
		ret->entry_timeout = MIN(ret->entry_timeout, LAYOUT_POLLED);
	key_directory_unref(directory);
	return 0;
}
