#include "client/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/secret.h"

/* A pipe holds 64 KiB, a piece is a page or more. */
#define DRAIN_PIECES 32

enum {
	CHILD,
	OUTPUT,
	ERRORS,
	CANCEL,
	POLLED,
};

struct run {
	const struct subprocess *subprocess;
	pid_t pid;
	gint64 deadline; /* monotonic microseconds */
	struct pollfd polled[POLLED];
	struct secret_buffer output;
	struct secret_buffer errors;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int add_file_actions(posix_spawn_file_actions_t *actions, int output, int errors)
{
	int result =
		posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (result == 0)
		result = posix_spawn_file_actions_adddup2(actions, output, STDOUT_FILENO);
	if (result == 0)
		result = posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
	if (result == 0)
		result = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	return result;
}

/* The daemon blocks and ignores signals that a program expects to work. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int result;

	sigemptyset(&none);
	sigfillset(&all);
	result = posix_spawnattr_setsigmask(attributes, &none);
	if (result == 0)
		result = posix_spawnattr_setsigdefault(attributes, &all);
	if (result == 0)
		result = posix_spawnattr_setflags(attributes,
			POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	return result;
}

/* 0 or a negative errno. */
static int spawn(struct run *run, int output, int errors)
{
	const struct subprocess *subprocess = run->subprocess;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int result;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	result = add_file_actions(&actions, output, errors);
	if (result == 0)
		result = set_attributes(&attributes);
	if (result == 0)
		result = posix_spawn(&run->pid, subprocess->path, &actions, &attributes,
			(char *const *)subprocess->argv, (char *const *)subprocess->envp);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -result;
}

/* Only our end must not block: the program's end is as it expects it. */
static int open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

static int start(struct run *run)
{
	int output[2] = {-1, -1}, errors[2] = {-1, -1};
	int result = open_pipe(output);

	if (result == 0)
		result = open_pipe(errors);
	if (result == 0)
		result = spawn(run, output[1], errors[1]);
	close_fd(&output[1]);
	close_fd(&errors[1]);
	run->polled[OUTPUT].fd = output[0];
	run->polled[ERRORS].fd = errors[0];
	return result;
}

/* Takes one piece of what is there; FALSE when nothing is. The end closes the descriptor. */
static gboolean take(struct pollfd *from, struct secret_buffer *buffer)
{
	ssize_t count;

	if (from->fd < 0)
		return FALSE;
	secret_buffer_reserve(buffer);
	do {
		count = read(
			from->fd, buffer->data + buffer->length, buffer->capacity - buffer->length);
	} while (count < 0 && errno == EINTR);
	if (count > 0) {
		buffer->length += (size_t)count;
		return TRUE;
	}
	if (count == 0 || errno != EAGAIN)
		close_fd(&from->fd);
	return FALSE;
}

static gboolean take_errors(struct run *run)
{
	struct secret_buffer *errors = &run->errors;
	size_t keep = run->subprocess->error_limit;
	gboolean more = take(&run->polled[ERRORS], errors);

	if (errors->length > keep) {
		memmove(errors->data, errors->data + errors->length - keep, keep);
		errors->length = keep;
	}
	return more;
}

/* Both pipes as far as they are full now: a program that never pauses must not hold us here. */
static int drain(struct run *run)
{
	gboolean more = TRUE;

	for (unsigned int piece = 0; more && piece < DRAIN_PIECES; piece++) {
		more = take_errors(run);
		more = take(&run->polled[OUTPUT], &run->output) || more;
		if (run->output.length > run->subprocess->output_limit)
			return -EMSGSIZE;
	}
	return 0;
}

static int wait_for_something(struct run *run)
{
	gint64 left = run->deadline - g_get_monotonic_time();

	if (left <= 0)
		return -ETIMEDOUT;
	if (poll(run->polled, POLLED, (int)(left / 1000) + 1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (run->polled[CANCEL].fd >= 0 && run->polled[CANCEL].revents != 0)
		return -ECANCELED;
	return 0;
}

/* Until the program has ended and what it wrote is read. */
static int attend(struct run *run)
{
	for (;;) {
		gboolean ended;
		int result = wait_for_something(run);

		if (result < 0)
			return result;
		ended = run->polled[CHILD].revents != 0;
		result = drain(run);
		if (result < 0 || ended)
			return result;
		for (unsigned int i = 0; i < POLLED; i++)
			run->polled[i].revents = 0;
	}
}

static int reap(pid_t pid, int *ret_status)
{
	pid_t result;

	do {
		result = waitpid(pid, ret_status, 0);
	} while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

static int supervise(struct run *run, int *ret_status)
{
	int result, reaped;

	run->polled[CHILD].fd = pidfd_open(run->pid, 0);
	result = run->polled[CHILD].fd < 0 ? -errno : attend(run);
	/* Not yet reaped, so the number is still this group's. */
	if (result < 0)
		kill(-run->pid, SIGKILL);
	reaped = reap(run->pid, ret_status);
	close_fd(&run->polled[CHILD].fd);
	return result < 0 ? result : reaped;
}

int subprocess_run(const struct subprocess *subprocess, struct subprocess_result *ret_result)
{
	struct run run = {.subprocess = subprocess};
	int status = 0, result;
	gboolean started;

	for (unsigned int i = 0; i < POLLED; i++)
		run.polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	run.polled[CANCEL].fd = subprocess->cancel_fd;
	run.deadline = g_get_monotonic_time() + (gint64)subprocess->timeout * 1000;
	result = start(&run);
	started = result == 0;
	if (started)
		result = supervise(&run, &status);
	close_fd(&run.polled[OUTPUT].fd);
	close_fd(&run.polled[ERRORS].fd);
	if (!started)
		return result;
	ret_result->output = secret_buffer_steal(&run.output);
	ret_result->errors = secret_buffer_steal(&run.errors);
	ret_result->status = status;
	return result;
}

void subprocess_result_finish(struct subprocess_result *result)
{
	g_clear_pointer(&result->output, g_bytes_unref);
	g_clear_pointer(&result->errors, g_bytes_unref);
}
