/*
 * cache/key_commit.h: changes of keys as transactions, on an etcd in memory that also loses
 * answers.
 */
#include "cache/key_commit.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_etcd.h"

struct fixture {
	struct engine engine;
	struct fake_etcd *fake;
	struct keyspace *keyspace;
	struct tally waited;
	struct tally done;
	unsigned int begun;
	/* Of the last commit that ended. */
	int errnum;
	gboolean uncertain;
	char *message;
	struct key_snapshot *snapshot;
};

static void on_changed(void *data, struct keyspace *keyspace, struct key_directory *directory,
	const struct key_change *change)
{
}

static void on_directory(void *data, struct keyspace *keyspace, struct key_directory *directory)
{
}

static const struct keyspace_handlers handlers = {
	.changed = on_changed,
	.loaded = on_directory,
	.retiring = on_directory,
};

static void setup_timeout(struct fixture *fixture, uint64_t timeout)
{
	g_autoptr(GBytes) prefix = g_bytes_new(NULL, 0);

	*fixture = (struct fixture){.fake = fake_etcd_create()};
	engine_init(&fixture->engine, 2);
	tally_init(&fixture->waited);
	tally_init(&fixture->done);
	fixture->keyspace = keyspace_create(&(struct keyspace_options){
		.client = fake_etcd_client(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.prefix = prefix,
		.handlers = &handlers,
		.data = fixture,
		.commit_timeout = timeout,
	});
}

static void setup(struct fixture *fixture)
{
	setup_timeout(fixture, 0);
}

static void finish(struct fixture *fixture)
{
	if (fixture->keyspace != NULL)
		keyspace_stop(fixture->keyspace);
	engine_finish(&fixture->engine);
	keyspace_destroy(fixture->keyspace);
	tally_finish(&fixture->waited);
	tally_finish(&fixture->done);
	key_snapshot_unref(fixture->snapshot);
	g_free(fixture->message);
	fake_etcd_unref(fixture->fake);
}

static struct key_directory *look(struct fixture *fixture, const char *prefix)
{
	g_autoptr(GBytes) bytes = g_bytes_new(prefix, strlen(prefix));
	const struct key_scope scope = {.prefix = bytes};
	struct key_directory *directory = NULL;

	for (;;) {
		unsigned int before = tally_get(&fixture->waited);
		int r = keyspace_look(
			fixture->keyspace, &scope, tally_add, &fixture->waited, &directory, NULL);

		if (r == 0)
			return directory;
		ck_assert_int_eq(r, -EINPROGRESS);
		tally_reach(&fixture->waited, before + 1);
	}
}

/* The key as the keyspace shows it; NULL: there is none. The caller's. */
static struct key_snapshot *shown(
	struct fixture *fixture, const char *prefix, const char *name, gboolean *ret_directory)
{
	struct key_directory *directory = look(fixture, prefix);
	struct key_snapshot *snapshot = NULL;
	gboolean is_directory = FALSE;

	key_directory_find(directory, name, strlen(name), &snapshot, &is_directory);
	key_directory_unref(directory);
	if (ret_directory != NULL)
		*ret_directory = is_directory;
	return snapshot;
}

static void expect_shown(
	struct fixture *fixture, const char *prefix, const char *name, const char *wanted)
{
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP = shown(fixture, prefix, name, NULL);
	g_autofree char *text = NULL;
	size_t length;
	const char *value;

	if (wanted == NULL) {
		ck_assert_ptr_null(snapshot);
		return;
	}
	ck_assert_ptr_nonnull(snapshot);
	value = g_bytes_get_data(snapshot->value, &length);
	text = g_strndup(value != NULL ? value : "", length);
	ck_assert_str_eq(text, wanted);
}

static void expect_stored(struct fixture *fixture, const char *key, const char *wanted)
{
	g_autoptr(GBytes) there = fake_etcd_get(fixture->fake, key);
	g_autoptr(GBytes) bytes = wanted != NULL ? g_bytes_new(wanted, strlen(wanted)) : NULL;

	ck_assert_int_eq(there != NULL, wanted != NULL);
	if (wanted != NULL)
		ck_assert(g_bytes_equal(there, bytes));
}

static void on_done(void *data, const struct key_outcome *outcome)
{
	struct fixture *fixture = data;

	fixture->errnum = outcome->errnum;
	fixture->uncertain = outcome->uncertain;
	g_free(fixture->message);
	fixture->message = g_strdup(outcome->message);
	key_snapshot_unref(fixture->snapshot);
	fixture->snapshot = outcome->snapshot != NULL ? key_snapshot_ref(outcome->snapshot) : NULL;
	tally_add(&fixture->done);
}

static void expect(struct fixture *fixture, struct key_commit *commit, int errnum)
{
	tally_reach(&fixture->done, ++fixture->begun);
	ck_assert_uint_eq(tally_get(&fixture->done), fixture->begun);
	key_commit_unref(commit);
	ck_assert_msg(fixture->errnum == errnum, "%d: %s", fixture->errnum, fixture->message);
	ck_assert_int_eq(fixture->message[0] != '\0', errnum != 0);
}

static struct key_commit *begin_save(struct fixture *fixture, const char *key, int64_t revision,
	struct key_snapshot *base, const char *value, gboolean exclusive)
{
	g_autoptr(GBytes) key_bytes = g_bytes_new(key, strlen(key));
	g_autoptr(GBytes) value_bytes = g_bytes_new(value, strlen(value));
	const struct key_edit edit = {key_bytes, revision, base, value_bytes};

	return key_commit_save(fixture->keyspace, &edit, exclusive, on_done, fixture);
}

static void save(struct fixture *fixture, const char *key, struct key_snapshot *base,
	const char *value, int errnum)
{
	expect(fixture,
		begin_save(fixture, key, base != NULL ? base->mod_revision : 0, base, value, FALSE),
		errnum);
}

START_TEST (shows_an_update_at_once) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	save(&fixture, "/a/x", base, "two", 0);
	expect_stored(&fixture, "/a/x", "two");
	expect_shown(&fixture, "/a/", "x", "two");
	ck_assert_int_eq(fixture.snapshot->version, 2);
	ck_assert_int_eq(fixture.snapshot->create_revision, base->create_revision);
	ck_assert_int_gt(fixture.snapshot->mod_revision, base->mod_revision);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (keeps_the_lease) {
	struct fixture fixture;
	g_autoptr(GBytes) key = g_bytes_new_static("/a/x", 4);
	g_autoptr(GBytes) value = g_bytes_new_static("one", 3);
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put_bytes(fixture.fake, key, value, 77);
	base = shown(&fixture, "/a/", "x", NULL);
	save(&fixture, "/a/x", base, "two", 0);
	ck_assert_int_eq(fake_etcd_get_lease(fixture.fake, "/a/x"), 77);
	ck_assert_int_eq(fixture.snapshot->lease, 77);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (changes_nothing_in_a_conflict) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_put(fixture.fake, "/a/x", "theirs");
	save(&fixture, "/a/x", base, "mine", EBUSY);
	ck_assert(!fixture.uncertain);
	expect_stored(&fixture, "/a/x", "theirs");
	expect_shown(&fixture, "/a/", "x", "theirs");
	fake_etcd_delete(fixture.fake, "/a/x");
	save(&fixture, "/a/x", base, "mine", EBUSY);
	ck_assert_ptr_nonnull(strstr(fixture.message, "deleted"));
	expect_stored(&fixture, "/a/x", NULL);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (creates) {
	struct fixture fixture;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	expect_shown(&fixture, "/a/", "y", NULL);
	save(&fixture, "/a/y", NULL, "new", 0);
	expect_shown(&fixture, "/a/", "y", "new");
	ck_assert_int_eq(fixture.snapshot->version, 1);
	ck_assert_int_eq(fixture.snapshot->create_revision, fixture.snapshot->mod_revision);
	save(&fixture, "/a/x", NULL, "new", EBUSY);
	expect(&fixture, begin_save(&fixture, "/a/x", 0, NULL, "new", TRUE), EEXIST);
	expect_stored(&fixture, "/a/x", "one");
	finish(&fixture);
}
END_TEST

/* Above, where directories alone are not watched, and below. */
START_TEST (shows_directories_come_and_go) {
	struct fixture fixture;
	struct key_snapshot *base;
	gboolean is_directory;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x/1", "one");
	key_snapshot_unref(shown(&fixture, "/", "b", &is_directory));
	ck_assert(!is_directory);
	key_snapshot_unref(shown(&fixture, "/a/", "y", &is_directory));
	save(&fixture, "/a/y/1", NULL, "new", 0);
	save(&fixture, "/b/1", NULL, "new", 0);
	key_snapshot_unref(shown(&fixture, "/", "b", &is_directory));
	ck_assert(is_directory);
	key_snapshot_unref(shown(&fixture, "/a/", "y", &is_directory));
	ck_assert(is_directory);
	base = shown(&fixture, "/b/", "1", NULL);
	expect(&fixture, key_commit_delete(fixture.keyspace, base, on_done, &fixture), 0);
	expect_stored(&fixture, "/b/1", NULL);
	expect_shown(&fixture, "/b/", "1", NULL);
	key_snapshot_unref(shown(&fixture, "/", "b", &is_directory));
	ck_assert(!is_directory);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

/* What was read only by its revision. */
START_TEST (takes_a_revision_for_a_base) {
	struct fixture fixture;
	int64_t revision;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	revision = fake_etcd_put(fixture.fake, "/a/x", "two");
	expect_shown(&fixture, "/a/", "x", "two");
	expect(&fixture, begin_save(&fixture, "/a/x", revision - 1, NULL, "mine", FALSE), EBUSY);
	expect(&fixture, begin_save(&fixture, "/a/x", revision, NULL, "mine", FALSE), 0);
	ck_assert_int_eq(fixture.snapshot->version, 3);
	expect_shown(&fixture, "/a/", "x", "mine");
	finish(&fixture);
}
END_TEST

START_TEST (deletes_what_was_seen) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	expect(&fixture, key_commit_check(fixture.keyspace, base, on_done, &fixture), 0);
	expect_stored(&fixture, "/a/x", "one");
	fake_etcd_put(fixture.fake, "/a/x", "two");
	expect(&fixture, key_commit_check(fixture.keyspace, base, on_done, &fixture), EBUSY);
	expect(&fixture, key_commit_delete(fixture.keyspace, base, on_done, &fixture), EBUSY);
	expect_stored(&fixture, "/a/x", "two");
	fake_etcd_delete(fixture.fake, "/a/x");
	expect(&fixture, key_commit_check(fixture.keyspace, base, on_done, &fixture), ENOENT);
	expect(&fixture, key_commit_delete(fixture.keyspace, base, on_done, &fixture), ENOENT);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

static struct key_commit *begin_move(
	struct fixture *fixture, struct key_snapshot *from, const char *to, int64_t revision)
{
	g_autoptr(GBytes) key = g_bytes_new(to, strlen(to));
	const struct key_edit edit = {.key = key, .revision = revision};

	return key_commit_move(fixture->keyspace, from, &edit, FALSE, on_done, fixture);
}

START_TEST (moves) {
	struct fixture fixture;
	g_autoptr(GBytes) key = g_bytes_new_static("/a/x", 4);
	g_autoptr(GBytes) value = g_bytes_new_static("one", 3);
	struct key_snapshot *from;
	int64_t revision;

	setup(&fixture);
	fake_etcd_put_bytes(fixture.fake, key, value, 77);
	revision = fake_etcd_put(fixture.fake, "/a/y", "old");
	from = shown(&fixture, "/a/", "x", NULL);
	expect(&fixture, begin_move(&fixture, from, "/a/y", 0), EBUSY);
	expect_stored(&fixture, "/a/x", "one");
	expect_stored(&fixture, "/a/y", "old");
	expect(&fixture, begin_move(&fixture, from, "/a/y", revision), 0);
	expect_stored(&fixture, "/a/x", NULL);
	expect_stored(&fixture, "/a/y", "one");
	expect_shown(&fixture, "/a/", "x", NULL);
	expect_shown(&fixture, "/a/", "y", "one");
	ck_assert_int_eq(fake_etcd_get_lease(fixture.fake, "/a/y"), 77);
	expect(&fixture, begin_move(&fixture, from, "/a/z", 0), ENOENT);
	key_snapshot_unref(from);
	finish(&fixture);
}
END_TEST

/* Lost answers */

START_TEST (finds_what_has_arrived) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake,
		&(struct fake_etcd_fault){ECONNRESET, .uncertain = TRUE, .arrives = TRUE});
	save(&fixture, "/a/x", base, "two", 0);
	ck_assert_uint_eq(fake_etcd_txns(fixture.fake), 1);
	ck_assert_int_eq(fixture.snapshot->version, 2);
	expect_shown(&fixture, "/a/", "x", "two");
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (sends_again_what_was_lost) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake, &(struct fake_etcd_fault){ECONNRESET, .uncertain = TRUE});
	save(&fixture, "/a/x", base, "two", 0);
	ck_assert_uint_eq(fake_etcd_txns(fixture.fake), 2);
	expect_stored(&fixture, "/a/x", "two");
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

static void put_theirs(void *data)
{
	fake_etcd_put(data, "/a/x", "three");
	fake_etcd_put(data, "/a/x", "four");
}

static void delete_it(void *data)
{
	fake_etcd_delete(data, "/a/x");
}

/* Ours came first, and others built on it: it was stored. */
START_TEST (finds_what_was_overwritten) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake,
		&(struct fake_etcd_fault){ECONNRESET, TRUE, TRUE, put_theirs, fixture.fake});
	save(&fixture, "/a/x", base, "two", 0);
	ck_assert_int_eq(fixture.snapshot->version, 2);
	expect_stored(&fixture, "/a/x", "four");
	expect_shown(&fixture, "/a/", "x", "four");
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (knows_a_conflict_by_its_history) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake,
		&(struct fake_etcd_fault){ECONNRESET, TRUE, FALSE, put_theirs, fixture.fake});
	save(&fixture, "/a/x", base, "two", EBUSY);
	ck_assert(!fixture.uncertain);
	ck_assert_uint_eq(fake_etcd_txns(fixture.fake), 1);
	expect_stored(&fixture, "/a/x", "four");
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

static void put_and_compact(void *data)
{
	put_theirs(data);
	fake_etcd_compact(data, fake_etcd_put(data, "/other", ""));
}

START_TEST (says_when_it_does_not_know) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake,
		&(struct fake_etcd_fault){ECONNRESET, TRUE, TRUE, put_and_compact, fixture.fake});
	save(&fixture, "/a/x", base, "two", EIO);
	ck_assert(fixture.uncertain);
	key_snapshot_unref(base);
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake,
		&(struct fake_etcd_fault){ECONNRESET, TRUE, TRUE, delete_it, fixture.fake});
	save(&fixture, "/a/x", base, "two", EIO);
	ck_assert(fixture.uncertain);
	expect_stored(&fixture, "/a/x", NULL);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (finds_what_has_gone) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake,
		&(struct fake_etcd_fault){ECONNRESET, .uncertain = TRUE, .arrives = TRUE});
	expect(&fixture, begin_move(&fixture, base, "/a/y", 0), 0);
	expect_stored(&fixture, "/a/y", "one");
	key_snapshot_unref(base);
	base = shown(&fixture, "/a/", "y", NULL);
	fake_etcd_fail_txn(fixture.fake,
		&(struct fake_etcd_fault){ECONNRESET, .uncertain = TRUE, .arrives = TRUE});
	expect(&fixture, key_commit_delete(fixture.keyspace, base, on_done, &fixture), 0);
	ck_assert_uint_eq(fake_etcd_txns(fixture.fake), 2);
	expect_shown(&fixture, "/a/", "y", NULL);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

/* Refused as a whole, told after the fact (the quota). */
START_TEST (believes_a_refusal) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_fail_txn(fixture.fake, &(struct fake_etcd_fault){ENOSPC, .uncertain = TRUE});
	save(&fixture, "/a/x", base, "two", ENOSPC);
	ck_assert(!fixture.uncertain);
	ck_assert_uint_eq(fake_etcd_txns(fixture.fake), 1);
	fake_etcd_fail_txn(fixture.fake, &(struct fake_etcd_fault){EFBIG});
	save(&fixture, "/a/x", base, "two", EFBIG);
	fake_etcd_fail_txn(fixture.fake, &(struct fake_etcd_fault){EACCES});
	save(&fixture, "/a/x", base, "two", EACCES);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (ends_in_time) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup_timeout(&fixture, 200);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_hold_txns(fixture.fake, TRUE);
	save(&fixture, "/a/x", base, "two", ETIMEDOUT);
	ck_assert(fixture.uncertain);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (fails_while_etcd_is_away) {
	struct fixture fixture;
	struct key_snapshot *base;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_set_away(fixture.fake, TRUE);
	save(&fixture, "/a/x", base, "two", EIO);
	ck_assert(!fixture.uncertain);
	key_snapshot_unref(base);
	finish(&fixture);
}
END_TEST

START_TEST (stops_amid_a_change) {
	struct fixture fixture;
	struct key_snapshot *base;
	struct key_commit *commit;
	struct key_commit *late;

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/x", "one");
	base = shown(&fixture, "/a/", "x", NULL);
	fake_etcd_hold_txns(fixture.fake, TRUE);
	commit = begin_save(&fixture, "/a/x", base->mod_revision, base, "two", FALSE);
	fake_etcd_wait_txn(fixture.fake);
	keyspace_stop(fixture.keyspace);
	expect(&fixture, commit, EIO);
	ck_assert(fixture.uncertain);
	late = begin_save(&fixture, "/a/x", base->mod_revision, base, "two", FALSE);
	expect(&fixture, late, ESHUTDOWN);
	key_snapshot_unref(base);
	engine_finish(&fixture.engine);
	keyspace_destroy(fixture.keyspace);
	tally_finish(&fixture.waited);
	tally_finish(&fixture.done);
	g_free(fixture.message);
	fake_etcd_unref(fixture.fake);
}
END_TEST

/* Read-compare-write over and over by many at once: nothing is lost. */
#define COUNTERS 4
#define COUNTS 50

struct counter {
	struct fixture *fixture;
	struct tally outcomes;
	int errnum; /* the last one's; written before it is counted */
	pthread_t thread;
};

static void on_counted(void *data, const struct key_outcome *outcome)
{
	struct counter *counter = data;

	counter->errnum = outcome->errnum;
	tally_add(&counter->outcomes);
}

static void *run_counter(void *data)
{
	struct counter *counter = data;
	struct fixture *fixture = counter->fixture;

	for (guint tried = 1, counted = 0; counted < COUNTS; tried++) {
		struct key_snapshot *base KEY_SNAPSHOT_CLEANUP = shown(fixture, "/a/", "n", NULL);
		g_autoptr(GBytes) key = g_bytes_new_static("/a/n", 4);
		g_autofree char *now = g_strndup(
			g_bytes_get_data(base->value, NULL), g_bytes_get_size(base->value));
		g_autofree char *next = g_strdup_printf("%d", atoi(now) + 1);
		g_autoptr(GBytes) value = g_bytes_new(next, strlen(next));
		const struct key_edit edit = {key, base->mod_revision, base, value};

		key_commit_unref(
			key_commit_save(fixture->keyspace, &edit, FALSE, on_counted, counter));
		tally_reach(&counter->outcomes, tried);
		ck_assert(counter->errnum == 0 || counter->errnum == EBUSY);
		counted += counter->errnum == 0;
	}
	return NULL;
}

START_TEST (loses_no_update) {
	struct fixture fixture;
	struct counter counters[COUNTERS];

	setup(&fixture);
	fake_etcd_put(fixture.fake, "/a/n", "0");
	key_snapshot_unref(shown(&fixture, "/a/", "n", NULL));
	for (int i = 0; i < COUNTERS; i++) {
		counters[i].fixture = &fixture;
		tally_init(&counters[i].outcomes);
		ck_assert_int_eq(
			pthread_create(&counters[i].thread, NULL, run_counter, &counters[i]), 0);
	}
	for (int i = 0; i < COUNTERS; i++) {
		pthread_join(counters[i].thread, NULL);
		tally_finish(&counters[i].outcomes);
	}
	expect_stored(&fixture, "/a/n", G_STRINGIFY(200));
	expect_shown(&fixture, "/a/", "n", G_STRINGIFY(200));
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, shows_an_update_at_once);
	tcase_add_test(tcase, keeps_the_lease);
	tcase_add_test(tcase, changes_nothing_in_a_conflict);
	tcase_add_test(tcase, creates);
	tcase_add_test(tcase, shows_directories_come_and_go);
	tcase_add_test(tcase, takes_a_revision_for_a_base);
	tcase_add_test(tcase, deletes_what_was_seen);
	tcase_add_test(tcase, moves);
	tcase_add_test(tcase, finds_what_has_arrived);
	tcase_add_test(tcase, sends_again_what_was_lost);
	tcase_add_test(tcase, finds_what_was_overwritten);
	tcase_add_test(tcase, knows_a_conflict_by_its_history);
	tcase_add_test(tcase, says_when_it_does_not_know);
	tcase_add_test(tcase, finds_what_has_gone);
	tcase_add_test(tcase, believes_a_refusal);
	tcase_add_test(tcase, ends_in_time);
	tcase_add_test(tcase, fails_while_etcd_is_away);
	tcase_add_test(tcase, stops_amid_a_change);
	tcase_add_test(tcase, loses_no_update);
}

int main(void)
{
	return fixture_run("key_commit", add);
}
