/*
 * cache/collection.h against a scripted source: looks and who waits for them, what is told of
 * changes, polled resources, refusals, and the end in every phase.
 */
#include "cache/collection.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"

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
	g_usleep((COLLECTION_RETRY_MS + 50) * 1000);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	fake_done(fake_take(fixture.fake, FAKE_LIST), "10");
	tally_reach(&fixture.woken, 2);
	ck_assert_int_eq(look(&fixture), 0);
	finish(&fixture);
}
END_TEST

START_TEST (a_denied_list_rests_longer) {
	struct fixture fixture;

	setup(&fixture);
	begin(&fixture);
	ck_assert_int_eq(look(&fixture), -EINPROGRESS);
	fake_fail(fake_take(fixture.fake, FAKE_LIST), EACCES, 403);
	tally_reach(&fixture.woken, 1);
	g_usleep((COLLECTION_RETRY_MS + 50) * 1000);
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
	g_usleep((COLLECTION_RETRY_MS + 50) * 1000);
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
	g_usleep((COLLECTION_STALE_MS + 100) * 1000);
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
	g_usleep((COLLECTION_STALE_MS + 100) * 1000);
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
		g_usleep((COLLECTION_STALE_MS + 100) * 1000);
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
	g_usleep((COLLECTION_STALE_MS + 100) * 1000);
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
	g_usleep(20 * 1000);
	ck_assert_uint_eq(collection_idle(fixture.collection), 0);
	fake_done(fake_take(fixture.fake, FAKE_LIST), "1");
	tally_reach(&fixture.woken, 1);
	ck_assert_uint_ge(collection_idle(fixture.collection), 20);
	ck_assert_int_eq(look(&fixture), 0);
	ck_assert_uint_lt(collection_idle(fixture.collection), 20);
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
	tcase_add_test(tcase, a_denied_list_rests_longer);
	tcase_add_test(tcase, a_list_that_failed_half_way_shows_nothing);
	tcase_add_test(tcase, shows_the_last_state_while_the_server_is_away);
	tcase_add_test(tcase, polls_when_stale_and_looked_at);
	tcase_add_test(tcase, objects_without_a_version_change_with_their_text);
	tcase_add_test(tcase, a_refused_watch_is_told_and_polled);
	tcase_add_test(tcase, what_may_no_more_be_read_is_no_more_shown);
	tcase_add_test(tcase, visits_from_an_offset);
	tcase_add_test(tcase, somebody_who_waits_is_use);
	tcase_add_loop_test(tcase, stops_in_each_phase, 0, STOP_PHASES);
}

int main(void)
{
	return fixture_run("collection", add);
}
