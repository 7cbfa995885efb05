#include "kubefs/readahead.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <string.h>

#include "client/lock.h"
#include "kubefs/workers.h"

/* Nodes that are read in the order of their ids. */
struct stream {
	uint64_t first; /* the last READ that it got ahead of */
	uint64_t next; /* the first node that was not stored */
	uint64_t files; /* that were stored the last time; 0: the one before next was read alone */
	uint64_t used; /* the READ that it met last, counted */
};

struct readahead {
	struct fuse_session *session;
	struct node_table *nodes;
	struct workers *worker; /* one */
	pthread_mutex_t lock; /* guards all below */
	struct stream streams[READAHEAD_STREAMS_MAX];
	uint64_t reads;
	gboolean closed;
};

struct job {
	struct readahead *readahead;
	struct stream *stream;
	uint64_t first, end;
};

struct readahead *readahead_create(struct fuse_session *session, struct node_table *nodes)
{
	struct readahead *readahead = g_new0(struct readahead, 1);

	readahead->session = session;
	readahead->nodes = nodes;
	readahead->worker = workers_create(1);
	pthread_mutex_init(&readahead->lock, NULL);
	return readahead;
}

void readahead_close(struct readahead *readahead)
{
	struct workers *worker;

	pthread_mutex_lock(&readahead->lock);
	readahead->closed = TRUE;
	worker = g_steal_pointer(&readahead->worker);
	pthread_mutex_unlock(&readahead->lock);
	workers_destroy(worker);
}

void readahead_destroy(struct readahead *readahead)
{
	if (readahead == NULL)
		return;
	readahead_close(readahead);
	pthread_mutex_destroy(&readahead->lock);
	g_free(readahead);
}

static gboolean is_closed(struct readahead *readahead)
{
	LOCK_GUARD(&readahead->lock);

	return readahead->closed;
}

/* Adds to *bytes what was stored. FALSE: the kernel takes nothing more. */
static gboolean store(struct readahead *readahead, const struct node *node, size_t *bytes)
{
	struct fuse_bufvec content = FUSE_BUFVEC_INIT(0);
	size_t length = 0;
	const char *text = NULL;
	int r;

	if (node->key.kind == NODE_OBJECT || node->key.kind == NODE_KEY)
		text = node_text(node, &length);
	if (text == NULL || length == 0 || length > READAHEAD_BYTES_MAX - *bytes)
		return TRUE;
	content.buf[0].mem = (char *)text;
	content.buf[0].size = length;
	r = fuse_lowlevel_notify_store(readahead->session, node->id, 0, &content, 0);
	*bytes += length;
	/* -ENOENT: it has forgotten the inode. */
	return r == 0 || r == -ENOENT;
}

/* Where less was stored than was meant to be, the next READ is awaited there. */
static void end_early(const struct job *job, uint64_t id)
{
	LOCK_GUARD(&job->readahead->lock);

	if (job->stream->next == job->end)
		job->stream->next = id;
}

static void run(void *data)
{
	struct job *job = data;
	struct readahead *readahead = job->readahead;
	size_t bytes = 0;
	uint64_t id = job->first;
	gboolean more = TRUE;

	for (; more && id < job->end && bytes < READAHEAD_BYTES_MAX; id++) {
		struct node *node NODE_CLEANUP = node_table_get(readahead->nodes, id);

		if (node == NULL)
			break;
		more = !is_closed(readahead) && store(readahead, node, &bytes);
	}
	if (id < job->end)
		end_early(job, id);
	g_free(job);
}

/* The stream that the READ belongs to, or the one that was used least lately, made a new one. */
static struct stream *find_stream(struct readahead *readahead, uint64_t id)
{
	struct stream *oldest = &readahead->streams[0];

	for (size_t i = 0; i < READAHEAD_STREAMS_MAX; i++) {
		struct stream *stream = &readahead->streams[i];

		if (stream->used != 0 && id >= stream->first && id <= stream->next)
			return stream;
		if (stream->used < oldest->used)
			oldest = stream;
	}
	*oldest = (struct stream){.first = id, .next = id + 1};
	return oldest;
}

void readahead_note(struct readahead *readahead, const struct node *node)
{
	LOCK_GUARD(&readahead->lock);
	struct stream *stream;
	struct job *job;

	if (readahead->closed)
		return;
	stream = find_stream(readahead, node->id);
	stream->used = ++readahead->reads;
	if (node->id != stream->next)
		return;
	stream->files = CLAMP(2 * stream->files, READAHEAD_FILES_MIN, READAHEAD_FILES_MAX);
	stream->first = node->id;
	stream->next = node->id + 1 + stream->files;
	job = g_new(struct job, 1);
	*job = (struct job){readahead, stream, node->id + 1, stream->next};
	workers_post(readahead->worker, run, job);
}
