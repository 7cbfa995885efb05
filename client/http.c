#include "client/http.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/http_internal.h"
#include "client/secret.h"

#define DEFAULT_MEDIA_TYPE "application/json"

static void finish_lanes(struct http_client *client)
{
	for (unsigned int i = 0; i < HTTP_LANE_COUNT; i++) {
		http_lane_finish(&client->lanes[i]);
		http_lane_finish(&client->http2_lanes[i]);
	}
}

/* Client thread. Every exchange ends, and the connections are closed. */
static void stop_client(struct http_client *client)
{
	client->closed = TRUE;
	while (client->exchanges.head != NULL)
		http_attempt_cancel(client->exchanges.head->data);
	http_refresh_abandon(client);
	finish_lanes(client);
	pthread_mutex_lock(&client->mutex);
	client->stopped = TRUE;
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->mutex);
}

static void on_loop_stop(struct loop_member *member)
{
	stop_client((struct http_client *)member);
}

static void join_loop(void *data)
{
	struct http_client *client = data;

	loop_member_add(client->loop, &client->member);
}

static void leave_loop(void *data)
{
	struct http_client *client = data;

	loop_member_remove(client->loop, &client->member);
	stop_client(client);
}

static void free_server(void *server)
{
	http_server_free(server);
}

static void client_free(struct http_client *client)
{
	finish_lanes(client);
	g_ptr_array_unref(client->servers);
	authority_unref(client->authority);
	g_free(client->trust_file);
	g_free(client->trust_folders);
	connection_unref(client->connection);
	loop_unref(client->loop);
	pthread_cond_destroy(&client->changed);
	pthread_mutex_destroy(&client->mutex);
	g_free(client);
}

static int add_servers(struct http_client *client, GError **error)
{
	const GPtrArray *urls = client->connection->servers;
	struct http_server *server;
	unsigned int i;
	int result;

	for (i = 0; i < urls->len; i++) {
		result = http_server_create(
			client->connection, g_ptr_array_index(urls, i), &server, error);
		if (result < 0)
			return result;
		g_ptr_array_add(client->servers, server);
	}
	return 0;
}

static int check_tls(const struct connection *connection, GError **error)
{
	gsize length;
	const char *pem;

	if (connection->ca == NULL)
		return 0;
	pem = g_bytes_get_data(connection->ca, &length);
	if (g_strstr_len(pem, (gssize)length, "-----BEGIN ") == NULL)
		return error_set(error, EINVAL, "%s: the certificate authority is no PEM text",
			connection->name);
	return 0;
}

/* An empty one is none. */
static char *get_setting(const char *name)
{
	const char *value = g_getenv(name);

	return value != NULL && *value != '\0' ? g_strdup(value) : NULL;
}

struct http_client *http_client_create(
	struct loop *loop, struct strand_pool *pool, struct connection *connection, GError **error)
{
	struct http_client *client = g_new0(struct http_client, 1);
	unsigned int i;

	for (i = 0; i < HTTP_LANE_COUNT; i++) {
		http_lane_init(&client->lanes[i]);
		http_lane_init(&client->http2_lanes[i]);
	}
	client->member.stop = on_loop_stop;
	client->loop = loop_ref(loop);
	client->connection = connection_ref(connection);
	if (connection->ca != NULL)
		client->authority = authority_create(
			connection->ca, connection->ca_path, AUTHORITY_LIFETIME_MS);
	client->trust_file = get_setting("SSL_CERT_FILE");
	client->trust_folders = get_setting("SSL_CERT_DIR");
	client->servers = g_ptr_array_new_with_free_func(free_server);
	g_queue_init(&client->exchanges);
	pthread_mutex_init(&client->mutex, NULL);
	pthread_cond_init(&client->changed, NULL);
	if (check_tls(connection, error) < 0 || add_servers(client, error) < 0) {
		client_free(client);
		return NULL;
	}
	client->stopped = !loop_post(loop, join_loop, client);
	return client;
}

void http_client_destroy(struct http_client *client)
{
	if (client == NULL)
		return;
	/* When the loop has ended already, it has stopped the client as well. */
	loop_post(client->loop, leave_loop, client);
	pthread_mutex_lock(&client->mutex);
	while (!client->stopped || client->active > 0)
		pthread_cond_wait(&client->changed, &client->mutex);
	pthread_mutex_unlock(&client->mutex);
	client_free(client);
}

static const char *server_name(const struct http_client *client, guint index)
{
	const struct http_server *server = g_ptr_array_index(client->servers, index);

	return server->name;
}

const char *http_client_server(struct http_client *client)
{
	return server_name(client, (guint)g_atomic_int_get(&client->server));
}

void http_client_avoid(struct http_client *client, const char *server)
{
	gint index = g_atomic_int_get(&client->server);
	gint next = (index + 1) % (gint)client->servers->len;

	if (strcmp(server_name(client, (guint)index), server) == 0)
		g_atomic_int_compare_and_exchange(&client->server, index, next);
}

struct loop *http_client_loop(struct http_client *client)
{
	return client->loop;
}

/* -1 when name is NULL, or that of no server. */
static gint find_server(const struct http_client *client, const char *name)
{
	guint i;

	for (i = 0; name != NULL && i < client->servers->len; i++) {
		if (strcmp(server_name(client, i), name) == 0)
			return (gint)i;
	}
	return -1;
}

gint http_exchange_first_server(const struct http_exchange *exchange)
{
	if (exchange->only_server >= 0)
		return exchange->only_server;
	return g_atomic_int_get(&exchange->client->server);
}

const struct http_server *http_exchange_server(const struct http_exchange *exchange)
{
	if (exchange->stranger != NULL)
		return exchange->stranger;
	return g_ptr_array_index(exchange->client->servers, (guint)exchange->server);
}

struct http_exchange *http_exchange_ref(struct http_exchange *exchange)
{
	g_atomic_int_inc(&exchange->references);
	return exchange;
}

/* They may hold a token. */
static void free_headers(char **headers)
{
	for (char **line = headers; line != NULL && *line != NULL; line++)
		secret_free(*line);
	g_free(headers);
}

struct http_exchange *http_exchange_unref(struct http_exchange *exchange)
{
	if (exchange == NULL || !g_atomic_int_dec_and_test(&exchange->references))
		return NULL;
	http_delivery_finish(&exchange->delivery);
	http_response_clear(&exchange->response);
	http_failure_clear(&exchange->failure);
	g_free(exchange->method);
	g_free(exchange->path);
	g_free(exchange->accept);
	g_free(exchange->content_type);
	g_clear_pointer(&exchange->body, g_bytes_unref);
	free_headers(exchange->more_headers);
	http_server_free(exchange->stranger);
	g_free(exchange->unusable);
	loop_unref(exchange->loop);
	g_free(exchange);
	return NULL;
}

static void run_start(void *data)
{
	struct http_exchange *exchange = data;

	http_attempt_start(exchange);
	http_exchange_unref(exchange);
}

static void run_cancel(void *data)
{
	struct http_exchange *exchange = data;

	http_attempt_cancel(exchange);
	http_exchange_unref(exchange);
}

static void run_resume(void *data)
{
	struct http_exchange *exchange = data;

	http_attempt_resume(exchange);
	http_exchange_unref(exchange);
}

static void on_resume(void *data)
{
	struct http_exchange *exchange = http_exchange_ref(data);

	if (!loop_post(exchange->loop, run_resume, exchange))
		http_exchange_unref(exchange);
}

/* After the done handler; the client may be freed once its count is down. */
static void on_ended(void *data)
{
	struct http_exchange *exchange = data;
	struct http_client *client = g_steal_pointer(&exchange->client);

	http_exchange_unref(exchange);
	pthread_mutex_lock(&client->mutex);
	client->active--;
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->mutex);
}

/* Where only one server may be asked. */
static void choose_server(struct http_exchange *exchange, const char *url)
{
	g_autoptr(GError) error = NULL;

	exchange->only_server = find_server(exchange->client, url);
	if (url == NULL || exchange->only_server >= 0)
		return;
	if (http_server_create(exchange->client->connection, url, &exchange->stranger, &error) < 0)
		exchange->unusable = g_strdup(error->message);
}

static struct http_exchange *exchange_create(
	struct http_client *client, const struct http_request *request)
{
	struct http_exchange *exchange = g_new0(struct http_exchange, 1);

	exchange->references = 1;
	exchange->client = client;
	exchange->loop = loop_ref(client->loop);
	exchange->method = g_strdup(request->method);
	exchange->path = g_strdup(request->path);
	exchange->accept = g_strdup(request->accept != NULL ? request->accept : DEFAULT_MEDIA_TYPE);
	exchange->content_type = g_strdup(
		request->content_type != NULL ? request->content_type : DEFAULT_MEDIA_TYPE);
	exchange->body = request->body != NULL ? g_bytes_ref(request->body) : NULL;
	exchange->lane = request->lane;
	exchange->http2 = request->http2;
	exchange->timeout = request->timeout;
	exchange->idle_timeout = request->idle_timeout;
	exchange->repeat = request->repeat;
	exchange->more_headers = g_strdupv((char **)request->headers);
	choose_server(exchange, request->server);
	return exchange;
}

struct http_exchange *http_send(struct http_client *client, const struct http_request *request,
	const struct http_handlers *handlers, void *data, struct strand *strand)
{
	static const struct http_delivery_hooks hooks = {.resume = on_resume, .ended = on_ended};
	struct http_exchange *exchange = exchange_create(client, request);

	http_delivery_init(&exchange->delivery, handlers, data, strand, &hooks, exchange);
	pthread_mutex_lock(&client->mutex);
	client->active++;
	pthread_mutex_unlock(&client->mutex);
	/* One reference until the done handler has run, one for the job. */
	http_exchange_ref(http_exchange_ref(exchange));
	if (!loop_post(client->loop, run_start, exchange)) {
		struct http_result result = {
			.errnum = ECANCELED, .reason = "", .message = "canceled"};

		exchange->state = HTTP_STATE_ENDED;
		http_delivery_end(&exchange->delivery, &result, http_client_server(client));
		http_exchange_unref(exchange);
	}
	return exchange;
}

void http_cancel(struct http_exchange *exchange)
{
	http_delivery_cancel(&exchange->delivery);
	if (!loop_post(exchange->loop, run_cancel, http_exchange_ref(exchange)))
		http_exchange_unref(exchange);
}
