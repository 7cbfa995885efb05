/*
 * kubefs/notifier.h: lanes that block only themselves, coalescing, inodes that wait for nobody, and
 * an end that drops nobody's job.
 */
#include "kubefs/notifier.h"

#include "tests/unit/fake_fuse.h"

struct fixture {
	struct lines *lines;
	struct notifier *notifier;
	struct tally jobs;
};

static void setup(struct fixture *fixture)
{
	fixture->lines = lines_create();
	fake_notifications_set(fixture->lines);
	fixture->notifier = notifier_create(NULL);
	tally_init(&fixture->jobs);
}

static void finish(struct fixture *fixture)
{
	notifier_destroy(fixture->notifier);
	fake_notifications_set(NULL);
	lines_destroy(fixture->lines);
	tally_finish(&fixture->jobs);
}

static void expect(struct fixture *fixture, const char *line)
{
	lines_expect(fixture->lines, line);
}

START_TEST (tells_in_order) {
	struct fixture fixture;

	setup(&fixture);
	notifier_entry(fixture.notifier, 3, "a");
	notifier_delete(fixture.notifier, 3, 7, "b");
	notifier_entry(fixture.notifier, 3, "c");
	notifier_after(fixture.notifier, 3, tally_add, &fixture.jobs);
	tally_reach(&fixture.jobs, 1);
	expect(&fixture, "entry 3 a");
	expect(&fixture, "delete 3 7 b");
	expect(&fixture, "entry 3 c");
	lines_expect_none(fixture.lines);
	notifier_listing(fixture.notifier, 9);
	expect(&fixture, "inode 9 0");
	/* Attributes leave the pages alone. */
	notifier_attributes(fixture.notifier, 9);
	expect(&fixture, "inode 9 -1");
	finish(&fixture);
}
END_TEST

START_TEST (a_blocked_lane_delays_only_itself) {
	struct fixture fixture;

	setup(&fixture);
	fake_notifications_block(3);
	notifier_entry(fixture.notifier, 3, "a");
	expect(&fixture, "blocked 3");
	notifier_entry(fixture.notifier, 3, "b");
	notifier_entry(fixture.notifier, 4, "c");
	expect(&fixture, "entry 4 c");
	notifier_listing(fixture.notifier, 3);
	expect(&fixture, "inode 3 0");
	fake_notifications_block(0);
	expect(&fixture, "entry 3 a");
	expect(&fixture, "entry 3 b");
	finish(&fixture);
}
END_TEST

START_TEST (coalesces_what_is_queued) {
	struct fixture fixture;

	setup(&fixture);
	fake_notifications_block(3);
	notifier_entry(fixture.notifier, 3, "a");
	expect(&fixture, "blocked 3");
	for (int i = 0; i < 100; i++) {
		/* The first one is under way: another must follow it. */
		notifier_entry(fixture.notifier, 3, "a");
		notifier_entry(fixture.notifier, 3, "b");
	}
	notifier_delete(fixture.notifier, 3, 7, "a");
	/* Somebody queued tells of this, too, since nobody has asked yet. */
	notifier_entry(fixture.notifier, 3, "b");
	notifier_after(fixture.notifier, 3, tally_add, &fixture.jobs);
	fake_notifications_block(0);
	tally_reach(&fixture.jobs, 1);
	expect(&fixture, "entry 3 a");
	expect(&fixture, "entry 3 a");
	expect(&fixture, "entry 3 b");
	expect(&fixture, "delete 3 7 a");
	lines_expect_none(fixture.lines);
	finish(&fixture);
}
END_TEST

START_TEST (settles_before_it_forgets_a_listing) {
	struct fixture fixture;

	setup(&fixture);
	fake_notifications_block(3);
	notifier_listing_settled(fixture.notifier, 3);
	expect(&fixture, "blocked 3");
	lines_expect_none(fixture.lines);
	fake_notifications_block(0);
	expect(&fixture, "entry 3 %");
	expect(&fixture, "inode 3 0");
	finish(&fixture);
}
END_TEST

START_TEST (jobs_are_called_when_their_lane_is_through) {
	struct fixture fixture;

	setup(&fixture);
	/* Of an empty lane, too. */
	notifier_after(fixture.notifier, 5, tally_add, &fixture.jobs);
	tally_reach(&fixture.jobs, 1);
	fake_notifications_block(3);
	notifier_entry(fixture.notifier, 3, "a");
	expect(&fixture, "blocked 3");
	notifier_after(fixture.notifier, 3, tally_add, &fixture.jobs);
	notifier_after(fixture.notifier, 6, tally_add, &fixture.jobs);
	tally_reach(&fixture.jobs, 2);
	ck_assert_uint_eq(tally_get(&fixture.jobs), 2);
	fake_notifications_block(0);
	tally_reach(&fixture.jobs, 3);
	finish(&fixture);
}
END_TEST

static void *close_in_thread(void *data)
{
	notifier_close(((struct fixture *)data)->notifier);
	return NULL;
}

/* A job that notifies, as one that lets a collection go may. */
static void notify_again(void *data)
{
	struct fixture *fixture = data;

	notifier_entry(fixture->notifier, 3, "again");
	notifier_listing(fixture->notifier, 3);
	tally_add(&fixture->jobs);
}

static pthread_t tester;

/* Once it is closed, who asks for a job calls it; before, a worker does. */
static void note_caller(void *data)
{
	gboolean *closed = data;

	if (pthread_equal(pthread_self(), tester))
		*closed = TRUE;
}

static void wait_until_closed(struct fixture *fixture)
{
	gboolean closed = FALSE;

	tester = pthread_self();
	for (;;) {
		notifier_after(fixture->notifier, 5, note_caller, &closed);
		if (closed)
			return;
		g_usleep(1000);
	}
}

START_TEST (closing_drops_notices_but_no_job) {
	struct fixture fixture;
	pthread_t thread;

	setup(&fixture);
	fake_notifications_block(3);
	notifier_entry(fixture.notifier, 3, "a");
	expect(&fixture, "blocked 3");
	notifier_entry(fixture.notifier, 3, "dropped");
	notifier_after(fixture.notifier, 3, notify_again, &fixture);
	notifier_after(fixture.notifier, 3, notify_again, &fixture);
	pthread_create(&thread, NULL, close_in_thread, &fixture);
	wait_until_closed(&fixture);
	fake_notifications_block(0);
	pthread_join(thread, NULL);
	tally_reach(&fixture.jobs, 2);
	expect(&fixture, "entry 3 a");
	/* What comes later is dropped at once. */
	notifier_after(fixture.notifier, 3, notify_again, &fixture);
	ck_assert_uint_eq(tally_get(&fixture.jobs), 3);
	notifier_entry(fixture.notifier, 3, "late");
	notifier_listing(fixture.notifier, 3);
	notifier_close(fixture.notifier);
	lines_expect_none(fixture.lines);
	finish(&fixture);
	notifier_destroy(NULL);
}
END_TEST

#define THREADS 4

static void *notify_much(void *data)
{
	struct fixture *fixture = data;

	for (int i = 0; i < 2000; i++) {
		g_autofree char *name = g_strdup_printf("name-%d", i % 11);

		notifier_entry(fixture->notifier, (uint64_t)(2 + i % 100), name);
		notifier_delete(fixture->notifier, (uint64_t)(2 + i % 100), 7, name);
		notifier_listing(fixture->notifier, (uint64_t)i % 100);
		notifier_attributes(fixture->notifier, (uint64_t)i);
		if (i % 10 == 0)
			notifier_after(fixture->notifier, (uint64_t)(2 + i % 100), tally_add,
				&fixture->jobs);
	}
	return NULL;
}

START_TEST (a_storm_ends_well) {
	struct fixture fixture;
	pthread_t threads[THREADS];

	setup(&fixture);
	fake_notifications_set(NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, notify_much, &fixture);
	if (_i == 0)
		notifier_close(fixture.notifier);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	notifier_close(fixture.notifier);
	ck_assert_uint_eq(tally_get(&fixture.jobs), THREADS * 200);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, tells_in_order);
	tcase_add_test(tcase, a_blocked_lane_delays_only_itself);
	tcase_add_test(tcase, coalesces_what_is_queued);
	tcase_add_test(tcase, settles_before_it_forgets_a_listing);
	tcase_add_test(tcase, jobs_are_called_when_their_lane_is_through);
	tcase_add_test(tcase, closing_drops_notices_but_no_job);
	tcase_add_loop_test(tcase, a_storm_ends_well, 0, 2);
}

int main(void)
{
	return fixture_run("notifier", add);
}
