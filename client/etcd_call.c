#include "client/etcd_call.h"

#include <errno.h>
#include <string.h>

#include "client/lock.h"

/*
 * gRPC metadata, and how the gateway is told to add it. A member that has no leader then refuses at
 * once, and ends its streams, in place of falling silent (rpctypes.MetadataRequireLeaderKey).
 */
#define REQUIRE_LEADER "hasleader: true"
#define REQUIRE_LEADER_BY_GATEWAY "Grpc-Metadata-" REQUIRE_LEADER

struct etcd_client *etcd_client_ref(struct etcd_client *client)
{
	g_atomic_int_inc(&client->references);
	return client;
}

struct etcd_client *etcd_client_unref(struct etcd_client *client)
{
	if (client != NULL && g_atomic_int_dec_and_test(&client->references)) {
		etcd_auth_finish(&client->auth);
		etcd_dialects_finish(&client->dialects);
		loop_unref(client->loop);
		pthread_cond_destroy(&client->changed);
		pthread_mutex_destroy(&client->lock);
		g_free(client);
	}
	return NULL;
}

struct etcd_call *etcd_call_ref(struct etcd_call *call)
{
	g_atomic_int_inc(&call->references);
	return call;
}

struct etcd_call *etcd_call_unref(struct etcd_call *call)
{
	if (call == NULL || !g_atomic_int_dec_and_test(&call->references))
		return NULL;
	etcd_failure_clear(&call->failure);
	g_clear_pointer(&call->request.body, g_bytes_unref);
	g_free(call->request.get);
	g_clear_pointer(&call->request.message, g_bytes_unref);
	g_free(call->request.server);
	strand_unref(call->strand);
	etcd_client_unref(call->client);
	call->ops->free(call);
	return NULL;
}

void etcd_call_init(struct etcd_call *call, const struct etcd_call_ops *ops,
	struct etcd_client *client, const struct etcd_request *request, struct strand *strand)
{
	call->ops = ops;
	call->references = 1;
	call->client = etcd_client_ref(client);
	call->strand = strand_ref(strand);
	call->request = *request;
}

gboolean etcd_call_is_cancelled(struct etcd_call *call)
{
	return g_atomic_int_get(&call->cancelled) != 0;
}

gboolean etcd_call_is_sent(struct etcd_call *call)
{
	LOCK_GUARD(&call->client->lock);

	return call->exchange != NULL;
}

/* The end. The owner may destroy the client once the call is out of its list. */
static void finish(struct etcd_call *call, struct etcd_result *result)
{
	struct etcd_client *client = call->client;

	call->ops->done(call, result);
	pthread_mutex_lock(&client->lock);
	g_queue_unlink(&client->calls, &call->link);
	pthread_cond_broadcast(&client->changed);
	pthread_mutex_unlock(&client->lock);
	etcd_call_unref(call);
}

static void finish_cancelled(struct etcd_call *call)
{
	struct etcd_result result = {.errnum = ECANCELED, .message = "canceled"};

	finish(call, &result);
}

/*
 * Whether a failed change may be there nevertheless. A refusal says that it is not unless its words
 * leave that open, nor is what was never sent; what follows a success could not be read.
 */
static gboolean may_have_arrived(const struct etcd_failure *failure, const struct http_result *http)
{
	if (http == NULL)
		return FALSE;
	if (http->unanswered || (http->status >= 200 && http->status < 300))
		return TRUE;
	if (http->status == 0 || failure->untouched)
		return FALSE;
	return http->status != 503 || http->retry_after == 0;
}

static void finish_failed(struct etcd_call *call, const struct http_result *http)
{
	struct etcd_failure failure = call->failure;
	g_autofree char *message = NULL;
	struct etcd_result result = {
		.errnum = failure.errnum,
		.code = failure.code,
		.compact_revision = failure.compact_revision,
	};

	call->failure = (struct etcd_failure){0};
	message = http != NULL ? g_strdup_printf("%s: %s", http->server, failure.words)
			       : g_strdup(failure.words);
	result.message = message;
	result.uncertain =
		call->request.kind == ETCD_CALL_CHANGE && may_have_arrived(&failure, http);
	finish(call, &result);
	etcd_failure_clear(&failure);
}

static void on_head(void *data, const struct http_head *head)
{
	struct etcd_call *call = data;
	GError *error = NULL;
	int r = call->grpc ? etcd_grpc_check_head(head, &error)
			   : http_head_check_json(head, &error);

	call->frame = (struct etcd_grpc_frame){0};
	if (r < 0) {
		call->foreign = call->grpc;
		etcd_call_fail(call, error);
	} else if (call->ops->head != NULL) {
		call->ops->head(call, head);
	}
}

/* The piece of the message that is in bytes. */
static void take_message(struct etcd_call *call, const char *bytes, size_t length)
{
	struct protobuf_input message;
	GError *error = NULL;

	if (etcd_grpc_unwrap(&call->frame, bytes, length, &message, &error) < 0)
		etcd_call_fail(call, error);
	else if (message.at < message.end)
		call->ops->body(call, message.at, protobuf_length(&message));
}

static void on_body(void *data, const char *bytes, size_t length)
{
	struct etcd_call *call = data;

	if (call->failure.errnum != 0)
		return;
	if (call->grpc)
		take_message(call, bytes, length);
	else
		call->ops->body(call, bytes, length);
}

/* http's messages begin with the server, as ours will. */
static const char *without_server(const struct http_result *http)
{
	size_t length = strlen(http->server);

	if (strncmp(http->message, http->server, length) == 0 &&
		strncmp(http->message + length, ": ", 2) == 0)
		return http->message + length + 2;
	return http->message;
}

/* What HTTP found wrong, as far as the call itself has not. */
static void take_http_failure(struct etcd_call *call, const struct http_result *http)
{
	const gboolean refused = http->status != 0 && (http->status < 200 || http->status >= 300);
	struct etcd_failure *failure = &call->failure;

	if (refused && http->errnum != ECANCELED) {
		etcd_failure_read(failure, http->status_object, http->status, without_server(http));
		return;
	}
	failure->errnum = http->errnum;
	failure->words = g_strdup(without_server(http));
	/* A connection there was: the server fell silent, or ended. */
	failure->elsewhere = http->connected && (http->errnum == ETIMEDOUT || http->errnum == EIO);
	failure->again = failure->elsewhere;
}

/* A refusal has no message. FALSE when there is one, or none at all. */
static gboolean check_status(struct etcd_call *call, const struct http_result *http)
{
	if (!etcd_grpc_read_status(http, &call->failure))
		call->foreign = TRUE;
	return call->failure.errnum == 0;
}

static void check_end(struct etcd_call *call, const struct http_result *http)
{
	GError *error = NULL;

	if (call->grpc && !check_status(call, http))
		return;
	if ((call->grpc && etcd_grpc_end(&call->frame, &error) < 0) ||
		call->ops->end(call, &error) < 0)
		etcd_call_fail(call, error);
}

static gboolean may_repeat(const struct etcd_call *call, const struct http_result *http)
{
	const struct etcd_failure *failure = &call->failure;

	if (call->handed_out || !failure->again || loop_now() >= call->deadline)
		return FALSE;
	switch (call->request.kind) {
	case ETCD_CALL_READ:
		return TRUE;
	case ETCD_CALL_CHANGE:
		return failure->untouched && !may_have_arrived(failure, http);
	default:
		return FALSE;
	}
}

static void begin(struct etcd_call *call);

static void on_repeat(void *data)
{
	struct etcd_call *call = data;

	pthread_mutex_lock(&call->client->lock);
	call->timer = 0;
	pthread_mutex_unlock(&call->client->lock);
	begin(call);
}

static unsigned int next_delay(struct etcd_call *call)
{
	unsigned int delay = ETCD_DELAY_MIN << MIN(call->repeats, 5U);

	call->repeats++;
	return MIN(delay, ETCD_DELAY_MAX) + (unsigned int)g_random_int_range(0, ETCD_DELAY_MIN);
}

/* FALSE when it is over. */
static gboolean repeat_later(struct etcd_call *call)
{
	struct etcd_client *client = call->client;
	LOCK_GUARD(&client->lock);

	if (etcd_call_is_cancelled(call) || client->http == NULL)
		return FALSE;
	call->timer = loop_timer_add(client->loop, next_delay(call), call->strand, on_repeat, call);
	return TRUE;
}

static void avoid(struct etcd_client *client, const char *server)
{
	LOCK_GUARD(&client->lock);

	if (client->http != NULL)
		http_client_avoid(client->http, server);
}

/* TRUE when the request is sent again, with another token. */
static gboolean renew_token(struct etcd_call *call)
{
	if (!call->failure.token || call->renewed || call->handed_out || call->request.anonymous ||
		!etcd_auth_renew(call->client, call->token))
		return FALSE;
	call->renewed = TRUE;
	etcd_failure_clear(&call->failure);
	begin(call);
	return TRUE;
}

static enum etcd_dialect find_dialect(struct etcd_client *client, const char *server)
{
	LOCK_GUARD(&client->lock);

	return etcd_dialects_find(&client->dialects, server);
}

/* The call has come to an answer, or to gRPC's refusal. */
static void learn_dialect(struct etcd_call *call, const struct http_result *http)
{
	LOCK_GUARD(&call->client->lock);

	if (call->grpc && http->grpc_status != NULL && !call->foreign)
		etcd_dialects_learn(&call->client->dialects, http->server, ETCD_DIALECT_GRPC);
	else if (call->gateway && call->failure.errnum == 0)
		etcd_dialects_learn(&call->client->dialects, http->server, ETCD_DIALECT_GATEWAY);
}

/*
 * Whether the server does not speak gRPC. One that speaks nothing else than HTTP/1.1 ends the
 * connection, or refuses what it takes for an odd request; one that is silent may be dead, and is
 * not asked twice.
 */
static gboolean is_foreign(struct etcd_call *call, const struct http_result *http)
{
	if (call->foreign || (http->status >= 300 && http->status < 500))
		return TRUE;
	if (find_dialect(call->client, http->server) != ETCD_DIALECT_UNKNOWN)
		return FALSE;
	return http->connected && http->grpc_status == NULL && http->errnum != ETIMEDOUT &&
	       http->errnum != 0;
}

/* TRUE when the request is sent again, to the gateway. */
static gboolean ask_gateway(struct etcd_call *call, const struct http_result *http)
{
	if (!call->grpc || http == NULL || call->handed_out || etcd_call_is_cancelled(call) ||
		!is_foreign(call, http))
		return FALSE;
	call->gateway = TRUE;
	etcd_failure_clear(&call->failure);
	begin(call);
	return TRUE;
}

/* call->failure says what went wrong; http is the exchange's end, NULL when there was none. */
static void conclude_failed(struct etcd_call *call, const struct http_result *http)
{
	if (ask_gateway(call, http) || renew_token(call))
		return;
	if (call->failure.elsewhere && http != NULL)
		avoid(call->client, http->server);
	if (may_repeat(call, http) && repeat_later(call)) {
		etcd_failure_clear(&call->failure);
		return;
	}
	finish_failed(call, http);
}

/* What it brought after it was cancelled was left out; of a change the true end is told. */
static gboolean is_cut_short(struct etcd_call *call)
{
	return call->request.kind != ETCD_CALL_CHANGE && call->failure.errnum == 0 &&
	       etcd_call_is_cancelled(call);
}

static void set_cancelled(struct etcd_call *call)
{
	call->failure = (struct etcd_failure){
		.errnum = ECANCELED,
		.words = g_strdup("canceled"),
	};
}

static void on_done(void *data, const struct http_result *http)
{
	struct etcd_call *call = data;
	struct etcd_result result = {.message = ""};

	pthread_mutex_lock(&call->client->lock);
	call->exchange = http_exchange_unref(call->exchange);
	pthread_mutex_unlock(&call->client->lock);
	if (is_cut_short(call))
		set_cancelled(call);
	else if (call->failure.errnum == 0 && http->errnum == 0)
		check_end(call, http);
	else if (call->failure.errnum == 0)
		take_http_failure(call, http);
	learn_dialect(call, http);
	if (call->failure.errnum != 0)
		conclude_failed(call, http);
	else
		finish(call, &result);
}

static const struct http_handlers http_handlers = {
	.head = on_head,
	.body = on_body,
	.done = on_done,
};

static unsigned int timeout_of(const struct etcd_request *request)
{
	if (request->timeout != 0)
		return request->timeout;
	return request->kind == ETCD_CALL_CHANGE ? ETCD_CHANGE_TIMEOUT : 0;
}

static enum http_repeat repeat_of(enum etcd_call_kind kind)
{
	switch (kind) {
	case ETCD_CALL_READ:
		return HTTP_REPEAT_LOST;
	case ETCD_CALL_CHANGE:
		return HTTP_REPEAT_REFUSED;
	default:
		return HTTP_REPEAT_NEVER;
	}
}

static gboolean has_idle_timeout(enum etcd_call_kind kind)
{
	return kind == ETCD_CALL_READ || kind == ETCD_CALL_CHANGE;
}

/* Turns a request to the gateway into one of gRPC. With the lock held. */
static void choose_grpc(
	struct etcd_call *call, enum etcd_dialect dialect, struct http_request *request)
{
	request->path = call->request.method;
	request->body = call->request.message;
	request->accept = request->content_type = ETCD_GRPC_TYPE;
	request->http2 = TRUE;
	/* One that does not speak it loses the connection each time. */
	if (dialect == ETCD_DIALECT_UNKNOWN)
		request->repeat = HTTP_REPEAT_NEVER;
}

/* With the lock held. */
static enum etcd_dialect choose_dialect(struct etcd_call *call)
{
	const struct etcd_request *wanted = &call->request;

	const char *server =
		wanted->server != NULL ? wanted->server : http_client_server(call->client->http);

	if (wanted->message == NULL || call->gateway)
		return ETCD_DIALECT_GATEWAY;
	return etcd_dialects_find(&call->client->dialects, server);
}

/* With the lock held. */
static void send_request(struct etcd_call *call)
{
	const struct etcd_request *wanted = &call->request;
	const enum etcd_dialect dialect = choose_dialect(call);
	struct etcd_client *client = call->client;
	const char *headers[4] = {NULL};
	size_t count = 0;
	struct http_request request = {
		.method = wanted->get != NULL ? "GET" : "POST",
		.path = wanted->get != NULL ? wanted->get : wanted->path,
		.body = wanted->body,
		.lane = wanted->lane,
		.timeout = timeout_of(wanted),
		.idle_timeout = has_idle_timeout(wanted->kind) ? ETCD_IDLE_TIMEOUT : 0,
		.repeat = repeat_of(wanted->kind),
		.headers = headers,
		.server = wanted->server,
	};

	call->foreign = FALSE;
	call->grpc = dialect != ETCD_DIALECT_GATEWAY;
	if (call->grpc) {
		choose_grpc(call, dialect, &request);
		headers[count++] = "TE: trailers";
	}
	if (!wanted->anywhere)
		headers[count++] = call->grpc ? REQUIRE_LEADER : REQUIRE_LEADER_BY_GATEWAY;
	if (!wanted->anonymous && client->auth.header != NULL)
		headers[count++] = client->auth.header;
	call->token = wanted->anonymous ? 0 : client->auth.generation;
	call->exchange = http_send(client->http, &request, &http_handlers, call, call->strand);
}

static void finish_unsent(void *data)
{
	struct etcd_call *call = data;

	if (etcd_call_is_cancelled(call) || call->failure.errnum == 0)
		finish_cancelled(call);
	else
		conclude_failed(call, NULL);
}

enum begun {
	BEGUN_SENT,
	BEGUN_WAITS, /* for a token */
	BEGUN_NOT,
};

static enum begun begin_locked(struct etcd_call *call)
{
	struct etcd_client *client = call->client;
	LOCK_GUARD(&client->lock);

	if (etcd_call_is_cancelled(call) || client->http == NULL)
		return BEGUN_NOT;
	if (call->request.anonymous || etcd_auth_is_ready(&client->auth)) {
		send_request(call);
		return BEGUN_SENT;
	}
	call->waiting.data = call;
	g_queue_push_tail_link(&client->auth.waiting, &call->waiting);
	return BEGUN_WAITS;
}

static void begin(struct etcd_call *call)
{
	switch (begin_locked(call)) {
	case BEGUN_NOT:
		strand_post(call->strand, finish_unsent, call);
		break;
	case BEGUN_WAITS:
		etcd_auth_ask(call->client, call->strand);
		break;
	default:
		break;
	}
}

void etcd_call_start(struct etcd_call *call)
{
	struct etcd_client *client = call->client;

	/* The reference until the end. */
	etcd_call_ref(call);
	call->deadline = loop_now() + (call->request.kind == ETCD_CALL_CHANGE ? ETCD_PATIENCE_CHANGE
									      : ETCD_PATIENCE_READ);
	pthread_mutex_lock(&client->lock);
	call->link.data = call;
	g_queue_push_tail_link(&client->calls, &call->link);
	pthread_mutex_unlock(&client->lock);
	begin(call);
}

void etcd_call_resume(struct etcd_call *call, const struct etcd_failure *failure)
{
	if (failure == NULL) {
		begin(call);
		return;
	}
	etcd_failure_copy(&call->failure, failure);
	strand_post(call->strand, finish_unsent, call);
}

/* With the lock held. What is under way ends by itself, with finish_unsent or on_done. */
static void stop(struct etcd_call *call)
{
	g_atomic_int_set(&call->cancelled, 1);
	if (call->exchange != NULL) {
		http_cancel(call->exchange);
	} else if (call->waiting.data != NULL) {
		g_queue_unlink(&call->client->auth.waiting, &call->waiting);
		call->waiting.data = NULL;
		strand_post(call->strand, finish_unsent, call);
	} else if (loop_timer_cancel(call->client->loop, call->timer)) {
		call->timer = 0;
		strand_post(call->strand, finish_unsent, call);
	}
}

void etcd_cancel(struct etcd_call *call)
{
	LOCK_GUARD(&call->client->lock);

	stop(call);
}

void etcd_call_refuse(struct etcd_call *call, const struct etcd_failure *failure)
{
	LOCK_GUARD(&call->client->lock);

	etcd_failure_clear(&call->failure);
	call->failure = *failure;
	if (call->exchange != NULL)
		http_cancel(call->exchange);
}

void etcd_call_fail(struct etcd_call *call, GError *error)
{
	const struct etcd_failure failure = {
		.errnum = error->code, .words = g_strdup(error->message)};

	g_error_free(error);
	etcd_call_refuse(call, &failure);
}

struct etcd_client *etcd_client_create(
	struct http_client *http, const char *user, const char *password)
{
	struct etcd_client *client = g_new0(struct etcd_client, 1);

	client->references = 1;
	client->loop = loop_ref(http_client_loop(http));
	pthread_mutex_init(&client->lock, NULL);
	pthread_cond_init(&client->changed, NULL);
	client->http = http;
	g_queue_init(&client->calls);
	etcd_auth_init(&client->auth, user, password);
	etcd_pulse_init(&client->pulse);
	etcd_dialects_init(&client->dialects);
	return client;
}

void etcd_client_use_grpc(struct etcd_client *client)
{
	LOCK_GUARD(&client->lock);

	client->dialects.enabled = TRUE;
}

void etcd_client_destroy(struct etcd_client *client)
{
	struct http_client *http;

	if (client == NULL)
		return;
	pthread_mutex_lock(&client->lock);
	http = g_steal_pointer(&client->http);
	for (GList *link = client->calls.head; link != NULL; link = link->next)
		stop(link->data);
	pthread_mutex_unlock(&client->lock);
	/* Not under the lock, which the done handlers that it waits for take. */
	http_client_destroy(http);
	pthread_mutex_lock(&client->lock);
	while (client->calls.head != NULL)
		pthread_cond_wait(&client->changed, &client->lock);
	pthread_mutex_unlock(&client->lock);
	etcd_pulse_stop(client);
	etcd_client_unref(client);
}

const char *etcd_client_where(struct etcd_client *client)
{
	LOCK_GUARD(&client->lock);

	return client->http != NULL ? http_client_server(client->http) : "";
}
