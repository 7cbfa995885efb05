/*
 * Lists and watches of client/kubernetes.h that are asked for as protobuf. How protobuf is cut that
 * comes in pieces is test_protobuf_stream.c's.
 */
#include <errno.h>
#include <string.h>

#include "client/kubernetes.h"
#include "tests/unit/http_fixture.h"
#include "tests/unit/protobuf_build.h"

#define JSON "Content-Type: application/json\r\n"
#define PROTOBUF "Content-Type: application/vnd.kubernetes.protobuf\r\n"
#define STREAM "Content-Type: application/vnd.kubernetes.protobuf;stream=watch\r\n"

static struct resource config_maps = {
	.group = (char *)"",
	.version = (char *)"v1",
	.plural = (char *)"configmaps",
	.kind = (char *)"ConfigMap",
	.name = (char *)"configmaps",
	.namespaced = TRUE,
	.references = 1,
};

static const struct source_scope as_protobuf = {.resource = &config_maps, .protobuf = TRUE};
static const struct source_scope as_json = {.resource = &config_maps};

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

static void teardown(void)
{
	fixture.source->ops->destroy(fixture.source);
	strand_unref(fixture.strand);
	fixture_finish(&fixture.http);
	forget_result();
	g_string_free(fixture.notes, TRUE);
	pthread_mutex_destroy(&fixture.lock);
	pthread_cond_destroy(&fixture.changed);
}

static void note(const char *word, const struct source_item *item)
{
	/* Every message here begins with its metadata, and that with its name. */
	const char *name = item->protobuf != NULL ? item->protobuf + 4 : "";
	int length = item->protobuf != NULL ? item->protobuf[3] : 0;

	pthread_mutex_lock(&fixture.lock);
	g_string_append_printf(fixture.notes, "%s %s %s %s %.*s\n", word, item->api_version,
		item->kind, item->protobuf != NULL ? "protobuf" : "json", length, name);
	pthread_mutex_unlock(&fixture.lock);
}

static void on_item(void *data, const struct source_item *item)
{
	note("item", item);
}

static void on_restart(void *data)
{
}

static void on_event(void *data, enum source_event event, const struct source_item *item)
{
	static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "SYNCED"};

	note(names[event], item);
}

static void on_done(void *data, const struct source_result *result)
{
	pthread_mutex_lock(&fixture.lock);
	forget_result();
	fixture.result = *result;
	fixture.result.reason = g_strdup(result->reason);
	fixture.result.message = g_strdup(result->message);
	fixture.result.version = g_strdup(result->version);
	fixture.done = TRUE;
	pthread_cond_broadcast(&fixture.changed);
	pthread_mutex_unlock(&fixture.lock);
}

static const struct source_list_handlers list_handlers = {on_item, on_restart, on_done};
static const struct source_watch_handlers watch_handlers = {
	.event = on_event,
	.done = on_done,
};

static void finish(struct source_call *call)
{
	pthread_mutex_lock(&fixture.lock);
	while (!fixture.done)
		pthread_cond_wait(&fixture.changed, &fixture.lock);
	fixture.done = FALSE;
	pthread_mutex_unlock(&fixture.lock);
	source_call_unref(call);
}

static void list(const struct source_scope *scope)
{
	finish(fixture.source->ops->list(fixture.source, scope, SOURCE_LIST_CACHE, NULL,
		&list_handlers, NULL, fixture.strand));
}

static void watch(const struct source_scope *scope)
{
	finish(fixture.source->ops->watch(
		fixture.source, scope, NULL, TRUE, &watch_handlers, NULL, fixture.strand));
}

/* Frees body. */
static void answer(const char *status, const char *type, GByteArray *body)
{
	g_autofree char *head = g_strdup_printf(
		"HTTP/1.1 %s\r\n%sContent-Length: %u\r\n\r\n", status, type, body->len);
	struct scripted_answer scripted = {0};

	g_byte_array_prepend(body, (const guint8 *)head, (guint)strlen(head));
	scripted.bytes = (const char *)body->data;
	scripted.length = body->len;
	scripted_server_add(fixture.http.server, &scripted);
	g_byte_array_unref(body);
}

static void add_item(GByteArray *list, const char *name)
{
	build_message(list, 2, build_config_map("default", name, "7", ""));
}

/* A list of that kind, with the items that are in it. Frees list. */
static GByteArray *wrap(const char *kind, GByteArray *list)
{
	GByteArray *envelope = build_envelope("v1", kind, list->data, list->len);

	g_byte_array_unref(list);
	return envelope;
}

static GByteArray *begin_list(const char *version, const char *token)
{
	GByteArray *metadata = g_byte_array_new();
	GByteArray *list = g_byte_array_new();

	build_text(metadata, 2, version);
	build_text(metadata, 3, token);
	build_message(list, 1, metadata);
	return list;
}

/* Adds a frame of an event with the envelope, which is freed. */
static void add_frame(GByteArray *frames, const char *type, GByteArray *envelope)
{
	GByteArray *event = g_byte_array_new();
	GByteArray *raw = g_byte_array_new();
	guint32 length;

	build_message(raw, 1, envelope);
	build_text(event, 1, type);
	build_message(event, 2, raw);
	length = GUINT32_TO_BE(event->len);
	g_byte_array_append(frames, (const guint8 *)&length, sizeof(length));
	g_byte_array_append(frames, event->data, event->len);
	g_byte_array_unref(event);
}

static void add_object(GByteArray *frames, const char *type, const char *kind, const char *name)
{
	GByteArray *object = build_config_map("default", name, "7", "");

	add_frame(frames, type, build_envelope("v1", kind, object->data, object->len));
	g_byte_array_unref(object);
}

/* The bookmark that ends the initial events. */
static void add_synced(GByteArray *frames, const char *value)
{
	GByteArray *metadata = g_byte_array_new();
	GByteArray *entry = g_byte_array_new();
	GByteArray *object = g_byte_array_new();

	build_text(metadata, 1, "");
	build_text(metadata, 6, "70");
	build_text(entry, 1, "k8s.io/initial-events-end");
	build_text(entry, 2, value);
	build_message(metadata, 12, entry);
	build_message(object, 1, metadata);
	add_frame(frames, "BOOKMARK", build_envelope("v1", "ConfigMap", object->data, object->len));
	g_byte_array_unref(object);
}

static GByteArray *make_status(
	const char *message, const char *reason, unsigned int code, const char *cause)
{
	GByteArray *status = g_byte_array_new();
	GByteArray *details = g_byte_array_new();
	GByteArray *causes = g_byte_array_new();
	GByteArray *envelope;

	build_text(status, 1, "");
	build_text(status, 2, "Failure");
	build_text(status, 3, message);
	build_text(status, 4, reason);
	build_text(details, 1, "configmaps");
	build_text(causes, 1, cause);
	build_text(causes, 2, "told");
	build_message(details, 4, causes);
	build_number(details, 5, 3);
	build_message(status, 5, details);
	build_number(status, 6, code);
	envelope = build_envelope("v1", "Status", status->data, status->len);
	g_byte_array_unref(status);
	return envelope;
}

static void expect_notes(const char *wanted)
{
	ck_assert_str_eq(fixture.notes->str, wanted);
	g_string_truncate(fixture.notes, 0);
}

static void expect_success(void)
{
	ck_assert_msg(fixture.result.errnum == 0, "%s", fixture.result.message);
	ck_assert(!fixture.result.unreadable);
}

static void expect_failure(int errnum, gboolean unreadable, const char *ending)
{
	ck_assert_int_eq(fixture.result.errnum, errnum);
	ck_assert_int_eq(fixture.result.unreadable, unreadable);
	ck_assert_msg(g_str_has_suffix(fixture.result.message, ending),
		"\"%s\" does not end with \"%s\"", fixture.result.message, ending);
}

static void expect_accept(unsigned int index, const char *accept)
{
	g_autofree char *request = scripted_server_request(fixture.http.server, index);
	g_autofree char *line = g_strdup_printf("ccept: %s\r\n", accept);

	ck_assert_msg(strstr(request, line) != NULL, "%s", request);
}

START_TEST (a_list_comes_in_pages) {
	GByteArray *first = begin_list("70", "more");
	GByteArray *last = begin_list("71", "");
	g_autofree char *request = NULL;

	add_item(first, "a");
	add_item(first, "b");
	add_item(last, "c");
	answer("200 OK", PROTOBUF, wrap("ConfigMapList", first));
	answer("200 OK", PROTOBUF, wrap("ConfigMapList", last));
	list(&as_protobuf);
	expect_success();
	expect_notes("item v1 ConfigMap protobuf a\nitem v1 ConfigMap protobuf b\n"
		     "item v1 ConfigMap protobuf c\n");
	ck_assert_str_eq(fixture.result.version, "70");
	expect_accept(0, "application/vnd.kubernetes.protobuf,application/json");
	expect_accept(1, "application/vnd.kubernetes.protobuf,application/json");
	request = scripted_server_request(fixture.http.server, 1);
	ck_assert(g_str_has_prefix(request, "GET /api/v1/configmaps?limit=500&continue=more "));
}
END_TEST

START_TEST (a_server_may_answer_json) {
	scripted_server_respond(fixture.http.server, "200 OK", JSON,
		"{\"metadata\":{\"resourceVersion\":\"70\"},\"items\":[{}]}");
	list(&as_protobuf);
	expect_success();
	expect_notes("item v1 ConfigMap json \n");
	scripted_server_respond(
		fixture.http.server, "200 OK", JSON, "{\"type\":\"ADDED\",\"object\":{}}\n");
	watch(&as_protobuf);
	expect_success();
	expect_notes("ADDED v1 ConfigMap json \n");
}
END_TEST

START_TEST (what_was_not_asked_for_is_refused) {
	answer("200 OK", PROTOBUF, wrap("ConfigMapList", begin_list("70", "")));
	list(&as_json);
	expect_failure(EPROTO, FALSE, "not application/json");
	expect_accept(0, "application/json");
	answer("200 OK", PROTOBUF, wrap("ConfigMapList", begin_list("70", "")));
	watch(&as_json);
	expect_failure(EPROTO, FALSE, "not application/json");
	expect_accept(1, "application/json");
}
END_TEST

START_TEST (an_unreadable_list_is_told) {
	GByteArray *damaged = begin_list("70", "");
	GByteArray *foreign = begin_list("70", "");
	GByteArray *newer = begin_list("70", "");
	GByteArray *cut;

	add_item(damaged, "a");
	build_number(damaged, 0, 1);
	answer("200 OK", PROTOBUF, wrap("ConfigMapList", damaged));
	list(&as_protobuf);
	expect_failure(EPROTO, TRUE, "malformed");
	expect_notes("item v1 ConfigMap protobuf a\n");

	add_item(foreign, "a");
	answer("200 OK", PROTOBUF, wrap("SecretList", foreign));
	list(&as_protobuf);
	expect_failure(EOPNOTSUPP, TRUE, "protobuf of something that was not asked for");
	expect_notes("");

	build_text(newer, 3, "?");
	answer("200 OK", PROTOBUF, wrap("ConfigMapList", newer));
	list(&as_protobuf);
	expect_failure(EOPNOTSUPP, TRUE, "something that this version of kubefs does not know");

	/* That is the connection's fault, and passes. */
	cut = wrap("ConfigMapList", begin_list("70", ""));
	g_byte_array_set_size(cut, cut->len - 8);
	answer("200 OK", PROTOBUF, cut);
	list(&as_protobuf);
	expect_failure(EPROTO, FALSE, "bytes");
}
END_TEST

START_TEST (a_refusal_comes_as_protobuf) {
	answer("410 Gone", PROTOBUF, make_status("too old", "Expired", 410, ""));
	list(&as_protobuf);
	expect_failure(ESTALE, FALSE, ": too old (410 Expired)");
	ck_assert(fixture.result.expired);
	ck_assert_str_eq(fixture.result.reason, "Expired");

	answer("504 Gateway Timeout", PROTOBUF,
		make_status("what", "Timeout", 504, "ResourceVersionTooLarge"));
	finish(fixture.source->ops->list(fixture.source, &as_protobuf, SOURCE_LIST_KNOWN, "9",
		&list_handlers, NULL, fixture.strand));
	expect_failure(EAGAIN, FALSE, ": what (504 Timeout)");
	ck_assert(fixture.result.expired);
	ck_assert_uint_eq(fixture.result.retry_after, 3000);

	answer("403 Forbidden", PROTOBUF, make_status("you may\x1b not", "Forbidden", 403, ""));
	watch(&as_protobuf);
	expect_failure(EACCES, FALSE, ": you may\\x1B not (403 Forbidden)");
	ck_assert(!fixture.result.expired);
}
END_TEST

START_TEST (a_watch_hands_out_events) {
	GByteArray *frames = g_byte_array_new();

	add_object(frames, "ADDED", "ConfigMap", "a");
	add_synced(frames, "false");
	add_synced(frames, "true");
	add_synced(frames, "true");
	add_object(frames, "MODIFIED", "ConfigMap", "a");
	add_object(frames, "DELETED", "ConfigMap", "a");
	answer("200 OK", STREAM, frames);
	watch(&as_protobuf);
	expect_success();
	expect_notes("ADDED v1 ConfigMap protobuf a\nBOOKMARK v1 ConfigMap protobuf \n"
		     "SYNCED v1 ConfigMap protobuf \nBOOKMARK v1 ConfigMap protobuf \n"
		     "MODIFIED v1 ConfigMap protobuf a\nDELETED v1 ConfigMap protobuf a\n");
	expect_accept(0, "application/vnd.kubernetes.protobuf,application/json");
}
END_TEST

START_TEST (an_expired_watch_is_an_event) {
	GByteArray *frames = g_byte_array_new();
	GByteArray *damaged = g_byte_array_new();

	add_object(frames, "ADDED", "ConfigMap", "a");
	add_frame(frames, "ERROR", make_status("too old", "Expired", 410, ""));
	add_object(frames, "ADDED", "ConfigMap", "b");
	answer("200 OK", STREAM, frames);
	watch(&as_protobuf);
	expect_failure(ESTALE, FALSE, ": 410 too old");
	ck_assert(fixture.result.expired);
	ck_assert_int_eq(fixture.result.status, 410);
	expect_notes("ADDED v1 ConfigMap protobuf a\n");

	add_frame(damaged, "ERROR", build_envelope("v1", "Status", "\x1a\x7f", 2));
	answer("200 OK", STREAM, damaged);
	watch(&as_protobuf);
	expect_failure(EPROTO, FALSE, "an ERROR event without a Status");
}
END_TEST

START_TEST (an_unreadable_watch_is_told) {
	GByteArray *foreign = g_byte_array_new();
	GByteArray *malformed = g_byte_array_new();
	GByteArray *unknown = g_byte_array_new();
	GByteArray *cut = g_byte_array_new();

	add_object(foreign, "ADDED", "ConfigMap", "a");
	add_object(foreign, "ADDED", "Table", "b");
	add_object(foreign, "ADDED", "ConfigMap", "c");
	answer("200 OK", STREAM, foreign);
	watch(&as_protobuf);
	expect_failure(EOPNOTSUPP, TRUE, ": frame 2: an object of a kind that was not asked for");
	expect_notes("ADDED v1 ConfigMap protobuf a\n");

	g_byte_array_append(malformed, (const guint8 *)"\0\0\0\x02\x0a\x7f", 6);
	answer("200 OK", STREAM, malformed);
	watch(&as_protobuf);
	expect_failure(EPROTO, TRUE, "malformed");

	add_object(unknown, "MOVED", "ConfigMap", "a");
	answer("200 OK", STREAM, unknown);
	watch(&as_protobuf);
	expect_failure(EPROTO, TRUE, ": frame 1: an unknown \"type\"");

	add_object(cut, "ADDED", "ConfigMap", "a");
	add_object(cut, "ADDED", "ConfigMap", "b");
	g_byte_array_set_size(cut, cut->len - 1);
	answer("200 OK", STREAM, cut);
	watch(&as_protobuf);
	expect_failure(EPROTO, FALSE, "bytes");
	expect_notes("ADDED v1 ConfigMap protobuf a\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kubernetes_protobuf");
	TCase *tests = tcase_create("all");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_list_comes_in_pages);
	tcase_add_test(tests, a_server_may_answer_json);
	tcase_add_test(tests, what_was_not_asked_for_is_refused);
	tcase_add_test(tests, an_unreadable_list_is_told);
	tcase_add_test(tests, a_refusal_comes_as_protobuf);
	tcase_add_test(tests, a_watch_hands_out_events);
	tcase_add_test(tests, an_expired_watch_is_an_event);
	tcase_add_test(tests, an_unreadable_watch_is_told);
	suite_add_tcase(suite, tests);
	return fixture_run_suite(suite);
}
