#include "tests/unit/scripted_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAIT_SECONDS 30

struct answer {
	GByteArray *bytes;
	char *repeated;
	unsigned int repeats;
	enum scripted_end end;
	char *request; /* or NULL */
};

struct scripted_server {
	int listener;
	char *url;
	pthread_t acceptor;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Guarded by the mutex. */
	gboolean stopping;
	GQueue answers; /* of struct answer * */
	GPtrArray *requests; /* of char * */
	GPtrArray *connections; /* of struct peer * */
	unsigned int open;
	guint64 sent;
};

struct peer {
	struct scripted_server *server;
	pthread_t thread;
	int fd; /* -1 once closed; guarded by the server's mutex */
	GString *input;
};

static void answer_free(struct answer *answer)
{
	g_byte_array_unref(answer->bytes);
	g_free(answer->repeated);
	g_free(answer->request);
	g_free(answer);
}

/* The length of the body that head announces. */
static size_t body_length(const char *head)
{
	const char *field = strcasestr(head, "\r\ncontent-length:");

	return field != NULL ? strtoul(field + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

/* Takes one request off the connection; NULL when it ends. */
static char *read_request(struct peer *peer)
{
	char buffer[4096];
	char *request;
	const char *end;
	size_t total;
	ssize_t length;

	for (;;) {
		end = strstr(peer->input->str, "\r\n\r\n");
		if (end != NULL) {
			total = (size_t)(end - peer->input->str) + 4;
			total += body_length(peer->input->str);
			if (peer->input->len >= total) {
				request = g_strndup(peer->input->str, total);
				g_string_erase(peer->input, 0, (gssize)total);
				return request;
			}
		}
		length = recv(peer->fd, buffer, sizeof(buffer), 0);
		if (length <= 0)
			return NULL;
		g_string_append_len(peer->input, buffer, length);
	}
}

/* The first answer that is for this request. Called with the mutex held. */
static struct answer *take_answer(struct scripted_server *server, const char *request)
{
	GList *link;

	for (link = server->answers.head; link != NULL; link = link->next) {
		struct answer *answer = link->data;

		if (answer->request == NULL || g_str_has_prefix(request, answer->request)) {
			g_queue_delete_link(&server->answers, link);
			return answer;
		}
	}
	return NULL;
}

/* Notes the request and returns its answer, NULL when there is none. */
static struct answer *exchange_for(struct scripted_server *server, char *request)
{
	struct answer *answer;

	pthread_mutex_lock(&server->mutex);
	g_ptr_array_add(server->requests, request);
	answer = take_answer(server, request);
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->mutex);
	return answer;
}

static gboolean send_all(struct peer *peer, const void *bytes, size_t length)
{
	const char *next = bytes;

	while (length > 0) {
		ssize_t sent = send(peer->fd, next, length, MSG_NOSIGNAL);

		if (sent <= 0)
			return FALSE;
		next += sent;
		length -= (size_t)sent;
		pthread_mutex_lock(&peer->server->mutex);
		peer->server->sent += (guint64)sent;
		pthread_cond_broadcast(&peer->server->changed);
		pthread_mutex_unlock(&peer->server->mutex);
	}
	return TRUE;
}

/* Until the other side ends it, or scripted_server_destroy shuts it down. */
static void stall(struct peer *peer)
{
	char buffer[4096];

	while (recv(peer->fd, buffer, sizeof(buffer), 0) > 0)
		;
}

/* TRUE when the connection takes a further request. */
static gboolean give_answer(struct peer *peer, const struct answer *answer)
{
	struct linger reset = {.l_onoff = 1};
	unsigned int i;

	if (answer == NULL || !send_all(peer, answer->bytes->data, answer->bytes->len)) {
		stall(peer);
		return FALSE;
	}
	for (i = 0; i < answer->repeats; i++)
		if (!send_all(peer, answer->repeated, strlen(answer->repeated)))
			return FALSE;
	if (answer->end == SCRIPTED_STALL)
		stall(peer);
	else if (answer->end == SCRIPTED_RESET)
		setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return answer->end == SCRIPTED_KEEP;
}

static void *serve(void *data)
{
	struct peer *peer = data;
	struct scripted_server *server = peer->server;
	struct answer *answer;
	gboolean more = TRUE;
	char *request;

	while (more && (request = read_request(peer)) != NULL) {
		answer = exchange_for(server, request);
		more = give_answer(peer, answer);
		g_clear_pointer(&answer, answer_free);
	}
	pthread_mutex_lock(&server->mutex);
	close(peer->fd);
	peer->fd = -1;
	server->open--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->mutex);
	return NULL;
}

static void *accept_all(void *data)
{
	struct scripted_server *server = data;
	struct peer *peer;
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		peer = g_new0(struct peer, 1);
		peer->server = server;
		peer->fd = fd;
		peer->input = g_string_new(NULL);
		pthread_mutex_lock(&server->mutex);
		server->open++;
		g_ptr_array_add(server->connections, peer);
		pthread_create(&peer->thread, NULL, serve, peer);
		pthread_mutex_unlock(&server->mutex);
	}
	return NULL;
}

/* A socket on a free port, and its URL, which is the caller's. */
static int bind_port(char **ret_url)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*ret_url = g_strdup_printf("http://127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

char *scripted_server_closed_url(void)
{
	char *url;

	bind_port(&url);
	return url;
}

struct scripted_server *scripted_server_create(void)
{
	struct scripted_server *server = g_new0(struct scripted_server, 1);

	server->listener = bind_port(&server->url);
	ck_assert_int_eq(listen(server->listener, 256), 0);
	pthread_mutex_init(&server->mutex, NULL);
	pthread_cond_init(&server->changed, NULL);
	g_queue_init(&server->answers);
	server->requests = g_ptr_array_new_with_free_func(g_free);
	server->connections = g_ptr_array_new();
	ck_assert_int_eq(pthread_create(&server->acceptor, NULL, accept_all, server), 0);
	return server;
}

static void end_connections(struct scripted_server *server)
{
	unsigned int i;

	pthread_mutex_lock(&server->mutex);
	for (i = 0; i < server->connections->len; i++) {
		struct peer *peer = g_ptr_array_index(server->connections, i);

		if (peer->fd >= 0)
			shutdown(peer->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&server->mutex);
	for (i = 0; i < server->connections->len; i++) {
		struct peer *peer = g_ptr_array_index(server->connections, i);

		pthread_join(peer->thread, NULL);
		g_string_free(peer->input, TRUE);
		g_free(peer);
	}
}

void scripted_server_destroy(struct scripted_server *server)
{
	if (server == NULL)
		return;
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->acceptor, NULL);
	close(server->listener);
	end_connections(server);
	g_queue_clear_full(&server->answers, (GDestroyNotify)answer_free);
	g_ptr_array_unref(server->requests);
	g_ptr_array_unref(server->connections);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->mutex);
	g_free(server->url);
	g_free(server);
}

const char *scripted_server_url(const struct scripted_server *server)
{
	return server->url;
}

void scripted_server_add(struct scripted_server *server, const struct scripted_answer *answer)
{
	struct answer *copy = g_new0(struct answer, 1);
	size_t length = answer->length != 0 ? answer->length : strlen(answer->bytes);

	copy->bytes = g_byte_array_new();
	g_byte_array_append(copy->bytes, (const guint8 *)answer->bytes, (guint)length);
	copy->repeated = g_strdup(answer->repeated);
	copy->repeats = answer->repeats;
	copy->end = answer->end;
	copy->request = g_strdup(answer->request);
	pthread_mutex_lock(&server->mutex);
	g_queue_push_tail(&server->answers, copy);
	pthread_mutex_unlock(&server->mutex);
}

void scripted_server_respond_to(struct scripted_server *server, const char *request,
	const char *status, const char *extra, const char *body)
{
	g_autofree char *bytes = g_strdup_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s",
		status, strlen(body), extra, body);
	struct scripted_answer answer = {.bytes = bytes, .request = request};

	scripted_server_add(server, &answer);
}

void scripted_server_respond(
	struct scripted_server *server, const char *status, const char *extra, const char *body)
{
	scripted_server_respond_to(server, NULL, status, extra, body);
}

unsigned int scripted_server_requests(struct scripted_server *server)
{
	unsigned int count;

	pthread_mutex_lock(&server->mutex);
	count = server->requests->len;
	pthread_mutex_unlock(&server->mutex);
	return count;
}

static struct timespec wait_end(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_SECONDS;
	return end;
}

void scripted_server_wait(struct scripted_server *server, unsigned int count)
{
	struct timespec end = wait_end();
	int result = 0;

	pthread_mutex_lock(&server->mutex);
	while (server->requests->len < count && result == 0)
		result = pthread_cond_timedwait(&server->changed, &server->mutex, &end);
	pthread_mutex_unlock(&server->mutex);
	ck_assert_msg(result == 0, "the request did not come");
}

void scripted_server_wait_sent(struct scripted_server *server, guint64 count)
{
	struct timespec end = wait_end();
	int result = 0;

	pthread_mutex_lock(&server->mutex);
	while (server->sent < count && result == 0)
		result = pthread_cond_timedwait(&server->changed, &server->mutex, &end);
	pthread_mutex_unlock(&server->mutex);
	ck_assert_msg(result == 0, "nothing was sent");
}

void scripted_server_wait_open(struct scripted_server *server, unsigned int count)
{
	struct timespec end = wait_end();
	int result = 0;

	pthread_mutex_lock(&server->mutex);
	while (server->open > count && result == 0)
		result = pthread_cond_timedwait(&server->changed, &server->mutex, &end);
	pthread_mutex_unlock(&server->mutex);
	ck_assert_msg(result == 0, "the connections stay open");
}

char *scripted_server_request(struct scripted_server *server, unsigned int index)
{
	char *request;

	pthread_mutex_lock(&server->mutex);
	ck_assert_uint_lt(index, server->requests->len);
	request = g_strdup(g_ptr_array_index(server->requests, index));
	pthread_mutex_unlock(&server->mutex);
	return request;
}

unsigned int scripted_server_accepted(struct scripted_server *server)
{
	unsigned int count;

	pthread_mutex_lock(&server->mutex);
	count = server->connections->len;
	pthread_mutex_unlock(&server->mutex);
	return count;
}

guint64 scripted_server_sent(struct scripted_server *server)
{
	guint64 sent;

	pthread_mutex_lock(&server->mutex);
	sent = server->sent;
	pthread_mutex_unlock(&server->mutex);
	return sent;
}
