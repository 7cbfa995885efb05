#include "kubefs/named.h"

#include <errno.h>

#include "client/error.h"
#include "kubefs/attributes.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_path.h"
#include "kubefs/key_place.h"

void named_finish(struct named *named)
{
	g_free(named->directory);
	local_unref(named->local);
	rejected_unref(named->rejected);
	snapshot_unref(named->snapshot);
	key_snapshot_unref(named->value);
	place_finish(&named->place);
}

static gboolean find_overlay(
	struct filesystem *filesystem, const char *name, gboolean is_value, struct named *ret)
{
	struct overlay_entry entry = {0};

	if (!overlay_find(filesystem->overlay, ret->directory, name, &entry))
		return FALSE;
	ret->local = entry.local;
	ret->rejected = entry.rejected;
	if (ret->local == NULL || !S_ISDIR(ret->local->type))
		return TRUE;
	ret->is_directory = !is_value && key_directories_is_kept(ret->local);
	ret->local = local_unref(ret->local);
	return ret->is_directory;
}

static int find_key(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct named *ret, GError **error)
{
	g_autofree char *canonical = g_strdup(name);
	const gboolean is_value = g_str_has_suffix(name, KEY_PATH_VALUE);
	gboolean is_directory = FALSE;
	int r;

	ret->is_place = layout_object_place(filesystem, directory, name, &ret->place);
	if (ret->is_place) {
		g_free(canonical);
		ret->directory = place_directory_of(&ret->place, &canonical);
	} else {
		ret->directory = place_directory(&directory->key);
	}
	if (find_overlay(filesystem, canonical, is_value, ret) && ret->local == NULL)
		return 0;
	/* A directory of long names, or "%.". */
	if (!ret->is_place) {
		struct layout_entry entry LAYOUT_ENTRY_CLEANUP = {0};

		ret->is_directory = ret->local == NULL && key_directories_entry(filesystem,
								  &directory->key, name, &entry);
		return 0;
	}
	r = key_place_look(&ret->place, wait, data, &ret->value, &is_directory, error);
	if (r != -EINPROGRESS && r < 0 && ret->local != NULL && ret->local->draft == NULL) {
		g_clear_error(error);
		r = 0;
	}
	if (r < 0)
		return r;
	ret->is_directory |= is_directory && !is_value;
	if (ret->value == NULL && key_place_is_scratch(name))
		ret->is_place = FALSE;
	if (ret->value != NULL)
		ret->local = local_unref(ret->local);
	return 0;
}

int named_find(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct named *ret, GError **error)
{
	struct overlay_entry entry = {0};
	int r;

	if (!layout_holds_files(directory))
		return error_set(error, EPERM, "%s: cannot be removed or renamed", name);
	if (directory->key.kind == NODE_KEYS)
		return find_key(filesystem, directory, name, wait, data, ret, error);
	if (directory->key.context->read_only)
		return -EROFS;
	ret->directory = place_directory(&directory->key);
	if (overlay_find(filesystem->overlay, ret->directory, name, &entry)) {
		ret->local = entry.local;
		ret->rejected = entry.rejected;
		if (ret->local == NULL)
			return 0;
	}
	ret->is_place = layout_object_place(filesystem, directory, name, &ret->place);
	if (!ret->is_place || ret->place.kind != PLACE_OBJECT)
		return 0;
	r = cache_find(ret->place.context->cache, ret->place.resource, ret->place.namespace,
		ret->place.name, wait, data, &ret->snapshot, error);
	if (r == 0 && removals_hide(filesystem->removals, ret->place.context, ret->place.resource,
			      ret->snapshot))
		ret->snapshot = snapshot_unref(ret->snapshot);
	/* A scratch file is at hand whatever the server says. */
	if (r == -ENOENT ||
		(r != -EINPROGRESS && ret->local != NULL && ret->local->draft == NULL)) {
		g_clear_error(error);
		r = 0;
	}
	if (ret->snapshot == NULL && layout_is_scratch_name(name))
		ret->is_place = FALSE;
	/* What stood under the name of what came to be meanwhile gives way to the truth. */
	if (ret->snapshot != NULL)
		ret->local = local_unref(ret->local);
	return r;
}

static int object_text(const struct named *named, GBytes **ret, GError **error)
{
	const struct snapshot *snapshot = named->snapshot;

	if (named->place.format == NODE_JSON)
		return snapshot_json(snapshot, ret, error);
	*ret = g_bytes_new(snapshot->yaml, snapshot->yaml_length);
	return 0;
}

struct local *named_copy(struct filesystem *filesystem, const struct named *named, GError **error)
{
	g_autoptr(GBytes) text = NULL;
	const struct place *place =
		named->rejected != NULL ? &named->rejected->place : &named->place;
	mode_t mode = named->rejected != NULL ? named->rejected->mode
					      : attributes_mode_of_draft(place->resource);
	struct local *local;
	int r = 0;

	if (named->rejected != NULL)
		text = g_bytes_ref(named->rejected->text);
	else if (named->value != NULL)
		text = g_bytes_ref(named->value->value);
	else
		r = object_text(named, &text, error);
	if (r < 0)
		return NULL;
	local = local_create(&filesystem->usage, mode, mode);
	if (local != NULL)
		r = local_fill(local, g_bytes_get_data(text, NULL), g_bytes_get_size(text));
	if (local == NULL || r < 0) {
		error_set(error, ENOSPC, "no room for a backup");
		return local_unref(local);
	}
	return local;
}
