/*
 * cache/keyspace.h and what it is made of: directories of keys that are loaded, watched, loaded
 * anew and let go, on an etcd in memory.
 */
#include "cache/keyspace.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/fake_etcd.h"

struct fixture {
	struct engine engine;
	struct fake_etcd *fake;
	struct keyspace *keyspace;
	struct lines *lines;
	struct tally waited;
	gboolean retires;
};

static void on_changed(void *data, struct keyspace *keyspace, struct key_directory *directory,
	const struct key_change *change)
{
	struct fixture *fixture = data;
	size_t length;
	const char *name = g_bytes_get_data(change->name, &length);

	lines_add(fixture->lines, "%.*s %s%s>%s%s", (int)length, name != NULL ? name : "",
		change->old != NULL ? "k" : "", change->was_directory ? "d" : "",
		change->new != NULL ? "k" : "", change->is_directory ? "d" : "");
}

static void on_loaded(void *data, struct keyspace *keyspace, struct key_directory *directory)
{
	struct fixture *fixture = data;

	lines_add(fixture->lines, "loaded");
}

static void on_retiring(void *data, struct keyspace *keyspace, struct key_directory *directory)
{
	struct fixture *fixture = data;

	lines_add(fixture->lines, "retiring");
	if (fixture->retires)
		keyspace_retire(keyspace, directory);
}

static const struct keyspace_handlers handlers = {
	.changed = on_changed,
	.loaded = on_loaded,
	.retiring = on_retiring,
};

/* The first one asks at once: its range is none of those that a test counts or interrupts. */
static void wait_for_probe(struct fixture *fixture)
{
	struct fake_etcd_count count;

	for (int i = 0; i < FIXTURE_PATIENCE_MS; i++) {
		fake_etcd_get_count(fixture->fake, &count);
		if (count.ranges > 0)
			return;
		g_usleep(1000);
	}
	ck_abort_msg("no probe came");
}

static void setup_idle(struct fixture *fixture, uint64_t idle)
{
	g_autoptr(GBytes) prefix = g_bytes_new(NULL, 0);

	fake_clock_stop();
	*fixture = (struct fixture){.fake = fake_etcd_create(), .lines = lines_create()};
	engine_init(&fixture->engine, 2);
	tally_init(&fixture->waited);
	fixture->keyspace = keyspace_create(&(struct keyspace_options){
		.client = fake_etcd_client(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.prefix = prefix,
		.handlers = &handlers,
		.data = fixture,
		.idle = idle,
	});
	wait_for_probe(fixture);
}

static void setup(struct fixture *fixture)
{
	setup_idle(fixture, 0);
}

static void finish(struct fixture *fixture)
{
	keyspace_stop(fixture->keyspace);
	engine_finish(&fixture->engine);
	keyspace_destroy(fixture->keyspace);
	tally_finish(&fixture->waited);
	lines_destroy(fixture->lines);
	fake_etcd_unref(fixture->fake);
}

static int try_look(
	struct fixture *fixture, const char *prefix, gboolean waits, struct key_directory **ret)
{
	g_autoptr(GBytes) bytes = g_bytes_new(prefix, strlen(prefix));
	const struct key_scope scope = {.prefix = bytes};
	g_autoptr(GError) error = NULL;
	int r = keyspace_look(
		fixture->keyspace, &scope, waits ? tally_add : NULL, &fixture->waited, ret, &error);

	ck_assert_int_eq(error != NULL, r < 0 && r != -EINPROGRESS);
	return r;
}

/* Waits for what there is to say; the directory is referenced. */
static int look_for(struct fixture *fixture, const char *prefix, struct key_directory **ret)
{
	for (;;) {
		unsigned int before = tally_get(&fixture->waited);
		int r = try_look(fixture, prefix, TRUE, ret);

		if (r != -EINPROGRESS)
			return r;
		tally_reach(&fixture->waited, before + 1);
	}
}

static struct key_directory *look(struct fixture *fixture, const char *prefix)
{
	struct key_directory *directory = NULL;

	ck_assert_int_eq(look_for(fixture, prefix, &directory), 0);
	return directory;
}

static gboolean append(void *data, uint64_t sequence, const struct key_child *child)
{
	g_string_append_printf(data, "%.*s", (int)child->length, child->name);
	if (child->directory)
		g_string_append_c(data, '/');
	if (child->snapshot != NULL) {
		size_t length;
		const char *value = g_bytes_get_data(child->snapshot->value, &length);

		g_string_append_printf(data, "=%.*s", (int)length, value != NULL ? value : "");
	}
	g_string_append_c(data, ' ');
	return TRUE;
}

static void expect(struct key_directory *directory, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);

	key_directory_each(directory, 0, append, text);
	ck_assert_str_eq(text->str, wanted);
}

static void expect_state(struct key_directory *directory, const char *state)
{
	struct key_directory_status status;

	key_directory_describe(directory, &status);
	ck_assert_str_eq(status.state, state);
}

static struct fake_etcd_count count(struct fixture *fixture)
{
	struct fake_etcd_count count;

	fake_etcd_get_count(fixture->fake, &count);
	return count;
}

static void wait_watching(struct fixture *fixture, unsigned int wanted)
{
	for (int i = 0; i < FIXTURE_PATIENCE_MS && count(fixture).watching != wanted; i++)
		g_usleep(1000);
	ck_assert_uint_eq(count(fixture).watching, wanted);
}

START_TEST (loads_and_watches_a_leaf) {
	struct fixture fixture;
	struct key_directory *directory;
	struct key_directory *none;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/leaf/b", "");
	fake_etcd_put(fixture.fake, "/other/c", "2");
	ck_assert_int_eq(try_look(&fixture, "/leaf/", FALSE, &none), -EINPROGRESS);
	directory = look(&fixture, "/leaf/");
	expect(directory, "a=1 b= ");
	wait_watching(&fixture, 1);
	expect_state(directory, "watching");
	ck_assert(!key_directory_must_poll(directory));
	lines_expect(fixture.lines, "loaded");
	fake_etcd_put(fixture.fake, "/leaf/a", "changed");
	fake_etcd_put(fixture.fake, "/leaf/c", "3");
	fake_etcd_delete(fixture.fake, "/leaf/b");
	fake_etcd_put(fixture.fake, "/other/c", "not told");
	fake_etcd_put(fixture.fake, "/leaf/b", "4");
	lines_expect(fixture.lines, "a k>k");
	lines_expect(fixture.lines, "c >k");
	lines_expect(fixture.lines, "b k>");
	lines_expect(fixture.lines, "b >k");
	expect(directory, "a=changed c=3 b=4 ");
	ck_assert_uint_eq(keyspace_changes(fixture.keyspace), 4);
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

/* The requests that a first look takes. */
static unsigned int count_ranges(struct fixture *fixture, const char *prefix)
{
	unsigned int before = count(fixture).ranges;

	key_directory_unref(look(fixture, prefix));
	/* Who waits is woken before that. */
	lines_skip_to(fixture->lines, "loaded");
	return count(fixture).ranges - before;
}

START_TEST (expects_siblings_to_be_alike) {
	static const char *const prefixes[] = {
		"/tree/a/", "/tree/b/", "/tree/ab/c/", "/other/a/", "/other/b/", "/tree/c/"};
	struct fixture fixture;

	setup(&fixture);
	for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
		for (unsigned int j = 0; j < 50; j++) {
			g_autofree char *key = g_strdup_printf("%s%u", prefixes[i], j);

			fake_etcd_put(fixture.fake, key, key);
		}
	}
	ck_assert_uint_gt(count_ranges(&fixture, prefixes[0]), 1);
	ck_assert_uint_eq(count_ranges(&fixture, prefixes[1]), 1);
	ck_assert_uint_gt(count_ranges(&fixture, prefixes[2]), 1);
	ck_assert_uint_gt(count_ranges(&fixture, prefixes[3]), 1);
	ck_assert_uint_eq(count_ranges(&fixture, prefixes[4]), 1);
	/* Of others nothing is known any more. */
	ck_assert_uint_gt(count_ranges(&fixture, prefixes[5]), 1);
	finish(&fixture);
}
END_TEST

START_TEST (polls_directories_of_directories) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/top/a/1", "");
	fake_etcd_put(fixture.fake, "/top/b/1", "");
	directory = look(&fixture, "/top/");
	expect(directory, "a/ b/ ");
	expect_state(directory, "polled");
	ck_assert_uint_eq(count(&fixture).watches, 0);
	lines_expect(fixture.lines, "loaded");
	fake_etcd_put(fixture.fake, "/top/c/1", "");
	fake_etcd_delete(fixture.fake, "/top/a/1");
	key_directory_unref(directory);
	directory = look(&fixture, "/top/");
	expect(directory, "a/ b/ ");
	key_directory_unref(directory);
	fake_clock_pass(KEY_DIRECTORY_STALE_MS);
	directory = look(&fixture, "/top/");
	expect(directory, "b/ c/ ");
	lines_expect(fixture.lines, "c >d");
	lines_expect(fixture.lines, "a d>");
	lines_expect(fixture.lines, "loaded");
	/* With keys of its own it is worth a watch. */
	fake_etcd_put(fixture.fake, "/top/c", "key");
	fake_clock_pass(KEY_DIRECTORY_STALE_MS);
	key_directory_unref(directory);
	directory = look(&fixture, "/top/");
	expect(directory, "b/ c/=key ");
	wait_watching(&fixture, 1);
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

static void put_again(void *data)
{
	fake_etcd_put(data, "/mixed/a/2", "");
}

START_TEST (follows_subdirectories_of_what_is_watched) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/mixed/key", "1");
	directory = look(&fixture, "/mixed/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	fake_etcd_put(fixture.fake, "/mixed/a/1", "");
	fake_etcd_put(fixture.fake, "/mixed/a/2", "");
	fake_etcd_put(fixture.fake, "/mixed/a", "too");
	lines_expect(fixture.lines, "a >d");
	lines_expect(fixture.lines, "a d>kd");
	fake_etcd_delete(fixture.fake, "/mixed/a/1");
	fake_etcd_put(fixture.fake, "/mixed/z", "");
	lines_expect(fixture.lines, "z >k");
	expect(directory, "key=1 a/=too z= ");
	fake_etcd_delete(fixture.fake, "/mixed/a/2");
	lines_expect(fixture.lines, "a kd>k");
	/* Something comes back while that is being asked. */
	fake_etcd_put(fixture.fake, "/mixed/a/3", "");
	lines_expect(fixture.lines, "a k>kd");
	fake_etcd_interject(fixture.fake, put_again, fixture.fake);
	fake_etcd_delete(fixture.fake, "/mixed/a/3");
	fake_etcd_put(fixture.fake, "/mixed/z", "again");
	/* It is told that nothing is left, then of what came back; z may stand anywhere. */
	lines_skip_to_both(fixture.lines, "z k>k", "a k>kd");
	expect(directory, "key=1 a/=too z=again ");
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (resumes_a_watch) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	for (int i = 0; i < 5; i++) {
		g_autofree char *key = g_strdup_printf("/leaf/%d", i);
		g_autofree char *line = g_strdup_printf("%d >k", i);

		fake_etcd_end_watches(fixture.fake, i % 2 == 0 ? 0 : EIO);
		fake_etcd_put(fixture.fake, key, "");
		lines_expect(fixture.lines, line);
	}
	lines_expect_none(fixture.lines);
	expect(directory, "a=1 0= 1= 2= 3= 4= ");
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (loads_anew_what_was_compacted) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/leaf/b", "2");
	fake_etcd_put(fixture.fake, "/leaf/c", "3");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	fake_etcd_set_away(fixture.fake, TRUE);
	wait_watching(&fixture, 0);
	fake_etcd_put(fixture.fake, "/leaf/b", "changed");
	fake_etcd_delete(fixture.fake, "/leaf/c");
	fake_etcd_compact(fixture.fake, fake_etcd_put(fixture.fake, "/leaf/d", "4"));
	fake_etcd_forget_count(fixture.fake);
	fake_etcd_set_away(fixture.fake, FALSE);
	lines_expect(fixture.lines, "b k>k");
	lines_expect(fixture.lines, "d >k");
	lines_expect(fixture.lines, "c k>");
	lines_expect(fixture.lines, "loaded");
	expect(directory, "a=1 b=changed d=4 ");
	fake_etcd_put(fixture.fake, "/leaf/e", "5");
	lines_expect(fixture.lines, "e >k");
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (distrusts_what_it_knows_of_another_history) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	for (int i = 0; i < 10; i++)
		fake_etcd_put(fixture.fake, "/leaf/x", "");
	fake_etcd_put(fixture.fake, "/leaf/a", "first");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	fake_etcd_erase(fixture.fake);
	fake_etcd_put(fixture.fake, "/leaf/a", "second");
	fake_etcd_end_watches(fixture.fake, EIO);
	/* Once more when the revision says that it is another history. */
	lines_expect(fixture.lines, "a k>k");
	lines_expect(fixture.lines, "a k>k");
	lines_expect(fixture.lines, "x k>");
	lines_expect(fixture.lines, "loaded");
	expect(directory, "a=second ");
	wait_watching(&fixture, 1);
	fake_etcd_put(fixture.fake, "/leaf/b", "");
	lines_expect(fixture.lines, "b >k");
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (shows_the_last_state_while_a_load_takes_long) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/top/one/a", "1");
	directory = look(&fixture, "/top/");
	key_directory_unref(directory);
	fake_clock_pass(KEY_DIRECTORY_STALE_MS);
	fake_etcd_put(fixture.fake, "/top/two/a", "1");
	fake_etcd_hold(fixture.fake, TRUE);
	directory = look(&fixture, "/top/");
	expect(directory, "one/ ");
	fake_etcd_hold(fixture.fake, FALSE);
	lines_expect(fixture.lines, "loaded");
	lines_skip_to(fixture.lines, "loaded");
	expect(directory, "one/ two/ ");
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (keeps_what_it_knows_when_a_member_lags) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	for (int i = 0; i < 10; i++)
		fake_etcd_put(fixture.fake, "/leaf/b", "");
	lines_expect(fixture.lines, "b >k");
	for (int i = 1; i < 10; i++)
		lines_expect(fixture.lines, "b k>k");
	fake_etcd_lag(fixture.fake, 5);
	fake_etcd_end_watches(fixture.fake, EIO);
	/* A load has the last word, and finds nothing new. */
	lines_expect(fixture.lines, "loaded");
	wait_watching(&fixture, 1);
	fake_etcd_put(fixture.fake, "/leaf/c", "");
	lines_expect(fixture.lines, "c >k");
	expect(directory, "a=1 b= c= ");
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

/* Between what was loaded and what was seen since. */
START_TEST (distrusts_a_state_from_after_the_load) {
	struct fixture fixture;
	struct key_directory *directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	for (int i = 0; i < 10; i++)
		fake_etcd_put(fixture.fake, "/leaf/b", "");
	lines_expect(fixture.lines, "b >k");
	for (int i = 1; i < 10; i++)
		lines_expect(fixture.lines, "b k>k");
	fake_etcd_erase(fixture.fake);
	fake_etcd_put(fixture.fake, "/leaf/a", "2");
	for (int i = 0; i < 4; i++)
		fake_etcd_put(fixture.fake, "/else", "");
	fake_etcd_end_watches(fixture.fake, EIO);
	lines_expect(fixture.lines, "a k>k");
	lines_expect(fixture.lines, "b k>");
	lines_expect(fixture.lines, "loaded");
	expect(directory, "a=2 ");
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (shows_the_last_state_while_etcd_is_away) {
	struct fixture fixture;
	struct key_directory *directory;
	struct key_directory *none;
	char *message = NULL;
	gint64 since;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	ck_assert(!keyspace_is_away(fixture.keyspace, &since, &message));
	fake_etcd_set_away(fixture.fake, TRUE);
	while (!keyspace_is_away(fixture.keyspace, &since, &message))
		g_usleep(1000);
	ck_assert_str_ne(message, "");
	g_free(message);
	key_directory_unref(directory);
	directory = look(&fixture, "/leaf/");
	expect(directory, "a=1 ");
	/* Who waits for what was never read is refused after a while. */
	ck_assert_int_lt(look_for(&fixture, "/never/", &none), 0);
	fake_etcd_put(fixture.fake, "/leaf/b", "2");
	fake_etcd_set_away(fixture.fake, FALSE);
	lines_skip_to(fixture.lines, "b >k");
	while (keyspace_is_away(fixture.keyspace, &since, &message)) {
		g_free(message);
		g_usleep(1000);
	}
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (shows_no_more_what_may_not_be_read) {
	struct fixture fixture;
	struct key_directory *directory;
	struct key_directory *again;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	fake_etcd_refuse(fixture.fake, EACCES);
	fake_etcd_end_watches(fixture.fake, EACCES);
	lines_expect(fixture.lines, "a k>");
	lines_expect(fixture.lines, "retiring");
	ck_assert_int_eq(look_for(&fixture, "/leaf/", &again), -EACCES);
	ck_assert_int_eq(look_for(&fixture, "/leaf/", &again), -EACCES);
	fake_etcd_refuse(fixture.fake, 0);
	fake_clock_pass(KEY_DIRECTORY_RETRY_DENIED_MS);
	again = look(&fixture, "/leaf/");
	expect(again, "a=1 ");
	key_directory_unref(again);
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (does_not_watch_what_is_noisy_below) {
	struct fixture fixture;
	struct key_directory *directory;
	g_autofree char *big = g_strnfill(KEY_DIRECTORY_NOISE_BURST / 4, 'x');

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/mixed/key", "1");
	fake_etcd_put(fixture.fake, "/mixed/a/1", "1");
	directory = look(&fixture, "/mixed/");
	wait_watching(&fixture, 1);
	lines_expect(fixture.lines, "loaded");
	for (int i = 0; i < 6; i++)
		fake_etcd_put(fixture.fake, "/mixed/a/1", big);
	lines_expect(fixture.lines, "retiring");
	wait_watching(&fixture, 0);
	ck_assert(key_directory_must_poll(directory));
	fake_etcd_put(fixture.fake, "/mixed/key", "2");
	fake_clock_pass(KEY_DIRECTORY_STALE_MS);
	key_directory_unref(directory);
	fake_etcd_forget_count(fixture.fake);
	directory = look(&fixture, "/mixed/");
	expect(directory, "a/ key=2 ");
	ck_assert_uint_eq(count(&fixture).watching, 0);
	fake_clock_pass(KEY_DIRECTORY_NOISE_MS);
	key_directory_unref(directory);
	directory = look(&fixture, "/mixed/");
	wait_watching(&fixture, 1);
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (watches_only_so_many) {
	struct fixture fixture;

	setup(&fixture);
	for (int i = 0; i < KEYSPACE_WATCHES_MAX + 3; i++) {
		g_autofree char *key = g_strdup_printf("/%d/key", i);
		g_autofree char *prefix = g_strdup_printf("/%d/", i);

		fake_etcd_put(fixture.fake, key, "");
		key_directory_unref(look(&fixture, prefix));
	}
	wait_watching(&fixture, KEYSPACE_WATCHES_MAX);
	ck_assert_uint_eq(count(&fixture).watches, KEYSPACE_WATCHES_MAX);
	finish(&fixture);
}
END_TEST

START_TEST (lets_idle_directories_go) {
	struct fixture fixture;
	struct key_directory *directory;
	struct key_directory *again;

	setup_idle(&fixture, 100);
	fixture.retires = TRUE;
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	fake_clock_pass(200);
	lines_skip_to(fixture.lines, "retiring");
	wait_watching(&fixture, 0);
	fake_etcd_put(fixture.fake, "/leaf/a", "2");
	again = look(&fixture, "/leaf/");
	ck_assert_ptr_ne(directory, again);
	expect(again, "a=2 ");
	expect(directory, "a=1 ");
	key_directory_unref(again);
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

START_TEST (stops_amid_everything) {
	struct fixture fixture;
	struct key_directory *none;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/mixed/a/b", "1");
	fake_etcd_put(fixture.fake, "/mixed/c", "1");
	key_directory_unref(look(&fixture, "/leaf/"));
	key_directory_unref(look(&fixture, "/mixed/"));
	wait_watching(&fixture, 2);
	fake_etcd_hold(fixture.fake, TRUE);
	fake_etcd_delete(fixture.fake, "/mixed/a/b");
	for (int i = 0; i < 10; i++) {
		g_autofree char *prefix = g_strdup_printf("/%d/", i);

		ck_assert_int_eq(try_look(&fixture, prefix, TRUE, &none), -EINPROGRESS);
	}
	keyspace_stop(fixture.keyspace);
	ck_assert_int_eq(try_look(&fixture, "/leaf/", TRUE, &none), -ESHUTDOWN);
	engine_finish(&fixture.engine);
	keyspace_destroy(fixture.keyspace);
	tally_finish(&fixture.waited);
	lines_destroy(fixture.lines);
	fake_etcd_unref(fixture.fake);
}
END_TEST

START_TEST (keeps_times_of_revisions) {
	struct fixture fixture;
	struct key_directory *directory;
	struct key_snapshot *first KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_snapshot *second KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	directory = look(&fixture, "/leaf/");
	wait_watching(&fixture, 1);
	ck_assert(key_directory_find(directory, "a", 1, &first, &is_directory));
	lines_skip_to(fixture.lines, "loaded");
	fake_etcd_put(fixture.fake, "/leaf/a", "2");
	lines_expect(fixture.lines, "a k>k");
	ck_assert(key_directory_find(directory, "a", 1, &second, &is_directory));
	ck_assert(second->seen.tv_sec > first->seen.tv_sec ||
		  second->seen.tv_nsec > first->seen.tv_nsec);
	ck_assert_int_eq(second->create_revision, first->create_revision);
	ck_assert_int_eq(second->version, 2);
	/* Values change, names do not: that is no change of the directory. */
	ck_assert_int_eq(key_directory_changed(directory).tv_sec, 0);
	fake_etcd_put(fixture.fake, "/leaf/b", "");
	lines_expect(fixture.lines, "b >k");
	ck_assert_int_ne(key_directory_changed(directory).tv_sec, 0);
	key_directory_unref(directory);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, loads_and_watches_a_leaf);
	tcase_add_test(tcase, expects_siblings_to_be_alike);
	tcase_add_test(tcase, polls_directories_of_directories);
	tcase_add_test(tcase, follows_subdirectories_of_what_is_watched);
	tcase_add_test(tcase, resumes_a_watch);
	tcase_add_test(tcase, loads_anew_what_was_compacted);
	tcase_add_test(tcase, distrusts_what_it_knows_of_another_history);
	tcase_add_test(tcase, shows_the_last_state_while_a_load_takes_long);
	tcase_add_test(tcase, keeps_what_it_knows_when_a_member_lags);
	tcase_add_test(tcase, distrusts_a_state_from_after_the_load);
	tcase_add_test(tcase, shows_the_last_state_while_etcd_is_away);
	tcase_add_test(tcase, shows_no_more_what_may_not_be_read);
	tcase_add_test(tcase, does_not_watch_what_is_noisy_below);
	tcase_add_test(tcase, watches_only_so_many);
	tcase_add_test(tcase, lets_idle_directories_go);
	tcase_add_test(tcase, stops_amid_everything);
	tcase_add_test(tcase, keeps_times_of_revisions);
}

int main(void)
{
	return fixture_run("keyspace", add);
}
