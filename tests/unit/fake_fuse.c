#include "tests/unit/fake_fuse.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* libfuse's session is no more than a name here, so what is told of is the test program's. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct lines *lines;
	uint64_t blocked;
} kernel = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct fuse_req *fake_request_create(void *userdata)
{
	struct fuse_req *request = g_new0(struct fuse_req, 1);

	request->userdata = userdata;
	request->context = (struct fuse_ctx){.uid = getuid(), .gid = getgid(), .pid = getpid()};
	pthread_mutex_init(&request->lock, NULL);
	pthread_cond_init(&request->replied, NULL);
	return request;
}

void fake_request_destroy(struct fuse_req *request)
{
	if (request->buffer != NULL)
		g_bytes_unref(request->buffer);
	g_free(request->link);
	pthread_mutex_destroy(&request->lock);
	pthread_cond_destroy(&request->replied);
	g_free(request);
}

enum fake_answer fake_request_wait(struct fuse_req *request)
{
	enum fake_answer reply;
	struct timespec deadline;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += FIXTURE_PATIENCE_MS / 1000;
	pthread_mutex_lock(&request->lock);
	while (request->reply == REPLY_NONE && r == 0)
		r = pthread_cond_timedwait(&request->replied, &request->lock, &deadline);
	reply = request->reply;
	pthread_mutex_unlock(&request->lock);
	if (reply == REPLY_NONE)
		g_error("no reply came");
	return reply;
}

gboolean fake_request_is_answered(struct fuse_req *request)
{
	gboolean answered;

	pthread_mutex_lock(&request->lock);
	answered = request->reply != REPLY_NONE;
	pthread_mutex_unlock(&request->lock);
	return answered;
}

void fake_request_interrupt(struct fuse_req *request)
{
	fuse_interrupt_func_t interrupt;
	void *data;

	pthread_mutex_lock(&request->lock);
	request->interrupted = TRUE;
	interrupt = request->interrupt;
	data = request->interrupt_data;
	pthread_mutex_unlock(&request->lock);
	if (interrupt != NULL)
		interrupt(request, data);
}

/* Called with what belongs to the reply filled in under the lock. */
static int reply(struct fuse_req *request, enum fake_answer kind)
{
	int result = request->send_fails;

	pthread_mutex_lock(&request->lock);
	if (request->reply != REPLY_NONE)
		g_error("a second reply to one request");
	request->reply = kind;
	pthread_cond_broadcast(&request->replied);
	/* From here on the test may let it go. */
	pthread_mutex_unlock(&request->lock);
	return result;
}

int fuse_reply_err(fuse_req_t request, int errnum)
{
	if (errnum < 0 || errnum > 4095)
		g_error("%d is no errno", errnum);
	request->errnum = errnum;
	return reply(request, REPLY_ERROR);
}

void fuse_reply_none(fuse_req_t request)
{
	reply(request, REPLY_OTHER);
}

int fuse_reply_entry(fuse_req_t request, const struct fuse_entry_param *entry)
{
	request->entry = *entry;
	return reply(request, REPLY_ENTRY);
}

int fuse_reply_attr(fuse_req_t request, const struct stat *stat, double timeout)
{
	request->stat = *stat;
	return reply(request, REPLY_ATTR);
}

int fuse_reply_buf(fuse_req_t request, const char *bytes, size_t size)
{
	request->buffer = g_bytes_new(bytes, size);
	return reply(request, REPLY_BUFFER);
}

int fuse_reply_open(fuse_req_t request, const struct fuse_file_info *info)
{
	request->info = *info;
	return reply(request, REPLY_OPEN);
}

int fuse_reply_create(
	fuse_req_t request, const struct fuse_entry_param *entry, const struct fuse_file_info *info)
{
	request->entry = *entry;
	request->info = *info;
	return reply(request, REPLY_CREATE);
}

int fuse_reply_write(fuse_req_t request, size_t size)
{
	request->size = size;
	return reply(request, REPLY_WRITE);
}

const struct fuse_ctx *fuse_req_ctx(fuse_req_t request)
{
	return &request->context;
}

int fuse_reply_readlink(fuse_req_t request, const char *link)
{
	request->link = g_strdup(link);
	return reply(request, REPLY_LINK);
}

int fuse_reply_xattr(fuse_req_t request, size_t size)
{
	request->size = size;
	return reply(request, REPLY_XATTR);
}

int fuse_reply_statfs(fuse_req_t request, const struct statvfs *statvfs)
{
	return reply(request, REPLY_OTHER);
}

void *fuse_req_userdata(fuse_req_t request)
{
	return request->userdata;
}

/* As libfuse: calls at once when the interrupt came before. */
void fuse_req_interrupt_func(fuse_req_t request, fuse_interrupt_func_t function, void *data)
{
	gboolean interrupted;

	pthread_mutex_lock(&request->lock);
	request->interrupt = function;
	request->interrupt_data = data;
	interrupted = request->interrupted;
	pthread_mutex_unlock(&request->lock);
	if (interrupted && function != NULL)
		function(request, data);
}

char *fake_entries(GBytes *buffer, gboolean plus)
{
	GString *text = g_string_new(NULL);
	size_t length;
	const char *bytes = g_bytes_get_data(buffer, &length);
	size_t header = plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t at = 0;

	while (at + header <= length) {
		struct fuse_dirent entry;

		memcpy(&entry, bytes + at + (plus ? offsetof(struct fuse_direntplus, dirent) : 0),
			sizeof(entry));
		g_string_append_printf(text, "%.*s@%u ", (int)entry.namelen, bytes + at + header,
			(unsigned int)entry.off);
		at += FUSE_DIRENT_ALIGN(header + entry.namelen);
	}
	ck_assert_uint_eq(at, length);
	return g_string_free(text, FALSE);
}

void fake_notifications_set(struct lines *lines)
{
	pthread_mutex_lock(&kernel.lock);
	kernel.lines = lines;
	pthread_mutex_unlock(&kernel.lock);
}

void fake_notifications_block(uint64_t directory)
{
	pthread_mutex_lock(&kernel.lock);
	kernel.blocked = directory;
	pthread_cond_broadcast(&kernel.changed);
	pthread_mutex_unlock(&kernel.lock);
}

static struct lines *wait_for_directory(uint64_t directory)
{
	struct lines *lines;

	pthread_mutex_lock(&kernel.lock);
	if (kernel.blocked == directory && kernel.lines != NULL)
		lines_add(kernel.lines, "blocked %u", (unsigned int)directory);
	while (kernel.blocked == directory)
		pthread_cond_wait(&kernel.changed, &kernel.lock);
	lines = kernel.lines;
	pthread_mutex_unlock(&kernel.lock);
	return lines;
}

int fuse_lowlevel_notify_inval_entry(
	struct fuse_session *session, fuse_ino_t parent, const char *name, size_t length)
{
	struct lines *lines = wait_for_directory(parent);

	if (lines != NULL)
		lines_add(lines, "entry %u %.*s", (unsigned int)parent, (int)length, name);
	return -ENOENT;
}

int fuse_lowlevel_notify_delete(struct fuse_session *session, fuse_ino_t parent, fuse_ino_t child,
	const char *name, size_t length)
{
	struct lines *lines = wait_for_directory(parent);

	if (lines != NULL)
		lines_add(lines, "delete %u %u %.*s", (unsigned int)parent, (unsigned int)child,
			(int)length, name);
	return 0;
}

int fuse_lowlevel_notify_inval_inode(
	struct fuse_session *session, fuse_ino_t inode, off_t offset, off_t length)
{
	struct lines *lines;

	pthread_mutex_lock(&kernel.lock);
	lines = kernel.lines;
	pthread_mutex_unlock(&kernel.lock);
	if (lines != NULL)
		lines_add(lines, "inode %u %d", (unsigned int)inode, (int)offset);
	return 0;
}

int fuse_lowlevel_notify_store(struct fuse_session *session, fuse_ino_t inode, off_t offset,
	struct fuse_bufvec *content, enum fuse_buf_copy_flags flags)
{
	struct lines *lines;

	pthread_mutex_lock(&kernel.lock);
	lines = kernel.lines;
	pthread_mutex_unlock(&kernel.lock);
	if (lines != NULL)
		lines_add(lines, "store %u %zu", (unsigned int)inode, fuse_buf_size(content));
	return 0;
}
