#include "cache/key_directory_internal.h"

#include <errno.h>

#include "client/lock.h"

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

void key_directory_set_child(struct key_directory *directory, const char *name, size_t length,
	struct key_snapshot *snapshot, gboolean is_directory)
{
	struct key_change change = {0};
	gboolean tells;

	pthread_mutex_lock(&directory->lock);
	tells = directory->state == KEY_DIRECTORY_READY;
	tells &= key_children_set(
		directory->children, name, length, snapshot, is_directory, tells ? &change : NULL);
	if (tells)
		note_names(directory, &change);
	pthread_mutex_unlock(&directory->lock);
	if (tells)
		tell(directory, &change);
	key_change_finish(&change);
}

struct key_snapshot *key_directory_get_child(
	struct key_directory *directory, const char *name, size_t length, gboolean *ret_directory)
{
	LOCK_GUARD(&directory->lock);
	struct key_child child = {0};

	key_children_find(directory->children, name, length, &child);
	*ret_directory = child.directory;
	return child.snapshot != NULL ? key_snapshot_ref(child.snapshot) : NULL;
}

void key_directory_set_below(
	struct key_directory *directory, const char *name, size_t length, gboolean is_directory)
{
	gboolean was_directory;
	struct key_snapshot *snapshot =
		key_directory_get_child(directory, name, length, &was_directory);

	key_directory_set_child(directory, name, length, snapshot, is_directory);
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

	key_directory_set_below(directory, name, length, TRUE);
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
	old = key_directory_get_child(directory, name, length, &is_directory);
	key_directory_set_child(
		directory, name, length, make_snapshot(directory, kv), is_directory);
	pthread_mutex_lock(&directory->lock);
	key_children_mark_key(directory->children, name, length);
	pthread_mutex_unlock(&directory->lock);
}

void key_directory_give_watch_back(struct key_directory *directory)
{
	if (directory->has_watch)
		directory->options.handlers->watch_ended(directory->options.data);
	directory->has_watch = FALSE;
}

/* Whether the directory is to be watched from now on (see the header). */
static gboolean decide_watch(struct key_directory *directory, gboolean is_worth_it)
{
	if (!is_worth_it || directory->scope.revision != 0 || loop_now() < directory->quiet) {
		key_directory_give_watch_back(directory);
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

void key_directory_end_patience(struct key_directory *directory)
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
	key_directory_end_patience(directory);
	pthread_mutex_lock(&directory->lock);
	tells = directory->state == KEY_DIRECTORY_READY;
	was_watched = tells && !directory->must_poll;
	for (guint i = 0; tells && i < gone->len; i++)
		note_names(directory, &g_array_index(gone, struct key_change, i));
	directory->must_poll = !watches && directory->scope.revision == 0;
	directory->state = KEY_DIRECTORY_READY;
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
	directory->state = KEY_DIRECTORY_FAILED;
	key_children_sweep_begin(directory->children);
	return key_children_sweep_end(directory->children);
}

static void on_failed(void *data, const struct etcd_result *result)
{
	struct key_directory *directory = data;
	g_autoptr(GArray) gone = NULL;

	key_directory_end_patience(directory);
	pthread_mutex_lock(&directory->lock);
	/* What was complete once goes on being shown: the last known state. */
	if (directory->state == KEY_DIRECTORY_LOADING)
		directory->state = KEY_DIRECTORY_FAILED;
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
	key_directory_give_watch_back(directory);
	for (guint i = 0; i < gone->len; i++)
		tell(directory, &g_array_index(gone, struct key_change, i));
	tell_unwatched(directory);
}

/* Events */

static void take_event(struct key_directory *directory, const struct key_part *part,
	enum etcd_event event, const struct etcd_kv *kv)
{
	struct key_snapshot *old KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;

	if (key_applied_hides(directory->applied, part->name, part->length, kv->mod_revision))
		return;
	old = key_directory_get_child(directory, part->name, part->length, &is_directory);
	/* Told for the second time. */
	if (old != NULL && old->mod_revision >= kv->mod_revision)
		return;
	revision_clock_seen(directory->options.clock, kv->mod_revision);
	key_directory_set_child(directory, part->name, part->length,
		event == ETCD_PUT ? make_snapshot(directory, kv) : NULL, is_directory);
}

static void take_event_below(struct key_directory *directory, const struct key_part *part,
	enum etcd_event event, const struct etcd_kv *kv)
{
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;

	snapshot = key_directory_get_child(directory, part->name, part->length, &is_directory);
	if (event == ETCD_PUT)
		key_directory_check_put(directory, part->name, part->length, kv->mod_revision);
	if (event == ETCD_PUT && !is_directory)
		key_directory_set_below(directory, part->name, part->length, TRUE);
	else if (event == ETCD_DELETE && is_directory)
		key_directory_check(directory, part->name, part->length);
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
	key_directory_give_watch_back(directory);
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
		key_directory_check_next(directory);
}

const struct key_reflector_handlers key_directory_reflector_handlers = {
	.load_begun = on_load_begun,
	.directory = on_directory,
	.known = on_known,
	.key = on_key,
	.loaded = on_loaded,
	.failed = on_failed,
	.event = on_event,
	.contact = on_contact,
};
