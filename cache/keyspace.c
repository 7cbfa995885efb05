#include "cache/keyspace.h"

#include <errno.h>
#include <string.h>

#include "cache/key_commit.h"
#include "cache/key_loader.h"
#include "cache/key_probe.h"
#include "cache/keyspace_parts.h"
#include "client/error.h"
#include "client/lock.h"

/* How often idle directories are looked for. */
#define SWEEP_MS 15000

struct keyspace {
	struct keyspace_options options;
	struct admission *admission;
	struct revision_clock *clock;
	struct key_histories *histories;
	struct source *probe; /* health's */
	struct health *health;
	struct strand *strand; /* the sweep's */
	gint64 changes; /* atomic */
	gint watches; /* atomic */
	char *where;
	pthread_mutex_t lock; /* guards all below */
	GHashTable *directories; /* its scope -> struct key_directory * (owned) */
	GHashTable *commits; /* set of struct key_commit *, which leave by themselves */
	struct key_scope leaf; /* the last directory that was loaded and has no subdirectory */
	int64_t leaf_keys; /* in it, or as many of them as make a page; 0: there is none */
	guint running; /* what has yet to say that it calls neither client nor handlers any more */
	pthread_cond_t ended; /* running is 0 */
	uint64_t timer;
	gboolean stopped;
};

static void run_sweep(void *data);

static void count_change(struct keyspace *keyspace)
{
	__atomic_add_fetch(&keyspace->changes, 1, __ATOMIC_SEQ_CST);
}

uint64_t keyspace_changes(struct keyspace *keyspace)
{
	return (uint64_t)__atomic_load_n(&keyspace->changes, __ATOMIC_SEQ_CST);
}

/* What the directories tell */

static void on_changed(void *data, struct key_directory *directory, const struct key_change *change)
{
	struct keyspace *keyspace = data;

	count_change(keyspace);
	keyspace->options.handlers->changed(keyspace->options.data, keyspace, directory, change);
}

/* For its siblings, which may be like it (key_loader_start). */
static void note_leaf(struct keyspace *keyspace, struct key_directory *directory)
{
	LOCK_GUARD(&keyspace->lock);
	struct key_directory_status status;

	key_directory_describe(directory, &status);
	key_scope_finish(&keyspace->leaf);
	key_scope_copy(&keyspace->leaf, key_directory_scope(directory));
	keyspace->leaf_keys = 0;
	if (status.keys > 0 && status.directories == 0)
		keyspace->leaf_keys = (int64_t)MIN(
			status.keys, KEY_LOADER_PAGE_BYTES / (status.bytes / status.keys + 1));
}

/* Under the lock. */
static int64_t expected_keys(const struct keyspace *keyspace, const struct key_scope *scope)
{
	return keyspace->leaf_keys > 0 && key_scope_are_siblings(&keyspace->leaf, scope)
		       ? keyspace->leaf_keys
		       : 0;
}

static void on_loaded(void *data, struct key_directory *directory)
{
	struct keyspace *keyspace = data;

	note_leaf(keyspace, directory);
	keyspace->options.handlers->loaded(keyspace->options.data, keyspace, directory);
}

static void on_unwatched(void *data, struct key_directory *directory)
{
	struct keyspace *keyspace = data;

	count_change(keyspace);
	keyspace->options.handlers->retiring(keyspace->options.data, keyspace, directory);
}

static gboolean on_watch_begins(void *data)
{
	struct keyspace *keyspace = data;

	if (g_atomic_int_add(&keyspace->watches, 1) < KEYSPACE_WATCHES_MAX)
		return TRUE;
	g_atomic_int_add(&keyspace->watches, -1);
	return FALSE;
}

static void on_watch_ended(void *data)
{
	struct keyspace *keyspace = data;

	g_atomic_int_add(&keyspace->watches, -1);
}

static void on_contact(void *data, const struct etcd_result *result)
{
	struct keyspace *keyspace = data;
	struct source_result lost;

	if (result == NULL)
		health_report(keyspace->health, NULL);
	else if (key_probe_is_lost(result, &lost))
		health_report(keyspace->health, &lost);
}

static void on_stopped(void *data)
{
	struct keyspace *keyspace = data;
	LOCK_GUARD(&keyspace->lock);

	if (--keyspace->running == 0)
		pthread_cond_signal(&keyspace->ended);
}

static const struct key_directory_handlers directory_handlers = {
	.changed = on_changed,
	.loaded = on_loaded,
	.unwatched = on_unwatched,
	.watch_begins = on_watch_begins,
	.watch_ended = on_watch_ended,
	.contact = on_contact,
	.stopped = on_stopped,
};

/* What health tells */

static void unref_directory(void *directory)
{
	key_directory_unref(directory);
}

/* References to all directories; free with g_ptr_array_unref. */
static GPtrArray *all_directories(struct keyspace *keyspace)
{
	LOCK_GUARD(&keyspace->lock);
	GPtrArray *all = g_ptr_array_new_with_free_func(unref_directory);
	GHashTableIter iter;
	void *directory;

	g_hash_table_iter_init(&iter, keyspace->directories);
	while (g_hash_table_iter_next(&iter, NULL, &directory))
		g_ptr_array_add(all, key_directory_ref(directory));
	return all;
}

static void for_all(struct keyspace *keyspace, void (*function)(struct key_directory *))
{
	g_autoptr(GPtrArray) all = all_directories(keyspace);

	for (guint i = 0; i < all->len; i++)
		function(g_ptr_array_index(all, i));
}

static void on_lost(void *data)
{
	for_all(data, key_directory_reconnect);
}

/* Those who wait for what was never read wait in vain (health_refuse). */
static void on_away(void *data)
{
	for_all(data, key_directory_wake);
}

static void on_restored(void *data)
{
	struct keyspace *keyspace = data;

	key_histories_kick(keyspace->histories);
	for_all(keyspace, key_directory_kick);
}

static const struct health_handlers health_handlers = {
	.lost = on_lost,
	.away = on_away,
	.restored = on_restored,
	.stopped = on_stopped,
};

/* Life */

static guint directory_hash(const void *scope)
{
	return key_scope_hash(scope);
}

static gboolean directory_equal(const void *a, const void *b)
{
	return key_scope_equal(a, b);
}

static void stop_directory(void *directory)
{
	key_directory_stop(directory);
	key_directory_unref(directory);
}

static GHashTable *new_table(void)
{
	return g_hash_table_new_full(directory_hash, directory_equal, NULL, stop_directory);
}

static void schedule_sweep(struct keyspace *keyspace)
{
	keyspace->timer = loop_timer_add(keyspace->options.loop,
		MIN(SWEEP_MS, keyspace->options.idle / 2 + 1), keyspace->strand, run_sweep,
		keyspace);
}

struct keyspace *keyspace_create(const struct keyspace_options *options)
{
	struct keyspace *keyspace = g_new0(struct keyspace, 1);

	keyspace->options = *options;
	g_bytes_ref(keyspace->options.prefix);
	if (keyspace->options.idle == 0)
		keyspace->options.idle = CACHE_IDLE_MS;
	if (keyspace->options.commit_timeout == 0)
		keyspace->options.commit_timeout = COMMIT_TIMEOUT_MS;
	keyspace->where = g_strdup(etcd_client_where(options->client));
	keyspace->admission = admission_create(CACHE_LISTS_MAX);
	keyspace->clock = revision_clock_create();
	keyspace->histories = key_histories_create(options->client, options->pool, keyspace->clock);
	keyspace->strand = strand_create(options->pool);
	pthread_mutex_init(&keyspace->lock, NULL);
	pthread_cond_init(&keyspace->ended, NULL);
	/* The sweep's strand and health. */
	keyspace->running = 2;
	keyspace->directories = new_table();
	keyspace->commits = g_hash_table_new(NULL, NULL);
	keyspace->probe = key_probe_create(options->client, options->prefix);
	keyspace->health = health_create(
		keyspace->probe, options->loop, options->pool, &health_handlers, keyspace);
	pthread_mutex_lock(&keyspace->lock);
	schedule_sweep(keyspace);
	pthread_mutex_unlock(&keyspace->lock);
	health_start(keyspace->health);
	return keyspace;
}

/* Under the lock. They leave later, when each knows its outcome. */
static void stop_commits(struct keyspace *keyspace)
{
	GHashTableIter iter;
	void *commit;

	g_hash_table_iter_init(&iter, keyspace->commits);
	while (g_hash_table_iter_next(&iter, &commit, NULL))
		key_commit_stop(commit);
}

void keyspace_stop(struct keyspace *keyspace)
{
	GHashTable *directories;

	pthread_mutex_lock(&keyspace->lock);
	keyspace->stopped = TRUE;
	loop_timer_cancel(keyspace->options.loop, keyspace->timer);
	directories = g_steal_pointer(&keyspace->directories);
	keyspace->directories = new_table();
	stop_commits(keyspace);
	pthread_mutex_unlock(&keyspace->lock);
	health_stop(keyspace->health);
	key_histories_stop(keyspace->histories);
	g_hash_table_destroy(directories);
	/* After a sweep that is under way. */
	strand_post(keyspace->strand, on_stopped, keyspace);
	pthread_mutex_lock(&keyspace->lock);
	while (keyspace->running > 0)
		pthread_cond_wait(&keyspace->ended, &keyspace->lock);
	pthread_mutex_unlock(&keyspace->lock);
	etcd_client_destroy(keyspace->options.client);
}

void keyspace_destroy(struct keyspace *keyspace)
{
	if (keyspace == NULL)
		return;
	g_hash_table_destroy(keyspace->directories);
	g_hash_table_destroy(keyspace->commits);
	key_scope_finish(&keyspace->leaf);
	key_histories_destroy(keyspace->histories);
	health_unref(keyspace->health);
	key_probe_destroy(keyspace->probe);
	strand_unref(keyspace->strand);
	admission_destroy(keyspace->admission);
	revision_clock_destroy(keyspace->clock);
	pthread_cond_destroy(&keyspace->ended);
	pthread_mutex_destroy(&keyspace->lock);
	g_bytes_unref(keyspace->options.prefix);
	g_free(keyspace->where);
	g_free(keyspace);
}

/* Looking */

/* A reference to the directory of that scope, created if need be. */
static int get_directory(struct keyspace *keyspace, const struct key_scope *scope,
	struct key_directory **ret, GError **error)
{
	LOCK_GUARD(&keyspace->lock);
	struct key_directory *directory = g_hash_table_lookup(keyspace->directories, scope);

	if (directory != NULL) {
		*ret = key_directory_ref(directory);
		return 0;
	}
	if (keyspace->stopped)
		return error_set(error, ESHUTDOWN, "%s: no longer served", keyspace->where);
	if (g_hash_table_size(keyspace->directories) >= KEYSPACE_DIRECTORIES_MAX)
		return error_set(error, EAGAIN, "%s: more than %d directories are kept",
			keyspace->where, KEYSPACE_DIRECTORIES_MAX);
	directory = key_directory_create(
		&(struct key_directory_options){
			.client = keyspace->options.client,
			.loop = keyspace->options.loop,
			.pool = keyspace->options.pool,
			.admission = keyspace->admission,
			.clock = keyspace->clock,
			.expected = expected_keys(keyspace, scope),
			.handlers = &directory_handlers,
			.data = keyspace,
		},
		scope);
	g_hash_table_insert(
		keyspace->directories, (void *)key_directory_scope(directory), directory);
	keyspace->running++;
	*ret = key_directory_ref(directory);
	return 0;
}

static int look_at(struct keyspace *keyspace, const struct key_scope *scope, collection_wait wait,
	void *data, struct key_directory **ret, GError **error)
{
	struct key_directory *directory = NULL;
	int r = get_directory(keyspace, scope, &directory, error);

	if (r < 0)
		return r;
	r = key_directory_look(directory, NULL, NULL, error);
	if (r == -EINPROGRESS)
		r = health_refuse(keyspace->health, error);
	/* What was read before is shown while nobody can tell whether it is still so. */
	if (r == -EHOSTDOWN && key_directory_is_shown(directory)) {
		g_clear_error(error);
		r = 0;
	}
	if (r == -EINPROGRESS && wait != NULL)
		r = key_directory_look(directory, wait, data, error);
	if (r == 0)
		*ret = directory;
	else
		key_directory_unref(directory);
	return r;
}

int keyspace_look(struct keyspace *keyspace, const struct key_scope *scope, collection_wait wait,
	void *data, struct key_directory **ret, GError **error)
{
	g_autoptr(GError) first = NULL;
	int r = look_at(keyspace, scope, wait, data, ret, &first);

	/* One that was let go between finding it and looking into it is made anew. */
	if (r == -ESHUTDOWN) {
		g_clear_error(&first);
		r = look_at(keyspace, scope, wait, data, ret, &first);
	}
	if (first != NULL)
		g_propagate_error(error, g_steal_pointer(&first));
	return r;
}

int keyspace_look_back(struct keyspace *keyspace, struct key_snapshot *newest, collection_wait wait,
	void *data, struct key_history **ret, GError **error)
{
	int r = key_histories_look(keyspace->histories, newest, NULL, NULL, ret, error);

	if (r == -EINPROGRESS)
		r = health_refuse(keyspace->health, error);
	if (r == -EINPROGRESS && wait != NULL)
		r = key_histories_look(keyspace->histories, newest, wait, data, ret, error);
	return r;
}

struct key_directory *keyspace_peek(struct keyspace *keyspace, const struct key_scope *scope)
{
	LOCK_GUARD(&keyspace->lock);
	struct key_directory *directory = g_hash_table_lookup(keyspace->directories, scope);

	return directory != NULL && key_directory_is_shown(directory) ? key_directory_ref(directory)
								      : NULL;
}

void keyspace_touch(struct keyspace *keyspace, const struct key_scope *scope)
{
	LOCK_GUARD(&keyspace->lock);
	struct key_directory *directory = g_hash_table_lookup(keyspace->directories, scope);

	if (directory != NULL)
		key_directory_touch(directory);
}

/* Commits */

const struct keyspace_options *keyspace_get_options(struct keyspace *keyspace)
{
	return &keyspace->options;
}

int keyspace_enter(struct keyspace *keyspace, struct key_commit *commit)
{
	LOCK_GUARD(&keyspace->lock);

	if (keyspace->stopped)
		return -ESHUTDOWN;
	g_hash_table_add(keyspace->commits, commit);
	keyspace->running++;
	return g_hash_table_size(keyspace->commits) > COMMIT_MAX ? -EAGAIN : 0;
}

void keyspace_leave(struct keyspace *keyspace, struct key_commit *commit)
{
	pthread_mutex_lock(&keyspace->lock);
	g_hash_table_remove(keyspace->commits, commit);
	pthread_mutex_unlock(&keyspace->lock);
	on_stopped(keyspace);
}

/* A change that is shown directory by directory. */
struct showing {
	gint left;
	void (*done)(void *data);
	void *data;
};

static void on_shown(void *data)
{
	struct showing *showing = data;

	if (!g_atomic_int_dec_and_test(&showing->left))
		return;
	showing->done(showing->data);
	g_free(showing);
}

/* Under the lock. */
static void add_if_kept(struct keyspace *keyspace, const struct key_scope *scope, GPtrArray *found)
{
	struct key_directory *directory = g_hash_table_lookup(keyspace->directories, scope);

	if (directory != NULL)
		g_ptr_array_add(found, key_directory_ref(directory));
}

/* References to the kept directories that the key is in, or below. */
static GPtrArray *directories_of(struct keyspace *keyspace, GBytes *key)
{
	LOCK_GUARD(&keyspace->lock);
	GPtrArray *found = g_ptr_array_new_with_free_func(unref_directory);
	const struct key_scope slashless = {keyspace->options.prefix, TRUE};
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);

	add_if_kept(keyspace, &slashless, found);
	for (size_t i = 0; i < length; i++) {
		g_autoptr(GBytes) prefix = NULL;
		struct key_scope scope = {0};

		if (bytes[i] != '/')
			continue;
		prefix = g_bytes_new_from_bytes(key, 0, i + 1);
		scope.prefix = prefix;
		add_if_kept(keyspace, &scope, found);
	}
	return found;
}

void keyspace_apply(struct keyspace *keyspace, GBytes *key, struct key_snapshot *snapshot,
	int64_t revision, void (*done)(void *data), void *data)
{
	g_autoptr(GPtrArray) found = directories_of(keyspace, key);
	struct showing *showing = g_new(struct showing, 1);

	*showing = (struct showing){(gint)found->len + 1, done, data};
	for (guint i = 0; i < found->len; i++)
		key_directory_apply(
			g_ptr_array_index(found, i), key, snapshot, revision, on_shown, showing);
	on_shown(showing);
}

/* Letting go */

static gboolean is_idle(struct keyspace *keyspace, struct key_directory *directory)
{
	return key_directory_idle(directory) >= keyspace->options.idle;
}

/* The keyspace's reference to the directory, if it is idle, else NULL. */
static struct key_directory *steal_idle(struct keyspace *keyspace, struct key_directory *directory)
{
	LOCK_GUARD(&keyspace->lock);
	const struct key_scope *scope = key_directory_scope(directory);

	if (g_hash_table_lookup(keyspace->directories, scope) != directory ||
		!is_idle(keyspace, directory))
		return NULL;
	count_change(keyspace);
	g_hash_table_steal(keyspace->directories, scope);
	return directory;
}

void keyspace_retire(struct keyspace *keyspace, struct key_directory *directory)
{
	struct key_directory *idle = steal_idle(keyspace, directory);

	/* Not under the lock: it may call somebody who has just begun to wait. */
	if (idle != NULL)
		stop_directory(idle);
}

static void run_sweep(void *data)
{
	struct keyspace *keyspace = data;
	/* Empty once the keyspace is stopped. */
	g_autoptr(GPtrArray) all = all_directories(keyspace);

	for (guint i = 0; i < all->len; i++) {
		struct key_directory *directory = g_ptr_array_index(all, i);

		if (is_idle(keyspace, directory))
			keyspace->options.handlers->retiring(
				keyspace->options.data, keyspace, directory);
	}
	key_histories_sweep(keyspace->histories);
	pthread_mutex_lock(&keyspace->lock);
	if (!keyspace->stopped)
		schedule_sweep(keyspace);
	pthread_mutex_unlock(&keyspace->lock);
}

gboolean keyspace_is_away(struct keyspace *keyspace, gint64 *ret_since, char **ret_message)
{
	return health_is_away(keyspace->health, ret_since, ret_message);
}

const char *keyspace_where(struct keyspace *keyspace)
{
	return keyspace->where;
}

void keyspace_describe(struct keyspace *keyspace, struct keyspace_status *ret)
{
	g_autoptr(GPtrArray) all = all_directories(keyspace);

	*ret = (struct keyspace_status){.directories = all->len};
	for (guint i = 0; i < all->len; i++) {
		struct key_directory_status status;

		key_directory_describe(g_ptr_array_index(all, i), &status);
		ret->watched += strcmp(status.state, "watching") == 0;
		ret->keys += status.keys;
		ret->bytes += status.bytes;
	}
}
