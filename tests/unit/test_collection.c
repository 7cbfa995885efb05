/*
 * cache/collection.h against a scripted source: looks and who waits for them, what is told of
 * changes, polled resources, refusals, and the end in every phase.
 */
#include "cache/collection.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_clock.h"

#define SOON_MS 300

struct fixture {
	struct engine engine;
	struct fake_source *fake;
	struct admission *admission;
	struct resource *resource;
	struct source_scope scope;
	struct collection *collection;
	struct lines *lines;
	struct tally stopped;
	struct tally woken;
	uint64_t applied;
};

static void on_changed(
	void *data, struct collection *collection, struct snapshot *old, struct snapshot *new)
{
	struct fixture *fixture = data;
	struct snapshot *either = new != NULL ? new : old;
	struct snapshot *found = collection_find(collection, either->namespace, either->name);

	/* The store shows it already. */
	ck_assert_ptr_eq(found, new);
	snapshot_unref(found);
	lines_add(fixture->lines, "%s: %s to %s", either->name, old != NULL ? old->version : "none",
		new != NULL ? new->version : "none");
}

static void on_unwatched(void *data, struct collection *collection)
{
	lines_add(((struct fixture *)data)->lines, "unwatched");
}

static void on_contact(void *data, const struct source_result *result)
{
}

static void on_problem(void *data, const char *text)
{
	lines_add(((struct fixture *)data)->lines, "problem %s", text);
}

static void on_stopped(void *data)
{
	tally_add(&((struct fixture *)data)->stopped);
}

static const struct collection_handlers handlers = {
	.changed = on_changed,
	.unwatched = on_unwatched,
	.contact = on_contact,
	.problem = on_problem,
	.stopped = on_stopped,
};

static void setup(struct fixture *fixture)
{
	fake_clock_stop();
	*fixture = (struct fixture){0};
	engine_init(&fixture->engine, 3);
	fixture->fake = fake_source_create();
	fixture->admission = admission_create(4);
	fixture->resource = fake_resource("", "v1", "pods", "Pod");
	fixture->scope.resource = fixture->resource;
	fixture->lines = lines_create();
	tally_init(&fixture->stopped);
	tally_init(&fixture->woken);
}

static void begin(struct fixture *fixture)
{
	fixture->collection = collection_create(
		&(struct collection_options){
			.source = fake_source_get(fixture->fake),
			.loop = fixture->engine.loop,
			.pool = fixture->engine.pool,
			.admission = fixture->admission,
			.handlers = &handlers,
			.data = fixture,
			.applied = fixture->applied,
		},
		&fixture->scope);
}

static void finish(struct fixture *fixture)
{
	struct source *source = fake_source_get(fixture->fake);

	collection_stop(fixture->collection);
	tally_reach(&fixture->stopped, 1);
	source->ops->destroy(source);
	engine_finish(&fixture->engine);
	ck_assert_uint_eq(tally_get(&fixture->stopped), 1);
	collection_unref(fixture->collection);
	admission_destroy(fixture->admission);
	resource_unref(fixture->resource);
	fake_source_unref(fixture->fake);
	lines_destroy(fixture->lines);
	tally_finish(&fixture->stopped);
	tally_finish(&fixture->woken);
}

static int look(struct fixture *fixture)
{
	return collection_look(fixture->collection, tally_add, &fixture->woken, NULL);
}

/* Looks until something else than "wait" is the answer. */
static int look_and_wait(struct fixture *fixture)
{
	for (;;) {
		unsigned int before = tally_get(&fixture->woken);
		int r = look(fixture);

		if (r != -EINPROGRESS)
			return r;
		tally_reach(&fixture->woken, before + 1);
	}
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

static void expect_version(struct fixture *fixture, const char *name, const char *version)
{
	struct snapshot *snapshot = collection_find(fixture->collection, "default", name);

	if (version == NULL)
		ck_assert_ptr_null(snapshot);
	else
		ck_assert_str_eq(snapshot->version, version);
	snapshot_unref(snapshot);
}

/* Two pods, web at version 5 and db at 6; returns the watch. */
static struct fake_call *sync_two(struct fixture *fixture)
{
	struct fake_call *list;

	begin(fixture);
	ck_assert_int_eq(look(fixture), -EINPROGRESS);
	list = fake_take(fixture->fake, FAKE_LIST);
	send_item(list, "web", "5");
	send_item(list, "db", "6");
	fake_done(list, "10");
	tally_reach(&fixture->woken, 1);
	ck_assert_int_eq(look(fixture), 0);
	return fixture->resource->can_watch ? fake_take(fixture->fake, FAKE_WATCH) : NULL;
}

START_TEST (lists_when_somebody_looks) {
	struct fixture fixture;
	struct collection_status status;

	setup(&fixture);
	begin(&fixture);
	ck_assert_ptr_null(fake_take_within(fixture.fake, FAKE_LIST, SOON_MS));
	collection_unref(fixture.collection);
	engine_finish(&fixture.engine);
	engine_init(&fixture.engine, 2);
	fake_drop(sync_two(&fixture));
	expect_version(&fixture, "web", "5");
	expect_version(&fixture, "db", "6");
	expect_version(&fixture, "none", NULL);
	ck_assert_uint_eq(collection_count(fixture.collection, "default"), 2);
	/* The first list is no change. */
	lines_expect_none(fixture.lines);
	ck_assert_int_eq(collection_changed(fixture.collection, "default").tv_sec, 0);
	collection_describe(fixture.collection, &status);
	ck_assert_str_eq(status.state, "watching");
	ck_assert_uint_eq(status.objects, 2);
	ck_assert_uint_gt(status.bytes, 0);
	ck_assert(!collection_must_poll(fixture.collection));
	finish(&fixture);
}
END_TEST

START_TEST (tells_of_changes_once_complete) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	send_event(watch, SOURCE_MODIFIED, "web", "11");
	send_event(watch, SOURCE_ADDED, "new", "12");
	send_event(watch, SOURCE_DELETED, "db", "13");
	send_event(watch, SOURCE_DELETED, "unknown", "14");
	/* What is known already is no change. */
	send_event(watch, SOURCE_MODIFIED, "new", "12");
	send_event(watch, SOURCE_MODIFIED, "new", "15");
	lines_expect(fixture.lines, "web: 5 to 11");
	lines_expect(fixture.lines, "new: none to 12");
	lines_expect(fixture.lines, "db: 6 to none");
	lines_expect(fixture.lines, "new: 12 to 15");
	lines_expect_none(fixture.lines);
	ck_assert_int_gt(collection_changed(fixture.collection, "default").tv_sec, 0);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (a_relist_is_a_diff) {
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	fake_fail(sync_two(&fixture), EIO, 410);
	list = fake_take(fixture.fake, FAKE_LIST);
	/* What is there is shown all the while. */
	ck_assert_int_eq(look(&fixture), 0);
	expect_version(&fixture, "db", "6");
	send_item(list, "web", "5");
	send_item(list, "new", "20");
	fake_done(list, "21");
	lines_expect(fixture.lines, "new: none to 20");
	lines_expect(fixture.lines, "db: 6 to none");
	lines_expect_none(fixture.lines);
	finish(&fixture);
}
END_TEST

START_TEST (the_same_version_of_another_object_is_a_change) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	fake_event(watch, SOURCE_MODIFIED,
		"{\"metadata\":{\"namespace\":\"default\",\"name\":\"web\",\"uid\":\"other\","
		"\"resourceVersion\":\"5\"}}");
	lines_expect(fixture.lines, "web: 5 to 5");
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

#define LOOKERS 20

static void *look_once(void *data)
{
	struct fixture *fixture = data;

	ck_assert_int_eq(look_and_wait(fixture), 0);
	return NULL;
}

START_TEST (many_looks_make_one_list) {
	struct fixture fixture;
	pthread_t threads[LOOKERS];
	struct fake_call *list;

	setup(&fixture);
	begin(&fixture);
	for (int i = 0; i < LOOKERS; i++)
		pthread_create(&threads[i], NULL, look_once, &fixture);
	list = fake_take(fixture.fake, FAKE_LIST);
	send_item(list, "web", "5");
	fake_done(list, "10");
	for (int i = 0; i < LOOKERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	finish(&fixture);
}
END_TEST

START_TEST (wakes_each_waiter_once) {
	struct fixture fixture;
	struct tally waiters[LOOKERS];
	struct fake_call *list;

	setup(&fixture);
	begin(&fixture);
	for (int i = 0; i < LOOKERS; i++) {
		tally_init(&waiters[i]);
		ck_assert_int_eq(collection_look(fixture.collection, tally_add, &waiters[i], NULL),
			-EINPROGRESS);
	}
	/* Nobody is called without a wait. */
	ck_assert_int_eq(collection_look(fixture.collection, NULL, NULL, NULL), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	send_item(list, "web", "5");
	fake_restart(list);
	fake_done(list, "10");
	for (int i = 0; i < LOOKERS; i++)
		tally_reach(&waiters[i], 1);
	fake_fail(fake_take(fixture.fake, FAKE_WATCH), EIO, 410);
	fake_done(fake_take(fixture.fake, FAKE_LIST), "10");
	fake_drop(fake_take(fixture.fake, FAKE_WATCH));
	collection_stop(fixture.collection);
	tally_reach(&fixture.stopped, 1);
	for (int i = 0; i < LOOKERS; i++) {
		ck_assert_uint_eq(tally_get(&waiters[i]), 1);
		tally_finish(&waiters[i]);
	}
	fixture.stopped.count = 0;
	finish(&fixture);
}
END_TEST

/* Its first list has failed, and who waited for it knows. */
static void begin_with_failure(struct fixture *fixture, int errnum, int status)
{
	setup(fixture);
	begin(fixture);
	ck_assert_int_eq(look(fixture), -EINPROGRESS);
	fake_fail(fake_take(fixture->fake, FAKE_LIST), errnum, status);
	tally_reach(&fixture->woken, 1);
}

/* The next look begins one, which is well. */
static void expect_another_list(struct fixture *fixture)
{
	ck_assert_int_eq(look(fixture), -EINPROGRESS);
	fake_done(fake_take(fixture->fake, FAKE_LIST), "10");
	tally_reach(&fixture->woken, 2);
	ck_assert_int_eq(look(fixture), 0);
}

START_TEST (a_failed_list_is_told_and_tried_again_later) {
	struct fixture fixture;
	g_autoptr(GError) error = NULL;
	struct collection_status status;

	setup(&fixture);
	begin(&fixture);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	fake_fail_result(fake_take(fixture.fake, FAKE_LIST),
		&(struct source_result){.errnum = EIO, .status = 500, .message = "it is broken"});
	tally_reach(&fixture.woken, 1);
	ck_assert_int_eq(collection_look(fixture.collection, NULL, NULL, &error), -EIO);
	ck_assert_str_eq(error->message, "it is broken");
	collection_describe(fixture.collection, &status);
	ck_assert_str_eq(status.state, "failed");
	/* However often somebody looks. */
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(look(&fixture), -EIO);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	fake_clock_pass(COLLECTION_RETRY_MS);
	expect_another_list(&fixture);
	finish(&fixture);
}
END_TEST

START_TEST (a_failed_list_is_tried_at_once_when_the_server_is_back) {
	struct fixture fixture;

	begin_with_failure(&fixture, ECONNREFUSED, 0);
	ck_assert_int_eq(look(&fixture), -ECONNREFUSED);
	collection_kick(fixture.collection);
	expect_another_list(&fixture);
	finish(&fixture);
}
END_TEST

START_TEST (a_denied_list_rests_longer) {
	struct fixture fixture;

	begin_with_failure(&fixture, EACCES, 403);
	fake_clock_pass(COLLECTION_RETRY_MS);
	ck_assert_int_eq(look(&fixture), -EACCES);
	collection_kick(fixture.collection);
	ck_assert_int_eq(look(&fixture), -EACCES);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	finish(&fixture);
}
END_TEST

START_TEST (a_list_that_failed_half_way_shows_nothing) {
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	begin(&fixture);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	send_item(list, "ghost", "1");
	send_item(list, "web", "2");
	fake_fail(list, EIO, 500);
	tally_reach(&fixture.woken, 1);
	ck_assert_int_eq(look(&fixture), -EIO);
	fake_clock_pass(COLLECTION_RETRY_MS);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	send_item(list, "web", "2");
	fake_done(list, "10");
	tally_reach(&fixture.woken, 2);
	ck_assert_int_eq(look(&fixture), 0);
	expect_version(&fixture, "ghost", NULL);
	expect_version(&fixture, "web", "2");
	/* Nobody saw the ghost. */
	lines_expect_none(fixture.lines);
	finish(&fixture);
}
END_TEST

START_TEST (shows_the_last_state_while_the_server_is_away) {
	struct fixture fixture;

	setup(&fixture);
	fake_fail(sync_two(&fixture), ECONNREFUSED, 0);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(look(&fixture), 0);
	expect_version(&fixture, "web", "5");
	collection_kick(fixture.collection);
	fake_fail(fake_take(fixture.fake, FAKE_WATCH), EIO, 410);
	collection_kick(fixture.collection);
	fake_fail(fake_take(fixture.fake, FAKE_LIST), ETIMEDOUT, 0);
	ck_assert_int_eq(look(&fixture), 0);
	expect_version(&fixture, "db", "6");
	lines_expect_none(fixture.lines);
	finish(&fixture);
}
END_TEST

START_TEST (polls_when_stale_and_looked_at) {
	struct fixture fixture;
	struct fake_call *list;
	struct collection_status status;

	setup(&fixture);
	fixture.resource->can_watch = FALSE;
	sync_two(&fixture);
	ck_assert(collection_must_poll(fixture.collection));
	collection_describe(fixture.collection, &status);
	ck_assert_str_eq(status.state, "polled");
	ck_assert_int_eq(look(&fixture), 0);
	fake_clock_pass(COLLECTION_STALE_MS);
	/* Nobody looks, nobody lists. */
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 1);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_KNOWN);
	send_item(list, "web", "7");
	fake_done(list, "12");
	tally_reach(&fixture.woken, 3);
	ck_assert_int_eq(look(&fixture), 0);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_LIST), 2);
	lines_expect(fixture.lines, "web: 5 to 7");
	lines_expect(fixture.lines, "db: 6 to none");
	/* A list that fails leaves what is known. */
	fake_clock_pass(COLLECTION_STALE_MS);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	fake_fail(fake_take(fixture.fake, FAKE_LIST), EIO, 503);
	tally_reach(&fixture.woken, 4);
	ck_assert_int_eq(look(&fixture), 0);
	expect_version(&fixture, "web", "7");
	finish(&fixture);
}
END_TEST

/* Metrics carry no version: what did not change keeps its snapshot, and so its inode. */
START_TEST (objects_without_a_version_change_with_their_text) {
	static const char *const first =
		"{\"metadata\":{\"namespace\":\"default\",\"name\":\"web\"},\"usage\":1}";
	static const char *const second =
		"{\"metadata\":{\"namespace\":\"default\",\"name\":\"web\"},\"usage\":2}";
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	fixture.resource->can_watch = FALSE;
	begin(&fixture);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	fake_item(list, first);
	fake_done(list, "");
	tally_reach(&fixture.woken, 1);
	for (int i = 0; i < 2; i++) {
		fake_clock_pass(COLLECTION_STALE_MS);
		ck_assert_int_eq(look(&fixture), -EINPROGRESS);
		list = fake_take(fixture.fake, FAKE_LIST);
		fake_item(list, i == 0 ? first : second);
		fake_done(list, "");
		tally_reach(&fixture.woken, 2 + (unsigned int)i);
		if (i == 0)
			lines_expect_none(fixture.lines);
	}
	lines_expect(fixture.lines, "web:  to ");
	ck_assert_uint_eq(collection_count(fixture.collection, "default"), 1);
	finish(&fixture);
}
END_TEST

START_TEST (a_refused_watch_is_told_and_polled) {
	struct fixture fixture;

	setup(&fixture);
	fake_fail(sync_two(&fixture), EACCES, 403);
	lines_expect(fixture.lines, "unwatched");
	ck_assert(collection_must_poll(fixture.collection));
	ck_assert_int_eq(look(&fixture), 0);
	fake_clock_pass(COLLECTION_STALE_MS);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	fake_done(fake_take(fixture.fake, FAKE_LIST), "12");
	tally_reach(&fixture.woken, 2);
	ck_assert_int_eq(look(&fixture), 0);
	lines_skip_to(fixture.lines, "db: 6 to none");
	finish(&fixture);
}
END_TEST

START_TEST (what_may_no_more_be_read_is_no_more_shown) {
	struct fixture fixture;

	setup(&fixture);
	fake_fail(sync_two(&fixture), EIO, 410);
	for (int i = 0; i < 3; i++) {
		struct fake_call *list;

		collection_kick(fixture.collection);
		list = fake_take(fixture.fake, FAKE_LIST);
		/* Until it is sure, the last state is shown. */
		expect_version(&fixture, "web", "5");
		fake_fail(list, EACCES, 403);
	}
	lines_expect(fixture.lines, "web: 5 to none");
	lines_expect(fixture.lines, "db: 6 to none");
	/* What was not there may be by the time it may be read again. */
	lines_expect(fixture.lines, "unwatched");
	ck_assert_int_eq(look(&fixture), -EACCES);
	expect_version(&fixture, "web", NULL);
	finish(&fixture);
}
END_TEST

static gboolean append(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	g_string_append_printf(data, "%u %s;", (unsigned int)sequence, snapshot->name);
	return TRUE;
}

START_TEST (visits_from_an_offset) {
	struct fixture fixture;

	GString *names = g_string_new(NULL);

	setup(&fixture);
	fake_drop(sync_two(&fixture));
	collection_each(fixture.collection, "default", 0, append, names);
	ck_assert_str_eq(names->str, "1 web;2 db;");
	g_string_truncate(names, 0);
	collection_each(fixture.collection, "default", 1, append, names);
	ck_assert_str_eq(names->str, "2 db;");
	ck_assert(!collection_has_long_names(fixture.collection));
	g_string_free(names, TRUE);
	finish(&fixture);
}
END_TEST

START_TEST (somebody_who_waits_is_use) {
	struct fixture fixture;

	setup(&fixture);
	begin(&fixture);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	fake_clock_pass(20);
	ck_assert_uint_eq(collection_idle(fixture.collection), 0);
	fake_done(fake_take(fixture.fake, FAKE_LIST), "1");
	tally_reach(&fixture.woken, 1);
	ck_assert_uint_ge(collection_idle(fixture.collection), 20);
	ck_assert_int_eq(look(&fixture), 0);
	ck_assert_uint_lt(collection_idle(fixture.collection), 20);
	finish(&fixture);
}
END_TEST

/* What a change's response told, and what the watch tells of it. */

static void apply_of(struct fixture *fixture, const char *name, const char *uid,
	const char *version, gboolean removed)
{
	g_autofree char *json = g_strdup_printf(
		"{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\",\"uid\":\"%s\","
		"\"resourceVersion\":\"%s\"}}",
		name, uid, version);
	struct snapshot *snapshot = fixture_snapshot_of(json);
	struct tally done;

	tally_init(&done);
	collection_apply(fixture->collection, snapshot, removed, tally_add, &done);
	snapshot_unref(snapshot);
	tally_reach(&done, 1);
	tally_finish(&done);
}

/* Of the uids that fake_object gives. */
static void apply(struct fixture *fixture, const char *name, const char *version)
{
	g_autofree char *uid = g_strdup_printf("u-%s", name);

	apply_of(fixture, name, uid, version, FALSE);
}

static void apply_removed(struct fixture *fixture, const char *name, const char *version)
{
	g_autofree char *uid = g_strdup_printf("u-%s", name);

	apply_of(fixture, name, uid, version, TRUE);
}

/* Returns once the collection has taken it. */
static void tell_of(struct fake_call *watch, enum source_event event, const char *name,
	const char *uid, const char *version)
{
	g_autofree char *json = g_strdup_printf(
		"{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\",\"uid\":\"%s\","
		"\"resourceVersion\":\"%s\"}}",
		name, uid, version);

	fake_event(watch, event, json);
	fixture_drain(watch->strand);
}

static void tell(
	struct fake_call *watch, enum source_event event, const char *name, const char *version)
{
	send_event(watch, event, name, version);
	fixture_drain(watch->strand);
}

START_TEST (a_response_shows_before_its_echo) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	apply(&fixture, "web", "20");
	lines_expect(fixture.lines, "web: 5 to 20");
	expect_version(&fixture, "web", "20");
	/* An older event that was on its way. */
	tell(watch, SOURCE_MODIFIED, "web", "15");
	expect_version(&fixture, "web", "20");
	tell(watch, SOURCE_MODIFIED, "web", "20");
	lines_expect_none(fixture.lines);
	tell(watch, SOURCE_MODIFIED, "web", "21");
	lines_expect(fixture.lines, "web: 20 to 21");
	/* A new one likewise. */
	apply(&fixture, "new", "22");
	lines_expect(fixture.lines, "new: none to 22");
	tell(watch, SOURCE_ADDED, "new", "22");
	tell(watch, SOURCE_DELETED, "new", "23");
	lines_expect(fixture.lines, "new: 22 to none");
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

/* What was passed over must not come again when the watch is resumed. */
START_TEST (a_watch_is_resumed_behind_what_was_passed_over) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	apply(&fixture, "web", "20");
	tell(watch, SOURCE_MODIFIED, "web", "15");
	tell(watch, SOURCE_MODIFIED, "web", "20");
	fake_done(watch, NULL);
	watch = fake_take(fixture.fake, FAKE_WATCH);
	ck_assert_str_eq(watch->version, "20");
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (a_response_after_its_echo_is_nothing_new) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	tell(watch, SOURCE_MODIFIED, "web", "20");
	tell(watch, SOURCE_MODIFIED, "web", "21");
	lines_skip_to(fixture.lines, "web: 20 to 21");
	apply(&fixture, "web", "20");
	expect_version(&fixture, "web", "21");
	/* Not even if all that is known of it is that it is gone. */
	tell(watch, SOURCE_DELETED, "web", "25");
	lines_expect(fixture.lines, "web: 21 to none");
	apply(&fixture, "web", "22");
	expect_version(&fixture, "web", NULL);
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (two_responses_and_their_echoes_in_any_order) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	apply(&fixture, "web", "21");
	apply(&fixture, "web", "20");
	lines_expect(fixture.lines, "web: 5 to 21");
	tell(watch, SOURCE_MODIFIED, "web", "20");
	expect_version(&fixture, "web", "21");
	tell(watch, SOURCE_MODIFIED, "web", "21");
	apply(&fixture, "web", "20");
	/* One before the echo of the other. */
	apply(&fixture, "web", "30");
	lines_expect(fixture.lines, "web: 21 to 30");
	apply(&fixture, "web", "31");
	lines_expect(fixture.lines, "web: 30 to 31");
	tell(watch, SOURCE_MODIFIED, "web", "30");
	tell(watch, SOURCE_MODIFIED, "web", "31");
	expect_version(&fixture, "web", "31");
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (what_was_deleted_does_not_rise) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	apply_removed(&fixture, "web", "5");
	lines_expect(fixture.lines, "web: 5 to none");
	tell(watch, SOURCE_MODIFIED, "web", "15");
	/* Nor by the response of an update before it. */
	apply(&fixture, "web", "15");
	expect_version(&fixture, "web", NULL);
	tell(watch, SOURCE_DELETED, "web", "16");
	lines_expect_none(fixture.lines);
	/* Another of that name is another one. */
	tell_of(watch, SOURCE_ADDED, "web", "another", "17");
	lines_expect(fixture.lines, "web: none to 17");
	/* Which a late response of the first one's deletion does not harm. */
	apply_removed(&fixture, "web", "15");
	expect_version(&fixture, "web", "17");
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (deleted_and_created_again) {
	struct fixture fixture;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	apply_removed(&fixture, "web", "5");
	apply_of(&fixture, "web", "another", "22", FALSE);
	lines_expect(fixture.lines, "web: 5 to none");
	lines_expect(fixture.lines, "web: none to 22");
	tell(watch, SOURCE_MODIFIED, "web", "20");
	tell(watch, SOURCE_DELETED, "web", "21");
	expect_version(&fixture, "web", "22");
	tell_of(watch, SOURCE_ADDED, "web", "another", "22");
	tell_of(watch, SOURCE_DELETED, "web", "another", "23");
	lines_expect(fixture.lines, "web: 22 to none");
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

START_TEST (finalizers_keep_it_terminating) {
	struct fixture fixture;
	struct fake_call *watch;
	struct snapshot *snapshot;
	struct tally done;

	setup(&fixture);
	watch = sync_two(&fixture);
	snapshot = fixture_snapshot_of(
		"{\"metadata\":{\"namespace\":\"default\",\"name\":\"web\",\"uid\":\"u-web\","
		"\"resourceVersion\":\"20\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"}}");
	tally_init(&done);
	collection_apply(fixture.collection, snapshot, FALSE, tally_add, &done);
	snapshot_unref(snapshot);
	tally_reach(&done, 1);
	tally_finish(&done);
	lines_expect(fixture.lines, "web: 5 to 20");
	snapshot = collection_find(fixture.collection, "default", "web");
	ck_assert(snapshot->terminating);
	snapshot_unref(snapshot);
	tell(watch, SOURCE_MODIFIED, "web", "19");
	expect_version(&fixture, "web", "20");
	/* The finalizer went before the echo was seen. */
	tell(watch, SOURCE_DELETED, "web", "21");
	lines_expect(fixture.lines, "web: 20 to none");
	fake_drop(watch);
	finish(&fixture);
}
END_TEST

/* A relist may come from a cache of the server that is behind. */
START_TEST (a_list_that_is_behind_takes_nothing_back) {
	struct fixture fixture;
	struct fake_call *list;
	struct fake_call *watch;

	setup(&fixture);
	fixture.resource->can_watch = FALSE;
	sync_two(&fixture);
	apply(&fixture, "web", "20");
	apply(&fixture, "new", "21");
	apply_removed(&fixture, "db", "6");
	lines_expect(fixture.lines, "web: 5 to 20");
	lines_expect(fixture.lines, "new: none to 21");
	lines_expect(fixture.lines, "db: 6 to none");
	fake_clock_pass(COLLECTION_STALE_MS);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_KNOWN);
	send_item(list, "web", "15");
	send_item(list, "db", "6");
	fake_done(list, "15");
	tally_reach(&fixture.woken, 2);
	expect_version(&fixture, "web", "20");
	expect_version(&fixture, "new", "21");
	expect_version(&fixture, "db", NULL);
	lines_expect_none(fixture.lines);
	/* One that is not: new is gone again. */
	fake_clock_pass(COLLECTION_STALE_MS);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	send_item(list, "web", "20");
	fake_done(list, "30");
	lines_expect(fixture.lines, "new: 21 to none");
	lines_expect_none(fixture.lines);
	watch = fake_take_within(fixture.fake, FAKE_WATCH, 0);
	ck_assert_ptr_null(watch);
	finish(&fixture);
}
END_TEST

START_TEST (a_response_during_a_list) {
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	fake_fail(sync_two(&fixture), EIO, 410);
	list = fake_take(fixture.fake, FAKE_LIST);
	/* Listed before and after; created and deleted again before the list ends. */
	send_item(list, "web", "5");
	fixture_drain(list->strand);
	apply(&fixture, "web", "20");
	apply(&fixture, "db", "21");
	apply(&fixture, "late", "50");
	apply(&fixture, "brief", "22");
	send_item(list, "db", "6");
	fixture_drain(list->strand);
	lines_expect(fixture.lines, "web: 5 to 20");
	lines_expect(fixture.lines, "db: 6 to 21");
	lines_expect(fixture.lines, "late: none to 50");
	lines_expect(fixture.lines, "brief: none to 22");
	send_item(list, "web", "20");
	send_item(list, "db", "21");
	fake_done(list, "30");
	fake_drop(fake_take(fixture.fake, FAKE_WATCH));
	expect_version(&fixture, "web", "20");
	expect_version(&fixture, "db", "21");
	expect_version(&fixture, "late", "50");
	lines_expect(fixture.lines, "brief: 22 to none");
	lines_expect_none(fixture.lines);
	finish(&fixture);
}
END_TEST

START_TEST (a_response_during_the_first_list) {
	struct fixture fixture;
	struct fake_call *list;

	setup(&fixture);
	begin(&fixture);
	/* Nobody looked: there is nothing to keep true. */
	apply(&fixture, "web", "20");
	expect_version(&fixture, "web", NULL);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	list = fake_take(fixture.fake, FAKE_LIST);
	apply(&fixture, "web", "20");
	send_item(list, "web", "5");
	fake_done(list, "10");
	tally_reach(&fixture.woken, 1);
	/* What was never shown did not change. */
	expect_version(&fixture, "web", "20");
	lines_expect_none(fixture.lines);
	finish(&fixture);
}
END_TEST

/* Versions went back, and the watch tells of them: after a while they are believed. */
START_TEST (what_was_applied_does_not_block_for_ever) {
	struct fixture fixture;
	struct fake_call *watch;
	struct fake_call *list;

	setup(&fixture);
	fixture.applied = 200;
	watch = sync_two(&fixture);
	apply(&fixture, "web", "2000");
	apply(&fixture, "db", "2001");
	lines_expect(fixture.lines, "web: 5 to 2000");
	lines_expect(fixture.lines, "db: 6 to 2001");
	tell(watch, SOURCE_MODIFIED, "web", "15");
	lines_expect_none(fixture.lines);
	fake_drop(watch);
	fake_clock_pass(fixture.applied);
	list = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_LATEST);
	send_item(list, "web", "15");
	send_item(list, "db", "6");
	fake_done(list, "16");
	lines_expect(fixture.lines, "web: 2000 to 15");
	lines_expect(fixture.lines, "db: 2001 to 6");
	fake_drop(fake_take(fixture.fake, FAKE_WATCH));
	finish(&fixture);
}
END_TEST

START_TEST (a_restored_server_is_believed_at_once) {
	struct fixture fixture;
	struct fake_call *list;
	struct fake_call *watch;

	setup(&fixture);
	watch = sync_two(&fixture);
	apply(&fixture, "web", "2000");
	lines_expect(fixture.lines, "web: 5 to 2000");
	fake_fail(watch, EIO, 410);
	list = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_LATEST);
	send_item(list, "web", "5");
	send_item(list, "db", "6");
	fake_done(list, "10");
	/* The first was passed over: once more. */
	list = fake_take(fixture.fake, FAKE_LIST);
	ck_assert_int_eq(list->from, SOURCE_LIST_LATEST);
	send_item(list, "web", "5");
	send_item(list, "db", "6");
	fake_done(list, "10");
	lines_expect(fixture.lines, "web: 2000 to 5");
	fake_drop(fake_take_within(fixture.fake, FAKE_WATCH, 2000));
	finish(&fixture);
}
END_TEST

START_TEST (stops_with_a_response_under_way) {
	struct fixture fixture;
	struct snapshot *snapshot = fixture_snapshot("default", "web", "20", "");
	struct tally done;

	setup(&fixture);
	fake_drop(sync_two(&fixture));
	tally_init(&done);
	apply(&fixture, "db", "19");
	collection_apply(fixture.collection, snapshot, FALSE, tally_add, &done);
	collection_stop(fixture.collection);
	collection_apply(fixture.collection, snapshot, FALSE, tally_add, &done);
	tally_reach(&done, 2);
	tally_finish(&done);
	snapshot_unref(snapshot);
	tally_reach(&fixture.stopped, 1);
	fixture.stopped.count = 0;
	finish(&fixture);
}
END_TEST

enum stop_phase {
	STOP_NEW,
	STOP_BEGUN,
	STOP_LISTING,
	STOP_STREAMING,
	STOP_WATCHING,
	STOP_WAITING,
	STOP_FAILED,
	STOP_PHASES,
};

static void reach(struct fixture *fixture, enum stop_phase phase)
{
	if (phase == STOP_STREAMING)
		fake_source_set_watch_list(fixture->fake, TRUE);
	if (phase == STOP_WATCHING) {
		fake_drop(sync_two(fixture));
		return;
	}
	if (phase == STOP_WAITING) {
		fake_fail(sync_two(fixture), EIO, 0);
		return;
	}
	begin(fixture);
	if (phase == STOP_NEW)
		return;
	ck_assert_int_eq(look(fixture), -EINPROGRESS);
	if (phase == STOP_LISTING)
		fake_drop(fake_take(fixture->fake, FAKE_LIST));
	else if (phase == STOP_STREAMING)
		fake_drop(fake_take(fixture->fake, FAKE_WATCH));
	else if (phase == STOP_FAILED)
		fake_fail(fake_take(fixture->fake, FAKE_LIST), EIO, 500);
}

START_TEST (stops_in_each_phase) {
	struct fixture fixture;
	g_autoptr(GError) error = NULL;

	setup(&fixture);
	reach(&fixture, _i);
	collection_stop(fixture.collection);
	/* Whoever waits is called, and told why. */
	if (_i != STOP_NEW)
		tally_reach(&fixture.woken, 1);
	ck_assert_int_eq(
		collection_look(fixture.collection, tally_add, &fixture.woken, &error), -ESHUTDOWN);
	/* The store stays readable. */
	if (_i == STOP_WATCHING)
		expect_version(&fixture, "web", "5");
	tally_reach(&fixture.stopped, 1);
	fixture.stopped.count = 0;
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, lists_when_somebody_looks);
	tcase_add_test(tcase, tells_of_changes_once_complete);
	tcase_add_test(tcase, a_relist_is_a_diff);
	tcase_add_test(tcase, the_same_version_of_another_object_is_a_change);
	tcase_add_test(tcase, many_looks_make_one_list);
	tcase_add_test(tcase, wakes_each_waiter_once);
	tcase_add_test(tcase, a_failed_list_is_told_and_tried_again_later);
	tcase_add_test(tcase, a_failed_list_is_tried_at_once_when_the_server_is_back);
	tcase_add_test(tcase, a_denied_list_rests_longer);
	tcase_add_test(tcase, a_list_that_failed_half_way_shows_nothing);
	tcase_add_test(tcase, shows_the_last_state_while_the_server_is_away);
	tcase_add_test(tcase, polls_when_stale_and_looked_at);
	tcase_add_test(tcase, objects_without_a_version_change_with_their_text);
	tcase_add_test(tcase, a_refused_watch_is_told_and_polled);
	tcase_add_test(tcase, what_may_no_more_be_read_is_no_more_shown);
	tcase_add_test(tcase, visits_from_an_offset);
	tcase_add_test(tcase, somebody_who_waits_is_use);
	tcase_add_test(tcase, a_response_shows_before_its_echo);
	tcase_add_test(tcase, a_watch_is_resumed_behind_what_was_passed_over);
	tcase_add_test(tcase, a_response_after_its_echo_is_nothing_new);
	tcase_add_test(tcase, two_responses_and_their_echoes_in_any_order);
	tcase_add_test(tcase, what_was_deleted_does_not_rise);
	tcase_add_test(tcase, deleted_and_created_again);
	tcase_add_test(tcase, finalizers_keep_it_terminating);
	tcase_add_test(tcase, a_list_that_is_behind_takes_nothing_back);
	tcase_add_test(tcase, a_response_during_a_list);
	tcase_add_test(tcase, a_response_during_the_first_list);
	tcase_add_test(tcase, what_was_applied_does_not_block_for_ever);
	tcase_add_test(tcase, a_restored_server_is_believed_at_once);
	tcase_add_test(tcase, stops_with_a_response_under_way);
	tcase_add_loop_test(tcase, stops_in_each_phase, 0, STOP_PHASES);
}

int main(void)
{
	return fixture_run("collection", add);
}
