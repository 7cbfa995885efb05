#include "kubefs/v2_layout.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client/error.h"

static const char *path_of(const struct node *directory)
{
	return directory->key.name != NULL ? directory->key.name : "";
}

static char *join(const char *path, const char *name)
{
	return path[0] != '\0' ? g_strconcat(path, "/", name, NULL) : g_strdup(name);
}

/* path: of a directory, or NULL; value: of a key. */
static void found(const char *path, struct key_snapshot *value, struct layout_entry *ret)
{
	ret->found = TRUE;
	ret->entry_timeout = LAYOUT_POLLED;
	if (value != NULL) {
		ret->key = (struct node_key){.kind = NODE_V2_KEY, .value = key_snapshot_ref(value)};
		ret->attr_timeout = LAYOUT_LONG;
	} else {
		ret->key = (struct node_key){
			.kind = NODE_V2_DIRECTORY,
			.name = path[0] != '\0' ? g_strdup(path) : NULL,
		};
		ret->attr_timeout = LAYOUT_POLLED;
	}
}

int v2_layout_top(struct filesystem *filesystem, collection_wait wait, void *data,
	struct layout_entry *ret, GError **error)
{
	struct v2_answer *answer V2_ANSWER_CLEANUP = NULL;
	int r = v2_keys_look(filesystem->v2_keys, "", wait, data, &answer, error);

	if (r == 0)
		found("", NULL, ret);
	return r;
}

/* No listing has them: they are asked for by name. */
static int resolve_hidden(struct filesystem *filesystem, const char *path, collection_wait wait,
	void *data, struct layout_entry *ret, GError **error)
{
	struct v2_answer *answer V2_ANSWER_CLEANUP = NULL;
	int r = v2_keys_look(filesystem->v2_keys, path, wait, data, &answer, error);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		found(path, answer->value, ret);
	return r;
}

int v2_layout_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error)
{
	g_autofree char *path = join(path_of(directory), name);
	struct v2_answer *answer V2_ANSWER_CLEANUP = NULL;
	const struct v2_child *child;
	int r;

	ret->entry_timeout = LAYOUT_POLLED;
	if (name[0] == '_')
		return resolve_hidden(filesystem, path, wait, data, ret, error);
	r = v2_keys_look(filesystem->v2_keys, path_of(directory), wait, data, &answer, error);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	child = g_hash_table_lookup(answer->names, name);
	if (child != NULL)
		found(path, child->value, ret);
	return 0;
}

int v2_layout_list(struct filesystem *filesystem, const struct node *directory, uint64_t after,
	collection_wait wait, void *data, key_listing_add add, void *add_data, GError **error)
{
	struct v2_answer *answer V2_ANSWER_CLEANUP = NULL;
	gboolean more = TRUE;
	int r = v2_keys_look(filesystem->v2_keys, path_of(directory), wait, data, &answer, error);

	if (r == -ENOENT)
		return error_set(error, ENOENT, "the directory is gone");
	if (r < 0)
		return r;
	staleness_add(filesystem->staleness, directory->id);
	for (guint i = 0; more && i < answer->children->len; i++) {
		const struct v2_child *child = g_ptr_array_index(answer->children, i);
		g_autofree char *path = join(path_of(directory), child->name);
		struct layout_entry entry = {0};

		/* The order is that of creation: it survives what comes and goes. */
		if ((uint64_t)child->created_index <= after || strlen(child->name) > NAME_MAX)
			continue;
		found(path, child->value, &entry);
		more = add(add_data, child->name, &entry, (uint64_t)child->created_index);
	}
	return 0;
}
