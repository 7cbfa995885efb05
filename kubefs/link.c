#include "kubefs/link.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/layout.h"
#include "kubefs/lookup.h"
#include "kubefs/named.h"

/* A new name of a scratch file can only be another scratch file's. */
static int check_new_name(struct request *request, const struct node *directory, const char *name,
	char **ret_directory, GError **error)
{
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};
	struct place place PLACE_CLEANUP = {0};

	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (!layout_holds_files(directory))
		return error_set(error, EPERM, "%s: no link can be made here", name);
	if (directory->key.context != NULL && directory->key.context->read_only)
		return -EROFS;
	if (layout_object_place(request->filesystem, directory, name, &place) &&
		!layout_is_scratch(directory, name))
		return error_set(error, EPERM, "%s: an object or a key cannot be a link", name);
	*ret_directory = place_directory(&directory->key);
	if (overlay_find(request->filesystem->overlay, *ret_directory, name, &entry))
		return -EEXIST;
	return 0;
}

int link_hard_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	const struct node *node = request->node;
	g_autofree char *directory = NULL;
	struct named named = {0};
	struct local *local;
	int r = check_new_name(request, request->target, request->target_name, &directory, error);

	if (r < 0)
		return r;
	if (node->key.kind == NODE_LOCAL && node->key.local->draft == NULL) {
		local = local_ref(node->key.local);
	} else if (node->key.kind == NODE_OBJECT) {
		/* A backup by linking: the object lives on under its own name alone. */
		named.snapshot = node->key.snapshot;
		named.place.format = node->key.format;
		named.place.resource = node->key.resource;
		local = named_copy(filesystem, &named, error);
	} else if (node->key.kind == NODE_KEY) {
		named.value = node->key.value;
		local = named_copy(filesystem, &named, error);
	} else {
		return -EPERM;
	}
	if (local == NULL)
		return -ENOSPC;
	overlay_put(filesystem->overlay, directory, request->target_name, local);
	lookup_reply_local(request, local, NULL);
	local_unref(local);
	return 0;
}

int link_symbolic_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	g_autofree char *directory = NULL;
	struct local *local;
	int r = check_new_name(request, request->node, request->name, &directory, error);

	if (r < 0)
		return r;
	local = local_create_link(&filesystem->usage, request->target_name);
	if (local == NULL)
		return error_set(error, ENOSPC, "too many scratch files");
	overlay_put(filesystem->overlay, directory, request->name, local);
	lookup_reply_local(request, local, NULL);
	local_unref(local);
	return 0;
}
