/* cache/backoff.h: 0.8 s doubling to 30 s with jitter, reset after two healthy minutes. */
#include "cache/backoff.h"

#include "tests/unit/cache_fixture.h"

START_TEST (doubles_with_jitter_up_to_the_longest) {
	for (int round = 0; round < 1000; round++) {
		struct backoff backoff = {0};
		uint64_t now = 5000;
		uint64_t least = 800;

		for (int i = 0; i < 12; i++) {
			uint64_t delay = backoff_next(&backoff, now, 0);

			ck_assert_uint_ge(delay, least);
			ck_assert_uint_le(delay, 2 * least);
			ck_assert_uint_le(delay, 30000);
			least = MIN(least * 2, 15000);
			now += delay;
		}
	}
}
END_TEST

START_TEST (jitters_the_longest_as_well) {
	struct backoff backoff = {0};
	uint64_t lowest = UINT64_MAX;
	uint64_t highest = 0;

	for (int i = 0; i < 1000; i++) {
		uint64_t delay = backoff_next(&backoff, 0, 0);

		if (i < 10)
			continue;
		lowest = MIN(lowest, delay);
		highest = MAX(highest, delay);
	}
	ck_assert_uint_gt(highest - lowest, 5000);
}
END_TEST

START_TEST (begins_again_after_two_healthy_minutes) {
	struct backoff backoff = {0};
	uint64_t now = 1000;

	for (int i = 0; i < 6; i++)
		backoff_next(&backoff, now, 0);
	/* The delay itself is no health. */
	ck_assert_uint_ge(backoff_next(&backoff, now + 120000, 0), 15000);
	ck_assert_uint_le(backoff_next(&backoff, now + 120000 + 151000, 0), 1600);
	backoff_next(&backoff, now, 0);
	backoff_reset(&backoff);
	ck_assert_uint_le(backoff_next(&backoff, now, 0), 1600);
}
END_TEST

START_TEST (waits_as_long_as_the_server_asks) {
	struct backoff backoff = {0};

	ck_assert_uint_eq(backoff_next(&backoff, 0, 45000), 45000);
	/* But not for a month. */
	ck_assert_uint_eq(backoff_next(&backoff, 0, UINT32_MAX), 300000);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, doubles_with_jitter_up_to_the_longest);
	tcase_add_test(tcase, jitters_the_longest_as_well);
	tcase_add_test(tcase, begins_again_after_two_healthy_minutes);
	tcase_add_test(tcase, waits_as_long_as_the_server_asks);
}

int main(void)
{
	return fixture_run("backoff", add);
}
