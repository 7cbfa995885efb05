#include "kubefs/request.h"

#include <errno.h>

#include "client/error.h"
#include "client/lock.h"
#include "client/loop.h"
#include "kubefs/filesystem.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"

/* A parked request. Only who takes it out of the table may answer it. */
struct parked {
	struct request request;
	uint64_t id;
	uint64_t timer;
	struct ticket *timeout; /* the timer's, while it has not fired */
	/* Guarded by the parking. */
	gboolean running; /* a thread is in request.run */
	gboolean woken; /* there was news while it ran */
	int ended; /* errno to end with as soon as it stops running, or 0 */
};

struct parking {
	struct filesystem *filesystem;
	pthread_mutex_t lock;
	GHashTable *parked; /* &parked->id -> struct parked *, owned */
	uint64_t last_id;
	gboolean closed;
};

/* What the cache or a timer hands back: the request may be long gone then. */
struct ticket {
	struct parking *parking;
	uint64_t id;
};

static void resume(void *data);

struct parking *parking_create(struct filesystem *filesystem)
{
	struct parking *parking = g_new0(struct parking, 1);

	parking->filesystem = filesystem;
	pthread_mutex_init(&parking->lock, NULL);
	parking->parked = g_hash_table_new(g_int64_hash, g_int64_equal);
	return parking;
}

static void free_state(struct request *request)
{
	if (request->state_free != NULL)
		request->state_free(request->state);
}

static void parked_free(struct parked *parked)
{
	struct filesystem *filesystem = parked->request.filesystem;

	if (loop_timer_cancel(filesystem->loop, parked->timer))
		g_free(parked->timeout);
	node_unref(parked->request.node);
	node_unref(parked->request.target);
	g_free(parked->request.name);
	g_free(parked->request.target_name);
	free_state(&parked->request);
	g_free(parked);
}

void parking_destroy(struct parking *parking)
{
	if (parking == NULL)
		return;
	g_assert(g_hash_table_size(parking->parked) == 0);
	g_hash_table_destroy(parking->parked);
	pthread_mutex_destroy(&parking->lock);
	g_free(parking);
}

guint parking_count(struct parking *parking)
{
	LOCK_GUARD(&parking->lock);

	return g_hash_table_size(parking->parked);
}

static struct ticket *ticket_new(struct parking *parking, uint64_t id)
{
	struct ticket *ticket = g_new(struct ticket, 1);

	*ticket = (struct ticket){parking, id};
	return ticket;
}

/* What went wrong goes to the journal; that something is not there is no news. */
static void reply_error(struct request *request, int r, const GError *error)
{
	if (error != NULL && r != -ENOENT && r != -EINTR)
		journal_add(request->filesystem->journal, -r, error->message);
	fuse_reply_err(request->fuse, -r);
}

/* Takes the request out of the table; the caller answers and frees it. Under no lock. */
static void finish(struct parking *parking, struct parked *parked)
{
	pthread_mutex_lock(&parking->lock);
	g_hash_table_remove(parking->parked, &parked->id);
	pthread_mutex_unlock(&parking->lock);
	parked_free(parked);
}

/* Ends the request with errnum, now or as soon as it stops running; FALSE when it is over already.
 */
static gboolean end(struct parking *parking, uint64_t id, int errnum)
{
	struct parked *parked;
	gboolean running;

	pthread_mutex_lock(&parking->lock);
	parked = g_hash_table_lookup(parking->parked, &id);
	running = parked != NULL && parked->running;
	if (running)
		parked->ended = errnum;
	else if (parked != NULL)
		g_hash_table_remove(parking->parked, &id);
	pthread_mutex_unlock(&parking->lock);
	if (parked == NULL || running)
		return running;
	fuse_reply_err(parked->request.fuse, errnum);
	parked_free(parked);
	return TRUE;
}

/* Tells the request that nobody wants to wait for it; TRUE when it will answer all the same. */
static gboolean give_up(struct parking *parking, uint64_t id, gboolean timed_out)
{
	LOCK_GUARD(&parking->lock);
	struct parked *parked = g_hash_table_lookup(parking->parked, &id);

	return parked != NULL && parked->request.interrupt != NULL &&
	       parked->request.interrupt(&parked->request, timed_out);
}

/*
 * libfuse may call this after the request was answered, with the data of then: hence an id and no
 * pointer.
 */
static void on_interrupt(fuse_req_t fuse, void *data)
{
	struct filesystem *filesystem = fuse_req_userdata(fuse);
	struct parking *parking = filesystem->parking;
	uint64_t id = GPOINTER_TO_SIZE(data);

	if (!give_up(parking, id, FALSE))
		end(parking, id, EINTR);
}

static unsigned int timeout_of(const struct request *request)
{
	return request->timeout != 0 ? request->timeout : REQUEST_TIMEOUT_MS;
}

static char *describe_key_wait(struct filesystem *filesystem, const struct request *request)
{
	const struct key_scope scope = key_layout_scope(&request->node->key);
	g_autofree char *path = NULL;

	if (request->node->key.kind == NODE_KEYS)
		path = key_path_of_directory(filesystem->keys, &scope);
	return g_strdup_printf("%s: %s%s%s: no answer within %u seconds",
		keyspace_where(filesystem->keyspace), path != NULL ? path : "",
		request->name != NULL ? "/" : "", request->name != NULL ? request->name : "",
		timeout_of(request) / 1000);
}

/* For a person: what was waited for, and where. */
static char *describe_wait(const struct request *request)
{
	const struct node_key *key = &request->node->key;

	if (node_is_of_etcd(request->node))
		return describe_key_wait(request->filesystem, request);
	return g_strdup_printf("%s: %s%s%s%s%s: no answer within %u seconds",
		key->context != NULL ? cache_where(key->context->cache) : "kubefs",
		key->namespace != NULL ? key->namespace : "",
		key->namespace != NULL && key->namespace[0] != '\0' ? "/" : "",
		key->resource != NULL ? key->resource->name : "", request->name != NULL ? "/" : "",
		request->name != NULL ? request->name : "", timeout_of(request) / 1000);
}

static void on_timeout(void *data)
{
	g_autofree struct ticket *ticket = data;
	struct parking *parking = ticket->parking;
	g_autofree char *text = NULL;
	struct parked *parked;

	pthread_mutex_lock(&parking->lock);
	parked = g_hash_table_lookup(parking->parked, &ticket->id);
	if (parked != NULL)
		text = describe_wait(&parked->request);
	pthread_mutex_unlock(&parking->lock);
	give_up(parking, ticket->id, TRUE);
	if (end(parking, ticket->id, ETIMEDOUT) && text != NULL)
		journal_add(parking->filesystem->journal, ETIMEDOUT, text);
}

void parking_close(struct parking *parking)
{
	g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	GHashTableIter iter;
	void *id;

	pthread_mutex_lock(&parking->lock);
	parking->closed = TRUE;
	g_hash_table_iter_init(&iter, parking->parked);
	while (g_hash_table_iter_next(&iter, &id, NULL))
		g_array_append_val(ids, *(uint64_t *)id);
	pthread_mutex_unlock(&parking->lock);
	for (guint i = 0; i < ids->len; i++)
		end(parking, g_array_index(ids, uint64_t, i), ENODEV);
}

/*
 * errno to end with after a run that would wait on, or 0. A signal that came during the run is
 * judged by what the run has begun: who is told that nothing was done must be told the truth. Under
 * the lock.
 */
static int take_end(struct parked *parked)
{
	struct request *request = &parked->request;

	if (parked->ended == EINTR && request->interrupt != NULL &&
		request->interrupt(request, FALSE))
		parked->ended = 0;
	return parked->ended;
}

/* After a run that ended with -EINPROGRESS: TRUE when it is to run again at once. */
static gboolean settle(struct parking *parking, struct parked *parked)
{
	uint64_t id = parked->id;
	int ended;

	pthread_mutex_lock(&parking->lock);
	ended = take_end(parked);
	if (ended == 0 && parked->woken) {
		parked->woken = FALSE;
		pthread_mutex_unlock(&parking->lock);
		return TRUE;
	}
	parked->running = FALSE;
	pthread_mutex_unlock(&parking->lock);
	/* From here on another thread may have answered and freed it. */
	if (ended != 0)
		end(parking, id, ended);
	return FALSE;
}

static void run_parked(struct parking *parking, struct parked *parked)
{
	g_autoptr(GError) error = NULL;
	int r;

	do {
		struct ticket *ticket = ticket_new(parking, parked->id);

		g_clear_error(&error);
		r = parked->request.run(&parked->request, resume, ticket, &error);
		if (r != -EINPROGRESS)
			g_free(ticket);
	} while (r == -EINPROGRESS && settle(parking, parked));
	if (r == -EINPROGRESS)
		return;
	if (r < 0)
		reply_error(&parked->request, r, error);
	finish(parking, parked);
}

/* There is news: runs the request again, here. */
static void resume(void *data)
{
	g_autofree struct ticket *ticket = data;
	struct parking *parking = ticket->parking;
	struct parked *parked;

	pthread_mutex_lock(&parking->lock);
	parked = g_hash_table_lookup(parking->parked, &ticket->id);
	if (parked != NULL && parked->running) {
		parked->woken = TRUE;
		parked = NULL;
	} else if (parked != NULL) {
		parked->running = TRUE;
	}
	pthread_mutex_unlock(&parking->lock);
	if (parked != NULL)
		run_parked(parking, parked);
}

/* Takes over the request's state. */
static void park(struct parking *parking, struct request *request)
{
	struct filesystem *filesystem = request->filesystem;
	struct parked *parked;
	uint64_t id;

	pthread_mutex_lock(&parking->lock);
	if (parking->closed) {
		pthread_mutex_unlock(&parking->lock);
		fuse_reply_err(request->fuse, ENODEV);
		free_state(request);
		return;
	}
	if (g_hash_table_size(parking->parked) >= REQUEST_PARKED_MAX) {
		pthread_mutex_unlock(&parking->lock);
		journal_add(filesystem->journal, EAGAIN, "too many requests wait for servers");
		fuse_reply_err(request->fuse, EAGAIN);
		free_state(request);
		return;
	}
	parked = g_new0(struct parked, 1);
	parked->request = *request;
	parked->request.node = node_ref(request->node);
	parked->request.name = g_strdup(request->name);
	parked->request.target = request->target != NULL ? node_ref(request->target) : NULL;
	parked->request.target_name = g_strdup(request->target_name);
	parked->running = TRUE;
	parked->id = id = ++parking->last_id;
	parked->timeout = ticket_new(parking, id);
	g_hash_table_insert(parking->parked, &parked->id, parked);
	pthread_mutex_unlock(&parking->lock);
	parked->timer = loop_timer_add(filesystem->loop, timeout_of(request), filesystem->strand,
		on_timeout, parked->timeout);
	fuse_req_interrupt_func(request->fuse, on_interrupt, GSIZE_TO_POINTER(id));
	run_parked(parking, parked);
}

void request_begin_full(struct filesystem *filesystem, fuse_req_t fuse, uint64_t id,
	const struct request *description)
{
	struct node *node NODE_CLEANUP = node_table_get(filesystem->nodes, id);
	struct request request = *description;
	g_autoptr(GError) error = NULL;
	int r;

	request.filesystem = filesystem;
	request.fuse = fuse;
	request.thread = fuse_req_ctx(fuse)->pid;
	request.node = node;
	if (filesystem->closing || node == NULL) {
		fuse_reply_err(fuse, filesystem->closing ? ENODEV : ESTALE);
		free_state(&request);
		return;
	}
	r = request.run(&request, NULL, NULL, &error);
	if (r == -EINPROGRESS) {
		park(filesystem->parking, &request);
		return;
	}
	if (r < 0)
		reply_error(&request, r, error);
	free_state(&request);
}

void request_begin(struct filesystem *filesystem, fuse_req_t fuse, uint64_t id, const char *name,
	size_t size, off_t offset, request_run run)
{
	const struct request description = {
		.name = (char *)name,
		.size = size,
		.offset = offset,
		.run = run,
	};

	request_begin_full(filesystem, fuse, id, &description);
}

struct process *request_process(const struct request *request)
{
	pid_t group = process_group(request->thread);

	return group != 0 ? processes_get(request->filesystem->processes, group) : NULL;
}

int request_reply_done(struct request *request)
{
	fuse_reply_err(request->fuse, 0);
	return 0;
}
