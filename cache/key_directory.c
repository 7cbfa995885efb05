#include "cache/key_directory.h"

#include <errno.h>
#include <string.h>

#include "cache/delay.h"
#include "cache/key_applied.h"
#include "client/error.h"
#include "client/lock.h"

enum state {
	STATE_NEW, /* nobody looked yet, or not since the server is back */
	STATE_LOADING, /* the first load is under way */
	STATE_READY, /* what there is can be shown */
	STATE_FAILED, /* the first load failed */
};

/* Whether anything is left below a name. On the strand. */
struct check {
	GHashTable *names; /* set of GBytes: what is still to be asked */
	GBytes *name; /* asked for now */
	struct etcd_call *call;
	int64_t put; /* the last revision that put something below it meanwhile */
	gboolean found;
};

struct key_directory {
	gint references;
	struct key_scope scope;
	struct key_directory_options options;
	struct strand *strand;
	struct key_reflector *reflector;
	/* The strand's. */
	struct check check;
	struct delay patience; /* with a load anew */
	struct key_applied *applied; /* a directory's name with a '/' behind it */
	GPtrArray *unsure; /* of struct application *: until nothing is asked for any more */
	uint64_t noise; /* bytes from below since the watch began */
	uint64_t watched; /* loop_now() then */
	uint64_t quiet; /* loop_now() until which it is not watched */
	gboolean has_watch;
	gboolean went_back;
	gboolean ended;
	pthread_mutex_t lock; /* guards all below */
	struct key_children *children;
	enum state state;
	gboolean refreshing; /* a load is under way that somebody waits for */
	gboolean overdue; /* for so long that nobody does any more */
	gboolean must_poll;
	gboolean stopped;
	uint64_t loaded; /* loop_now() of the last load that ended, however */
	uint64_t looked;
	int64_t revision;
	struct timespec changed;
	int errnum;
	char *message;
	struct waiters waiters;
};

/* A change of ours that is to show. */
struct application {
	struct key_directory *directory;
	GBytes *key;
	struct key_snapshot *snapshot; /* NULL: it is gone */
	int64_t revision;
	void (*done)(void *data);
	void *data;
};

static void end_unsure(struct key_directory *directory);

static void tell(struct key_directory *directory, const struct key_change *change)
{
	directory->options.handlers->changed(directory->options.data, directory, change);
}

/* Under the lock. */
static void note_names(struct key_directory *directory, const struct key_change *change)
{
	gboolean was_there = change->old != NULL || change->was_directory;
	gboolean is_there = change->new != NULL || change->is_directory;

	if (was_there != is_there)
		clock_gettime(CLOCK_REALTIME, &directory->changed);
}

/* What a name is made. Takes over snapshot. */
static void set_child(struct key_directory *directory, const char *name, size_t length,
	struct key_snapshot *snapshot, gboolean is_directory)
{
	struct key_change change = {0};
	gboolean tells;

	pthread_mutex_lock(&directory->lock);
	tells = directory->state == STATE_READY;
	tells &= key_children_set(
		directory->children, name, length, snapshot, is_directory, tells ? &change : NULL);
	if (tells)
		note_names(directory, &change);
	pthread_mutex_unlock(&directory->lock);
	if (tells)
		tell(directory, &change);
	key_change_finish(&change);
}

/* What is there now; the snapshot is the caller's reference. Only the strand changes it. */
static struct key_snapshot *get_child(
	struct key_directory *directory, const char *name, size_t length, gboolean *ret_directory)
{
	LOCK_GUARD(&directory->lock);
	struct key_child child = {0};

	key_children_find(directory->children, name, length, &child);
	*ret_directory = child.directory;
	return child.snapshot != NULL ? key_snapshot_ref(child.snapshot) : NULL;
}

/* Loading */

static void on_load_begun(void *data, gboolean went_back)
{
	struct key_directory *directory = data;

	directory->went_back = went_back;
	if (went_back) {
		revision_clock_turn_back(directory->options.clock, 0);
		key_applied_clear(directory->applied);
	}
	pthread_mutex_lock(&directory->lock);
	key_children_sweep_begin(directory->children);
	pthread_mutex_unlock(&directory->lock);
}

static void on_directory(void *data, const char *name, size_t length)
{
	struct key_directory *directory = data;
	gboolean was_directory;
	struct key_snapshot *snapshot = get_child(directory, name, length, &was_directory);

	set_child(directory, name, length, snapshot, TRUE);
	pthread_mutex_lock(&directory->lock);
	key_children_mark_directory(directory->children, name, length);
	pthread_mutex_unlock(&directory->lock);
}

static gboolean on_known(void *data, const char *name, size_t length, const struct etcd_kv *kv)
{
	struct key_directory *directory = data;
	LOCK_GUARD(&directory->lock);
	struct key_child child = {0};

	key_children_find(directory->children, name, length, &child);
	if (child.snapshot == NULL || directory->went_back || !key_snapshot_is(child.snapshot, kv))
		return FALSE;
	key_children_mark_key(directory->children, name, length);
	return TRUE;
}

static struct key_snapshot *make_snapshot(struct key_directory *directory, const struct etcd_kv *kv)
{
	return key_snapshot_create(
		kv, revision_clock_seen(directory->options.clock, kv->mod_revision));
}

static void on_key(void *data, const char *name, size_t length, const struct etcd_kv *kv)
{
	struct key_directory *directory = data;
	struct key_snapshot *old KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;

	if (key_applied_hides(directory->applied, name, length, kv->mod_revision))
		return;
	old = get_child(directory, name, length, &is_directory);
	set_child(directory, name, length, make_snapshot(directory, kv), is_directory);
	pthread_mutex_lock(&directory->lock);
	key_children_mark_key(directory->children, name, length);
	pthread_mutex_unlock(&directory->lock);
}

static void give_watch_back(struct key_directory *directory)
{
	if (directory->has_watch)
		directory->options.handlers->watch_ended(directory->options.data);
	directory->has_watch = FALSE;
}

/* Whether the directory is to be watched from now on (see the header). */
static gboolean decide_watch(struct key_directory *directory, gboolean is_worth_it)
{
	if (!is_worth_it || directory->scope.revision != 0 || loop_now() < directory->quiet) {
		give_watch_back(directory);
		return FALSE;
	}
	if (!directory->has_watch)
		directory->has_watch =
			directory->options.handlers->watch_begins(directory->options.data);
	directory->noise = 0;
	directory->watched = loop_now();
	return directory->has_watch;
}

static void tell_unwatched(struct key_directory *directory)
{
	directory->options.handlers->unwatched(directory->options.data, directory);
}

/* The load has ended. On the strand. */
static void end_patience(struct key_directory *directory)
{
	if (delay_cancel(&directory->patience, directory->options.loop))
		key_directory_unref(directory);
}

/* What the load could not know of stays as it is. */
static void keep_applied(void *data, const char *name, size_t length)
{
	struct key_directory *directory = data;
	const gboolean below = length > 0 && name[length - 1] == '/';
	struct key_child child = {0};

	key_children_find(directory->children, name, below ? length - 1 : length, &child);
	if (below && child.directory)
		key_children_mark_directory(directory->children, name, length - 1);
	else if (!below && child.snapshot != NULL)
		key_children_mark_key(directory->children, name, length);
}

static gboolean on_loaded(void *data, int64_t revision)
{
	struct key_directory *directory = data;
	g_autoptr(GArray) gone = NULL;
	gboolean is_worth_it;
	gboolean watches;
	gboolean was_watched;
	gboolean tells;

	revision_clock_seen(directory->options.clock, revision);
	pthread_mutex_lock(&directory->lock);
	key_applied_loaded(directory->applied, revision, keep_applied, directory);
	gone = key_children_sweep_end(directory->children);
	is_worth_it = key_children_keys(directory->children) > 0 ||
		      key_children_directories(directory->children) == 0;
	pthread_mutex_unlock(&directory->lock);
	watches = decide_watch(directory, is_worth_it);
	end_patience(directory);
	pthread_mutex_lock(&directory->lock);
	tells = directory->state == STATE_READY;
	was_watched = tells && !directory->must_poll;
	for (guint i = 0; tells && i < gone->len; i++)
		note_names(directory, &g_array_index(gone, struct key_change, i));
	directory->must_poll = !watches && directory->scope.revision == 0;
	directory->state = STATE_READY;
	directory->refreshing = directory->overdue = FALSE;
	directory->loaded = loop_now();
	directory->revision = revision;
	waiters_unlock_and_wake(&directory->waiters, &directory->lock);
	for (guint i = 0; tells && i < gone->len; i++)
		tell(directory, &g_array_index(gone, struct key_change, i));
	directory->options.handlers->loaded(directory->options.data, directory);
	if (was_watched && !watches)
		tell_unwatched(directory);
	return watches;
}

/* Under the lock. What may no more be read is not shown any longer, either. */
static GArray *deny(struct key_directory *directory)
{
	directory->state = STATE_FAILED;
	key_children_sweep_begin(directory->children);
	return key_children_sweep_end(directory->children);
}

static void on_failed(void *data, const struct etcd_result *result)
{
	struct key_directory *directory = data;
	g_autoptr(GArray) gone = NULL;

	end_patience(directory);
	pthread_mutex_lock(&directory->lock);
	/* What was complete once goes on being shown: the last known state. */
	if (directory->state == STATE_LOADING)
		directory->state = STATE_FAILED;
	else if (result->errnum == EACCES)
		gone = deny(directory);
	directory->refreshing = directory->overdue = FALSE;
	directory->loaded = loop_now();
	directory->errnum = result->errnum;
	g_free(directory->message);
	directory->message = g_strdup(result->message);
	waiters_unlock_and_wake(&directory->waiters, &directory->lock);
	if (gone == NULL)
		return;
	give_watch_back(directory);
	for (guint i = 0; i < gone->len; i++)
		tell(directory, &g_array_index(gone, struct key_change, i));
	tell_unwatched(directory);
}

/* What is left below a name */

static void check_next(struct key_directory *directory);

static void on_check_kv(void *data, const struct etcd_kv *kv)
{
	struct key_directory *directory = data;

	directory->check.found = TRUE;
}

static gboolean is_checking(const struct key_directory *directory, const char *name, size_t length)
{
	g_autoptr(GBytes) asked = NULL;

	if (directory->check.name == NULL)
		return FALSE;
	asked = g_bytes_new_static(name, length);
	return g_bytes_equal(directory->check.name, asked);
}

static void on_check_done(
	void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct key_directory *directory = data;
	g_autoptr(GBytes) name = g_steal_pointer(&directory->check.name);

	directory->check.call = etcd_call_unref(directory->check.call);
	if (directory->ended) {
		/* Of the directory, nobody is told any more. */
		end_unsure(directory);
	} else if (result->errnum != 0) {
		/* Asked again with the next event, or when the server is back. */
		g_hash_table_add(directory->check.names, g_steal_pointer(&name));
		directory->options.handlers->contact(directory->options.data, result);
		end_unsure(directory);
	} else {
		size_t length;
		const char *bytes = g_bytes_get_data(name, &length);

		/* The answer may be older than the last event. */
		if (!directory->check.found && directory->check.put <= result->revision) {
			gboolean was_directory;
			struct key_snapshot *snapshot =
				get_child(directory, bytes, length, &was_directory);

			set_child(directory, bytes, length, snapshot, FALSE);
		}
		check_next(directory);
	}
	key_directory_unref(directory);
}

static void check_next(struct key_directory *directory)
{
	static const struct etcd_range_handlers handlers = {
		.kv = on_check_kv,
		.done = on_check_done,
	};
	struct etcd_range range = {.limit = 1, .keys_only = TRUE};
	GHashTableIter iter;
	const char *bytes;
	size_t length;
	void *name;

	if (directory->check.name != NULL || directory->ended)
		return;
	g_hash_table_iter_init(&iter, directory->check.names);
	if (!g_hash_table_iter_next(&iter, &name, NULL)) {
		end_unsure(directory);
		return;
	}
	directory->check.name = g_bytes_ref(name);
	g_hash_table_iter_remove(&iter);
	directory->check.found = FALSE;
	directory->check.put = 0;
	bytes = g_bytes_get_data(directory->check.name, &length);
	range.keys = key_scope_below(&directory->scope, bytes, length);
	directory->check.call = etcd_range(directory->options.client, &range, &handlers,
		key_directory_ref(directory), directory->strand);
	key_range_finish(&range.keys);
}

/* Events */

static void take_event(struct key_directory *directory, const struct key_part *part,
	enum etcd_event event, const struct etcd_kv *kv)
{
	struct key_snapshot *old KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;

	if (key_applied_hides(directory->applied, part->name, part->length, kv->mod_revision))
		return;
	old = get_child(directory, part->name, part->length, &is_directory);
	/* Told for the second time. */
	if (old != NULL && old->mod_revision >= kv->mod_revision)
		return;
	revision_clock_seen(directory->options.clock, kv->mod_revision);
	set_child(directory, part->name, part->length,
		event == ETCD_PUT ? make_snapshot(directory, kv) : NULL, is_directory);
}

static void take_event_below(struct key_directory *directory, const struct key_part *part,
	enum etcd_event event, const struct etcd_kv *kv)
{
	gboolean is_directory;
	struct key_snapshot *snapshot =
		get_child(directory, part->name, part->length, &is_directory);

	if (event == ETCD_PUT && is_checking(directory, part->name, part->length))
		directory->check.put = kv->mod_revision;
	if (event == ETCD_PUT && !is_directory) {
		set_child(directory, part->name, part->length, g_steal_pointer(&snapshot), TRUE);
	} else if (event == ETCD_DELETE && is_directory) {
		g_hash_table_add(directory->check.names, g_bytes_new(part->name, part->length));
		check_next(directory);
	}
	key_snapshot_unref(snapshot);
}

/* What comes from below and is not shown here costs more than it is worth. */
static gboolean is_noisy(struct key_directory *directory, const struct etcd_kv *kv)
{
	uint64_t seconds = (loop_now() - directory->watched) / 1000;

	directory->noise += g_bytes_get_size(kv->key);
	if (kv->value != NULL)
		directory->noise += g_bytes_get_size(kv->value);
	return directory->noise > KEY_DIRECTORY_NOISE_BURST + KEY_DIRECTORY_NOISE_RATE * seconds;
}

static void stop_watching(struct key_directory *directory)
{
	directory->quiet = loop_now() + KEY_DIRECTORY_NOISE_MS;
	key_reflector_unwatch(directory->reflector);
	give_watch_back(directory);
	pthread_mutex_lock(&directory->lock);
	directory->must_poll = TRUE;
	directory->loaded = loop_now();
	pthread_mutex_unlock(&directory->lock);
	tell_unwatched(directory);
}

static void on_event(void *data, enum etcd_event event, const struct etcd_kv *kv)
{
	struct key_directory *directory = data;
	struct key_part part;

	if (!key_scope_find(&directory->scope, kv->key, &part))
		return;
	if (!part.deeper) {
		take_event(directory, &part, event, kv);
		return;
	}
	take_event_below(directory, &part, event, kv);
	if (is_noisy(directory, kv))
		stop_watching(directory);
}

static void on_contact(void *data, const struct etcd_result *result)
{
	struct key_directory *directory = data;

	directory->options.handlers->contact(directory->options.data, result);
	if (result == NULL)
		check_next(directory);
}

/* Our own changes */

static void application_end(struct application *application)
{
	application->done(application->data);
	g_bytes_unref(application->key);
	key_snapshot_unref(application->snapshot);
	key_directory_unref(application->directory);
	g_free(application);
}

/* What is below every name is known, or cannot be. */
static void end_unsure(struct key_directory *directory)
{
	g_autoptr(GPtrArray) unsure = NULL;

	if (directory->unsure->len == 0)
		return;
	unsure = g_steal_pointer(&directory->unsure);
	directory->unsure = g_ptr_array_new();
	for (guint i = 0; i < unsure->len; i++)
		application_end(g_ptr_array_index(unsure, i));
}

static void apply_here(struct key_directory *directory, struct application *application,
	const struct key_part *part)
{
	struct key_snapshot *old KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;

	old = get_child(directory, part->name, part->length, &is_directory);
	if (old == NULL || old->mod_revision < application->revision) {
		key_applied_put(
			directory->applied, part->name, part->length, application->revision);
		set_child(directory, part->name, part->length,
			g_steal_pointer(&application->snapshot), is_directory);
	}
	application_end(application);
}

static void apply_below(struct key_directory *directory, struct application *application,
	const struct key_part *part)
{
	/* A name holds no '/': as a directory it is apart from the key of that name. */
	g_autofree char *below = g_malloc(part->length + 1);
	struct key_snapshot *snapshot;
	gboolean is_directory;

	if (application->snapshot == NULL) {
		g_hash_table_add(directory->check.names, g_bytes_new(part->name, part->length));
		g_ptr_array_add(directory->unsure, application);
		check_next(directory);
		return;
	}
	if (is_checking(directory, part->name, part->length))
		directory->check.put = MAX(directory->check.put, application->revision);
	memcpy(below, part->name, part->length);
	below[part->length] = '/';
	key_applied_put(directory->applied, below, part->length + 1, application->revision);
	snapshot = get_child(directory, part->name, part->length, &is_directory);
	set_child(directory, part->name, part->length, snapshot, TRUE);
	application_end(application);
}

static void run_apply(void *data)
{
	struct application *application = data;
	struct key_directory *directory = application->directory;
	struct key_part part;
	gboolean is_known;

	pthread_mutex_lock(&directory->lock);
	is_known = directory->state == STATE_READY || directory->state == STATE_LOADING;
	pthread_mutex_unlock(&directory->lock);
	if (directory->ended || !is_known ||
		!key_scope_find(&directory->scope, application->key, &part))
		application_end(application);
	else if (part.deeper)
		apply_below(directory, application, &part);
	else
		apply_here(directory, application, &part);
}

void key_directory_apply(struct key_directory *directory, GBytes *key,
	struct key_snapshot *snapshot, int64_t revision, void (*done)(void *data), void *data)
{
	struct application *application = g_new(struct application, 1);

	*application = (struct application){
		.directory = key_directory_ref(directory),
		.key = g_bytes_ref(key),
		.snapshot = snapshot != NULL ? key_snapshot_ref(snapshot) : NULL,
		.revision = revision,
		.done = done,
		.data = data,
	};
	strand_post(directory->strand, run_apply, application);
}

static const struct key_reflector_handlers reflector_handlers = {
	.load_begun = on_load_begun,
	.directory = on_directory,
	.known = on_known,
	.key = on_key,
	.loaded = on_loaded,
	.failed = on_failed,
	.event = on_event,
	.contact = on_contact,
};

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
		&reflector_handlers, directory);
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
	check_next(directory);
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
	end_patience(directory);
	key_reflector_stop(directory->reflector);
	if (directory->check.call != NULL)
		etcd_cancel(directory->check.call);
	else
		end_unsure(directory);
	give_watch_back(directory);
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
	if (directory->state == STATE_FAILED && directory->errnum != EACCES)
		directory->state = STATE_NEW;
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
	case STATE_NEW:
		return TRUE;
	case STATE_FAILED:
		return now - directory->loaded >= retry_after(directory);
	case STATE_READY:
		return directory->must_poll && !directory->refreshing &&
		       now - directory->loaded >= KEY_DIRECTORY_STALE_MS;
	case STATE_LOADING:
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
		if (directory->state != STATE_READY)
			directory->state = STATE_LOADING;
		post(directory, run_refresh);
	}
	if (directory->state == STATE_FAILED)
		return error_set(error, directory->errnum, "%s", directory->message);
	if (directory->state == STATE_READY && (!directory->refreshing || directory->overdue))
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
	case STATE_FAILED:
		return "failed";
	case STATE_READY:
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

	return directory->state == STATE_READY;
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
