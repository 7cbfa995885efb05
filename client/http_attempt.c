#include <errno.h>
#include <string.h>

#include "client/http_internal.h"
#include "client/protobuf_status.h"
#include "client/status.h"

/* What asks for longer is told to the caller at once. */
#define RETRY_AFTER_MILLISECONDS_MAX 30000U
#define LOST_REPEATS_MAX 2U
#define REFRESHES_MAX 3U

static void attempt(struct http_exchange *exchange);
static void end_request(struct http_exchange *exchange);

static void cancel_timer(struct http_exchange *exchange, uint64_t *timer)
{
	if (*timer != 0)
		loop_timer_cancel(exchange->loop, *timer);
	*timer = 0;
}

/* The end, from any state. result's object is taken over. */
static void end(struct http_exchange *exchange, const struct http_result *result)
{
	struct http_result told = *result;

	told.connected = exchange->connected;
	told.unanswered = exchange->response.sent && !exchange->response.complete;
	if (told.reason == NULL)
		told.reason = "";
	told.grpc_status = exchange->response.grpc_status;
	told.grpc_message = exchange->response.grpc_message;
	if (exchange->state == HTTP_STATE_RUNNING)
		loop_transfer_stop(exchange->loop, &exchange->transfer);
	exchange->state = HTTP_STATE_ENDED;
	cancel_timer(exchange, &exchange->deadline_timer);
	cancel_timer(exchange, &exchange->retry_timer);
	cancel_timer(exchange, &exchange->idle_timer);
	http_setup_finish(exchange);
	exchange->credential = credential_unref(exchange->credential);
	g_queue_unlink(&exchange->client->exchanges, &exchange->link);
	http_delivery_end(&exchange->delivery, &told, http_failure_where(exchange));
}

static void end_with_errnum(struct http_exchange *exchange, int errnum, const char *why)
{
	g_autofree char *message = http_failure_message(exchange, "%s", why);
	struct http_result result = {.errnum = errnum, .message = message};

	result.status = exchange->response.status;
	result.retry_after = exchange->response.retry_after;
	end(exchange, &result);
}

/* The client is the exchange's until its end. */
void http_attempt_cancel(struct http_exchange *exchange)
{
	if (exchange->state != HTTP_STATE_ENDED)
		end_with_errnum(exchange, ECANCELED, "canceled");
}

/* silent: the server left the request without an answer, or fell silent within it. */
static void time_out(struct http_exchange *exchange, gboolean silent, const char *why)
{
	if (silent && exchange->channel != NULL && exchange->response.sent)
		http_lane_retire(exchange->channel);
	end_with_errnum(exchange, ETIMEDOUT, why);
}

static void on_deadline(void *data)
{
	struct http_exchange *exchange = data;
	g_autofree char *why = NULL;
	double seconds = exchange->timeout / 1000.0;

	exchange->deadline_timer = 0;
	if (exchange->state == HTTP_STATE_CREDENTIAL)
		why = g_strdup_printf("no credential within %g s", seconds);
	else if (!exchange->connected)
		why = g_strdup_printf("no connection within %g s", seconds);
	else if (exchange->head_delivered)
		why = g_strdup_printf("the answer did not end within %g s", seconds);
	else
		why = g_strdup_printf("no answer within %g s", seconds);
	time_out(exchange, !exchange->head_delivered, why);
}

/* The watchdog of a connection that lives and brings nothing. A paused transfer is our own doing.
 */
static void on_idle(void *data)
{
	struct http_exchange *exchange = data;
	g_autofree char *why = NULL;
	uint64_t now = loop_now();
	uint64_t idle;

	if (exchange->paused || exchange->state != HTTP_STATE_RUNNING || !exchange->response.sent)
		exchange->last_byte = now;
	idle = now - exchange->last_byte;
	if (idle < exchange->idle_timeout) {
		exchange->idle_timer = loop_timer_add(
			exchange->loop, exchange->idle_timeout - idle, NULL, on_idle, exchange);
		return;
	}
	exchange->idle_timer = 0;
	why = g_strdup_printf("nothing came for %g s", exchange->idle_timeout / 1000.0);
	time_out(exchange, TRUE, why);
}

static void on_retry(void *data)
{
	struct http_exchange *exchange = data;

	exchange->retry_timer = 0;
	exchange->server = http_exchange_first_server(exchange);
	attempt(exchange);
}

static void wait_for_credential(struct http_exchange *exchange)
{
	if (exchange->refreshes++ >= REFRESHES_MAX) {
		end_with_errnum(exchange, EACCES, "the credential expires as soon as it comes");
		return;
	}
	exchange->state = HTTP_STATE_CREDENTIAL;
	http_refresh_start(exchange->client);
}

static void attempt(struct http_exchange *exchange)
{
	struct credentials *credentials = exchange->client->connection->credentials;

	exchange->credential = credential_unref(exchange->credential);
	if (credentials_get(credentials, &exchange->credential) < 0) {
		wait_for_credential(exchange);
		return;
	}
	if (exchange->refused == exchange->credential->generation) {
		end_request(exchange); /* with the 401: nothing better was to be had */
		return;
	}
	exchange->refused = 0;
	http_response_clear(&exchange->response);
	exchange->paused = FALSE;
	if (http_setup(exchange) < 0 ||
		loop_transfer_start(exchange->loop, &exchange->transfer) < 0) {
		end_with_errnum(exchange, ENOMEM, "out of memory");
		return;
	}
	exchange->state = HTTP_STATE_RUNNING;
}

void http_attempt_refreshed(struct http_client *client, const GError *error)
{
	GQueue waiting = G_QUEUE_INIT;
	struct http_exchange *exchange;
	GList *link;

	for (link = client->exchanges.head; link != NULL; link = link->next) {
		exchange = link->data;
		if (exchange->state == HTTP_STATE_CREDENTIAL)
			g_queue_push_tail(&waiting, exchange);
	}
	while ((exchange = g_queue_pop_head(&waiting)) != NULL) {
		if (error != NULL)
			end_with_errnum(exchange, error->code, error->message);
		else
			attempt(exchange);
	}
}

/* The attempt could not reach its server: TRUE when another one is tried. */
static gboolean move_on(struct http_exchange *exchange)
{
	gint count = (gint)exchange->client->servers->len;
	gint next = (exchange->server + 1) % count;
	CURLcode code = exchange->failure.code;

	if (exchange->response.sent || exchange->only_server >= 0 || exchange->stranger != NULL ||
		(code != CURLE_COULDNT_CONNECT && code != CURLE_OPERATION_TIMEDOUT &&
			code != CURLE_COULDNT_RESOLVE_HOST))
		return FALSE;
	if (++exchange->servers_tried >= (unsigned int)count)
		return FALSE;
	/* For those that come after; another exchange may have found a better one already. */
	g_atomic_int_compare_and_exchange(&exchange->client->server, exchange->server, next);
	exchange->server = next;
	attempt(exchange);
	return TRUE;
}

static gboolean is_lost(const struct http_exchange *exchange)
{
	if (http_failure_is_alert(&exchange->failure))
		return FALSE;
	switch (exchange->failure.code) {
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_PARTIAL_FILE:
		return exchange->response.sent;
	default:
		return FALSE;
	}
}

static void end_transfer(struct http_exchange *exchange)
{
	g_autofree char *message = NULL;
	struct http_result result = {.status = exchange->response.status};

	result.errnum = http_failure_of_transfer(exchange, &message);
	result.message = message;
	end(exchange, &result);
}

static void transfer_failed(struct http_exchange *exchange)
{
	if (move_on(exchange))
		return;
	if (is_lost(exchange) && exchange->repeat >= HTTP_REPEAT_LOST &&
		!exchange->head_delivered && exchange->lost < LOST_REPEATS_MAX) {
		exchange->lost++;
		attempt(exchange);
		return;
	}
	end_transfer(exchange);
}

/*
 * Those that wait for the same connection to be made. One after another they would each wait as
 * long again.
 */
static void share_failure(struct http_exchange *exchange)
{
	const uint64_t certificate = exchange->credential->certificate_generation;
	GQueue beside = G_QUEUE_INIT;
	struct http_exchange *other;
	GList *link;

	for (link = exchange->client->exchanges.head; link != NULL; link = link->next) {
		other = link->data;
		if (other != exchange && other->state == HTTP_STATE_RUNNING &&
			!other->response.sent && other->channel == exchange->channel &&
			other->server == exchange->server &&
			other->stranger == exchange->stranger &&
			other->credential->certificate_generation == certificate)
			g_queue_push_tail(&beside, other);
	}
	for (link = beside.head; link != NULL; link = link->next) {
		other = link->data;
		loop_transfer_stop(other->loop, &other->transfer);
		other->state = HTTP_STATE_NEW;
		http_failure_copy(other, &exchange->failure);
	}
	while ((other = g_queue_pop_head(&beside)) != NULL)
		transfer_failed(other);
}

/* TRUE when there was no connection to join, and one is made. Nothing was sent, or lost again. */
static gboolean make_connection(struct http_exchange *exchange)
{
	if (!exchange->alone || (exchange->response.sent && exchange->repeat < HTTP_REPEAT_LOST))
		return FALSE;
	attempt(exchange);
	return TRUE;
}

static void on_transfer_failed(struct http_exchange *exchange, CURLcode code)
{
	if (make_connection(exchange))
		return;
	http_failure_take(exchange, code);
	if (code == CURLE_PEER_FAILED_VERIFICATION && exchange->client->authority != NULL)
		authority_doubt(exchange->client->authority);
	if (!exchange->response.sent && http_failure_is_shared(&exchange->failure))
		share_failure(exchange);
	transfer_failed(exchange);
}

/* A 401: TRUE when the request is sent again with another credential. */
static gboolean authorize_again(struct http_exchange *exchange)
{
	struct credentials *credentials = exchange->client->connection->credentials;

	if (exchange->response.status != 401 || exchange->unauthorized)
		return FALSE;
	exchange->unauthorized = TRUE;
	exchange->refused = exchange->credential->generation;
	if (!credentials_invalidate(credentials, exchange->refused))
		return FALSE;
	attempt(exchange);
	return TRUE;
}

static gboolean may_repeat(enum http_repeat repeat, int status)
{
	switch (repeat) {
	case HTTP_REPEAT_REFUSED:
	case HTTP_REPEAT_LOST:
		return status == 429 || status == 503;
	case HTTP_REPEAT_ALWAYS:
		return status == 429 || status >= 500;
	default:
		return FALSE;
	}
}

/* 429 or 5xx: TRUE when the request is sent again after the time that the server asks for. */
static gboolean retry_later(struct http_exchange *exchange, unsigned int retry_after)
{
	if (!may_repeat(exchange->repeat, exchange->response.status) || retry_after == 0 ||
		retry_after > RETRY_AFTER_MILLISECONDS_MAX || exchange->retries >= HTTP_RETRIES_MAX)
		return FALSE;
	if (exchange->deadline != 0 && loop_now() + retry_after >= exchange->deadline)
		return FALSE;
	exchange->retries++;
	exchange->response.retry_after = retry_after;
	exchange->state = HTTP_STATE_RETRY;
	exchange->retry_timer =
		loop_timer_add(exchange->loop, retry_after, NULL, on_retry, exchange);
	return TRUE;
}

static cJSON *parse_error_body(const struct http_response *response)
{
	const GByteArray *body = response->error_body;
	cJSON *value;

	if (body == NULL || response->too_long)
		return NULL;
	/* Who asks for protobuf is refused in it, too. */
	if (protobuf_is_envelope((const char *)body->data, body->len))
		return protobuf_status_parse((const char *)body->data, body->len);
	value = cJSON_ParseWithLength((const char *)body->data, body->len);
	if (cJSON_IsObject(value))
		return value;
	cJSON_Delete(value); /* "404 page not found" begins with a number */
	return NULL;
}

static unsigned int asked_to_wait(const struct http_response *response, const struct status *status)
{
	return response->retry_after != 0 ? response->retry_after : status->retry_after;
}

/* Ends with what the response says. */
static void end_request(struct http_exchange *exchange)
{
	const struct http_response *response = &exchange->response;
	cJSON *object = parse_error_body(response);
	struct status status = {.reason = "", .message = ""};
	struct http_result result = {.status = response->status, .status_object = object};
	g_autofree char *message = NULL;

	status_read(object, &status);
	result.errnum = http_failure_of_status(exchange, object, &message);
	result.message = message;
	result.reason = status.reason;
	result.retry_after = asked_to_wait(response, &status);
	end(exchange, &result);
}

static void request_failed(struct http_exchange *exchange)
{
	struct status status = {0};
	cJSON *object;
	unsigned int wait;

	http_response_inflate_error(&exchange->response);
	object = parse_error_body(&exchange->response);
	status_read(object, &status);
	wait = asked_to_wait(&exchange->response, &status);
	cJSON_Delete(object);
	if (!authorize_again(exchange) && !retry_later(exchange, wait))
		end_request(exchange);
}

static gboolean is_success(int status)
{
	return status >= 200 && status < 300;
}

static void on_transfer_done(struct loop_transfer *transfer, CURLcode code)
{
	struct http_exchange *exchange = (struct http_exchange *)transfer;
	const struct http_response *response = &exchange->response;
	struct http_result result = {.status = response->status, .message = ""};

	exchange->state = HTTP_STATE_NEW;
	/* A refusal is one, however its explanation ends: a body that is too big gets it in the
	 * middle. */
	if (response->complete && !is_success(response->status))
		code = CURLE_OK;
	/* libcurl takes a head that was cut after its first line for a whole one. */
	if (code == CURLE_OK && !response->complete)
		code = CURLE_GOT_NOTHING;
	if (code != CURLE_OK)
		on_transfer_failed(exchange, code);
	else if (!is_success(response->status))
		request_failed(exchange);
	else
		end(exchange, &result);
}

void http_attempt_start(struct http_exchange *exchange)
{
	struct http_client *client = exchange->client;

	exchange->link.data = exchange;
	g_queue_push_tail_link(&client->exchanges, &exchange->link);
	exchange->transfer.done = on_transfer_done;
	if (client->closed) {
		http_attempt_cancel(exchange);
		return;
	}
	exchange->server = http_exchange_first_server(exchange);
	if (exchange->unusable != NULL) {
		end_with_errnum(exchange, EINVAL, exchange->unusable);
		return;
	}
	exchange->last_byte = loop_now();
	if (exchange->timeout != 0) {
		exchange->deadline = loop_now() + exchange->timeout;
		exchange->deadline_timer = loop_timer_add(
			exchange->loop, exchange->timeout, NULL, on_deadline, exchange);
	}
	if (exchange->idle_timeout != 0)
		exchange->idle_timer = loop_timer_add(
			exchange->loop, exchange->idle_timeout, NULL, on_idle, exchange);
	attempt(exchange);
}

void http_attempt_resume(struct http_exchange *exchange)
{
	if (exchange->state != HTTP_STATE_RUNNING || !exchange->paused)
		return;
	exchange->paused = FALSE;
	exchange->last_byte = loop_now();
	curl_easy_pause(exchange->transfer.easy, CURLPAUSE_CONT);
}
