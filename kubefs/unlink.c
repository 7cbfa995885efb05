#include "kubefs/unlink.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/draft.h"
#include "kubefs/errand.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_place.h"
#include "kubefs/named.h"

/* What one request keeps from one run to the next. */
struct unlink {
	struct process *process; /* who asks; NULL: not known */
	struct errand *errand;
	struct snapshot *victim; /* what the errand is about */
	struct key_snapshot *value; /* likewise, of a key */
};

static void unlink_free(void *pointer)
{
	struct unlink *unlink = pointer;

	process_unref(unlink->process);
	errand_unref(unlink->errand);
	snapshot_unref(unlink->victim);
	key_snapshot_unref(unlink->value);
	g_free(unlink);
}

static struct unlink *unlink_of(struct request *request)
{
	struct unlink *unlink = request->state;

	if (unlink != NULL)
		return unlink;
	unlink = g_new0(struct unlink, 1);
	unlink->process = request_process(request);
	request->state_free = unlink_free;
	g_atomic_pointer_set(&request->state, unlink);
	return unlink;
}

gboolean unlink_interrupt(struct request *request, gboolean timed_out)
{
	struct unlink *unlink = g_atomic_pointer_get(&request->state);
	struct errand *errand = unlink != NULL ? g_atomic_pointer_get(&unlink->errand) : NULL;

	if (errand == NULL)
		return FALSE;
	if (timed_out || process_is_given_up(request->thread))
		errand_cancel(errand);
	return TRUE;
}

static int unlink_overlay(struct request *request, struct named *named)
{
	if (named->local != NULL && named->local->draft != NULL)
		draft_abandon(named->local->draft);
	overlay_remove(request->filesystem->overlay, named->directory, request->name, NULL);
	return request_reply_done(request);
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

/* What the process is still writing there is not saved any more. */
static void give_up_drafts(
	struct filesystem *filesystem, const struct process *process, const struct place *place)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = place_directory_of(place, &name);
	g_autoptr(GPtrArray) writers = overlay_writers(filesystem->overlay, directory, name);

	for (guint i = 0; i < writers->len; i++) {
		struct local *local = g_ptr_array_index(writers, i);

		if (draft_is_open_by(local->draft, process))
			draft_abandon(local->draft);
	}
}

/*
 * Who cannot be told from others could create the name again unnoticed, and what was to be an
 * update would have deleted the object. It waits for our answer: it is not gone.
 */
static int check_process(
	const struct request *request, const struct process *process, GError **error)
{
	if (request->thread == 0)
		return error_set(error, EOPNOTSUPP,
			"%s: cannot be removed from another pid namespace", request->name);
	if (process == NULL || !process_is_watched(process))
		return error_set(error, EAGAIN,
			"%s: not removed: too many processes use the mount to tell them apart",
			request->name);
	return 0;
}

static int unlink_object(struct request *request, struct named *named, collection_wait wait,
	void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct place *place = &named->place;
	struct unlink *unlink = unlink_of(request);
	struct errand *errand;
	int r;

	if (unlink->errand != NULL && strcmp(unlink->victim->uid, named->snapshot->uid) != 0)
		return error_set(error, EBUSY, "%s: was deleted meanwhile, and another one created",
			place->name);
	if (unlink->errand == NULL) {
		if (has_backup(filesystem, unlink->process, place)) {
			give_up_drafts(filesystem, unlink->process, place);
			return request_reply_done(request);
		}
		if (!filesystem->rmdir_namespaces &&
			walks_are_recent(filesystem->walks, unlink->process, place))
			return error_set(error, EPERM,
				"%s: not deleted for a program that has just listed what it is "
				"in; name it to rm, or mount with -o rmdir_namespaces",
				place->name);
		r = check_process(request, unlink->process, error);
		if (r < 0)
			return r;
		r = guard_check(
			filesystem->guard, place->context, place->resource, SOURCE_DELETE, error);
		if (r < 0)
			return r;
		unlink->victim = snapshot_ref(named->snapshot);
		errand = errand_create(filesystem);
		errand_delete(
			errand, place->context->cache, place->resource, named->snapshot, TRUE);
		g_atomic_pointer_set(&unlink->errand, errand);
	}
	r = errand_look(unlink->errand, wait, data, NULL, error);
	if (r < 0)
		return r;
	if (!removals_add(filesystem->removals, place, named->snapshot, unlink->process))
		return -ENODEV;
	return request_reply_done(request);
}

static int begin_key(struct request *request, struct named *named, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct unlink *unlink = unlink_of(request);
	struct errand *errand;
	int r = check_process(request, unlink->process, error);

	if (r == 0)
		r = key_place_check(&named->place, named->value, SOURCE_DELETE, error);
	if (r < 0)
		return r;
	unlink->value = key_snapshot_ref(named->value);
	errand = errand_create(filesystem);
	errand_delete_key(errand, filesystem->keyspace, named->value, TRUE);
	g_atomic_pointer_set(&unlink->errand, errand);
	return 0;
}

static int unlink_key(struct request *request, struct named *named, collection_wait wait,
	void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct unlink *unlink = unlink_of(request);
	int r;

	if (unlink->errand == NULL && has_backup(filesystem, unlink->process, &named->place)) {
		give_up_drafts(filesystem, unlink->process, &named->place);
		return request_reply_done(request);
	}
	r = unlink->errand == NULL ? begin_key(request, named, error) : 0;
	if (r == 0)
		r = errand_look(unlink->errand, wait, data, NULL, error);
	if (r < 0)
		return r;
	if (!removals_add_key(filesystem->removals, &named->place, unlink->value, unlink->process))
		return -ENODEV;
	key_directories_keep(filesystem, &request->node->key, FALSE);
	return request_reply_done(request);
}

int unlink_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct named named NAMED_CLEANUP = {0};
	int r = named_find(
		request->filesystem, request->node, request->name, wait, data, &named, error);

	if (r < 0)
		return r;
	if (named.local != NULL || named.rejected != NULL)
		return unlink_overlay(request, &named);
	if (named.snapshot != NULL)
		return unlink_object(request, &named, wait, data, error);
	if (named.value != NULL)
		return unlink_key(request, &named, wait, data, error);
	if (named.is_directory)
		return -EISDIR;
	if (named.is_place && named.place.kind == PLACE_KEY)
		return -ENOENT;
	return named.is_place && named.place.kind != PLACE_OBJECT ? -EPERM : -ENOENT;
}
