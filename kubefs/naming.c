#include "kubefs/naming.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/attributes.h"
#include "kubefs/backup.h"
#include "kubefs/draft.h"
#include "kubefs/errand.h"
#include "kubefs/filesystem.h"
#include "kubefs/layout.h"
#include "kubefs/lookup.h"
#include "kubefs/rejection.h"

/* What a name in a directory stands for. */
struct named {
	char *directory; /* kubefs/place.h */
	struct local *local; /* a scratch file, or a draft of what is not there yet */
	struct rejected *rejected;
	struct snapshot *snapshot; /* an object */
	gboolean is_place; /* place is set: the name can be an object's */
	struct place place;
};

/* What UNLINK and RENAME keep from one run to the next. */
struct work {
	struct errand *errand; /* of UNLINK */
	struct snapshot *victim; /* of UNLINK: what the errand is about */
	struct local *draft; /* of RENAME: what is saved */
	struct local *from; /* the scratch file that it was, or NULL: a refused text */
	struct local *ghost; /* a draft under the new name of what was not there, or NULL */
	struct local *old; /* of RENAME_EXCHANGE: a copy of what it replaces */
	uint64_t generation;
	struct process *process; /* who asks */
};

static void named_finish(struct named *named)
{
	g_free(named->directory);
	local_unref(named->local);
	rejected_unref(named->rejected);
	snapshot_unref(named->snapshot);
	place_finish(&named->place);
}

#define NAMED_CLEANUP __attribute__((cleanup(named_finish)))

/* 0 with *ret filled, which may say that nothing is there; or a negative errno. */
static int find_named(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct named *ret, GError **error)
{
	struct overlay_entry entry = {0};
	int r;

	if (!layout_holds_files(directory))
		return error_set(error, EPERM, "%s: cannot be removed or renamed", name);
	if (directory->key.context->read_only)
		return -EROFS;
	ret->directory = place_directory(&directory->key);
	if (overlay_find(filesystem->overlay, ret->directory, name, &entry)) {
		ret->local = entry.local;
		ret->rejected = entry.rejected;
		if (ret->local == NULL)
			return 0;
	}
	ret->is_place = layout_object_place(directory, name, &ret->place);
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

static void work_free(void *pointer)
{
	struct work *work = pointer;

	errand_unref(work->errand);
	snapshot_unref(work->victim);
	local_unref(work->draft);
	local_unref(work->from);
	local_unref(work->ghost);
	local_unref(work->old);
	process_unref(work->process);
	g_free(work);
}

static struct work *work_of(struct request *request)
{
	struct work *work = request->state;
	pid_t group;

	if (work != NULL)
		return work;
	work = g_new0(struct work, 1);
	group = process_group(request->thread);
	if (group != 0)
		work->process = processes_get(request->filesystem->processes, group);
	request->state_free = work_free;
	g_atomic_pointer_set(&request->state, work);
	return work;
}

gboolean naming_interrupt(struct request *request, gboolean timed_out)
{
	struct work *work = g_atomic_pointer_get(&request->state);
	struct errand *errand = work != NULL ? g_atomic_pointer_get(&work->errand) : NULL;
	struct local *draft = work != NULL ? g_atomic_pointer_get(&work->draft) : NULL;

	if (errand == NULL && draft == NULL)
		return FALSE;
	if (!timed_out && !process_is_given_up(request->thread))
		return TRUE;
	if (errand != NULL)
		errand_cancel(errand);
	if (draft != NULL)
		draft_cancel(draft->draft);
	return TRUE;
}

static int done(struct request *request)
{
	fuse_reply_err(request->fuse, 0);
	return 0;
}

/* UNLINK */

static int unlink_overlay(struct request *request, struct named *named)
{
	if (named->local != NULL && named->local->draft != NULL)
		draft_abandon(named->local->draft);
	overlay_remove(request->filesystem->overlay, named->directory, request->name, NULL);
	return done(request);
}

/* Whether the process has moved the object aside: what it unlinks is its own failed save. */
static gboolean has_backup(
	struct filesystem *filesystem, const struct process *process, const struct place *place)
{
	g_autofree char *directory = NULL;
	g_autofree char *name = NULL;
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

	return backups_find(filesystem->backups, process, place, &directory, &name) &&
	       overlay_find(filesystem->overlay, directory, name, &entry);
}

static int unlink_object(struct request *request, struct named *named, collection_wait wait,
	void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct place *place = &named->place;
	struct work *work = work_of(request);
	struct errand *errand;
	int r;

	if (work->errand != NULL && strcmp(work->victim->uid, named->snapshot->uid) != 0)
		return error_set(error, EBUSY, "%s: was deleted meanwhile, and another one created",
			place->name);
	if (work->errand == NULL) {
		if (has_backup(filesystem, work->process, place))
			return done(request);
		if (!filesystem->rmdir_namespaces &&
			walks_are_recent(filesystem->walks, work->process, place))
			return error_set(error, EPERM,
				"%s: not deleted for a program that has just listed what it is "
				"in; name it to rm, or mount with -o rmdir_namespaces",
				place->name);
		r = guard_check(
			filesystem->guard, place->context, place->resource, SOURCE_DELETE, error);
		if (r < 0)
			return r;
		work->victim = snapshot_ref(named->snapshot);
		errand = errand_create(filesystem);
		errand_delete(
			errand, place->context->cache, place->resource, named->snapshot, TRUE);
		g_atomic_pointer_set(&work->errand, errand);
	}
	r = errand_look(work->errand, wait, data, NULL, error);
	if (r < 0)
		return r;
	if (!removals_add(filesystem->removals, place, named->snapshot, work->process))
		return -ENODEV;
	return done(request);
}

int naming_unlink_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct named named NAMED_CLEANUP = {0};
	int r = find_named(
		request->filesystem, request->node, request->name, wait, data, &named, error);

	if (r < 0)
		return r;
	if (named.local != NULL || named.rejected != NULL)
		return unlink_overlay(request, &named);
	if (named.snapshot != NULL)
		return unlink_object(request, &named, wait, data, error);
	return named.is_place && named.place.kind != PLACE_OBJECT ? -EPERM : -ENOENT;
}

/* RENAME */

/* The bytes of what is there; g_bytes_unref. */
static GBytes *text_of(const struct named *named)
{
	if (named->local != NULL)
		return local_bytes(named->local);
	if (named->rejected != NULL)
		return g_bytes_ref(named->rejected->text);
	return NULL;
}

static int object_text(const struct named *named, GBytes **ret, GError **error)
{
	const struct snapshot *snapshot = named->snapshot;

	if (named->place.format == NODE_JSON)
		return snapshot_json(snapshot, ret, error);
	*ret = g_bytes_new(snapshot->yaml, snapshot->yaml_length);
	return 0;
}

/* A scratch file with a copy of the object or of the refused text. */
static struct local *make_copy(
	struct filesystem *filesystem, const struct named *from, GError **error)
{
	g_autoptr(GBytes) text = NULL;
	const struct place *place = from->rejected != NULL ? &from->rejected->place : &from->place;
	struct local *local;
	int r = 0;

	if (from->rejected != NULL)
		text = g_bytes_ref(from->rejected->text);
	else
		r = object_text(from, &text, error);
	if (r < 0)
		return NULL;
	local = local_create(&filesystem->usage, attributes_mode_of_draft(place->resource),
		attributes_mode_of_draft(place->resource));
	if (local != NULL)
		r = local_fill(local, g_bytes_get_data(text, NULL), g_bytes_get_size(text));
	if (local == NULL || r < 0) {
		error_set(error, ENOSPC, "no room for a backup");
		return local_unref(local);
	}
	return local;
}

/* The kernel believes that the old name is gone and the new one is the old inode. */
static void tell_both(struct request *request)
{
	struct notifier *notifier = request->filesystem->notifier;

	notifier_entry(notifier, request->node->id, request->name);
	notifier_entry(notifier, request->target->id, request->target_name);
	notifier_listing(notifier, request->node->id);
	if (request->target != request->node)
		notifier_listing(notifier, request->target->id);
}

/*
 * The kernel gives the new name the old inode. Were the old name to get that one again, renaming
 * back would be between two names of one file, which does nothing (rename(2)).
 */
static void renew(struct filesystem *filesystem, const struct named *from)
{
	const struct place *place = &from->place;
	const struct node_key rejected = {.kind = NODE_REJECTED, .rejected = from->rejected};
	const struct node_key object = {
		.kind = NODE_OBJECT,
		.format = place->format,
		.context = place->context,
		.resource = place->resource,
		.snapshot = from->snapshot,
	};

	node_table_renew(filesystem->nodes, from->rejected != NULL ? &rejected : &object);
}

/* An object, or a refused text, is moved aside: its name stays, the new one is a copy. */
static int back_up(
	struct request *request, struct named *from, const struct named *to, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	const struct place *place = from->rejected != NULL ? &from->rejected->place : &from->place;
	struct local *copy = make_copy(filesystem, from, error);
	int r;

	if (copy == NULL)
		return -ENOSPC;
	overlay_put(filesystem->overlay, to->directory, request->target_name, copy);
	renew(filesystem, from);
	backups_add(filesystem->backups, work_of(request)->process, place, to->directory,
		request->target_name);
	local_unref(copy);
	r = done(request);
	tell_both(request);
	return r;
}

/* Where a rename would save to: an object's name, or that of its refused text. */
static const struct place *saves_to(const struct named *to)
{
	if (to->rejected != NULL)
		return &to->rejected->place;
	return to->is_place ? &to->place : NULL;
}

/* What the same process has just unlinked is not created, but updated, and not deleted (tar). */
static gboolean is_to_be_created(struct request *request, const struct named *to)
{
	if (to->rejected != NULL || to->snapshot != NULL || to->place.kind != PLACE_OBJECT)
		return FALSE;
	return !removals_take(request->filesystem->removals, &to->place, work_of(request)->process);
}

static struct local *begin_save(
	struct request *request, struct named *from, const struct named *to, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	const struct place *place = saves_to(to);
	g_autoptr(GBytes) text = text_of(from);
	gboolean is_new = is_to_be_created(request, to);
	size_t length;
	const char *bytes = g_bytes_get_data(text, &length);
	struct local *draft;

	if (guard_check(filesystem->guard, place->context, place->resource,
		    is_new ? SOURCE_CREATE : SOURCE_UPDATE, error) < 0)
		return NULL;
	if (from->local != NULL && local_is_spoiled(from->local)) {
		error_set(error, ENOSPC, "%s: incomplete: something that was written had no room",
			request->name);
		return NULL;
	}
	if (length == 0) {
		error_set(error, EINVAL, "%s: empty: nothing never replaces an object",
			request->name);
		return NULL;
	}
	draft = draft_create(filesystem, place, to->snapshot != NULL ? to->snapshot->uid : NULL, "",
		0, is_new && (request->flags & RENAME_NOREPLACE) != 0, error);
	if (draft == NULL)
		return NULL;
	draft->draft->tells_later = TRUE;
	if (local_write(draft, bytes, length, 0) < 0) {
		error_set(error, EFBIG, "%s: too large for an object", request->name);
		return local_unref(draft);
	}
	return draft;
}

/* After the save: the names are what they should be. */
static void finish_rename(struct request *request, const struct work *work)
{
	struct overlay *overlay = request->filesystem->overlay;
	g_autofree char *directory = place_directory(&request->node->key);

	if (work->old != NULL)
		overlay_put(overlay, directory, request->name, work->old);
	else
		overlay_remove(overlay, directory, request->name, work->from);
	if (work->ghost != NULL) {
		g_autofree char *target = place_directory(&request->target->key);

		draft_abandon(work->ghost->draft);
		overlay_remove(overlay, target, request->target_name, work->ghost);
	}
}

/* From the second run on: what the names stood for is what the first one found. */
static int continue_save(
	struct request *request, struct work *work, collection_wait wait, void *data)
{
	int r = draft_save(work->draft->draft, work->process, work->generation, wait, data);

	if (r < 0)
		return r;
	finish_rename(request, work);
	r = done(request);
	tell_both(request);
	return r;
}

/* The program that renames is likely to remove its temporary file when that fails. */
static gboolean keep_text(struct request *request, const struct named *from, const struct named *to,
	const GError *error)
{
	g_autoptr(GBytes) text = text_of(from);
	size_t length = g_bytes_get_size(text);

	/* One that is far too large for an object would push out all others. */
	if (from->rejected != NULL || length == 0 || length > OVERLAY_REJECTED_BYTES_MAX / 4)
		return FALSE;
	rejection_keep(request->filesystem, saves_to(to), text, work_of(request)->process,
		error->code, error->message, NULL);
	return TRUE;
}

static int save_over(struct request *request, struct named *from, struct named *to,
	collection_wait wait, void *data, GError **error)
{
	struct work *work = work_of(request);
	struct local *draft;

	if ((request->flags & RENAME_EXCHANGE) != 0 && to->snapshot == NULL)
		return -EINVAL;
	if ((request->flags & RENAME_EXCHANGE) != 0) {
		work->old = make_copy(request->filesystem, to, error);
		if (work->old == NULL)
			return -ENOSPC;
	}
	work->from = from->local != NULL ? local_ref(from->local) : NULL;
	work->ghost = to->local != NULL ? local_ref(to->local) : NULL;
	draft = begin_save(request, from, to, error);
	if (draft == NULL) {
		int errnum = (*error)->code;

		/* Which notes the reason, too. */
		if (keep_text(request, from, to, *error))
			g_clear_error(error);
		return -errnum;
	}
	draft_is_dirty(draft->draft, &work->generation);
	g_atomic_pointer_set(&work->draft, draft);
	return continue_save(request, work, wait, data);
}

/* Among scratch files. */
static int move_local(struct request *request, struct named *from, struct named *to)
{
	struct overlay *overlay = request->filesystem->overlay;

	overlay_put(overlay, to->directory, request->target_name, from->local);
	if ((request->flags & RENAME_EXCHANGE) != 0)
		overlay_put(overlay, from->directory, request->name, to->local);
	else
		overlay_remove(overlay, from->directory, request->name, from->local);
	return done(request);
}

static int check_flags(const struct request *request, const struct named *to)
{
	gboolean there = to->local != NULL || to->rejected != NULL || to->snapshot != NULL;

	if ((request->flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0)
		return -EINVAL;
	if ((request->flags & RENAME_NOREPLACE) != 0 && there)
		return -EEXIST;
	if ((request->flags & RENAME_EXCHANGE) != 0 && !there)
		return -ENOENT;
	return 0;
}

static int rename_named(struct request *request, struct named *from, struct named *to,
	collection_wait wait, void *data, GError **error)
{
	gboolean moves = from->snapshot != NULL || from->rejected != NULL;
	gboolean exchange = (request->flags & RENAME_EXCHANGE) != 0;

	if (from->local == NULL && !moves)
		return -ENOENT;
	/* mv copies and deletes then: a copy has its own uid. */
	if (from->snapshot != NULL && saves_to(to) != NULL)
		return -EXDEV;
	if (from->local != NULL && from->local->draft != NULL)
		return -EXDEV;
	if (moves && exchange)
		return -EINVAL;
	if (saves_to(to) != NULL)
		return save_over(request, from, to, wait, data, error);
	if (!moves)
		return move_local(request, from, to);
	if (request->target != request->node)
		return -EXDEV;
	return back_up(request, from, to, error);
}

int naming_rename_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct named from NAMED_CLEANUP = {0};
	struct named to NAMED_CLEANUP = {0};
	struct work *work = request->state;
	int r;

	if (work != NULL && work->draft != NULL)
		return continue_save(request, work, wait, data);
	r = find_named(filesystem, request->node, request->name, wait, data, &from, error);
	if (r == 0)
		r = find_named(
			filesystem, request->target, request->target_name, wait, data, &to, error);
	if (r == 0)
		r = check_flags(request, &to);
	if (r < 0)
		return r;
	return rename_named(request, &from, &to, wait, data, error);
}

/* LINK and SYMLINK */

static int reply_local(struct request *request, struct local *local)
{
	struct filesystem *filesystem = request->filesystem;
	const struct layout_entry entry = {
		.found = TRUE, .key = {.kind = NODE_LOCAL, .local = local}};
	struct fuse_entry_param parameters;
	int r = lookup_enter(filesystem, &entry, &parameters, NULL);

	if (r < 0)
		return r;
	if (fuse_reply_entry(request->fuse, &parameters) < 0)
		node_table_forget(filesystem->nodes, parameters.ino, 1);
	return 0;
}

/* A new name of a scratch file can only be another scratch file's. */
static int check_new_name(struct request *request, const struct node *directory, const char *name,
	char **ret_directory, GError **error)
{
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};
	struct place place PLACE_CLEANUP = {0};

	if (!layout_holds_files(directory))
		return error_set(error, EPERM, "%s: no link can be made here", name);
	if (directory->key.context->read_only)
		return -EROFS;
	if (layout_object_place(directory, name, &place) && !layout_is_scratch_name(name))
		return error_set(error, EPERM, "%s: an object cannot be a link", name);
	*ret_directory = place_directory(&directory->key);
	if (overlay_find(request->filesystem->overlay, *ret_directory, name, &entry))
		return -EEXIST;
	return 0;
}

int naming_link_run(struct request *request, collection_wait wait, void *data, GError **error)
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
		local = make_copy(filesystem, &named, error);
	} else {
		return -EPERM;
	}
	if (local == NULL)
		return -ENOSPC;
	overlay_put(filesystem->overlay, directory, request->target_name, local);
	r = reply_local(request, local);
	local_unref(local);
	return r;
}

int naming_symlink_run(struct request *request, collection_wait wait, void *data, GError **error)
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
	r = reply_local(request, local);
	local_unref(local);
	return r;
}
