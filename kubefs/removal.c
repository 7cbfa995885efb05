#include "kubefs/removal.h"

#include <string.h>

#include "client/lock.h"
#include "kubefs/errand.h"
#include "kubefs/filesystem.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/layout.h"

struct removal {
	gint references; /* the table's, and the timer's or the errand's */
	struct removals *removals;
	struct place place;
	struct snapshot *snapshot; /* of an object */
	struct key_snapshot *value; /* of a key */
	struct process *process;
	guint64 timer; /* processes_after's; guarded by removals->lock */
	gboolean begun; /* likewise: it is being deleted */
	struct errand *errand;
};

struct removals {
	struct filesystem *filesystem;
	pthread_mutex_t lock;
	GPtrArray *all; /* of struct removal *, references */
	gboolean closed; /* the mount ends */
	gint count; /* atomic: mostly there are none */
};

static void removal_unref(void *pointer)
{
	struct removal *removal = pointer;

	if (!g_atomic_int_dec_and_test(&removal->references))
		return;
	place_finish(&removal->place);
	snapshot_unref(removal->snapshot);
	key_snapshot_unref(removal->value);
	process_unref(removal->process);
	errand_unref(removal->errand);
	g_free(removal);
}

static struct removal *removal_ref(struct removal *removal)
{
	g_atomic_int_inc(&removal->references);
	return removal;
}

struct removals *removals_create(struct filesystem *filesystem)
{
	struct removals *removals = g_new0(struct removals, 1);

	removals->filesystem = filesystem;
	pthread_mutex_init(&removals->lock, NULL);
	removals->all = g_ptr_array_new_with_free_func(removal_unref);
	return removals;
}

void removals_destroy(struct removals *removals)
{
	if (removals == NULL)
		return;
	g_ptr_array_unref(removals->all);
	pthread_mutex_destroy(&removals->lock);
	g_free(removals);
}

/* The plain name; the escaped one where the kernel was given one that is of this directory. */
static void tell_key(struct removal *removal)
{
	struct filesystem *filesystem = removal->removals->filesystem;
	const struct place *place = &removal->place;
	size_t begin = g_bytes_get_size(place->scope.prefix);
	size_t length;
	const char *bytes = g_bytes_get_data(place->key, &length);

	for (guint form = KEY_PLAIN; form <= KEY_VALUE; form++) {
		g_autofree char *escaped =
			key_path_name(bytes + begin, length - begin, (enum key_form)form);
		g_autofree char *name = NULL;
		uint64_t id = key_layout_locate(filesystem, &place->scope, escaped, &name);

		if (id == 0)
			continue;
		notifier_entry(filesystem->notifier, id, name);
		notifier_listing(filesystem->notifier, id);
	}
}

/* What the kernel knows of the object's names is no longer, or again, true. */
static void tell(struct removal *removal)
{
	struct filesystem *filesystem = removal->removals->filesystem;
	struct place place = removal->place;

	if (place.kind == PLACE_KEY) {
		tell_key(removal);
		return;
	}
	for (guint format = 0; format < NODE_FORMATS; format++) {
		g_autofree char *name = NULL;
		g_autofree char *directory = NULL;
		uint64_t id;

		place.format = (enum node_format)format;
		directory = place_directory_of(&place, &name);
		id = place_directory_id(filesystem->nodes, &place);
		if (id == 0)
			continue;
		notifier_entry(filesystem->notifier, id, name);
		notifier_listing(filesystem->notifier, id);
	}
}

/* It is hidden no more. FALSE when it was not. */
static gboolean drop(struct removal *removal)
{
	struct removals *removals = removal->removals;
	gboolean dropped;

	pthread_mutex_lock(&removals->lock);
	dropped = g_ptr_array_remove_fast(removals->all, removal);
	if (dropped)
		g_atomic_int_add(&removals->count, -1);
	pthread_mutex_unlock(&removals->lock);
	if (dropped)
		filesystem_saves(removals->filesystem, -1);
	return dropped;
}

/* The server has answered: the object is gone, or terminating, or is there again. */
static void on_deleted(void *data)
{
	struct removal *removal = data;
	struct filesystem *filesystem = removal->removals->filesystem;
	g_autoptr(GError) error = NULL;
	int r = errand_look(removal->errand, NULL, NULL, NULL, &error);

	if (r < 0 && r != -ENOENT) {
		g_autofree char *path = place_path(&removal->place);
		g_autofree char *text =
			g_strdup_printf("%s: not deleted: %s", path, error->message);

		journal_add(filesystem->journal, -r, text);
	}
	drop(removal);
	tell(removal);
	removal_unref(removal);
}

/* Who has removed the key itself saves a new one next. */
static void forget_reading(const struct removal *removal)
{
	const struct key_snapshot *value = removal->value;

	key_readings_forget(removal->removals->filesystem->readings,
		process_get_group(removal->process), value->key, value->key_length);
}

/* Takes over a reference. */
static void begin(struct removal *removal)
{
	struct removals *removals = removal->removals;
	const struct place *place = &removal->place;
	gboolean first;

	pthread_mutex_lock(&removals->lock);
	first = !removal->begun;
	removal->begun = TRUE;
	pthread_mutex_unlock(&removals->lock);
	if (!first) {
		removal_unref(removal);
		return;
	}
	/* In a dry run it comes back by itself. */
	if (removal->value == NULL && place->context->dry_run) {
		drop(removal);
		tell(removal);
		removal_unref(removal);
		return;
	}
	removal->errand = errand_create(removals->filesystem);
	if (removal->value != NULL) {
		forget_reading(removal);
		errand_delete_key(
			removal->errand, place->filesystem->keyspace, removal->value, FALSE);
	} else {
		errand_delete(removal->errand, place->context->cache, place->resource,
			removal->snapshot, FALSE);
	}
	if (errand_look(removal->errand, on_deleted, removal, NULL, NULL) != -EINPROGRESS)
		on_deleted(removal);
}

static void on_time(void *data)
{
	begin(data);
}

/* FALSE: the mount ends, and it is not hidden. */
static gboolean hide(struct removal *removal, gboolean *ret_full)
{
	struct removals *removals = removal->removals;
	LOCK_GUARD(&removals->lock);

	if (removals->closed)
		return FALSE;
	*ret_full = removals->all->len >= REMOVALS_MAX;
	g_ptr_array_add(removals->all, removal_ref(removal));
	g_atomic_int_inc(&removals->count);
	return TRUE;
}

/* Takes over a reference. */
static void begin_later(struct removal *removal)
{
	struct removals *removals = removal->removals;
	guint64 timer;

	removal_ref(removal);
	timer = processes_after(removals->filesystem->processes, removal->process, REMOVAL_DELAY_MS,
		on_time, removal);
	pthread_mutex_lock(&removals->lock);
	removal->timer = timer;
	pthread_mutex_unlock(&removals->lock);
	removal_unref(removal);
}

static gboolean add(struct removals *removals, const struct place *place, struct snapshot *snapshot,
	struct key_snapshot *value, struct process *process)
{
	struct removal *removal = g_new0(struct removal, 1);
	gboolean full;

	/* Until it is dropped: the mount does not end before. */
	filesystem_saves(removals->filesystem, 1);
	removal->references = 1;
	removal->removals = removals;
	place_copy(&removal->place, place);
	removal->snapshot = snapshot != NULL ? snapshot_ref(snapshot) : NULL;
	removal->value = value != NULL ? key_snapshot_ref(value) : NULL;
	removal->process = process != NULL ? process_ref(process) : NULL;
	if (!hide(removal, &full)) {
		removal_unref(removal);
		filesystem_saves(removals->filesystem, -1);
		return FALSE;
	}
	tell(removal);
	if (full || process == NULL)
		begin(removal);
	else
		begin_later(removal);
	return TRUE;
}

gboolean removals_add(struct removals *removals, const struct place *place,
	struct snapshot *snapshot, struct process *process)
{
	return add(removals, place, snapshot, NULL, process);
}

gboolean removals_add_key(struct removals *removals, const struct place *place,
	struct key_snapshot *value, struct process *process)
{
	return add(removals, place, NULL, value, process);
}

/* A reference to the one of that object, or NULL. */
static struct removal *find(struct removals *removals, const struct place *place)
{
	LOCK_GUARD(&removals->lock);

	for (guint i = 0; i < removals->all->len; i++) {
		struct removal *removal = g_ptr_array_index(removals->all, i);

		if (place_same_object(&removal->place, place))
			return removal_ref(removal);
	}
	return NULL;
}

/* Takes the timer back: TRUE when its reference is the caller's now. */
static gboolean stop_timer(struct removal *removal)
{
	struct removals *removals = removal->removals;
	guint64 timer;

	pthread_mutex_lock(&removals->lock);
	timer = removal->timer;
	removal->timer = 0;
	pthread_mutex_unlock(&removals->lock);
	return timer != 0 && processes_forget(removals->filesystem->processes, timer);
}

static gboolean take(struct removals *removals, const struct place *place,
	const struct process *process, struct key_snapshot **ret_value)
{
	struct removal *removal;
	gboolean taken = FALSE;

	if (g_atomic_int_get(&removals->count) == 0)
		return FALSE;
	removal = find(removals, place);
	if (removal == NULL)
		return FALSE;
	if (stop_timer(removal)) {
		taken = process_same(removal->process, process);
		if (taken) {
			if (ret_value != NULL)
				*ret_value = key_snapshot_ref(removal->value);
			drop(removal);
			removal_unref(removal);
		} else {
			begin(removal);
		}
	}
	removal_unref(removal);
	return taken;
}

gboolean removals_take(
	struct removals *removals, const struct place *place, const struct process *process)
{
	return take(removals, place, process, NULL);
}

gboolean removals_take_key(struct removals *removals, const struct place *place,
	const struct process *process, struct key_snapshot **ret)
{
	return take(removals, place, process, ret);
}

gboolean removals_are_there(struct removals *removals)
{
	return g_atomic_int_get(&removals->count) > 0;
}

gboolean removals_hide_key(struct removals *removals, const struct key_snapshot *value)
{
	if (!removals_are_there(removals))
		return FALSE;
	LOCK_GUARD(&removals->lock);

	for (guint i = 0; i < removals->all->len; i++) {
		const struct removal *removal = g_ptr_array_index(removals->all, i);
		const struct key_snapshot *hidden = removal->value;

		if (hidden != NULL && hidden->mod_revision == value->mod_revision &&
			hidden->key_length == value->key_length &&
			memcmp(hidden->key, value->key, value->key_length) == 0)
			return TRUE;
	}
	return FALSE;
}

gboolean removals_hide(struct removals *removals, const struct context *context,
	const struct resource *resource, const struct snapshot *snapshot)
{
	if (g_atomic_int_get(&removals->count) == 0)
		return FALSE;
	LOCK_GUARD(&removals->lock);

	for (guint i = 0; i < removals->all->len; i++) {
		const struct removal *removal = g_ptr_array_index(removals->all, i);

		if (removal->snapshot != NULL && removal->place.context == context &&
			strcmp(removal->snapshot->uid, snapshot->uid) == 0 &&
			strcmp(removal->snapshot->name, snapshot->name) == 0 &&
			strcmp(removal->snapshot->namespace, snapshot->namespace) == 0 &&
			strcmp(removal->place.resource->name, resource->name) == 0)
			return TRUE;
	}
	return FALSE;
}

void removals_flush(struct removals *removals)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(removal_unref);

	pthread_mutex_lock(&removals->lock);
	removals->closed = TRUE;
	for (guint i = 0; i < removals->all->len; i++)
		g_ptr_array_add(all, removal_ref(g_ptr_array_index(removals->all, i)));
	pthread_mutex_unlock(&removals->lock);
	for (guint i = 0; i < all->len; i++) {
		struct removal *removal = g_ptr_array_index(all, i);

		/* A timer that has begun, or has not been set yet, finds that it is under way. */
		if (stop_timer(removal))
			begin(removal);
		else
			begin(removal_ref(removal));
	}
}
