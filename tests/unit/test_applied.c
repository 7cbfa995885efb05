/* cache/applied.h and cache/version.h: what is older than a change's response, and for how long. */
#include "cache/applied.h"

#include "cache/version.h"
#include "tests/unit/cache_fixture.h"

#define AGE 1000

static const struct snapshot_key *key(const char *name, const char *uid, const char *version)
{
	static struct snapshot_key keys[4];
	static guint next;
	struct snapshot_key *one = &keys[next++ % G_N_ELEMENTS(keys)];

	*one = (struct snapshot_key){"default", name, uid, version};
	return one;
}

/* The visited, as "web there;db gone;". */
static void note(void *data, const struct snapshot_key *seen, gboolean there)
{
	g_string_append_printf(data, "%s %s;", seen->name, there ? "there" : "gone");
}

static void expect_end(struct applied *applied, const char *version, gboolean latest,
	const char *visited, gboolean again)
{
	GString *names = g_string_new(NULL);

	ck_assert_int_eq(applied_list_ended(applied, version, latest, note, names), again);
	ck_assert_str_eq(names->str, visited);
	g_string_free(names, TRUE);
}

START_TEST (versions_compare_as_decimals) {
	int order = 0;

	ck_assert(version_compare("9", "10", &order));
	ck_assert_int_lt(order, 0);
	ck_assert(version_compare("123456789012345678901234567890", "99", &order));
	ck_assert_int_gt(order, 0);
	ck_assert(version_compare("0", "0", &order));
	ck_assert_int_eq(order, 0);
	ck_assert(!version_compare("010", "10", &order));
	ck_assert(!version_compare("", "10", &order));
	ck_assert(!version_compare("1", NULL, &order));
	ck_assert(!version_compare("1a", "2", &order));
	ck_assert(version_is_older("9", "10"));
	ck_assert(!version_is_older("10", "10"));
	ck_assert(!version_is_older("x", "10"));
}
END_TEST

START_TEST (hides_what_is_older) {
	struct applied *applied = applied_create(AGE);

	ck_assert(!applied_hides(applied, key("web", "u", "5")));
	applied_put(applied, key("web", "u", "20"), 0);
	ck_assert(applied_hides(applied, key("web", "u", "9")));
	ck_assert(applied_hides(applied, key("web", "before", "19")));
	ck_assert(applied_hides_removal(applied, key("web", "before", "19")));
	ck_assert(!applied_hides(applied, key("other", "u", "9")));
	ck_assert(!applied_is_empty(applied));
	/* The echo ends it. */
	ck_assert(!applied_hides(applied, key("web", "u", "20")));
	ck_assert(applied_is_empty(applied));
	ck_assert(!applied_hides(applied, key("web", "u", "9")));
	/* So does what cannot be compared. */
	applied_put(applied, key("web", "u", "20"), 0);
	ck_assert(!applied_hides(applied, key("web", "u", "opaque")));
	ck_assert(applied_is_empty(applied));
	/* And a later deletion. */
	applied_put(applied, key("web", "u", "20"), 0);
	ck_assert(!applied_hides_removal(applied, key("web", "u", "21")));
	ck_assert(applied_is_empty(applied));
	applied_destroy(applied);
}
END_TEST

START_TEST (hides_what_was_removed) {
	struct applied *applied = applied_create(AGE);

	applied_remove(applied, key("web", "u", "20"), 0);
	ck_assert(applied_is_removed(applied, key("web", "u", "1")));
	ck_assert(!applied_is_removed(applied, key("web", "v", "1")));
	/* However new. */
	ck_assert(applied_hides(applied, key("web", "u", "99")));
	ck_assert(applied_hides(applied, key("web", "before", "19")));
	ck_assert(!applied_hides(applied, key("web", "after", "21")));
	ck_assert(applied_is_empty(applied));
	applied_remove(applied, key("web", "u", "20"), 0);
	ck_assert(applied_hides_removal(applied, key("web", "before", "19")));
	ck_assert(!applied_hides_removal(applied, key("web", "u", "20")));
	ck_assert(applied_is_empty(applied));
	/* What was created since stays protected. */
	applied_put(applied, key("web", "after", "30"), 0);
	applied_remove(applied, key("web", "u", "20"), 0);
	ck_assert(!applied_is_removed(applied, key("web", "u", "20")));
	ck_assert(applied_hides(applied, key("web", "u", "21")));
	applied_destroy(applied);
}
END_TEST

START_TEST (a_list_ends_what_it_is_newer_than) {
	struct applied *applied = applied_create(AGE);

	applied_put(applied, key("web", "u", "20"), 0);
	applied_list_begun(applied);
	expect_end(applied, "19", FALSE, "web there;", FALSE);
	applied_list_begun(applied);
	expect_end(applied, "20", FALSE, "web gone;", FALSE);
	ck_assert(applied_is_empty(applied));
	/* Without a version, what began before it is older. */
	applied_put(applied, key("web", "u", "20"), 0);
	applied_list_begun(applied);
	applied_put(applied, key("db", "u", "21"), 0);
	expect_end(applied, "", FALSE, "web gone;db there;", FALSE);
	expect_end(applied, "30", FALSE, "db gone;", FALSE);
	/* Removed objects stay so until a list from etcd. */
	applied_remove(applied, key("web", "u", "20"), 0);
	applied_list_begun(applied);
	expect_end(applied, "30", FALSE, "", FALSE);
	ck_assert(applied_is_removed(applied, key("web", "u", "20")));
	applied_list_begun(applied);
	applied_remove(applied, key("db", "u", "20"), 0);
	expect_end(applied, "30", TRUE, "", FALSE);
	ck_assert(!applied_is_removed(applied, key("web", "u", "20")));
	ck_assert(applied_is_removed(applied, key("db", "u", "20")));
	applied_destroy(applied);
}
END_TEST

/* Versions go back when etcd is restored from a backup. */
START_TEST (a_list_from_etcd_is_believed) {
	struct applied *applied = applied_create(AGE);

	applied_put(applied, key("web", "u", "20"), 0);
	applied_remove(applied, key("db", "d", "20"), 0);
	applied_list_begun(applied);
	ck_assert(applied_hides(applied, key("web", "u", "9")));
	ck_assert(applied_hides(applied, key("db", "d", "9")));
	/* They were passed over: once more. */
	expect_end(applied, "10", TRUE, "web there;", TRUE);
	ck_assert(applied_is_empty(applied));
	applied_list_begun(applied);
	ck_assert(!applied_hides(applied, key("web", "u", "9")));
	ck_assert(!applied_hides(applied, key("db", "d", "9")));
	expect_end(applied, "10", TRUE, "", FALSE);
	applied_destroy(applied);
}
END_TEST

START_TEST (ends_with_age) {
	struct applied *applied = applied_create(AGE);
	uint64_t next = 0;

	ck_assert(!applied_expire(applied, 0, &next));
	ck_assert_uint_eq(next, 0);
	applied_put(applied, key("web", "u", "20"), 100);
	applied_put(applied, key("db", "u", "21"), 400);
	ck_assert(!applied_expire(applied, 500, &next));
	ck_assert_uint_eq(next, 600);
	ck_assert(!applied_expire(applied, 1100, &next));
	ck_assert_uint_eq(next, 300);
	ck_assert(!applied_hides(applied, key("web", "u", "1")));
	/* One that hid something may have hidden the truth. */
	ck_assert(applied_hides(applied, key("db", "u", "1")));
	ck_assert(applied_expire(applied, 1400, &next));
	ck_assert_uint_eq(next, 0);
	ck_assert(applied_is_empty(applied));
	/* A later change makes it young again. */
	applied_put(applied, key("web", "u", "20"), 0);
	applied_put(applied, key("web", "u", "22"), 900);
	ck_assert(!applied_expire(applied, 1000, &next));
	ck_assert_uint_eq(next, 900);
	applied_clear(applied);
	ck_assert(applied_is_empty(applied));
	applied_destroy(applied);
}
END_TEST

START_TEST (is_bounded) {
	struct applied *applied = applied_create(AGE);

	for (int i = 0; i <= APPLIED_MAX; i++) {
		g_autofree char *name = g_strdup_printf("web-%d", i);

		applied_put(applied, key(name, "u", "20"), 0);
	}
	ck_assert(!applied_hides(applied, key("web-0", "u", "1")));
	ck_assert(applied_hides(applied, key("web-1", "u", "1")));
	applied_destroy(applied);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, versions_compare_as_decimals);
	tcase_add_test(tcase, hides_what_is_older);
	tcase_add_test(tcase, hides_what_was_removed);
	tcase_add_test(tcase, a_list_ends_what_it_is_newer_than);
	tcase_add_test(tcase, a_list_from_etcd_is_believed);
	tcase_add_test(tcase, ends_with_age);
	tcase_add_test(tcase, is_bounded);
}

int main(void)
{
	return fixture_run("applied", add);
}
