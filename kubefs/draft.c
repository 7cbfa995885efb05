#include "kubefs/draft.h"

#include <errno.h>
#include <string.h>

#include "cache/manifest.h"
#include "client/error.h"
#include "client/lock.h"
#include "kubefs/attributes.h"
#include "kubefs/filesystem.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_guard.h"
#include "kubefs/key_layout.h"
#include "kubefs/rejection.h"

/* A lane that a parked request blocks delays the answer of a save no longer than this. */
#define SETTLE_MS 2000

struct local *draft_create(struct filesystem *filesystem, const struct place *place,
	const char *uid, const char *text, size_t length, gboolean exclusive, GError **error)
{
	struct local *local =
		local_create_reserved(&filesystem->usage, attributes_mode_of_draft(place->resource),
			place->kind == PLACE_KEY ? DRAFT_VALUE_MAX : MANIFEST_TEXT_MAX,
			attributes_inode_of_draft(filesystem, place));
	struct draft *draft;
	int r;

	if (local == NULL) {
		error_set(error, ENOSPC, "too many files are being written");
		return NULL;
	}
	draft = g_new0(struct draft, 1);
	draft->filesystem = filesystem;
	draft->local = local;
	place_copy(&draft->place, place);
	draft->uid = g_strdup(uid);
	draft->exclusive = exclusive;
	draft->waiters = g_array_new(FALSE, FALSE, sizeof(struct draft_waiter));
	draft->openers = g_ptr_array_new();
	local->draft = draft;
	r = local_fill(local, text, length);
	if (r < 0) {
		error_set(error, -r, "%s: no room for a draft", place->name);
		return local_unref(local);
	}
	return local;
}

static int64_t find_reading(const struct draft *draft)
{
	size_t length;
	const char *key = g_bytes_get_data(draft->place.key, &length);

	return key_readings_find(draft->filesystem->readings, draft->group, key, length);
}

/* What a later save of the same process compares with. */
static void note_reading(const struct draft *draft, int64_t revision)
{
	size_t length;
	const char *key = g_bytes_get_data(draft->place.key, &length);

	key_readings_note(draft->filesystem->readings, draft->group, key, length, revision);
}

void draft_set_base(struct draft *draft, pid_t thread, struct key_snapshot *shown)
{
	int64_t reading;

	draft->group = process_group(thread);
	reading = find_reading(draft);
	if (shown != NULL && (reading == 0 || reading == shown->mod_revision)) {
		draft->revision = shown->mod_revision;
		draft->base = key_snapshot_ref(shown);
	} else {
		draft->revision = reading;
		draft->was_deleted = shown == NULL && reading != 0;
	}
}

void draft_set_shown(struct draft *draft, struct key_snapshot *shown)
{
	draft->shown = key_snapshot_ref(shown);
}

void draft_read(struct draft *draft)
{
	struct key_snapshot *shown KEY_SNAPSHOT_CLEANUP = NULL;

	pthread_mutex_lock(&draft->local->lock);
	/* Then no save has begun, which would be using them. */
	if (draft->local->generation == 0 && draft->shown != NULL) {
		shown = g_steal_pointer(&draft->shown);
		key_snapshot_unref(draft->base);
		draft->base = key_snapshot_ref(shown);
		draft->revision = shown->mod_revision;
	}
	pthread_mutex_unlock(&draft->local->lock);
	if (shown != NULL)
		note_reading(draft, shown->mod_revision);
}

void draft_free(struct draft *draft)
{
	if (draft == NULL)
		return;
	place_finish(&draft->place);
	process_unref(draft->writer);
	process_unref(draft->rest_writer);
	process_unref(draft->refused_writer);
	g_free(draft->refused_reason);
	g_clear_pointer(&draft->refused_text, g_bytes_unref);
	g_free(draft->uid);
	commit_unref(draft->commit);
	key_snapshot_unref(draft->base);
	key_snapshot_unref(draft->shown);
	g_clear_pointer(&draft->sent, g_bytes_unref);
	g_array_unref(draft->waiters);
	g_ptr_array_unref(draft->openers);
	g_free(draft);
}

void draft_written_by(struct draft *draft, pid_t thread)
{
	LOCK_GUARD(&draft->local->lock);

	if (draft->threads[draft->last_thread] == thread)
		return;
	draft->last_thread = (draft->last_thread + 1) % DRAFT_THREADS;
	draft->threads[draft->last_thread] = thread;
}

gboolean draft_was_written_by(struct draft *draft, pid_t thread)
{
	LOCK_GUARD(&draft->local->lock);

	for (guint i = 0; i < DRAFT_THREADS; i++)
		if (draft->threads[i] == thread)
			return TRUE;
	return FALSE;
}

gboolean draft_is_dirty(struct draft *draft, uint64_t *ret_generation)
{
	LOCK_GUARD(&draft->local->lock);

	*ret_generation = draft->local->generation;
	return draft->local->generation > draft->attempted && !draft->abandoned;
}

void draft_mean_empty(struct draft *draft, uint64_t *ret_generation)
{
	LOCK_GUARD(&draft->local->lock);

	if (draft->place.kind == PLACE_KEY && draft->local->generation == 0 &&
		draft->local->content.length == 0 && draft->revision == 0)
		draft->local->generation++;
	*ret_generation = draft->local->generation;
}

/* What was refused while another generation was under way. */
static void keep_refused(struct draft *draft)
{
	g_autofree char *reason = NULL;
	g_autoptr(GBytes) text = NULL;
	struct process *writer;
	int errnum;

	pthread_mutex_lock(&draft->local->lock);
	errnum = draft->refused_errnum;
	writer = g_steal_pointer(&draft->refused_writer);
	reason = g_steal_pointer(&draft->refused_reason);
	text = g_steal_pointer(&draft->refused_text);
	if (draft->attempted < draft->refused) {
		draft->attempted = draft->refused;
		draft->errnum = errnum;
	}
	pthread_mutex_unlock(&draft->local->lock);
	if (text != NULL && g_bytes_get_size(text) > 0)
		rejection_keep(
			draft->filesystem, &draft->place, text, writer, errnum, reason, NULL);
	process_unref(writer);
}

/* What nobody waits for is sent now. */
static void save_rest(struct draft *draft)
{
	struct process *writer;
	uint64_t rest;

	pthread_mutex_lock(&draft->local->lock);
	rest = draft->rest;
	writer = g_steal_pointer(&draft->rest_writer);
	draft->rest = 0;
	pthread_mutex_unlock(&draft->local->lock);
	if (rest != 0)
		draft_save_rest(draft, writer, rest);
	process_unref(writer);
}

/* Ends the save: whoever waits asks again. */
static void wake(struct draft *draft)
{
	g_autoptr(GArray) waiters = NULL;

	keep_refused(draft);
	pthread_mutex_lock(&draft->local->lock);
	waiters = g_steal_pointer(&draft->waiters);
	draft->waiters = g_array_new(FALSE, FALSE, sizeof(struct draft_waiter));
	draft->busy = FALSE;
	draft->cancelled = FALSE;
	pthread_mutex_unlock(&draft->local->lock);
	for (guint i = 0; i < waiters->len; i++) {
		struct draft_waiter *waiter = &g_array_index(waiters, struct draft_waiter, i);

		waiter->wait(waiter->data);
	}
	save_rest(draft);
	filesystem_saves(draft->filesystem, -1);
}

/* The kernel has been told, or takes too long: whichever comes first. */
static void settle(struct draft *draft)
{
	gboolean first;

	pthread_mutex_lock(&draft->local->lock);
	first = !draft->settled;
	draft->settled = TRUE;
	pthread_mutex_unlock(&draft->local->lock);
	if (first)
		wake(draft);
}

static void on_settle_timer(void *data)
{
	struct local *local = data;

	settle(local->draft);
	local_unref(local);
}

static void on_lane_done(void *data)
{
	struct local *local = data;
	struct draft *draft = local->draft;
	uint64_t timer;

	pthread_mutex_lock(&local->lock);
	timer = draft->timer;
	pthread_mutex_unlock(&local->lock);
	settle(draft);
	if (loop_timer_cancel(draft->filesystem->loop, timer))
		local_unref(local);
	local_unref(local);
}

/* The outcome is told when everybody can see it (writes.md 3.9). */
static void settle_later(struct draft *draft)
{
	struct filesystem *filesystem = draft->filesystem;
	struct place object = draft->place;
	uint64_t directory;

	/* A view's change is told where the object stands. */
	if (object.kind != PLACE_KEY)
		object.kind = PLACE_OBJECT;
	directory = draft->tells_later ? 0 : place_directory_id(filesystem->nodes, &object);
	pthread_mutex_lock(&draft->local->lock);
	draft->settled = FALSE;
	if (directory != 0)
		draft->timer = loop_timer_add(filesystem->loop, SETTLE_MS, filesystem->strand,
			on_settle_timer, local_ref(draft->local));
	pthread_mutex_unlock(&draft->local->lock);
	if (directory != 0)
		notifier_after(
			filesystem->notifier, directory, on_lane_done, local_ref(draft->local));
	else
		settle(draft);
}

/* A draft under a name of its own, of an object that was not there, has served its turn. */
static void leave_name(struct draft *draft)
{
	struct filesystem *filesystem = draft->filesystem;
	g_autofree char *name = NULL;
	g_autofree char *directory = place_directory_of(&draft->place, &name);
	uint64_t id;

	if (!overlay_remove(filesystem->overlay, directory, name, draft->local))
		return;
	id = place_directory_id(filesystem->nodes, &draft->place);
	if (id == 0)
		return;
	notifier_entry(filesystem->notifier, id, name);
	notifier_listing(filesystem->notifier, id);
}

static void succeed(struct draft *draft, const struct commit_outcome *outcome)
{
	struct filesystem *filesystem = draft->filesystem;

	if (draft->place.kind == PLACE_KEY) {
		if (!outcome->unchanged)
			backups_forget(filesystem->backups, draft->writer, &draft->place);
		rejection_clear(
			filesystem, &draft->place, draft->sent, outcome->unchanged, draft->begun);
		return;
	}
	/* A dry run leaves nothing that a next save could be based on. */
	if (!draft->place.context->dry_run) {
		lineages_remember(filesystem->lineages, draft->writer, &draft->place, draft->sent,
			outcome->snapshot);
		/* A later unlink by the same process is meant. */
		if (!outcome->unchanged)
			backups_forget(filesystem->backups, draft->writer, &draft->place);
		/* What is saved next is an update of it. */
		draft->exclusive = FALSE;
	}
	/* The object's own text holds its replicas, too. */
	scales_forget(filesystem->scales, &draft->place);
	rejection_clear(filesystem, &draft->place, draft->sent, outcome->unchanged, draft->begun);
	if (draft->place.context->dry_run && outcome->snapshot != NULL)
		previews_put(filesystem->previews, &draft->place, outcome->snapshot);
}

static void fail(struct draft *draft, const struct commit_outcome *outcome)
{
	struct filesystem *filesystem = draft->filesystem;

	if (outcome->uncertain && draft->place.kind != PLACE_KEY)
		lineages_doubt(filesystem->lineages, draft->writer, &draft->place);
	rejection_keep(filesystem, &draft->place, draft->sent, draft->writer, outcome->errnum,
		outcome->message, outcome->reasons);
}

/* The draft itself is there no longer. */
static void appear(struct draft *draft)
{
	const struct node_key directory = key_layout_directory(&draft->place.scope, "");

	key_directories_appeared(draft->filesystem, &directory);
}

/* Gives a reference to local back. */
static void end_save(struct local *local, const struct commit_outcome *outcome)
{
	struct draft *draft = local->draft;

	if (outcome->errnum == 0)
		succeed(draft, outcome);
	else
		fail(draft, outcome);
	leave_name(draft);
	if (outcome->errnum == 0 && draft->place.kind == PLACE_KEY)
		appear(draft);
	pthread_mutex_lock(&local->lock);
	draft->errnum = outcome->errnum;
	draft->commit = commit_unref(draft->commit);
	g_clear_pointer(&draft->sent, g_bytes_unref);
	pthread_mutex_unlock(&local->lock);
	settle_later(draft);
	local_unref(local);
}

static void on_committed(void *data, const struct commit_outcome *outcome)
{
	end_save(data, outcome);
}

/* What the next save of the draft, and of its process, compares with. */
static void set_stored(struct draft *draft, struct key_snapshot *stored)
{
	draft->revision = stored->mod_revision;
	key_snapshot_unref(draft->base);
	draft->base = key_snapshot_ref(stored);
	draft->exclusive = FALSE;
	/* Who has read nothing does not begin to be held to it. */
	if (find_reading(draft) != 0)
		note_reading(draft, stored->mod_revision);
}

/* It was told that the key is gone: saving it once more is meant to create it. */
static void forget_reading(struct draft *draft)
{
	note_reading(draft, 0);
	draft->revision = 0;
	draft->was_deleted = FALSE;
}

static void on_key_committed(void *data, const struct key_outcome *outcome)
{
	struct local *local = data;

	if (outcome->snapshot != NULL)
		set_stored(local->draft, outcome->snapshot);
	else if (outcome->errnum == EBUSY && local->draft->was_deleted)
		forget_reading(local->draft);
	end_save(local, &(struct commit_outcome){
				.errnum = outcome->errnum,
				.message = outcome->message,
				.uncertain = outcome->uncertain,
			});
}

/*
 * The uids of the objects of that name in the other contexts, as far as they were read: what is
 * copied from there was. g_strfreev.
 */
static char **find_elsewhere(struct filesystem *filesystem, const struct place *place)
{
	GPtrArray *uids = g_ptr_array_new();

	for (guint i = 0; i < filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(filesystem->contexts, i);
		struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;

		/* Two contexts may be of one cluster: then it is the object's own past. */
		if (strcmp(cache_where(context->cache), cache_where(place->context->cache)) != 0)
			snapshot = cache_peek(
				context->cache, place->resource, place->namespace, place->name);
		if (snapshot != NULL)
			g_ptr_array_add(uids, g_strdup(snapshot->uid));
	}
	g_ptr_array_add(uids, NULL);
	return (char **)g_ptr_array_free(uids, FALSE);
}

static void begin_key(struct draft *draft)
{
	struct filesystem *filesystem = draft->filesystem;
	const struct key_edit edit = {
		.key = draft->place.key,
		.revision = draft->revision,
		.base = draft->base,
		.value = draft->sent,
	};
	g_autoptr(GError) error = NULL;
	int r = key_guard_check(filesystem, edit.key, edit.base,
		edit.revision != 0 ? SOURCE_UPDATE : SOURCE_CREATE, &error);

	filesystem_saves(filesystem, 1);
	if (r < 0)
		end_save(local_ref(draft->local),
			&(struct commit_outcome){.errnum = -r, .message = error->message});
	else if (edit.base != NULL && g_bytes_equal(edit.base->value, edit.value))
		end_save(local_ref(draft->local),
			&(struct commit_outcome){.message = "", .unchanged = TRUE});
	else
		key_commit_unref(key_commit_save(filesystem->keyspace, &edit, draft->exclusive,
			on_key_committed, local_ref(draft->local)));
}

static void begin_object(struct draft *draft)
{
	struct filesystem *filesystem = draft->filesystem;
	const struct place *place = &draft->place;
	struct lineage lineage LINEAGE_CLEANUP = {0};
	g_autoptr(GBytes) text = rejection_strip(draft->sent);
	g_auto(GStrv) elsewhere = find_elsewhere(filesystem, place);
	g_autoptr(GError) no_create = NULL;
	g_autoptr(GError) no_update = NULL;
	struct commit_request request = {
		.resource = place->resource,
		.namespace = place->namespace,
		.name = place->name,
		.subresource = place_subresource(place),
		.text = text,
		.json = place->format == NODE_JSON,
		.uid = draft->uid,
		.elsewhere = elsewhere,
		.exclusive = draft->exclusive,
		.dry_run = place->context->dry_run,
	};
	GBytes *mine = g_bytes_ref(draft->sent);
	struct commit *commit;
	gboolean cancel;

	lineages_find(filesystem->lineages, draft->writer, place, &lineage);
	/* What was there when the file was opened may be another thing now. */
	guard_check(filesystem->guard, place->context, place->resource, SOURCE_CREATE, &no_create);
	guard_check(filesystem->guard, place->context, place->resource, SOURCE_UPDATE, &no_update);
	request.no_create = no_create != NULL ? no_create->message : NULL;
	request.no_update = no_update != NULL ? no_update->message : NULL;
	request.lineage = lineage.text;
	request.stored = lineage.stored;
	request.uncertain = lineage.uncertain;
	filesystem_saves(filesystem, 1);
	commit =
		commit_save(place->context->cache, &request, on_committed, local_ref(draft->local));
	pthread_mutex_lock(&draft->local->lock);
	cancel = draft->cancelled;
	if (cancel)
		commit_cancel(commit);
	/* Else it is over already, and another one may be under way. */
	if (draft->sent == mine)
		draft->commit = g_steal_pointer(&commit);
	pthread_mutex_unlock(&draft->local->lock);
	commit_unref(commit);
	g_bytes_unref(mine);
}

/* Not under the lock; draft->busy keeps others away. */
static void begin(struct draft *draft)
{
	if (draft->place.kind == PLACE_KEY)
		begin_key(draft);
	else
		begin_object(draft);
}

int draft_save(struct draft *draft, struct process *writer, uint64_t generation,
	collection_wait wait, void *data)
{
	struct local *local = draft->local;
	const struct draft_waiter waiter = {wait, data};
	gboolean start = FALSE;
	int spoiled;

	pthread_mutex_lock(&local->lock);
	spoiled = local->spoiled;
	pthread_mutex_unlock(&local->lock);
	if (spoiled != 0)
		draft_refuse(draft, writer, generation, spoiled,
			"incomplete: something that was written had no room");
	pthread_mutex_lock(&local->lock);
	if (!draft->busy &&
		(draft->attempted >= generation || draft->abandoned ||
			(local->content.length == 0 && draft->place.kind != PLACE_KEY))) {
		int errnum = draft->attempted >= generation ? draft->errnum : 0;

		pthread_mutex_unlock(&local->lock);
		return -errnum;
	}
	if (wait != NULL)
		g_array_append_val(draft->waiters, waiter);
	if (!draft->busy) {
		start = TRUE;
		draft->busy = TRUE;
		draft->attempted = local->generation;
		draft->begun = g_get_monotonic_time();
		draft->sent = g_bytes_new(local->content.data, local->content.length);
		process_unref(draft->writer);
		draft->writer = writer != NULL ? process_ref(writer) : NULL;
	}
	pthread_mutex_unlock(&local->lock);
	if (start)
		begin(draft);
	return -EINPROGRESS;
}

void draft_save_rest(struct draft *draft, struct process *writer, uint64_t generation)
{
	pthread_mutex_lock(&draft->local->lock);
	if (draft->attempted < generation) {
		draft->rest = generation;
		process_unref(draft->rest_writer);
		draft->rest_writer = writer != NULL ? process_ref(writer) : NULL;
	}
	pthread_mutex_unlock(&draft->local->lock);
	/* If something is under way, this does nothing, and what follows it does. */
	draft_save(draft, writer, generation, NULL, NULL);
}

void draft_cancel(struct draft *draft)
{
	LOCK_GUARD(&draft->local->lock);

	draft->cancelled = draft->busy;
	if (draft->commit != NULL)
		commit_cancel(draft->commit);
}

/* What is under way would clear away what is kept now. Under the lock; takes over text. */
static void refuse_later(
	struct draft *draft, struct process *writer, int errnum, const char *reason, GBytes *text)
{
	draft->refused = draft->local->generation;
	draft->refused_errnum = errnum;
	process_unref(draft->refused_writer);
	draft->refused_writer = writer != NULL ? process_ref(writer) : NULL;
	g_free(draft->refused_reason);
	draft->refused_reason = g_strdup(reason);
	g_clear_pointer(&draft->refused_text, g_bytes_unref);
	draft->refused_text = text;
}

void draft_refuse(struct draft *draft, struct process *writer, uint64_t generation, int errnum,
	const char *reason)
{
	g_autoptr(GBytes) text = NULL;

	pthread_mutex_lock(&draft->local->lock);
	if (draft->attempted < generation && !draft->abandoned)
		text = g_bytes_new(draft->local->content.data, draft->local->content.length);
	if (text != NULL && draft->busy) {
		refuse_later(draft, writer, errnum, reason, g_steal_pointer(&text));
	} else if (text != NULL) {
		draft->attempted = draft->local->generation;
		draft->errnum = errnum;
	}
	pthread_mutex_unlock(&draft->local->lock);
	if (text == NULL)
		return;
	if (g_bytes_get_size(text) > 0)
		rejection_keep(
			draft->filesystem, &draft->place, text, writer, errnum, reason, NULL);
	leave_name(draft);
}

void draft_abandon(struct draft *draft)
{
	LOCK_GUARD(&draft->local->lock);

	draft->abandoned = TRUE;
}

void draft_open(struct draft *draft, struct process *process)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = place_directory_of(&draft->place, &name);

	pthread_mutex_lock(&draft->local->lock);
	g_ptr_array_add(draft->openers, process);
	pthread_mutex_unlock(&draft->local->lock);
	overlay_add_writer(draft->filesystem->overlay, directory, name, draft->local);
}

void draft_close(struct draft *draft, struct process *process)
{
	g_autofree char *name = NULL;
	g_autofree char *directory = place_directory_of(&draft->place, &name);

	pthread_mutex_lock(&draft->local->lock);
	g_ptr_array_remove_fast(draft->openers, process);
	pthread_mutex_unlock(&draft->local->lock);
	overlay_remove_writer(draft->filesystem->overlay, directory, name, draft->local);
}

gboolean draft_is_open_by(struct draft *draft, const struct process *process)
{
	LOCK_GUARD(&draft->local->lock);

	for (guint i = 0; i < draft->openers->len; i++)
		if (!process_same(g_ptr_array_index(draft->openers, i), process))
			return FALSE;
	return draft->openers->len > 0;
}
