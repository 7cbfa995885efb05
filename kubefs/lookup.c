#include "kubefs/lookup.h"

#include "kubefs/attributes.h"

/* A reference to the object's JSON, which is made only once while the kernel holds the node. */
static int render_json(
	struct filesystem *filesystem, const struct node_key *key, GBytes **ret, GError **error)
{
	struct node *node NODE_CLEANUP = node_table_find(filesystem->nodes, key);

	if (node == NULL)
		return snapshot_json(key->snapshot, ret, error);
	*ret = g_bytes_ref(node->text);
	return 0;
}

/* Takes over text. */
static void enter(struct filesystem *filesystem, const struct layout_entry *entry, GBytes *text,
	struct fuse_entry_param *ret)
{
	struct node *node NODE_CLEANUP = node_table_enter(filesystem->nodes, &entry->key, text);

	*ret = (struct fuse_entry_param){
		.ino = node->id,
		.entry_timeout = entry->entry_timeout,
		.attr_timeout = entry->attr_timeout,
	};
	attributes_fill(filesystem, node, &ret->attr);
}

int lookup_enter(struct filesystem *filesystem, const struct layout_entry *entry,
	struct fuse_entry_param *ret, GError **error)
{
	GBytes *text = NULL;

	if (entry->key.kind == NODE_OBJECT && entry->key.format == NODE_JSON) {
		int r = render_json(filesystem, &entry->key, &text, error);

		if (r < 0)
			return r;
	}
	enter(filesystem, entry, text, ret);
	return 0;
}

gboolean lookup_reply_local(
	struct request *request, struct local *local, struct fuse_file_info *info)
{
	const struct layout_entry entry = {
		.found = TRUE, .key = {.kind = NODE_LOCAL, .local = local}};
	struct fuse_entry_param parameters;
	int r;

	enter(request->filesystem, &entry, NULL, &parameters);
	r = info != NULL ? fuse_reply_create(request->fuse, &parameters, info)
			 : fuse_reply_entry(request->fuse, &parameters);
	if (r < 0)
		node_table_forget(request->filesystem->nodes, parameters.ino, 1);
	return r == 0;
}

static gboolean same_resource(const struct resource *a, const struct resource *b)
{
	return a == b || (a != NULL && b != NULL && resource_equal(a, b));
}

/* Whether a, which the kernel was given, is as true for as long as b. */
static gboolean same_meaning(const struct layout_entry *a, const struct layout_entry *b)
{
	if (a->found != b->found)
		return FALSE;
	if (!a->found)
		return a->entry_timeout <= b->entry_timeout;
	return a->key.kind == b->key.kind && a->key.snapshot == b->key.snapshot &&
	       a->key.value == b->key.value && a->entry_timeout <= b->entry_timeout &&
	       same_resource(a->key.resource, b->key.resource);
}

void lookup_verify(struct filesystem *filesystem, const struct node *directory, const char *name,
	const struct layout_entry *entry)
{
	struct layout_entry now LAYOUT_ENTRY_CLEANUP = {0};

	if (!layout_is_overtaken(entry))
		return;
	if (layout_resolve(filesystem, directory, name, NULL, NULL, &now, NULL) < 0 ||
		!same_meaning(entry, &now))
		notifier_entry(filesystem->notifier, directory->id, name);
}

/* Who is about to open the name for writing finds a draft of its own (kubefs/opening.h). */
static gboolean find_own_draft(const struct request *request, struct layout_entry *ret)
{
	struct filesystem *filesystem = request->filesystem;
	struct place place PLACE_CLEANUP = {0};
	g_autofree char *directory = NULL;
	g_autofree char *name = NULL;

	if (!layout_holds_files(request->node) || openings_are_none(filesystem->openings))
		return FALSE;
	/* A key has two names. */
	if (request->node->key.kind == NODE_KEYS &&
		layout_object_place(filesystem, request->node, request->name, &place)) {
		directory = place_directory_of(&place, &name);
	} else {
		directory = place_directory(&request->node->key);
		name = g_strdup(request->name);
	}
	ret->key.local = openings_find(filesystem->openings, request->thread, directory, name);
	ret->key.kind = NODE_LOCAL;
	ret->found = ret->key.local != NULL;
	return ret->found;
}

int lookup_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct layout_entry entry LAYOUT_ENTRY_CLEANUP = {0};
	struct fuse_entry_param reply = {0};
	int r = find_own_draft(request, &entry) ? 0
						: layout_resolve(filesystem, request->node,
							  request->name, wait, data, &entry, error);

	if (r == 0 && entry.found)
		r = lookup_enter(filesystem, &entry, &reply, error);
	if (r < 0)
		return r;
	/* Without an inode the answer is a negative entry, which is cached as well. */
	if (!entry.found)
		reply.entry_timeout = entry.entry_timeout;
	if (fuse_reply_entry(request->fuse, &reply) < 0 && entry.found)
		node_table_forget(filesystem->nodes, reply.ino, 1);
	lookup_verify(filesystem, request->node, request->name, &entry);
	return 0;
}
