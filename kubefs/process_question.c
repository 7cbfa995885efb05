#include "kubefs/process_question.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "client/lock.h"
#include "kubefs/process_files.h"
#include "kubefs/workers.h"

/* Held by the worker that asks and, until it is answered, by the list of the open ones. */
struct question {
	struct process_questions *questions;
	GList link; /* in open */
	struct process_files files;
	enum process_answer (*inspect)(const struct process_files *files);
	void (*answer)(void *data, enum process_answer answer);
	void *data;
	struct timespec due;
	gint answered; /* written under the lock */
	gboolean running; /* a worker is at it */
};

struct process_questions {
	pthread_mutex_t lock; /* guards all below but workers */
	pthread_cond_t changed;
	GQueue open; /* of struct question *, not answered, by due */
	struct mountinfo_entry mount;
	unsigned int hung; /* workers whose question was answered without them */
	gboolean ending;
	char *proc;
	unsigned int milliseconds; /* until a deadline */
	struct workers *workers;
	pthread_t thread; /* keeps the deadlines */
};

static struct timespec deadline_from_now(unsigned int milliseconds)
{
	struct timespec due;

	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += milliseconds / 1000;
	due.tv_nsec += milliseconds % 1000 * 1000000L;
	due.tv_sec += due.tv_nsec / 1000000000;
	due.tv_nsec %= 1000000000;
	return due;
}

static gboolean is_past(const struct timespec *due)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > due->tv_sec ||
	       (now.tv_sec == due->tv_sec && now.tv_nsec >= due->tv_nsec);
}

/* Who gets TRUE answers it. Called with the lock held. */
static gboolean take(struct question *question)
{
	if (question->answered != 0)
		return FALSE;
	g_atomic_int_set(&question->answered, 1);
	g_queue_unlink(&question->questions->open, &question->link);
	return TRUE;
}

static gboolean begin(struct question *question)
{
	LOCK_GUARD(&question->questions->lock);

	question->running = question->answered == 0;
	question->files.mount = question->questions->mount;
	return question->running;
}

/* TRUE when it was in time. */
static gboolean end(struct question *question)
{
	LOCK_GUARD(&question->questions->lock);
	gboolean in_time = take(question);

	if (!in_time)
		question->questions->hung--;
	return in_time;
}

static void run_question(void *data)
{
	struct question *question = data;

	if (begin(question)) {
		enum process_answer answer = question->inspect(&question->files);

		if (end(question))
			question->answer(question->data, answer);
	}
	g_free(question);
}

/* Answers the oldest question. Called with the lock held, and returns so. */
static void give_up(struct process_questions *questions, struct question *question)
{
	void (*answer)(void *data, enum process_answer answer) = question->answer;
	void *data = question->data;

	take(question);
	if (question->running)
		questions->hung++;
	/* From here on its worker may free it. */
	pthread_mutex_unlock(&questions->lock);
	answer(data, PROCESS_UNKNOWN);
	pthread_mutex_lock(&questions->lock);
}

static void *keep_deadlines(void *data)
{
	struct process_questions *questions = data;

	pthread_setname_np(pthread_self(), "deadlines");
	pthread_mutex_lock(&questions->lock);
	for (;;) {
		struct question *oldest = g_queue_peek_head(&questions->open);

		if (oldest == NULL && questions->ending)
			break;
		if (oldest == NULL) {
			pthread_cond_wait(&questions->changed, &questions->lock);
		} else if (questions->ending || is_past(&oldest->due)) {
			give_up(questions, oldest);
		} else {
			/* Others may answer it meanwhile. */
			struct timespec due = oldest->due;

			pthread_cond_timedwait(&questions->changed, &questions->lock, &due);
		}
	}
	pthread_mutex_unlock(&questions->lock);
	return NULL;
}

static void questions_free(struct process_questions *questions)
{
	pthread_cond_destroy(&questions->changed);
	pthread_mutex_destroy(&questions->lock);
	g_free(questions->proc);
	g_free(questions);
}

struct process_questions *process_questions_create(const char *proc, unsigned int milliseconds)
{
	struct process_questions *questions = g_new0(struct process_questions, 1);
	pthread_condattr_t attributes;
	int r;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&questions->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&questions->lock, NULL);
	g_queue_init(&questions->open);
	questions->proc = g_strdup(proc);
	questions->milliseconds = milliseconds;
	r = pthread_create(&questions->thread, NULL, keep_deadlines, questions);
	if (r != 0) {
		questions_free(questions);
		errno = r;
		return NULL;
	}
	questions->workers = workers_create(PROCESS_HUNG_MAX);
	return questions;
}

void process_questions_destroy(struct process_questions *questions)
{
	if (questions == NULL)
		return;
	pthread_mutex_lock(&questions->lock);
	questions->ending = TRUE;
	pthread_cond_signal(&questions->changed);
	pthread_mutex_unlock(&questions->lock);
	pthread_join(questions->thread, NULL);
	workers_destroy(questions->workers);
	questions_free(questions);
}

int process_questions_attach(struct process_questions *questions, const char *mountpoint)
{
	g_autofree char *path = g_strdup_printf("%s/self/mountinfo", questions->proc);
	struct mountinfo_entry mount;
	int r = mountinfo_find_point(path, mountpoint, &mount);

	if (r < 0)
		return r;
	pthread_mutex_lock(&questions->lock);
	questions->mount = mount;
	pthread_mutex_unlock(&questions->lock);
	return 0;
}

static gboolean enqueue(struct process_questions *questions, struct question *question)
{
	LOCK_GUARD(&questions->lock);

	if (questions->ending || questions->hung >= PROCESS_HUNG_MAX ||
		questions->open.length >= PROCESS_QUESTIONS_MAX)
		return FALSE;
	/* Under the lock, so that they stand in the order of their deadlines. */
	question->due = deadline_from_now(questions->milliseconds);
	question->link.data = question;
	g_queue_push_tail_link(&questions->open, &question->link);
	if (questions->open.length == 1)
		pthread_cond_signal(&questions->changed);
	workers_post(questions->workers, run_question, question);
	return TRUE;
}

static void ask(struct process_questions *questions, const struct process_files *files,
	enum process_answer (*inspect)(const struct process_files *files),
	void (*answer)(void *data, enum process_answer answer), void *data)
{
	struct question *question = g_new0(struct question, 1);

	question->questions = questions;
	question->files = *files;
	question->files.proc = questions->proc;
	question->files.abandoned = &question->answered;
	question->inspect = inspect;
	question->answer = answer;
	question->data = data;
	if (enqueue(questions, question))
		return;
	g_free(question);
	answer(data, PROCESS_UNKNOWN);
}

void process_questions_ask(struct process_questions *questions, pid_t flusher, pid_t opener,
	ino_t inode, void (*answer)(void *data, enum process_answer answer), void *data)
{
	const struct process_files files = {
		.flusher = flusher,
		.opener = opener,
		.inode = inode,
	};

	ask(questions, &files, process_files_inspect, answer, data);
}

void process_questions_ask_end(struct process_questions *questions, pid_t group,
	void (*answer)(void *data, enum process_answer answer), void *data)
{
	const struct process_files files = {.flusher = group};

	ask(questions, &files, process_files_inspect_end, answer, data);
}
