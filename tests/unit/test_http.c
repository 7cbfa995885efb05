/* client/http.h: what is sent, what comes back, cuts, time-outs, back-pressure, cancel and end. */
#include "client/http.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "client/http_delivery.h"
#include "client/loop_transfer.h"
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

static void assert_not_sent(unsigned int index, const char *text)
{
	g_autofree char *request = scripted_server_request(fixture.server, index);

	ck_assert_msg(strcasestr(request, text) == NULL, "%s is in\n%s", text, request);
}

START_TEST (get_brings_head_body_and_done) {
	struct call call;

	scripted_server_respond(
		fixture.server, "200 OK", "Content-Type: application/json\r\n", "{\"a\":1}");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/api/v1/a%20b/../x?limit=5&continue=%3D");
	ck_assert_int_eq(call.errnum, 0);
	ck_assert_int_eq(call.status, 200);
	ck_assert_int_eq(call.head_status, 200);
	ck_assert_str_eq(call.content_type, "application/json");
	ck_assert_str_eq(call.body->str, "{\"a\":1}");
	ck_assert_str_eq(call.message, "");
	ck_assert_str_eq(call.reason, "");
	ck_assert(call.connected);
	assert_sent(0, "GET /api/v1/a%20b/../x?limit=5&continue=%3D HTTP/1.1\r\n");
	assert_sent(0, "\r\nUser-Agent: kubefs/");
	assert_sent(0, "\r\nAccept: application/json\r\n");
	assert_not_sent(0, "authorization");
	assert_not_sent(0, "content-type");
	/* Within one machine compressing only costs. */
	assert_not_sent(0, "accept-encoding");
	call_finish(&call);
}
END_TEST

START_TEST (body_is_sent_with_its_type) {
	g_autoptr(GBytes) body = g_bytes_new_static("{\"x\":2}", 7);
	struct http_request request = {.method = "PATCH",
		.path = "/x",
		.accept = "application/yaml",
		.content_type = "application/merge-patch+json",
		.body = body};
	struct call call;

	scripted_server_respond(fixture.server, "201 Created", "", "made");
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, 0);
	ck_assert_int_eq(call.head_status, 201);
	ck_assert_str_eq(call.content_type, "");
	ck_assert_str_eq(call.body->str, "made");
	assert_sent(0, "PATCH /x HTTP/1.1\r\n");
	assert_sent(0, "\r\nAccept: application/yaml\r\n");
	assert_sent(0, "\r\nContent-Type: application/merge-patch+json\r\n");
	assert_sent(0, "\r\n\r\n{\"x\":2}");
	assert_not_sent(0, "expect:");
	call_finish(&call);
}
END_TEST

START_TEST (empty_answers_are_answers) {
	struct scripted_answer none = {.bytes = "HTTP/1.1 204 No Content\r\n\r\n"};
	struct http_request request = {.method = "DELETE", .path = "/x"};
	struct call call;

	scripted_server_add(fixture.server, &none);
	scripted_server_respond(fixture.server, "200 OK", "", "");
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, 0);
	ck_assert_int_eq(call.head_status, 204);
	call_finish(&call);
	call_get(&call, &fixture, "/y");
	ck_assert_int_eq(call.errnum, 0);
	ck_assert_uint_eq(call.heads, 1);
	ck_assert_uint_eq(call.length, 0);
	call_finish(&call);
	assert_sent(0, "DELETE /x HTTP/1.1\r\n");
	ck_assert_uint_eq(scripted_server_accepted(fixture.server), 1);
}
END_TEST

START_TEST (informational_heads_are_skipped) {
	struct scripted_answer answer = {
		.bytes = "HTTP/1.1 103 Early Hints\r\nContent-Type: text/x\r\n\r\n"
			 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, 0);
	ck_assert_uint_eq(call.heads, 1);
	ck_assert_int_eq(call.head_status, 200);
	ck_assert_str_eq(call.content_type, "");
	ck_assert_str_eq(call.body->str, "ok");
	call_finish(&call);
}
END_TEST

START_TEST (bytes_of_a_stream_come_at_once) {
	struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
		.end = SCRIPTED_STALL};
	struct http_request request = {
		.method = "GET", .path = "/?watch=1", .lane = HTTP_LANE_WATCH};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait_length(&call, 5);
	ck_assert_str_eq(call.body->str, "first");
	http_cancel(call.exchange);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, ECANCELED);
	call_finish(&call);
	scripted_server_wait_open(fixture.server, 0);
}
END_TEST

/* Whatever comes before the cut, the end is an error, and the body a prefix. */
static void assert_cut(const char *bytes, size_t cut, const char *body)
{
	struct scripted_answer answer = {.bytes = bytes, .length = cut, .end = SCRIPTED_CLOSE};
	struct http_request request = {.method = "GET", .path = "/"};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_msg(call.errnum == EIO, "cut at %zu: %d %s", cut, call.errnum, call.message);
	ck_assert(call.connected);
	call_assert_message(&call, &fixture, "the connection was lost");
	ck_assert_msg(g_str_has_prefix(body, call.body->str), "cut at %zu", cut);
	call_finish(&call);
}

START_TEST (answers_cut_at_every_byte) {
	static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Type: a\r\nContent-Length: 12\r\n"
				    "\r\n{\"kind\":\"x\"}";
	static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				      "4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n";
	size_t cut;

	fixture_connect(&fixture);
	for (cut = 1; cut < sizeof(whole) - 1; cut++)
		assert_cut(whole, cut, "{\"kind\":\"x\"}");
	/* libcurl takes the last chunk for the end, without the empty line after it. */
	for (cut = 1; cut < sizeof(chunked) - 1 - strlen("\r\n0\r\n\r\n") - 1; cut++)
		assert_cut(chunked, cut, "abcdefg");
}
END_TEST

START_TEST (another_protocol_is_an_error) {
	struct scripted_answer answer = {
		.bytes = "SSH-2.0-OpenSSH_9.2p1\r\n", .end = SCRIPTED_STALL};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EPROTO);
	call_assert_message(&call, &fixture, "the answer is not HTTP");
	call_finish(&call);
}
END_TEST

START_TEST (reset_in_the_middle_is_an_error) {
	struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
		.end = SCRIPTED_RESET};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EIO);
	ck_assert_int_eq(call.status, 200);
	/* The head was delivered: nothing is repeated. */
	ck_assert_uint_eq(scripted_server_requests(fixture.server), 1);
	call_finish(&call);
}
END_TEST

static void run_timed(struct call *call, unsigned int timeout, unsigned int idle_timeout)
{
	struct http_request request = {.method = "GET",
		.path = "/",
		.timeout = timeout,
		.idle_timeout = idle_timeout,
		.repeat = HTTP_REPEAT_ALWAYS};

	call_init(call, &fixture);
	call_start(call, &fixture, &request);
	call_wait(call);
}

START_TEST (stalled_stream_ends_by_the_idle_timeout) {
	struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
		.end = SCRIPTED_STALL};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	fixture_connect(&fixture);
	run_timed(&call, 0, 800);
	ck_assert_int_eq(call.errnum, ETIMEDOUT);
	ck_assert_str_eq(call.body->str, "abc");
	call_assert_message(&call, &fixture, "nothing came for 0.8 s");
	call_finish(&call);
}
END_TEST

START_TEST (silence_before_the_head_ends_by_either_timeout) {
	struct call call;

	fixture_connect(&fixture);
	run_timed(&call, 0, 50);
	ck_assert_int_eq(call.errnum, ETIMEDOUT);
	ck_assert_uint_eq(call.heads, 0);
	call_finish(&call);
	run_timed(&call, 500, 0);
	ck_assert_int_eq(call.errnum, ETIMEDOUT);
	call_assert_message(&call, &fixture, "no answer within 0.5 s");
	ck_assert(call.connected);
	call_finish(&call);
	/* A connection that answered nothing is not used again. */
	scripted_server_wait(fixture.server, 2);
	scripted_server_wait_open(fixture.server, 0);
	ck_assert_uint_eq(scripted_server_accepted(fixture.server), 2);
}
END_TEST

START_TEST (whole_timeout_ends_an_endless_body) {
	struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
		.end = SCRIPTED_STALL};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	fixture_connect(&fixture);
	run_timed(&call, 600, 10000);
	ck_assert_int_eq(call.errnum, ETIMEDOUT);
	call_assert_message(&call, &fixture, "the answer did not end within 0.6 s");
	call_finish(&call);
}
END_TEST

START_TEST (redirects_are_not_followed) {
	g_autofree char *location =
		g_strdup_printf("Location: %s/stolen\r\n", scripted_server_url(fixture.server));
	struct call call;

	fixture_use_static_token(&fixture, "Bearer canary");
	scripted_server_respond(fixture.server, "307 Temporary Redirect", location, "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EPROTO);
	ck_assert_int_eq(call.status, 307);
	ck_assert_uint_eq(call.heads, 0);
	call_assert_message(&call, &fixture, "the server redirects (307), which is not followed");
	ck_assert_uint_eq(scripted_server_requests(fixture.server), 1);
	call_finish(&call);
}
END_TEST

#define PIECE_BYTES 65536

static void add_long_answer(unsigned int pieces)
{
	g_autofree char *head = g_strdup_printf(
		"HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", pieces * PIECE_BYTES);
	g_autofree char *piece = g_strnfill(PIECE_BYTES, 'x');
	struct scripted_answer answer = {.bytes = head, .repeated = piece, .repeats = pieces};

	scripted_server_add(fixture.server, &answer);
}

/* Until the number of sent bytes no longer grows: what the sockets hold is not ours to say. */
static guint64 wait_until_stuck(void)
{
	guint64 before, sent = scripted_server_sent(fixture.server);

	do {
		before = sent;
		g_usleep(100000);
		sent = scripted_server_sent(fixture.server);
	} while (sent != before);
	return sent;
}

START_TEST (slow_handler_pauses_the_transfer) {
	const unsigned int pieces = 1024;
	const size_t total = (size_t)pieces * PIECE_BYTES;
	struct http_request request = {
		.method = "GET", .path = "/", .lane = HTTP_LANE_LIST, .idle_timeout = 1000};
	struct call call;

	add_long_answer(pieces);
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call.discards = TRUE;
	call.blocks = TRUE;
	call_start(&call, &fixture, &request);
	call_wait_length(&call, 1);
	/* 4 MiB of ours, and what loopback sockets hold. */
	ck_assert_uint_lt(wait_until_stuck(), HTTP_DELIVERY_BYTES_MAX + ((size_t)24 << 20));
	g_usleep(1500000); /* paused is not idle */
	call_release(&call);
	call_wait(&call);
	ck_assert_msg(call.errnum == 0, "%s", call.message);
	ck_assert_uint_eq(call.length, total);
	call_finish(&call);
}
END_TEST

START_TEST (paused_transfer_holds_up_no_other) {
	struct http_request request = {.method = "GET", .path = "/", .lane = HTTP_LANE_LIST};
	struct call slow, other;

	add_long_answer(512);
	fixture_connect(&fixture);
	call_init(&slow, &fixture);
	slow.discards = TRUE;
	slow.blocks = TRUE;
	call_start(&slow, &fixture, &request);
	call_wait_length(&slow, 1);
	wait_until_stuck();
	scripted_server_respond(fixture.server, "200 OK", "", "quick");
	call_get(&other, &fixture, "/other");
	ck_assert_str_eq(other.body->str, "quick");
	call_finish(&other);
	http_cancel(slow.exchange);
	call_release(&slow);
	call_wait(&slow);
	ck_assert_int_eq(slow.errnum, ECANCELED);
	call_finish(&slow);
}
END_TEST

START_TEST (cancel_before_anything_was_sent) {
	struct http_request request = {.method = "GET", .path = "/"};
	struct call call;

	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	http_cancel(call.exchange);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, ECANCELED);
	http_cancel(call.exchange);
	call_finish(&call);
}
END_TEST

START_TEST (cancel_while_waiting_for_the_head) {
	struct http_request request = {.method = "GET", .path = "/"};
	struct call call;

	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	scripted_server_wait(fixture.server, 1);
	http_cancel(call.exchange);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, ECANCELED);
	call_finish(&call);
	scripted_server_wait_open(fixture.server, 0);
}
END_TEST

START_TEST (cancel_within_a_handler_brings_no_more_body) {
	struct http_request request = {.method = "GET", .path = "/"};
	struct call call;

	add_long_answer(64);
	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call.cancels = TRUE;
	call_start(&call, &fixture, &request);
	call_wait(&call);
	ck_assert_int_eq(call.errnum, ECANCELED);
	ck_assert_uint_lt(call.length, (size_t)64 * PIECE_BYTES);
	call_finish(&call);
}
END_TEST

START_TEST (cancel_after_the_end_changes_nothing) {
	struct call call;

	scripted_server_respond(fixture.server, "200 OK", "", "x");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	http_cancel(call.exchange);
	http_cancel(call.exchange);
	ck_assert_int_eq(call.errnum, 0);
	call_finish(&call);
}
END_TEST

START_TEST (handle_may_go_before_the_end) {
	struct call call;
	struct http_request request = {.method = "GET", .path = "/"};

	fixture_connect(&fixture);
	call_init(&call, &fixture);
	call_start(&call, &fixture, &request);
	call.exchange = http_exchange_unref(call.exchange);
	scripted_server_wait(fixture.server, 1);
	http_client_destroy(fixture.client);
	fixture.client = NULL;
	ck_assert(call.done);
	ck_assert_int_eq(call.errnum, ECANCELED);
	call_finish(&call);
}
END_TEST

#define MANY 30

static void start_many(struct call *calls)
{
	struct http_request request = {.method = "GET", .path = "/", .repeat = HTTP_REPEAT_ALWAYS};
	int i;

	for (i = 0; i < MANY; i++) {
		request.lane = (enum http_lane)(i % HTTP_LANE_COUNT);
		call_init(&calls[i], &fixture);
		call_start(&calls[i], &fixture, &request);
	}
}

static void assert_many_canceled(struct call *calls)
{
	int i;

	for (i = 0; i < MANY; i++) {
		ck_assert(calls[i].done);
		ck_assert_int_eq(calls[i].errnum, ECANCELED);
		call_finish(&calls[i]);
	}
}

START_TEST (destroy_ends_what_is_under_way) {
	struct call calls[MANY];

	add_long_answer(2000);
	add_long_answer(2000);
	fixture_connect(&fixture);
	start_many(calls);
	scripted_server_wait(fixture.server, MANY / 2);
	http_client_destroy(fixture.client);
	fixture.client = NULL;
	assert_many_canceled(calls);
}
END_TEST

START_TEST (end_of_the_loop_ends_what_is_under_way) {
	struct call calls[MANY];
	struct call late;
	struct http_request request = {.method = "GET", .path = "/"};
	int i;

	fixture_connect(&fixture);
	start_many(calls);
	scripted_server_wait(fixture.server, MANY / 2);
	loop_destroy(fixture.loop);
	fixture.loop = NULL;
	for (i = 0; i < MANY; i++)
		call_wait(&calls[i]);
	assert_many_canceled(calls);
	call_init(&late, &fixture);
	call_start(&late, &fixture, &request);
	http_cancel(late.exchange);
	call_wait(&late);
	ck_assert_int_eq(late.errnum, ECANCELED);
	call_finish(&late);
}
END_TEST

START_TEST (lanes_have_connections_of_their_own) {
	struct http_request request = {.method = "GET", .path = "/", .repeat = HTTP_REPEAT_ALWAYS};
	struct call call;
	unsigned int i;

	fixture_connect(&fixture);
	for (i = 0; i < 3 * HTTP_LANE_COUNT; i++) {
		scripted_server_respond(fixture.server, "200 OK", "", "x");
		request.lane = (enum http_lane)(i % HTTP_LANE_COUNT);
		call_init(&call, &fixture);
		call_start(&call, &fixture, &request);
		call_wait(&call);
		ck_assert_int_eq(call.errnum, 0);
		call_finish(&call);
	}
	ck_assert_uint_eq(scripted_server_accepted(fixture.server), HTTP_LANE_COUNT);
	http_client_destroy(fixture.client);
	fixture.client = NULL;
	scripted_server_wait_open(fixture.server, 0);
}
END_TEST

START_TEST (errors_say_what_the_server_says) {
	static const char status[] =
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","
		"\"message\":\"pods \\u001b[31m\\\"x\\\" not\\nfound\",\"reason\":\"NotFound\","
		"\"code\":404}";
	struct call call;

	scripted_server_respond(
		fixture.server, "404 Not Found", "Content-Type: application/json\r\n", status);
	scripted_server_respond(fixture.server, "404 Not Found", "Content-Type: text/plain\r\n",
		"404 page not found\nmore");
	scripted_server_respond(
		fixture.server, "502 Bad Gateway", "Content-Type: text/html\r\n", "<html>");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, ENOENT);
	ck_assert_int_eq(call.status, 404);
	ck_assert_uint_eq(call.heads, 0);
	ck_assert_uint_eq(call.length, 0);
	ck_assert_str_eq(call.reason, "NotFound");
	ck_assert(call.has_object);
	call_assert_message(&call, &fixture, "pods \\x1B[31m\"x\" not\\x0Afound (404 NotFound)");
	call_finish(&call);
	call_get(&call, &fixture, "/");
	call_assert_message(&call, &fixture, ": 404 page not found (404 Not Found)");
	ck_assert_str_eq(call.reason, "");
	ck_assert(!call.has_object);
	call_finish(&call);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EIO);
	call_assert_message(&call, &fixture, "the server answers 502 Bad Gateway");
	call_finish(&call);
}
END_TEST

START_TEST (long_error_bodies_are_cut_off) {
	g_autofree char *piece = g_strnfill(PIECE_BYTES, '[');
	struct scripted_answer answer = {
		.bytes = "HTTP/1.1 403 Forbidden\r\nContent-Length: 100000000\r\n\r\n",
		.repeated = piece,
		.repeats = 1500};
	struct call call;

	scripted_server_add(fixture.server, &answer);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EACCES);
	ck_assert_int_eq(call.status, 403);
	ck_assert(!call.has_object);
	call_assert_message(&call, &fixture, "403 Forbidden");
	call_finish(&call);
}
END_TEST

START_TEST (a_refusal_counts_however_its_body_ends) {
	struct scripted_answer cut = {
		.bytes = "HTTP/1.1 413 Too Large\r\nContent-Length: 50\r\n\r\n{\"kind\"",
		.end = SCRIPTED_RESET};
	struct call call;

	scripted_server_add(fixture.server, &cut);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EFBIG);
	ck_assert_int_eq(call.status, 413);
	ck_assert_uint_eq(scripted_server_requests(fixture.server), 1);
	call_finish(&call);
}
END_TEST

START_TEST (impersonation_is_sent) {
	struct connection_impersonation *impersonation = &fixture.connection->impersonation;
	struct connection_extra *extra = g_new0(struct connection_extra, 1);
	struct call call;

	impersonation->user = g_strdup("jane");
	impersonation->uid = g_strdup("u-1");
	g_strfreev(impersonation->groups);
	impersonation->groups = g_strsplit("dev,ops team", ",", -1);
	extra->key = g_strdup("example.com/Scope s%");
	extra->value = g_strdup("view");
	g_ptr_array_add(impersonation->extras, extra);
	scripted_server_respond(fixture.server, "200 OK", "", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	assert_sent(0, "\r\nImpersonate-User: jane\r\n");
	assert_sent(0, "\r\nImpersonate-Uid: u-1\r\n");
	assert_sent(0, "\r\nImpersonate-Group: dev\r\n");
	assert_sent(0, "\r\nImpersonate-Group: ops team\r\n");
	assert_sent(0, "\r\nImpersonate-Extra-example.com%2FScope%20s%25: view\r\n");
	call_finish(&call);
}
END_TEST

START_TEST (warnings_are_handed_on) {
	struct call call;

	scripted_server_respond(fixture.server, "200 OK",
		"Warning: 299 - \"v1 is \\\"old\\\"\"\r\n"
		"Warning: 214 - \"not for us\", 299 - \"two\"\r\n",
		"x");
	scripted_server_respond(fixture.server, "422 Unprocessable Entity",
		"Warning: 299 - \"unknown field \x1b[0m\"\r\n", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_uint_eq(call.warnings->len, 2);
	ck_assert_str_eq(g_ptr_array_index(call.warnings, 0), "v1 is \"old\"");
	ck_assert_str_eq(g_ptr_array_index(call.warnings, 1), "two");
	call_finish(&call);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EINVAL);
	ck_assert_uint_eq(call.warnings->len, 1);
	ck_assert_str_eq(g_ptr_array_index(call.warnings, 0), "unknown field \\x1B[0m");
	call_finish(&call);
}
END_TEST

static GByteArray *gzip(const char *text, size_t length)
{
	GByteArray *out = g_byte_array_new();
	z_stream stream = {0};

	ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
	g_byte_array_set_size(out, (guint)deflateBound(&stream, length));
	stream.next_in = (unsigned char *)text;
	stream.avail_in = (unsigned int)length;
	stream.next_out = out->data;
	stream.avail_out = out->len;
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	g_byte_array_set_size(out, (guint)stream.total_out);
	deflateEnd(&stream);
	return out;
}

static void add_compressed(const char *status, const guint8 *bytes, size_t length)
{
	g_autoptr(GString) text = g_string_new(NULL);
	struct scripted_answer answer = {0};

	g_string_printf(text,
		"HTTP/1.1 %s\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", status,
		length);
	g_string_append_len(text, (const char *)bytes, (gssize)length);
	answer.bytes = text->str;
	answer.length = text->len;
	scripted_server_add(fixture.server, &answer);
}

START_TEST (compressed_bodies_are_inflated) {
	static const char status[] = "{\"kind\":\"Status\",\"reason\":\"Gone\",\"message\":\"m\"}";
	g_autofree char *plain = g_strnfill(3000000, 'y');
	g_autoptr(GByteArray) packed = gzip(plain, strlen(plain));
	g_autoptr(GByteArray) packed_status = gzip(status, strlen(status));
	struct call call;

	add_compressed("200 OK", packed->data, packed->len);
	add_compressed("410 Gone", packed_status->data, packed_status->len);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, 0);
	ck_assert_str_eq(call.body->str, plain);
	call_finish(&call);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, ESTALE);
	ck_assert_str_eq(call.reason, "Gone");
	call_finish(&call);
}
END_TEST

START_TEST (damaged_compression_is_an_error) {
	g_autofree char *plain = g_strnfill(3000000, 'y');
	g_autoptr(GByteArray) packed = gzip(plain, strlen(plain));
	struct call call;

	add_compressed("200 OK", packed->data, packed->len - 9);
	packed->data[packed->len / 2] ^= 0x55;
	add_compressed("200 OK", packed->data, packed->len);
	add_compressed("200 OK", (const guint8 *)"plain", 5);
	add_compressed("403 Forbidden", (const guint8 *)"plain", 5);
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EIO);
	call_finish(&call);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EIO);
	call_assert_message(&call, &fixture, "the compressed answer is damaged");
	call_finish(&call);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EIO);
	call_finish(&call);
	call_get(&call, &fixture, "/");
	ck_assert_int_eq(call.errnum, EACCES);
	call_finish(&call);
}
END_TEST

static void use_server(const char *url)
{
	g_ptr_array_set_size(fixture.connection->servers, 0);
	g_ptr_array_add(fixture.connection->servers, g_strdup(url));
}

START_TEST (proxy_is_used_and_not_shown_credentials) {
	fixture_use_static_token(&fixture, "Bearer canary");
	fixture.connection->proxy_url = g_strdup(scripted_server_url(fixture.server));
	use_server("http://cluster.invalid:8080/prefix");
	scripted_server_respond(fixture.server, "200 OK", "", "x");
	fixture_connect(&fixture);
	struct call call;

	call_get(&call, &fixture, "/api");
	ck_assert_int_eq(call.errnum, 0);
	assert_sent(0, "GET http://cluster.invalid:8080/prefix/api HTTP/1.1\r\n");
	assert_sent(0, "\r\nHost: cluster.invalid:8080\r\n");
	/* No loopback server this time. */
	assert_sent(0, "\r\nAccept-Encoding: gzip\r\n");
	call_finish(&call);
}
END_TEST

START_TEST (proxy_for_https_sees_no_credential) {
	struct call call;

	fixture_use_static_token(&fixture, "Bearer canary");
	fixture.connection->proxy_url = g_strdup(scripted_server_url(fixture.server));
	use_server("https://cluster.invalid:6443");
	scripted_server_respond(fixture.server, "403 Forbidden", "", "");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/api");
	ck_assert_int_ne(call.errnum, 0);
	ck_assert_ptr_null(strstr(call.message, "canary"));
	assert_sent(0, "CONNECT cluster.invalid:6443 HTTP/1.1\r\n");
	assert_not_sent(0, "authorization");
	assert_not_sent(0, "canary");
	call_finish(&call);
}
END_TEST

START_TEST (proxy_that_refuses_is_named_without_its_password) {
	struct call call;

	fixture.connection->proxy_url = g_strdup("http://joe:secret@127.0.0.1:1");
	use_server("https://cluster.invalid:6443");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/api");
	ck_assert_int_eq(call.errnum, ECONNREFUSED);
	ck_assert(!call.connected);
	ck_assert_str_eq(call.message,
		"https://cluster.invalid:6443: proxy http://127.0.0.1:1: connection refused");
	call_finish(&call);
}
END_TEST

START_TEST (unknown_names_are_unreachable) {
	struct call call;

	use_server("https://nowhere.invalid:6443");
	fixture_connect(&fixture);
	call_get(&call, &fixture, "/api");
	ck_assert_int_eq(call.errnum, EHOSTUNREACH);
	ck_assert(!call.connected);
	call_assert_message(&call, &fixture, "the server's name is not known");
	call_finish(&call);
}
END_TEST

START_TEST (unusable_connections_are_told_at_once) {
	g_autoptr(GError) error = NULL;

	use_server("ftp://joe:secret@x");
	ck_assert_ptr_null(
		http_client_create(fixture.loop, fixture.pool, fixture.connection, &error));
	ck_assert_int_eq(error->code, EINVAL);
	ck_assert_ptr_null(strstr(error->message, "secret"));
	g_clear_error(&error);
	use_server("https://x");
	fixture.connection->ca = g_bytes_new_static("nonsense", 8);
	ck_assert_ptr_null(
		http_client_create(fixture.loop, fixture.pool, fixture.connection, &error));
	ck_assert_int_eq(error->code, EINVAL);
}
END_TEST

static void add_tests(TCase *all)
{
	tcase_add_test(all, get_brings_head_body_and_done);
	tcase_add_test(all, body_is_sent_with_its_type);
	tcase_add_test(all, empty_answers_are_answers);
	tcase_add_test(all, informational_heads_are_skipped);
	tcase_add_test(all, bytes_of_a_stream_come_at_once);
	tcase_add_test(all, answers_cut_at_every_byte);
	tcase_add_test(all, another_protocol_is_an_error);
	tcase_add_test(all, reset_in_the_middle_is_an_error);
	tcase_add_test(all, stalled_stream_ends_by_the_idle_timeout);
	tcase_add_test(all, silence_before_the_head_ends_by_either_timeout);
	tcase_add_test(all, whole_timeout_ends_an_endless_body);
	tcase_add_test(all, redirects_are_not_followed);
	tcase_add_test(all, slow_handler_pauses_the_transfer);
	tcase_add_test(all, paused_transfer_holds_up_no_other);
	tcase_add_test(all, cancel_before_anything_was_sent);
	tcase_add_test(all, cancel_while_waiting_for_the_head);
	tcase_add_test(all, cancel_within_a_handler_brings_no_more_body);
	tcase_add_test(all, cancel_after_the_end_changes_nothing);
	tcase_add_test(all, handle_may_go_before_the_end);
	tcase_add_test(all, destroy_ends_what_is_under_way);
	tcase_add_test(all, end_of_the_loop_ends_what_is_under_way);
	tcase_add_test(all, lanes_have_connections_of_their_own);
	tcase_add_test(all, errors_say_what_the_server_says);
	tcase_add_test(all, long_error_bodies_are_cut_off);
	tcase_add_test(all, a_refusal_counts_however_its_body_ends);
	tcase_add_test(all, impersonation_is_sent);
	tcase_add_test(all, warnings_are_handed_on);
	tcase_add_test(all, compressed_bodies_are_inflated);
	tcase_add_test(all, damaged_compression_is_an_error);
	tcase_add_test(all, proxy_is_used_and_not_shown_credentials);
	tcase_add_test(all, proxy_for_https_sees_no_credential);
	tcase_add_test(all, proxy_that_refuses_is_named_without_its_password);
	tcase_add_test(all, unknown_names_are_unreachable);
	tcase_add_test(all, unusable_connections_are_told_at_once);
}

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *all = tcase_create("all");

	tcase_set_timeout(all, 60);
	tcase_add_checked_fixture(all, setup, teardown);
	add_tests(all);
	suite_add_tcase(suite, all);
	return fixture_run_suite(suite);
}
