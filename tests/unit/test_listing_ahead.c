/*
 * kubefs/listing_ahead.h: who gets a piece, and which ones are dropped.
 */
#include "kubefs/listing_ahead.h"

#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_clock.h"

static GQueue dropped = G_QUEUE_INIT;

static void drop(void *piece)
{
	g_queue_push_tail(&dropped, piece);
}

static void expect_dropped(void *piece)
{
	ck_assert_ptr_eq(g_queue_pop_head(&dropped), piece);
}

static char pieces[LISTING_AHEAD_MAX + 1];

START_TEST (a_piece_is_for_who_asks_for_it) {
	struct listing_ahead *ahead = listing_ahead_create(drop);

	ck_assert_ptr_null(listing_ahead_take(ahead, 2, 100, 4096));
	listing_ahead_put(ahead, 2, 100, 4096, &pieces[0]);
	ck_assert_ptr_null(listing_ahead_take(ahead, 3, 100, 4096));
	ck_assert_ptr_null(listing_ahead_take(ahead, 2, 101, 4096));
	ck_assert_ptr_eq(listing_ahead_take(ahead, 2, 100, 4096), &pieces[0]);
	ck_assert_ptr_null(listing_ahead_take(ahead, 2, 100, 4096));
	/* It does not fit who has less room. */
	listing_ahead_put(ahead, 2, 100, 4096, &pieces[0]);
	ck_assert_ptr_null(listing_ahead_take(ahead, 2, 100, 2048));
	expect_dropped(&pieces[0]);
	listing_ahead_destroy(ahead);
	expect_dropped(NULL);
}
END_TEST

START_TEST (pieces_grow_old) {
	struct listing_ahead *ahead = listing_ahead_create(drop);

	listing_ahead_put(ahead, 2, 100, 4096, &pieces[0]);
	fake_clock_pass(LISTING_AHEAD_MS);
	ck_assert_ptr_null(listing_ahead_take(ahead, 2, 100, 4096));
	expect_dropped(&pieces[0]);
	listing_ahead_destroy(ahead);
}
END_TEST

START_TEST (the_oldest_makes_room) {
	struct listing_ahead *ahead = listing_ahead_create(drop);

	for (uint64_t i = 0; i < LISTING_AHEAD_MAX; i++) {
		listing_ahead_put(ahead, 2, i, 4096, &pieces[i]);
		fake_clock_pass(1);
	}
	expect_dropped(NULL);
	listing_ahead_put(ahead, 2, 100, 4096, &pieces[LISTING_AHEAD_MAX]);
	expect_dropped(&pieces[0]);
	ck_assert_ptr_eq(listing_ahead_take(ahead, 2, 1, 4096), &pieces[1]);
	listing_ahead_destroy(ahead);
	ck_assert_uint_eq(g_queue_get_length(&dropped), LISTING_AHEAD_MAX - 1);
	g_queue_clear(&dropped);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, a_piece_is_for_who_asks_for_it);
	tcase_add_test(tcase, pieces_grow_old);
	tcase_add_test(tcase, the_oldest_makes_room);
}

int main(void)
{
	return fixture_run("listing_ahead", add);
}
