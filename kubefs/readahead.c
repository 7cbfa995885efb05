#include "kubefs/readahead.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <string.h>

#include "client/lock.h"
#include "kubefs/filesystem.h"
#include "kubefs/key_layout.h"
#include "kubefs/workers.h"

/* Nodes that are read, or listed, in the order of their ids. */
struct stream {
	uint64_t first; /* the last one that it got ahead of */
	uint64_t next; /* the first node that was not stored, or listed */
	uint64_t read; /* the last READ */
	uint64_t files; /* that were stored the last time; 0: the one before next was read alone */
	uint64_t used; /* the one that it met last, counted */
};

struct readahead {
	struct filesystem *filesystem;
	struct workers *worker; /* one */
	pthread_mutex_t lock; /* guards all below */
	struct stream streams[READAHEAD_STREAMS_MAX];
	uint64_t noted;
	gboolean closed;
};

struct job {
	struct readahead *readahead;
	struct stream *stream;
	uint64_t first, end;
};

struct readahead *readahead_create(struct filesystem *filesystem)
{
	struct readahead *readahead = g_new0(struct readahead, 1);

	readahead->filesystem = filesystem;
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
	r = fuse_lowlevel_notify_store(readahead->filesystem->session, node->id, 0, &content, 0);
	*bytes += length;
	/* -ENOENT: it has forgotten the inode, or not been told of it yet (kubefs/listing_ahead.h).
	 */
	return r == 0;
}

/* Where less was stored than was meant to be, the next READ is awaited there. */
static void end_early(const struct job *job, uint64_t id)
{
	LOCK_GUARD(&job->readahead->lock);

	if (job->stream->next == job->end)
		job->stream->next = id;
}

/* Who reads faster than it is stored has overtaken it. Returns the job's end when it is closed. */
static uint64_t skip_read(const struct job *job, uint64_t id)
{
	LOCK_GUARD(&job->readahead->lock);
	uint64_t read = job->stream->read;

	if (job->readahead->closed)
		return job->end;
	return read >= id && read < job->end ? read + 1 : id;
}

static void run(void *data)
{
	struct job *job = data;
	struct readahead *readahead = job->readahead;
	size_t bytes = 0;
	uint64_t id;
	gboolean more = TRUE;

	for (id = skip_read(job, job->first); more && id < job->end && bytes < READAHEAD_BYTES_MAX;
		id = skip_read(job, id + 1)) {
		struct node *node NODE_CLEANUP = node_table_get(readahead->filesystem->nodes, id);

		if (node == NULL)
			break;
		more = store(readahead, node, &bytes);
	}
	if (id < job->end)
		end_early(job, id);
	g_free(job);
}

/* The stream that the node belongs to, or the one that was used least lately, made a new one. */
static struct stream *find_stream(struct readahead *readahead, uint64_t id)
{
	struct stream *found = &readahead->streams[0];
	gboolean is_new = TRUE;

	for (size_t i = 0; is_new && i < READAHEAD_STREAMS_MAX; i++) {
		struct stream *stream = &readahead->streams[i];

		is_new = stream->used == 0 || id < stream->first || id > stream->next;
		if (!is_new || stream->used < found->used)
			found = stream;
	}
	if (is_new)
		*found = (struct stream){.first = id, .next = id + 1};
	found->used = ++readahead->noted;
	return found;
}

void readahead_note_read(struct readahead *readahead, const struct node *node)
{
	LOCK_GUARD(&readahead->lock);
	struct stream *stream;
	struct job *job;

	if (readahead->closed)
		return;
	stream = find_stream(readahead, node->id);
	stream->read = node->id;
	if (node->id != stream->next)
		return;
	stream->files = CLAMP(2 * stream->files, READAHEAD_FILES_MIN, READAHEAD_FILES_MAX);
	stream->first = node->id;
	stream->next = node->id + 1 + stream->files;
	job = g_new(struct job, 1);
	*job = (struct job){readahead, stream, node->id + 1, stream->next};
	workers_post(readahead->worker, run, job);
}

static gboolean is_listed_in_order(struct readahead *readahead, uint64_t id)
{
	LOCK_GUARD(&readahead->lock);
	struct stream *stream = find_stream(readahead, id);

	if (readahead->closed || id != stream->next)
		return FALSE;
	stream->first = id;
	stream->next = id + 1;
	return TRUE;
}

/* The directory of that id, if it is a sibling of this one: a reference, or NULL. */
static struct node *find_sibling(
	struct readahead *readahead, const struct key_scope *scope, uint64_t id)
{
	struct node *node NODE_CLEANUP = node_table_get(readahead->filesystem->nodes, id);
	struct key_scope other;

	if (node == NULL || node->key.kind != NODE_KEYS)
		return NULL;
	other = key_layout_scope(&node->key);
	if (other.revision != scope->revision || !key_scope_are_siblings(&other, scope))
		return NULL;
	return g_steal_pointer(&node);
}

/* Begins to load it, as far as it is not. */
static void look_into(struct readahead *readahead, const struct node *node)
{
	const struct key_scope scope = key_layout_scope(&node->key);
	struct key_directory *directory = NULL;
	int r = keyspace_look(
		readahead->filesystem->keyspace, &scope, NULL, NULL, &directory, NULL);

	if (r == 0)
		key_directory_unref(directory);
}

void readahead_note_listing(struct readahead *readahead, const struct node *node)
{
	struct node *before NODE_CLEANUP = NULL;
	struct key_scope scope;

	if (node->key.kind != NODE_KEYS || !is_listed_in_order(readahead, node->id))
		return;
	scope = key_layout_scope(&node->key);
	/* Else it is the first child's parent, with the id before. */
	before = find_sibling(readahead, &scope, node->id - 1);
	for (uint64_t i = 1; before != NULL && i <= READAHEAD_DIRECTORIES; i++) {
		struct node *sibling NODE_CLEANUP = find_sibling(readahead, &scope, node->id + i);

		if (sibling != NULL)
			look_into(readahead, sibling);
	}
}
