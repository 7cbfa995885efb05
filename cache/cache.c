#include "cache/cache.h"

#include <errno.h>
#include <string.h>

#include "cache/cache_parts.h"
#include "cache/discovery.h"
#include "cache/permissions.h"
#include "client/error.h"
#include "client/lock.h"

/* How often idle collections are looked for. */
#define SWEEP_MS 15000

struct cache {
	struct cache_options options;
	struct admission *admission;
	struct protobuf_choice *protobuf; /* or NULL */
	struct health *health;
	struct discovery *discovery;
	struct permissions *permissions;
	struct strand *strand; /* the sweep's */
	struct cache_parts parts;
	gint64 changes; /* atomic */
	char *where;
	pthread_mutex_t lock; /* guards all below */
	GHashTable *collections; /* key (owned) -> struct collection * (owned) */
	guint running; /* what has yet to say that it calls neither source nor handlers any more */
	pthread_cond_t ended; /* running is 0 */
	uint64_t timer;
	gboolean stopped;
};

static void run_sweep(void *data);

static void count_change(struct cache *cache)
{
	__atomic_add_fetch(&cache->changes, 1, __ATOMIC_SEQ_CST);
}

uint64_t cache_changes(struct cache *cache)
{
	return (uint64_t)__atomic_load_n(&cache->changes, __ATOMIC_SEQ_CST);
}

static void on_object_changed(
	void *data, struct collection *collection, struct snapshot *old, struct snapshot *new)
{
	struct cache *cache = data;

	count_change(cache);
	cache->options.handlers->object_changed(
		cache->options.data, cache, collection_scope(collection)->resource, old, new);
}

static void on_unwatched(void *data, struct collection *collection)
{
	struct cache *cache = data;

	count_change(cache);
	cache->options.handlers->retiring(cache->options.data, cache, collection);
}

static void on_stopped(void *data)
{
	struct cache *cache = data;
	LOCK_GUARD(&cache->lock);

	if (--cache->running == 0)
		pthread_cond_signal(&cache->ended);
}

static void on_contact(void *data, const struct source_result *result)
{
	struct cache *cache = data;

	health_report(cache->health, result);
}

static void on_problem(void *data, const char *text)
{
	struct cache *cache = data;

	cache->options.handlers->problem(cache->options.data, cache, text);
}

/* What the server wants to be known (KEP-1693: deprecations and the like). */
static void on_warning(void *data, const char *text)
{
	struct cache *cache = data;

	cache->options.handlers->problem(cache->options.data, cache, text);
}

static const struct collection_handlers collection_handlers = {
	.changed = on_object_changed,
	.unwatched = on_unwatched,
	.contact = on_contact,
	.problem = on_problem,
	.stopped = on_stopped,
};

static void unref_collection(void *collection)
{
	collection_unref(collection);
}

GPtrArray *cache_collections(struct cache *cache)
{
	LOCK_GUARD(&cache->lock);
	GPtrArray *all = g_ptr_array_new_with_free_func(unref_collection);
	GHashTableIter iter;
	void *collection;

	g_hash_table_iter_init(&iter, cache->collections);
	while (g_hash_table_iter_next(&iter, NULL, &collection))
		g_ptr_array_add(all, collection_ref(collection));
	return all;
}

static gboolean has_vanished(struct collection *collection, const struct catalog *catalog)
{
	const struct resource *resource = collection_scope(collection)->resource;
	const struct resource *now = catalog_find(catalog, resource->name);

	return now == NULL || !resource_equal(now, resource);
}

static void stop_collection(void *pointer)
{
	struct collection *collection = pointer;

	collection_stop(collection);
	collection_unref(collection);
}

/* Takes out what the catalog has no more. Stopping them calls whoever waits: not under the lock. */
static GPtrArray *steal_vanished(struct cache *cache, const struct catalog *catalog)
{
	GPtrArray *vanished = g_ptr_array_new_with_free_func(stop_collection);
	LOCK_GUARD(&cache->lock);
	GHashTableIter iter;
	void *collection;
	void *key;

	g_hash_table_iter_init(&iter, cache->collections);
	while (g_hash_table_iter_next(&iter, &key, &collection)) {
		if (!has_vanished(collection, catalog))
			continue;
		g_ptr_array_add(vanished, collection);
		g_hash_table_iter_steal(&iter);
		g_free(key);
	}
	return vanished;
}

static void on_catalog_changed(void *data, struct catalog *old, struct catalog *new)
{
	struct cache *cache = data;
	g_autoptr(GPtrArray) vanished = NULL;

	count_change(cache);
	schema_store_clear(cache->parts.schemas);
	vanished = steal_vanished(cache, new);
	cache->options.handlers->catalog_changed(cache->options.data, cache, old, new);
	/* One that was made of an older catalog is in no difference of the two. */
	for (guint i = 0; i < vanished->len; i++)
		cache->options.handlers->retiring(
			cache->options.data, cache, g_ptr_array_index(vanished, i));
}

static const struct discovery_handlers discovery_handlers = {
	.changed = on_catalog_changed,
	.contact = on_contact,
	.problem = on_problem,
	.stopped = on_stopped,
};

static void for_all(struct cache *cache, void (*function)(struct collection *))
{
	g_autoptr(GPtrArray) all = cache_collections(cache);

	for (guint i = 0; i < all->len; i++)
		function(g_ptr_array_index(all, i));
}

static void on_lost(void *data)
{
	for_all(data, collection_reconnect);
}

/* Those who wait for what was never read wait in vain (health_refuse). */
static void on_away(void *data)
{
	struct cache *cache = data;

	discovery_wake(cache->discovery);
	for_all(cache, collection_wake);
}

static void on_restored(void *data)
{
	struct cache *cache = data;

	discovery_kick(cache->discovery);
	for_all(cache, collection_kick);
}

static const struct health_handlers health_handlers = {
	.lost = on_lost,
	.away = on_away,
	.restored = on_restored,
	.stopped = on_stopped,
};

static void on_permissions_changed(void *data, const char *namespace, gboolean again)
{
	struct cache *cache = data;

	cache->options.handlers->permissions_changed(cache->options.data, cache, namespace, again);
}

gboolean cache_may(struct cache *cache, const struct resource *resource, const char *subresource,
	const char *namespace, const char *verb)
{
	return permissions_allow(cache->permissions, resource, subresource, namespace, verb);
}

void cache_get(struct cache *cache, const struct source_scope *scope,
	const struct source_get_handlers *handlers, void *data)
{
	struct source *source = cache->options.source;

	/* Whoever ends the source waits for the calls. */
	source_call_unref(source->ops->get(source, scope, handlers, data, cache->strand));
}

static void schedule_sweep(struct cache *cache)
{
	cache->timer = loop_timer_add(cache->options.loop,
		MIN(SWEEP_MS, cache->options.idle / 2 + 1), cache->strand, run_sweep, cache);
}

struct cache *cache_create(const struct cache_options *options)
{
	struct cache *cache = g_new0(struct cache, 1);

	cache->options = *options;
	if (cache->options.idle == 0)
		cache->options.idle = CACHE_IDLE_MS;
	cache->where = g_strdup(options->source->ops->where(options->source));
	cache->parts = (struct cache_parts){
		.source = options->source,
		.loop = options->loop,
		.pool = options->pool,
		.commits = commit_queue_create(),
		.schemas = schema_store_create(),
		.commit_timeout = options->commit_timeout,
	};
	if (cache->parts.commit_timeout == 0)
		cache->parts.commit_timeout = COMMIT_TIMEOUT_MS;
	cache->admission = admission_create(CACHE_LISTS_MAX);
	if (!options->json)
		cache->protobuf = protobuf_choice_create(options->source);
	cache->strand = strand_create(options->pool);
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->ended, NULL);
	/* The sweep's strand, health and discovery. */
	cache->running = 3;
	cache->collections =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, stop_collection);
	cache->health = health_create(
		options->source, options->loop, options->pool, &health_handlers, cache);
	cache->discovery = discovery_create(&(struct discovery_options){
		.source = options->source,
		.loop = options->loop,
		.pool = options->pool,
		.handlers = &discovery_handlers,
		.data = cache,
		.age = CACHE_CATALOG_MS,
	});
	cache->permissions =
		permissions_create(options->source, options->pool, on_permissions_changed, cache);
	pthread_mutex_lock(&cache->lock);
	schedule_sweep(cache);
	pthread_mutex_unlock(&cache->lock);
	/* Until the source is destroyed, which waits for whoever is being told. */
	options->source->ops->on_warning(options->source, on_warning, cache);
	/* Their handlers use each other: not before all of them are there. */
	health_start(cache->health);
	discovery_start(cache->discovery);
	return cache;
}

const struct cache_parts *cache_get_parts(struct cache *cache)
{
	return &cache->parts;
}

void cache_stop(struct cache *cache)
{
	GHashTable *collections;

	/* Their outcomes are told before anything else ends, so that they may still show. */
	commit_queue_stop(cache->parts.commits);
	pthread_mutex_lock(&cache->lock);
	cache->stopped = TRUE;
	loop_timer_cancel(cache->options.loop, cache->timer);
	collections = g_steal_pointer(&cache->collections);
	cache->collections =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, stop_collection);
	pthread_mutex_unlock(&cache->lock);
	health_stop(cache->health);
	discovery_stop(cache->discovery);
	permissions_stop(cache->permissions);
	g_hash_table_destroy(collections);
	/* After a sweep that is under way. */
	strand_post(cache->strand, on_stopped, cache);
	pthread_mutex_lock(&cache->lock);
	while (cache->running > 0)
		pthread_cond_wait(&cache->ended, &cache->lock);
	pthread_mutex_unlock(&cache->lock);
	cache->options.source->ops->destroy(cache->options.source);
}

void cache_destroy(struct cache *cache)
{
	if (cache == NULL)
		return;
	g_hash_table_destroy(cache->collections);
	commit_queue_destroy(cache->parts.commits);
	schema_store_destroy(cache->parts.schemas);
	discovery_unref(cache->discovery);
	permissions_unref(cache->permissions);
	health_unref(cache->health);
	strand_unref(cache->strand);
	admission_destroy(cache->admission);
	protobuf_choice_destroy(cache->protobuf);
	pthread_cond_destroy(&cache->ended);
	pthread_mutex_destroy(&cache->lock);
	g_free(cache->where);
	g_free(cache);
}

int cache_catalog(
	struct cache *cache, collection_wait wait, void *data, struct catalog **ret, GError **error)
{
	int r = discovery_look(cache->discovery, NULL, NULL, ret, error);

	if (r == -EINPROGRESS)
		r = health_refuse(cache->health, error);
	if (r == -EINPROGRESS && wait != NULL)
		r = discovery_look(cache->discovery, wait, data, ret, error);
	return r;
}

struct catalog *cache_catalog_now(struct cache *cache)
{
	return discovery_now(cache->discovery);
}

/* namespace and name may be NULL. The group is in the name, the version decides what is read. */
static char *make_key(const struct resource *resource, const char *namespace, const char *name)
{
	/* A name may hold anything, also what separates. */
	return g_strdup_printf("%s/%s/%zu/%s/%s", resource->name, resource->version,
		namespace != NULL ? strlen(namespace) : 0, namespace != NULL ? namespace : "",
		name != NULL ? name : "");
}

/* How many collections hold a single object. Under the lock. */
static guint count_named(struct cache *cache)
{
	GHashTableIter iter;
	void *collection;
	guint named = 0;

	g_hash_table_iter_init(&iter, cache->collections);
	while (g_hash_table_iter_next(&iter, NULL, &collection))
		named += collection_scope(collection)->name != NULL;
	return named;
}

/* A reference to the collection of that scope, created if need be. */
static int get_collection(struct cache *cache, struct resource *resource, const char *namespace,
	const char *name, struct collection **ret, GError **error)
{
	LOCK_GUARD(&cache->lock);
	g_autofree char *key = make_key(resource, namespace, name);
	struct collection *collection = g_hash_table_lookup(cache->collections, key);

	if (collection != NULL) {
		*ret = collection_ref(collection);
		return 0;
	}
	if (cache->stopped)
		return error_set(error, ESHUTDOWN, "%s: no longer served", resource->name);
	if (g_hash_table_size(cache->collections) >= CACHE_COLLECTIONS_MAX)
		return error_set(error, EAGAIN, "%s: more than %d collections are kept",
			resource->name, CACHE_COLLECTIONS_MAX);
	if (name != NULL && count_named(cache) >= CACHE_NAMED_MAX)
		return error_set(error, EAGAIN, "%s: more than %d objects are watched one by one",
			resource->name, CACHE_NAMED_MAX);
	collection = collection_create(
		&(struct collection_options){
			.source = cache->options.source,
			.loop = cache->options.loop,
			.pool = cache->options.pool,
			.admission = cache->admission,
			.protobuf = cache->protobuf,
			.handlers = &collection_handlers,
			.data = cache,
		},
		&(struct source_scope){.resource = resource, .namespace = namespace, .name = name});
	g_hash_table_insert(cache->collections, g_steal_pointer(&key), collection);
	cache->running++;
	*ret = collection_ref(collection);
	return 0;
}

static int look_at(struct cache *cache, struct resource *resource, const char *namespace,
	const char *name, collection_wait wait, void *data, struct collection **ret, GError **error)
{
	struct collection *collection = NULL;
	int r = get_collection(cache, resource, namespace, name, &collection, error);

	if (r < 0)
		return r;
	r = collection_look(collection, NULL, NULL, error);
	if (r == -EINPROGRESS)
		r = health_refuse(cache->health, error);
	/* What was read before is shown while nobody can tell whether it is still so. */
	if (r == -EHOSTDOWN && collection_is_shown(collection)) {
		g_clear_error(error);
		r = 0;
	}
	if (r == -EINPROGRESS && wait != NULL)
		r = collection_look(collection, wait, data, error);
	if (r == 0) {
		*ret = collection;
		return 0;
	}
	collection_unref(collection);
	return r;
}

/* A collection that was let go between finding it and looking into it is made anew. */
static int look_again(struct cache *cache, struct resource *resource, const char *namespace,
	const char *name, collection_wait wait, void *data, struct collection **ret, GError **error)
{
	int r = look_at(cache, resource, namespace, name, wait, data, ret, error);

	if (r != -ESHUTDOWN)
		return r;
	g_clear_error(error);
	return look_at(cache, resource, namespace, name, wait, data, ret, error);
}

int cache_look(struct cache *cache, struct resource *resource, const char *namespace,
	const char *name, collection_wait wait, void *data, struct collection **ret, GError **error)
{
	g_autoptr(GError) denied = NULL;
	int r;

	if (resource->can_list)
		r = look_again(cache, resource, NULL, NULL, wait, data, ret, &denied);
	else
		r = error_set(&denied, EACCES, "%s: cannot be listed", resource->name);
	if (r == -EACCES && resource->namespaced && resource->can_list) {
		g_clear_error(&denied);
		r = look_again(cache, resource, namespace, NULL, wait, data, ret, &denied);
	}
	if (r == -EACCES && name != NULL && resource->can_get) {
		g_clear_error(&denied);
		r = look_again(cache, resource, resource->namespaced ? namespace : NULL, name, wait,
			data, ret, &denied);
	}
	if (denied != NULL)
		g_propagate_error(error, g_steal_pointer(&denied));
	return r;
}

int cache_find(struct cache *cache, struct resource *resource, const char *namespace,
	const char *name, collection_wait wait, void *data, struct snapshot **ret, GError **error)
{
	struct collection *collection = NULL;
	struct snapshot *snapshot;
	int r = cache_look(cache, resource, namespace, name, wait, data, &collection, error);

	if (r < 0)
		return r;
	snapshot = collection_find(collection, namespace, name);
	collection_unref(collection);
	if (snapshot == NULL)
		return error_set(error, ENOENT, "%s \"%s\" not found", resource->name, name);
	*ret = snapshot;
	return 0;
}

struct snapshot *cache_peek(struct cache *cache, const struct resource *resource,
	const char *namespace, const char *name)
{
	LOCK_GUARD(&cache->lock);
	g_autofree char *all = make_key(resource, NULL, NULL);
	g_autofree char *one = make_key(resource, namespace, NULL);
	g_autofree char *named = make_key(resource, namespace, name);
	const char *const keys[] = {all, one, named};
	struct snapshot *snapshot = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(keys) && snapshot == NULL; i++) {
		struct collection *collection = g_hash_table_lookup(cache->collections, keys[i]);

		if (collection != NULL)
			snapshot = collection_find(collection, namespace, name);
	}
	return snapshot;
}

struct timespec cache_changed(
	struct cache *cache, const struct resource *resource, const char *namespace)
{
	LOCK_GUARD(&cache->lock);
	g_autofree char *all = make_key(resource, NULL, NULL);
	g_autofree char *one = make_key(resource, namespace, NULL);
	struct collection *collection = g_hash_table_lookup(cache->collections, all);
	struct timespec changed = {0};

	if (collection != NULL)
		changed = collection_changed(collection, namespace);
	collection = g_hash_table_lookup(cache->collections, one);
	if (changed.tv_sec == 0 && collection != NULL)
		changed = collection_changed(collection, namespace);
	return changed;
}

static void touch(struct cache *cache, const struct resource *resource, const char *namespace)
{
	g_autofree char *key = make_key(resource, namespace, NULL);
	struct collection *collection = g_hash_table_lookup(cache->collections, key);

	if (collection != NULL)
		collection_touch(collection);
}

void cache_touch(struct cache *cache, const struct resource *resource, const char *namespace)
{
	LOCK_GUARD(&cache->lock);

	touch(cache, resource, NULL);
	if (namespace[0] != '\0')
		touch(cache, resource, namespace);
}

/* What was applied, until all collections that hold it have it. */
struct application {
	gint pending;
	collection_wait done;
	void *data;
};

static void on_applied(void *data)
{
	struct application *application = data;

	if (!g_atomic_int_dec_and_test(&application->pending))
		return;
	application->done(application->data);
	g_free(application);
}

/* Under the lock. */
static void add_holder(struct cache *cache, const struct resource *resource, const char *namespace,
	const char *name, GPtrArray *holders)
{
	g_autofree char *key = make_key(resource, namespace, name);
	struct collection *collection = g_hash_table_lookup(cache->collections, key);

	if (collection != NULL)
		g_ptr_array_add(holders, collection_ref(collection));
}

/* Those that hold the object, with a reference each. */
static GPtrArray *find_holders(struct cache *cache, const struct resource *resource,
	const char *namespace, const char *name)
{
	GPtrArray *holders = g_ptr_array_new_with_free_func(unref_collection);
	LOCK_GUARD(&cache->lock);

	add_holder(cache, resource, NULL, NULL, holders);
	if (resource->namespaced)
		add_holder(cache, resource, namespace, NULL, holders);
	add_holder(cache, resource, resource->namespaced ? namespace : NULL, name, holders);
	return holders;
}

void cache_apply(struct cache *cache, const struct resource *resource, struct snapshot *snapshot,
	gboolean removed, collection_wait done, void *data)
{
	g_autoptr(GPtrArray) holders =
		find_holders(cache, resource, snapshot->namespace, snapshot->name);
	struct application *application = g_new0(struct application, 1);

	*application = (struct application){(gint)holders->len + 1, done, data};
	for (guint i = 0; i < holders->len; i++)
		collection_apply(
			g_ptr_array_index(holders, i), snapshot, removed, on_applied, application);
	on_applied(application);
}

static gboolean is_idle(struct cache *cache, struct collection *collection)
{
	uint64_t limit = cache->options.idle;

	if (collection_scope(collection)->name != NULL)
		limit = MIN(limit, CACHE_NAMED_IDLE_MS);
	return collection_idle(collection) >= limit;
}

/* The cache's reference to the collection, if it is idle, else NULL. */
static struct collection *steal_idle(struct cache *cache, struct collection *collection)
{
	LOCK_GUARD(&cache->lock);
	const struct source_scope *scope = collection_scope(collection);
	g_autofree char *key = make_key(scope->resource, scope->namespace, scope->name);
	g_autofree void *stolen_key = NULL;

	if (g_hash_table_lookup(cache->collections, key) != collection ||
		!is_idle(cache, collection))
		return NULL;
	count_change(cache);
	g_hash_table_steal_extended(cache->collections, key, &stolen_key, NULL);
	return collection;
}

void cache_retire(struct cache *cache, struct collection *collection)
{
	struct collection *idle = steal_idle(cache, collection);

	/* Not under the lock: it may call somebody who has just begun to wait. */
	if (idle != NULL)
		stop_collection(idle);
}

static void run_sweep(void *data)
{
	struct cache *cache = data;
	/* Empty once the cache is stopped. */
	g_autoptr(GPtrArray) all = cache_collections(cache);

	for (guint i = 0; i < all->len; i++) {
		struct collection *collection = g_ptr_array_index(all, i);

		if (is_idle(cache, collection))
			cache->options.handlers->retiring(cache->options.data, cache, collection);
	}
	pthread_mutex_lock(&cache->lock);
	if (!cache->stopped)
		schedule_sweep(cache);
	pthread_mutex_unlock(&cache->lock);
}

gboolean cache_is_away(struct cache *cache, gint64 *ret_since, char **ret_message)
{
	return health_is_away(cache->health, ret_since, ret_message);
}

const char *cache_where(struct cache *cache)
{
	return cache->where;
}
