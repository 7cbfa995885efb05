#include "kubefs/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* seq_file gives a page or less at a time. */
#define PIECE ((size_t)4096)

static int read_all(struct buffer *buffer, int fd)
{
	ssize_t length;

	do {
		if (!buffer_reserve(buffer, PIECE))
			return -EFBIG;
		length = read(fd, buffer->data + buffer->length, PIECE - 1);
		if (length > 0)
			buffer->length += (size_t)length;
	} while (length > 0 || (length < 0 && errno == EINTR));
	if (length < 0)
		return -errno;
	buffer->data[buffer->length] = '\0';
	return 0;
}

int proc_file_read(struct buffer *buffer, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = read_all(buffer, fd);
	close(fd);
	return r;
}
