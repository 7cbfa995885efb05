#include "cache/collection.h"

#include <errno.h>
#include <string.h>

#include "cache/applied.h"
#include "cache/version.h"
#include "client/error.h"
#include "client/lock.h"

enum state {
	STATE_NEW, /* nobody looked yet, or not since the server is back */
	STATE_LOADING, /* the first list is under way */
	STATE_READY, /* the store can be shown */
	STATE_FAILED, /* the first list failed */
};

struct collection {
	gint references;
	struct source_scope scope;
	char *namespace; /* what scope points to */
	char *name;
	struct collection_options options;
	struct strand *strand;
	struct reflector *reflector;
	uint64_t timer; /* of applied; the strand's */
	pthread_mutex_t lock; /* guards all below */
	struct store *store;
	struct applied *applied;
	enum state state;
	gboolean refreshing; /* a polled list is under way */
	gboolean must_poll;
	gboolean stopped;
	uint64_t listed; /* loop_now() of the last list that ended, however */
	uint64_t looked;
	int errnum;
	char *message;
	struct waiters waiters;
};

static void on_list_begun(void *data)
{
	struct collection *collection = data;

	pthread_mutex_lock(&collection->lock);
	store_sweep_begin(collection->store);
	applied_list_begun(collection->applied);
	pthread_mutex_unlock(&collection->lock);
}

static gboolean on_known(void *data, const struct snapshot_key *key)
{
	struct collection *collection = data;
	struct snapshot *stored;
	gboolean same;
	gboolean hidden;

	pthread_mutex_lock(&collection->lock);
	hidden = applied_hides(collection->applied, key);
	stored = store_find(collection->store, key->namespace, key->name);
	/* Aggregated resources such as metrics may carry no version: they always count as new. */
	same = stored != NULL && key->version[0] != '\0' &&
	       strcmp(stored->version, key->version) == 0 && strcmp(stored->uid, key->uid) == 0;
	if (same || hidden)
		store_sweep_mark(collection->store, key->namespace, key->name);
	pthread_mutex_unlock(&collection->lock);
	return same || hidden;
}

static gboolean same_text(const struct snapshot *a, const struct snapshot *b)
{
	return a->yaml_length == b->yaml_length && memcmp(a->yaml, b->yaml, a->yaml_length) == 0;
}

static void on_put(void *data, struct snapshot *snapshot)
{
	struct collection *collection = data;
	struct snapshot *old SNAPSHOT_CLEANUP = NULL;
	struct snapshot *new SNAPSHOT_CLEANUP = NULL;
	gboolean tell;

	pthread_mutex_lock(&collection->lock);
	old = store_find(collection->store, snapshot->namespace, snapshot->name);
	if (old != NULL && snapshot->version[0] == '\0' && same_text(old, snapshot)) {
		/* Listed again and unchanged: keep what the kernel knows. */
		old = NULL;
		store_sweep_mark(collection->store, snapshot->namespace, snapshot->name);
		pthread_mutex_unlock(&collection->lock);
		snapshot_unref(snapshot);
		return;
	}
	store_put(collection->store, snapshot, &old);
	new = snapshot_ref(snapshot);
	tell = collection->state == STATE_READY;
	pthread_mutex_unlock(&collection->lock);
	if (tell)
		collection->options.handlers->changed(
			collection->options.data, collection, old, new);
}

static void on_remove(void *data, const struct snapshot_key *key)
{
	struct collection *collection = data;
	struct snapshot *old SNAPSHOT_CLEANUP = NULL;
	gboolean tell;

	pthread_mutex_lock(&collection->lock);
	if (!applied_hides_removal(collection->applied, key))
		old = store_remove(collection->store, key->namespace, key->name);
	tell = collection->state == STATE_READY;
	pthread_mutex_unlock(&collection->lock);
	if (tell && old != NULL)
		collection->options.handlers->changed(
			collection->options.data, collection, old, NULL);
}

/* Under the lock. TRUE when what was shown as watched is so no more. */
static gboolean update_must_poll(struct collection *collection)
{
	gboolean was_watched = collection->state == STATE_READY && !collection->must_poll;

	collection->must_poll = reflector_must_poll(collection->reflector);
	return was_watched && collection->must_poll;
}

static void tell_gone(struct collection *collection, const GPtrArray *gone)
{
	for (guint i = 0; i < gone->len; i++)
		collection->options.handlers->changed(
			collection->options.data, collection, g_ptr_array_index(gone, i), NULL);
}

static void tell_unwatched(struct collection *collection)
{
	collection->options.handlers->unwatched(collection->options.data, collection);
}

/* What was applied and is older than the list has been seen by it, or has vanished. */
static void settle(void *data, const struct snapshot_key *key, gboolean there)
{
	struct collection *collection = data;
	struct snapshot *stored = store_find(collection->store, key->namespace, key->name);

	if (there)
		store_sweep_mark(collection->store, key->namespace, key->name);
	else if (stored != NULL && strcmp(stored->version, key->version) == 0)
		store_sweep_unmark(collection->store, key->namespace, key->name);
}

static void on_synced(void *data, const char *version, gboolean latest)
{
	struct collection *collection = data;
	g_autoptr(GPtrArray) gone = NULL;
	gboolean unwatched;
	gboolean again;
	gboolean tell;

	pthread_mutex_lock(&collection->lock);
	again = applied_list_ended(collection->applied, version, latest, settle, collection);
	gone = store_sweep_end(collection->store);
	tell = collection->state == STATE_READY;
	unwatched = update_must_poll(collection);
	collection->state = STATE_READY;
	collection->refreshing = FALSE;
	collection->listed = loop_now();
	waiters_unlock_and_wake(&collection->waiters, &collection->lock);
	if (tell)
		tell_gone(collection, gone);
	if (unwatched)
		tell_unwatched(collection);
	if (again)
		reflector_relist(collection->reflector);
}

static void on_unwatched(void *data)
{
	struct collection *collection = data;
	gboolean unwatched;

	pthread_mutex_lock(&collection->lock);
	unwatched = update_must_poll(collection);
	pthread_mutex_unlock(&collection->lock);
	if (unwatched)
		tell_unwatched(collection);
}

/* Under the lock. What may no more be read is not shown any longer, either. */
static GPtrArray *deny(struct collection *collection)
{
	collection->state = STATE_FAILED;
	applied_clear(collection->applied);
	store_sweep_begin(collection->store);
	return store_sweep_end(collection->store);
}

static void on_failed(void *data, const struct source_result *result)
{
	struct collection *collection = data;
	g_autoptr(GPtrArray) gone = NULL;
	gboolean unwatched;

	pthread_mutex_lock(&collection->lock);
	unwatched = update_must_poll(collection);
	/* A store that was complete once goes on being shown: the last known state. */
	if (collection->state == STATE_LOADING)
		collection->state = STATE_FAILED;
	else if (result->status == 403)
		gone = deny(collection);
	collection->refreshing = FALSE;
	collection->listed = loop_now();
	collection->errnum = result->errnum;
	g_free(collection->message);
	collection->message = g_strdup(result->message);
	waiters_unlock_and_wake(&collection->waiters, &collection->lock);
	if (gone != NULL)
		tell_gone(collection, gone);
	/* What was said not to be there is no longer known, either. */
	if (unwatched || gone != NULL)
		tell_unwatched(collection);
}

static void on_contact(void *data, const struct source_result *result)
{
	struct collection *collection = data;

	collection->options.handlers->contact(collection->options.data, result);
}

static void on_problem(void *data, const char *text)
{
	struct collection *collection = data;
	g_autofree char *named = g_strdup_printf("%s: %s", collection->scope.resource->name, text);

	collection->options.handlers->problem(collection->options.data, named);
}

static const struct reflector_handlers reflector_handlers = {
	.list_begun = on_list_begun,
	.known = on_known,
	.put = on_put,
	.remove = on_remove,
	.synced = on_synced,
	.failed = on_failed,
	.unwatched = on_unwatched,
	.contact = on_contact,
	.problem = on_problem,
};

struct collection *collection_create(
	const struct collection_options *options, const struct source_scope *scope)
{
	struct collection *collection = g_new0(struct collection, 1);

	collection->references = 1;
	collection->namespace = g_strdup(scope->namespace);
	collection->name = g_strdup(scope->name);
	collection->scope = (struct source_scope){
		.resource = resource_ref(scope->resource),
		.namespace = collection->namespace,
		.name = collection->name,
	};
	collection->options = *options;
	collection->strand = strand_create(options->pool);
	pthread_mutex_init(&collection->lock, NULL);
	collection->store = store_create();
	if (collection->options.applied == 0)
		collection->options.applied = COLLECTION_APPLIED_MS;
	collection->applied = applied_create(collection->options.applied);
	collection->looked = loop_now();
	collection->reflector = reflector_create(
		&(struct reflector_options){
			.source = options->source,
			.loop = options->loop,
			.strand = collection->strand,
			.admission = options->admission,
			.protobuf = options->protobuf,
			.scope = &collection->scope,
		},
		&reflector_handlers, collection);
	return collection;
}

struct collection *collection_ref(struct collection *collection)
{
	g_atomic_int_inc(&collection->references);
	return collection;
}

struct collection *collection_unref(struct collection *collection)
{
	if (collection == NULL || !g_atomic_int_dec_and_test(&collection->references))
		return NULL;
	reflector_unref(collection->reflector);
	strand_unref(collection->strand);
	store_destroy(collection->store);
	applied_destroy(collection->applied);
	resource_unref(collection->scope.resource);
	waiters_finish(&collection->waiters);
	pthread_mutex_destroy(&collection->lock);
	g_free(collection->namespace);
	g_free(collection->name);
	g_free(collection->message);
	g_free(collection);
	return NULL;
}

static void run_refresh(void *data)
{
	struct collection *collection = data;

	reflector_refresh(collection->reflector);
	collection_unref(collection);
}

static void run_kick(void *data)
{
	struct collection *collection = data;

	reflector_kick(collection->reflector);
	collection_unref(collection);
}

static void run_reconnect(void *data)
{
	struct collection *collection = data;

	reflector_reconnect(collection->reflector);
	collection_unref(collection);
}

static void run_expire(void *data);

static void schedule_expiry(struct collection *collection, uint64_t delay)
{
	collection->timer = loop_timer_add(collection->options.loop, delay, collection->strand,
		run_expire, collection_ref(collection));
}

static void run_expire(void *data)
{
	struct collection *collection = data;
	gboolean again = FALSE;
	gboolean stopped;
	uint64_t next = 0;

	pthread_mutex_lock(&collection->lock);
	stopped = collection->stopped;
	if (!stopped)
		again = applied_expire(collection->applied, loop_now(), &next);
	pthread_mutex_unlock(&collection->lock);
	collection->timer = 0;
	if (next > 0)
		schedule_expiry(collection, next);
	/* What was passed over may have been the truth: versions go back with a restored etcd. */
	if (again)
		reflector_relist(collection->reflector);
	collection_unref(collection);
}

/* What a change's response told, on its way to the strand. */
struct application {
	struct collection *collection;
	struct snapshot *snapshot;
	gboolean removed;
	collection_wait done;
	void *data;
};

/* Under the lock. Whether the watch has told of that version, and of what came after it. */
static gboolean is_behind_watch(struct collection *collection, const char *version)
{
	int order;

	return collection->state == STATE_READY &&
	       version_compare(reflector_version(collection->reflector), version, &order) &&
	       order >= 0;
}

/* Under the lock. TRUE with the old one in *ret_old, which may be NULL. */
static gboolean apply_put(struct collection *collection, const struct snapshot_key *key,
	struct snapshot *snapshot, struct snapshot **ret_old)
{
	const struct snapshot *stored = store_find(collection->store, key->namespace, key->name);
	int order;

	if (is_behind_watch(collection, key->version) ||
		applied_is_removed(collection->applied, key))
		return FALSE;
	if (stored != NULL && version_compare(stored->version, key->version, &order) && order >= 0)
		return FALSE;
	store_put(collection->store, snapshot_ref(snapshot), ret_old);
	applied_put(collection->applied, key, loop_now());
	return TRUE;
}

/* Under the lock. TRUE when something was removed, with it in *ret_old. */
static gboolean apply_removal(
	struct collection *collection, const struct snapshot_key *key, struct snapshot **ret_old)
{
	const struct snapshot *stored = store_find(collection->store, key->namespace, key->name);

	applied_remove(collection->applied, key, loop_now());
	/* An older one of that name went before it. */
	if (stored == NULL || (strcmp(stored->uid, key->uid) != 0 &&
				      !version_is_older(stored->version, key->version)))
		return FALSE;
	*ret_old = store_remove(collection->store, key->namespace, key->name);
	return TRUE;
}

static void apply(struct application *application)
{
	struct collection *collection = application->collection;
	struct snapshot *snapshot = application->snapshot;
	struct snapshot_key key = {
		snapshot->namespace, snapshot->name, snapshot->uid, snapshot->version};
	struct snapshot *old SNAPSHOT_CLEANUP = NULL;
	gboolean changed = FALSE;
	gboolean pending;
	gboolean tell;

	pthread_mutex_lock(&collection->lock);
	tell = collection->state == STATE_READY;
	if (!collection->stopped && (tell || collection->state == STATE_LOADING))
		changed = application->removed ? apply_removal(collection, &key, &old)
					       : apply_put(collection, &key, snapshot, &old);
	pending = !collection->stopped && !applied_is_empty(collection->applied);
	pthread_mutex_unlock(&collection->lock);
	if (pending && collection->timer == 0)
		schedule_expiry(collection, collection->options.applied);
	if (changed && tell)
		collection->options.handlers->changed(collection->options.data, collection, old,
			application->removed ? NULL : snapshot);
}

static void run_apply(void *data)
{
	struct application *application = data;

	apply(application);
	application->done(application->data);
	snapshot_unref(application->snapshot);
	collection_unref(application->collection);
	g_free(application);
}

void collection_apply(struct collection *collection, struct snapshot *snapshot, gboolean removed,
	collection_wait done, void *data)
{
	struct application *application = g_new0(struct application, 1);

	*application = (struct application){
		.collection = collection_ref(collection),
		.snapshot = snapshot_ref(snapshot),
		.removed = removed,
		.done = done,
		.data = data,
	};
	strand_post(collection->strand, run_apply, application);
}

static void run_stop(void *data)
{
	struct collection *collection = data;

	if (loop_timer_cancel(collection->options.loop, collection->timer))
		collection_unref(collection);
	reflector_stop(collection->reflector);
	collection->options.handlers->stopped(collection->options.data);
	collection_unref(collection);
}

static void post(struct collection *collection, strand_job job)
{
	strand_post(collection->strand, job, collection_ref(collection));
}

void collection_wake(struct collection *collection)
{
	pthread_mutex_lock(&collection->lock);
	waiters_unlock_and_wake(&collection->waiters, &collection->lock);
}

void collection_kick(struct collection *collection)
{
	pthread_mutex_lock(&collection->lock);
	/* What failed for want of the server is tried again by whoever looks next. */
	if (collection->state == STATE_FAILED && collection->errnum != EACCES)
		collection->state = STATE_NEW;
	pthread_mutex_unlock(&collection->lock);
	post(collection, run_kick);
}

void collection_reconnect(struct collection *collection)
{
	post(collection, run_reconnect);
}

void collection_stop(struct collection *collection)
{
	pthread_mutex_lock(&collection->lock);
	collection->stopped = TRUE;
	waiters_unlock_and_wake(&collection->waiters, &collection->lock);
	post(collection, run_stop);
}

static uint64_t retry_after(const struct collection *collection)
{
	return collection->errnum == EACCES ? COLLECTION_RETRY_DENIED_MS : COLLECTION_RETRY_MS;
}

/* Whether a list has to be begun for this look. Under the lock. */
static gboolean needs_list(const struct collection *collection, uint64_t now)
{
	switch (collection->state) {
	case STATE_NEW:
		return TRUE;
	case STATE_FAILED:
		return now - collection->listed >= retry_after(collection);
	case STATE_READY:
		return collection->must_poll && !collection->refreshing &&
		       now - collection->listed >= COLLECTION_STALE_MS;
	case STATE_LOADING:
		break;
	}
	return FALSE;
}

int collection_look(struct collection *collection, collection_wait wait, void *data, GError **error)
{
	LOCK_GUARD(&collection->lock);
	uint64_t now = loop_now();

	collection->looked = now;
	if (collection->stopped)
		return error_set(
			error, ESHUTDOWN, "%s: no longer served", collection->scope.resource->name);
	if (needs_list(collection, now)) {
		collection->refreshing = TRUE;
		if (collection->state != STATE_READY)
			collection->state = STATE_LOADING;
		post(collection, run_refresh);
	}
	if (collection->state == STATE_FAILED)
		return error_set(error, collection->errnum, "%s", collection->message);
	if (collection->state == STATE_READY && !collection->refreshing)
		return 0;
	if (wait == NULL)
		return -EINPROGRESS;
	if (waiters_count(&collection->waiters) >= COLLECTION_WAITERS_MAX)
		return error_set(error, EAGAIN, "%s: too many requests wait for its list",
			collection->scope.resource->name);
	waiters_add(&collection->waiters, wait, data);
	return -EINPROGRESS;
}

struct snapshot *collection_find(
	struct collection *collection, const char *namespace, const char *name)
{
	LOCK_GUARD(&collection->lock);
	struct snapshot *snapshot = store_find(collection->store, namespace, name);

	return snapshot != NULL ? snapshot_ref(snapshot) : NULL;
}

void collection_each(struct collection *collection, const char *namespace, uint64_t after,
	store_visit visit, void *data)
{
	LOCK_GUARD(&collection->lock);

	store_each(collection->store, namespace, after, visit, data);
}

gboolean collection_has_long_names(struct collection *collection)
{
	LOCK_GUARD(&collection->lock);

	return store_has_long_names(collection->store);
}

size_t collection_count(struct collection *collection, const char *namespace)
{
	LOCK_GUARD(&collection->lock);

	return store_count(collection->store, namespace);
}

struct timespec collection_changed(struct collection *collection, const char *namespace)
{
	LOCK_GUARD(&collection->lock);

	return store_changed(collection->store, namespace);
}

const struct source_scope *collection_scope(const struct collection *collection)
{
	return &collection->scope;
}

gboolean collection_is_shown(struct collection *collection)
{
	LOCK_GUARD(&collection->lock);

	return collection->state == STATE_READY;
}

gboolean collection_must_poll(struct collection *collection)
{
	LOCK_GUARD(&collection->lock);

	return collection->must_poll;
}

void collection_touch(struct collection *collection)
{
	LOCK_GUARD(&collection->lock);

	collection->looked = loop_now();
}

uint64_t collection_idle(struct collection *collection)
{
	LOCK_GUARD(&collection->lock);

	return waiters_count(&collection->waiters) > 0 ? 0 : loop_now() - collection->looked;
}

static const char *state_name(const struct collection *collection)
{
	switch (collection->state) {
	case STATE_NEW:
	case STATE_LOADING:
		return "loading";
	case STATE_READY:
		return collection->must_poll ? "polled" : "watching";
	case STATE_FAILED:
		break;
	}
	return "failed";
}

void collection_describe(struct collection *collection, struct collection_status *ret)
{
	LOCK_GUARD(&collection->lock);

	*ret = (struct collection_status){
		.state = state_name(collection),
		.encoding = protobuf_choice_allows(
				    collection->options.protobuf, collection->scope.resource)
				    ? "protobuf"
				    : "json",
		.objects = store_count(collection->store, NULL),
		.bytes = store_bytes(collection->store),
		.idle = loop_now() - collection->looked,
	};
}
