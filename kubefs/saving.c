#include "kubefs/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "client/error.h"
#include "client/lock.h"
#include "kubefs/attributes.h"
#include "kubefs/draft.h"
#include "kubefs/filesystem.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/key_place.h"
#include "kubefs/layout.h"
#include "kubefs/lookup.h"
#include "kubefs/rejection.h"
#include "kubefs/views.h"

#define KILLED "its writer was killed before it was complete"

/* What fuse_file_info.fh points to: one open file description of a local file. */
struct handle {
	struct local *local;
	pid_t group; /* the process that opened it */
	struct process *process; /* the same; NULL when it is gone */
	gboolean writes;
};

static struct handle *handle_of(uint64_t number)
{
	return (struct handle *)(uintptr_t)number; // NOLINT(performance-no-int-to-ptr)
}

static gboolean may_write(unsigned int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static uint64_t handle_create(struct request *request, struct local *local)
{
	struct handle *handle = g_new0(struct handle, 1);

	handle->local = local_ref(local);
	handle->writes = may_write(request->flags);
	handle->group = process_group(request->thread);
	if (handle->group != 0)
		handle->process = processes_get(request->filesystem->processes, handle->group);
	if (local->draft != NULL && handle->writes)
		draft_open(local->draft, handle->process);
	return (uint64_t)(uintptr_t)handle;
}

static void handle_free(struct handle *handle)
{
	process_unref(handle->process);
	local_unref(handle->local);
	g_free(handle);
}

static void fill_info(struct request *request, struct local *local, struct fuse_file_info *info)
{
	*info = (struct fuse_file_info){
		.flags = (int)request->flags,
		.fh = handle_create(request, local),
		.noflush = !may_write(request->flags),
	};
}

/* Opens a draft or a scratch file. */
static int open_local(struct request *request, struct local *local)
{
	struct fuse_file_info info;
	int r = (request->flags & O_TRUNC) != 0 ? local_truncate(local, 0) : 0;

	openings_end(request->filesystem->openings, request->thread);
	if (r < 0)
		return r;
	fill_info(request, local, &info);
	if (fuse_reply_open(request->fuse, &info) < 0)
		saving_release(request->filesystem, info.fh);
	return 0;
}

gboolean saving_place(struct filesystem *filesystem, const struct node *node, struct place *ret)
{
	const struct node_key *key = &node->key;
	g_autoptr(GBytes) bytes = NULL;

	switch (key->kind) {
	case NODE_OBJECT:
		*ret = (struct place){
			.kind = PLACE_OBJECT,
			.format = key->format,
			.context = key->context,
			.resource = resource_ref(key->resource),
			.namespace = g_strdup(key->snapshot->namespace),
			.name = g_strdup(key->snapshot->name),
		};
		return TRUE;
	case NODE_KEY:
		bytes = g_bytes_new(key->value->key, key->value->key_length);
		return key_place_of_key(filesystem, bytes, ret);
	case NODE_VIEW:
		return views_place(key, ret);
	case NODE_REJECTED:
		place_copy(ret, &key->rejected->place);
		return TRUE;
	case NODE_LOCAL:
		if (key->local->draft == NULL)
			return FALSE;
		place_copy(ret, &key->local->draft->place);
		return TRUE;
	default:
		return FALSE;
	}
}

/* Whether that may be done. value: of a key, what is there, as far as it is known. */
static int check(struct filesystem *filesystem, const struct place *place, enum source_verb verb,
	const struct key_snapshot *value, GError **error)
{
	if (place->kind == PLACE_KEY)
		return key_place_check(place, value, verb, error);
	return guard_check(filesystem->guard, place->context, place->resource, verb, error);
}

/*
 * What is there of the key that the place is of, as far as it is known: what a refused text of it
 * is to replace. A reference or NULL.
 */
static struct key_snapshot *shown_now(const struct node *node, const struct place *place)
{
	struct key_snapshot *value = NULL;
	gboolean is_directory;

	if (node->key.kind == NODE_KEY)
		return key_snapshot_ref(node->key.value);
	if (place->kind == PLACE_KEY)
		key_place_look(place, NULL, NULL, &value, &is_directory, NULL);
	return value;
}

/* A private draft of what the node shows; the thread that opens it will find it by name. */
static int begin_draft(struct request *request, const struct node *node, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct place place PLACE_CLEANUP = {0};
	struct key_snapshot *value KEY_SNAPSHOT_CLEANUP = NULL;
	g_autofree char *directory = NULL;
	g_autofree char *name = NULL;
	size_t length;
	const char *text;
	struct local *local;
	int r;

	if (!saving_place(filesystem, node, &place))
		return error_set(error, EACCES, "this file cannot be written");
	/* Its LOOKUPs could not be told from those of others. */
	if (request->thread == 0)
		return error_set(error, EOPNOTSUPP,
			"%s: cannot be written from another pid namespace", place.name);
	value = shown_now(node, &place);
	r = check(filesystem, &place,
		place.kind == PLACE_KEY && value == NULL ? SOURCE_CREATE : SOURCE_UPDATE, value,
		error);
	if (r < 0)
		return r;
	text = node_text(node, &length);
	local = draft_create(filesystem, &place,
		node->key.snapshot != NULL ? node->key.snapshot->uid : NULL, text, length, FALSE,
		error);
	if (local == NULL)
		return -ENOSPC;
	/* Who saves a refused text says what it is to replace: what is there. */
	if (place.kind == PLACE_KEY)
		draft_set_base(
			local->draft, node->key.kind == NODE_KEY ? request->thread : 0, value);
	if (node->key.kind == NODE_KEY)
		draft_set_shown(local->draft, value);
	directory = place_directory_of(&place, &name);
	if (node->key.kind == NODE_REJECTED) {
		g_free(name);
		name = g_strdup(node->key.rejected->name);
	}
	openings_begin(filesystem->openings, request->thread, directory, name, local);
	local_unref(local);
	/* The kernel looks the name up again and finds the draft. */
	return -ESTALE;
}

/* What a later save of the same process compares with. */
static void note_reading(const struct request *request)
{
	const struct key_snapshot *value = request->node->key.value;

	key_readings_note(request->filesystem->readings, request->thread, value->key,
		value->key_length, value->mod_revision);
}

/*
 * After RENAME the kernel has the new name stand for the node of the old one until it has learned
 * better. It looks the name up again, but only once, so a draft of what has the name now must be
 * there to be found by then.
 */
static int open_renewed(struct request *request, GBytes *moved, gboolean to_write, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct place place PLACE_CLEANUP = {0};
	struct key_snapshot *value KEY_SNAPSHOT_CLEANUP = NULL;
	struct node node = {.key = {.kind = NODE_KEY}};
	gboolean is_directory;

	if (!to_write ||
		!(moved != NULL ? key_place_of_key(filesystem, moved, &place)
				: saving_place(filesystem, request->node, &place)) ||
		key_place_look(&place, NULL, NULL, &value, &is_directory, NULL) < 0 ||
		value == NULL)
		return -ESTALE;
	node.key.value = value;
	return begin_draft(request, &node, error);
}

/* TRUE, and *ret is the answer, if the node is of a key and may have another one's name. */
static gboolean is_renewed(struct request *request, gboolean to_write, int *ret, GError **error)
{
	g_autoptr(GBytes) moved = NULL;

	if (request->node->key.kind != NODE_KEY ||
		!node_table_is_renewed(request->filesystem->nodes, request->node, &moved))
		return FALSE;
	*ret = open_renewed(request, moved, to_write, error);
	return TRUE;
}

int saving_open_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct fuse_file_info info = {
		.flags = (int)request->flags,
		.keep_cache = 1,
		.noflush = 1,
	};
	gboolean to_write = may_write(request->flags) || (request->flags & O_TRUNC) != 0;
	int r;

	if (request->node->key.kind == NODE_LOCAL)
		return open_local(request, request->node->key.local);
	if (is_renewed(request, to_write, &r, error))
		return r;
	if (to_write)
		return begin_draft(request, request->node, error);
	/* To read what a key once was is not to know what it is. */
	if (request->node->key.kind == NODE_KEY && request->node->key.revision == 0)
		note_reading(request);
	fuse_reply_open(request->fuse, &info);
	return 0;
}

/* CREATE */

static void reply_created(struct request *request, struct local *local)
{
	struct fuse_file_info info;

	fill_info(request, local, &info);
	if (!lookup_reply_local(request, local, &info))
		saving_release(request->filesystem, info.fh);
}

static int create_scratch(struct request *request, const char *directory, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct local *local = local_create(&filesystem->usage, request->mode,
		attributes_mode_of_draft(request->node->key.resource) | 0111);

	if (local == NULL)
		return error_set(error, ENOSPC, "too many scratch files");
	overlay_put(filesystem->overlay, directory, request->name, local);
	reply_created(request, local);
	local_unref(local);
	return 0;
}

/* A key's stands under its plain name. */
static void put_draft(struct request *request, const struct place *place, const char *directory,
	struct local *local)
{
	struct overlay *overlay = request->filesystem->overlay;
	struct overlay_entry there OVERLAY_ENTRY_CLEANUP = {0};
	g_autofree char *canonical = NULL;
	g_autofree char *name = NULL;

	if (place->kind != PLACE_KEY) {
		overlay_put(overlay, directory, request->name, local);
		return;
	}
	canonical = place_directory_of(place, &name);
	/* A directory that was made stays; the draft has no name until it is saved. */
	if (overlay_find(overlay, canonical, name, &there) && there.local != NULL &&
		key_directories_is_kept(there.local))
		return;
	overlay_put(overlay, canonical, name, local);
}

/*
 * A draft of what is not there yet stands under its name until it is saved. value: of a key, what
 * it replaces.
 */
static int create_draft(struct request *request, const struct place *place, const char *directory,
	gboolean replaces, struct key_snapshot *value, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	gboolean exclusive = !replaces && (request->flags & O_EXCL) != 0;
	struct local *local;
	int r = check(filesystem, place, replaces ? SOURCE_UPDATE : SOURCE_CREATE, value, error);

	if (r < 0)
		return r;
	local = draft_create(filesystem, place, NULL, "", 0, exclusive, error);
	if (local == NULL)
		return -ENOSPC;
	/* Others find it by that name, and only what is saved is theirs to read (-o allow_other).
	 */
	local->mode = 0600;
	if (place->kind == PLACE_KEY)
		draft_set_base(local->draft, request->thread, value);
	if (!replaces)
		put_draft(request, place, directory, local);
	reply_created(request, local);
	local_unref(local);
	return 0;
}

static int create_object(struct request *request, const struct place *place, const char *directory,
	collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct process *process = request_process(request);
	gboolean replaces = removals_take(filesystem->removals, place, process);
	g_autoptr(GError) unknown = NULL;
	struct snapshot *snapshot = NULL;
	int r;

	process_unref(process);
	if (replaces)
		return create_draft(request, place, directory, TRUE, NULL, error);
	r = cache_find(place->context->cache, place->resource, place->namespace, place->name, wait,
		data, &snapshot, &unknown);
	if (r == -EINPROGRESS)
		return r;
	if (r == 0 &&
		removals_hide(filesystem->removals, place->context, place->resource, snapshot))
		r = -ENOENT;
	snapshot_unref(snapshot);
	/* It came to be after the kernel looked: it looks again. */
	if (r == 0)
		return (request->flags & O_EXCL) != 0 ? -EEXIST : -ESTALE;
	if (layout_is_scratch_name(request->name))
		return create_scratch(request, directory, error);
	return create_draft(request, place, directory, FALSE, NULL, error);
}

static int check_path(struct filesystem *filesystem, const struct place *place, GError **error)
{
	if (key_layout_fits(key_layout_base(filesystem, &place->scope), place->name))
		return 0;
	return error_set(error, ENAMETOOLONG, "%s: its path would be longer than %d bytes",
		place->name, KEY_PATH_MAX);
}

static int create_key(struct request *request, const struct place *place, const char *directory,
	collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct process *process = request_process(request);
	struct key_snapshot *value KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean replaces = removals_take_key(filesystem->removals, place, process, &value);
	gboolean is_directory;
	int r;

	process_unref(process);
	if (replaces)
		return create_draft(request, place, directory, TRUE, value, error);
	r = check_path(filesystem, place, error);
	if (r == 0)
		r = key_place_look(place, wait, data, &value, &is_directory, error);
	if (r < 0)
		return r;
	/* It came to be after the kernel looked: it looks again. */
	if (value != NULL)
		return (request->flags & O_EXCL) != 0 ? -EEXIST : -ESTALE;
	if (key_place_is_scratch(request->name))
		return create_scratch(request, directory, error);
	return create_draft(request, place, directory, FALSE, NULL, error);
}

/* Where a name that no key can have is a scratch file's alone. */
static int create_in_keys(struct request *request, const char *directory, collection_wait wait,
	void *data, GError **error)
{
	struct place place PLACE_CLEANUP = {0};

	if (layout_object_place(request->filesystem, request->node, request->name, &place))
		return create_key(request, &place, directory, wait, data, error);
	if (key_place_is_scratch(request->name))
		return create_scratch(request, directory, error);
	return error_set(error, EINVAL,
		"%s: no key has that name: a %% is written %%25 (see kubefs(1), Keys of etcd)",
		request->name);
}

/* A directory of keys that has had its time gives way. */
static gboolean is_past(struct filesystem *filesystem, const char *directory, const char *name,
	const struct local *local)
{
	if (local == NULL || !S_ISDIR(local->type) || key_directories_is_kept(local))
		return FALSE;
	overlay_remove(filesystem->overlay, directory, name, local);
	return TRUE;
}

int saving_create_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = request->filesystem;
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};
	struct place place PLACE_CLEANUP = {0};
	g_autofree char *directory = NULL;

	if (!layout_holds_files(request->node))
		return error_set(error, EPERM, "%s: no file can be made here", request->name);
	if (request->node->key.context != NULL && request->node->key.context->read_only)
		return -EROFS;
	if (strlen(request->name) > NAME_MAX)
		return -ENAMETOOLONG;
	directory = place_directory(&request->node->key);
	if (overlay_find(filesystem->overlay, directory, request->name, &entry) &&
		!is_past(filesystem, directory, request->name, entry.local))
		return (request->flags & O_EXCL) != 0 ? -EEXIST : -ESTALE;
	if (request->node->key.kind == NODE_KEYS)
		return create_in_keys(request, directory, wait, data, error);
	if (layout_object_place(filesystem, request->node, request->name, &place))
		return create_object(request, &place, directory, wait, data, error);
	return create_scratch(request, directory, error);
}

/* FLUSH */

/* One FLUSH of a draft: who still holds the file is asked first. */
struct flush {
	gint references;
	struct draft *draft; /* held by the request's node */
	struct local *local;
	uint64_t generation;
	pthread_mutex_t lock; /* guards all below */
	gboolean asked;
	gboolean answered;
	gboolean interrupted;
	enum process_answer answer;
	collection_wait wait;
	void *data;
};

static void flush_unref(void *pointer)
{
	struct flush *flush = pointer;

	if (!g_atomic_int_dec_and_test(&flush->references))
		return;
	local_unref(flush->local);
	pthread_mutex_destroy(&flush->lock);
	g_free(flush);
}

static struct flush *flush_create(struct local *local, uint64_t generation)
{
	struct flush *flush = g_new0(struct flush, 1);

	flush->references = 1;
	flush->local = local_ref(local);
	flush->draft = local->draft;
	flush->generation = generation;
	pthread_mutex_init(&flush->lock, NULL);
	return flush;
}

static void on_answer(void *data, enum process_answer answer)
{
	struct flush *flush = data;
	collection_wait wait;
	void *wait_data;

	pthread_mutex_lock(&flush->lock);
	flush->answered = TRUE;
	flush->answer = answer;
	wait = flush->wait;
	wait_data = flush->data;
	flush->wait = NULL;
	pthread_mutex_unlock(&flush->lock);
	if (wait != NULL)
		wait(wait_data);
	flush_unref(flush);
}

/* -EINPROGRESS until it is known who holds the file. */
static int ask(struct request *request, struct flush *flush, collection_wait wait, void *data)
{
	const struct handle *handle = handle_of(request->handle);
	gboolean first;

	pthread_mutex_lock(&flush->lock);
	first = !flush->asked;
	flush->asked = TRUE;
	if (!flush->answered) {
		flush->wait = wait;
		flush->data = data;
	}
	if (flush->answered) {
		pthread_mutex_unlock(&flush->lock);
		return 0;
	}
	pthread_mutex_unlock(&flush->lock);
	if (first) {
		g_atomic_int_inc(&flush->references);
		processes_ask(request->filesystem->processes, request->thread, handle->group,
			flush->local->inode, on_answer, flush);
	}
	return -EINPROGRESS;
}

gboolean saving_interrupt(struct request *request, gboolean timed_out)
{
	struct flush *flush = g_atomic_pointer_get(&request->state);

	if (flush == NULL)
		return FALSE;
	if (!timed_out && !process_is_given_up(request->thread))
		return TRUE;
	pthread_mutex_lock(&flush->lock);
	flush->interrupted = TRUE;
	pthread_mutex_unlock(&flush->lock);
	draft_cancel(flush->draft);
	return TRUE;
}

static gboolean was_interrupted(struct flush *flush)
{
	LOCK_GUARD(&flush->lock);

	return flush->interrupted;
}

/* Sends the draft, unless the user gave up before anything was sent. */
static int save(struct request *request, struct flush *flush, collection_wait wait, void *data)
{
	const struct handle *handle = handle_of(request->handle);

	if (was_interrupted(flush))
		draft_refuse(flush->draft, handle != NULL ? handle->process : NULL,
			flush->generation, EINTR, "the save was interrupted before it was sent");
	return draft_save(flush->draft, handle != NULL ? handle->process : NULL, flush->generation,
		wait, data);
}

static int reply_done(struct request *request, int r)
{
	return r < 0 ? r : request_reply_done(request);
}

/* The flush that belongs to the request, made on its first run; NULL: not of a draft. */
static struct flush *flush_of(struct request *request)
{
	struct local *local =
		request->node->key.kind == NODE_LOCAL ? request->node->key.local : NULL;
	uint64_t generation;

	if (local == NULL || local->draft == NULL)
		return NULL;
	if (request->state == NULL) {
		draft_is_dirty(local->draft, &generation);
		request->state_free = flush_unref;
		g_atomic_pointer_set(&request->state, flush_create(local, generation));
	}
	return request->state;
}

static gboolean is_killed_writer(const struct request *request, const struct flush *flush)
{
	if (flush->answer == PROCESS_KILLED_HELD)
		return draft_was_written_by(flush->draft, request->thread);
	return flush->answer == PROCESS_KILLED;
}

int saving_flush_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct flush *flush = flush_of(request);
	uint64_t generation;

	if (flush == NULL || !handle_of(request->handle)->writes)
		return reply_done(request, 0);
	if (!draft_is_dirty(flush->draft, &generation))
		return reply_done(request, save(request, flush, wait, data));
	/* Shells close what they have only truncated. */
	if (local_length(flush->local) == 0)
		return reply_done(request, 0);
	/* Parked first: the answer may take a while. */
	if (wait == NULL || ask(request, flush, wait, data) < 0)
		return -EINPROGRESS;
	if (is_killed_writer(request, flush)) {
		draft_refuse(flush->draft, handle_of(request->handle)->process, flush->generation,
			EINTR, KILLED);
		return reply_done(request, -EINTR);
	}
	/* A later FLUSH, FSYNC or RELEASE saves what somebody may still write to. */
	if (flush->answer != PROCESS_LEFT)
		return reply_done(request, 0);
	/* Of a key, nothing would be saved. */
	if (local_length(flush->local) == 0)
		return reply_done(request, 0);
	return reply_done(request, save(request, flush, wait, data));
}

int saving_fsync_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct flush *flush = flush_of(request);

	if (flush == NULL)
		return reply_done(request, 0);
	/* The one way to say that nothing is meant. */
	draft_mean_empty(flush->draft, &flush->generation);
	return reply_done(request, save(request, flush, wait, data));
}

/* truncate(2) of a path: there is no FLUSH that would save it. */
static int truncate_path(
	struct request *request, struct flush *flush, collection_wait wait, void *data)
{
	uint64_t generation;
	int r;

	if (request->size == 0 && flush->draft->place.kind != PLACE_KEY)
		return -EINVAL;
	if (!draft_is_dirty(flush->draft, &generation) && generation == 0) {
		r = local_truncate(flush->local, request->size);
		if (r < 0)
			return r;
		draft_is_dirty(flush->draft, &flush->generation);
	}
	return save(request, flush, wait, data);
}

int saving_truncate_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct node *node = request->node;
	struct flush *flush = NULL;
	struct stat stat;
	gboolean open = FALSE;
	int r;

	if (is_renewed(request, TRUE, &r, error))
		return r;
	if (node->key.kind != NODE_LOCAL)
		return begin_draft(request, request->node, error);
	if (node->key.local->draft != NULL) {
		LOCK_GUARD(&node->key.local->lock);

		open = node->key.local->draft->openers->len > 0;
	}
	if (node->key.local->draft == NULL || open) {
		r = local_truncate(node->key.local, request->size);
	} else {
		openings_end(request->filesystem->openings, request->thread);
		flush = flush_of(request);
		r = truncate_path(request, flush, wait, data);
	}
	if (r < 0)
		return r;
	attributes_fill(request->filesystem, node, &stat);
	fuse_reply_attr(request->fuse, &stat, 0);
	return 0;
}

/* RELEASE */

/* Of a draft that was written to after its last FLUSH. */
struct release {
	struct filesystem *filesystem;
	struct handle *handle;
	uint64_t generation;
};

static void close_handle(struct handle *handle)
{
	if (handle->local->draft != NULL && handle->writes)
		draft_close(handle->local->draft, handle->process);
	handle_free(handle);
}

static void on_opener(void *data, enum process_answer answer)
{
	struct release *release = data;
	struct handle *handle = release->handle;
	struct filesystem *filesystem = release->filesystem;

	if (answer == PROCESS_KILLED)
		draft_refuse(
			handle->local->draft, handle->process, release->generation, EINTR, KILLED);
	else
		draft_save_rest(handle->local->draft, handle->process, release->generation);
	close_handle(handle);
	g_free(release);
	filesystem_saves(filesystem, -1);
}

/*
 * Takes over handle. What a mapping's stores left comes after the last FLUSH, and whoever made them
 * may have been killed amid them, too.
 */
static void release_rest(struct filesystem *filesystem, struct handle *handle, uint64_t generation)
{
	struct release *release = g_new(struct release, 1);

	*release = (struct release){filesystem, handle, generation};
	filesystem_saves(filesystem, 1);
	/* When the mount ends, nobody answers. */
	if (handle->process != NULL && !filesystem->closing)
		processes_ask_end(filesystem->processes, handle->process, on_opener, release);
	else
		on_opener(release, PROCESS_UNKNOWN);
}

static void tell_empty(struct filesystem *filesystem, const struct draft *draft)
{
	g_autofree char *path = place_path(&draft->place);
	g_autofree char *text = g_strdup_printf(
		draft->place.kind == PLACE_KEY
			? "%s: left empty by its writer, which changes nothing: fsync(2) or "
			  "truncate(2) make a key empty"
			: "%s: left empty by its writer: nothing never replaces an object",
		path);

	journal_add(filesystem->journal, 0, text);
}

void saving_release(struct filesystem *filesystem, uint64_t number)
{
	struct handle *handle = handle_of(number);
	struct draft *draft = handle->local->draft;
	uint64_t generation;

	if (draft == NULL || !handle->writes || !draft_is_dirty(draft, &generation)) {
		close_handle(handle);
	} else if (local_length(handle->local) == 0) {
		tell_empty(filesystem, draft);
		close_handle(handle);
	} else {
		release_rest(filesystem, handle, generation);
	}
}
