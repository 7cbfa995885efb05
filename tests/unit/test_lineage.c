/* kubefs/lineage.h: what each process saved last of each object, up to a number and a size. */
#include "kubefs/lineage.h"

#include <string.h>

#include "tests/unit/place_fixture.h"

struct fixture {
	struct place_fixture base;
	struct lineages *lineages;
};

static void setup(struct fixture *fixture)
{
	place_fixture_setup(&fixture->base);
	fixture->lineages = lineages_create();
	lineages_destroy(NULL);
}

static void finish(struct fixture *fixture)
{
	lineages_destroy(fixture->lineages);
	place_fixture_finish(&fixture->base);
}

static void remember(
	struct fixture *fixture, struct process *process, const char *name, const char *text)
{
	struct place place = place_fixture_map(&fixture->base, name);
	g_autoptr(GBytes) bytes = bytes_of(text);

	lineages_remember(fixture->lineages, process, &place, bytes, NULL);
}

static void expect_of(struct fixture *fixture, struct process *process, const struct place *place,
	const char *text, gboolean uncertain)
{
	/* Not zeroed: that is its duty. */
	struct lineage lineage LINEAGE_CLEANUP = {.uncertain = !uncertain};

	lineages_find(fixture->lineages, process, place, &lineage);
	ck_assert(lineage.uncertain == uncertain);
	if (text != NULL)
		bytes_expect(lineage.text, text);
	else
		ck_assert_ptr_null(lineage.text);
}

static void expect(struct fixture *fixture, struct process *process, const char *name,
	const char *text, gboolean uncertain)
{
	struct place place = place_fixture_map(&fixture->base, name);

	expect_of(fixture, process, &place, text, uncertain);
}

START_TEST (each_process_has_its_own) {
	struct fixture fixture;

	setup(&fixture);
	expect(&fixture, fixture.base.self, "a", NULL, FALSE);
	remember(&fixture, fixture.base.self, "a", "1");
	remember(&fixture, fixture.base.process, "a", "2");
	remember(&fixture, fixture.base.self, "b", "3");
	expect(&fixture, fixture.base.self, "a", "1", FALSE);
	expect(&fixture, fixture.base.process, "a", "2", FALSE);
	expect(&fixture, fixture.base.self, "b", "3", FALSE);
	remember(&fixture, fixture.base.self, "a", "4");
	expect(&fixture, fixture.base.self, "a", "4", FALSE);
	/* Of nobody nothing is known. */
	remember(&fixture, NULL, "a", "5");
	expect(&fixture, NULL, "a", NULL, FALSE);
	finish(&fixture);
}
END_TEST

START_TEST (each_file_of_an_object_but_its_format_counts) {
	struct fixture fixture;
	struct place place;

	setup(&fixture);
	remember(&fixture, fixture.base.self, "a", "1");
	place = place_fixture_map(&fixture.base, "a");
	place.format = NODE_JSON;
	expect_of(&fixture, fixture.base.self, &place, "1", FALSE);
	place.kind = PLACE_STATUS;
	expect_of(&fixture, fixture.base.self, &place, NULL, FALSE);
	finish(&fixture);
}
END_TEST

START_TEST (keeps_what_was_stored) {
	struct fixture fixture;
	struct snapshot *snapshot = NULL;
	struct place place;
	g_autoptr(GBytes) text = bytes_of("1");
	struct lineage lineage LINEAGE_CLEANUP = {0};

	setup(&fixture);
	snapshot = fixture_snapshot("default", "a", "7", "");
	place = place_fixture_map(&fixture.base, "a");
	lineages_remember(fixture.lineages, fixture.base.self, &place, text, snapshot);
	lineages_find(fixture.lineages, fixture.base.self, &place, &lineage);
	ck_assert_ptr_eq(lineage.stored, snapshot);
	/* It is the holder's, whatever comes next. */
	remember(&fixture, fixture.base.self, "a", "2");
	snapshot_unref(snapshot);
	ck_assert_str_eq(lineage.stored->version, "7");
	finish(&fixture);
}
END_TEST

START_TEST (a_doubt_lasts_until_the_next_good_save) {
	struct fixture fixture;
	struct place place;

	setup(&fixture);
	place = place_fixture_map(&fixture.base, "a");
	lineages_doubt(fixture.lineages, NULL, &place);
	lineages_doubt(fixture.lineages, fixture.base.self, &place);
	expect(&fixture, fixture.base.self, "a", NULL, TRUE);
	expect(&fixture, fixture.base.process, "a", NULL, FALSE);
	remember(&fixture, fixture.base.self, "a", "1");
	expect(&fixture, fixture.base.self, "a", "1", FALSE);
	lineages_doubt(fixture.lineages, fixture.base.self, &place);
	expect(&fixture, fixture.base.self, "a", "1", TRUE);
	remember(&fixture, fixture.base.self, "a", "2");
	expect(&fixture, fixture.base.self, "a", "2", FALSE);
	finish(&fixture);
}
END_TEST

static char *name_of(guint number)
{
	return g_strdup_printf("object-%u", number);
}

START_TEST (the_oldest_goes_first) {
	struct fixture fixture;

	setup(&fixture);
	for (guint i = 0; i < LINEAGES_MAX; i++) {
		g_autofree char *name = name_of(i);

		remember(&fixture, fixture.base.self, name, name);
	}
	remember(&fixture, fixture.base.self, "object-0", "anew");
	remember(&fixture, fixture.base.self, "one more", "1");
	expect(&fixture, fixture.base.self, "object-0", "anew", FALSE);
	expect(&fixture, fixture.base.self, "object-1", NULL, FALSE);
	expect(&fixture, fixture.base.self, "object-2", "object-2", FALSE);
	finish(&fixture);
}
END_TEST

START_TEST (they_take_only_so_many_bytes) {
	struct fixture fixture;
	g_autofree char *half = g_strnfill(LINEAGES_BYTES_MAX / 2, 'x');

	setup(&fixture);
	remember(&fixture, fixture.base.self, "a", half);
	remember(&fixture, fixture.base.self, "b", half);
	/* What takes its own place takes no more. */
	remember(&fixture, fixture.base.self, "b", half);
	expect(&fixture, fixture.base.self, "a", half, FALSE);
	remember(&fixture, fixture.base.self, "c", "1");
	expect(&fixture, fixture.base.self, "a", NULL, FALSE);
	expect(&fixture, fixture.base.self, "b", half, FALSE);
	expect(&fixture, fixture.base.self, "c", "1", FALSE);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, each_process_has_its_own);
	tcase_add_test(tcase, each_file_of_an_object_but_its_format_counts);
	tcase_add_test(tcase, keeps_what_was_stored);
	tcase_add_test(tcase, a_doubt_lasts_until_the_next_good_save);
	tcase_add_test(tcase, the_oldest_goes_first);
	tcase_add_test(tcase, they_take_only_so_many_bytes);
}

int main(void)
{
	return fixture_run("lineage", add);
}
