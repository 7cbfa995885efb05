#include "kubefs/workers.h"

#include <glib.h>
#include <pthread.h>

#include "client/lock.h"

struct job {
	void (*run)(void *data);
	void *data;
};

struct workers {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work;
	GQueue jobs; /* of struct job * */
	GArray *threads; /* of pthread_t */
	unsigned int most;
	unsigned int idle;
	gboolean ending;
};

/* Returns with the lock held, as it is called. NULL: there is no more to do. */
static struct job *next_job(struct workers *workers)
{
	while (g_queue_is_empty(&workers->jobs) && !workers->ending) {
		workers->idle++;
		pthread_cond_wait(&workers->work, &workers->lock);
		workers->idle--;
	}
	return g_queue_pop_head(&workers->jobs);
}

static void *run_worker(void *data)
{
	struct workers *workers = data;
	struct job *job;

	pthread_mutex_lock(&workers->lock);
	while ((job = next_job(workers)) != NULL) {
		pthread_mutex_unlock(&workers->lock);
		job->run(job->data);
		g_free(job);
		pthread_mutex_lock(&workers->lock);
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

struct workers *workers_create(unsigned int most)
{
	struct workers *workers = g_new0(struct workers, 1);

	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->work, NULL);
	g_queue_init(&workers->jobs);
	workers->threads = g_array_new(FALSE, FALSE, sizeof(pthread_t));
	workers->most = most;
	return workers;
}

void workers_destroy(struct workers *workers)
{
	if (workers == NULL)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->ending = TRUE;
	pthread_cond_broadcast(&workers->work);
	pthread_mutex_unlock(&workers->lock);
	for (guint i = 0; i < workers->threads->len; i++)
		pthread_join(g_array_index(workers->threads, pthread_t, i), NULL);
	g_array_unref(workers->threads);
	pthread_cond_destroy(&workers->work);
	pthread_mutex_destroy(&workers->lock);
	g_free(workers);
}

void workers_post(struct workers *workers, void (*run)(void *data), void *data)
{
	LOCK_GUARD(&workers->lock);
	struct job *job = g_new(struct job, 1);
	pthread_t thread;

	*job = (struct job){run, data};
	g_queue_push_tail(&workers->jobs, job);
	pthread_cond_signal(&workers->work);
	if (g_queue_get_length(&workers->jobs) <= workers->idle ||
		workers->threads->len >= workers->most)
		return;
	/* Where no thread can be made, those that are there take it; the first one is needed. */
	if (pthread_create(&thread, NULL, run_worker, workers) == 0)
		g_array_append_val(workers->threads, thread);
	else if (workers->threads->len == 0)
		g_error("no thread can be made");
}
