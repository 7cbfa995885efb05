#include "tests/unit/process_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/lock.h"
#include "kubefs/process_question.h"

#define FILE_ID 2
#define GATE_ID 3

static const char *const ANSWERS[] = {
	[PROCESS_UNKNOWN] = "unknown",
	[PROCESS_HOLDS] = "holds",
	[PROCESS_LEFT] = "left",
	[PROCESS_KILLED] = "killed",
	[PROCESS_KILLED_HELD] = "killed-held",
};

/* What the kernel calls fh. */
struct handle {
	pid_t opener;
	gboolean writable;
};

struct process_mount {
	char *directory;
	struct fuse_session *session;
	struct process_questions *questions;
	struct tally readers;
	pthread_t thread;
	int stop; /* eventfd */
	GPtrArray *handles; /* kept to the end: an unmount may swallow a RELEASE */
	pthread_mutex_t lock; /* guards all below */
	fuse_req_t reader; /* a READ that waits, or NULL */
	GString *answers;
	gint64 longest;
};

/* A FLUSH under way. */
struct flush {
	struct process_mount *mount;
	fuse_req_t request;
	gint64 begin;
};

static void fill_attributes(fuse_ino_t id, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = id == FILE_ID ? PROCESS_MOUNT_INODE : id,
		.st_mode = id == FUSE_ROOT_ID ? S_IFDIR | 0777 : S_IFREG | 0666,
		.st_nlink = 1,
	};
}

static void do_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = {.entry_timeout = 60, .attr_timeout = 60};

	if (strcmp(name, "file") == 0)
		entry.ino = FILE_ID;
	else if (strcmp(name, "gate") == 0)
		entry.ino = GATE_ID;
	fill_attributes(entry.ino, &entry.attr);
	if (entry.ino == 0)
		fuse_reply_err(request, ENOENT);
	else
		fuse_reply_entry(request, &entry);
}

static void reply_attributes(fuse_req_t request, fuse_ino_t id)
{
	struct stat attributes;

	fill_attributes(id, &attributes);
	fuse_reply_attr(request, &attributes, 60);
}

static void do_getattr(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	reply_attributes(request, id);
}

static void do_setattr(fuse_req_t request, fuse_ino_t id, struct stat *wanted, int what,
	struct fuse_file_info *info)
{
	reply_attributes(request, id);
}

static void do_open(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	struct process_mount *mount = fuse_req_userdata(request);
	struct handle *handle = g_new0(struct handle, 1);

	handle->opener = process_group(fuse_req_ctx(request)->pid);
	handle->writable = id == FILE_ID && (info->flags & O_ACCMODE) != O_RDONLY;
	g_ptr_array_add(mount->handles, handle);
	info->fh = (uintptr_t)handle;
	info->direct_io = 1;
	fuse_reply_open(request, info);
}

static void do_read(
	fuse_req_t request, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct process_mount *mount = fuse_req_userdata(request);

	if (id != GATE_ID) {
		fuse_reply_buf(request, NULL, 0);
		return;
	}
	pthread_mutex_lock(&mount->lock);
	g_assert(mount->reader == NULL);
	mount->reader = request;
	pthread_mutex_unlock(&mount->lock);
	tally_add(&mount->readers);
}

static void do_write(fuse_req_t request, fuse_ino_t id, const char *text, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	fuse_reply_write(request, size);
}

static void on_answer(void *data, enum process_answer answer)
{
	struct flush *flush = data;
	struct process_mount *mount = flush->mount;
	gint64 took = g_get_monotonic_time() - flush->begin;

	pthread_mutex_lock(&mount->lock);
	mount->longest = MAX(mount->longest, took);
	if (mount->answers->len > 0)
		g_string_append_c(mount->answers, ' ');
	g_string_append(mount->answers, ANSWERS[answer]);
	pthread_mutex_unlock(&mount->lock);
	fuse_reply_err(flush->request, 0);
	g_free(flush);
}

static void do_flush(fuse_req_t request, fuse_ino_t id, struct fuse_file_info *info)
{
	struct process_mount *mount = fuse_req_userdata(request);
	const struct handle *handle = (const struct handle *)(uintptr_t)info->fh;
	struct flush *flush;

	if (!handle->writable) {
		fuse_reply_err(request, 0);
		return;
	}
	flush = g_new(struct flush, 1);
	*flush = (struct flush){mount, request, g_get_monotonic_time()};
	process_questions_ask(mount->questions, fuse_req_ctx(request)->pid, handle->opener,
		PROCESS_MOUNT_INODE, on_answer, flush);
}

static const struct fuse_lowlevel_ops OPERATIONS = {
	.lookup = do_lookup,
	.getattr = do_getattr,
	.setattr = do_setattr,
	.open = do_open,
	.read = do_read,
	.write = do_write,
	.flush = do_flush,
};

static void *serve(void *data)
{
	struct process_mount *mount = data;

	struct fuse_buf buffer = {0};
	struct pollfd fds[2] = {
		{.fd = fuse_session_fd(mount->session), .events = POLLIN},
		{.fd = mount->stop, .events = POLLIN},
	};

	/* Not fuse_session_loop: an unmount closes the descriptor that it reads. */
	while (poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
		if (fuse_session_receive_buf(mount->session, &buffer) > 0)
			fuse_session_process_buf(mount->session, &buffer);
	}
	free(buffer.mem);
	return NULL;
}

struct process_mount *process_mount_create(void)
{
	struct process_mount *mount = g_new0(struct process_mount, 1);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int r;

	mount->directory = g_dir_make_tmp("kubefs process-XXXXXX", NULL);
	g_assert(mount->directory != NULL);
	tally_init(&mount->readers);
	mount->answers = g_string_new(NULL);
	mount->handles = g_ptr_array_new_with_free_func(g_free);
	pthread_mutex_init(&mount->lock, NULL);
	fuse_opt_add_arg(&args, "test");
	mount->session = fuse_session_new(&args, &OPERATIONS, sizeof(OPERATIONS), mount);
	fuse_opt_free_args(&args);
	if (mount->session == NULL || fuse_session_mount(mount->session, mount->directory) < 0)
		g_error("nothing can be mounted here, which this test is about");
	/* Patient: an answer that was not known in time is one that hung, on a busy machine, too.
	 */
	mount->questions = process_questions_create("/proc", FIXTURE_PATIENCE_MS);
	g_assert(mount->questions != NULL);
	r = process_questions_attach(mount->questions, mount->directory);
	if (r < 0)
		g_error("%s was not found: %s", mount->directory, g_strerror(-r));
	mount->stop = eventfd(0, EFD_CLOEXEC);
	pthread_create(&mount->thread, NULL, serve, mount);
	return mount;
}

void process_mount_destroy(struct process_mount *mount)
{
	(void)eventfd_write(mount->stop, 1);
	pthread_join(mount->thread, NULL);
	close(mount->stop);
	/* First, since a worker may still be in its reply, and this closes what it writes to. */
	process_questions_destroy(mount->questions);
	fuse_session_unmount(mount->session);
	fuse_session_destroy(mount->session);
	g_rmdir(mount->directory);
	g_free(mount->directory);
	tally_finish(&mount->readers);
	g_string_free(mount->answers, TRUE);
	g_ptr_array_unref(mount->handles);
	pthread_mutex_destroy(&mount->lock);
	g_free(mount);
}

const char *process_mount_directory(const struct process_mount *mount)
{
	return mount->directory;
}

char *process_mount_take_answers(struct process_mount *mount)
{
	LOCK_GUARD(&mount->lock);
	char *answers = g_strdup(mount->answers->str);

	g_string_truncate(mount->answers, 0);
	return answers;
}

void process_mount_reach_gate(struct process_mount *mount)
{
	tally_reach(&mount->readers, 1);
}

void process_mount_open_gate(struct process_mount *mount)
{
	fuse_req_t reader;

	pthread_mutex_lock(&mount->lock);
	reader = g_steal_pointer(&mount->reader);
	pthread_mutex_unlock(&mount->lock);
	g_assert(reader != NULL);
	fuse_reply_buf(reader, NULL, 0);
}

gint64 process_mount_longest(struct process_mount *mount)
{
	LOCK_GUARD(&mount->lock);

	return mount->longest;
}
