#include "tests/differential/oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/error.h"

#define HEADER 5
#define CHUNK 65536

struct oracle {
	GPid pid;
	int to;
	int from;
	GByteArray *sent;
	GByteArray *received;
};

struct oracle *oracle_create(const char *path, GError **error)
{
	char *arguments[] = {(char *)path, NULL};
	struct oracle *oracle = g_new0(struct oracle, 1);

	if (!g_spawn_async_with_pipes(NULL, arguments, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
		    &oracle->pid, &oracle->to, &oracle->from, NULL, error)) {
		g_free(oracle);
		return NULL;
	}
	signal(SIGPIPE, SIG_IGN);
	fcntl(oracle->to, F_SETFL, O_NONBLOCK);
	fcntl(oracle->to, F_SETFD, FD_CLOEXEC);
	fcntl(oracle->from, F_SETFL, O_NONBLOCK);
	fcntl(oracle->from, F_SETFD, FD_CLOEXEC);
	oracle->sent = g_byte_array_new();
	oracle->received = g_byte_array_new();
	return oracle;
}

void oracle_destroy(struct oracle *oracle)
{
	if (oracle == NULL)
		return;
	close(oracle->to);
	close(oracle->from);
	waitpid(oracle->pid, NULL, 0);
	g_byte_array_unref(oracle->sent);
	g_byte_array_unref(oracle->received);
	g_free(oracle);
}

static G_NORETURN void die(const char *what)
{
	fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
	exit(2);
}

static guint32 length_at(const guint8 *header)
{
	return (guint32)header[1] << 24 | (guint32)header[2] << 16 | (guint32)header[3] << 8 |
	       header[4];
}

static void pack(GByteArray *to, const struct oracle_request *requests, size_t count)
{
	g_byte_array_set_size(to, 0);
	for (size_t i = 0; i < count; i++) {
		guint32 length = GUINT32_TO_BE((guint32)requests[i].length);

		g_byte_array_append(to, (const guint8 *)&requests[i].operation, 1);
		g_byte_array_append(to, (const guint8 *)&length, sizeof(length));
		g_byte_array_append(
			to, (const guint8 *)requests[i].payload, (guint)requests[i].length);
	}
}

/* Moves *offset over the responses that are complete; returns how many there are. */
static size_t count_complete(const GByteArray *received, size_t *offset)
{
	size_t count = 0;

	while (received->len - *offset >= HEADER) {
		size_t length = HEADER + length_at(received->data + *offset);

		if (received->len - *offset < length)
			break;
		*offset += length;
		count++;
	}
	return count;
}

static void receive_some(struct oracle *oracle)
{
	guint begin = oracle->received->len;
	ssize_t got;

	g_byte_array_set_size(oracle->received, begin + CHUNK);
	got = read(oracle->from, oracle->received->data + begin, CHUNK);
	if (got == 0)
		errno = EPIPE;
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		die("read");
	g_byte_array_set_size(oracle->received, begin + (guint)MAX(got, 0));
}

static size_t send_some(struct oracle *oracle, size_t done)
{
	ssize_t put = write(oracle->to, oracle->sent->data + done, oracle->sent->len - done);

	if (put < 0 && errno != EAGAIN && errno != EINTR)
		die("write");
	return done + (size_t)MAX(put, 0);
}

static void unpack(const GByteArray *received, struct oracle_response *responses, size_t count)
{
	const guint8 *at = received->data;

	for (size_t i = 0; i < count; i++) {
		responses[i] = (struct oracle_response){
			.failed = at[0] != 0,
			.text = (const char *)at + HEADER,
			.length = length_at(at),
		};
		at += HEADER + responses[i].length;
	}
}

void oracle_exchange(struct oracle *oracle, const struct oracle_request *requests, size_t count,
	struct oracle_response *ret_responses)
{
	size_t done = 0, offset = 0, complete = 0;

	pack(oracle->sent, requests, count);
	g_byte_array_set_size(oracle->received, 0);
	while (complete < count) {
		bool sending = done < oracle->sent->len;
		struct pollfd polls[] = {
			{.fd = oracle->from, .events = POLLIN},
			{.fd = sending ? oracle->to : -1, .events = POLLOUT},
		};

		if (poll(polls, G_N_ELEMENTS(polls), -1) < 0 && errno != EINTR)
			die("poll");
		if (polls[1].revents != 0)
			done = send_some(oracle, done);
		if (polls[0].revents != 0) {
			receive_some(oracle);
			complete += count_complete(oracle->received, &offset);
		}
	}
	unpack(oracle->received, ret_responses, count);
}
