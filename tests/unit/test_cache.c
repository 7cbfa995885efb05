/*
 * cache/cache.h against a scripted source: the catalog and what announces its changes, which
 * collection answers, lists at a time, a server that goes away, idle collections, permissions, and
 * the end in every phase.
 */
#include "cache/cache.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_clock.h"

#define SOON_MS 300

struct fixture {
	struct engine engine;
	struct fake_source *fake;
	struct cache *cache;
	struct lines *lines;
	struct tally woken;
	struct tally retirings;
	gboolean retires; /* cache_retire follows at once */
	struct tally pinged;
	gint ping_fails;
};

static void on_object_changed(void *data, struct cache *cache, struct resource *resource,
	struct snapshot *old, struct snapshot *new)
{
	lines_add(((struct fixture *)data)->lines, "%s %s: %s to %s", resource->name,
		new != NULL ? new->name : old->name, old != NULL ? old->version : "none",
		new != NULL ? new->version : "none");
}

static void on_catalog_changed(
	void *data, struct cache *cache, struct catalog *old, struct catalog *new)
{
	lines_add(((struct fixture *)data)->lines, "catalog %d to %d",
		old != NULL ? (int)catalog_count(old) : 0, (int)catalog_count(new));
}

static void on_retiring(void *data, struct cache *cache, struct collection *collection)
{
	struct fixture *fixture = data;

	tally_add(&fixture->retirings);
	if (fixture->retires)
		cache_retire(cache, collection);
}

static void on_permissions_changed(
	void *data, struct cache *cache, const char *namespace, gboolean again)
{
	ck_assert(!again);
	lines_add(((struct fixture *)data)->lines, "permissions \"%s\"", namespace);
}

static void on_problem(void *data, struct cache *cache, const char *text)
{
	lines_add(((struct fixture *)data)->lines, "problem %s", text);
}

static const struct cache_handlers handlers = {
	.object_changed = on_object_changed,
	.catalog_changed = on_catalog_changed,
	.retiring = on_retiring,
	.permissions_changed = on_permissions_changed,
	.problem = on_problem,
};

static void answer_ping(void *data, struct fake_call *call)
{
	struct fixture *fixture = data;

	if (g_atomic_int_get(&fixture->ping_fails) != 0)
		fake_fail(call, ECONNREFUSED, 0);
	else
		fake_done_item(call, "{}");
	tally_add(&fixture->pinged);
}

static void setup(struct fixture *fixture)
{
	fake_clock_stop();
	*fixture = (struct fixture){0};
	engine_init(&fixture->engine, 3);
	fixture->fake = fake_source_create();
	fake_source_answer(fixture->fake, FAKE_PING, answer_ping, fixture);
	fixture->lines = lines_create();
	tally_init(&fixture->woken);
	tally_init(&fixture->retirings);
	tally_init(&fixture->pinged);
}

static void begin_idle(struct fixture *fixture, uint64_t idle)
{
	fixture->cache = cache_create(&(struct cache_options){
		.source = fake_source_get(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.handlers = &handlers,
		.data = fixture,
		.idle = idle,
	});
}

static void begin(struct fixture *fixture)
{
	begin_idle(fixture, 0);
}

/* After cache_stop. */
static void finish_stopped(struct fixture *fixture)
{
	ck_assert(fake_source_is_destroyed(fixture->fake));
	engine_finish(&fixture->engine);
	cache_destroy(fixture->cache);
	fake_source_unref(fixture->fake);
	lines_destroy(fixture->lines);
	tally_finish(&fixture->woken);
	tally_finish(&fixture->retirings);
	tally_finish(&fixture->pinged);
}

static void finish(struct fixture *fixture)
{
	cache_stop(fixture->cache);
	finish_stopped(fixture);
}

static struct resource *make_namespaces(void)
{
	struct resource *resource = fake_resource("", "v1", "namespaces", "Namespace");

	resource->namespaced = FALSE;
	return resource;
}

static struct resource *make_crds(void)
{
	struct resource *resource = fake_resource("apiextensions.k8s.io", "v1",
		"customresourcedefinitions", "CustomResourceDefinition");

	resource->namespaced = FALSE;
	return resource;
}

/* Pods, secrets and namespaces; returns a reference to the catalog. */
static struct catalog *discover(struct fixture *fixture)
{
	struct catalog *catalog = NULL;

	fake_discovered(fake_take(fixture->fake, FAKE_DISCOVER),
		fake_catalog(fake_resource("", "v1", "pods", "Pod"),
			fake_resource("", "v1", "secrets", "Secret"), make_namespaces(), NULL));
	lines_expect(fixture->lines, "catalog 0 to 3");
	ck_assert_int_eq(
		cache_catalog(fixture->cache, tally_add, &fixture->woken, &catalog, NULL), 0);
	return catalog;
}

static struct resource *find(struct catalog *catalog, const char *name)
{
	struct resource *resource = catalog_find(catalog, name);

	ck_assert_ptr_nonnull(resource);
	return resource;
}

static int look(struct fixture *fixture, struct resource *resource, const char *namespace,
	const char *name, struct collection **ret)
{
	return cache_look(
		fixture->cache, resource, namespace, name, tally_add, &fixture->woken, ret, NULL);
}

static int look_and_wait(struct fixture *fixture, struct resource *resource, const char *namespace,
	const char *name, struct collection **ret)
{
	for (;;) {
		unsigned int before = tally_get(&fixture->woken);
		int r = look(fixture, resource, namespace, name, ret);

		if (r != -EINPROGRESS)
			return r;
		tally_reach(&fixture->woken, before + 1);
	}
}

/* What answers each list: one object web in default, version 5. */
static void answer_list(void *data, struct fake_call *call)
{
	g_autofree char *json = fake_object("default", "web", "5", "");

	fake_item(call, json);
	fake_done(call, "10");
}

START_TEST (the_server_s_warnings_are_told) {
	struct fixture fixture;

	setup(&fixture);
	begin(&fixture);
	fake_warn(fixture.fake, "example.com/v1 is deprecated");
	lines_expect(fixture.lines, "problem example.com/v1 is deprecated");
	cache_stop(fixture.cache);
	fake_warn(fixture.fake, "late");
	lines_expect_none(fixture.lines);
	finish_stopped(&fixture);
}
END_TEST

START_TEST (the_catalog_is_waited_for) {
	struct fixture fixture;
	struct catalog *catalog = NULL;
	g_autoptr(GError) error = NULL;

	setup(&fixture);
	begin(&fixture);
	ck_assert_ptr_null(cache_catalog_now(fixture.cache));
	ck_assert_int_eq(cache_catalog(fixture.cache, tally_add, &fixture.woken, &catalog, NULL),
		-EINPROGRESS);
	fake_fail_result(fake_take(fixture.fake, FAKE_DISCOVER),
		&(struct source_result){.errnum = EACCES, .status = 401, .message = "who are you"});
	tally_reach(&fixture.woken, 1);
	ck_assert_int_eq(cache_catalog(fixture.cache, NULL, NULL, &catalog, &error), -EACCES);
	ck_assert_str_eq(error->message, "who are you");
	/* It is tried again by itself. */
	catalog_unref(discover(&fixture));
	catalog = cache_catalog_now(fixture.cache);
	ck_assert_uint_eq(catalog_count(catalog), 3);
	catalog_unref(catalog);
	ck_assert_uint_eq(tally_get(&fixture.woken), 1);
	ck_assert_str_eq(cache_where(fixture.cache), "https://fake:6443");
	finish(&fixture);
}
END_TEST

START_TEST (a_dead_group_is_told_and_read_again) {
	struct fixture fixture;
	struct source_catalog *partial = fake_catalog(fake_resource("", "v1", "pods", "Pod"), NULL);

	setup(&fixture);
	begin(&fixture);
	g_ptr_array_add(partial->partial, g_strdup("metrics.k8s.io/v1beta1: 503"));
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER), partial);
	lines_expect(fixture.lines, "problem metrics.k8s.io/v1beta1: 503");
	lines_expect(fixture.lines, "catalog 0 to 1");
	/* The same problem is told once. */
	partial = fake_catalog(fake_resource("", "v1", "pods", "Pod"), NULL);
	g_ptr_array_add(partial->partial, g_strdup("metrics.k8s.io/v1beta1: 503"));
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER), partial);
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER),
		fake_catalog(fake_resource("", "v1", "pods", "Pod"),
			fake_resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics"), NULL));
	lines_expect(fixture.lines, "catalog 1 to 2");
	/* And whole it is not read again. */
	ck_assert_ptr_null(fake_take_within(fixture.fake, FAKE_DISCOVER, 2000));
	finish(&fixture);
}
END_TEST

START_TEST (announcers_bring_resources) {
	struct fixture fixture;
	struct fake_call *watch;
	struct fake_call *call;

	setup(&fixture);
	begin(&fixture);
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER), fake_catalog(make_crds(), NULL));
	lines_expect(fixture.lines, "catalog 0 to 1");
	watch = fake_take(fixture.fake, FAKE_WATCH);
	ck_assert_str_eq(watch->resource, "customresourcedefinitions.apiextensions.k8s.io");
	ck_assert(watch->metadata_only);
	ck_assert_ptr_null(watch->version);
	ck_assert(!watch->initial);
	ck_assert_ptr_null(fake_take_within(fixture.fake, FAKE_DISCOVER, SOON_MS));
	/* However many come, one reading follows soon. */
	for (int i = 0; i < 50; i++)
		fake_event(watch, SOURCE_ADDED, "{\"metadata\":{\"name\":\"a\"}}");
	call = fake_take(fixture.fake, FAKE_DISCOVER);
	/* One that comes while it is read is not lost. */
	fake_event(watch, SOURCE_MODIFIED, "{\"metadata\":{\"name\":\"a\"}}");
	fake_event(watch, SOURCE_BOOKMARK, "{\"metadata\":{\"resourceVersion\":\"1\"}}");
	fixture_drain(watch->strand);
	fake_discovered(call, fake_catalog(make_crds(), NULL));
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER),
		fake_catalog(
			make_crds(), fake_resource("example.com", "v1", "things", "Thing"), NULL));
	lines_expect(fixture.lines, "catalog 1 to 2");
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (announcers_are_watched_again) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	begin(&fixture);
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER), fake_catalog(make_crds(), NULL));
	/* 401 is no denial. */
	fake_fail(fake_take(fixture.fake, FAKE_WATCH), EACCES, 401);
	watch = fake_take(fixture.fake, FAKE_WATCH);
	fake_fail(watch, EACCES, 403);
	ck_assert_ptr_null(fake_take_within(fixture.fake, FAKE_WATCH, 3500));
	finish(&fixture);
}
END_TEST

/* Looks again as soon as it is woken, as a parked request does. */
struct looker {
	struct fixture *fixture;
	struct resource *resource;
	struct tally done;
	int result;
};

static void look_when_woken(void *data)
{
	struct looker *looker = data;
	struct collection *collection = NULL;
	int r = cache_look(looker->fixture->cache, looker->resource, "default", NULL,
		look_when_woken, looker, &collection, NULL);

	if (r == -EINPROGRESS)
		return;
	if (r == 0)
		collection_unref(collection);
	looker->result = r;
	tally_add(&looker->done);
}

START_TEST (a_resource_that_vanishes_wakes_who_waits_for_it) {
	struct fixture fixture;
	struct looker looker = {.fixture = &fixture, .result = 1};
	struct fake_call *watch;
	struct resource *things;
	struct catalog *catalog;

	setup(&fixture);
	begin(&fixture);
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER),
		fake_catalog(
			make_crds(), fake_resource("example.com", "v1", "things", "Thing"), NULL));
	lines_expect(fixture.lines, "catalog 0 to 2");
	watch = fake_take(fixture.fake, FAKE_WATCH);
	catalog = cache_catalog_now(fixture.cache);
	things = resource_ref(find(catalog, "things.example.com"));
	catalog_unref(catalog);
	tally_init(&looker.done);
	looker.resource = things;
	look_when_woken(&looker);
	fake_drop(fake_take(fixture.fake, FAKE_LIST));
	fake_event(watch, SOURCE_DELETED, "{\"metadata\":{\"name\":\"a\"}}");
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER), fake_catalog(make_crds(), NULL));
	/* It asks again, and the server says what has become of it. */
	fake_fail(fake_take(fixture.fake, FAKE_LIST), ENOENT, 404);
	tally_reach(&looker.done, 1);
	ck_assert_int_eq(looker.result, -ENOENT);
	lines_expect(fixture.lines, "catalog 2 to 1");
	/* The kernel is told as well. */
	tally_reach(&fixture.retirings, 1);
	resource_unref(things);
	fake_drop(watch);
	finish(&fixture);
	tally_finish(&looker.done);
}
END_TEST

START_TEST (a_forbidden_list_narrows) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct fake_call *call;
	struct resource *pods;
	g_autofree char *json = fake_object("default", "web", "5", "");

	setup(&fixture);
	begin(&fixture);
	catalog = discover(&fixture);
	pods = find(catalog, "pods");
	ck_assert_int_eq(look(&fixture, pods, "default", "web", &collection), -EINPROGRESS);
	call = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_ptr_null(call->namespace);
	fake_fail(call, EACCES, 403);
	tally_reach(&fixture.woken, 1);
	ck_assert_int_eq(look(&fixture, pods, "default", "web", &collection), -EINPROGRESS);
	call = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_str_eq(call->namespace, "default");
	ck_assert_ptr_null(call->name);
	fake_fail(call, EACCES, 403);
	tally_reach(&fixture.woken, 2);
	ck_assert_int_eq(look(&fixture, pods, "default", NULL, &collection), -EACCES);
	ck_assert_int_eq(look(&fixture, pods, "default", "web", &collection), -EINPROGRESS);
	call = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_str_eq(call->namespace, "default");
	ck_assert_str_eq(call->name, "web");
	fake_fail(call, EACCES, 403);
	call = fake_take(fixture.fake, FAKE_GET);
	ck_assert_str_eq(call->name, "web");
	fake_done_item(call, json);
	tally_reach(&fixture.woken, 3);
	ck_assert_int_eq(look(&fixture, pods, "default", "web", &collection), 0);
	ck_assert(collection_must_poll(collection));
	collection_unref(collection);
	/* Another namespace may be allowed. */
	ck_assert_int_eq(look(&fixture, pods, "other", NULL, &collection), -EINPROGRESS);
	call = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_str_eq(call->namespace, "other");
	fake_done(call, "10");
	tally_reach(&fixture.woken, 4);
	ck_assert_int_eq(look(&fixture, pods, "other", NULL, &collection), 0);
	collection_unref(collection);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (a_cluster_scoped_list_narrows_to_names) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct fake_call *call;
	struct resource *namespaces;

	setup(&fixture);
	begin(&fixture);
	catalog = discover(&fixture);
	namespaces = find(catalog, "namespaces");
	ck_assert_int_eq(look(&fixture, namespaces, "", "default", &collection), -EINPROGRESS);
	fake_fail(fake_take(fixture.fake, FAKE_LIST), EACCES, 403);
	tally_reach(&fixture.woken, 1);
	ck_assert_int_eq(look(&fixture, namespaces, "", "default", &collection), -EINPROGRESS);
	call = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_ptr_null(call->namespace);
	ck_assert_str_eq(call->name, "default");
	fake_done(call, "10");
	tally_reach(&fixture.woken, 2);
	ck_assert_int_eq(look(&fixture, namespaces, "", "default", &collection), 0);
	collection_unref(collection);
	ck_assert_int_eq(look(&fixture, namespaces, "", NULL, &collection), -EACCES);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (finds_one_object) {
	struct fixture fixture;
	struct catalog *catalog;
	struct snapshot *snapshot = NULL;
	struct collection *collection = NULL;
	struct resource *pods;

	setup(&fixture);
	fake_source_answer(fixture.fake, FAKE_LIST, answer_list, NULL);
	begin(&fixture);
	catalog = discover(&fixture);
	pods = find(catalog, "pods");
	ck_assert_int_eq(look_and_wait(&fixture, pods, "default", NULL, &collection), 0);
	collection_unref(collection);
	ck_assert_int_eq(
		cache_find(fixture.cache, pods, "default", "web", NULL, NULL, &snapshot, NULL), 0);
	ck_assert_str_eq(snapshot->version, "5");
	snapshot_unref(snapshot);
	ck_assert_int_eq(
		cache_find(fixture.cache, pods, "default", "none", NULL, NULL, &snapshot, NULL),
		-ENOENT);
	ck_assert_int_eq(
		cache_find(fixture.cache, pods, "other", "web", NULL, NULL, &snapshot, NULL),
		-ENOENT);
	ck_assert_int_eq(cache_changed(fixture.cache, pods, "default").tv_sec, 0);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

#define LOOKERS 20

struct thread {
	struct fixture *fixture;
	struct resource *resource;
};

static void *look_in_thread(void *data)
{
	struct thread *thread = data;
	struct collection *collection = NULL;

	ck_assert_int_eq(
		look_and_wait(thread->fixture, thread->resource, "default", NULL, &collection), 0);
	collection_unref(collection);
	return NULL;
}

START_TEST (parallel_looks_cause_one_list) {
	struct fixture fixture;
	pthread_t threads[LOOKERS];
	struct thread thread = {.fixture = &fixture};
	struct catalog *catalog;

	setup(&fixture);
	begin(&fixture);
	catalog = discover(&fixture);
	thread.resource = find(catalog, "pods");
	for (int i = 0; i < LOOKERS; i++)
		pthread_create(&threads[i], NULL, look_in_thread, &thread);
	fake_done(fake_take(fixture.fake, FAKE_LIST), "10");
	for (int i = 0; i < LOOKERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

#define RESOURCES 12

START_TEST (four_lists_at_a_time) {
	struct fixture fixture;
	struct source_catalog *discovered = fake_catalog(NULL, NULL);
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct fake_call *first[CACHE_LISTS_MAX];

	setup(&fixture);
	begin(&fixture);
	for (int i = 0; i < RESOURCES; i++) {
		g_autofree char *plural = g_strdup_printf("things%d", i);

		g_ptr_array_add(discovered->resources, fake_resource("", "v1", plural, "Thing"));
	}
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER), discovered);
	lines_expect(fixture.lines, "catalog 0 to 12");
	catalog = cache_catalog_now(fixture.cache);
	for (size_t i = 0; i < RESOURCES; i++)
		ck_assert_int_eq(
			look(&fixture, catalog_at(catalog, i), "default", NULL, &collection),
			-EINPROGRESS);
	/* Answered one by one as they come, there need never be so many. */
	for (unsigned int i = 0; i < CACHE_LISTS_MAX; i++)
		first[i] = fake_take(fixture.fake, FAKE_LIST);
	for (unsigned int i = 0; i < RESOURCES; i++) {
		struct fake_call *list =
			i < CACHE_LISTS_MAX ? first[i] : fake_take(fixture.fake, FAKE_LIST);

		ck_assert_uint_le(fake_active(fixture.fake, FAKE_LIST), CACHE_LISTS_MAX);
		if (i % 3 == 0)
			fake_fail(list, EIO, 500);
		else
			fake_done(list, "10");
		tally_reach(&fixture.woken, i + 1);
	}
	ck_assert_uint_eq(fake_most(fixture.fake, FAKE_LIST), CACHE_LISTS_MAX);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (a_server_that_goes_away_comes_back) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct resource *pods;
	struct fake_call *watch;
	g_autofree char *message = NULL;
	gint64 before = g_get_real_time() / G_USEC_PER_SEC;
	gint64 since = 0;

	setup(&fixture);
	fake_source_answer(fixture.fake, FAKE_LIST, answer_list, NULL);
	begin(&fixture);
	catalog = discover(&fixture);
	pods = find(catalog, "pods");
	ck_assert_int_eq(look_and_wait(&fixture, pods, "default", NULL, &collection), 0);
	collection_unref(collection);
	ck_assert(!cache_is_away(fixture.cache, &since, &message));
	watch = fake_take(fixture.fake, FAKE_WATCH);
	fake_event(watch, SOURCE_BOOKMARK, "{\"metadata\":{\"resourceVersion\":\"77\"}}");
	g_atomic_int_set(&fixture.ping_fails, 1);
	fake_fail(watch, ECONNREFUSED, 0);
	/* The backoff's own retry finds nobody, either. */
	fake_fail(fake_take(fixture.fake, FAKE_WATCH), ECONNREFUSED, 0);
	ck_assert(cache_is_away(fixture.cache, &since, &message));
	ck_assert_str_eq(message, g_strerror(ECONNREFUSED));
	ck_assert_int_ge(since, before);
	ck_assert_int_eq(look(&fixture, pods, "default", NULL, &collection), 0);
	collection_unref(collection);
	/* A probe notices, and the watch is begun where it was. */
	g_atomic_int_set(&fixture.ping_fails, 0);
	watch = fake_take(fixture.fake, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "77");
	fake_opened(watch);
	fixture_drain(watch->strand);
	g_clear_pointer(&message, g_free);
	ck_assert(!cache_is_away(fixture.cache, &since, &message));
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	fake_drop(watch);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (nobody_waits_long_for_a_server_that_is_away) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	g_autofree char *message = NULL;
	gint64 since;

	setup(&fixture);
	fixture.ping_fails = 1;
	begin(&fixture);
	catalog = discover(&fixture);
	ck_assert_int_eq(
		look(&fixture, find(catalog, "pods"), "default", NULL, &collection), -EINPROGRESS);
	/* The list hangs; the probes tell. */
	ck_assert_int_eq(
		look_and_wait(&fixture, find(catalog, "pods"), "default", NULL, &collection),
		-EHOSTDOWN);
	ck_assert(cache_is_away(fixture.cache, &since, &message));
	ck_assert_int_eq(
		look(&fixture, find(catalog, "pods"), "default", NULL, &collection), -EHOSTDOWN);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (what_is_polled_is_shown_while_the_server_is_away) {
	struct fixture fixture;
	struct resource *metrics = fake_resource("metrics.k8s.io", "v1", "pods", "PodMetrics");
	struct collection *collection = NULL;
	g_autofree char *json = fake_object("default", "web", "5", "");
	struct fake_call *list;

	metrics->can_watch = FALSE;
	setup(&fixture);
	begin(&fixture);
	fake_discovered(
		fake_take(fixture.fake, FAKE_DISCOVER), fake_catalog(resource_ref(metrics), NULL));
	lines_expect(fixture.lines, "catalog 0 to 1");
	ck_assert_int_eq(look(&fixture, metrics, "default", NULL, &collection), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	fake_item(list, json);
	fake_done(list, "10");
	tally_reach(&fixture.woken, 1);
	/* The first one finds the server there. */
	tally_reach(&fixture.pinged, 1);
	g_atomic_int_set(&fixture.ping_fails, 1);
	fake_clock_pass(COLLECTION_STALE_MS);
	ck_assert_int_eq(look(&fixture, metrics, "default", NULL, &collection), -EINPROGRESS);
	fake_fail(fake_take(fixture.fake, FAKE_LIST), ETIMEDOUT, 0);
	tally_reach(&fixture.woken, 2);
	/* It is stale by the time the server has been away for long. */
	g_usleep((HEALTH_PATIENCE_S * 1000 + 1100) * 1000);
	fake_clock_pass(COLLECTION_STALE_MS);
	ck_assert_int_eq(look(&fixture, metrics, "default", NULL, &collection), 0);
	ck_assert_uint_eq(collection_count(collection, "default"), 1);
	collection_unref(collection);
	resource_unref(metrics);
	finish(&fixture);
}
END_TEST

START_TEST (an_idle_collection_is_retired_and_made_anew) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct collection *old = NULL;
	g_autoptr(GPtrArray) all = NULL;
	struct resource *pods;
	uint64_t changes;

	setup(&fixture);
	fake_source_answer(fixture.fake, FAKE_LIST, answer_list, NULL);
	begin_idle(&fixture, 400);
	catalog = discover(&fixture);
	pods = find(catalog, "pods");
	ck_assert_int_eq(look_and_wait(&fixture, pods, "default", NULL, &old), 0);
	/* While it is used it is kept. */
	for (int i = 0; i < 10; i++) {
		g_usleep(100 * 1000);
		fake_clock_pass(100);
		ck_assert_int_eq(look(&fixture, pods, "default", NULL, &collection), 0);
		ck_assert_ptr_eq(collection, old);
		collection_unref(collection);
	}
	ck_assert_uint_eq(tally_get(&fixture.retirings), 0);
	/* Told, but the kernel has not forgotten yet: it stays. */
	fake_clock_pass(400);
	tally_reach(&fixture.retirings, 2);
	all = cache_collections(fixture.cache);
	ck_assert_uint_eq(all->len, 1);
	/* Looked into meanwhile: it stays as well. */
	ck_assert_int_eq(look(&fixture, pods, "default", NULL, &collection), 0);
	cache_retire(fixture.cache, collection);
	collection_unref(collection);
	ck_assert_int_eq(look(&fixture, pods, "default", NULL, &collection), 0);
	ck_assert_ptr_eq(collection, old);
	collection_unref(collection);
	changes = cache_changes(fixture.cache);
	fake_clock_pass(400);
	tally_reach(&fixture.retirings, tally_get(&fixture.retirings) + 1);
	cache_retire(fixture.cache, old);
	ck_assert_uint_gt(cache_changes(fixture.cache), changes);
	g_ptr_array_unref(g_steal_pointer(&all));
	all = cache_collections(fixture.cache);
	ck_assert_uint_eq(all->len, 0);
	ck_assert_int_eq(look_and_wait(&fixture, pods, "default", NULL, &collection), 0);
	ck_assert_ptr_ne(collection, old);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 2);
	collection_unref(collection);
	collection_unref(old);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (a_sign_of_use_is_a_look) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct resource *pods;

	setup(&fixture);
	fixture.retires = TRUE;
	fake_source_answer(fixture.fake, FAKE_LIST, answer_list, NULL);
	begin_idle(&fixture, 400);
	catalog = discover(&fixture);
	pods = find(catalog, "pods");
	/* It begins nothing. */
	cache_touch(fixture.cache, pods, "default");
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 0);
	ck_assert_int_eq(look_and_wait(&fixture, pods, "default", NULL, &collection), 0);
	for (int i = 0; i < 15; i++) {
		g_usleep(80 * 1000);
		fake_clock_pass(80);
		cache_touch(fixture.cache, pods, "default");
	}
	ck_assert_uint_eq(tally_get(&fixture.retirings), 0);
	fake_clock_pass(400);
	tally_reach(&fixture.retirings, 1);
	collection_unref(collection);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

/* A list that takes longer than a collection may be idle must not begin again and again. */
START_TEST (a_slow_list_is_no_idleness) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct fake_call *list;

	setup(&fixture);
	fixture.retires = TRUE;
	begin_idle(&fixture, 50);
	catalog = discover(&fixture);
	ck_assert_int_eq(
		look(&fixture, find(catalog, "pods"), "default", NULL, &collection), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	fake_clock_pass(500);
	g_usleep(500 * 1000);
	ck_assert_uint_eq(tally_get(&fixture.retirings), 0);
	ck_assert_uint_eq(tally_get(&fixture.woken), 0);
	fake_done(list, "10");
	tally_reach(&fixture.woken, 1);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	/* Then it is. */
	tally_reach(&fixture.retirings, 1);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (a_refused_watch_makes_the_kernel_forget) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	uint64_t changes;

	setup(&fixture);
	fake_source_answer(fixture.fake, FAKE_LIST, answer_list, NULL);
	begin(&fixture);
	catalog = discover(&fixture);
	ck_assert_int_eq(
		look_and_wait(&fixture, find(catalog, "pods"), "default", NULL, &collection), 0);
	ck_assert(!collection_must_poll(collection));
	changes = cache_changes(fixture.cache);
	fake_fail(fake_take(fixture.fake, FAKE_WATCH), EACCES, 403);
	tally_reach(&fixture.retirings, 1);
	ck_assert(collection_must_poll(collection));
	ck_assert_uint_gt(cache_changes(fixture.cache), changes);
	collection_unref(collection);
	/* But it is in use, and stays. */
	ck_assert_int_eq(look(&fixture, find(catalog, "pods"), "default", NULL, &collection), 0);
	collection_unref(collection);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

START_TEST (counts_changes_before_they_are_told) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	g_autofree char *json = fake_object("default", "web", "11", "");
	struct fake_call *watch;
	uint64_t changes;

	setup(&fixture);
	fake_source_answer(fixture.fake, FAKE_LIST, answer_list, NULL);
	begin(&fixture);
	catalog = discover(&fixture);
	ck_assert_int_eq(
		look_and_wait(&fixture, find(catalog, "pods"), "default", NULL, &collection), 0);
	collection_unref(collection);
	changes = cache_changes(fixture.cache);
	watch = fake_take(fixture.fake, FAKE_WATCH);
	fake_event(watch, SOURCE_MODIFIED, json);
	lines_expect(fixture.lines, "pods web: 5 to 11");
	ck_assert_uint_eq(cache_changes(fixture.cache), changes + 1);
	fake_drop(watch);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

#define READ_ONLY                                                                                  \
	"{\"status\":{\"resourceRules\":[{\"verbs\":[\"get\"],\"apiGroups\":[\"*\"],"              \
	"\"resources\":[\"*\"]}]}}"

START_TEST (permissions_are_asked_for_once) {
	struct fixture fixture;
	struct catalog *catalog;
	struct resource *pods;
	struct fake_call *call;
	struct strand *strand;

	setup(&fixture);
	begin(&fixture);
	catalog = discover(&fixture);
	pods = find(catalog, "pods");
	for (int i = 0; i < 10; i++)
		ck_assert(cache_may(fixture.cache, pods, NULL, "default", "update"));
	call = fake_take(fixture.fake, FAKE_RULES);
	ck_assert_str_eq(call->namespace, "default");
	fake_done_item(call, READ_ONLY);
	lines_expect(fixture.lines, "permissions \"default\"");
	ck_assert(!cache_may(fixture.cache, pods, NULL, "default", "update"));
	ck_assert(!cache_may(fixture.cache, pods, "status", "default", "update"));
	ck_assert(cache_may(fixture.cache, pods, NULL, "default", "get"));
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_RULES), 1);
	/* Of the cluster: any namespace tells. */
	ck_assert(cache_may(fixture.cache, pods, NULL, "", "update"));
	call = fake_take(fixture.fake, FAKE_RULES);
	ck_assert_str_eq(call->namespace, "default");
	strand = strand_ref(call->strand);
	fake_fail(call, EACCES, 403);
	ck_assert(cache_may(fixture.cache, pods, NULL, "other", "update"));
	fake_done_item(fake_take(fixture.fake, FAKE_RULES), "{\"nonsense\":1}");
	fixture_drain(strand);
	strand_unref(strand);
	ck_assert(cache_may(fixture.cache, pods, NULL, "", "update"));
	ck_assert(cache_may(fixture.cache, pods, NULL, "other", "update"));
	lines_expect_none(fixture.lines);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

/* Pods may be listed in single namespaces only; secrets only one by one. */
static void answer_narrowly(void *data, struct fake_call *call)
{
	g_autofree char *json = fake_object("default", "web", "5", "");
	gboolean secret = strcmp(call->resource, "secrets") == 0;

	if (secret ? call->name == NULL : call->namespace == NULL) {
		fake_fail(call, EACCES, 403);
		return;
	}
	fake_item(call, json);
	fake_done(call, "10");
}

START_TEST (responses_show_in_each_collection_that_holds_the_object) {
	struct fixture fixture;
	struct snapshot *snapshot = fixture_snapshot("default", "web", "20", "");
	struct snapshot *elsewhere = fixture_snapshot("other", "web", "21", "");
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct tally done;

	setup(&fixture);
	tally_init(&done);
	fake_source_answer(fixture.fake, FAKE_LIST, answer_narrowly, NULL);
	begin(&fixture);
	catalog = discover(&fixture);
	ck_assert_int_eq(
		look_and_wait(&fixture, find(catalog, "pods"), "default", NULL, &collection), 0);
	collection_unref(collection);
	ck_assert_int_eq(
		look_and_wait(&fixture, find(catalog, "secrets"), "default", "web", &collection),
		0);
	collection_unref(collection);
	cache_apply(fixture.cache, find(catalog, "pods"), snapshot, FALSE, tally_add, &done);
	tally_reach(&done, 1);
	lines_expect(fixture.lines, "pods web: 5 to 20");
	cache_apply(fixture.cache, find(catalog, "secrets"), snapshot, TRUE, tally_add, &done);
	tally_reach(&done, 2);
	lines_expect(fixture.lines, "secrets web: 5 to none");
	/* Where nobody looked, nothing is to be done. */
	cache_apply(fixture.cache, find(catalog, "pods"), elsewhere, FALSE, tally_add, &done);
	cache_apply(fixture.cache, find(catalog, "namespaces"), snapshot, FALSE, tally_add, &done);
	tally_reach(&done, 4);
	lines_expect_none(fixture.lines);
	snapshot_unref(snapshot);
	snapshot_unref(elsewhere);
	tally_finish(&done);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

static void deny_list(void *data, struct fake_call *call)
{
	if (call->name == NULL)
		fake_fail(call, EACCES, 403);
	else
		fake_done(call, "10");
}

START_TEST (single_objects_are_bounded) {
	struct fixture fixture;
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct resource *pods;
	int r = 0;
	int i;

	setup(&fixture);
	fake_source_answer(fixture.fake, FAKE_LIST, deny_list, NULL);
	begin(&fixture);
	catalog = discover(&fixture);
	pods = find(catalog, "pods");
	for (i = 0; i <= CACHE_NAMED_MAX && r == 0; i++) {
		g_autofree char *name = g_strdup_printf("pod-%d", i);

		r = look_and_wait(&fixture, pods, "default", name, &collection);
		if (r == 0)
			collection_unref(collection);
	}
	ck_assert_int_eq(r, -EAGAIN);
	ck_assert_int_eq(i, CACHE_NAMED_MAX + 1);
	catalog_unref(catalog);
	finish(&fixture);
}
END_TEST

/* The end, at the worst of times. */

enum stop_phase {
	STOP_AT_ONCE,
	STOP_DISCOVERING,
	STOP_DISCOVERY_FAILED,
	STOP_ANNOUNCING,
	STOP_ANNOUNCED,
	STOP_LISTING,
	STOP_QUEUED,
	STOP_WATCHING,
	STOP_AWAY,
	STOP_ASKING,
	STOP_RETIRED,
	STOP_PHASES,
};

/* Returns once the cache knows. */
static void fail_and_drain(struct fake_call *call, int errnum, int status)
{
	struct strand *strand = strand_ref(call->strand);

	fake_fail(call, errnum, status);
	fixture_drain(strand);
	strand_unref(strand);
}

static void reach_catalog(struct fixture *fixture, enum stop_phase phase)
{
	struct fake_call *call = fake_take(fixture->fake, FAKE_DISCOVER);
	struct fake_call *watch;

	if (phase == STOP_DISCOVERING) {
		fake_drop(call);
		return;
	}
	if (phase == STOP_DISCOVERY_FAILED) {
		fail_and_drain(call, ECONNREFUSED, 0);
		return;
	}
	fake_discovered(call, fake_catalog(make_crds(), NULL));
	watch = fake_take(fixture->fake, FAKE_WATCH);
	if (phase == STOP_ANNOUNCED) {
		fake_event(watch, SOURCE_ADDED, "{\"metadata\":{\"name\":\"a\"}}");
		fail_and_drain(watch, EIO, 500);
	} else {
		fake_drop(watch);
	}
}

static void reach(struct fixture *fixture, enum stop_phase phase)
{
	struct catalog *catalog;
	struct collection *collection = NULL;
	size_t count = phase == STOP_QUEUED ? 3 : 1;

	if (phase == STOP_AT_ONCE)
		return;
	if (phase <= STOP_ANNOUNCED) {
		reach_catalog(fixture, phase);
		return;
	}
	catalog = discover(fixture);
	if (phase == STOP_ASKING) {
		ck_assert(cache_may(
			fixture->cache, find(catalog, "pods"), NULL, "default", "update"));
		fake_drop(fake_take(fixture->fake, FAKE_RULES));
	}
	if (phase == STOP_WATCHING || phase == STOP_AWAY || phase == STOP_RETIRED)
		fake_source_answer(fixture->fake, FAKE_LIST, answer_list, NULL);
	for (size_t i = 0; i < count; i++)
		if (look(fixture, catalog_at(catalog, i), "default", NULL, &collection) == 0)
			collection_unref(collection);
	if (phase == STOP_LISTING)
		fake_drop(fake_take(fixture->fake, FAKE_LIST));
	if (phase == STOP_WATCHING)
		fake_drop(fake_take(fixture->fake, FAKE_WATCH));
	if (phase == STOP_AWAY) {
		g_atomic_int_set(&fixture->ping_fails, 1);
		fake_fail(fake_take(fixture->fake, FAKE_WATCH), ECONNREFUSED, 0);
	}
	if (phase == STOP_RETIRED)
		tally_reach(&fixture->retirings, 1);
	catalog_unref(catalog);
}

START_TEST (stops_in_each_phase) {
	struct fixture fixture;
	struct catalog *catalog = NULL;

	setup(&fixture);
	fixture.retires = TRUE;
	if (_i == STOP_RETIRED)
		fake_clock_start();
	begin_idle(&fixture, _i == STOP_RETIRED ? 20 : 0);
	reach(&fixture, _i);
	cache_stop(fixture.cache);
	/* What is asked for afterwards is refused, and nothing of it reaches the source. */
	if (_i == STOP_WATCHING) {
		struct collection *collection = NULL;

		ck_assert_int_eq(cache_catalog(fixture.cache, NULL, NULL, &catalog, NULL), 0);
		ck_assert_int_eq(
			look(&fixture, find(catalog, "pods"), "default", NULL, &collection),
			-ESHUTDOWN);
		ck_assert(cache_may(fixture.cache, find(catalog, "pods"), NULL, "new", "update"));
		catalog_unref(catalog);
	} else if (_i == STOP_DISCOVERING) {
		ck_assert_int_eq(
			cache_catalog(fixture.cache, NULL, NULL, &catalog, NULL), -ESHUTDOWN);
	}
	engine_finish(&fixture.engine);
	cache_destroy(fixture.cache);
	fake_source_unref(fixture.fake);
	lines_destroy(fixture.lines);
	tally_finish(&fixture.woken);
	tally_finish(&fixture.retirings);
}
END_TEST

static void *stop_in_thread(void *data)
{
	cache_stop(((struct fixture *)data)->cache);
	return NULL;
}

static void wait_for_gate(void *data)
{
	tally_reach(data, 1);
}

/* Jobs that would call the source are queued when the cache is stopped. */
START_TEST (the_source_outlives_what_is_queued) {
	struct fixture fixture;
	struct strand *strands[3];
	struct catalog *catalog;
	struct collection *collection = NULL;
	struct tally gate;
	pthread_t thread;

	setup(&fixture);
	begin(&fixture);
	catalog = discover(&fixture);
	tally_init(&gate);
	for (guint i = 0; i < G_N_ELEMENTS(strands); i++) {
		strands[i] = strand_create(fixture.engine.pool);
		strand_post(strands[i], wait_for_gate, &gate);
	}
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(
			look(&fixture, catalog_at(catalog, i), "default", NULL, &collection),
			-EINPROGRESS);
	pthread_create(&thread, NULL, stop_in_thread, &fixture);
	g_usleep(50 * 1000);
	ck_assert(!fake_source_is_destroyed(fixture.fake));
	tally_add(&gate);
	pthread_join(thread, NULL);
	ck_assert(fake_source_is_destroyed(fixture.fake));
	for (guint i = 0; i < G_N_ELEMENTS(strands); i++)
		strand_unref(strands[i]);
	catalog_unref(catalog);
	engine_finish(&fixture.engine);
	cache_destroy(fixture.cache);
	fake_source_unref(fixture.fake);
	lines_destroy(fixture.lines);
	tally_finish(&gate);
	tally_finish(&fixture.woken);
	tally_finish(&fixture.retirings);
}
END_TEST

/* Everything at once, for the sanitizers. */

#define STORM_THREADS 4
#define STORM_LOOKS 400

struct storm {
	struct fixture fixture;
	gint stop;
	gint versions;
};

static void storm_list(void *data, struct fake_call *call)
{
	struct storm *storm = data;
	int version = g_atomic_int_add(&storm->versions, 1);
	g_autofree char *text = g_strdup_printf("%d", version + 1000);
	g_autofree char *json = fake_object("default", "web", text, "");

	fake_item(call, json);
	if (version % 7 == 0)
		fake_fail(call, ECONNREFUSED, 0);
	else if (version % 5 == 0)
		fake_fail(call, EACCES, 403);
	else
		fake_done(call, text);
}

static void storm_watch(void *data, struct fake_call *call)
{
	struct storm *storm = data;
	int version = g_atomic_int_add(&storm->versions, 1);
	g_autofree char *text = g_strdup_printf("%d", version + 1000);
	g_autofree char *json = fake_object("default", "web", text, "");

	fake_opened(call);
	fake_event(call, SOURCE_MODIFIED, json);
	if (version % 3 == 0)
		fake_fail(call, EIO, 410);
	else if (version % 3 == 1)
		fake_fail(call, EACCES, 403);
	else
		fake_drop(call);
}

static void storm_discover(void *data, struct fake_call *call)
{
	struct storm *storm = data;
	struct source_catalog *catalog =
		fake_catalog(fake_resource("", "v1", "pods", "Pod"), make_crds(), NULL);

	/* Partial, so that it is read again and again. */
	g_ptr_array_add(catalog->partial, g_strdup("gone"));
	if (g_atomic_int_add(&storm->versions, 1) % 2 == 0)
		g_ptr_array_add(catalog->resources, fake_resource("", "v1", "secrets", "Secret"));
	fake_discovered(call, catalog);
}

static void *storm_look(void *data)
{
	struct storm *storm = data;
	struct cache *cache = storm->fixture.cache;

	for (int i = 0; i < STORM_LOOKS; i++) {
		struct catalog *catalog = cache_catalog_now(cache);
		struct collection *collection = NULL;
		struct resource *resource;

		if (catalog == NULL) {
			g_usleep(1000);
			continue;
		}
		resource = catalog_at(catalog, (size_t)i % catalog_count(catalog));
		if (cache_look(cache, resource, "default", i % 3 == 0 ? "web" : NULL, tally_add,
			    &storm->fixture.woken, &collection, NULL) == 0) {
			snapshot_unref(collection_find(collection, "default", "web"));
			collection_unref(collection);
		}
		cache_may(cache, resource, NULL, "default", "update");
		cache_changed(cache, resource, "default");
		catalog_unref(catalog);
		g_ptr_array_unref(cache_collections(cache));
		g_usleep(1000);
	}
	return NULL;
}

START_TEST (a_storm_ends_well) {
	struct storm storm = {0};
	struct fixture *fixture = &storm.fixture;
	pthread_t threads[STORM_THREADS];

	setup(fixture);
	fake_clock_start();
	fixture->retires = TRUE;
	fake_source_answer(fixture->fake, FAKE_LIST, storm_list, &storm);
	fake_source_answer(fixture->fake, FAKE_WATCH, storm_watch, &storm);
	fake_source_answer(fixture->fake, FAKE_DISCOVER, storm_discover, &storm);
	begin_idle(fixture, 10);
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_create(&threads[i], NULL, storm_look, &storm);
	g_usleep(700 * 1000);
	/* Half of the time in the middle of it. */
	if (_i % 2 == 0)
		cache_stop(fixture->cache);
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	if (_i % 2 != 0)
		cache_stop(fixture->cache);
	ck_assert_uint_le(fake_most(fixture->fake, FAKE_LIST), CACHE_LISTS_MAX);
	engine_finish(&fixture->engine);
	cache_destroy(fixture->cache);
	fake_source_unref(fixture->fake);
	lines_destroy(fixture->lines);
	tally_finish(&fixture->woken);
	tally_finish(&fixture->retirings);
	tally_finish(&fixture->pinged);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, the_server_s_warnings_are_told);
	tcase_add_test(tcase, the_catalog_is_waited_for);
	tcase_add_test(tcase, a_dead_group_is_told_and_read_again);
	tcase_add_test(tcase, announcers_bring_resources);
	tcase_add_test(tcase, announcers_are_watched_again);
	tcase_add_test(tcase, a_resource_that_vanishes_wakes_who_waits_for_it);
	tcase_add_test(tcase, a_forbidden_list_narrows);
	tcase_add_test(tcase, a_cluster_scoped_list_narrows_to_names);
	tcase_add_test(tcase, finds_one_object);
	tcase_add_test(tcase, parallel_looks_cause_one_list);
	tcase_add_test(tcase, four_lists_at_a_time);
	tcase_add_test(tcase, a_server_that_goes_away_comes_back);
	tcase_add_test(tcase, nobody_waits_long_for_a_server_that_is_away);
	tcase_add_test(tcase, what_is_polled_is_shown_while_the_server_is_away);
	tcase_add_test(tcase, an_idle_collection_is_retired_and_made_anew);
	tcase_add_test(tcase, a_sign_of_use_is_a_look);
	tcase_add_test(tcase, a_slow_list_is_no_idleness);
	tcase_add_test(tcase, a_refused_watch_makes_the_kernel_forget);
	tcase_add_test(tcase, counts_changes_before_they_are_told);
	tcase_add_test(tcase, permissions_are_asked_for_once);
	tcase_add_test(tcase, responses_show_in_each_collection_that_holds_the_object);
	tcase_add_test(tcase, single_objects_are_bounded);
	tcase_add_loop_test(tcase, stops_in_each_phase, 0, STOP_PHASES);
	tcase_add_test(tcase, the_source_outlives_what_is_queued);
	tcase_add_loop_test(tcase, a_storm_ends_well, 0, 4);
}

int main(void)
{
	return fixture_run("cache", add);
}
