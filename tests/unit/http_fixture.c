#include "tests/unit/http_fixture.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/error.h"

#define WAIT_SECONDS 30

int fixture_run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	curl_global_cleanup();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void fixture_init(struct fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	*fixture = (struct fixture){.server = scripted_server_create()};
	fixture->pool = strand_pool_create(2);
	fixture->loop = loop_create(&error);
	ck_assert_ptr_nonnull(fixture->loop);
	fixture->connection = connection_create("test");
	g_ptr_array_add(
		fixture->connection->servers, g_strdup(scripted_server_url(fixture->server)));
	ck_assert_int_eq(
		credentials_create(NULL, NULL, NULL, &fixture->connection->credentials, NULL), 0);
}

void fixture_connect(struct fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	fixture->client =
		http_client_create(fixture->loop, fixture->pool, fixture->connection, &error);
	ck_assert_msg(fixture->client != NULL, "%s", error != NULL ? error->message : "");
}

void fixture_finish(struct fixture *fixture)
{
	http_client_destroy(fixture->client);
	loop_destroy(fixture->loop);
	strand_pool_destroy(fixture->pool);
	connection_unref(fixture->connection);
	scripted_server_destroy(fixture->server);
}

static int token_fetch(struct credential_source *base, int cancel_fd,
	struct credential_content *ret_content, GError **error)
{
	struct token_source *source = (struct token_source *)base;
	int count = g_atomic_int_add(&source->fetches, 1) + 1;
	struct pollfd canceled = {.fd = cancel_fd, .events = POLLIN};

	while (g_atomic_int_get(&source->blocks) != 0)
		if (poll(&canceled, 1, 5) > 0)
			return error_set(error, ECANCELED, "canceled");
	if (g_atomic_int_get(&source->fails) != 0)
		return error_set(error, EACCES, "the token source is broken");
	if (g_atomic_int_get(&source->same) != 0)
		count = 1;
	ret_content->authorization = g_strdup_printf("Bearer token-%d", count);
	return 0;
}

static void token_destroy(struct credential_source *base)
{
	g_free(base);
}

struct token_source *fixture_use_tokens(struct fixture *fixture)
{
	static const struct credential_source_ops ops = {token_fetch, token_destroy};
	struct token_source *source = g_new0(struct token_source, 1);

	source->base.ops = &ops;
	credentials_unref(fixture->connection->credentials);
	ck_assert_int_eq(credentials_create(&source->base, NULL, NULL,
				 &fixture->connection->credentials, NULL),
		0);
	return source;
}

void fixture_use_static_token(struct fixture *fixture, const char *token)
{
	struct credential_content content = {.authorization = g_strdup(token)};

	credentials_unref(fixture->connection->credentials);
	ck_assert_int_eq(
		credentials_create(NULL, &content, NULL, &fixture->connection->credentials, NULL),
		0);
}

void call_init(struct call *call, struct fixture *fixture)
{
	*call = (struct call){.strand = strand_create(fixture->pool)};
	pthread_mutex_init(&call->mutex, NULL);
	pthread_cond_init(&call->changed, NULL);
	call->body = g_string_new(NULL);
	call->warnings = g_ptr_array_new_with_free_func(g_free);
}

static void on_head(void *data, const struct http_head *head)
{
	struct call *call = data;

	pthread_mutex_lock(&call->mutex);
	ck_assert(strand_is_current(call->strand));
	ck_assert_uint_eq(call->length, 0);
	ck_assert(!call->done);
	call->heads++;
	call->head_status = head->status;
	call->content_type = g_strdup(head->content_type);
	pthread_cond_broadcast(&call->changed);
	pthread_mutex_unlock(&call->mutex);
}

static void on_body(void *data, const char *bytes, size_t length)
{
	struct call *call = data;

	pthread_mutex_lock(&call->mutex);
	ck_assert_uint_eq(call->heads, 1);
	ck_assert(!call->done);
	ck_assert_uint_gt(length, 0);
	call->length += length;
	if (!call->discards)
		g_string_append_len(call->body, bytes, (gssize)length);
	pthread_cond_broadcast(&call->changed);
	while (call->blocks)
		pthread_cond_wait(&call->changed, &call->mutex);
	pthread_mutex_unlock(&call->mutex);
	if (call->cancels)
		http_cancel(call->exchange);
}

static void on_warning(void *data, const char *text)
{
	struct call *call = data;

	pthread_mutex_lock(&call->mutex);
	g_ptr_array_add(call->warnings, g_strdup(text));
	pthread_mutex_unlock(&call->mutex);
}

static void on_done(void *data, const struct http_result *result)
{
	struct call *call = data;

	pthread_mutex_lock(&call->mutex);
	ck_assert(!call->done);
	call->done = TRUE;
	call->errnum = result->errnum;
	call->status = result->status;
	call->reason = g_strdup(result->reason);
	call->message = g_strdup(result->message);
	call->retry_after = result->retry_after;
	call->connected = result->connected;
	call->unanswered = result->unanswered;
	call->has_object = result->status_object != NULL;
	pthread_cond_broadcast(&call->changed);
	pthread_mutex_unlock(&call->mutex);
}

void call_start(struct call *call, struct fixture *fixture, const struct http_request *request)
{
	static const struct http_handlers handlers = {on_head, on_body, on_warning, on_done};

	pthread_mutex_lock(&call->mutex);
	call->exchange = http_send(fixture->client, request, &handlers, call, call->strand);
	pthread_mutex_unlock(&call->mutex);
}

static struct timespec wait_end(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_SECONDS;
	return end;
}

void call_wait(struct call *call)
{
	struct timespec end = wait_end();
	int result = 0;

	pthread_mutex_lock(&call->mutex);
	while (!call->done && result == 0)
		result = pthread_cond_timedwait(&call->changed, &call->mutex, &end);
	pthread_mutex_unlock(&call->mutex);
	ck_assert_msg(result == 0, "the exchange does not end");
}

void call_wait_length(struct call *call, size_t length)
{
	struct timespec end = wait_end();
	int result = 0;

	pthread_mutex_lock(&call->mutex);
	while (call->length < length && result == 0)
		result = pthread_cond_timedwait(&call->changed, &call->mutex, &end);
	pthread_mutex_unlock(&call->mutex);
	ck_assert_msg(result == 0, "the body does not come");
}

void call_release(struct call *call)
{
	pthread_mutex_lock(&call->mutex);
	call->blocks = FALSE;
	pthread_cond_broadcast(&call->changed);
	pthread_mutex_unlock(&call->mutex);
}

void call_finish(struct call *call)
{
	http_exchange_unref(call->exchange);
	strand_unref(call->strand);
	g_free(call->content_type);
	g_free(call->reason);
	g_free(call->message);
	g_string_free(call->body, TRUE);
	g_ptr_array_unref(call->warnings);
	pthread_cond_destroy(&call->changed);
	pthread_mutex_destroy(&call->mutex);
}

void call_get(struct call *call, struct fixture *fixture, const char *path)
{
	struct http_request request = {.method = "GET", .path = path, .repeat = HTTP_REPEAT_ALWAYS};

	call_init(call, fixture);
	call_start(call, fixture, &request);
	call_wait(call);
}

void call_assert_message(struct call *call, struct fixture *fixture, const char *text)
{
	const char *url = http_client_server(fixture->client);

	ck_assert_msg(g_str_has_prefix(call->message, url) &&
			      strncmp(call->message + strlen(url), ": ", 2) == 0,
		"%s", call->message);
	ck_assert_msg(strstr(call->message, text) != NULL, "%s", call->message);
	ck_assert_ptr_null(strpbrk(call->message, "\n\r\033"));
}
