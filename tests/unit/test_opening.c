/* kubefs/opening.h: a name means a draft to the one thread that is about to open it. */
#include "kubefs/opening.h"

#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_clock.h"

static struct local_usage usage;

static struct local *begin(
	struct openings *openings, pid_t thread, const char *directory, const char *name)
{
	struct local *local = local_create(&usage, 0644, 07777);

	openings_begin(openings, thread, directory, name, local);
	local_unref(local);
	/* The openings hold it. */
	return local;
}

static void expect(struct openings *openings, pid_t thread, const char *directory, const char *name,
	const struct local *wanted)
{
	struct local *found = openings_find(openings, thread, directory, name);

	ck_assert_ptr_eq(found, wanted);
	local_unref(found);
}

static void finish(struct openings *openings)
{
	openings_destroy(openings);
	ck_assert_int_eq(usage.files, 0);
}

START_TEST (a_name_means_it_to_one_thread) {
	struct openings *openings = openings_create();
	const struct local *first;
	const struct local *second;

	openings_destroy(NULL);
	expect(openings, 1, "d", "a", NULL);
	first = begin(openings, 1, "d", "a");
	second = begin(openings, 2, "d", "a");
	/* The kernel looks twice. */
	for (int i = 0; i < 2; i++) {
		expect(openings, 1, "d", "a", first);
		expect(openings, 2, "d", "a", second);
		expect(openings, 3, "d", "a", NULL);
		expect(openings, 1, "d", "b", NULL);
		expect(openings, 1, "e", "a", NULL);
	}
	openings_end(openings, 1);
	openings_end(openings, 3);
	expect(openings, 1, "d", "a", NULL);
	expect(openings, 2, "d", "a", second);
	finish(openings);
}
END_TEST

START_TEST (a_thread_opens_one_at_a_time) {
	struct openings *openings = openings_create();
	const struct local *last;

	begin(openings, 1, "d", "a");
	last = begin(openings, 1, "d", "b");
	expect(openings, 1, "d", "a", NULL);
	expect(openings, 1, "d", "b", last);
	ck_assert_int_eq(usage.files, 1);
	finish(openings);
}
END_TEST

START_TEST (there_are_only_so_many) {
	struct openings *openings = openings_create();
	const struct local *second;

	begin(openings, 1, "d", "a");
	second = begin(openings, 2, "d", "a");
	for (pid_t thread = 3; thread <= OPENINGS_MAX + 1; thread++)
		begin(openings, thread, "d", "a");
	ck_assert_int_eq(usage.files, OPENINGS_MAX);
	expect(openings, 1, "d", "a", NULL);
	expect(openings, 2, "d", "a", second);
	finish(openings);
}
END_TEST

START_TEST (who_never_comes_back_is_forgotten) {
	struct openings *openings = openings_create();
	const struct local *late;

	begin(openings, 1, "d", "a");
	fake_clock_pass(OPENINGS_MS / 2);
	late = begin(openings, 2, "d", "a");
	fake_clock_pass(OPENINGS_MS / 2);
	/* Without that others begin: else this thread would see its draft for good. */
	expect(openings, 1, "d", "a", NULL);
	expect(openings, 2, "d", "a", late);
	begin(openings, 3, "d", "a");
	ck_assert_int_eq(usage.files, 2);
	finish(openings);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_name_means_it_to_one_thread);
	tcase_add_test(tcase, a_thread_opens_one_at_a_time);
	tcase_add_test(tcase, there_are_only_so_many);
	tcase_add_test(tcase, who_never_comes_back_is_forgotten);
}

int main(void)
{
	return fixture_run("opening", add);
}
