#include "kubefs/key_changes.h"

#include <errno.h>
#include <string.h>

#include "kubefs/escape.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"

/* Too long keys that are told of, one line each. */
#define LONG_KEYS_MAX 10000
/* So much of a long path is shown. */
#define LONG_KEY_HEAD 200

static struct node *find_node(struct filesystem *filesystem, struct key_snapshot *snapshot)
{
	const struct node_key key = {.kind = NODE_KEY, .value = snapshot};
	const struct node_key text = {
		.kind = NODE_KEY_VIEW, .format = NODE_YAML, .value = snapshot};
	struct node *node = NULL;

	if (snapshot != NULL)
		node = node_table_find(filesystem->nodes, &key);
	if (snapshot != NULL && node == NULL && filesystem->decode)
		node = node_table_find(filesystem->nodes, &text);
	return node;
}

/* The escaped name means something else, or nothing, or something at last. */
static void name_changed(struct filesystem *filesystem, const struct key_scope *scope,
	const char *escaped, uint64_t gone)
{
	g_autofree char *component = NULL;
	uint64_t directory = key_layout_locate(filesystem, scope, escaped, &component);

	if (directory == 0)
		return;
	if (gone != 0)
		notifier_delete(filesystem->notifier, directory, gone, component);
	else
		notifier_entry(filesystem->notifier, directory, component);
}

/* A name is listed now, or no more: where it stands, and where the directories of a long one do. */
static void listing_changed(
	struct filesystem *filesystem, const struct key_scope *scope, const char *escaped)
{
	size_t begin = 0;

	for (;;) {
		g_autofree char *chunk = g_strndup(escaped, begin);
		const struct node_key key = key_layout_directory(scope, chunk);
		struct node *node NODE_CLEANUP = node_table_find(filesystem->nodes, &key);
		size_t cut = escape_next(escaped + begin);

		if (node != NULL)
			notifier_listing(filesystem->notifier, node->id);
		if (escaped[begin + cut] == '\0')
			return;
		begin += cut;
	}
}

static void plain_changed(struct filesystem *filesystem, const struct key_scope *scope,
	const char *escaped, const struct key_change *change, const struct node *node)
{
	gboolean is_gone = change->new == NULL && !change->is_directory;

	/* What is a directory before and after means what it did. */
	if (change->was_directory && change->is_directory)
		return;
	/* Of a version that the kernel never saw it need not be told. */
	if (node == NULL && change->old != NULL && change->new != NULL && !change->was_directory &&
		!change->is_directory)
		return;
	name_changed(filesystem, scope, escaped,
		is_gone && !change->was_directory && node != NULL ? node->id : 0);
}

/* The listed names of what the change tells, before and after. */
static gboolean is_listed_otherwise(const struct key_change *change)
{
	gboolean had_value = change->was_directory && change->old != NULL;
	gboolean has_value = change->is_directory && change->new != NULL;
	gboolean was_there = change->was_directory || change->old != NULL;
	gboolean is_there = change->is_directory || change->new != NULL;

	return had_value != has_value || was_there != is_there ||
	       change->was_directory != change->is_directory;
}

static void report_if_long(struct filesystem *filesystem, const struct key_scope *scope,
	size_t base, const char *name, size_t length, enum key_form form)
{
	g_autofree char *escaped = key_path_name(name, length, form);
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;
	gboolean is_new = FALSE;
	size_t total;

	if (key_layout_fits(base, escaped))
		return;
	total = base + 1 + key_path_cut_length(escaped);
	path = key_path_of_directory(filesystem->keys, scope);
	text = g_strdup_printf("%s: a key's path is longer than %d bytes and not shown: %.*s/%.*s%s"
			       " (%zu bytes)",
		keyspace_where(filesystem->keyspace), KEY_PATH_MAX, LONG_KEY_HEAD, path,
		LONG_KEY_HEAD, escaped, strlen(escaped) > LONG_KEY_HEAD ? "..." : "", total);
	pthread_mutex_lock(&filesystem->long_keys_lock);
	if (g_hash_table_size(filesystem->long_keys) < LONG_KEYS_MAX)
		is_new = g_hash_table_add(filesystem->long_keys, g_strdup(text));
	pthread_mutex_unlock(&filesystem->long_keys_lock);
	if (is_new)
		journal_add(filesystem->journal, ENAMETOOLONG, text);
}

static void on_changed(void *data, struct keyspace *keyspace, struct key_directory *directory,
	const struct key_change *change)
{
	struct filesystem *filesystem = data;
	const struct key_scope *scope = key_directory_scope(directory);
	struct node *node NODE_CLEANUP = find_node(filesystem, change->old);
	size_t length;
	const char *name = g_bytes_get_data(change->name, &length);
	g_autofree char *plain = key_path_name(name, length, KEY_PLAIN);
	g_autofree char *value = key_path_name(name, length, KEY_VALUE);
	gboolean is_named = g_atomic_int_get(&filesystem->values_named);

	if (is_named && change->old != change->new)
		name_changed(filesystem, scope, value, 0);
	plain_changed(filesystem, scope, plain, change, node);
	if (!is_listed_otherwise(change))
		return;
	/* The directories of the plain name, when it is a long one, are those of the longer one. */
	listing_changed(filesystem, scope, value);
	if (change->new != NULL || change->is_directory)
		report_if_long(filesystem, scope, key_layout_base(filesystem, scope), name, length,
			KEY_PLAIN);
}

struct report {
	struct filesystem *filesystem;
	const struct key_scope *scope;
	size_t base;
};

static gboolean visit_for_report(void *data, uint64_t sequence, const struct key_child *child)
{
	const struct report *report = data;
	gboolean is_both = child->directory && child->snapshot != NULL;

	report_if_long(report->filesystem, report->scope, report->base, child->name, child->length,
		KEY_PLAIN);
	if (is_both)
		report_if_long(report->filesystem, report->scope, report->base, child->name,
			child->length, KEY_VALUE);
	return TRUE;
}

static void on_loaded(void *data, struct keyspace *keyspace, struct key_directory *directory)
{
	struct filesystem *filesystem = data;
	const struct key_scope *scope = key_directory_scope(directory);
	struct report report = {filesystem, scope, key_layout_base(filesystem, scope)};

	if (!key_layout_is_short(report.base, directory))
		key_directory_each(directory, 0, visit_for_report, &report);
}

/* Retiring */

static gboolean shows_directory(const struct node *node, const void *data)
{
	const struct key_scope scope = key_layout_scope(&node->key);

	return node->key.kind == NODE_KEYS && key_scope_equal(&scope, data);
}

struct inside {
	struct filesystem *filesystem;
	const struct key_scope *scope;
};

/* Keys and directories that stand in it. */
static gboolean is_inside(const struct node *node, const void *data)
{
	const struct inside *inside = data;
	g_autoptr(GBytes) name = NULL;
	struct key_scope scope;
	struct key_part part;
	gboolean equal;

	if (node->key.kind == NODE_V2_DIRECTORY || node->key.kind == NODE_V2_KEY)
		return FALSE;
	if (node->key.value != NULL) {
		g_autoptr(GBytes) key =
			g_bytes_new_static(node->key.value->key, node->key.value->key_length);

		return node->key.revision == inside->scope->revision &&
		       key_scope_find(inside->scope, key, &part) && !part.deeper;
	}
	scope = key_layout_scope(&node->key);
	if (node->key.kind != NODE_KEYS ||
		!key_path_parent(inside->filesystem->keys, &scope, &scope, &name))
		return FALSE;
	equal = key_scope_equal(&scope, inside->scope);
	key_scope_finish(&scope);
	return equal;
}

/* What is let go once the kernel has forgotten it. */
struct retirement {
	struct keyspace *keyspace;
	struct key_directory *directory;
};

static void on_forgotten(void *data)
{
	struct retirement *retirement = data;

	keyspace_retire(retirement->keyspace, retirement->directory);
	key_directory_unref(retirement->directory);
	g_free(retirement);
}

static void retire_name(struct filesystem *filesystem, const struct key_scope *scope,
	const char *escaped, GArray *lanes)
{
	g_autofree char *component = NULL;
	uint64_t directory = key_layout_locate(filesystem, scope, escaped, &component);

	if (directory == 0)
		return;
	notifier_entry(filesystem->notifier, directory, component);
	notifier_lanes_add(lanes, directory);
}

static void retire_revision(struct filesystem *filesystem, int64_t revision, GArray *lanes)
{
	const struct node_key key = {.kind = NODE_REVISIONS};
	struct node *node NODE_CLEANUP = node_table_find(filesystem->nodes, &key);
	g_autofree char *name = g_strdup_printf("%" G_GINT64_FORMAT, (gint64)revision);

	if (node == NULL)
		return;
	notifier_entry(filesystem->notifier, node->id, name);
	notifier_lanes_add(lanes, node->id);
}

static void retire_top(struct filesystem *filesystem, GArray *lanes)
{
	notifier_entry(filesystem->notifier, FUSE_ROOT_ID, KEY_LAYOUT_TOP);
	notifier_lanes_add(lanes, FUSE_ROOT_ID);
}

/* The name of a directory of keys in its parent, with all that the kernel holds below it. */
static void retire_directory(struct filesystem *filesystem, const struct node *node, GArray *lanes)
{
	const struct key_scope scope = key_layout_scope(&node->key);
	g_autoptr(GBytes) name = NULL;
	g_autofree char *escaped = NULL;
	struct key_scope parent;

	if (!key_path_parent(filesystem->keys, &scope, &parent, &name)) {
		if (scope.revision != 0)
			retire_revision(filesystem, scope.revision, lanes);
		else if (!filesystem->keys_at_root)
			retire_top(filesystem, lanes);
		return;
	}
	escaped = key_path_directory_name(name);
	retire_name(filesystem, &parent, escaped, lanes);
	key_scope_finish(&parent);
}

/* What is in use outlives the dentry of its directory (kubefs/changes.c): by its own name. */
static void retire_key(struct filesystem *filesystem, const struct key_scope *scope,
	const struct node *node, GArray *lanes)
{
	g_autoptr(GBytes) key =
		g_bytes_new_static(node->key.value->key, node->key.value->key_length);
	g_autofree char *plain = NULL;
	g_autofree char *value = NULL;
	struct key_part part;

	key_scope_find(scope, key, &part);
	plain = key_path_name(part.name, part.length, KEY_PLAIN);
	value = key_path_name(part.name, part.length, KEY_VALUE);
	retire_name(filesystem, scope, plain, lanes);
	if (g_atomic_int_get(&filesystem->values_named))
		retire_name(filesystem, scope, value, lanes);
}

static void on_retiring(void *data, struct keyspace *keyspace, struct key_directory *directory)
{
	struct filesystem *filesystem = data;
	const struct key_scope *scope = key_directory_scope(directory);
	const struct inside match = {filesystem, scope};
	g_autoptr(GPtrArray) directories =
		node_table_select(filesystem->nodes, shows_directory, scope);
	g_autoptr(GPtrArray) inside = node_table_select(filesystem->nodes, is_inside, &match);
	g_autoptr(GArray) lanes = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	struct retirement *retirement = g_new(struct retirement, 1);

	*retirement = (struct retirement){keyspace, key_directory_ref(directory)};
	for (guint i = 0; i < directories->len; i++) {
		const struct node *node = g_ptr_array_index(directories, i);

		notifier_listing(filesystem->notifier, node->id);
		if (key_layout_chunk(&node->key)[0] == '\0')
			retire_directory(filesystem, node, lanes);
	}
	for (guint i = 0; i < inside->len; i++) {
		const struct node *node = g_ptr_array_index(inside, i);

		if (node->key.value != NULL)
			retire_key(filesystem, scope, node, lanes);
		else
			retire_directory(filesystem, node, lanes);
	}
	notifier_after_all(filesystem->notifier, lanes, on_forgotten, retirement);
}

const struct keyspace_handlers KEY_CHANGES_HANDLERS = {
	.changed = on_changed,
	.loaded = on_loaded,
	.retiring = on_retiring,
};
