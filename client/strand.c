#include "client/strand.h"

#include <pthread.h>

#define THREADS_MIN 2U
#define THREADS_MAX 4U
/* Jobs of one strand before the others have their turn. */
#define TURN_JOBS 16U

struct job {
	strand_job run;
	void *data;
};

struct strand {
	struct strand_pool *pool;
	gint references;
	/* Guarded by the pool's mutex. */
	GQueue jobs; /* of struct job * */
	gboolean scheduled; /* queued in pool->ready, or run by a worker */
};

/* pthread locks rather than GLib's: TSan understands them. */
struct strand_pool {
	pthread_mutex_t mutex;
	pthread_cond_t work;
	GQueue ready; /* of struct strand *, each with a reference */
	unsigned int scheduled; /* strands queued or run */
	gboolean stopping;
	GPtrArray *threads; /* of GThread * */
};

/* The strand whose job this thread runs. */
static _Thread_local const struct strand *current;

static void run_job(const struct strand *strand, struct job *job)
{
	current = strand;
	job->run(job->data);
	current = NULL;
	g_free(job);
}

/* Called and returns with the mutex held. */
static void take_turn(struct strand_pool *pool, struct strand *strand)
{
	struct job *job;
	unsigned int turn;

	for (turn = 0; turn < TURN_JOBS && (job = g_queue_pop_head(&strand->jobs)) != NULL;
		turn++) {
		pthread_mutex_unlock(&pool->mutex);
		run_job(strand, job);
		pthread_mutex_lock(&pool->mutex);
	}
	if (!g_queue_is_empty(&strand->jobs)) {
		g_queue_push_tail(&pool->ready, strand);
		return;
	}
	strand->scheduled = FALSE;
	pool->scheduled--;
	if (pool->stopping && pool->scheduled == 0)
		pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->mutex);
	strand_unref(strand);
	pthread_mutex_lock(&pool->mutex);
}

static void *work(void *data)
{
	struct strand_pool *pool = data;
	struct strand *strand;

	pthread_mutex_lock(&pool->mutex);
	while (!pool->stopping || pool->scheduled > 0) {
		strand = g_queue_pop_head(&pool->ready);
		if (strand == NULL)
			pthread_cond_wait(&pool->work, &pool->mutex);
		else
			take_turn(pool, strand);
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
}

struct strand_pool *strand_pool_create(unsigned int threads)
{
	struct strand_pool *pool = g_new0(struct strand_pool, 1);
	unsigned int i;

	if (threads == 0)
		threads = CLAMP(g_get_num_processors(), THREADS_MIN, THREADS_MAX);
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->work, NULL);
	g_queue_init(&pool->ready);
	pool->threads = g_ptr_array_new();
	for (i = 0; i < threads; i++)
		g_ptr_array_add(pool->threads, g_thread_new("strand", work, pool));
	return pool;
}

void strand_pool_destroy(struct strand_pool *pool)
{
	unsigned int i;

	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->stopping = TRUE;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->mutex);
	for (i = 0; i < pool->threads->len; i++)
		g_thread_join(g_ptr_array_index(pool->threads, i));
	g_ptr_array_unref(pool->threads);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->mutex);
	g_free(pool);
}

struct strand *strand_create(struct strand_pool *pool)
{
	struct strand *strand = g_new0(struct strand, 1);

	strand->pool = pool;
	strand->references = 1;
	g_queue_init(&strand->jobs);
	return strand;
}

struct strand *strand_ref(struct strand *strand)
{
	g_atomic_int_inc(&strand->references);
	return strand;
}

struct strand *strand_unref(struct strand *strand)
{
	/* A strand with jobs is scheduled and so referenced: here its queue is empty. */
	if (strand != NULL && g_atomic_int_dec_and_test(&strand->references))
		g_free(strand);
	return NULL;
}

void strand_post(struct strand *strand, strand_job job, void *data)
{
	struct strand_pool *pool = strand->pool;
	struct job *queued = g_new(struct job, 1);

	*queued = (struct job){.run = job, .data = data};
	pthread_mutex_lock(&pool->mutex);
	g_queue_push_tail(&strand->jobs, queued);
	if (!strand->scheduled) {
		strand->scheduled = TRUE;
		pool->scheduled++;
		g_queue_push_tail(&pool->ready, strand_ref(strand));
		pthread_cond_signal(&pool->work);
	}
	pthread_mutex_unlock(&pool->mutex);
}

gboolean strand_is_current(const struct strand *strand)
{
	return current == strand;
}
