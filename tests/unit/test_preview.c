/* kubefs/preview.h: the last dry run of each object, up to a number. */
#include "kubefs/preview.h"

#include "tests/unit/place_fixture.h"

struct fixture {
	struct place_fixture base;
	struct previews *previews;
};

static void setup(struct fixture *fixture)
{
	place_fixture_setup(&fixture->base);
	fixture->previews = previews_create();
	previews_destroy(NULL);
}

static void finish(struct fixture *fixture)
{
	previews_destroy(fixture->previews);
	place_fixture_finish(&fixture->base);
}

static void put(struct fixture *fixture, const char *name, const char *version)
{
	struct place place = place_fixture_map(&fixture->base, name);
	struct snapshot *snapshot SNAPSHOT_CLEANUP = fixture_snapshot("default", name, version, "");

	previews_put(fixture->previews, &place, snapshot);
}

static void expect(struct fixture *fixture, const char *name, const char *version)
{
	struct place place = place_fixture_map(&fixture->base, name);
	struct snapshot *found SNAPSHOT_CLEANUP = NULL;

	place.format = NODE_JSON;
	place.kind = PLACE_STATUS;
	found = previews_find(fixture->previews, &place);
	ck_assert((found != NULL) == (version != NULL));
	if (found != NULL)
		ck_assert_str_eq(found->version, version);
}

START_TEST (shows_the_last_one) {
	struct fixture fixture;
	struct place place;

	setup(&fixture);
	expect(&fixture, "a", NULL);
	put(&fixture, "a", "1");
	put(&fixture, "b", "2");
	put(&fixture, "a", "3");
	expect(&fixture, "a", "3");
	expect(&fixture, "b", "2");
	place = place_fixture_map(&fixture.base, "a");
	place.context = fixture.base.other;
	ck_assert_ptr_null(previews_find(fixture.previews, &place));
	finish(&fixture);
}
END_TEST

START_TEST (the_oldest_goes_first) {
	struct fixture fixture;

	setup(&fixture);
	for (guint i = 0; i < PREVIEWS_MAX; i++) {
		g_autofree char *name = g_strdup_printf("object-%u", i);

		put(&fixture, name, "1");
	}
	put(&fixture, "object-0", "2");
	expect(&fixture, "object-1", "1");
	put(&fixture, "one more", "1");
	expect(&fixture, "object-0", "2");
	expect(&fixture, "object-1", NULL);
	expect(&fixture, "object-2", "1");
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, shows_the_last_one);
	tcase_add_test(tcase, the_oldest_goes_first);
}

int main(void)
{
	return fixture_run("preview", add);
}
