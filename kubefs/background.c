#include "kubefs/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void wait_for_child(pid_t child, int descriptor, const char *mountpoint)
{
	struct stat stat_buffer;
	ssize_t length;
	char byte;
	int status;

	do {
		length = read(descriptor, &byte, 1);
	} while (length < 0 && errno == EINTR);
	/* The child has mounted: the first answer is what makes it true. */
	if (length == 1 && stat(mountpoint, &stat_buffer) == 0)
		_exit(EXIT_SUCCESS);
	if (length == 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
		WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status));
	_exit(EXIT_FAILURE);
}

int background_fork(const char *mountpoint)
{
	int descriptors[2];
	pid_t child;

	if (pipe2(descriptors, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child > 0) {
		close(descriptors[1]);
		wait_for_child(child, descriptors[0], mountpoint);
	}
	close(descriptors[0]);
	return descriptors[1];
}

void background_ready(int descriptor)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ssize_t written;

	(void)setsid();
	if (chdir("/") < 0)
		return;
	if (null >= 0) {
		for (int fd = 0; fd <= 2; fd++)
			dup2(null, fd);
		if (null > 2)
			close(null);
	}
	do {
		written = write(descriptor, "", 1);
	} while (written < 0 && errno == EINTR);
	close(descriptor);
}
