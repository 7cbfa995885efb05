/*
 * cache/key_history.h: the versions of a key, walked back on an etcd in memory that compacts, is
 * away, or gives answers that make no sense.
 */
#include "cache/key_history.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/fake_etcd.h"

#define KEY "/dir/key"

struct fixture {
	struct engine engine;
	struct fake_etcd *fake;
	struct etcd_client *client;
	struct revision_clock *clock;
	struct key_histories *histories;
	struct tally waited;
};

static void setup(struct fixture *fixture)
{
	fake_clock_stop();
	*fixture = (struct fixture){.fake = fake_etcd_create()};
	engine_init(&fixture->engine, 2);
	tally_init(&fixture->waited);
	fixture->client = fake_etcd_client(fixture->fake);
	fixture->clock = revision_clock_create();
	fixture->histories =
		key_histories_create(fixture->client, fixture->engine.pool, fixture->clock);
}

static void finish(struct fixture *fixture)
{
	key_histories_stop(fixture->histories);
	etcd_client_destroy(fixture->client);
	engine_finish(&fixture->engine);
	key_histories_destroy(fixture->histories);
	revision_clock_destroy(fixture->clock);
	tally_finish(&fixture->waited);
	fake_etcd_unref(fixture->fake);
}

/* What there would be after version puts, of which the last made mod_revision. */
static struct key_snapshot *make(int64_t create_revision, int64_t mod_revision, int64_t version)
{
	g_autoptr(GBytes) key = g_bytes_new_static(KEY, strlen(KEY));
	g_autoptr(GBytes) value = g_bytes_new_static("newest", 6);
	const struct etcd_kv kv = {
		.key = key,
		.value = value,
		.create_revision = create_revision,
		.mod_revision = mod_revision,
		.version = version,
	};

	return key_snapshot_create(&kv, (struct timespec){0});
}

/* Puts it so often, with something else in between; the newest version. */
static struct key_snapshot *put(struct fixture *fixture, unsigned int count)
{
	int64_t created = 0;
	int64_t last = 0;

	for (unsigned int i = 1; i <= count; i++) {
		g_autofree char *value = g_strdup_printf("%u", i);

		last = fake_etcd_put(fixture->fake, KEY, value);
		if (i == 1)
			created = last;
		fake_etcd_put(fixture->fake, "/dir/other", value);
	}
	return make(created, last, count);
}

static int look(struct fixture *fixture, struct key_snapshot *newest, struct key_history **ret)
{
	for (;;) {
		unsigned int before = tally_get(&fixture->waited);
		g_autoptr(GError) error = NULL;
		int r = key_histories_look(
			fixture->histories, newest, tally_add, &fixture->waited, ret, &error);

		ck_assert_int_eq(error != NULL, r < 0 && r != -EINPROGRESS);
		if (r != -EINPROGRESS)
			return r;
		tally_reach(&fixture->waited, before + 1);
	}
}

/* The versions, newest first, with their values but for the first one's. */
static void expect(struct fixture *fixture, struct key_snapshot *newest, enum key_history_end end,
	const char *wanted)
{
	struct key_history *history KEY_HISTORY_CLEANUP = NULL;
	g_autoptr(GString) text = g_string_new(NULL);

	ck_assert_int_eq(look(fixture, newest, &history), 0);
	for (guint i = 0; i < history->versions->len; i++) {
		const struct key_snapshot *version = g_ptr_array_index(history->versions, i);
		size_t length;
		const char *value = g_bytes_get_data(version->value, &length);

		g_string_append_printf(text, "%d@%d=%.*s ", (int)version->version,
			(int)version->mod_revision, (int)length, value);
	}
	ck_assert_str_eq(text->str, wanted);
	ck_assert_int_eq(history->end, end);
}

static unsigned int ranges(struct fixture *fixture)
{
	struct fake_etcd_count count;

	fake_etcd_get_count(fixture->fake, &count);
	return count.ranges;
}

START_TEST (walks_back_to_the_creation) {
	struct fixture fixture;
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;

	setup(&fixture);
	/* An older life of the key is not its history. */
	fake_etcd_put(fixture.fake, KEY, "before");
	fake_etcd_delete(fixture.fake, KEY);
	newest = put(&fixture, 4);
	expect(&fixture, newest, KEY_HISTORY_CREATED, "4@10=newest 3@8=3 2@6=2 1@4=1 ");
	ck_assert_uint_eq(ranges(&fixture), 3);
	finish(&fixture);
}
END_TEST

START_TEST (first_version_has_no_past) {
	struct fixture fixture;
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;

	setup(&fixture);
	newest = put(&fixture, 1);
	expect(&fixture, newest, KEY_HISTORY_CREATED, "1@2=newest ");
	ck_assert_uint_eq(ranges(&fixture), 0);
	finish(&fixture);
}
END_TEST

/* Compacted at each revision that there is. */
START_TEST (ends_at_what_was_compacted) {
	static const char *const wanted[] = {"4@8=newest 3@6=3 2@4=2 1@2=1 ",
		"4@8=newest 3@6=3 2@4=2 1@2=1 ", "4@8=newest 3@6=3 2@4=2 ",
		"4@8=newest 3@6=3 2@4=2 ", "4@8=newest 3@6=3 ", "4@8=newest 3@6=3 ", "4@8=newest "};

	for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
		const int64_t compacted = 2 + (int64_t)i;
		struct fixture fixture;
		struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;

		setup(&fixture);
		newest = put(&fixture, 4);
		fake_etcd_compact(fixture.fake, compacted);
		expect(&fixture, newest,
			compacted <= 3 ? KEY_HISTORY_CREATED : KEY_HISTORY_COMPACTED, wanted[i]);
		finish(&fixture);
	}
}
END_TEST

START_TEST (remembers_for_a_while) {
	struct fixture fixture;
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_snapshot *newer KEY_SNAPSHOT_CLEANUP = NULL;

	setup(&fixture);
	newest = put(&fixture, 3);
	expect(&fixture, newest, KEY_HISTORY_CREATED, "3@6=newest 2@4=2 1@2=1 ");
	ck_assert_uint_eq(ranges(&fixture), 2);
	expect(&fixture, newest, KEY_HISTORY_CREATED, "3@6=newest 2@4=2 1@2=1 ");
	ck_assert_uint_eq(ranges(&fixture), 2);
	/* A new version is asked about back to what is known. */
	fake_etcd_put(fixture.fake, KEY, "4");
	newer = make(2, fake_etcd_put(fixture.fake, KEY, "5"), 5);
	expect(&fixture, newer, KEY_HISTORY_CREATED, "5@9=newest 4@8=4 3@6=3 2@4=2 1@2=1 ");
	ck_assert_uint_eq(ranges(&fixture), 4);
	/* A directory that lags is shown what is known already. */
	expect(&fixture, newest, KEY_HISTORY_CREATED, "5@9=newest 4@8=4 3@6=3 2@4=2 1@2=1 ");
	ck_assert_uint_eq(ranges(&fixture), 4);
	fake_etcd_compact(fixture.fake, 5);
	fake_clock_pass(KEY_HISTORY_FRESH_MS);
	expect(&fixture, newer, KEY_HISTORY_COMPACTED, "5@9=newest 4@8=4 3@6=3 2@4=2 ");
	fake_clock_pass(KEY_HISTORY_FRESH_MS);
	key_histories_sweep(fixture.histories);
	expect(&fixture, newer, KEY_HISTORY_COMPACTED, "5@9=newest 4@8=4 3@6=3 2@4=2 ");
	finish(&fixture);
}
END_TEST

START_TEST (walks_only_so_far) {
	struct fixture fixture;
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_snapshot *newer KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_history *history KEY_HISTORY_CLEANUP = NULL;
	struct key_history *later KEY_HISTORY_CLEANUP = NULL;
	const struct key_snapshot *oldest;

	setup(&fixture);
	newest = put(&fixture, KEY_HISTORY_VERSIONS_MAX + 5);
	ck_assert_int_eq(look(&fixture, newest, &history), 0);
	ck_assert_uint_eq(history->versions->len, KEY_HISTORY_VERSIONS_MAX);
	ck_assert_int_eq(history->end, KEY_HISTORY_CUT);
	newer = make(newest->create_revision, fake_etcd_put(fixture.fake, KEY, "new"),
		newest->version + 1);
	ck_assert_int_eq(look(&fixture, newer, &later), 0);
	ck_assert_uint_eq(later->versions->len, KEY_HISTORY_VERSIONS_MAX);
	ck_assert_int_eq(later->end, KEY_HISTORY_CUT);
	oldest = g_ptr_array_index(later->versions, later->versions->len - 1);
	ck_assert_int_eq(oldest->version, newer->version - KEY_HISTORY_VERSIONS_MAX + 1);
	finish(&fixture);
}
END_TEST

START_TEST (keeps_only_so_many_bytes) {
	struct fixture fixture;
	g_autofree char *big = g_strnfill(KEY_HISTORY_BYTES_MAX / 4, 'x');
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;
	struct key_history *history KEY_HISTORY_CLEANUP = NULL;

	setup(&fixture);
	for (int i = 0; i < 9; i++)
		fake_etcd_put(fixture.fake, KEY, big);
	newest = make(2, fake_etcd_put(fixture.fake, KEY, "newest"), 10);
	ck_assert_int_eq(look(&fixture, newest, &history), 0);
	ck_assert_uint_eq(history->versions->len, 5);
	ck_assert_int_eq(history->end, KEY_HISTORY_CUT);
	finish(&fixture);
}
END_TEST

static void expect_failure(struct fixture *fixture, struct key_snapshot *newest, int errnum)
{
	struct key_history *history = NULL;

	ck_assert_int_eq(look(fixture, newest, &history), -errnum);
}

/* A look at a key with two versions has failed, and etcd would answer now. */
static struct key_snapshot *setup_failure(struct fixture *fixture, int errnum)
{
	struct key_snapshot *newest;

	setup(fixture);
	newest = put(fixture, 2);
	fake_etcd_refuse(fixture->fake, errnum);
	expect_failure(fixture, newest, errnum);
	fake_etcd_refuse(fixture->fake, 0);
	return newest;
}

START_TEST (failures_are_told_and_pass) {
	struct fixture fixture;
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = setup_failure(&fixture, EACCES);

	fake_clock_pass(KEY_HISTORY_FRESH_MS);
	expect(&fixture, newest, KEY_HISTORY_CREATED, "2@4=newest 1@2=1 ");
	finish(&fixture);
}
END_TEST

START_TEST (failures_end_when_etcd_is_back) {
	struct fixture fixture;
	struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = setup_failure(&fixture, ECONNREFUSED);

	expect_failure(&fixture, newest, ECONNREFUSED);
	key_histories_kick(fixture.histories);
	expect(&fixture, newest, KEY_HISTORY_CREATED, "2@4=newest 1@2=1 ");
	finish(&fixture);
}
END_TEST

/* A version must be the one before, of the same life of the key. */
START_TEST (damaged_answers_are_no_versions) {
	const struct {
		int64_t create_revision;
		int64_t mod_revision;
		int64_t version;
	} cases[] = {{2, 6, 4}, {2, 6, 2}, {3, 6, 3}, {2, 2, 5}};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct fixture fixture;
		struct key_snapshot *wrong KEY_SNAPSHOT_CLEANUP =
			make(cases[i].create_revision, cases[i].mod_revision, cases[i].version);

		setup(&fixture);
		key_snapshot_unref(put(&fixture, 3));
		expect_failure(&fixture, wrong, EPROTO);
		finish(&fixture);
	}
}
END_TEST

/* Before the walk has asked, while it is asked for, or later. */
START_TEST (stops_in_the_middle) {
	for (unsigned int i = 0; i < 20; i++) {
		struct fixture fixture;
		struct key_snapshot *newest KEY_SNAPSHOT_CLEANUP = NULL;
		struct key_history *history = NULL;

		setup(&fixture);
		newest = put(&fixture, 50);
		fake_etcd_hold(fixture.fake, i % 2 == 0);
		ck_assert_int_eq(key_histories_look(fixture.histories, newest, tally_add,
					 &fixture.waited, &history, NULL),
			-EINPROGRESS);
		g_usleep(i * 20UL);
		key_histories_stop(fixture.histories);
		tally_reach(&fixture.waited, 1);
		ck_assert_int_eq(
			key_histories_look(fixture.histories, newest, NULL, NULL, &history, NULL),
			-ESHUTDOWN);
		finish(&fixture);
	}
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, walks_back_to_the_creation);
	tcase_add_test(tcase, first_version_has_no_past);
	tcase_add_test(tcase, ends_at_what_was_compacted);
	tcase_add_test(tcase, remembers_for_a_while);
	tcase_add_test(tcase, walks_only_so_far);
	tcase_add_test(tcase, keeps_only_so_many_bytes);
	tcase_add_test(tcase, failures_are_told_and_pass);
	tcase_add_test(tcase, failures_end_when_etcd_is_back);
	tcase_add_test(tcase, damaged_answers_are_no_versions);
	tcase_add_test(tcase, stops_in_the_middle);
}

int main(void)
{
	return fixture_run("key_history", add);
}
