/* client/loop.h: timers, jobs of the client thread, the end. */
#include "client/loop.h"

#include <check.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/loop_transfer.h"

struct notes {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct loop *loop;
	uint64_t start;
	GString *order;
	uint64_t last;
	gboolean on_loop;
};

static struct strand_pool *pool;
static struct strand *strand;
static struct notes notes;

static void setup(void)
{
	pool = strand_pool_create(2);
	strand = strand_create(pool);
	notes = (struct notes){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
		loop_create(NULL), loop_now(), g_string_new(NULL), 0, FALSE};
	ck_assert_ptr_nonnull(notes.loop);
}

static void teardown(void)
{
	loop_destroy(notes.loop);
	strand_unref(strand);
	strand_pool_destroy(pool);
	g_string_free(notes.order, TRUE);
}

static void note(char letter)
{
	pthread_mutex_lock(&notes.mutex);
	g_string_append_c(notes.order, letter);
	notes.last = loop_now();
	notes.on_loop = loop_is_current(notes.loop);
	pthread_cond_broadcast(&notes.changed);
	pthread_mutex_unlock(&notes.mutex);
}

static void note_a(void *data)
{
	note('a');
}

static void note_b(void *data)
{
	note('b');
}

static void note_c(void *data)
{
	note('c');
}

static void wait_for(size_t length)
{
	pthread_mutex_lock(&notes.mutex);
	while (notes.order->len < length)
		pthread_cond_wait(&notes.changed, &notes.mutex);
	pthread_mutex_unlock(&notes.mutex);
}

START_TEST (timers_fire_in_order_of_time) {
	/* Far enough apart for who is slow to add them. */
	loop_timer_add(notes.loop, 1000, strand, note_c, NULL);
	loop_timer_add(notes.loop, 20, strand, note_a, NULL);
	loop_timer_add(notes.loop, 500, strand, note_b, NULL);
	wait_for(3);
	ck_assert_str_eq(notes.order->str, "abc");
	ck_assert_uint_ge(notes.last - notes.start, 1000);
	ck_assert(!notes.on_loop);
}
END_TEST

START_TEST (equal_times_keep_their_order) {
	int i;

	for (i = 0; i < 50; i++) {
		loop_timer_add(notes.loop, 0, strand, note_a, NULL);
		loop_timer_add(notes.loop, 0, strand, note_b, NULL);
	}
	wait_for(100);
	for (i = 0; i < 50; i++)
		ck_assert_int_eq(strncmp(notes.order->str + (size_t)2 * i, "ab", 2), 0);
}
END_TEST

START_TEST (timer_is_taken_back_once) {
	uint64_t id = loop_timer_add(notes.loop, 500, strand, note_a, NULL);

	ck_assert_uint_ne(id, 0);
	ck_assert(loop_timer_cancel(notes.loop, id));
	ck_assert(!loop_timer_cancel(notes.loop, id));
	ck_assert(!loop_timer_cancel(notes.loop, 0));
	loop_timer_add(notes.loop, 520, strand, note_b, NULL);
	wait_for(1);
	ck_assert_str_eq(notes.order->str, "b");
}
END_TEST

START_TEST (timer_that_fired_cannot_be_taken_back) {
	uint64_t id = loop_timer_add(notes.loop, 0, strand, note_a, NULL);

	wait_for(1);
	ck_assert(!loop_timer_cancel(notes.loop, id));
}
END_TEST

START_TEST (timers_without_a_strand_run_on_the_client_thread) {
	loop_timer_add(notes.loop, 1, NULL, note_a, NULL);
	wait_for(1);
	ck_assert(notes.on_loop);
	ck_assert(!loop_is_current(notes.loop));
}
END_TEST

static void post_more(void *data)
{
	note('a');
	loop_post(notes.loop, note_b, NULL);
	loop_timer_add(notes.loop, 1, NULL, note_c, NULL);
}

START_TEST (jobs_run_in_order_on_the_client_thread) {
	ck_assert(loop_post(notes.loop, note_c, NULL));
	ck_assert(loop_post(notes.loop, post_more, NULL));
	wait_for(4);
	ck_assert_str_eq(notes.order->str, "cabc");
	ck_assert(notes.on_loop);
}
END_TEST

struct racing {
	gint fired;
	gint taken;
};

static void count_fired(void *data)
{
	g_atomic_int_inc(&((struct racing *)data)->fired);
}

START_TEST (cancel_and_fire_never_both) {
	struct racing racing = {0, 0};
	const int count = 2000;
	int i;

	for (i = 0; i < count; i++) {
		uint64_t id = loop_timer_add(notes.loop, i % 2, strand, count_fired, &racing);

		if (loop_timer_cancel(notes.loop, id))
			g_atomic_int_inc(&racing.taken);
	}
	loop_timer_add(notes.loop, 5, strand, note_a, NULL);
	wait_for(1);
	ck_assert_int_eq(g_atomic_int_get(&racing.fired) + racing.taken, count);
}
END_TEST

START_TEST (destroy_drops_timers) {
	struct loop *loop = loop_create(NULL);

	loop_timer_add(loop, 3600000, strand, note_a, NULL);
	loop_timer_add(loop, G_MAXUINT64, NULL, note_a, NULL);
	loop_ref(loop);
	loop_destroy(loop);
	ck_assert(!loop_post(loop, note_a, NULL));
	loop_unref(loop);
	loop_destroy(NULL);
	ck_assert_uint_eq(notes.order->len, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	tcase_add_checked_fixture(all, setup, teardown);
	tcase_add_test(all, timers_fire_in_order_of_time);
	tcase_add_test(all, equal_times_keep_their_order);
	tcase_add_test(all, timer_is_taken_back_once);
	tcase_add_test(all, timer_that_fired_cannot_be_taken_back);
	tcase_add_test(all, timers_without_a_strand_run_on_the_client_thread);
	tcase_add_test(all, jobs_run_in_order_on_the_client_thread);
	tcase_add_test(all, cancel_and_fire_never_both);
	tcase_add_test(all, destroy_drops_timers);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	curl_global_cleanup();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
