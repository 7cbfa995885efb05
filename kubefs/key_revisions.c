#include "kubefs/key_revisions.h"

#include <errno.h>
#include <string.h>

#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"

void key_revisions_top(
	struct filesystem *filesystem, const struct key_scope *scope, struct layout_entry *ret)
{
	struct key_scope root KEY_SCOPE_CLEANUP = {0};

	key_path_root(filesystem->keys, &root);
	ret->entry_timeout = LAYOUT_LONG;
	ret->attr_timeout = LAYOUT_LONG;
	ret->found = key_scope_equal(scope, &root);
	ret->key.kind = NODE_REVISIONS;
}

gboolean key_revisions_parse(const char *name, int64_t *ret)
{
	g_autofree char *again = NULL;
	gint64 revision;

	if (!g_ascii_string_to_signed(name, 10, 1, G_MAXINT64, &revision, NULL))
		return FALSE;
	again = g_strdup_printf("%" G_GINT64_FORMAT, revision);
	*ret = revision;
	return strcmp(again, name) == 0;
}

int key_revisions_resolve(struct filesystem *filesystem, const char *name, collection_wait wait,
	void *data, struct layout_entry *ret, GError **error)
{
	struct key_scope scope KEY_SCOPE_CLEANUP = {0};
	struct key_directory *directory;
	g_autoptr(GError) reason = NULL;
	int r;

	key_path_root(filesystem->keys, &scope);
	if (!key_revisions_parse(name, &scope.revision))
		return 0;
	r = keyspace_look(filesystem->keyspace, &scope, wait, data, &directory, &reason);
	/* It has yet to come. */
	if (r == -ERANGE)
		return 0;
	if (r < 0) {
		if (reason != NULL)
			g_propagate_prefixed_error(
				error, g_steal_pointer(&reason), KEY_PATH_REVISIONS "/%s: ", name);
		return r;
	}
	key_layout_directory_entry(filesystem, &scope, "", LAYOUT_USE, ret);
	key_directory_unref(directory);
	return 0;
}
