#include "kubefs/init_reply.h"

#include <sys/uio.h>
#include <unistd.h>

#include <fuse_lowlevel.h>
#include <linux/fuse.h>

#include "kubefs/filesystem.h"

static ssize_t write_reply(int fd, struct iovec *iov, int count, void *userdata)
{
	struct filesystem *filesystem = userdata;

	/* Set by the handler of INIT, whose answer is what the same thread writes next. */
	if (filesystem->init_flags != 0) {
		if (count == 2 && iov[1].iov_len >= offsetof(struct fuse_init_out, flags) + 4) {
			struct fuse_init_out *out = iov[1].iov_base;

			out->flags |= filesystem->init_flags;
		}
		filesystem->init_flags = 0;
	}
	return writev(fd, iov, count);
}

static ssize_t read_request(int fd, void *buffer, size_t size, void *userdata)
{
	return read(fd, buffer, size);
}

int init_reply_attach(struct fuse_session *session)
{
	static const struct fuse_custom_io io = {.writev = write_reply, .read = read_request};

	return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}
