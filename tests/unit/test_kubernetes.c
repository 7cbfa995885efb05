#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/json_stream.h"
#include "client/json_text.h"
#include "client/kubernetes.h"
#include "tests/unit/http_fixture.h"

#define JSON "Content-Type: application/json\r\n"

static struct resource pods = {
	.group = (char *)"",
	.version = (char *)"v1",
	.plural = (char *)"pods",
	.kind = (char *)"Pod",
	.name = (char *)"pods",
	.namespaced = TRUE,
	.references = 1,
};

static const struct source_scope all_pods = {.resource = &pods};

/* A source and its server; what its calls hand out is noted, a line each. */
static struct {
	struct fixture http;
	struct strand *strand;
	struct source *source;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by the lock. */
	GString *notes;
	gboolean done;
	struct source_result result; /* its strings are owned */
	struct source_catalog *catalog;
	struct source_call *call;
	gboolean cancel_at_item;
} fixture;

static void setup(void)
{
	memset(&fixture, 0, sizeof(fixture));
	fixture_init(&fixture.http);
	fixture_connect(&fixture.http);
	fixture.source = kubernetes_source_create(g_steal_pointer(&fixture.http.client));
	fixture.strand = strand_create(fixture.http.pool);
	fixture.notes = g_string_new(NULL);
	pthread_mutex_init(&fixture.lock, NULL);
	pthread_cond_init(&fixture.changed, NULL);
}

static void forget_result(void)
{
	g_free((char *)fixture.result.reason);
	g_free((char *)fixture.result.message);
	g_free((char *)fixture.result.version);
	memset(&fixture.result, 0, sizeof(fixture.result));
}

static void destroy_source(void)
{
	if (fixture.source != NULL)
		fixture.source->ops->destroy(fixture.source);
	fixture.source = NULL;
}

static void teardown(void)
{
	destroy_source();
	strand_unref(fixture.strand);
	fixture_finish(&fixture.http);
	source_catalog_free(fixture.catalog);
	forget_result();
	g_string_free(fixture.notes, TRUE);
	pthread_mutex_destroy(&fixture.lock);
	pthread_cond_destroy(&fixture.changed);
}

static void note_end(const struct source_result *result)
{
	pthread_mutex_lock(&fixture.lock);
	ck_assert(!fixture.done);
	forget_result();
	fixture.result = *result;
	fixture.result.reason = g_strdup(result->reason);
	fixture.result.message = g_strdup(result->message);
	fixture.result.version = g_strdup(result->version);
	fixture.done = TRUE;
	pthread_cond_broadcast(&fixture.changed);
	pthread_mutex_unlock(&fixture.lock);
}

static void note_item(const char *word, const struct source_item *item)
{
	struct json_text json = {item->json, item->length};
	struct json_text name = {"?", 1};

	json_text_find(json, JSON_PATH("metadata", "name"), &name);
	pthread_mutex_lock(&fixture.lock);
	g_string_append_printf(fixture.notes, "%s %s %s %.*s\n", word, item->api_version,
		item->kind, (int)name.length, name.text);
	pthread_mutex_unlock(&fixture.lock);
}

static void note_word(const char *word)
{
	pthread_mutex_lock(&fixture.lock);
	g_string_append_printf(fixture.notes, "%s\n", word);
	pthread_cond_broadcast(&fixture.changed);
	pthread_mutex_unlock(&fixture.lock);
}

static void on_item(void *data, const struct source_item *item)
{
	ck_assert(strand_is_current(fixture.strand));
	note_item("item", item);
	pthread_mutex_lock(&fixture.lock);
	if (fixture.cancel_at_item) {
		while (fixture.call == NULL)
			pthread_cond_wait(&fixture.changed, &fixture.lock);
		source_cancel(fixture.call);
	}
	pthread_mutex_unlock(&fixture.lock);
}

static void on_restart(void *data)
{
	note_word("restart");
}

static void on_done(void *data, const struct source_result *result)
{
	ck_assert(strand_is_current(fixture.strand));
	note_end(result);
}

static void on_opened(void *data)
{
	note_word("opened");
}

static void on_event(void *data, enum source_event event, const struct source_item *item)
{
	static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "SYNCED"};

	note_item(names[event], item);
}

static void on_got(void *data, const struct source_result *result, const struct source_item *item)
{
	ck_assert((result->errnum == 0) == (item != NULL));
	if (item != NULL)
		note_item("got", item);
	note_end(result);
}

static void on_discovered(
	void *data, const struct source_result *result, struct source_catalog *catalog)
{
	fixture.catalog = catalog;
	note_end(result);
}

static const struct source_list_handlers list_handlers = {on_item, on_restart, on_done};
static const struct source_watch_handlers watch_handlers = {on_opened, on_event, on_done};
static const struct source_get_handlers get_handlers = {on_got};
static const struct source_discover_handlers discover_handlers = {on_discovered};

static void begin(struct source_call *call)
{
	pthread_mutex_lock(&fixture.lock);
	fixture.call = call;
	pthread_cond_broadcast(&fixture.changed);
	pthread_mutex_unlock(&fixture.lock);
}

static void wait_end(void)
{
	const struct timespec until = {.tv_sec = time(NULL) + 30};

	pthread_mutex_lock(&fixture.lock);
	while (!fixture.done)
		ck_assert_int_eq(
			pthread_cond_timedwait(&fixture.changed, &fixture.lock, &until), 0);
	fixture.done = FALSE;
	pthread_mutex_unlock(&fixture.lock);
	fixture.call = source_call_unref(fixture.call);
}

static void wait_note(const char *word)
{
	const struct timespec until = {.tv_sec = time(NULL) + 30};

	pthread_mutex_lock(&fixture.lock);
	while (strstr(fixture.notes->str, word) == NULL)
		ck_assert_int_eq(
			pthread_cond_timedwait(&fixture.changed, &fixture.lock, &until), 0);
	pthread_mutex_unlock(&fixture.lock);
}

static void list(const struct source_scope *scope, enum source_list_from from, const char *version)
{
	begin(fixture.source->ops->list(
		fixture.source, scope, from, version, &list_handlers, NULL, fixture.strand));
}

static void watch(const struct source_scope *scope, const char *version, gboolean initial)
{
	begin(fixture.source->ops->watch(
		fixture.source, scope, version, initial, &watch_handlers, NULL, fixture.strand));
}

static void get(const struct source_scope *scope)
{
	begin(fixture.source->ops->get(fixture.source, scope, &get_handlers, NULL, fixture.strand));
}

static void discover(void)
{
	begin(fixture.source->ops->discover(
		fixture.source, &discover_handlers, NULL, fixture.strand));
}

static void respond(const char *body)
{
	scripted_server_respond(fixture.http.server, "200 OK", JSON, body);
}

static void respond_to(const char *request, const char *status, const char *body)
{
	scripted_server_respond_to(fixture.http.server, request, status, JSON, body);
}

static void respond_expired(void)
{
	scripted_server_respond(fixture.http.server, "410 Gone", JSON,
		"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":"
		"\"The provided continue parameter is too "
		"old\",\"reason\":\"Expired\",\"code\":410}");
}

static void expect_notes(const char *wanted)
{
	ck_assert_str_eq(fixture.notes->str, wanted);
	g_string_truncate(fixture.notes, 0);
}

static void expect_success(void)
{
	wait_end();
	ck_assert_msg(fixture.result.errnum == 0, "%s", fixture.result.message);
	ck_assert(!fixture.result.expired);
}

/* The call fails with errnum, and its message ends like this. */
static void expect_failure(int errnum, const char *ending)
{
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, errnum);
	ck_assert_msg(g_str_has_suffix(fixture.result.message, ending),
		"\"%s\" does not end with \"%s\"", fixture.result.message, ending);
	if (errnum != ENOENT && errnum != ECANCELED)
		ck_assert_ptr_nonnull(
			strstr(fixture.result.message, scripted_server_url(fixture.http.server)));
}

/* The request with this index begins with "METHOD TARGET ". */
static void expect_request(unsigned int index, const char *wanted)
{
	g_autofree char *request = scripted_server_request(fixture.http.server, index);
	g_autofree char *line = g_strconcat(wanted, " ", NULL);

	ck_assert_msg(g_str_has_prefix(request, line), "%s", request);
}

START_TEST (a_list_comes_in_pages) {
	respond("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
		"\"70\","
		"\"continue\":\"a+b=\",\"remainingItemCount\":1},\"items\":[{\"metadata\":{"
		"\"name\":\"a\"}},"
		"{\"metadata\":{\"name\":\"b\"}}]}");
	respond("{\"items\":[{\"metadata\":{\"name\":\"c\"}}],\"metadata\":{\"continue\":\"\","
		"\"resourceVersion\":\"71\"}}");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_success();
	expect_notes("item v1 Pod \"a\"\nitem v1 Pod \"b\"\nitem v1 Pod \"c\"\n");
	ck_assert_str_eq(fixture.result.version, "70");
	expect_request(0, "GET /api/v1/pods?limit=500&resourceVersion=0");
	expect_request(1, "GET /api/v1/pods?limit=500&continue=a%2Bb%3D");
}
END_TEST

START_TEST (a_list_asks_as_it_is_told) {
	const struct source_scope one = {.resource = &pods, .namespace = "n s", .name = "p"};
	const struct source_scope metadata = {.resource = &pods, .metadata_only = TRUE};
	g_autofree char *request = NULL;

	for (int i = 0; i < 4; i++)
		respond("{\"metadata\":{},\"items\":null}");
	list(&one, SOURCE_LIST_KNOWN, "70");
	expect_success();
	ck_assert_str_eq(fixture.result.version, "");
	expect_request(0,
		"GET "
		"/api/v1/namespaces/n%20s/pods?resourceVersion=70&fieldSelector=metadata.name%3Dp");
	list(&all_pods, SOURCE_LIST_LATEST, "70");
	expect_success();
	expect_request(1, "GET /api/v1/pods?limit=500");
	list(&all_pods, SOURCE_LIST_KNOWN, NULL);
	expect_success();
	expect_request(2, "GET /api/v1/pods?limit=500");
	list(&metadata, SOURCE_LIST_CACHE, NULL);
	expect_success();
	request = scripted_server_request(fixture.http.server, 3);
	ck_assert_ptr_nonnull(strstr(request,
		"ccept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
		"application/json\r\n"));
	expect_notes("");
}
END_TEST

START_TEST (an_expired_page_begins_again_in_one_piece) {
	respond("{\"metadata\":{\"resourceVersion\":\"70\",\"continue\":\"x\"},\"items\":[{"
		"\"metadata\":{"
		"\"name\":\"a\"}}]}");
	respond_expired();
	respond("{\"metadata\":{\"resourceVersion\":\"90\"},\"items\":[{\"metadata\":{\"name\":"
		"\"b\"}}]}");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_success();
	expect_notes("item v1 Pod \"a\"\nrestart\nitem v1 Pod \"b\"\n");
	ck_assert_str_eq(fixture.result.version, "90");
	expect_request(2, "GET /api/v1/pods?resourceVersion=0");
}
END_TEST

START_TEST (an_expired_first_page_is_told) {
	respond_expired();
	list(&all_pods, SOURCE_LIST_KNOWN, "1");
	expect_failure(ESTALE, "(410 Expired)");
	ck_assert(fixture.result.expired);
	ck_assert_str_eq(fixture.result.reason, "Expired");
	ck_assert_ptr_null(fixture.result.version);
	expect_notes("");
}
END_TEST

START_TEST (a_too_large_version_is_told) {
	scripted_server_respond(fixture.http.server, "504 Gateway Timeout",
		JSON "Retry-After: 1\r\n",
		"{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,\"message\":\"Timeout: "
		"Too large "
		"resource version: 9, current: 1\",\"details\":{\"causes\":[{\"reason\":"
		"\"ResourceVersionTooLarge\"}],\"retryAfterSeconds\":1}}");
	list(&all_pods, SOURCE_LIST_KNOWN, "9");
	expect_failure(EAGAIN, "(504 Timeout)");
	ck_assert(fixture.result.expired);
	/* To repeat it would only take time: a list of the latest version follows. */
	ck_assert_uint_eq(scripted_server_requests(fixture.http.server), 1);

	scripted_server_respond(fixture.http.server, "504 Gateway Timeout", JSON,
		"{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,\"message\":\"Too large "
		"resource "
		"version: 9, current: 1\"}");
	list(&all_pods, SOURCE_LIST_KNOWN, "9");
	expect_failure(EAGAIN, "(504 Timeout)");
	ck_assert(fixture.result.expired);
}
END_TEST

START_TEST (an_unreadable_list_is_told) {
	respond("{\"items\":[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(EPROTO, "/api/v1/pods: ends after 49 bytes in the middle of items[1]");
	expect_notes("item v1 Pod \"a\"\n");

	respond("{\"items\":[{},<html>");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(EPROTO, "/api/v1/pods: byte 13 (items[1]): expected an object, found '<'");

	respond("{\"kind\":\"Status\",\"status\":\"Success\"}");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(EPROTO, "/api/v1/pods: a list without \"items\"");

	respond("");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(EPROTO, "/api/v1/pods: ends after 0 bytes in the middle of the list");

	scripted_server_respond(
		fixture.http.server, "200 OK", "Content-Type: text/html\x1b\r\n", "<html>");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(EPROTO, "/api/v1/pods: the answer's Content-Type is \"text/html\\x1B\", not "
			       "application/json");

	scripted_server_respond(fixture.http.server, "200 OK", "", "{\"items\":[]}");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(
		EPROTO, "/api/v1/pods: the answer's Content-Type is \"\", not application/json");
}
END_TEST

START_TEST (a_list_whose_connection_ends_is_told) {
	const struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\n" JSON
			 "Content-Length: 1000\r\n\r\n{\"items\":[{},{\"a\":",
		.end = SCRIPTED_CLOSE,
	};

	scripted_server_add(fixture.http.server, &answer);
	list(&all_pods, SOURCE_LIST_KNOWN, "1");
	wait_end();
	ck_assert_int_ne(fixture.result.errnum, 0);
	ck_assert_int_ne(fixture.result.errnum, ECANCELED);
	ck_assert(!fixture.result.expired);
	expect_notes("item v1 Pod ?\n");
}
END_TEST

START_TEST (a_page_that_continues_with_itself_is_told) {
	respond("{\"metadata\":{\"continue\":\"x\"},\"items\":[]}");
	respond("{\"metadata\":{\"continue\":\"x\"},\"items\":[]}");
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(EPROTO, "the page continues with itself");
}
END_TEST

/* So many bytes at a time, else sending what is too long takes most of the time for it. */
#define PIECE_BYTES 65536

START_TEST (an_item_has_a_limit) {
	g_autofree char *piece = g_strnfill(PIECE_BYTES, 'x');
	const struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\n" JSON
			 "Connection: close\r\n\r\n{\"items\":[{},{\"a\":\"",
		.repeated = piece,
		.repeats = JSON_STREAM_OBJECT_MAX / PIECE_BYTES + 1,
		.end = SCRIPTED_CLOSE,
	};

	scripted_server_add(fixture.http.server, &answer);
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	expect_failure(EMSGSIZE, "(items[1]): longer than the limit of 67108864 bytes");
}
END_TEST

START_TEST (a_list_can_be_cancelled) {
	respond("{\"metadata\":{\"continue\":\"x\"},\"items\":[{}]}");
	fixture.cancel_at_item = TRUE;
	list(&all_pods, SOURCE_LIST_CACHE, NULL);
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, ECANCELED);
	ck_assert_uint_eq(scripted_server_requests(fixture.http.server), 1);
}
END_TEST

START_TEST (names_that_are_no_segments_are_not_asked_for) {
	const struct source_scope slash = {
		.resource = &pods, .namespace = "default", .name = "a/log"};
	const struct source_scope dots = {.resource = &pods, .namespace = ".."};

	get(&slash);
	expect_failure(ENOENT, "there can be no object named \"a/log\"");
	ck_assert_int_eq(fixture.result.status, 404);
	list(&dots, SOURCE_LIST_CACHE, NULL);
	expect_failure(ENOENT, "there can be no namespace named \"..\"");
	watch(&slash, "1", FALSE);
	expect_failure(ENOENT, "there can be no object named \"a/log\"");
	ck_assert_uint_eq(scripted_server_requests(fixture.http.server), 0);
}
END_TEST

/* A response of which every byte is a chunk of its own. */
static void respond_in_bytes(const char *body)
{
	GString *bytes =
		g_string_new("HTTP/1.1 200 OK\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n");
	struct scripted_answer answer = {.end = SCRIPTED_KEEP};

	for (; *body != '\0'; body++)
		g_string_append_printf(bytes, "1\r\n%c\r\n", *body);
	g_string_append(bytes, "0\r\n\r\n");
	answer.bytes = bytes->str;
	answer.length = bytes->len;
	scripted_server_add(fixture.http.server, &answer);
	g_string_free(bytes, TRUE);
}

#define EVENTS                                                                                     \
	"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a}\\\"\"}}}\n"                   \
	"{\"object\":{\"metadata\":{\"name\":\"b\"}},\"type\":\"MODIFIED\"}"                       \
	"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"c\"}}}\n\n"                    \
	" {\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\"}}}\r\n"

#define EVENT_NOTES                                                                                \
	"opened\nADDED v1 Pod \"a}\\\"\"\nMODIFIED v1 Pod \"b\"\nDELETED v1 Pod \"c\"\n"           \
	"BOOKMARK v1 Pod ?\n"

START_TEST (a_watch_hands_out_frames) {
	g_autofree char *request = NULL;
	const char *seconds;
	unsigned long timeout;

	respond(EVENTS);
	watch(&all_pods, "8", FALSE);
	expect_success();
	expect_notes(EVENT_NOTES);
	request = scripted_server_request(fixture.http.server, 0);
	ck_assert(g_str_has_prefix(
		request, "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds="));
	seconds = strstr(request, "timeoutSeconds=") + strlen("timeoutSeconds=");
	timeout = strtoul(seconds, NULL, 10);
	ck_assert(timeout >= 300 && timeout <= 600);
	ck_assert_ptr_nonnull(strstr(request, "&resourceVersion=8 HTTP/1.1\r\n"));

	respond_in_bytes(EVENTS);
	watch(&all_pods, "8", FALSE);
	expect_success();
	expect_notes(EVENT_NOTES);
}
END_TEST

#define INITIAL_END                                                                                \
	"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"9\","              \
	"\"annotations\":{"                                                                        \
	"\"k8s.io/initial-events-end\":\"true\"}}}}"

START_TEST (a_watch_begins_with_the_present_state) {
	const struct source_scope one = {.resource = &pods, .namespace = "n", .name = "p"};
	g_autofree char *request = NULL;

	respond("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}"
		"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\"}}"
		"}" INITIAL_END
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\"}}}" INITIAL_END);
	watch(&one, NULL, TRUE);
	expect_success();
	expect_notes("opened\nADDED v1 Pod \"a\"\nBOOKMARK v1 Pod ?\nSYNCED v1 Pod ?\nADDED v1 Pod "
		     "\"b\"\nBOOKMARK v1 Pod ?\n");
	request = scripted_server_request(fixture.http.server, 0);
	ck_assert_ptr_nonnull(strstr(request,
		"&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&fieldSelector="
		"metadata.name%3Dp HTTP/1.1\r\n"));
	ck_assert_ptr_null(strstr(request, "resourceVersion="));
}
END_TEST

START_TEST (an_expired_watch_is_an_event) {
	respond("{\"type\":\"ADDED\",\"object\":{}}{\"type\":\"ERROR\",\"object\":{\"kind\":"
		"\"Status\","
		"\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"too "
		"old resource "
		"version: 1 "
		"(9)\",\"reason\":\"Expired\",\"code\":410}}{\"type\":\"ADDED\",\"object\":{}}");
	watch(&all_pods, "1", FALSE);
	expect_failure(ESTALE, "/api/v1/pods: 410 too old resource version: 1 (9)");
	ck_assert(fixture.result.expired);
	ck_assert_int_eq(fixture.result.status, 410);
	ck_assert_str_eq(fixture.result.reason, "Expired");
	expect_notes("opened\nADDED v1 Pod ?\n");

	respond("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"etcd\\u001b "
		"event\","
		"\"reason\":\"InternalError\",\"code\":500,\"details\":{\"retryAfterSeconds\":2}}"
		"}");
	watch(&all_pods, "1", FALSE);
	expect_failure(EIO, "/api/v1/pods: 500 etcd\\x1B event");
	ck_assert(!fixture.result.expired);
	ck_assert_uint_eq(fixture.result.retry_after, 2000);

	respond("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Pod\"}}");
	watch(&all_pods, "1", FALSE);
	expect_failure(EPROTO, "/api/v1/pods: an ERROR event without a Status");
}
END_TEST

START_TEST (an_unreadable_watch_is_told) {
	static const struct {
		const char *body;
		const char *ending;
	} cases[] = {
		{"{\"type\":\"ADDED\",\"object\":{}}garbage",
			": byte 28 (frame 2): expected an object, found 'g'"},
		{"{\"type\":\"ADDED\",\"object\":{}}{\"type\":",
			": ends after 36 bytes in the middle of frame 2"},
		{"{\"type\":\"PINGED\",\"object\":{}}", ": frame 1: an unknown \"type\""},
		{"{\"object\":{}}", ": frame 1: no \"type\""},
		{"{\"type\":\"ADDED\",\"object\":[]}", ": frame 1: no \"object\""},
		{"{\"type\":\"ADDED\" \"object\":{}}", ": frame 1: not a JSON object"},
		{"{]", ": frame 1: not a JSON object"},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		respond(cases[i].body);
		watch(&all_pods, "1", FALSE);
		expect_failure(EPROTO, cases[i].ending);
		ck_assert(!fixture.result.expired);
	}
	scripted_server_respond(
		fixture.http.server, "200 OK", "Content-Type: application/yaml\r\n", "a: b");
	watch(&all_pods, "1", FALSE);
	expect_failure(EPROTO, "\"application/yaml\", not application/json");
}
END_TEST

START_TEST (a_watch_has_a_limit) {
	g_autofree char *piece = g_strnfill(PIECE_BYTES, 'x');
	const struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\n" JSON "Connection: close\r\n\r\n{\"type\":\"",
		.repeated = piece,
		.repeats = JSON_STREAM_OBJECT_MAX / PIECE_BYTES + 1,
		.end = SCRIPTED_CLOSE,
	};

	scripted_server_add(fixture.http.server, &answer);
	watch(&all_pods, "1", FALSE);
	expect_failure(EMSGSIZE, "(frame 1): longer than the limit of 67112960 bytes");
}
END_TEST

/* Sends an event and then nothing more. */
static void respond_and_stall(void)
{
	const struct scripted_answer answer = {
		.bytes = "HTTP/1.1 200 OK\r\n" JSON "\r\n{\"type\":\"ADDED\",\"object\":{}}",
		.end = SCRIPTED_STALL,
	};

	scripted_server_add(fixture.http.server, &answer);
}

START_TEST (a_watch_can_be_cancelled) {
	respond_and_stall();
	watch(&all_pods, "1", FALSE);
	wait_note("opened");
	source_cancel(fixture.call);
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, ECANCELED);
	scripted_server_wait_open(fixture.http.server, 0);
}
END_TEST

START_TEST (the_end_of_the_source_ends_its_calls) {
	respond_and_stall();
	watch(&all_pods, "1", FALSE);
	wait_note("opened");
	destroy_source();
	/* A cancel that comes late finds nothing to do. */
	source_cancel(fixture.call);
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, ECANCELED);
}
END_TEST

START_TEST (a_get_hands_out_the_object) {
	const struct source_scope scope = {
		.resource = &pods, .namespace = "default", .name = "system:p"};

	respond("{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}\n");
	get(&scope);
	expect_success();
	expect_notes("got v1 Pod \"p\"\n");
	expect_request(0, "GET /api/v1/namespaces/default/pods/system%3Ap");

	scripted_server_respond(fixture.http.server, "404 Not Found", JSON,
		"{\"kind\":\"Status\",\"message\":\"pods \\\"p\\\" not "
		"found\",\"reason\":\"NotFound\","
		"\"code\":404}");
	get(&scope);
	expect_failure(ENOENT, "(404 NotFound)");
	ck_assert_int_eq(fixture.result.status, 404);
	respond("{}{}");
	get(&scope);
	expect_failure(EPROTO, "/pods/system%3Ap: the answer is more than one JSON object");
	respond("");
	get(&scope);
	expect_failure(EPROTO, "/pods/system%3Ap: the answer is empty");
	respond("{\"a\":");
	get(&scope);
	expect_failure(EPROTO, "/pods/system%3Ap: ends after 5 bytes in the middle of frame 1");
	expect_notes("");
}
END_TEST

START_TEST (rules_are_asked_for_a_namespace) {
	g_autofree char *request = NULL;

	scripted_server_respond(fixture.http.server, "201 Created", JSON, "{\"status\":{}}");
	begin(fixture.source->ops->rules(
		fixture.source, "a\"b", &get_handlers, NULL, fixture.strand));
	expect_success();
	expect_notes("got authorization.k8s.io/v1 SelfSubjectRulesReview ?\n");
	expect_request(0, "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews");
	request = scripted_server_request(fixture.http.server, 0);
	ck_assert_msg(g_str_has_suffix(request, "{\"apiVersion\":\"authorization.k8s.io/"
						"v1\",\"kind\":\"SelfSubjectRulesReview\",\"spec\":"
						"{\"namespace\":\"a\\\"b\"}}"),
		"%s", request);
}
END_TEST

static gboolean watch_list_after(const char *version)
{
	respond(version);
	begin(fixture.source->ops->ping(fixture.source, &get_handlers, NULL, fixture.strand));
	expect_success();
	return fixture.source->ops->has_watch_list(fixture.source);
}

START_TEST (a_ping_tells_what_the_server_can) {
	ck_assert(!fixture.source->ops->has_watch_list(fixture.source));
	ck_assert(!watch_list_after("{\"major\":\"1\",\"minor\":\"31\"}"));
	expect_request(0, "GET /version");
	ck_assert(watch_list_after("{\"minor\":\"32+\",\"major\":\"1\"}"));
	ck_assert(watch_list_after("{}"));
	ck_assert(!watch_list_after("{\"major\":\"1\",\"minor\":\"9\"}"));
}
END_TEST

#define AGGREGATED                                                                                 \
	"Content-Type: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\n"

/* The same answer to /api and to /apis: it is one resource. */
#define ONE_RESOURCE                                                                               \
	"{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":\"apps\"},"        \
	"\"versions\":["                                                                           \
	"{\"version\":\"v1\",\"resources\":[{\"resource\":\"deployments\",\"responseKind\":{"      \
	"\"kind\":"                                                                                \
	"\"Deployment\"},\"verbs\":[\"list\"]}]}]}]}"

static void expect_names(const char *name)
{
	const struct resource *resource;

	ck_assert_ptr_nonnull(fixture.catalog);
	ck_assert_uint_eq(fixture.catalog->resources->len, 1);
	resource = g_ptr_array_index(fixture.catalog->resources, 0);
	ck_assert_str_eq(resource->name, name);
}

static const char *partial(guint index)
{
	ck_assert_uint_lt(index, fixture.catalog->partial->len);
	return g_ptr_array_index(fixture.catalog->partial, index);
}

START_TEST (discovery_reads_the_aggregated_form) {
	g_autofree char *request = NULL;

	scripted_server_respond(fixture.http.server, "200 OK", AGGREGATED, ONE_RESOURCE);
	scripted_server_respond(fixture.http.server, "200 OK", AGGREGATED, ONE_RESOURCE);
	discover();
	expect_success();
	expect_names("deployments.apps");
	ck_assert_uint_eq(fixture.catalog->partial->len, 0);
	request = scripted_server_request(fixture.http.server, 0);
	ck_assert_ptr_nonnull(strstr(request,
		"ccept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
		"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
		"application/json\r\n"));
}
END_TEST

START_TEST (discovery_goes_on_without_one_root) {
	respond_to("GET /api ", "403 Forbidden",
		"{\"kind\":\"Status\",\"message\":\"no\",\"reason\":\"Forbidden\",\"code\":403}");
	scripted_server_respond(fixture.http.server, "200 OK", AGGREGATED, ONE_RESOURCE);
	discover();
	expect_success();
	expect_names("deployments.apps");
	ck_assert(g_str_has_prefix(partial(0), "/api"));
	ck_assert_ptr_nonnull(strstr(partial(0), "no (403 Forbidden)"));
}
END_TEST

START_TEST (discovery_fails_without_an_answer) {
	for (int i = 0; i < 2; i++)
		scripted_server_respond(fixture.http.server, "404 Not Found", JSON, "{}");
	discover();
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, ENOENT);
	ck_assert_ptr_null(fixture.catalog);

	scripted_server_respond(fixture.http.server, "500 Internal Server Error", JSON,
		"{\"kind\":\"Status\",\"message\":\"no etcd\",\"code\":500}");
	scripted_server_respond(fixture.http.server, "200 OK", AGGREGATED, ONE_RESOURCE);
	discover();
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, EIO);
	ck_assert_ptr_nonnull(strstr(fixture.result.message, "no etcd"));
	ck_assert_ptr_null(fixture.catalog);
}
END_TEST

START_TEST (discovery_of_another_kind_is_told) {
	for (int i = 0; i < 2; i++)
		scripted_server_respond(
			fixture.http.server, "200 OK", AGGREGATED, "{\"kind\":\"APIGroupList\"}");
	discover();
	expect_failure(EPROTO,
		"the discovery document's kind is \"APIGroupList\", not APIGroupDiscoveryList");
	ck_assert_ptr_null(fixture.catalog);
}
END_TEST

/* The roots and what they name are asked for side by side: each answer is for its request. */
START_TEST (discovery_reads_the_plain_form) {
	respond_to("GET /api ", "200 OK", "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}");
	respond_to("GET /apis ", "403 Forbidden", "{}");
	respond_to("GET /api/v1 ", "200 OK",
		"{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"pods\",\"kind\":\"Pod\","
		"\"verbs\":[\"list\"]}]}");
	discover();
	expect_success();
	expect_names("pods");
}
END_TEST

START_TEST (discovery_names_the_group_versions_that_fail) {
	respond_to("GET /api ", "200 OK", "{\"kind\":\"APIVersions\",\"versions\":[]}");
	respond_to("GET /apis ", "200 OK",
		"{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":\"dead.io\",\"versions\":[{"
		"\"version\":\"v1\"}]}]}");
	respond_to("GET /apis/dead.io/v1 ", "502 Bad Gateway",
		"{\"kind\":\"Status\",\"message\":\"nobody there\",\"code\":502}");
	discover();
	expect_success();
	ck_assert_uint_eq(fixture.catalog->resources->len, 0);
	ck_assert(g_str_has_prefix(partial(0), "dead.io/v1: "));
	ck_assert_ptr_nonnull(strstr(partial(0), "nobody there"));
}
END_TEST

START_TEST (a_discovery_can_be_cancelled) {
	discover();
	scripted_server_wait(fixture.http.server, 1);
	source_cancel(fixture.call);
	wait_end();
	ck_assert_int_eq(fixture.result.errnum, ECANCELED);
	ck_assert_ptr_null(fixture.catalog);
}
END_TEST

static TCase *make_case(const char *name)
{
	TCase *tests = tcase_create(name);

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 120);
	return tests;
}

static TCase *list_case(void)
{
	TCase *tests = make_case("list");

	tcase_add_test(tests, a_list_comes_in_pages);
	tcase_add_test(tests, a_list_asks_as_it_is_told);
	tcase_add_test(tests, an_expired_page_begins_again_in_one_piece);
	tcase_add_test(tests, an_expired_first_page_is_told);
	tcase_add_test(tests, a_too_large_version_is_told);
	tcase_add_test(tests, an_unreadable_list_is_told);
	tcase_add_test(tests, a_list_whose_connection_ends_is_told);
	tcase_add_test(tests, a_page_that_continues_with_itself_is_told);
	tcase_add_test(tests, an_item_has_a_limit);
	tcase_add_test(tests, a_list_can_be_cancelled);
	tcase_add_test(tests, names_that_are_no_segments_are_not_asked_for);
	return tests;
}

static TCase *watch_case(void)
{
	TCase *tests = make_case("watch");

	tcase_add_test(tests, a_watch_hands_out_frames);
	tcase_add_test(tests, a_watch_begins_with_the_present_state);
	tcase_add_test(tests, an_expired_watch_is_an_event);
	tcase_add_test(tests, an_unreadable_watch_is_told);
	tcase_add_test(tests, a_watch_has_a_limit);
	tcase_add_test(tests, a_watch_can_be_cancelled);
	tcase_add_test(tests, the_end_of_the_source_ends_its_calls);
	return tests;
}

static TCase *fetch_case(void)
{
	TCase *tests = make_case("fetch");

	tcase_add_test(tests, a_get_hands_out_the_object);
	tcase_add_test(tests, rules_are_asked_for_a_namespace);
	tcase_add_test(tests, a_ping_tells_what_the_server_can);
	tcase_add_test(tests, discovery_reads_the_aggregated_form);
	tcase_add_test(tests, discovery_goes_on_without_one_root);
	tcase_add_test(tests, discovery_fails_without_an_answer);
	tcase_add_test(tests, discovery_of_another_kind_is_told);
	tcase_add_test(tests, discovery_reads_the_plain_form);
	tcase_add_test(tests, discovery_names_the_group_versions_that_fail);
	tcase_add_test(tests, a_discovery_can_be_cancelled);
	return tests;
}

int main(void)
{
	Suite *suite = suite_create("kubernetes");

	suite_add_tcase(suite, list_case());
	suite_add_tcase(suite, watch_case());
	suite_add_tcase(suite, fetch_case());
	return fixture_run_suite(suite);
}
