#include "kubefs/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "client/error.h"
#include "client/secret.h"

/* A terminal that does not echo, and signals that wait until it does again. */
struct prompt {
	int terminal;
	int signals;
	struct termios attributes;
	sigset_t mask;
};

static int prompt_open(struct prompt *prompt, GError **error)
{
	struct termios silent;
	sigset_t blocked;

	prompt->terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (prompt->terminal < 0)
		return error_set(error, ENXIO, "there is no terminal to ask at");
	if (tcgetattr(prompt->terminal, &prompt->attributes) < 0) {
		close(prompt->terminal);
		return error_set(error, ENXIO, "/dev/tty: %s", g_strerror(errno));
	}
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGHUP);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGQUIT);
	sigaddset(&blocked, SIGTERM);
	/* Stopped, the program would leave the shell without an echo. */
	sigaddset(&blocked, SIGTSTP);
	sigprocmask(SIG_BLOCK, &blocked, &prompt->mask);
	sigdelset(&blocked, SIGTSTP);
	prompt->signals = signalfd(-1, &blocked, SFD_CLOEXEC);
	if (prompt->signals < 0) {
		sigprocmask(SIG_SETMASK, &prompt->mask, NULL);
		close(prompt->terminal);
		return error_set(error, errno, "signalfd: %s", g_strerror(errno));
	}
	silent = prompt->attributes;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	silent.c_lflag |= ECHONL;
	tcsetattr(prompt->terminal, TCSAFLUSH, &silent);
	return 0;
}

/* A signal that came is not taken from signals: it is delivered now. */
static void prompt_close(struct prompt *prompt)
{
	tcsetattr(prompt->terminal, TCSAFLUSH, &prompt->attributes);
	close(prompt->terminal);
	close(prompt->signals);
	sigprocmask(SIG_SETMASK, &prompt->mask, NULL);
}

/* One byte of the line: 1, 0 at its end, or a negative errno. */
static int read_byte(struct prompt *prompt, char *ret)
{
	struct pollfd files[] = {
		{.fd = prompt->signals, .events = POLLIN},
		{.fd = prompt->terminal, .events = POLLIN},
	};
	ssize_t count;

	do
		count = poll(files, G_N_ELEMENTS(files), -1);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return -errno;
	if (files[0].revents != 0)
		return -EINTR;
	count = read(prompt->terminal, ret, 1);
	if (count < 0)
		return -errno;
	if (count == 0)
		return -EINTR;
	return *ret != '\n';
}

static int read_line(struct prompt *prompt, size_t limit, struct secret_buffer *line)
{
	char byte = '\0';
	int r;

	for (;;) {
		secret_buffer_reserve(line);
		r = read_byte(prompt, &byte);
		if (r <= 0)
			break;
		if (line->length == limit) {
			r = -EFBIG;
			break;
		}
		line->data[line->length++] = byte;
	}
	explicit_bzero(&byte, sizeof(byte));
	if (r == 0)
		line->data[line->length] = '\0';
	return r;
}

int prompt_secret(const char *question, size_t limit, char **ret_secret, GError **error)
{
	struct prompt prompt = {.terminal = -1, .signals = -1};
	struct secret_buffer line = {0};
	int r = prompt_open(&prompt, error);

	if (r < 0)
		return r;
	dprintf(prompt.terminal, "%s: ", question);
	r = read_line(&prompt, limit, &line);
	prompt_close(&prompt);
	if (r < 0) {
		secret_buffer_finish(&line);
		return error_set(
			error, -r, "%s: %s", question, r == -EINTR ? "no answer" : g_strerror(-r));
	}
	*ret_secret = line.data;
	return 0;
}
