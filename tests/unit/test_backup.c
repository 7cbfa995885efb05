/* kubefs/backup.h: who has moved which object aside, and to what name. */
#include "kubefs/backup.h"

#include "tests/unit/place_fixture.h"

struct fixture {
	struct place_fixture base;
	struct backups *backups;
};

static void setup(struct fixture *fixture)
{
	place_fixture_setup(&fixture->base);
	fixture->backups = backups_create();
	backups_destroy(NULL);
}

static void finish(struct fixture *fixture)
{
	backups_destroy(fixture->backups);
	place_fixture_finish(&fixture->base);
}

static void move(
	struct fixture *fixture, struct process *process, const char *from, const char *name)
{
	struct place place = place_fixture_map(&fixture->base, from);

	backups_add(fixture->backups, process, &place, "d", name);
}

static void expect(
	struct fixture *fixture, struct process *process, const char *from, const char *wanted)
{
	struct place place = place_fixture_map(&fixture->base, from);
	g_autofree char *directory = NULL;
	g_autofree char *name = NULL;

	/* In whatever form. */
	place.format = NODE_JSON;
	ck_assert(backups_find(fixture->backups, process, &place, &directory, &name) ==
		  (wanted != NULL));
	if (wanted != NULL)
		ck_assert_str_eq(directory, "d");
	ck_assert_int_eq(g_strcmp0(name, wanted), 0);
}

START_TEST (a_backup_is_one_processs) {
	struct fixture fixture;

	setup(&fixture);
	expect(&fixture, fixture.base.self, "a", NULL);
	move(&fixture, fixture.base.self, "a", "a~");
	move(&fixture, fixture.base.process, "a", "a.bak");
	move(&fixture, NULL, "b", "b~");
	expect(&fixture, fixture.base.self, "a", "a~");
	expect(&fixture, fixture.base.process, "a", "a.bak");
	expect(&fixture, fixture.base.self, "b", NULL);
	expect(&fixture, NULL, "b", NULL);
	finish(&fixture);
}
END_TEST

START_TEST (the_last_one_counts) {
	struct fixture fixture;

	setup(&fixture);
	move(&fixture, fixture.base.self, "a", "first");
	move(&fixture, fixture.base.self, "a", "second");
	expect(&fixture, fixture.base.self, "a", "second");
	finish(&fixture);
}
END_TEST

START_TEST (each_of_them_is_one) {
	struct fixture fixture;
	struct place place;

	setup(&fixture);
	place = place_fixture_map(&fixture.base, "a");
	move(&fixture, fixture.base.self, "a", "first");
	move(&fixture, fixture.base.self, "a", "second");
	ck_assert(backups_is_one(fixture.backups, fixture.base.self, &place, "d", "first"));
	ck_assert(backups_is_one(fixture.backups, fixture.base.self, &place, "d", "second"));
	ck_assert(!backups_is_one(fixture.backups, fixture.base.self, &place, "d", "third"));
	ck_assert(!backups_is_one(fixture.backups, fixture.base.self, &place, "e", "first"));
	ck_assert(!backups_is_one(fixture.backups, fixture.base.process, &place, "d", "first"));
	ck_assert(!backups_is_one(fixture.backups, NULL, &place, "d", "first"));
	finish(&fixture);
}
END_TEST

START_TEST (the_oldest_is_forgotten_first) {
	struct fixture fixture;

	setup(&fixture);
	move(&fixture, fixture.base.self, "a", "a~");
	move(&fixture, fixture.base.self, "b", "b~");
	for (guint i = 1; i < BACKUPS_MAX; i++)
		move(&fixture, fixture.base.self, "c", "c~");
	expect(&fixture, fixture.base.self, "a", NULL);
	expect(&fixture, fixture.base.self, "b", "b~");
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_backup_is_one_processs);
	tcase_add_test(tcase, the_last_one_counts);
	tcase_add_test(tcase, each_of_them_is_one);
	tcase_add_test(tcase, the_oldest_is_forgotten_first);
}

int main(void)
{
	return fixture_run("backup", add);
}
