/* client/http.h: credentials and the 401, Retry-After, lost connections, failover. */
#include "client/http.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/http_fixture.h"

static struct fixture fixture;

static void setup(void)
{
	fixture_init(&fixture);
}

static void teardown(void)
{
	fixture_finish(&fixture);
}

static void assert_sent(unsigned int index, const char *text)
{
	g_autofree char *request = scripted_server_request(fixture.server, index);

	ck_assert_msg(strstr(request, text) != NULL, "%s is not in\n%s", text, request);
}

static void respond(const char *status, const char *extra)
{
	scripted_server_respond(fixture.server, status, extra, "");
}

static void respond_many(unsigned int count, const char *status, const char *extra)
{
	while (count-- > 0)
		respond(status, extra);
}

static void assert_requests(unsigned int count)
{
	ck_assert_uint_eq(scripted_server_requests(fixture.server), count);
}

/* Credentials */

START_TEST (first_request_waits_for_the_first_credential) {
	struct token_source *source = fixture_use_tokens(&fixture);
	struct call call;

	respond_many(2, "200 OK", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	call_finish(&call);
	call_get(&call, &fixture, "/");
	call_finish(&call);
	assert_sent(0, "\r\nAuthorization: Bearer token-1\r\n");
	assert_sent(1, "\r\nAuthorization: Bearer token-1\r\n");
	ck_assert_int_eq(g_atomic_int_get(&source->fetches), 1);
}
END_TEST

START_TEST (a_401_refreshes_and_repeats_once) {
	struct token_source *source = fixture_use_tokens(&fixture);
	struct call call;

	respond("401 Unauthorized", "");
	respond("200 OK", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, 0);
	assert_requests(2);
	assert_sent(0, "Bearer token-1\r\n");
	assert_sent(1, "Bearer token-2\r\n");
	ck_assert_int_eq(g_atomic_int_get(&source->fetches), 2);
	call_finish(&call);
}
END_TEST

START_TEST (a_401_repeats_writes_too) {
	g_autoptr(GBytes) body = g_bytes_new_static("text", 4);
	struct http_request request = {.method = "PUT", .path = "/", .body = body};
	struct call call;

	fixture_use_tokens(&fixture);
	respond("401 Unauthorized", "");
	respond("200 OK", "");
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, 0);
	assert_requests(2);
	assert_sent(1, "\r\n\r\ntext");
	call_finish(&call);
}
END_TEST

START_TEST (a_second_401_is_the_answer) {
	struct call call;

	fixture_use_tokens(&fixture);
	respond_many(3, "401 Unauthorized", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EACCES);
	ck_assert_int_eq(call.status, 401);
	assert_requests(2);
	call_assert_message(
		&call, &fixture, "the server does not accept the credential (401 Unauthorized)");
	ck_assert_ptr_null(strstr(call.message, "token"));
	call_finish(&call);
}
END_TEST

START_TEST (a_401_for_a_fixed_token_is_the_answer) {
	struct call call;

	fixture_use_static_token(&fixture, "Bearer canary");
	respond_many(2, "401 Unauthorized", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EACCES);
	assert_requests(1);
	assert_sent(0, "\r\nAuthorization: Bearer canary\r\n");
	ck_assert_ptr_null(strstr(call.message, "canary"));
	call_finish(&call);
}
END_TEST

START_TEST (the_same_token_again_is_not_sent_again) {
	struct token_source *source = fixture_use_tokens(&fixture);
	struct call call;

	g_atomic_int_set(&source->same, 1);
	scripted_server_respond(fixture.server, "401 Unauthorized", "",
		"{\"kind\":\"Status\",\"reason\":\"Unauthorized\",\"message\":\"m\"}");
	respond("200 OK", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EACCES);
	ck_assert_int_eq(call.status, 401);
	ck_assert_str_eq(call.reason, "Unauthorized");
	assert_requests(1);
	call_finish(&call);
}
END_TEST

START_TEST (failed_refresh_is_the_answer) {
	struct token_source *source = fixture_use_tokens(&fixture);
	struct call call;

	g_atomic_int_set(&source->fails, 1);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EACCES);
	ck_assert(!call.connected);
	call_assert_message(&call, &fixture, "the token source is broken");
	assert_requests(0);
	call_finish(&call);
}
END_TEST

START_TEST (waiting_for_a_credential_is_bounded_and_can_be_canceled) {
	struct token_source *source = fixture_use_tokens(&fixture);
	struct http_request request = {.method = "GET", .path = "/", .timeout = 50};
	struct call timed, canceled, late;

	g_atomic_int_set(&source->blocks, 1);
	fixture_connect(&fixture);
	call_init(&timed, &fixture);
	call_start(&timed, &fixture, &request);
	request.timeout = 0;
	call_init(&canceled, &fixture);
	call_start(&canceled, &fixture, &request);
	call_init(&late, &fixture);
	call_start(&late, &fixture, &request);
	call_wait(&timed);
	ck_assert_int_eq(timed.errnum, ETIMEDOUT);
	call_assert_message(&timed, &fixture, "no credential within 0.05 s");
	http_cancel(canceled.exchange);
	call_wait(&canceled);
	ck_assert_int_eq(canceled.errnum, ECANCELED);
	respond("200 OK", "");
	g_atomic_int_set(&source->blocks, 0);
	call_wait(&late);
	ck_assert_int_eq(late.errnum, 0);
	ck_assert_int_eq(g_atomic_int_get(&source->fetches), 1);
	call_finish(&timed);
	call_finish(&canceled);
	call_finish(&late);
}
END_TEST

/* Jobs and timers of everybody else run on while a plugin takes its time. */
START_TEST (refresh_blocks_neither_the_client_thread_nor_the_strands) {
	struct token_source *source = fixture_use_tokens(&fixture);
	struct http_request request = {.method = "GET", .path = "/"};
	struct fixture other;
	struct call waiting, call;

	g_atomic_int_set(&source->blocks, 1);
	fixture_connect(&fixture);
	call_init(&waiting, &fixture);
	call_start(&waiting, &fixture, &request);
	fixture_init(&other);
	loop_destroy(other.loop);
	strand_pool_destroy(other.pool);
	other.loop = fixture.loop;
	other.pool = fixture.pool;
	fixture_connect(&other);
	scripted_server_respond(other.server, "200 OK", "", "x");
	call_get(&call, &other, "/");
	ck_assert_int_eq(call.errnum, 0);
	call_finish(&call);
	http_client_destroy(other.client);
	connection_unref(other.connection);
	scripted_server_destroy(other.server);
	/* The end does not wait for the plugin. */
	http_client_destroy(fixture.client);
	fixture.client = NULL;
	ck_assert_int_eq(waiting.errnum, ECANCELED);
	call_finish(&waiting);
	g_atomic_int_set(&source->blocks, 0);
	ck_assert_int_eq(credentials_refresh(fixture.connection->credentials, NULL), 0);
}
END_TEST

/* Retry-After */

START_TEST (waits_as_retry_after_says) {
	gint64 start = g_get_monotonic_time();
	struct call call;

	respond("429 Too Many Requests", "Retry-After: 1\r\n");
	respond("503 Service Unavailable", "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
	respond("500 Internal Server Error", "Retry-After: 0\r\n");
	respond("200 OK", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, 0);
	assert_requests(4);
	ck_assert_int_ge(g_get_monotonic_time() - start, G_USEC_PER_SEC);
	call_finish(&call);
}
END_TEST

START_TEST (status_may_say_it_too) {
	struct call call;

	scripted_server_respond(fixture.server, "500 Internal Server Error", "",
		"{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":1}}");
	respond("200 OK", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, 0);
	assert_requests(2);
	call_finish(&call);
}
END_TEST

START_TEST (gives_up_after_ten_repeats) {
	struct call call;

	respond_many(20, "429 Too Many Requests", "Retry-After: 0\r\n");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EAGAIN);
	ck_assert_int_eq(call.status, 429);
	assert_requests(1 + HTTP_RETRIES_MAX);
	call_finish(&call);
}
END_TEST

START_TEST (without_retry_after_nothing_is_repeated) {
	struct call call;

	respond_many(2, "503 Service Unavailable", "");
	respond("404 Not Found", "Retry-After: 0\r\n");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EAGAIN);
	assert_requests(1);
	call_finish(&call);
	call_get(&call, &fixture, "/");
	call_finish(&call);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, ENOENT);
	assert_requests(3);
	call_finish(&call);
}
END_TEST

START_TEST (what_is_not_repeatable_is_not_repeated) {
	struct http_request request = {.method = "POST", .path = "/"};
	struct call call;

	respond_many(2, "429 Too Many Requests", "Retry-After: 2\r\n");
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, EAGAIN);
	ck_assert_uint_eq(call.retry_after, 2000);
	assert_requests(1);
	call_finish(&call);
}
END_TEST

START_TEST (too_long_a_wait_is_left_to_the_caller) {
	struct http_request request = {
		.method = "GET", .path = "/", .timeout = 9000, .repeat = HTTP_REPEAT_ALWAYS};
	struct call call;

	respond("429 Too Many Requests", "Retry-After: 3600\r\n");
	respond("429 Too Many Requests", "Retry-After: 10\r\n");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EAGAIN);
	ck_assert_uint_eq(call.retry_after, 3600000);
	call_finish(&call);
	/* Beyond the whole time-out. */
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, EAGAIN);
	ck_assert_uint_eq(call.retry_after, 10000);
	assert_requests(2);
	call_finish(&call);
}
END_TEST

START_TEST (cancel_while_waiting_to_repeat) {
	struct http_request request = {.method = "GET", .path = "/", .repeat = HTTP_REPEAT_ALWAYS};
	struct call call;

	respond("429 Too Many Requests", "Retry-After: 20\r\n");
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	scripted_server_wait(fixture.server, 1);
	g_usleep(20000);
	http_cancel(call.exchange);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, ECANCELED);
	call_finish(&call);
}
END_TEST

static void send_refusable(struct call *call)
{
	struct http_request request = {.method = "PUT", .path = "/", .repeat = HTTP_REPEAT_REFUSED};

	call_init(call, &fixture);
	call_start(call, &fixture, &request);
	call_wait(call);
}

START_TEST (a_write_is_repeated_after_an_answer_that_nothing_was_done) {
	struct call call;

	respond("429 Too Many Requests", "Retry-After: 0\r\n");
	respond("503 Service Unavailable", "Retry-After: 0\r\n");
	respond("200 OK", "");
	fixture_connect(&fixture);
	send_refusable(&call);
	ck_assert_int_eq(call.errnum, 0);
	ck_assert(!call.unanswered);
	assert_requests(3);
	call_finish(&call);
}
END_TEST

START_TEST (a_write_is_not_repeated_after_another_answer) {
	static const struct {
		const char *status;
		const char *extra;
	} answers[] = {
		{"500 Internal Server Error", "Retry-After: 0\r\n"},
		{"504 Gateway Timeout", "Retry-After: 0\r\n"},
		{"502 Bad Gateway", "Retry-After: 0\r\n"},
		{"503 Service Unavailable", ""},
		{"429 Too Many Requests", ""},
	};
	struct call call;

	fixture_connect(&fixture);
	for (unsigned int i = 0; i < G_N_ELEMENTS(answers); i++) {
		respond(answers[i].status, answers[i].extra);
		send_refusable(&call);
		ck_assert_int_ne(call.errnum, 0);
		ck_assert(!call.unanswered);
		assert_requests(i + 1);
		call_finish(&call);
	}
}
END_TEST

START_TEST (cancel_between_the_repeats_of_a_write_tells_what_was_answered) {
	struct http_request request = {.method = "PUT", .path = "/", .repeat = HTTP_REPEAT_REFUSED};
	struct call call, later;

	respond("503 Service Unavailable", "Retry-After: 20\r\n");
	respond("200 OK", "");
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	scripted_server_wait_sent(fixture.server, 1);
	/* The client thread has read it before what comes later. */
	call_get(&later, &fixture, "/");
	call_finish(&later);
	http_cancel(call.exchange);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, ECANCELED);
	ck_assert_int_eq(call.status, 503);
	ck_assert_uint_eq(call.retry_after, 20000);
	ck_assert(call.connected);
	ck_assert(!call.unanswered);
	call_finish(&call);
}
END_TEST

/* Lost connections */

static void answer_with_end(enum scripted_end end)
{
	struct scripted_answer answer = {.bytes = "H", .end = end};

	scripted_server_add(fixture.server, &answer);
}

START_TEST (lost_connection_repeats_what_may_be) {
	struct call call;

	answer_with_end(SCRIPTED_RESET);
	answer_with_end(SCRIPTED_CLOSE);
	respond("200 OK", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_msg(call.errnum == 0, "%s", call.message);
	assert_requests(3);
	call_finish(&call);
}
END_TEST

START_TEST (lost_connections_are_not_repeated_forever) {
	struct call call;
	int i;

	for (i = 0; i < 10; i++)
		answer_with_end(SCRIPTED_CLOSE);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EIO);
	ck_assert_int_eq(call.status, 0);
	assert_requests(3);
	call_finish(&call);
}
END_TEST

static void put(struct call *call)
{
	g_autoptr(GBytes) body = g_bytes_new_static("text", 4);
	struct http_request request = {.method = "PUT", .path = "/", .body = body};

	call_init(call, &fixture);
	call_start(call, &fixture, &request);
	call_wait(call);
}

START_TEST (lost_connection_repeats_no_write) {
	struct call call;

	answer_with_end(SCRIPTED_RESET);
	respond("200 OK", "");
	fixture_connect(&fixture);
	put(&call);
	ck_assert_int_eq(call.errnum, EIO);
	ck_assert(call.connected);
	ck_assert(call.unanswered);
	call_assert_message(&call, &fixture, "the connection was lost");
	assert_requests(1);
	call_finish(&call);
}
END_TEST

START_TEST (a_write_that_is_lost_after_its_first_answer_is_unanswered) {
	struct call call;

	respond("429 Too Many Requests", "Retry-After: 0\r\n");
	answer_with_end(SCRIPTED_RESET);
	respond("200 OK", "");
	fixture_connect(&fixture);
	send_refusable(&call);
	ck_assert_int_eq(call.errnum, EIO);
	ck_assert_int_eq(call.status, 0);
	ck_assert(call.unanswered);
	assert_requests(2);
	call_finish(&call);
}
END_TEST

START_TEST (an_answer_that_is_cut_is_one) {
	struct scripted_answer cut = {
		.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", .end = SCRIPTED_CLOSE};
	struct call call;

	scripted_server_add(fixture.server, &cut);
	fixture_connect(&fixture);
	send_refusable(&call);
	ck_assert_int_eq(call.errnum, EIO);
	ck_assert_int_eq(call.status, 200);
	ck_assert(!call.unanswered);
	call_finish(&call);
}
END_TEST

/* libcurl by itself sends again when a reused connection ends without a byte. */
START_TEST (lost_reused_connection_repeats_no_write) {
	struct scripted_answer nothing = {.bytes = "", .end = SCRIPTED_CLOSE};
	struct call call;

	respond("200 OK", "");
	scripted_server_add(fixture.server, &nothing);
	respond_many(3, "200 OK", "");
	fixture_connect(&fixture);
	put(&call);
	ck_assert_int_eq(call.errnum, 0);
	call_finish(&call);
	put(&call);
	ck_assert_int_eq(call.errnum, EIO);
	ck_assert(call.connected);
	assert_requests(2);
	call_finish(&call);
	put(&call);
	ck_assert_int_eq(call.errnum, 0);
	call_finish(&call);
}
END_TEST

/* Failover */

START_TEST (moves_on_to_a_server_that_answers_and_stays) {
	struct call call;
	int i;

	g_ptr_array_insert(fixture.connection->servers, 0, scripted_server_closed_url());
	g_ptr_array_insert(fixture.connection->servers, 0, scripted_server_closed_url());
	respond_many(3, "200 OK", "");
	fixture_connect(&fixture);
	ck_assert_str_ne(http_client_server(fixture.client), scripted_server_url(fixture.server));
	for (i = 0; i < 3; i++) {
		put(&call);
		ck_assert_msg(call.errnum == 0, "%s", call.message);
		ck_assert_str_eq(
			http_client_server(fixture.client), scripted_server_url(fixture.server));
		call_finish(&call);
	}
	assert_requests(3);
}
END_TEST

/* Takes the time of a connect: this one never ends its TLS handshake. */
START_TEST (moves_on_from_a_server_that_stays_silent) {
	struct scripted_server *silent = scripted_server_create();
	const char *url = scripted_server_url(silent);
	g_autofree char *secure = g_strconcat("https", url + strlen("http"), NULL);
	struct http_request request = {.method = "PUT", .path = "/"};
	gint64 start = g_get_monotonic_time();
	struct call calls[3];
	int i;

	g_ptr_array_insert(fixture.connection->servers, 0, g_strdup(secure));
	respond_many(G_N_ELEMENTS(calls), "200 OK", "");
	fixture_connect(&fixture);
	for (i = 0; i < (int)G_N_ELEMENTS(calls); i++) {
		call_init(&calls[i], &fixture);
		call_start(&calls[i], &fixture, &request);
	}
	for (i = 0; i < (int)G_N_ELEMENTS(calls); i++) {
		call_wait(&calls[i]);
		ck_assert_msg(calls[i].errnum == 0, "%s", calls[i].message);
		call_finish(&calls[i]);
	}
	/* All at once, after 10 s: not one after another. */
	ck_assert_int_lt(g_get_monotonic_time() - start, 20 * (gint64)G_USEC_PER_SEC);
	assert_requests(G_N_ELEMENTS(calls));
	ck_assert_str_eq(http_client_server(fixture.client), scripted_server_url(fixture.server));
	scripted_server_destroy(silent);
}
END_TEST

START_TEST (a_server_that_is_no_good_is_avoided) {
	struct scripted_server *other = scripted_server_create();
	const char *first = scripted_server_url(fixture.server);
	const char *second = scripted_server_url(other);
	struct call call;

	g_ptr_array_add(fixture.connection->servers, g_strdup(second));
	fixture_connect(&fixture);
	/* One that is not in use is left alone. */
	http_client_avoid(fixture.client, second);
	ck_assert_str_eq(http_client_server(fixture.client), first);
	http_client_avoid(fixture.client, first);
	ck_assert_str_eq(http_client_server(fixture.client), second);
	scripted_server_respond(other, "200 OK", "", "second");
	call_get(&call, &fixture, "/");
	ck_assert_str_eq(call.body->str, "second");
	call_finish(&call);
	http_client_avoid(fixture.client, second);
	ck_assert_str_eq(http_client_server(fixture.client), first);
	http_client_destroy(g_steal_pointer(&fixture.client));
	scripted_server_destroy(other);
}
END_TEST

START_TEST (a_named_server_is_the_only_one) {
	g_autofree char *closed = scripted_server_closed_url();
	const char *const headers[] = {"X-One: 1", "Authorization: secret", NULL};
	struct http_request request = {
		.method = "GET",
		.path = "/",
		.server = closed,
		.headers = headers,
		.repeat = HTTP_REPEAT_ALWAYS,
	};
	struct call call;

	g_ptr_array_add(fixture.connection->servers, g_strdup(closed));
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, ECONNREFUSED);
	call_finish(&call);
	/* Nor has it become the one in use. */
	ck_assert_str_eq(http_client_server(fixture.client), scripted_server_url(fixture.server));
	scripted_server_respond(fixture.server, "200 OK", "", "x");
	request.server = scripted_server_url(fixture.server);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, 0);
	call_finish(&call);
	assert_sent(0, "\r\nX-One: 1\r\nAuthorization: secret\r\n");
}
END_TEST

START_TEST (no_server_answers) {
	struct call call;

	g_ptr_array_set_size(fixture.connection->servers, 0);
	g_ptr_array_add(fixture.connection->servers, scripted_server_closed_url());
	g_ptr_array_add(fixture.connection->servers, scripted_server_closed_url());
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, ECONNREFUSED);
	ck_assert_int_eq(call.status, 0);
	ck_assert(!call.connected);
	ck_assert(!call.unanswered);
	ck_assert(g_str_has_suffix(call.message, ": connection refused"));
	call_finish(&call);
}
END_TEST

static void add_tests(TCase *all)
{
	tcase_add_test(all, first_request_waits_for_the_first_credential);
	tcase_add_test(all, a_401_refreshes_and_repeats_once);
	tcase_add_test(all, a_401_repeats_writes_too);
	tcase_add_test(all, a_second_401_is_the_answer);
	tcase_add_test(all, a_401_for_a_fixed_token_is_the_answer);
	tcase_add_test(all, the_same_token_again_is_not_sent_again);
	tcase_add_test(all, failed_refresh_is_the_answer);
	tcase_add_test(all, waiting_for_a_credential_is_bounded_and_can_be_canceled);
	tcase_add_test(all, refresh_blocks_neither_the_client_thread_nor_the_strands);
	tcase_add_test(all, waits_as_retry_after_says);
	tcase_add_test(all, status_may_say_it_too);
	tcase_add_test(all, gives_up_after_ten_repeats);
	tcase_add_test(all, without_retry_after_nothing_is_repeated);
	tcase_add_test(all, what_is_not_repeatable_is_not_repeated);
	tcase_add_test(all, too_long_a_wait_is_left_to_the_caller);
	tcase_add_test(all, cancel_while_waiting_to_repeat);
	tcase_add_test(all, a_write_is_repeated_after_an_answer_that_nothing_was_done);
	tcase_add_test(all, a_write_is_not_repeated_after_another_answer);
	tcase_add_test(all, cancel_between_the_repeats_of_a_write_tells_what_was_answered);
	tcase_add_test(all, lost_connection_repeats_what_may_be);
	tcase_add_test(all, lost_connections_are_not_repeated_forever);
	tcase_add_test(all, lost_connection_repeats_no_write);
	tcase_add_test(all, a_write_that_is_lost_after_its_first_answer_is_unanswered);
	tcase_add_test(all, an_answer_that_is_cut_is_one);
	tcase_add_test(all, lost_reused_connection_repeats_no_write);
	tcase_add_test(all, moves_on_to_a_server_that_answers_and_stays);
	tcase_add_test(all, moves_on_from_a_server_that_stays_silent);
	tcase_add_test(all, no_server_answers);
	tcase_add_test(all, a_server_that_is_no_good_is_avoided);
	tcase_add_test(all, a_named_server_is_the_only_one);
}

int main(void)
{
	Suite *suite = suite_create("http_repeat");
	TCase *all = tcase_create("all");

	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, setup, teardown);
	add_tests(all);
	suite_add_tcase(suite, all);
	return fixture_run_suite(suite);
}
