/* client/strand.h: order within a strand, parallel strands, jobs that post, the pool's end. */
#include "client/strand.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#define JOBS 20000
#define STRANDS 8
#define POSTERS 4

struct counter {
	struct strand *strand;
	int next;
	gint running;
};

struct step {
	struct counter *counter;
	int number;
};

static void check_order(void *data)
{
	struct step *step = data;
	struct counter *counter = step->counter;

	ck_assert_int_eq(g_atomic_int_add(&counter->running, 1), 0);
	ck_assert(strand_is_current(counter->strand));
	ck_assert_int_eq(counter->next, step->number);
	counter->next++;
	g_atomic_int_add(&counter->running, -1);
	g_free(step);
}

START_TEST (runs_in_order_one_at_a_time) {
	struct strand_pool *pool = strand_pool_create(0);
	struct counter counters[STRANDS] = {0};
	int i, number;

	for (i = 0; i < STRANDS; i++)
		counters[i].strand = strand_create(pool);
	for (number = 0; number < JOBS / STRANDS; number++)
		for (i = 0; i < STRANDS; i++) {
			struct step *step = g_new(struct step, 1);

			*step = (struct step){&counters[i], number};
			strand_post(counters[i].strand, check_order, step);
		}
	ck_assert(!strand_is_current(counters[0].strand));
	strand_pool_destroy(pool);
	for (i = 0; i < STRANDS; i++) {
		ck_assert_int_eq(counters[i].next, JOBS / STRANDS);
		strand_unref(counters[i].strand);
	}
}
END_TEST

static void count_up(void *data)
{
	(*(int *)data)++; /* the strand is the lock */
}

struct poster {
	struct strand *strand;
	int *count;
};

static void *post_many(void *data)
{
	struct poster *poster = data;
	int i;

	for (i = 0; i < JOBS / POSTERS; i++)
		strand_post(poster->strand, count_up, poster->count);
	return NULL;
}

START_TEST (many_threads_post_to_one_strand) {
	struct strand_pool *pool = strand_pool_create(4);
	struct strand *strand = strand_create(pool);
	pthread_t threads[POSTERS];
	int count = 0;
	struct poster poster = {strand, &count};
	int i;

	for (i = 0; i < POSTERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, &poster), 0);
	for (i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	strand_pool_destroy(pool);
	ck_assert_int_eq(count, JOBS);
	strand_unref(strand);
}
END_TEST

struct chain {
	struct strand *strand;
	int left;
};

static void post_next(void *data)
{
	struct chain *chain = data;

	if (--chain->left > 0)
		strand_post(chain->strand, post_next, chain);
}

START_TEST (pool_ends_after_what_jobs_post) {
	struct strand_pool *pool = strand_pool_create(2);
	struct chain chain = {strand_create(pool), 1000};

	strand_post(chain.strand, post_next, &chain);
	strand_pool_destroy(pool);
	ck_assert_int_eq(chain.left, 0);
	strand_unref(chain.strand);
}
END_TEST

START_TEST (strand_with_jobs_keeps_itself) {
	struct strand_pool *pool = strand_pool_create(2);
	struct strand *strand = strand_create(pool);
	int count = 0, i;

	for (i = 0; i < 100; i++)
		strand_post(strand, count_up, &count);
	ck_assert_ptr_null(strand_unref(strand));
	strand_pool_destroy(pool);
	ck_assert_int_eq(count, 100);
	ck_assert_ptr_null(strand_unref(NULL));
	strand_pool_destroy(NULL);
}
END_TEST

struct gate {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int arrived;
};

/* Returns only when both strands are inside. */
static void meet(void *data)
{
	struct gate *gate = data;

	pthread_mutex_lock(&gate->mutex);
	gate->arrived++;
	pthread_cond_broadcast(&gate->changed);
	while (gate->arrived < 2)
		pthread_cond_wait(&gate->changed, &gate->mutex);
	pthread_mutex_unlock(&gate->mutex);
}

START_TEST (strands_run_in_parallel) {
	struct strand_pool *pool = strand_pool_create(2);
	struct strand *a = strand_create(pool);
	struct strand *b = strand_create(pool);
	struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

	strand_post(a, meet, &gate);
	strand_post(b, meet, &gate);
	strand_pool_destroy(pool);
	ck_assert_int_eq(gate.arrived, 2);
	strand_unref(a);
	strand_unref(b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("strand");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(all, runs_in_order_one_at_a_time);
	tcase_add_test(all, many_threads_post_to_one_strand);
	tcase_add_test(all, pool_ends_after_what_jobs_post);
	tcase_add_test(all, strand_with_jobs_keeps_itself);
	tcase_add_test(all, strands_run_in_parallel);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
