/* cache/revision_clock.h: when a revision was first seen to have been reached. */
#include "cache/revision_clock.h"

#include <unistd.h>

#include "tests/unit/cache_fixture.h"

static gboolean same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static gboolean is_before(struct timespec a, struct timespec b)
{
	return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

START_TEST (keeps_times) {
	struct revision_clock *clock = revision_clock_create();
	struct timespec first = revision_clock_seen(clock, 10);
	struct timespec second;

	usleep(1000);
	second = revision_clock_seen(clock, 12);
	ck_assert(is_before(first, second));
	ck_assert(same(revision_clock_seen(clock, 10), first));
	ck_assert(same(revision_clock_seen(clock, 3), first));
	ck_assert(same(revision_clock_seen(clock, 11), second));
	ck_assert(same(revision_clock_seen(clock, 12), second));
	revision_clock_turn_back(clock, 10);
	ck_assert(same(revision_clock_seen(clock, 10), first));
	usleep(1000);
	ck_assert(is_before(second, revision_clock_seen(clock, 11)));
	revision_clock_destroy(clock);
	revision_clock_destroy(NULL);
}
END_TEST

START_TEST (is_bounded) {
	struct revision_clock *clock = revision_clock_create();
	struct timespec first = revision_clock_seen(clock, 1);
	struct timespec last = first;
	struct timespec before = first;

	for (int64_t revision = 2; revision < 5 * REVISION_CLOCK_MAX; revision++)
		last = revision_clock_seen(clock, revision);
	ck_assert(same(revision_clock_seen(clock, 1), first));
	ck_assert(same(revision_clock_seen(clock, 5 * REVISION_CLOCK_MAX - 1), last));
	for (int64_t revision = 1; revision < 5 * REVISION_CLOCK_MAX; revision += 100) {
		struct timespec time = revision_clock_seen(clock, revision);

		ck_assert(!is_before(time, before));
		before = time;
	}
	revision_clock_destroy(clock);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, keeps_times);
	tcase_add_test(tcase, is_bounded);
}

int main(void)
{
	return fixture_run("revision_clock", add);
}
