#include "client/authority.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/temporary.h"

#define SOON_MS 20U
#define NEVER_MS (3600U * 1000U)

static char *pem(const char *name)
{
	return g_strdup_printf(
		"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n", name);
}

static void put(const char *name)
{
	g_autofree char *text = pem(name);

	temporary_put("ca.crt", text);
}

/* An authority that was read from ca.crt, which holds this. */
static struct authority *begin(const char *name, unsigned int lifetime)
{
	g_autofree char *text = pem(name);
	g_autofree char *path = temporary_write("ca.crt", text, 0600);
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));

	return authority_create(bytes, path, lifetime);
}

static gboolean holds(struct authority *authority, const char *name)
{
	g_autofree char *text = pem(name);
	g_autoptr(GBytes) wanted = g_bytes_new(text, strlen(text));
	g_autoptr(GBytes) bytes = authority_get(authority);

	return g_bytes_equal(bytes, wanted);
}

static void reach(struct authority *authority, const char *name)
{
	gint64 began = g_get_monotonic_time();

	while (!holds(authority, name)) {
		ck_assert_int_lt(g_get_monotonic_time() - began, 20 * G_USEC_PER_SEC);
		g_usleep(1000);
	}
}

/* Asks often enough for the file to be read several times. */
static void expect_still(struct authority *authority, const char *name)
{
	for (unsigned int i = 0; i < 10; i++) {
		ck_assert(holds(authority, name));
		g_usleep(SOON_MS * 1000);
	}
}

START_TEST (a_file_is_read_again) {
	struct authority *authority = begin("one", SOON_MS);

	expect_still(authority, "one");
	put("two");
	reach(authority, "two");
	put("three");
	reach(authority, "three");
	authority_unref(authority);
}
END_TEST

START_TEST (what_cannot_be_read_changes_nothing) {
	struct authority *authority = begin("one", SOON_MS);
	g_autofree char *path = temporary_path("ca.crt");

	ck_assert_int_eq(g_remove(path), 0);
	expect_still(authority, "one");
	temporary_put("ca.crt", "");
	expect_still(authority, "one");
	temporary_put("ca.crt", "no certificate");
	expect_still(authority, "one");
	put("two");
	reach(authority, "two");
	authority_unref(authority);
}
END_TEST

START_TEST (a_doubt_reads_it_sooner_but_not_at_once) {
	gint64 began = g_get_monotonic_time();
	struct authority *authority = begin("one", NEVER_MS);

	put("two");
	expect_still(authority, "one");
	authority_doubt(authority);
	reach(authority, "two");
	/* Since it was read first. */
	ck_assert_int_ge(g_get_monotonic_time() - began, (AUTHORITY_DOUBT_MS - 1) * 1000);
	/* One doubt, one reading. */
	put("three");
	g_usleep((AUTHORITY_DOUBT_MS + 200) * 1000);
	expect_still(authority, "two");
	authority_unref(authority);
}
END_TEST

START_TEST (what_was_given_stays) {
	g_autofree char *text = pem("one");
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
	struct authority *authority = authority_create(bytes, NULL, 0);

	authority_doubt(authority);
	expect_still(authority, "one");
	ck_assert_ptr_null(authority_unref(authority));
	ck_assert_ptr_null(authority_unref(NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("authority");
	TCase *tcase = tcase_create("authority");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, temporary_create, temporary_destroy);
	tcase_add_test(tcase, a_file_is_read_again);
	tcase_add_test(tcase, what_cannot_be_read_changes_nothing);
	tcase_add_test(tcase, a_doubt_reads_it_sooner_but_not_at_once);
	tcase_add_test(tcase, what_was_given_stays);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
