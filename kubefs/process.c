#include "kubefs/process.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client/lock.h"
#include "kubefs/process_end.h"
#include "kubefs/process_question.h"
#include "kubefs/process_status.h"

#define PROC "/proc"
#define EVENTS_MAX 64
#define MICROSECONDS 1000
/* What epoll tells of wakeup; processes have ids above. */
#define WAKEUP_ID 0

/* All but group and id is guarded by owner->lock. */
struct process {
	struct processes *owner; /* a reference */
	unsigned int references;
	pid_t group;
	guint64 id;
	int pidfd; /* -1: not watched, or exited */
	gboolean exited;
	enum process_end end; /* once it has exited */
};

struct job {
	guint64 id;
	gint64 due; /* monotonic, microseconds */
	struct process *process; /* or NULL */
	void (*run)(void *data);
	void *data;
};

struct processes {
	gint references; /* its own, and one of each process */
	struct process_questions *questions;
	pthread_t thread;
	guint watched_max;
	int epoll;
	int wakeup; /* eventfd */
	pthread_mutex_t lock; /* guards all below */
	GHashTable *by_group; /* &group -> struct process *, the watched ones */
	GHashTable *by_id; /* the same by &id */
	GHashTable *jobs; /* &id -> struct job * */
	gint64 wakes_at; /* when the thread wakes by itself */
	guint64 last_id;
	gboolean ending;
};

pid_t process_group(pid_t thread)
{
	struct process_status status;

	return thread > 0 && process_status_read(PROC, thread, &status) == 0 ? status.group : 0;
}

gboolean process_is_given_up(pid_t thread)
{
	static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGKILL};
	struct process_status status;

	if (thread == 0 || process_status_read(PROC, thread, &status) < 0)
		return TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(signals); i++)
		if ((status.pending & (UINT64_C(1) << (signals[i] - 1))) != 0)
			return TRUE;
	return FALSE;
}

static void processes_unref(struct processes *processes)
{
	if (!g_atomic_int_dec_and_test(&processes->references))
		return;
	if (processes->wakeup >= 0)
		close(processes->wakeup);
	if (processes->epoll >= 0)
		close(processes->epoll);
	g_hash_table_destroy(processes->by_group);
	g_hash_table_destroy(processes->by_id);
	g_hash_table_destroy(processes->jobs);
	pthread_mutex_destroy(&processes->lock);
	g_free(processes);
}

/* Called with the lock held. */
static void unwatch(struct process *process)
{
	struct processes *processes = process->owner;

	if (process->pidfd < 0)
		return;
	g_hash_table_remove(processes->by_group, &process->group);
	g_hash_table_remove(processes->by_id, &process->id);
	/* By name: a child that was just forked may have the descriptor, too. */
	epoll_ctl(processes->epoll, EPOLL_CTL_DEL, process->pidfd, NULL);
	close(process->pidfd);
	process->pidfd = -1;
}

/* Called with the lock held. Its pidfd says that it has exited; its jobs are due. */
static void retire(struct process *process)
{
	GHashTableIter iter;
	void *job;

	process->end = process_end_read(PROC, process->group, process->pidfd);
	unwatch(process);
	process->exited = TRUE;
	g_hash_table_iter_init(&iter, process->owner->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &job)) {
		if (((struct job *)job)->process == process)
			((struct job *)job)->due = 0;
	}
}

static gboolean has_exited(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0;
}

/* A pidfd in the epoll, -ESRCH when the process is gone, or what else there was. Lock held. */
static int watch(struct processes *processes, pid_t group, guint64 id)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = id};
	int pidfd;

	if (g_hash_table_size(processes->by_id) >= processes->watched_max)
		return kill(group, 0) < 0 && errno == ESRCH ? -ESRCH : -EMFILE;
	/* Debian 11 has no sys/pidfd.h. */
	pidfd = (int)syscall(SYS_pidfd_open, group, 0);
	if (pidfd < 0)
		return errno == ESRCH || (kill(group, 0) < 0 && errno == ESRCH) ? -ESRCH : -EMFILE;
	if (has_exited(pidfd)) {
		close(pidfd);
		return -ESRCH;
	}
	if (epoll_ctl(processes->epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) {
		close(pidfd);
		return -EMFILE;
	}
	return pidfd;
}

static void wake(struct processes *processes)
{
	(void)eventfd_write(processes->wakeup, 1);
}

/*
 * The one that is watched, if that very process still lives: then its pid is taken, and the number
 * means no other. Lock held.
 */
static struct process *find_watched(struct processes *processes, pid_t group)
{
	struct process *process = g_hash_table_lookup(processes->by_group, &group);

	if (process == NULL || !has_exited(process->pidfd))
		return process;
	retire(process);
	wake(processes);
	return NULL;
}

struct process *processes_get(struct processes *processes, pid_t group)
{
	struct process *process;
	int pidfd;

	if (group <= 0)
		return NULL;
	LOCK_GUARD(&processes->lock);
	process = find_watched(processes, group);
	if (process != NULL) {
		process->references++;
		return process;
	}
	pidfd = watch(processes, group, processes->last_id + 1);
	if (pidfd == -ESRCH)
		return NULL;
	process = g_new0(struct process, 1);
	g_atomic_int_inc(&processes->references);
	*process = (struct process){
		.owner = processes,
		.references = 1,
		.group = group,
		.id = ++processes->last_id,
		.pidfd = MAX(pidfd, -1),
	};
	if (pidfd >= 0) {
		g_hash_table_insert(processes->by_group, &process->group, process);
		g_hash_table_insert(processes->by_id, &process->id, process);
	}
	return process;
}

struct process *process_ref(struct process *process)
{
	LOCK_GUARD(&process->owner->lock);

	process->references++;
	return process;
}

struct process *process_unref(struct process *process)
{
	struct processes *owner;
	gboolean is_last;

	if (process == NULL)
		return NULL;
	owner = process->owner;
	pthread_mutex_lock(&owner->lock);
	is_last = --process->references == 0;
	if (is_last)
		unwatch(process);
	pthread_mutex_unlock(&owner->lock);
	if (is_last) {
		g_free(process);
		processes_unref(owner);
	}
	return NULL;
}

pid_t process_get_group(const struct process *process)
{
	return process != NULL ? process->group : 0;
}

gboolean process_same(const struct process *a, const struct process *b)
{
	return a != NULL && a == b;
}

gboolean process_is_watched(const struct process *process)
{
	LOCK_GUARD(&process->owner->lock);

	return process->pidfd >= 0 || process->exited;
}

static void job_free(struct job *job)
{
	process_unref(job->process);
	g_free(job);
}

/* The job that is due first, jobs of the same time in their order; or NULL. Lock held. */
static struct job *first_job(struct processes *processes)
{
	struct job *first = NULL;
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, processes->jobs);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct job *job = value;

		if (first == NULL || job->due < first->due ||
			(job->due == first->due && job->id < first->id))
			first = job;
	}
	return first;
}

/* Returns with the lock held, as it is called. */
static void run_due_jobs(struct processes *processes)
{
	struct job *job;

	while ((job = first_job(processes)) != NULL &&
		(processes->ending || job->due <= g_get_monotonic_time())) {
		g_hash_table_remove(processes->jobs, &job->id);
		pthread_mutex_unlock(&processes->lock);
		job->run(job->data);
		job_free(job);
		pthread_mutex_lock(&processes->lock);
	}
	processes->wakes_at = job != NULL ? job->due : G_MAXINT64;
}

/* For epoll_wait. */
static int milliseconds_until(gint64 due)
{
	gint64 left = due - g_get_monotonic_time();

	if (due == G_MAXINT64)
		return -1;
	return left <= 0 ? 0 : (int)MIN((left + MICROSECONDS - 1) / MICROSECONDS, G_MAXINT);
}

/* Lock held. */
static void take_event(struct processes *processes, guint64 id)
{
	struct process *process;
	eventfd_t count;

	if (id == WAKEUP_ID) {
		(void)eventfd_read(processes->wakeup, &count);
		return;
	}
	/* NULL: nobody is interested any more. */
	process = g_hash_table_lookup(processes->by_id, &id);
	if (process != NULL)
		retire(process);
}

static void *run(void *data)
{
	struct processes *processes = data;
	struct epoll_event events[EVENTS_MAX];

	pthread_setname_np(pthread_self(), "processes");
	pthread_mutex_lock(&processes->lock);
	for (;;) {
		int count, timeout;

		run_due_jobs(processes);
		if (processes->ending)
			break;
		timeout = milliseconds_until(processes->wakes_at);
		pthread_mutex_unlock(&processes->lock);
		count = epoll_wait(processes->epoll, events, EVENTS_MAX, timeout);
		pthread_mutex_lock(&processes->lock);
		for (int i = 0; i < count; i++)
			take_event(processes, events[i].data.u64);
	}
	pthread_mutex_unlock(&processes->lock);
	return NULL;
}

/* 0 or a negative errno. */
static int open_descriptors(struct processes *processes)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKEUP_ID};

	processes->epoll = epoll_create1(EPOLL_CLOEXEC);
	processes->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (processes->epoll < 0 || processes->wakeup < 0 ||
		epoll_ctl(processes->epoll, EPOLL_CTL_ADD, processes->wakeup, &event) < 0)
		return -errno;
	return 0;
}

static int start(struct processes *processes)
{
	int r = open_descriptors(processes);

	if (r < 0)
		return r;
	processes->questions = process_questions_create(PROC, PROCESS_DEADLINE_MS);
	if (processes->questions == NULL)
		return -errno;
	return -pthread_create(&processes->thread, NULL, run, processes);
}

/* Servers, files and subprocesses need descriptors, too. */
static guint find_watched_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 0;
	return (guint)MIN(limit.rlim_cur / 2, PROCESS_WATCHED_MAX);
}

struct processes *processes_create(void)
{
	struct processes *processes = g_new0(struct processes, 1);
	int r;

	processes->references = 1;
	processes->epoll = -1;
	processes->wakeup = -1;
	pthread_mutex_init(&processes->lock, NULL);
	processes->by_group = g_hash_table_new(g_int_hash, g_int_equal);
	processes->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
	processes->jobs = g_hash_table_new(g_int64_hash, g_int64_equal);
	processes->wakes_at = G_MAXINT64;
	processes->watched_max = find_watched_max();
	r = start(processes);
	if (r == 0)
		return processes;
	process_questions_destroy(processes->questions);
	processes_unref(processes);
	errno = -r;
	return NULL;
}

void processes_destroy(struct processes *processes)
{
	if (processes == NULL)
		return;
	/* First, since an answer may lead to a job. */
	process_questions_destroy(processes->questions);
	pthread_mutex_lock(&processes->lock);
	processes->ending = TRUE;
	pthread_mutex_unlock(&processes->lock);
	wake(processes);
	pthread_join(processes->thread, NULL);
	processes_unref(processes);
}

int processes_attach(struct processes *processes, const char *mountpoint)
{
	return process_questions_attach(processes->questions, mountpoint);
}

void processes_ask(struct processes *processes, pid_t flusher, pid_t opener, ino_t inode,
	void (*answer)(void *data, enum process_answer answer), void *data)
{
	process_questions_ask(processes->questions, flusher, opener, inode, answer, data);
}

/* A question about a process's end. */
struct end_question {
	struct process *process;
	void (*answer)(void *data, enum process_answer answer);
	void *data;
};

/* What is known for good, once it has exited. */
static gboolean find_end(struct process *process, enum process_answer *ret)
{
	struct processes *processes = process->owner;
	LOCK_GUARD(&processes->lock);

	if (process->pidfd >= 0 && has_exited(process->pidfd)) {
		retire(process);
		wake(processes);
	}
	if (!process->exited || process->end == PROCESS_END_UNKNOWN)
		return FALSE;
	*ret = process->end == PROCESS_END_KILLED ? PROCESS_KILLED : PROCESS_LEFT;
	return TRUE;
}

static void on_end_answer(void *data, enum process_answer answer)
{
	struct end_question *question = data;

	/* By now it may be gone from /proc, or another process there. */
	find_end(question->process, &answer);
	question->answer(question->data, answer);
	process_unref(question->process);
	g_free(question);
}

void processes_ask_end(struct processes *processes, struct process *process,
	void (*answer)(void *data, enum process_answer answer), void *data)
{
	enum process_answer known;
	struct end_question *question;

	if (find_end(process, &known)) {
		answer(data, known);
		return;
	}
	question = g_new(struct end_question, 1);
	*question = (struct end_question){process_ref(process), answer, data};
	process_questions_ask_end(processes->questions, process->group, on_end_answer, question);
}

guint64 processes_after(struct processes *processes, struct process *process,
	unsigned int milliseconds, void (*job)(void *data), void *data)
{
	gint64 now = g_get_monotonic_time();
	struct job *added = g_new(struct job, 1);
	guint64 id;

	LOCK_GUARD(&processes->lock);
	id = ++processes->last_id;
	*added = (struct job){id, now + (gint64)milliseconds * MICROSECONDS, process, job, data};
	if (process != NULL)
		process->references++;
	if ((process != NULL && process->exited) ||
		g_hash_table_size(processes->jobs) >= PROCESS_JOBS_MAX)
		added->due = 0;
	g_hash_table_insert(processes->jobs, &added->id, added);
	if (added->due < processes->wakes_at)
		wake(processes);
	return id;
}

gboolean processes_forget(struct processes *processes, guint64 id)
{
	struct job *job;

	pthread_mutex_lock(&processes->lock);
	job = g_hash_table_lookup(processes->jobs, &id);
	if (job != NULL)
		g_hash_table_remove(processes->jobs, &id);
	pthread_mutex_unlock(&processes->lock);
	if (job == NULL)
		return FALSE;
	job_free(job);
	return TRUE;
}
