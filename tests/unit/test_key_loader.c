/* cache/key_loader.h: what requests a directory of keys takes, and that it is read truly. */
#include "cache/key_loader.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_etcd.h"
#include "tests/unit/key_generate.h"

struct fixture {
	struct engine engine;
	struct strand *strand;
	struct fake_etcd *fake;
	struct tally done;
	int errnum;
	int64_t revision;
	gboolean knows_all;
	GPtrArray *hops;
	int64_t expected;
	GHashTable *names; /* GBytes -> "k", "d" or "kd" */
	struct key_loader *loader;
};

static void setup(struct fixture *fixture)
{
	*fixture = (struct fixture){.fake = fake_etcd_create()};
	engine_init(&fixture->engine, 2);
	fixture->strand = strand_create(fixture->engine.pool);
	tally_init(&fixture->done);
	fixture->hops = key_loader_hops_create();
	fixture->names = g_hash_table_new_full(
		g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
}

static void finish(struct fixture *fixture)
{
	etcd_client_destroy(fake_etcd_client(fixture->fake));
	strand_unref(fixture->strand);
	engine_finish(&fixture->engine);
	tally_finish(&fixture->done);
	g_ptr_array_unref(fixture->hops);
	g_hash_table_destroy(fixture->names);
	fake_etcd_unref(fixture->fake);
}

static void note(struct fixture *fixture, const char *name, size_t length, guint what)
{
	GBytes *bytes = g_bytes_new(name, length);
	guint before = GPOINTER_TO_UINT(g_hash_table_lookup(fixture->names, bytes));

	ck_assert_msg((before & what) == 0, "%.*s was told twice", (int)length, name);
	g_hash_table_replace(fixture->names, bytes, GUINT_TO_POINTER(before | what));
}

static void on_directory(void *data, const char *name, size_t length)
{
	note(data, name, length, 2);
}

static gboolean on_known(void *data, const char *name, size_t length, const struct etcd_kv *kv)
{
	struct fixture *fixture = data;

	if (fixture->knows_all)
		note(fixture, name, length, 1);
	return fixture->knows_all;
}

static void on_key(void *data, const char *name, size_t length, const struct etcd_kv *kv)
{
	note(data, name, length, 1);
	ck_assert_ptr_nonnull(kv->value);
	/* The value of each key is the key. */
	ck_assert(g_bytes_equal(kv->value, kv->key));
}

static void on_done(void *data, const struct etcd_result *result, int64_t revision)
{
	struct fixture *fixture = data;

	fixture->errnum = result->errnum;
	fixture->revision = revision;
	tally_add(&fixture->done);
}

static const struct key_loader_handlers handlers = {
	.directory = on_directory,
	.known = on_known,
	.key = on_key,
	.done = on_done,
};

struct start {
	struct fixture *fixture;
	const struct key_scope *scope;
};

static void run_start(void *data)
{
	struct start *start = data;
	struct fixture *fixture = start->fixture;

	fixture->loader = key_loader_start(fake_etcd_client(fixture->fake), start->scope,
		fixture->hops, fixture->expected, &handlers, fixture, fixture->strand);
}

static void load_scope(struct fixture *fixture, const struct key_scope *scope)
{
	struct start start = {fixture, scope};
	unsigned int before = tally_get(&fixture->done);

	g_hash_table_remove_all(fixture->names);
	fake_etcd_forget_count(fixture->fake);
	strand_post(fixture->strand, run_start, &start);
	tally_reach(&fixture->done, before + 1);
}

static void load(struct fixture *fixture, const char *prefix)
{
	g_autoptr(GBytes) bytes = g_bytes_new(prefix, strlen(prefix));

	load_scope(fixture, &(struct key_scope){.prefix = bytes});
}

static void put(struct fixture *fixture, const char *format, unsigned int number)
{
	char key[100];

	g_snprintf(key, sizeof(key), "%s%u", format, number);
	fake_etcd_put(fixture->fake, key, key);
}

static void expect_count(struct fixture *fixture, unsigned int ranges, unsigned int values)
{
	struct fake_etcd_count count;

	fake_etcd_get_count(fixture->fake, &count);
	ck_assert_msg(count.ranges <= ranges, "%u requests", count.ranges);
	ck_assert_msg(count.values <= values, "%u values", count.values);
}

START_TEST (hops_past_subdirectories) {
	struct fixture fixture;

	setup(&fixture);
	for (unsigned int i = 0; i < 30; i++) {
		g_autofree char *format = g_strdup_printf("/registry/kind%02u/object", i);

		for (unsigned int j = 0; j < 100; j++)
			put(&fixture, format, j);
	}
	load(&fixture, "/registry/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 30);
	expect_count(&fixture, 31, 0);
	finish(&fixture);
}
END_TEST

/* In each of so many directories. */
#define CROWD (2 * KEY_LOADER_CROWD)

static void put_crowd(struct fixture *fixture, unsigned int directories)
{
	for (unsigned int i = 0; i < directories; i++) {
		g_autofree char *format = g_strdup_printf("/tree/%03u/key", i);

		for (unsigned int j = 0; j < CROWD / directories; j++)
			put(fixture, format, j);
	}
}

START_TEST (hops_within_narrow_ranges_before_a_crowd) {
	struct fake_etcd_count count;
	struct fixture fixture;

	setup(&fixture);
	put_crowd(&fixture, 100);
	load(&fixture, "/tree/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 100);
	expect_count(&fixture, 120, 0);
	fake_etcd_get_count(fixture.fake, &count);
	/* Hop by hop to the end it would be half the crowd for each directory. */
	ck_assert_uint_le(count.counted, (uint64_t)CROWD * 4);
	/* Then it is known where to look. */
	load(&fixture, "/tree/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 100);
	fake_etcd_get_count(fixture.fake, &count);
	ck_assert_uint_le(count.counted, (uint64_t)CROWD / 10);
	expect_count(&fixture, 120, 0);
	finish(&fixture);
}
END_TEST

START_TEST (reads_a_leaf_in_big_pages) {
	struct fixture fixture;

	setup(&fixture);
	for (unsigned int i = 0; i < 5000; i++)
		put(&fixture, "/leaf/key", i);
	load(&fixture, "/leaf/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 5000);
	expect_count(&fixture, 15, 5000);
	/* What is known is not transferred again. */
	fixture.knows_all = TRUE;
	load(&fixture, "/leaf/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 5000);
	expect_count(&fixture, 15, 0);
	finish(&fixture);
}
END_TEST

START_TEST (reads_at_once_what_is_expected) {
	struct fixture fixture;

	setup(&fixture);
	for (unsigned int i = 0; i < 1000; i++)
		put(&fixture, "/leaf/key", i);
	fixture.expected = 950;
	load(&fixture, "/leaf/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 1000);
	expect_count(&fixture, 1, 1000);
	/* There are more, or there is something else. */
	fixture.expected = 100;
	load(&fixture, "/leaf/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 1000);
	expect_count(&fixture, 2, 1000);
	load(&fixture, "/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 1);
	expect_count(&fixture, 2, 113);
	finish(&fixture);
}
END_TEST

START_TEST (reads_small_subdirectories_in_big_pages) {
	struct fixture fixture;

	setup(&fixture);
	for (unsigned int i = 0; i < 3000; i++) {
		g_autofree char *key = g_strdup_printf("/tree/%u/only", i);

		fake_etcd_put(fixture.fake, key, key);
	}
	load(&fixture, "/tree/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 3000);
	expect_count(&fixture, 15, 0);
	finish(&fixture);
}
END_TEST

static void put_big(void *data)
{
	struct fixture *fixture = data;

	/* Not seen: the revision of the first page holds. */
	put(fixture, "/leaf/zz", 0);
	fake_etcd_delete(fixture->fake, "/leaf/key99");
}

START_TEST (reads_all_at_one_revision) {
	struct fixture fixture;

	setup(&fixture);
	for (unsigned int i = 0; i < 100; i++)
		put(&fixture, "/leaf/key", i);
	fake_etcd_interject(fixture.fake, put_big, &fixture);
	load(&fixture, "/leaf/");
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 100);
	ck_assert_int_eq(fixture.revision, 101);
	finish(&fixture);
}
END_TEST

START_TEST (tells_of_failure) {
	struct fixture fixture;

	setup(&fixture);
	put(&fixture, "/leaf/key", 0);
	fake_etcd_refuse(fixture.fake, EACCES);
	load(&fixture, "/leaf/");
	ck_assert_int_eq(fixture.errnum, EACCES);
	fake_etcd_refuse(fixture.fake, 0);
	load(&fixture, "/none/");
	ck_assert_int_eq(fixture.errnum, 0);
	ck_assert_uint_eq(g_hash_table_size(fixture.names), 0);
	finish(&fixture);
}
END_TEST

/* Every directory that a set of keys has lists each of its names exactly once. */
static void check_scope(struct fixture *fixture, const struct key_scope *scope, GPtrArray *keys)
{
	g_autoptr(GHashTable) wanted = g_hash_table_new_full(
		g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
	struct fake_etcd_count count;
	GHashTableIter iter;
	void *name;
	void *what;

	for (guint i = 0; i < keys->len; i++) {
		struct key_part part;
		GBytes *bytes;
		guint before;

		if (!key_scope_find(scope, g_ptr_array_index(keys, i), &part))
			continue;
		bytes = g_bytes_new(part.name, part.length);
		before = GPOINTER_TO_UINT(g_hash_table_lookup(wanted, bytes));
		g_hash_table_replace(
			wanted, bytes, GUINT_TO_POINTER(before | (part.deeper ? 2 : 1)));
	}
	load_scope(fixture, scope);
	ck_assert_int_eq(fixture->errnum, 0);
	ck_assert_uint_eq(g_hash_table_size(fixture->names), g_hash_table_size(wanted));
	g_hash_table_iter_init(&iter, wanted);
	while (g_hash_table_iter_next(&iter, &name, &what))
		ck_assert_ptr_eq(g_hash_table_lookup(fixture->names, name), what);
	fake_etcd_get_count(fixture->fake, &count);
	/* Two a name at most: one that finds a key, one that brings its value. */
	ck_assert_uint_le(count.ranges, 2 * g_hash_table_size(wanted) + 3);
}

START_TEST (reads_any_keys) {
	g_autoptr(GRand) random = g_rand_new_with_seed((guint32)_i);
	g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
	g_autoptr(GBytes) slash = g_bytes_new("/", 1);
	g_autoptr(GBytes) last = g_bytes_new("/\xff\xff", 3);
	g_autoptr(GPtrArray) keys = generate_keys(random, none, 600);
	struct fixture fixture;

	setup(&fixture);
	for (guint i = 0; i < keys->len; i++) {
		GBytes *key = g_ptr_array_index(keys, i);

		fake_etcd_put_bytes(fixture.fake, key, key, 0);
	}
	check_scope(&fixture, &(struct key_scope){.prefix = none}, keys);
	check_scope(&fixture, &(struct key_scope){.prefix = none, .slashless = TRUE}, keys);
	check_scope(&fixture, &(struct key_scope){.prefix = slash}, keys);
	check_scope(&fixture, &(struct key_scope){.prefix = slash, .slashless = TRUE}, keys);
	check_scope(&fixture, &(struct key_scope){.prefix = last}, keys);
	for (guint i = 0; i < keys->len; i += 7) {
		size_t length;
		const char *key = g_bytes_get_data(g_ptr_array_index(keys, i), &length);
		const char *end = memrchr(key, '/', length);
		g_autoptr(GBytes) prefix = NULL;

		if (end == NULL)
			continue;
		prefix = g_bytes_new(key, (size_t)(end - key) + 1);
		fixture.expected = g_rand_int_range(random, 0, 100);
		check_scope(&fixture, &(struct key_scope){.prefix = prefix}, keys);
	}
	finish(&fixture);
}
END_TEST

/* As the first load did not find them: keys came and went, also those at which hops end. */
START_TEST (reads_any_keys_again) {
	g_autoptr(GRand) random = g_rand_new_with_seed((guint32)_i);
	g_autoptr(GBytes) none = g_bytes_new(NULL, 0);
	g_autoptr(GPtrArray) keys = generate_keys(random, none, 400);
	const struct key_scope scope = {.prefix = none};
	struct fixture fixture;

	setup(&fixture);
	for (unsigned int round = 0; round < 20; round++) {
		g_autoptr(GPtrArray) there = g_ptr_array_new();

		for (guint i = 0; i < keys->len; i++) {
			GBytes *key = g_ptr_array_index(keys, i);

			if (g_rand_int_range(random, 0, 4) > 0) {
				fake_etcd_put_bytes(fixture.fake, key, key, 0);
				g_ptr_array_add(there, key);
			} else {
				fake_etcd_delete_bytes(fixture.fake, key);
			}
		}
		check_scope(&fixture, &scope, there);
	}
	finish(&fixture);
}
END_TEST

static void run_cancel(void *data)
{
	struct fixture *fixture = data;

	key_loader_cancel(fixture->loader);
}

START_TEST (can_be_cancelled) {
	g_autoptr(GBytes) prefix = g_bytes_new("/leaf/", 6);
	struct key_scope scope = {.prefix = prefix};
	struct fixture fixture;
	struct start start = {&fixture, &scope};

	setup(&fixture);
	put(&fixture, "/leaf/key", 0);
	fake_etcd_hold(fixture.fake, TRUE);
	strand_post(fixture.strand, run_start, &start);
	strand_post(fixture.strand, run_cancel, &fixture);
	tally_reach(&fixture.done, 1);
	ck_assert_int_eq(fixture.errnum, ECANCELED);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	/* Else built with so few that these take more requests. */
	if (KEY_LOADER_CROWD >= 1000) {
		tcase_add_test(tcase, hops_past_subdirectories);
		tcase_add_test(tcase, hops_within_narrow_ranges_before_a_crowd);
		tcase_add_test(tcase, reads_at_once_what_is_expected);
	}
	tcase_add_test(tcase, reads_a_leaf_in_big_pages);
	tcase_add_test(tcase, reads_small_subdirectories_in_big_pages);
	tcase_add_test(tcase, reads_all_at_one_revision);
	tcase_add_test(tcase, tells_of_failure);
	tcase_add_loop_test(tcase, reads_any_keys, 0, 4);
	tcase_add_loop_test(tcase, reads_any_keys_again, 0, 4);
	tcase_add_test(tcase, can_be_cancelled);
}

int main(void)
{
	return fixture_run("key_loader", add);
}
