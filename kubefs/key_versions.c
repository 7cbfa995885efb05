#include "kubefs/key_versions.h"

#include <errno.h>

#include "client/error.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/key_revisions.h"
#include "kubefs/key_views.h"

gboolean key_versions_stand_in(const struct node_key *views)
{
	return views->kind == NODE_KEY_VIEWS && views->revision == 0;
}

void key_versions_entry(const struct node_key *views, struct layout_entry *ret)
{
	ret->found = TRUE;
	ret->attr_timeout = LAYOUT_LONG;
	/* Nobody tells when the key goes. */
	ret->entry_timeout = LAYOUT_SOON;
	ret->key =
		(struct node_key){.kind = NODE_KEY_VERSIONS, .prefix = g_bytes_ref(views->prefix)};
}

static char *path_of(struct filesystem *filesystem, const struct node *node)
{
	g_autofree char *path = key_path_of_key(filesystem->keys, node->key.prefix, KEY_PLAIN);

	return g_strconcat(path, KEY_PATH_VIEWS "/" KEY_VERSIONS, NULL);
}

/* *ret is NULL when the key is gone. */
static int look_back(struct filesystem *filesystem, const struct node *node, collection_wait wait,
	void *data, struct key_history **ret, GError **error)
{
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;
	g_autoptr(GError) reason = NULL;
	g_autofree char *path = NULL;
	int r = key_views_find(filesystem, node, wait, data, &newest, error);

	*ret = NULL;
	if (r < 0 || newest == NULL)
		return r;
	r = keyspace_look_back(filesystem->keyspace, newest, wait, data, ret, &reason);
	if (reason == NULL)
		return r;
	path = path_of(filesystem, node);
	g_propagate_prefixed_error(error, g_steal_pointer(&reason), "%s: ", path);
	return r;
}

static void fill_entry(
	struct filesystem *filesystem, struct key_snapshot *version, struct layout_entry *ret)
{
	const struct key_scope then = {.revision = version->mod_revision};

	/* Nobody tells when it is compacted. */
	key_layout_key_entry(filesystem, &then, version, LAYOUT_POLLED, ret);
}

/* A revision that is no version's; it may have been one's that is gone. */
static int check_missing(struct filesystem *filesystem, const struct node *node,
	const struct key_history *history, int64_t revision, GError **error)
{
	const GPtrArray *versions = history->versions;
	const struct key_snapshot *oldest = g_ptr_array_index(versions, versions->len - 1);
	g_autofree char *path = NULL;

	if (history->end != KEY_HISTORY_COMPACTED || revision >= oldest->mod_revision ||
		revision < oldest->create_revision)
		return 0;
	path = path_of(filesystem, node);
	return error_set(error, ESTALE,
		"%s/%" G_GINT64_FORMAT ": compacted: the oldest version that etcd still has is "
		"%" G_GINT64_FORMAT,
		path, (gint64)revision, (gint64)oldest->mod_revision);
}

int key_versions_resolve(struct filesystem *filesystem, const struct node *node, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error)
{
	struct key_history *history KEY_HISTORY_CLEANUP = NULL;
	int64_t revision;
	int r;

	if (!key_revisions_parse(name, &revision))
		return 0;
	r = look_back(filesystem, node, wait, data, &history, error);
	if (r < 0 || history == NULL)
		return r;
	for (guint i = 0; i < history->versions->len; i++) {
		struct key_snapshot *version = g_ptr_array_index(history->versions, i);

		if (version->mod_revision == revision) {
			fill_entry(filesystem, version, ret);
			return 0;
		}
	}
	return check_missing(filesystem, node, history, revision, error);
}

static void tell_cut(struct filesystem *filesystem, const struct node *node, guint count)
{
	g_autofree char *path = path_of(filesystem, node);
	g_autofree char *text = g_strdup_printf("%s: only the newest %u versions are listed; what "
						"is older may be in %s/",
		path, count, KEY_PATH_REVISIONS);

	journal_add(filesystem->journal, 0, text);
}

int key_versions_list(struct filesystem *filesystem, const struct node *node, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error)
{
	struct key_history *history KEY_HISTORY_CLEANUP = NULL;
	int r = look_back(filesystem, node, wait, data, &history, error);

	if (r < 0 || history == NULL)
		return r;
	staleness_add(filesystem->staleness, node->id);
	if (history->end == KEY_HISTORY_CUT && after == 0)
		tell_cut(filesystem, node, history->versions->len);
	for (guint i = history->versions->len; i-- > 0;) {
		struct key_snapshot *version = g_ptr_array_index(history->versions, i);
		g_autofree char *name =
			g_strdup_printf("%" G_GINT64_FORMAT, (gint64)version->mod_revision);
		struct layout_entry entry = {0};

		if ((uint64_t)version->version <= after)
			continue;
		fill_entry(filesystem, version, &entry);
		if (!add(add_data, name, &entry, (uint64_t)version->version))
			break;
	}
	return 0;
}
