#include "kubefs/key_views.h"

#include <errno.h>
#include <string.h>

#include "kubefs/key_path.h"
#include "kubefs/key_versions.h"

static const struct {
	const char *name;
	enum node_format format;
} FILES[] = {
	{"json", NODE_JSON},
	{"raw", NODE_RAW},
	{"yaml", NODE_YAML},
};

void key_views_entry(
	const struct key_scope *scope, const char *name, size_t length, struct layout_entry *ret)
{
	ret->found = TRUE;
	ret->attr_timeout = LAYOUT_LONG;
	/* Nobody tells when the key goes. */
	ret->entry_timeout = LAYOUT_SOON;
	ret->key = (struct node_key){
		.kind = NODE_KEY_VIEWS,
		.prefix = key_join(scope->prefix, name, length, KEY_JOIN_NONE),
		.revision = scope->revision,
	};
}

int key_views_file(struct filesystem *filesystem, const struct key_scope *scope,
	struct key_snapshot *snapshot, enum node_format format, struct layout_entry *ret,
	GError **error)
{
	struct stored_object object STORED_OBJECT_CLEANUP = {0};
	int r = 0;

	if (format != NODE_RAW)
		r = key_texts_get(filesystem->key_texts, snapshot, format, &object, error);
	if (r < 0)
		return r;
	ret->found = TRUE;
	ret->attr_timeout = LAYOUT_LONG;
	ret->key = (struct node_key){
		.kind = NODE_KEY_VIEW,
		.format = format,
		.revision = scope->revision,
		.value = key_snapshot_ref(snapshot),
		.length = object.text != NULL ? g_bytes_get_size(object.text) : 0,
		.modified = object.modified,
	};
	return 0;
}

/* The directory that holds the key of the views; key_scope_finish. */
static void find_scope(
	struct filesystem *filesystem, const struct node *node, struct key_scope *ret)
{
	key_path_scope(filesystem->keys, node->key.prefix, ret);
	ret->revision = node->key.revision;
}

/* The key whose views the directory holds; *ret is a reference, NULL when it is gone. */
static int find_key(struct filesystem *filesystem, const struct node *node,
	const struct key_scope *scope, collection_wait wait, void *data, struct key_snapshot **ret,
	GError **error)
{
	struct key_directory *directory;
	struct key_part part;
	gboolean is_directory;
	int r;

	*ret = NULL;
	key_scope_find(scope, node->key.prefix, &part);
	r = keyspace_look(filesystem->keyspace, scope, wait, data, &directory, error);
	if (r < 0)
		return r;
	key_directory_find(directory, part.name, part.length, ret, &is_directory);
	key_directory_unref(directory);
	return 0;
}

int key_views_find(struct filesystem *filesystem, const struct node *directory,
	collection_wait wait, void *data, struct key_snapshot **ret, GError **error)
{
	struct key_scope scope KEY_SCOPE_CLEANUP = {0};

	find_scope(filesystem, directory, &scope);
	return find_key(filesystem, directory, &scope, wait, data, ret, error);
}

/* What is no object has no such file; of one that cannot be shown the reason is told. */
static int resolve_file(struct filesystem *filesystem, const struct node *node,
	const struct key_scope *scope, struct key_snapshot *snapshot, enum node_format format,
	struct layout_entry *ret, GError **error)
{
	int r = key_views_file(filesystem, scope, snapshot, format, ret, error);

	if (r == -ENOENT) {
		g_clear_error(error);
		return 0;
	}
	if (r < 0 && error != NULL) {
		g_autofree char *path =
			key_path_of_key(filesystem->keys, node->key.prefix, KEY_PLAIN);

		if (scope->revision != 0)
			g_prefix_error(error, "at revision %" G_GINT64_FORMAT ": ",
				(gint64)scope->revision);
		g_prefix_error(error, "%s: %s: ", keyspace_where(filesystem->keyspace), path);
	}
	return r;
}

int key_views_resolve(struct filesystem *filesystem, const struct node *node, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error)
{
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_scope scope KEY_SCOPE_CLEANUP = {0};
	guint i = 0;
	int r;

	if (key_versions_stand_in(&node->key) && strcmp(name, KEY_VERSIONS) == 0) {
		key_versions_entry(&node->key, ret);
		return 0;
	}
	while (i < G_N_ELEMENTS(FILES) && strcmp(FILES[i].name, name) != 0)
		i++;
	if (i == G_N_ELEMENTS(FILES))
		return 0;
	find_scope(filesystem, node, &scope);
	r = find_key(filesystem, node, &scope, wait, data, &snapshot, error);
	if (r < 0 || snapshot == NULL)
		return r;
	return resolve_file(filesystem, node, &scope, snapshot, FILES[i].format, ret, error);
}

int key_views_list(struct filesystem *filesystem, const struct node *node, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error)
{
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_scope scope KEY_SCOPE_CLEANUP = {0};
	int r;

	find_scope(filesystem, node, &scope);
	r = find_key(filesystem, node, &scope, wait, data, &snapshot, error);
	if (r < 0 || snapshot == NULL)
		return r;
	staleness_add(filesystem->staleness, node->id);
	for (uint64_t i = after; i < G_N_ELEMENTS(FILES); i++) {
		struct layout_entry entry = {0};

		if (key_views_file(filesystem, &scope, snapshot, FILES[i].format, &entry, NULL) ==
				0 &&
			!add(add_data, FILES[i].name, &entry, i + 1))
			return 0;
	}
	if (after <= G_N_ELEMENTS(FILES) && key_versions_stand_in(&node->key)) {
		struct layout_entry entry = {0};

		key_versions_entry(&node->key, &entry);
		add(add_data, KEY_VERSIONS, &entry, G_N_ELEMENTS(FILES) + 1);
	}
	return 0;
}
