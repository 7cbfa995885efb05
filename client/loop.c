#include "client/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/error.h"
#include "client/loop_transfer.h"

#define EVENTS_MAX 64
#define MICROSECONDS 1000

struct timer {
	uint64_t id;
	int64_t due; /* monotonic, microseconds */
	struct strand *strand; /* NULL: runs on the client thread */
	strand_job job;
	void *data;
};

struct command {
	strand_job job;
	void *data;
};

struct loop {
	gint references;
	pthread_t thread;
	int epoll;
	int wakeup; /* eventfd */
	/* The client thread's alone. */
	CURLM *multi;
	int64_t curl_due; /* when libcurl wants to be called, -1: not */
	GPtrArray *members; /* of struct loop_member * */
	/* pthread locks rather than GLib's: TSan understands them. */
	pthread_mutex_t mutex;
	GQueue commands; /* of struct command * */
	GTree *timers; /* of struct timer *, by due, then id */
	GHashTable *timers_by_id;
	uint64_t last_id;
	gboolean stopping;
};

/* The loop whose thread this is. */
static _Thread_local const struct loop *current;

static int timer_compare(const void *a, const void *b, void *data)
{
	const struct timer *left = a;
	const struct timer *right = b;

	if (left->due != right->due)
		return left->due < right->due ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

static void timer_free(struct timer *timer)
{
	strand_unref(timer->strand);
	g_free(timer);
}

/* The thread sleeps until its next timer unless it is told of something new. */
static void wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t written;

	do
		written = write(loop->wakeup, &one, sizeof(one));
	while (written < 0 && errno == EINTR);
}

static void drain_wakeup(struct loop *loop)
{
	uint64_t count;
	ssize_t length;

	do
		length = read(loop->wakeup, &count, sizeof(count));
	while (length < 0 && errno == EINTR);
}

static void run_commands(struct loop *loop)
{
	GQueue commands;
	struct command *command;

	pthread_mutex_lock(&loop->mutex);
	commands = loop->commands;
	g_queue_init(&loop->commands);
	pthread_mutex_unlock(&loop->mutex);
	while ((command = g_queue_pop_head(&commands)) != NULL) {
		command->job(command->data);
		g_free(command);
	}
}

/* Called with the mutex held. */
static struct timer *first_timer(struct loop *loop)
{
	GTreeNode *node = g_tree_node_first(loop->timers);

	return node != NULL ? g_tree_node_key(node) : NULL;
}

/* Called with the mutex held. */
static void timer_remove(struct loop *loop, struct timer *timer)
{
	g_tree_remove(loop->timers, timer);
	g_hash_table_remove(loop->timers_by_id, &timer->id);
}

static void run_timers(struct loop *loop)
{
	int64_t now = g_get_monotonic_time();
	struct timer *timer;

	pthread_mutex_lock(&loop->mutex);
	while ((timer = first_timer(loop)) != NULL && timer->due <= now) {
		timer_remove(loop, timer);
		/* Posted under the lock: loop_timer_cancel's FALSE means that it is. */
		if (timer->strand != NULL) {
			strand_post(timer->strand, timer->job, timer->data);
		} else {
			pthread_mutex_unlock(&loop->mutex);
			timer->job(timer->data);
			pthread_mutex_lock(&loop->mutex);
		}
		timer_free(timer);
	}
	pthread_mutex_unlock(&loop->mutex);
}

static void finish_transfers(struct loop *loop)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
		struct loop_transfer *transfer = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		curl_multi_remove_handle(loop->multi, message->easy_handle);
		transfer->done(transfer, code);
	}
}

static void run_curl_timer(struct loop *loop)
{
	int running;

	if (loop->curl_due < 0 || loop->curl_due > g_get_monotonic_time())
		return;
	loop->curl_due = -1;
	curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void run_events(struct loop *loop, const struct epoll_event *events, int count)
{
	int i, running;

	for (i = 0; i < count; i++) {
		int action = 0;

		if (events[i].data.fd == loop->wakeup) {
			drain_wakeup(loop);
			continue;
		}
		if ((events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0)
			action |= CURL_CSELECT_IN;
		if ((events[i].events & EPOLLOUT) != 0)
			action |= CURL_CSELECT_OUT;
		if ((events[i].events & EPOLLERR) != 0)
			action |= CURL_CSELECT_ERR;
		curl_multi_socket_action(loop->multi, events[i].data.fd, action, &running);
	}
}

/* Milliseconds until something is due, -1: nothing is. */
static int wait_time(struct loop *loop)
{
	int64_t due = loop->curl_due;
	struct timer *timer;
	int64_t left;

	pthread_mutex_lock(&loop->mutex);
	timer = first_timer(loop);
	if (!g_queue_is_empty(&loop->commands))
		due = 0;
	else if (timer != NULL && (due < 0 || timer->due < due))
		due = timer->due;
	pthread_mutex_unlock(&loop->mutex);
	if (due < 0)
		return -1;
	left = due - g_get_monotonic_time();
	return left <= 0 ? 0 : (int)MIN((left + MICROSECONDS - 1) / MICROSECONDS, G_MAXINT);
}

static gboolean is_stopping(struct loop *loop)
{
	gboolean stopping;

	pthread_mutex_lock(&loop->mutex);
	stopping = loop->stopping;
	pthread_mutex_unlock(&loop->mutex);
	return stopping;
}

static void *run(void *data)
{
	struct loop *loop = data;
	struct epoll_event events[EVENTS_MAX];

	current = loop;
	pthread_setname_np(pthread_self(), "client");
	while (!is_stopping(loop)) {
		int count = epoll_wait(loop->epoll, events, EVENTS_MAX, wait_time(loop));

		run_events(loop, events, count);
		run_curl_timer(loop);
		finish_transfers(loop);
		run_timers(loop);
		run_commands(loop);
	}
	/* What was posted before the end still runs: it may hold references. */
	run_commands(loop);
	while (loop->members->len > 0) {
		struct loop_member *member = g_ptr_array_steal_index(loop->members, 0);

		member->stop(member);
	}
	return NULL;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
	struct loop *loop = data;
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if ((what & CURL_POLL_IN) != 0)
		event.events |= EPOLLIN;
	if ((what & CURL_POLL_OUT) != 0)
		event.events |= EPOLLOUT;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT)
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event);
	return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *data)
{
	struct loop *loop = data;

	loop->curl_due = milliseconds < 0
				 ? -1
				 : g_get_monotonic_time() + (int64_t)milliseconds * MICROSECONDS;
	return 0;
}

static gboolean drop_timer(void *key, void *value, void *data)
{
	timer_free(key);
	return FALSE;
}

static void drop_timers(struct loop *loop)
{
	pthread_mutex_lock(&loop->mutex);
	g_hash_table_remove_all(loop->timers_by_id);
	g_tree_foreach(loop->timers, drop_timer, NULL);
	g_tree_remove_all(loop->timers);
	pthread_mutex_unlock(&loop->mutex);
}

static void loop_free(struct loop *loop)
{
	drop_timers(loop);
	if (loop->multi != NULL)
		curl_multi_cleanup(loop->multi);
	if (loop->wakeup >= 0)
		close(loop->wakeup);
	if (loop->epoll >= 0)
		close(loop->epoll);
	g_ptr_array_unref(loop->members);
	g_tree_unref(loop->timers);
	g_hash_table_unref(loop->timers_by_id);
	pthread_mutex_destroy(&loop->mutex);
	g_free(loop);
}

static int open_descriptors(struct loop *loop, GError **error)
{
	struct epoll_event event = {.events = EPOLLIN};

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	event.data.fd = loop->wakeup;
	if (loop->epoll < 0 || loop->wakeup < 0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wakeup, &event) < 0)
		return error_set(error, errno, "cannot wait for events: %s", g_strerror(errno));
	return 0;
}

static int open_multi(struct loop *loop, GError **error)
{
	loop->multi = curl_multi_init();
	if (loop->multi == NULL)
		return error_set(error, ENOMEM, "cannot start libcurl");
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	curl_multi_setopt(loop->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	return 0;
}

struct loop *loop_create(GError **error)
{
	struct loop *loop = g_new0(struct loop, 1);
	int result;

	loop->references = 1;
	loop->epoll = -1;
	loop->wakeup = -1;
	loop->curl_due = -1;
	loop->members = g_ptr_array_new();
	loop->timers = g_tree_new_full(timer_compare, NULL, NULL, NULL);
	loop->timers_by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
	g_queue_init(&loop->commands);
	pthread_mutex_init(&loop->mutex, NULL);
	if (open_descriptors(loop, error) < 0 || open_multi(loop, error) < 0) {
		loop_free(loop);
		return NULL;
	}
	result = pthread_create(&loop->thread, NULL, run, loop);
	if (result != 0) {
		error_set(error, result, "cannot start the client thread: %s", g_strerror(result));
		loop_free(loop);
		return NULL;
	}
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (loop == NULL)
		return;
	pthread_mutex_lock(&loop->mutex);
	loop->stopping = TRUE;
	pthread_mutex_unlock(&loop->mutex);
	wake(loop);
	pthread_join(loop->thread, NULL);
	drop_timers(loop);
	loop_unref(loop);
}

struct loop *loop_ref(struct loop *loop)
{
	g_atomic_int_inc(&loop->references);
	return loop;
}

struct loop *loop_unref(struct loop *loop)
{
	if (loop != NULL && g_atomic_int_dec_and_test(&loop->references))
		loop_free(loop);
	return NULL;
}

gboolean loop_post(struct loop *loop, strand_job job, void *data)
{
	struct command *command = g_new(struct command, 1);
	gboolean was_empty, stopping;

	*command = (struct command){.job = job, .data = data};
	pthread_mutex_lock(&loop->mutex);
	stopping = loop->stopping;
	was_empty = g_queue_is_empty(&loop->commands);
	if (!stopping)
		g_queue_push_tail(&loop->commands, command);
	pthread_mutex_unlock(&loop->mutex);
	if (stopping)
		g_free(command);
	else if (was_empty && !loop_is_current(loop))
		wake(loop);
	return !stopping;
}

gboolean loop_is_current(const struct loop *loop)
{
	return current == loop;
}

void loop_member_add(struct loop *loop, struct loop_member *member)
{
	g_ptr_array_add(loop->members, member);
}

void loop_member_remove(struct loop *loop, struct loop_member *member)
{
	g_ptr_array_remove(loop->members, member);
}

uint64_t loop_timer_add(
	struct loop *loop, uint64_t milliseconds, struct strand *strand, strand_job job, void *data)
{
	struct timer *timer = g_new(struct timer, 1);
	int64_t now = g_get_monotonic_time();
	gboolean is_first;
	uint64_t id;

	milliseconds = MIN(milliseconds, (uint64_t)(G_MAXINT64 - now) / MICROSECONDS);
	*timer = (struct timer){
		.due = now + (int64_t)milliseconds * MICROSECONDS,
		.strand = strand != NULL ? strand_ref(strand) : NULL,
		.job = job,
		.data = data,
	};
	pthread_mutex_lock(&loop->mutex);
	id = timer->id = ++loop->last_id;
	g_tree_insert(loop->timers, timer, timer);
	g_hash_table_insert(loop->timers_by_id, &timer->id, timer);
	is_first = first_timer(loop) == timer;
	pthread_mutex_unlock(&loop->mutex);
	if (is_first && !loop_is_current(loop))
		wake(loop);
	return id;
}

gboolean loop_timer_cancel(struct loop *loop, uint64_t id)
{
	struct timer *timer;

	pthread_mutex_lock(&loop->mutex);
	timer = g_hash_table_lookup(loop->timers_by_id, &id);
	if (timer != NULL)
		timer_remove(loop, timer);
	pthread_mutex_unlock(&loop->mutex);
	if (timer == NULL)
		return FALSE;
	timer_free(timer);
	return TRUE;
}

uint64_t loop_now(void)
{
	return (uint64_t)(g_get_monotonic_time() / MICROSECONDS);
}

int loop_transfer_start(struct loop *loop, struct loop_transfer *transfer)
{
	curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
	return curl_multi_add_handle(loop->multi, transfer->easy) == CURLM_OK ? 0 : -ENOMEM;
}

void loop_transfer_stop(struct loop *loop, struct loop_transfer *transfer)
{
	curl_multi_remove_handle(loop->multi, transfer->easy);
}
