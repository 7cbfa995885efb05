/*
 * cache/reflector.h against a scripted source: protocol.md 1 to 10. Delays of the backoff are cut
 * short by reflector_kick wherever the test is not about them.
 */
#include "cache/reflector.h"

#include <errno.h>
#include <string.h>

#include "cache/protobuf_table.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/protobuf_build.h"

/* Long enough for a call that is made at once, shorter than any backoff. */
#define SOON_MS 300

struct fixture {
	struct engine engine;
	struct fake_source *fake;
	struct admission *admission;
	struct protobuf_choice *protobuf;
	struct strand *strand;
	struct resource *resource;
	struct source_scope scope;
	struct reflector *reflector;
	struct lines *lines;
	char *known; /* the version that known() says TRUE to, or NULL */
};

static void on_list_begun(void *data)
{
	lines_add(((struct fixture *)data)->lines, "begun");
}

static gboolean on_known(void *data, const struct snapshot_key *key)
{
	struct fixture *fixture = data;

	if (g_strcmp0(fixture->known, key->version) != 0)
		return FALSE;
	lines_add(fixture->lines, "known %s", key->name);
	return TRUE;
}

static void on_put(void *data, struct snapshot *snapshot)
{
	lines_add(((struct fixture *)data)->lines, "put %s %s", snapshot->name, snapshot->version);
	snapshot_unref(snapshot);
}

static void on_remove(void *data, const struct snapshot_key *key)
{
	lines_add(((struct fixture *)data)->lines, "remove %s/%s", key->namespace, key->name);
}

static void on_synced(void *data, const char *version, gboolean latest)
{
	lines_add(((struct fixture *)data)->lines, "synced");
}

static void on_failed(void *data, const struct source_result *result)
{
	lines_add(((struct fixture *)data)->lines, "failed %d", result->status);
}

static void on_unwatched(void *data)
{
	lines_add(((struct fixture *)data)->lines, "unwatched");
}

static void on_contact(void *data, const struct source_result *result)
{
	if (result != NULL)
		lines_add(((struct fixture *)data)->lines, "lost");
}

static void on_problem(void *data, const char *text)
{
	ck_assert_ptr_null(strchr(text, '\n'));
	lines_add(((struct fixture *)data)->lines, "problem");
}

static const struct reflector_handlers handlers = {
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

static void run_refresh(void *data)
{
	reflector_refresh(((struct fixture *)data)->reflector);
}

static void run_kick(void *data)
{
	reflector_kick(((struct fixture *)data)->reflector);
}

static void run_reconnect(void *data)
{
	reflector_reconnect(((struct fixture *)data)->reflector);
}

static void run_stop(void *data)
{
	reflector_stop(((struct fixture *)data)->reflector);
}

static void post(struct fixture *fixture, strand_job job)
{
	strand_post(fixture->strand, job, fixture);
}

static void drain(struct fixture *fixture)
{
	fixture_drain(fixture->strand);
}

static void setup(struct fixture *fixture)
{
	fake_clock_stop();
	*fixture = (struct fixture){0};
	engine_init(&fixture->engine, 2);
	fixture->fake = fake_source_create();
	fixture->admission = admission_create(1);
	fixture->protobuf = protobuf_choice_create(fake_source_get(fixture->fake));
	fixture->strand = strand_create(fixture->engine.pool);
	fixture->resource = fake_resource("", "v1", "pods", "Pod");
	fixture->scope.resource = fixture->resource;
	fixture->lines = lines_create();
}

static void begin(struct fixture *fixture)
{
	fixture->reflector = reflector_create(
		&(struct reflector_options){
			.source = fake_source_get(fixture->fake),
			.loop = fixture->engine.loop,
			.strand = fixture->strand,
			.admission = fixture->admission,
			.protobuf = fixture->protobuf,
			.scope = &fixture->scope,
		},
		&handlers, fixture);
	post(fixture, run_refresh);
}

static void finish(struct fixture *fixture)
{
	struct source *source = fake_source_get(fixture->fake);

	post(fixture, run_stop);
	drain(fixture);
	source->ops->destroy(source);
	engine_finish(&fixture->engine);
	reflector_unref(fixture->reflector);
	admission_destroy(fixture->admission);
	protobuf_choice_destroy(fixture->protobuf);
	strand_unref(fixture->strand);
	resource_unref(fixture->resource);
	fake_source_unref(fixture->fake);
	lines_destroy(fixture->lines);
	g_free(fixture->known);
}

static void expect(struct fixture *fixture, const char *line)
{
	lines_expect(fixture->lines, line);
}

static void send_item(struct fake_call *call, const char *name, const char *version)
{
	g_autofree char *json = fake_object("default", name, version, "");

	fake_item(call, json);
}

static void send_event(
	struct fake_call *call, enum source_event event, const char *name, const char *version)
{
	g_autofree char *json = fake_object("default", name, version, "");

	fake_event(call, event, json);
}

static struct fake_call *take(struct fixture *fixture, enum fake_kind kind)
{
	return fake_take(fixture->fake, kind);
}

static void expect_no_call(struct fixture *fixture, enum fake_kind kind)
{
	ck_assert_ptr_null(fake_take_within(fixture->fake, kind, SOON_MS));
}

/* A first list of one pod at version 10; returns the watch that follows. */
static struct fake_call *sync_at_10(struct fixture *fixture)
{
	struct fake_call *list;

	begin(fixture);
	list = take(fixture, FAKE_LIST);
	expect(fixture, "begun");
	send_item(list, "web", "5");
	expect(fixture, "put web 5");
	fake_done(list, "10");
	expect(fixture, "synced");
	return take(fixture, FAKE_WATCH);
}

START_TEST (lists_then_watches) {
	struct fixture fixture;
	struct fake_call *list;
	struct fake_call *watch;

	setup(&fixture);
	begin(&fixture);
	list = take(&fixture, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_CACHE);
	ck_assert_ptr_null(list->version);
	ck_assert_str_eq(list->resource, "pods");
	ck_assert_ptr_null(list->namespace);
	fake_done(list, "10");
	expect(&fixture, "begun");
	expect(&fixture, "synced");
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "10");
	ck_assert(!watch->initial);
	fake_opened(watch);
	send_event(watch, SOURCE_ADDED, "web", "11");
	send_event(watch, SOURCE_MODIFIED, "web", "12");
	send_event(watch, SOURCE_DELETED, "web", "13");
	expect(&fixture, "put web 11");
	expect(&fixture, "put web 12");
	expect(&fixture, "remove default/web");
	/* A watch that ends is resumed where it was, without a list. */
	fake_done(watch, NULL);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "13");
	lines_expect_none(fixture.lines);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (a_bookmark_advances_the_version) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_at_10(&fixture);
	send_event(watch, SOURCE_MODIFIED, "web", "11");
	fake_event(watch, SOURCE_BOOKMARK, "{\"metadata\":{\"resourceVersion\":\"900\"}}");
	fake_event(watch, SOURCE_BOOKMARK, "{\"metadata\":{}}");
	expect(&fixture, "put web 11");
	fake_done(watch, NULL);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "900");
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (a_list_that_begins_again_is_begun_again) {
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	begin(&fixture);
	list = take(&fixture, FAKE_LIST);
	send_item(list, "old", "1");
	fake_restart(list);
	send_item(list, "new", "2");
	fake_done(list, "10");
	expect(&fixture, "begun");
	expect(&fixture, "put old 1");
	expect(&fixture, "begun");
	expect(&fixture, "put new 2");
	expect(&fixture, "synced");
	finish(&fixture);
}
END_TEST

START_TEST (streams_where_the_server_can) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	fake_source_set_watch_list(fixture.fake, TRUE);
	begin(&fixture);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert(watch->initial);
	ck_assert_ptr_null(watch->version);
	expect(&fixture, "begun");
	fake_opened(watch);
	send_event(watch, SOURCE_ADDED, "web", "5");
	expect(&fixture, "put web 5");
	fake_event(watch, SOURCE_SYNCED, "{\"metadata\":{\"resourceVersion\":\"20\"}}");
	expect(&fixture, "synced");
	/* The same stream goes on. */
	send_event(watch, SOURCE_MODIFIED, "web", "21");
	expect(&fixture, "put web 21");
	fake_done(watch, NULL);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "21");
	ck_assert(!watch->initial);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 0);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

/* Each way in which a WatchList stream can be refused leads to a list. */
static const int REFUSALS[][2] = {{EINVAL, 400}, {EINVAL, 422}, {EACCES, 403}, {EOPNOTSUPP, 405},
	{ENOENT, 404}, {EPROTO, 200}};

START_TEST (lists_where_streaming_is_refused) {
	struct fixture fixture;
	struct fake_call *call;

	setup(&fixture);
	fake_source_set_watch_list(fixture.fake, TRUE);
	begin(&fixture);
	fake_fail(take(&fixture, FAKE_WATCH), REFUSALS[_i][0], REFUSALS[_i][1]);
	call = take(&fixture, FAKE_LIST);
	ck_assert_int_eq(call->from, SOURCE_LIST_CACHE);
	expect(&fixture, "begun");
	expect(&fixture, "begun");
	fake_done(call, "10");
	expect(&fixture, "synced");
	call = take(&fixture, FAKE_WATCH);
	ck_assert(!call->initial);
	/* And is not tried again. */
	fake_fail(call, EIO, 410);
	reflector_ref(fixture.reflector);
	drain(&fixture);
	post(&fixture, run_kick);
	call = take(&fixture, FAKE_LIST);
	fake_drop(call);
	reflector_unref(fixture.reflector);
	finish(&fixture);
}
END_TEST

START_TEST (a_stream_that_ends_early_is_refused) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	fake_source_set_watch_list(fixture.fake, TRUE);
	begin(&fixture);
	watch = take(&fixture, FAKE_WATCH);
	send_event(watch, SOURCE_ADDED, "web", "5");
	fake_done(watch, NULL);
	expect(&fixture, "begun");
	expect(&fixture, "put web 5");
	fake_drop(take(&fixture, FAKE_LIST));
	expect(&fixture, "begun");
	finish(&fixture);
}
END_TEST

START_TEST (a_lost_stream_is_no_refusal) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	fake_source_set_watch_list(fixture.fake, TRUE);
	begin(&fixture);
	fake_fail(take(&fixture, FAKE_WATCH), ECONNREFUSED, 0);
	expect(&fixture, "begun");
	expect(&fixture, "lost");
	expect(&fixture, "failed 0");
	post(&fixture, run_refresh);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert(watch->initial);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (an_expired_watch_relists_the_latest) {
	struct fixture fixture;
	struct fake_call *call;

	setup(&fixture);
	call = sync_at_10(&fixture);
	send_event(call, SOURCE_MODIFIED, "web", "11");
	fake_fail(call, EIO, 410);
	expect(&fixture, "put web 11");
	post(&fixture, run_kick);
	call = take(&fixture, FAKE_LIST);
	ck_assert_int_eq(call->from, SOURCE_LIST_LATEST);
	expect(&fixture, "begun");
	fixture.known = g_strdup("11");
	send_item(call, "web", "11");
	expect(&fixture, "known web");
	fake_done(call, "50");
	expect(&fixture, "synced");
	call = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(call->version, "50");
	fake_drop(call);
	finish(&fixture);
}
END_TEST

START_TEST (an_expired_list_is_repeated_once_as_latest) {
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	begin(&fixture);
	fake_fail(take(&fixture, FAKE_LIST), EIO, 410);
	list = take(&fixture, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_LATEST);
	fake_fail(list, EIO, 410);
	expect(&fixture, "begun");
	expect(&fixture, "begun");
	expect(&fixture, "failed 410");
	/* It has never been complete: it rests until somebody looks. */
	expect_no_call(&fixture, FAKE_LIST);
	post(&fixture, run_refresh);
	fake_done(take(&fixture, FAKE_LIST), "10");
	expect(&fixture, "begun");
	expect(&fixture, "synced");
	finish(&fixture);
}
END_TEST

START_TEST (a_refused_connection_is_retried_without_a_list) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_at_10(&fixture);
	fake_fail(watch, ECONNREFUSED, 0);
	expect(&fixture, "lost");
	expect_no_call(&fixture, FAKE_WATCH);
	/* By itself, after the first delay. */
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "10");
	fake_fail(watch, EAGAIN, 429);
	expect(&fixture, "problem");
	post(&fixture, run_kick);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "10");
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (a_short_watch_without_events_is_an_error) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_at_10(&fixture);
	fake_event(watch, SOURCE_BOOKMARK, "{\"metadata\":{\"resourceVersion\":\"12\"}}");
	fake_done(watch, NULL);
	expect_no_call(&fixture, FAKE_WATCH);
	post(&fixture, run_kick);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "12");
	/* With an event it is none. */
	send_event(watch, SOURCE_MODIFIED, "web", "13");
	fake_done(watch, NULL);
	fake_drop(take(&fixture, FAKE_WATCH));
	finish(&fixture);
}
END_TEST

START_TEST (a_watch_that_always_expires_makes_no_storm) {
	struct fixture fixture;
	unsigned int lists;

	setup(&fixture);
	fake_fail(sync_at_10(&fixture), EIO, 410);
	/* The list was just now. */
	expect_no_call(&fixture, FAKE_LIST);
	lists = fake_count(fixture.fake, FAKE_LIST);
	ck_assert_uint_eq(lists, 1);
	fake_done(take(&fixture, FAKE_LIST), "11");
	fake_fail(take(&fixture, FAKE_WATCH), ENOENT, 404);
	expect_no_call(&fixture, FAKE_LIST);
	finish(&fixture);
}
END_TEST

START_TEST (a_forbidden_watch_is_polled) {
	struct fixture fixture;

	setup(&fixture);
	fake_fail(sync_at_10(&fixture), EACCES, 403);
	expect(&fixture, "unwatched");
	drain(&fixture);
	ck_assert(reflector_must_poll(fixture.reflector));
	expect_no_call(&fixture, FAKE_LIST);
	post(&fixture, run_refresh);
	fake_done(take(&fixture, FAKE_LIST), "11");
	expect(&fixture, "begun");
	expect(&fixture, "synced");
	expect_no_call(&fixture, FAKE_WATCH);
	/* A list that fails does not begin another one by itself, either. */
	post(&fixture, run_refresh);
	fake_fail(take(&fixture, FAKE_LIST), EIO, 500);
	expect(&fixture, "begun");
	expect(&fixture, "failed 500");
	expect_no_call(&fixture, FAKE_LIST);
	finish(&fixture);
}
END_TEST

/* 401 is EACCES, too, but the credential may be good again in a moment. */
START_TEST (an_unauthorized_watch_is_retried) {
	struct fixture fixture;
	struct fake_call *call;

	setup(&fixture);
	fake_fail(sync_at_10(&fixture), EACCES, 401);
	expect(&fixture, "problem");
	drain(&fixture);
	ck_assert(!reflector_must_poll(fixture.reflector));
	post(&fixture, run_kick);
	call = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(call->version, "10");
	fake_drop(call);
	finish(&fixture);
}
END_TEST

START_TEST (what_cannot_be_watched_is_polled) {
	struct fixture fixture;

	setup(&fixture);
	fixture.resource->can_watch = FALSE;
	fake_source_set_watch_list(fixture.fake, TRUE);
	begin(&fixture);
	fake_done(take(&fixture, FAKE_LIST), "10");
	expect(&fixture, "begun");
	expect(&fixture, "synced");
	expect_no_call(&fixture, FAKE_WATCH);
	drain(&fixture);
	ck_assert(reflector_must_poll(fixture.reflector));
	finish(&fixture);
}
END_TEST

START_TEST (a_named_object_falls_back_to_get) {
	struct fixture fixture;
	struct fake_call *get;
	g_autofree char *json = fake_object("default", "web", "5", "");

	setup(&fixture);
	fixture.scope.namespace = "default";
	fixture.scope.name = "web";
	begin(&fixture);
	fake_fail(take(&fixture, FAKE_LIST), EACCES, 403);
	get = take(&fixture, FAKE_GET);
	ck_assert_str_eq(get->namespace, "default");
	ck_assert_str_eq(get->name, "web");
	fake_done_item(get, json);
	expect(&fixture, "begun");
	expect(&fixture, "begun");
	expect(&fixture, "put web 5");
	expect(&fixture, "synced");
	expect_no_call(&fixture, FAKE_WATCH);
	post(&fixture, run_refresh);
	fake_fail(take(&fixture, FAKE_GET), ENOENT, 404);
	expect(&fixture, "begun");
	expect(&fixture, "synced");
	post(&fixture, run_refresh);
	fake_fail(take(&fixture, FAKE_GET), EIO, 500);
	expect(&fixture, "begun");
	expect(&fixture, "failed 500");
	finish(&fixture);
}
END_TEST

START_TEST (a_named_object_that_cannot_be_listed_is_got) {
	struct fixture fixture;

	setup(&fixture);
	fixture.resource->can_list = FALSE;
	fixture.scope.name = "web";
	begin(&fixture);
	fake_fail(take(&fixture, FAKE_GET), EACCES, 403);
	expect(&fixture, "begun");
	expect(&fixture, "failed 403");
	finish(&fixture);
}
END_TEST

START_TEST (one_denied_relist_is_not_believed) {
	struct fixture fixture;

	setup(&fixture);
	fake_fail(sync_at_10(&fixture), EIO, 410);
	for (int i = 0; i < 3; i++) {
		drain(&fixture);
		post(&fixture, run_kick);
		fake_fail(take(&fixture, FAKE_LIST), EACCES, 403);
		expect(&fixture, "begun");
	}
	expect(&fixture, "failed 403");
	/* Then it is as if nothing was ever listed. */
	expect_no_call(&fixture, FAKE_LIST);
	post(&fixture, run_refresh);
	fake_done(take(&fixture, FAKE_LIST), "20");
	expect(&fixture, "begun");
	expect(&fixture, "synced");
	fake_drop(take(&fixture, FAKE_WATCH));
	finish(&fixture);
}
END_TEST

START_TEST (a_relist_that_fails_is_tried_again) {
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	fake_fail(sync_at_10(&fixture), EIO, 410);
	drain(&fixture);
	post(&fixture, run_kick);
	fake_fail(take(&fixture, FAKE_LIST), EIO, 500);
	expect(&fixture, "begun");
	expect(&fixture, "failed 500");
	post(&fixture, run_kick);
	list = take(&fixture, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_LATEST);
	fake_drop(list);
	finish(&fixture);
}
END_TEST

START_TEST (a_malformed_object_harms_only_itself) {
	struct fixture fixture;
	struct fake_call *list;
	struct fake_call *watch;

	setup(&fixture);
	begin(&fixture);
	list = take(&fixture, FAKE_LIST);
	fake_item(list, "{\"metadata\":{}}");
	send_item(list, "web", "5");
	fake_done(list, "10");
	expect(&fixture, "begun");
	expect(&fixture, "problem");
	expect(&fixture, "put web 5");
	expect(&fixture, "synced");
	watch = take(&fixture, FAKE_WATCH);
	fake_event(watch, SOURCE_MODIFIED, "[]");
	fake_event(watch, SOURCE_DELETED, "null");
	fake_event(watch, SOURCE_BOOKMARK, "\"x\"");
	expect(&fixture, "problem");
	expect(&fixture, "problem");
	fake_done(watch, NULL);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "10");
	/* A frame that cannot be read at all is told as well. */
	fake_fail(watch, EPROTO, 200);
	expect(&fixture, "problem");
	finish(&fixture);
}
END_TEST

START_TEST (reconnecting_resumes_the_watch) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	fake_drop(sync_at_10(&fixture));
	post(&fixture, run_reconnect);
	/* The end comes from another job; then there is something to kick. */
	drain(&fixture);
	drain(&fixture);
	post(&fixture, run_kick);
	watch = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "10");
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (waits_for_a_place) {
	struct fixture fixture;
	struct tally entered;

	setup(&fixture);
	tally_init(&entered);
	admission_enter(fixture.admission, fixture.strand, tally_add, &entered);
	begin(&fixture);
	expect_no_call(&fixture, FAKE_LIST);
	lines_expect_none(fixture.lines);
	admission_leave(fixture.admission);
	fake_done(take(&fixture, FAKE_LIST), "10");
	expect(&fixture, "begun");
	expect(&fixture, "synced");
	/* The place is free again while it watches. */
	admission_enter(fixture.admission, fixture.strand, tally_add, &entered);
	tally_reach(&entered, 2);
	admission_leave(fixture.admission);
	finish(&fixture);
	tally_finish(&entered);
}
END_TEST

static void setup_protobuf(struct fixture *fixture, gboolean stream)
{
	setup(fixture);
	resource_unref(fixture->resource);
	fixture->resource = fake_resource("", "v1", "configmaps", "ConfigMap");
	fixture->scope.resource = fixture->resource;
	fake_source_set_minor(fixture->fake, protobuf_minor);
	fake_source_set_watch_list(fixture->fake, stream);
}

static void send_protobuf(
	struct fake_call *call, const char *name, const char *version, const char *extra)
{
	fake_protobuf_item(call, "ConfigMap", build_config_map("default", name, version, extra));
}

static void send_protobuf_event(struct fake_call *call, enum source_event event, const char *name,
	const char *version, const char *extra)
{
	fake_protobuf_event(
		call, event, "ConfigMap", build_config_map("default", name, version, extra));
}

START_TEST (asks_for_protobuf_where_it_can_be_read) {
	struct fixture fixture;
	struct fake_call *call;

	setup_protobuf(&fixture, FALSE);
	begin(&fixture);
	call = take(&fixture, FAKE_LIST);
	ck_assert(call->protobuf);
	expect(&fixture, "begun");
	send_protobuf(call, "one", "5", "");
	/* A server may answer otherwise. */
	send_item(call, "two", "6");
	fake_done(call, "10");
	expect(&fixture, "put one 5");
	expect(&fixture, "put two 6");
	expect(&fixture, "synced");
	call = take(&fixture, FAKE_WATCH);
	ck_assert(call->protobuf);
	send_protobuf_event(call, SOURCE_MODIFIED, "one", "11", "");
	send_protobuf_event(call, SOURCE_DELETED, "two", "12", "");
	send_protobuf_event(call, SOURCE_BOOKMARK, "", "20", "");
	expect(&fixture, "put one 11");
	expect(&fixture, "remove default/two");
	fake_done(call, NULL);
	call = take(&fixture, FAKE_WATCH);
	ck_assert_str_eq(call->version, "20");
	ck_assert(call->protobuf);
	fake_drop(call);
	finish(&fixture);
}
END_TEST

START_TEST (a_list_with_something_unknown_is_asked_for_as_json) {
	struct fixture fixture;
	struct fake_call *call;

	setup_protobuf(&fixture, FALSE);
	begin(&fixture);
	call = take(&fixture, FAKE_LIST);
	expect(&fixture, "begun");
	send_protobuf(call, "one", "5", "");
	expect(&fixture, "put one 5");
	send_protobuf(call, "two", "6", BUILD_UNKNOWN_FIELD);
	expect(&fixture, "problem");
	fake_drop(call);
	call = take(&fixture, FAKE_LIST);
	ck_assert(!call->protobuf);
	ck_assert_int_eq(call->from, SOURCE_LIST_CACHE);
	expect(&fixture, "begun");
	send_item(call, "one", "5");
	send_item(call, "two", "6");
	fake_done(call, "10");
	expect(&fixture, "put one 5");
	expect(&fixture, "put two 6");
	expect(&fixture, "synced");
	call = take(&fixture, FAKE_WATCH);
	ck_assert(!call->protobuf);
	fake_drop(call);
	lines_expect_none(fixture.lines);
	finish(&fixture);
}
END_TEST

START_TEST (a_stream_with_something_unknown_is_asked_for_as_json) {
	struct fixture fixture;
	struct fake_call *call;

	setup_protobuf(&fixture, TRUE);
	begin(&fixture);
	call = take(&fixture, FAKE_WATCH);
	ck_assert(call->protobuf);
	expect(&fixture, "begun");
	/* The bookmark that would end it, or an object. */
	send_protobuf_event(
		call, _i == 0 ? SOURCE_SYNCED : SOURCE_ADDED, "one", "5", BUILD_UNKNOWN_FIELD);
	expect(&fixture, "problem");
	fake_drop(call);
	call = take(&fixture, FAKE_WATCH);
	ck_assert(!call->protobuf);
	ck_assert(call->initial);
	expect(&fixture, "begun");
	send_event(call, SOURCE_ADDED, "one", "5");
	fake_event(call, SOURCE_SYNCED, "{\"metadata\":{\"resourceVersion\":\"20\"}}");
	expect(&fixture, "put one 5");
	expect(&fixture, "synced");
	fake_drop(call);
	finish(&fixture);
}
END_TEST

START_TEST (an_event_with_something_unknown_is_not_missed) {
	struct fixture fixture;
	struct fake_call *call;

	setup_protobuf(&fixture, FALSE);
	begin(&fixture);
	expect(&fixture, "begun");
	fake_done(take(&fixture, FAKE_LIST), "10");
	expect(&fixture, "synced");
	call = take(&fixture, FAKE_WATCH);
	send_protobuf_event(call, SOURCE_ADDED, "one", "11", "");
	expect(&fixture, "put one 11");
	send_protobuf_event(
		call, _i == 0 ? SOURCE_MODIFIED : SOURCE_DELETED, "one", "12", BUILD_UNKNOWN_FIELD);
	send_protobuf_event(call, SOURCE_ADDED, "two", "13", "");
	expect(&fixture, "problem");
	fake_drop(call);
	call = take(&fixture, FAKE_WATCH);
	ck_assert(!call->protobuf);
	ck_assert_str_eq(call->version, "11");
	send_event(call, SOURCE_MODIFIED, "one", "12");
	expect(&fixture, "put one 12");
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	fake_drop(call);
	finish(&fixture);
}
END_TEST

START_TEST (what_the_source_cannot_read_is_asked_for_as_json) {
	const struct source_result unreadable = {
		.errnum = EPROTO, .status = 200, .unreadable = TRUE};
	struct fixture fixture;
	struct fake_call *call;

	setup_protobuf(&fixture, _i == 0);
	begin(&fixture);
	expect(&fixture, "begun");
	fake_fail_result(take(&fixture, _i == 0 ? FAKE_WATCH : FAKE_LIST), &unreadable);
	expect(&fixture, "problem");
	expect(&fixture, "begun");
	call = take(&fixture, _i == 0 ? FAKE_WATCH : FAKE_LIST);
	ck_assert(!call->protobuf);
	fake_drop(call);
	finish(&fixture);

	setup_protobuf(&fixture, FALSE);
	begin(&fixture);
	expect(&fixture, "begun");
	fake_done(take(&fixture, FAKE_LIST), "10");
	expect(&fixture, "synced");
	fake_fail_result(take(&fixture, FAKE_WATCH), &unreadable);
	expect(&fixture, "problem");
	call = take(&fixture, FAKE_WATCH);
	ck_assert(!call->protobuf);
	ck_assert_str_eq(call->version, "10");
	fake_drop(call);
	finish(&fixture);
}
END_TEST

/* Stopped in each phase: nothing is called any more, no place and no reference is lost. */
enum stop_phase {
	STOP_UNBEGUN,
	STOP_QUEUED,
	STOP_LISTING,
	STOP_STREAMING,
	STOP_GETTING,
	STOP_WATCHING,
	STOP_WAITING,
	STOP_DUE, /* the timer's job is posted, but has not run */
	STOP_PHASES,
};

static void reach(struct fixture *fixture, enum stop_phase phase)
{
	if (phase == STOP_STREAMING)
		fake_source_set_watch_list(fixture->fake, TRUE);
	if (phase == STOP_GETTING) {
		fixture->resource->can_list = FALSE;
		fixture->scope.name = "web";
	}
	if (phase == STOP_WATCHING || phase == STOP_WAITING) {
		struct fake_call *watch = sync_at_10(fixture);

		if (phase == STOP_WAITING)
			fake_fail(watch, EIO, 0);
		else
			fake_drop(watch);
		drain(fixture);
		return;
	}
	begin(fixture);
	if (phase == STOP_LISTING)
		fake_drop(take(fixture, FAKE_LIST));
	else if (phase == STOP_STREAMING)
		fake_drop(take(fixture, FAKE_WATCH));
	else if (phase == STOP_GETTING)
		fake_drop(take(fixture, FAKE_GET));
}

static void wait_for_gate(void *data)
{
	tally_reach(data, 1);
}

/* A timer that fires while the strand is busy with what stops the reflector. */
static void stop_when_due(struct fixture *fixture)
{
	struct tally gate;

	tally_init(&gate);
	fake_fail(sync_at_10(fixture), EIO, 0);
	drain(fixture);
	strand_post(fixture->strand, wait_for_gate, &gate);
	post(fixture, run_kick);
	post(fixture, run_stop);
	/* Longer than the first delay: the job is queued behind. */
	g_usleep(1800 * 1000);
	tally_add(&gate);
	drain(fixture);
	tally_finish(&gate);
}

START_TEST (stops_in_each_phase) {
	struct fixture fixture;

	setup(&fixture);
	if (_i == STOP_UNBEGUN) {
		begin(&fixture);
	} else if (_i == STOP_QUEUED) {
		struct tally entered;

		tally_init(&entered);
		admission_enter(fixture.admission, fixture.strand, tally_add, &entered);
		begin(&fixture);
		drain(&fixture);
		post(&fixture, run_stop);
		drain(&fixture);
		admission_leave(fixture.admission);
		drain(&fixture);
		tally_finish(&entered);
	} else if (_i == STOP_DUE) {
		stop_when_due(&fixture);
	} else {
		reach(&fixture, _i);
	}
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, lists_then_watches);
	tcase_add_test(tcase, a_bookmark_advances_the_version);
	tcase_add_test(tcase, a_list_that_begins_again_is_begun_again);
	tcase_add_test(tcase, streams_where_the_server_can);
	tcase_add_loop_test(tcase, lists_where_streaming_is_refused, 0, G_N_ELEMENTS(REFUSALS));
	tcase_add_test(tcase, a_stream_that_ends_early_is_refused);
	tcase_add_test(tcase, a_lost_stream_is_no_refusal);
	tcase_add_test(tcase, an_expired_watch_relists_the_latest);
	tcase_add_test(tcase, an_expired_list_is_repeated_once_as_latest);
	tcase_add_test(tcase, a_refused_connection_is_retried_without_a_list);
	tcase_add_test(tcase, a_short_watch_without_events_is_an_error);
	tcase_add_test(tcase, a_watch_that_always_expires_makes_no_storm);
	tcase_add_test(tcase, a_forbidden_watch_is_polled);
	tcase_add_test(tcase, an_unauthorized_watch_is_retried);
	tcase_add_test(tcase, what_cannot_be_watched_is_polled);
	tcase_add_test(tcase, a_named_object_falls_back_to_get);
	tcase_add_test(tcase, a_named_object_that_cannot_be_listed_is_got);
	tcase_add_test(tcase, one_denied_relist_is_not_believed);
	tcase_add_test(tcase, a_relist_that_fails_is_tried_again);
	tcase_add_test(tcase, a_malformed_object_harms_only_itself);
	tcase_add_test(tcase, reconnecting_resumes_the_watch);
	tcase_add_test(tcase, waits_for_a_place);
	tcase_add_test(tcase, asks_for_protobuf_where_it_can_be_read);
	tcase_add_test(tcase, a_list_with_something_unknown_is_asked_for_as_json);
	tcase_add_loop_test(tcase, a_stream_with_something_unknown_is_asked_for_as_json, 0, 2);
	tcase_add_loop_test(tcase, an_event_with_something_unknown_is_not_missed, 0, 2);
	tcase_add_loop_test(tcase, what_the_source_cannot_read_is_asked_for_as_json, 0, 2);
	tcase_add_loop_test(tcase, stops_in_each_phase, 0, STOP_PHASES);
}

int main(void)
{
	return fixture_run("reflector", add);
}
