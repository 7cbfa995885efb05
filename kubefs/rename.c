#include "kubefs/rename.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>

#include "client/error.h"
#include "client/lock.h"
#include "kubefs/draft.h"
#include "kubefs/errand.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_guard.h"
#include "kubefs/key_place.h"
#include "kubefs/named.h"
#include "kubefs/rejection.h"

/* What one request keeps from one run to the next. */
struct rename {
	struct process *process; /* who asks; NULL: not known */
	struct local *draft; /* what is saved; NULL: nothing yet */
	struct local *from; /* the scratch file that it was, or NULL: a refused text */
	struct local *ghost; /* a draft under the new name of what was not there, or NULL */
	struct local *old; /* of RENAME_EXCHANGE: a copy of what it replaces */
	uint64_t generation;
	struct errand *errand; /* a key that becomes another one */
	GBytes *moved; /* that key */
	GBytes *target; /* the other one */
	struct node *renewed; /* its node, or NULL */
	gboolean was_read; /* the process has read the target before */
};

static void rename_free(void *pointer)
{
	struct rename *rename = pointer;

	process_unref(rename->process);
	local_unref(rename->draft);
	local_unref(rename->from);
	local_unref(rename->ghost);
	local_unref(rename->old);
	errand_unref(rename->errand);
	node_unref(rename->renewed);
	g_clear_pointer(&rename->moved, g_bytes_unref);
	g_clear_pointer(&rename->target, g_bytes_unref);
	g_free(rename);
}

static struct rename *rename_of(struct request *request)
{
	struct rename *rename = request->state;

	if (rename != NULL)
		return rename;
	rename = g_new0(struct rename, 1);
	rename->process = request_process(request);
	request->state_free = rename_free;
	g_atomic_pointer_set(&request->state, rename);
	return rename;
}

gboolean rename_interrupt(struct request *request, gboolean timed_out)
{
	struct rename *rename = g_atomic_pointer_get(&request->state);
	struct local *draft = rename != NULL ? g_atomic_pointer_get(&rename->draft) : NULL;

	/* A transaction is on the wire at once. */
	if (rename != NULL && g_atomic_pointer_get(&rename->errand) != NULL)
		return TRUE;
	if (draft == NULL)
		return FALSE;
	if (timed_out || process_is_given_up(request->thread))
		draft_cancel(draft->draft);
	return TRUE;
}

/* The bytes of what is there; g_bytes_unref. */
static GBytes *text_of(const struct named *named)
{
	if (named->local != NULL)
		return local_bytes(named->local);
	if (named->rejected != NULL)
		return g_bytes_ref(named->rejected->text);
	return NULL;
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
 * back would be between two names of one file, which does nothing (rename(2)). Returns the node
 * that it was.
 */
static struct node *renew(struct filesystem *filesystem, const struct named *from)
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

	const struct node_key key = {.kind = NODE_KEY, .value = from->value};

	if (from->value != NULL)
		return node_table_renew(filesystem->nodes, &key);
	return node_table_renew(filesystem->nodes, from->rejected != NULL ? &rejected : &object);
}

/* An object, or a refused text, is moved aside: its name stays, the new one is a copy. */
static int back_up(
	struct request *request, struct named *from, const struct named *to, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct local *copy = named_copy(filesystem, from, error);
	int r;

	if (copy == NULL)
		return -ENOSPC;
	overlay_put(filesystem->overlay, to->directory, request->target_name, copy);
	node_unref(renew(filesystem, from));
	/* A refused text that is moved back is tried again. */
	if (from->rejected == NULL)
		backups_add(filesystem->backups, rename_of(request)->process, &from->place,
			to->directory, request->target_name);
	local_unref(copy);
	r = request_reply_done(request);
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

/* Of a key: what is there, or what the same process has just unlinked. A reference or NULL. */
static struct key_snapshot *take_key(struct request *request, const struct named *to)
{
	struct key_snapshot *value = NULL;

	if (to->value != NULL)
		return key_snapshot_ref(to->value);
	removals_take_key(
		request->filesystem->removals, &to->place, rename_of(request)->process, &value);
	return value;
}

/* What the same process has just unlinked is not created, but updated, and not deleted (tar). */
static gboolean is_to_be_created(struct request *request, const struct named *to)
{
	if (to->rejected != NULL || to->snapshot != NULL || to->place.kind != PLACE_OBJECT)
		return FALSE;
	return !removals_take(
		request->filesystem->removals, &to->place, rename_of(request)->process);
}

static gboolean is_unchanged(struct local *local)
{
	LOCK_GUARD(&local->lock);

	return local->generation == 0;
}

/*
 * The process puts back what it moved aside, as vim does after a save that failed: that is nothing
 * new, and does not bring back what others have deleted meanwhile.
 */
static gboolean puts_back_what_is_gone(
	struct request *request, const struct named *from, const struct named *to)
{
	return to->snapshot == NULL && to->value == NULL && to->rejected == NULL &&
	       (to->place.kind == PLACE_OBJECT || to->place.kind == PLACE_KEY) &&
	       from->local != NULL && is_unchanged(from->local) &&
	       backups_is_one(request->filesystem->backups, rename_of(request)->process, &to->place,
		       from->directory, request->name);
}

static int check_save(struct request *request, const struct place *place,
	const struct key_snapshot *value, gboolean is_new, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	const enum source_verb verb = is_new ? SOURCE_CREATE : SOURCE_UPDATE;

	if (place->kind == PLACE_KEY)
		return key_guard_check(filesystem, place->key, value, verb, error);
	return guard_check(filesystem->guard, place->context, place->resource, verb, error);
}

static struct local *begin_save(
	struct request *request, struct named *from, const struct named *to, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	const struct place *place = saves_to(to);
	const gboolean is_key = place->kind == PLACE_KEY;
	struct key_snapshot *value KEY_SNAPSHOT_CLEANUP = NULL;
	g_autoptr(GBytes) text = text_of(from);
	size_t length;
	const char *bytes = g_bytes_get_data(text, &length);
	struct local *draft;
	gboolean is_new;

	if (puts_back_what_is_gone(request, from, to)) {
		error_set(error, EBUSY, "%s: was deleted by somebody else meanwhile",
			request->target_name);
		return NULL;
	}
	value = is_key ? take_key(request, to) : NULL;
	is_new = is_key ? value == NULL : is_to_be_created(request, to);
	if (check_save(request, place, value, is_new, error) < 0)
		return NULL;
	if (from->local != NULL && local_is_spoiled(from->local)) {
		error_set(error, ENOSPC, "%s: incomplete: something that was written had no room",
			request->name);
		return NULL;
	}
	if (length == 0 && !is_key) {
		error_set(error, EINVAL, "%s: empty: nothing never replaces an object",
			request->name);
		return NULL;
	}
	draft = draft_create(filesystem, place, to->snapshot != NULL ? to->snapshot->uid : NULL, "",
		0, is_new && (request->flags & RENAME_NOREPLACE) != 0, error);
	if (draft == NULL)
		return NULL;
	draft->draft->tells_later = TRUE;
	if (is_key)
		draft_set_base(draft->draft, to->rejected != NULL ? 0 : request->thread, value);
	if (length == 0)
		local_truncate(draft, 0);
	else if (local_write(draft, bytes, length, 0) < 0) {
		error_set(error, EFBIG, "%s: too large for an object or a key", request->name);
		return local_unref(draft);
	}
	return draft;
}

/* After the save: the names are what they should be. */
static void finish_rename(struct request *request, const struct rename *rename)
{
	struct overlay *overlay = request->filesystem->overlay;
	g_autofree char *directory = place_directory(&request->node->key);

	if (rename->old != NULL)
		overlay_put(overlay, directory, request->name, rename->old);
	else
		overlay_remove(overlay, directory, request->name, rename->from);
	if (rename->ghost != NULL) {
		g_autofree char *target = place_directory(&request->target->key);

		draft_abandon(rename->ghost->draft);
		overlay_remove(overlay, target, request->target_name, rename->ghost);
	}
}

/* From the second run on: what the names stood for is what the first one found. */
static int continue_save(
	struct request *request, struct rename *rename, collection_wait wait, void *data)
{
	int r = draft_save(rename->draft->draft, rename->process, rename->generation, wait, data);

	if (r < 0)
		return r;
	finish_rename(request, rename);
	r = request_reply_done(request);
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
	rejection_keep(request->filesystem, saves_to(to), text, rename_of(request)->process,
		error->code, error->message, NULL);
	return TRUE;
}

/* Of a key, which need not be asked about: a copy of it is put back, and nothing has changed. */
static gboolean puts_back_key(
	struct request *request, const struct named *from, const struct named *to)
{
	return to->value != NULL && to->rejected == NULL && from->local != NULL &&
	       is_unchanged(from->local) &&
	       backups_is_one(request->filesystem->backups, rename_of(request)->process, &to->place,
		       from->directory, request->name);
}

static int save_over(struct request *request, struct named *from, struct named *to,
	collection_wait wait, void *data, GError **error)
{
	struct rename *rename = rename_of(request);
	struct local *draft;
	int r;

	if ((request->flags & RENAME_EXCHANGE) != 0 && to->snapshot == NULL)
		return -EINVAL;
	if ((request->flags & RENAME_EXCHANGE) != 0) {
		rename->old = named_copy(request->filesystem, to, error);
		if (rename->old == NULL)
			return -ENOSPC;
	}
	rename->from = from->local != NULL ? local_ref(from->local) : NULL;
	rename->ghost = to->local != NULL ? local_ref(to->local) : NULL;
	if (puts_back_key(request, from, to)) {
		finish_rename(request, rename);
		r = request_reply_done(request);
		tell_both(request);
		return r;
	}
	draft = begin_save(request, from, to, error);
	if (draft == NULL) {
		int errnum = (*error)->code;

		/* Which notes the reason, too. */
		if (keep_text(request, from, to, *error))
			g_clear_error(error);
		return -errnum;
	}
	draft_is_dirty(draft->draft, &rename->generation);
	g_atomic_pointer_set(&rename->draft, draft);
	return continue_save(request, rename, wait, data);
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
	return request_reply_done(request);
}

static int check_flags(const struct request *request, const struct named *to)
{
	gboolean there = to->local != NULL || to->rejected != NULL || to->snapshot != NULL ||
			 to->value != NULL || to->is_directory;

	if ((request->flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0)
		return -EINVAL;
	if ((request->flags & RENAME_NOREPLACE) != 0 && there)
		return -EEXIST;
	if ((request->flags & RENAME_EXCHANGE) != 0 && !there)
		return -ENOENT;
	return 0;
}

/* A key that becomes another one, in one transaction. */

/* What is replaced is the version that the process has read, if it has; else the one that is there.
 */
static void set_target(
	struct request *request, GBytes *key, struct key_snapshot *value, struct key_edit *ret)
{
	struct rename *rename = rename_of(request);
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);
	int64_t reading = key_readings_find(
		request->filesystem->readings, process_get_group(rename->process), bytes, length);

	*ret = (struct key_edit){.key = key};
	rename->target = g_bytes_ref(key);
	if (value == NULL)
		return;
	ret->revision = reading != 0 ? reading : value->mod_revision;
	ret->base = ret->revision == value->mod_revision ? value : NULL;
	rename->was_read = reading != 0;
}

/* It knows what became of both: what it saves next is held to that. */
static void note_move(struct request *request, struct rename *rename)
{
	struct key_readings *readings = request->filesystem->readings;
	const pid_t group = process_get_group(rename->process);
	const int64_t revision = errand_revision(rename->errand);
	size_t length;
	const char *bytes = g_bytes_get_data(rename->moved, &length);

	key_readings_forget(readings, group, bytes, length);
	if (rename->renewed != NULL)
		node_table_move(request->filesystem->nodes, rename->renewed, rename->target);
	if (!rename->was_read || revision == 0)
		return;
	bytes = g_bytes_get_data(rename->target, &length);
	key_readings_note(readings, group, bytes, length, revision);
}

static int begin_move(
	struct request *request, struct named *from, const struct named *to, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct key_snapshot *value KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_edit edit;
	struct errand *errand;
	int r = key_place_check(&from->place, from->value, SOURCE_DELETE, error);

	if (r < 0)
		return r;
	value = take_key(request, to);
	r = key_place_check(&to->place, value != NULL ? value : from->value,
		value != NULL ? SOURCE_UPDATE : SOURCE_CREATE, error);
	if (r < 0)
		return r;
	set_target(request, to->place.key, value, &edit);
	rename_of(request)->moved = g_bytes_ref(from->place.key);
	rename_of(request)->ghost = to->local != NULL ? local_ref(to->local) : NULL;
	errand = errand_create(filesystem);
	errand_move_key(errand, filesystem->keyspace, from->value, &edit,
		(request->flags & RENAME_NOREPLACE) != 0);
	rename_of(request)->renewed = renew(filesystem, from);
	g_atomic_pointer_set(&rename_of(request)->errand, errand);
	return 0;
}

static int continue_move(struct request *request, struct rename *rename, collection_wait wait,
	void *data, GError **error)
{
	int r = errand_look(rename->errand, wait, data, NULL, error);

	if (r < 0)
		return r;
	note_move(request, rename);
	key_directories_keep(request->filesystem, &request->node->key, FALSE);
	key_directories_appeared(request->filesystem, &request->target->key);
	finish_rename(request, rename);
	r = request_reply_done(request);
	tell_both(request);
	return r;
}

static int move_key(struct request *request, struct named *from, const struct named *to,
	collection_wait wait, void *data, GError **error)
{
	int r;

	if ((request->flags & RENAME_EXCHANGE) != 0)
		return -EINVAL;
	/* Two names of one key (rename(2)). */
	if (g_bytes_equal(from->place.key, to->place.key))
		return request_reply_done(request);
	r = begin_move(request, from, to, error);
	return r < 0 ? r : continue_move(request, rename_of(request), wait, data, error);
}

static int rename_named(struct request *request, struct named *from, struct named *to,
	collection_wait wait, void *data, GError **error)
{
	gboolean moves = from->snapshot != NULL || from->value != NULL || from->rejected != NULL;
	gboolean exchange = (request->flags & RENAME_EXCHANGE) != 0;

	/* mv goes through what is in it then, key by key. */
	if (from->is_directory || to->is_directory)
		return -EXDEV;
	if (from->local == NULL && !moves)
		return -ENOENT;
	if (from->value != NULL && to->rejected == NULL && to->is_place &&
		to->place.kind == PLACE_KEY)
		return move_key(request, from, to, wait, data, error);
	/* mv copies and deletes then: a copy has its own uid. */
	if ((from->snapshot != NULL || from->value != NULL) && saves_to(to) != NULL)
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

int rename_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct named from NAMED_CLEANUP = {0};
	struct named to NAMED_CLEANUP = {0};
	struct rename *rename = request->state;
	int r;

	if (strlen(request->target_name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (rename != NULL && rename->errand != NULL)
		return continue_move(request, rename, wait, data, error);
	if (rename != NULL && rename->draft != NULL)
		return continue_save(request, rename, wait, data);
	r = named_find(filesystem, request->node, request->name, wait, data, &from, error);
	if (r == 0)
		r = named_find(
			filesystem, request->target, request->target_name, wait, data, &to, error);
	if (r == 0)
		r = check_flags(request, &to);
	if (r < 0)
		return r;
	return rename_named(request, &from, &to, wait, data, error);
}
