/* kubefs/scale.h: one question to the server for all who look, an answer for a moment. */
#include "kubefs/scale.h"

#include <errno.h>
#include <string.h>

#include "kubefs/log.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/write_fixture.h"

struct fixture {
	struct write_fixture base;
	struct scales *scales;
	struct place place;
	struct tally woken;
};

static void setup(struct fixture *fixture)
{
	write_fixture_setup(&fixture->base);
	put_app(&fixture->base, "app");
	fixture->scales = fixture->base.filesystem->scales;
	fixture->place = map_place(&fixture->base, "app");
	fixture->place.resource = fixture->base.apps;
	fixture->place.kind = PLACE_SCALE;
	tally_init(&fixture->woken);
}

static void finish(struct fixture *fixture)
{
	write_fixture_finish(&fixture->base);
	tally_finish(&fixture->woken);
	scales_destroy(NULL);
}

/* Without waiting. */
static int try(struct fixture *fixture, GBytes **ret)
{
	g_autoptr(GError) error = NULL;
	int r = scales_look(fixture->scales, &fixture->place, NULL, NULL, ret, &error);

	ck_assert((r == 0 || r == -EINPROGRESS) == (error == NULL));
	return r;
}

static int wait_for(struct fixture *fixture, GBytes **ret)
{
	for (;;) {
		unsigned int before = tally_get(&fixture->woken);
		int r = scales_look(
			fixture->scales, &fixture->place, tally_add, &fixture->woken, ret, NULL);

		if (r != -EINPROGRESS)
			return r;
		tally_reach(&fixture->woken, before + 1);
	}
}

static void expect(struct fixture *fixture, const char *wanted)
{
	g_autoptr(GBytes) text = NULL;

	ck_assert_int_eq(wait_for(fixture, &text), 0);
	bytes_expect(text, wanted);
}

static void expect_asked(struct fixture *fixture, unsigned int count)
{
	ck_assert_uint_eq(fake_count(fixture->base.fake, FAKE_GET), count);
}

START_TEST (an_answer_is_good_for_a_moment) {
	struct fixture fixture;

	setup(&fixture);
	expect(&fixture, "3\n");
	g_free(fake_cluster_set(fixture.base.cluster, "app", "spec", "replicas", "4"));
	expect(&fixture, "3\n");
	expect_asked(&fixture, 1);
	fake_clock_pass(SCALE_MS);
	expect(&fixture, "4\n");
	expect_asked(&fixture, 2);
	finish(&fixture);
}
END_TEST

START_TEST (none_are_zero) {
	struct fixture fixture;

	setup(&fixture);
	fake_source_answer(fixture.base.fake, FAKE_GET, NULL, NULL);
	ck_assert_int_eq(try(&fixture, NULL), -EINPROGRESS);
	{
		struct fake_call *call = fake_take(fixture.base.fake, FAKE_GET);

		ck_assert_str_eq(call->name, "app");
		ck_assert_str_eq(call->namespace, "default");
		ck_assert_str_eq(call->subresource, "scale");
		fake_done_item(call, "{\"spec\":{}}");
	}
	expect(&fixture, "0\n");
	finish(&fixture);
}
END_TEST

START_TEST (who_looks_meanwhile_waits_for_the_same_answer) {
	struct fixture fixture;
	g_autoptr(GBytes) text = NULL;

	setup(&fixture);
	fake_cluster_hold_gets(fixture.base.cluster);
	for (guint i = 0; i < 3; i++)
		ck_assert_int_eq(scales_look(fixture.scales, &fixture.place, tally_add,
					 &fixture.woken, NULL, NULL),
			-EINPROGRESS);
	ck_assert_int_eq(try(&fixture, NULL), -EINPROGRESS);
	ck_assert_uint_eq(tally_get(&fixture.woken), 0);
	fake_cluster_release(fixture.base.cluster);
	tally_reach(&fixture.woken, 3);
	ck_assert_int_eq(try(&fixture, &text), 0);
	bytes_expect(text, "3\n");
	expect_asked(&fixture, 1);
	finish(&fixture);
}
END_TEST

START_TEST (a_failure_is_an_answer) {
	struct fixture fixture;
	g_autoptr(GError) error = NULL;

	setup(&fixture);
	fixture.place.name = (char *)"none";
	ck_assert_int_eq(wait_for(&fixture, NULL), -ENOENT);
	ck_assert_int_eq(
		scales_look(fixture.scales, &fixture.place, NULL, NULL, NULL, &error), -ENOENT);
	ck_assert_ptr_nonnull(error);
	expect_asked(&fixture, 1);
	fake_clock_pass(SCALE_MS);
	put_app(&fixture.base, "none");
	expect(&fixture, "3\n");
	finish(&fixture);
}
END_TEST

START_TEST (after_a_save_it_is_asked_anew) {
	struct fixture fixture;

	setup(&fixture);
	/* Of what nobody looked at there is nothing to forget. */
	scales_forget(fixture.scales, &fixture.place);
	expect(&fixture, "3\n");
	g_free(fake_cluster_set(fixture.base.cluster, "app", "spec", "replicas", "4"));
	scales_forget(fixture.scales, &fixture.place);
	expect(&fixture, "4\n");
	finish(&fixture);
}
END_TEST

START_TEST (an_answer_of_before_a_save_counts_for_nothing) {
	struct fixture fixture;
	struct fake_call *call;

	setup(&fixture);
	fake_source_answer(fixture.base.fake, FAKE_GET, NULL, NULL);
	ck_assert_int_eq(
		scales_look(fixture.scales, &fixture.place, tally_add, &fixture.woken, NULL, NULL),
		-EINPROGRESS);
	call = fake_take(fixture.base.fake, FAKE_GET);
	scales_forget(fixture.scales, &fixture.place);
	fake_done_item(call, "{\"spec\":{\"replicas\":3}}");
	tally_reach(&fixture.woken, 1);
	ck_assert_int_eq(try(&fixture, NULL), -EINPROGRESS);
	fake_done_item(fake_take(fixture.base.fake, FAKE_GET), "{\"spec\":{\"replicas\":4}}");
	expect(&fixture, "4\n");
	finish(&fixture);
}
END_TEST

START_TEST (the_oldest_makes_room) {
	struct fixture fixture;

	setup(&fixture);
	for (guint i = 0; i <= SCALES_MAX; i++) {
		g_autofree char *name = g_strdup_printf("app-%u", i);

		fixture.place.name = name;
		ck_assert_int_eq(wait_for(&fixture, NULL), -ENOENT);
	}
	expect_asked(&fixture, SCALES_MAX + 1);
	/* The second one is still known; the first one is asked anew. */
	fixture.place.name = (char *)"app-0";
	ck_assert_int_eq(try(&fixture, NULL), -EINPROGRESS);
	await_saves(&fixture.base);
	finish(&fixture);
}
END_TEST

START_TEST (what_is_asked_for_ends_with_the_cache) {
	struct fixture fixture;

	setup(&fixture);
	fake_source_answer(fixture.base.fake, FAKE_GET, NULL, NULL);
	ck_assert_int_eq(
		scales_look(fixture.scales, &fixture.place, tally_add, &fixture.woken, NULL, NULL),
		-EINPROGRESS);
	write_fixture_stop(&fixture.base);
	tally_reach(&fixture.woken, 1);
	write_fixture_destroy(&fixture.base);
	tally_finish(&fixture.woken);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, an_answer_is_good_for_a_moment);
	tcase_add_test(tcase, none_are_zero);
	tcase_add_test(tcase, who_looks_meanwhile_waits_for_the_same_answer);
	tcase_add_test(tcase, a_failure_is_an_answer);
	tcase_add_test(tcase, after_a_save_it_is_asked_anew);
	tcase_add_test(tcase, an_answer_of_before_a_save_counts_for_nothing);
	tcase_add_test(tcase, the_oldest_makes_room);
	tcase_add_test(tcase, what_is_asked_for_ends_with_the_cache);
}

int main(void)
{
	return fixture_run("scale", add);
}
