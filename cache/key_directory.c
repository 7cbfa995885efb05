#include "cache/key_directory.h"

#include <errno.h>

#include "cache/key_directory_internal.h"
#include "client/error.h"
#include "client/lock.h"

struct key_directory *key_directory_create(
	const struct key_directory_options *options, const struct key_scope *scope)
{
	struct key_directory *directory = g_new0(struct key_directory, 1);

	directory->references = 1;
	key_scope_copy(&directory->scope, scope);
	directory->options = *options;
	directory->strand = strand_create(options->pool);
	pthread_mutex_init(&directory->lock, NULL);
	directory->children = key_children_create();
	directory->looked = loop_now();
	directory->applied = key_applied_create();
	directory->unsure = g_ptr_array_new();
	directory->check.names = g_hash_table_new_full(
		g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
	directory->reflector = key_reflector_create(
		&(struct key_reflector_options){
			.client = options->client,
			.loop = options->loop,
			.strand = directory->strand,
			.admission = options->admission,
			.scope = &directory->scope,
			.expected = options->expected,
		},
		&key_directory_reflector_handlers, directory);
	return directory;
}

struct key_directory *key_directory_ref(struct key_directory *directory)
{
	g_atomic_int_inc(&directory->references);
	return directory;
}

struct key_directory *key_directory_unref(struct key_directory *directory)
{
	if (directory == NULL || !g_atomic_int_dec_and_test(&directory->references))
		return NULL;
	key_reflector_unref(directory->reflector);
	strand_unref(directory->strand);
	g_hash_table_destroy(directory->check.names);
	g_ptr_array_unref(directory->unsure);
	key_applied_destroy(directory->applied);
	key_children_destroy(directory->children);
	waiters_finish(&directory->waiters);
	pthread_mutex_destroy(&directory->lock);
	key_scope_finish(&directory->scope);
	g_free(directory->message);
	g_free(directory);
	return NULL;
}

static void on_overdue(void *data)
{
	struct key_directory *directory = data;

	if (delay_is_due(&directory->patience)) {
		pthread_mutex_lock(&directory->lock);
		directory->overdue = directory->refreshing;
		waiters_unlock_and_wake(&directory->waiters, &directory->lock);
	}
	key_directory_unref(directory);
}

static void run_refresh(void *data)
{
	struct key_directory *directory = data;

	key_reflector_refresh(directory->reflector);
	if (!delay_is_set(&directory->patience) && !directory->ended)
		delay_start(&directory->patience, directory->options.loop,
			KEY_DIRECTORY_PATIENCE_MS, directory->strand, on_overdue,
			key_directory_ref(directory));
	key_directory_unref(directory);
}

static void run_kick(void *data)
{
	struct key_directory *directory = data;

	key_reflector_kick(directory->reflector);
	key_directory_check_next(directory);
	key_directory_unref(directory);
}

static void run_reconnect(void *data)
{
	struct key_directory *directory = data;

	key_reflector_reconnect(directory->reflector);
	key_directory_unref(directory);
}

static void run_stop(void *data)
{
	struct key_directory *directory = data;

	directory->ended = TRUE;
	key_directory_end_patience(directory);
	key_reflector_stop(directory->reflector);
	if (directory->check.call != NULL)
		etcd_cancel(directory->check.call);
	else
		key_directory_end_unsure(directory);
	key_directory_give_watch_back(directory);
	directory->options.handlers->stopped(directory->options.data);
	key_directory_unref(directory);
}

static void post(struct key_directory *directory, strand_job job)
{
	strand_post(directory->strand, job, key_directory_ref(directory));
}

void key_directory_wake(struct key_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	waiters_unlock_and_wake(&directory->waiters, &directory->lock);
}

void key_directory_kick(struct key_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	/* What failed for want of the server is tried again by whoever looks next. */
	if (directory->state == KEY_DIRECTORY_FAILED && directory->errnum != EACCES)
		directory->state = KEY_DIRECTORY_NEW;
	pthread_mutex_unlock(&directory->lock);
	post(directory, run_kick);
}

void key_directory_reconnect(struct key_directory *directory)
{
	post(directory, run_reconnect);
}

void key_directory_stop(struct key_directory *directory)
{
	pthread_mutex_lock(&directory->lock);
	directory->stopped = TRUE;
	waiters_unlock_and_wake(&directory->waiters, &directory->lock);
	post(directory, run_stop);
}

static uint64_t retry_after(const struct key_directory *directory)
{
	return directory->errnum == EACCES ? KEY_DIRECTORY_RETRY_DENIED_MS : KEY_DIRECTORY_RETRY_MS;
}

/* Whether a load has to be begun for this look. Under the lock. */
static gboolean needs_load(const struct key_directory *directory, uint64_t now)
{
	switch (directory->state) {
	case KEY_DIRECTORY_NEW:
		return TRUE;
	case KEY_DIRECTORY_FAILED:
		return now - directory->loaded >= retry_after(directory);
	case KEY_DIRECTORY_READY:
		return directory->must_poll && !directory->refreshing &&
		       now - directory->loaded >= KEY_DIRECTORY_STALE_MS;
	case KEY_DIRECTORY_LOADING:
		break;
	}
	return FALSE;
}

int key_directory_look(
	struct key_directory *directory, collection_wait wait, void *data, GError **error)
{
	LOCK_GUARD(&directory->lock);
	uint64_t now = loop_now();

	directory->looked = now;
	if (directory->stopped)
		return error_set(error, ESHUTDOWN, "etcd: the directory is no longer served");
	if (needs_load(directory, now)) {
		directory->refreshing = TRUE;
		if (directory->state != KEY_DIRECTORY_READY)
			directory->state = KEY_DIRECTORY_LOADING;
		post(directory, run_refresh);
	}
	if (directory->state == KEY_DIRECTORY_FAILED)
		return error_set(error, directory->errnum, "%s", directory->message);
	if (directory->state == KEY_DIRECTORY_READY &&
		(!directory->refreshing || directory->overdue))
		return 0;
	if (wait == NULL)
		return -EINPROGRESS;
	if (waiters_count(&directory->waiters) >= KEY_DIRECTORY_WAITERS_MAX)
		return error_set(error, EAGAIN, "etcd: too many requests wait for a directory");
	waiters_add(&directory->waiters, wait, data);
	return -EINPROGRESS;
}

gboolean key_directory_find(struct key_directory *directory, const char *name, size_t length,
	struct key_snapshot **ret_snapshot, gboolean *ret_directory)
{
	LOCK_GUARD(&directory->lock);
	struct key_child child = {0};

	if (!key_children_find(directory->children, name, length, &child))
		return FALSE;
	*ret_snapshot = child.snapshot != NULL ? key_snapshot_ref(child.snapshot) : NULL;
	*ret_directory = child.directory;
	return TRUE;
}

void key_directory_each(
	struct key_directory *directory, uint64_t after, key_visit visit, void *data)
{
	LOCK_GUARD(&directory->lock);

	key_children_each(directory->children, after, visit, data);
}

size_t key_directory_longest(struct key_directory *directory)
{
	LOCK_GUARD(&directory->lock);

	return key_children_longest(directory->children);
}

static const char *state_name(const struct key_directory *directory)
{
	switch (directory->state) {
	case KEY_DIRECTORY_FAILED:
		return "failed";
	case KEY_DIRECTORY_READY:
		if (directory->scope.revision != 0)
			return "past";
		return directory->must_poll ? "polled" : "watching";
	default:
		return "loading";
	}
}

void key_directory_describe(struct key_directory *directory, struct key_directory_status *ret)
{
	LOCK_GUARD(&directory->lock);

	*ret = (struct key_directory_status){
		.state = state_name(directory),
		.keys = key_children_keys(directory->children),
		.directories = key_children_directories(directory->children),
		.bytes = key_children_bytes(directory->children),
		.revision = directory->revision,
		.idle = loop_now() - directory->looked,
	};
}

const struct key_scope *key_directory_scope(const struct key_directory *directory)
{
	return &directory->scope;
}

gboolean key_directory_is_shown(struct key_directory *directory)
{
	LOCK_GUARD(&directory->lock);

	return directory->state == KEY_DIRECTORY_READY;
}

gboolean key_directory_must_poll(struct key_directory *directory)
{
	LOCK_GUARD(&directory->lock);

	return directory->must_poll;
}

struct timespec key_directory_changed(struct key_directory *directory)
{
	LOCK_GUARD(&directory->lock);

	return directory->changed;
}

void key_directory_touch(struct key_directory *directory)
{
	LOCK_GUARD(&directory->lock);

	directory->looked = loop_now();
}

uint64_t key_directory_idle(struct key_directory *directory)
{
	LOCK_GUARD(&directory->lock);

	return waiters_count(&directory->waiters) > 0 ? 0 : loop_now() - directory->looked;
}
