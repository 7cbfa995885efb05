#include "tests/unit/etcd_fixture.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define WAIT_SECONDS 30

void etcd_fixture_init(struct etcd_fixture *fixture, const char *user, const char *password)
{
	memset(fixture, 0, sizeof(*fixture));
	fixture_init(&fixture->http);
	fixture_connect(&fixture->http);
	fixture->client =
		etcd_client_create(g_steal_pointer(&fixture->http.client), user, password);
	fixture->strand = strand_create(fixture->http.pool);
	fixture->notes = g_string_new(NULL);
	pthread_mutex_init(&fixture->lock, NULL);
	pthread_cond_init(&fixture->changed, NULL);
}

void etcd_fixture_finish(struct etcd_fixture *fixture)
{
	etcd_client_destroy(fixture->client);
	etcd_call_unref(fixture->call);
	strand_unref(fixture->strand);
	fixture_finish(&fixture->http);
	g_free((char *)fixture->end.result.message);
	g_string_free(fixture->notes, TRUE);
	pthread_mutex_destroy(&fixture->lock);
	pthread_cond_destroy(&fixture->changed);
}

struct scripted_server *etcd_fixture_add_server(struct etcd_fixture *fixture)
{
	struct scripted_server *other = scripted_server_create();

	etcd_client_destroy(fixture->client);
	g_ptr_array_add(fixture->http.connection->servers, g_strdup(scripted_server_url(other)));
	fixture_connect(&fixture->http);
	fixture->client = etcd_client_create(g_steal_pointer(&fixture->http.client), NULL, NULL);
	return other;
}

void etcd_respond(
	struct etcd_fixture *fixture, const char *path, const char *status, const char *body)
{
	g_autofree char *request = g_strdup_printf("POST %s ", path);

	scripted_server_respond_to(fixture->http.server, request, status, ETCD_JSON, body);
}

void etcd_respond_stream(struct etcd_fixture *fixture, const char *frames, enum scripted_end end)
{
	g_autofree char *bytes = g_strconcat(ETCD_STREAM_HEAD, frames, NULL);
	const struct scripted_answer answer = {
		.bytes = bytes, .end = end, .request = "POST /v3/watch "};

	scripted_server_add(fixture->http.server, &answer);
}

static void note(struct etcd_fixture *fixture, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void note(struct etcd_fixture *fixture, const char *format, ...)
{
	va_list arguments;

	ck_assert(strand_is_current(fixture->strand));
	pthread_mutex_lock(&fixture->lock);
	va_start(arguments, format);
	g_string_append_vprintf(fixture->notes, format, arguments);
	va_end(arguments);
	pthread_cond_broadcast(&fixture->changed);
	pthread_mutex_unlock(&fixture->lock);
}

static void note_kv(struct etcd_fixture *fixture, const char *word, const struct etcd_kv *kv)
{
	gsize key_length, value_length = 0;
	const char *key = g_bytes_get_data(kv->key, &key_length);
	const char *value = kv->value != NULL ? g_bytes_get_data(kv->value, &value_length) : "-";

	note(fixture,
		"%s %.*s=%.*s %" G_GINT64_FORMAT "/%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT
		"/%" G_GINT64_FORMAT "\n",
		word, (int)key_length, key, kv->value != NULL ? (int)value_length : 1,
		value_length > 0 || kv->value == NULL ? value : "", (gint64)kv->create_revision,
		(gint64)kv->mod_revision, (gint64)kv->version, (gint64)kv->lease);
	pthread_mutex_lock(&fixture->lock);
	while (fixture->cancels && fixture->call == NULL)
		pthread_cond_wait(&fixture->changed, &fixture->lock);
	if (fixture->cancels)
		etcd_cancel(fixture->call);
	pthread_mutex_unlock(&fixture->lock);
}

static void note_end(struct etcd_fixture *fixture, const struct etcd_end *end)
{
	ck_assert(strand_is_current(fixture->strand));
	ck_assert_ptr_nonnull(end->result.message);
	pthread_mutex_lock(&fixture->lock);
	g_free((char *)fixture->end.result.message);
	fixture->end = *end;
	fixture->end.result.message = g_strdup(end->result.message);
	fixture->done++;
	pthread_cond_broadcast(&fixture->changed);
	pthread_mutex_unlock(&fixture->lock);
}

static void on_kv(void *data, const struct etcd_kv *kv)
{
	note_kv(data, "kv", kv);
}

static void on_range(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	const struct etcd_end end = {.result = *result, .more = more, .count = count};

	note_end(data, &end);
}

static void on_created(void *data, int64_t revision)
{
	note(data, "created %" G_GINT64_FORMAT "\n", (gint64)revision);
}

static void on_event(void *data, enum etcd_event event, const struct etcd_kv *kv)
{
	note_kv(data, event == ETCD_PUT ? "put" : "delete", kv);
}

static void on_progress(void *data, int64_t revision)
{
	note(data, "progress %" G_GINT64_FORMAT "\n", (gint64)revision);
}

static void on_done(void *data, const struct etcd_result *result)
{
	const struct etcd_end end = {.result = *result};

	note_end(data, &end);
}

static void on_txn(void *data, const struct etcd_result *result, gboolean succeeded)
{
	const struct etcd_end end = {.result = *result, .succeeded = succeeded};

	note_end(data, &end);
}

static void on_object(void *data, const struct etcd_result *result, const cJSON *object)
{
	const struct etcd_end end = {.result = *result};
	char *text = object != NULL ? cJSON_PrintUnformatted(object) : NULL;

	ck_assert((result->errnum == 0) == (object != NULL));
	if (text != NULL)
		note(data, "%s\n", text);
	cJSON_free(text);
	note_end(data, &end);
}

static void begin(struct etcd_fixture *fixture, struct etcd_call *call)
{
	pthread_mutex_lock(&fixture->lock);
	etcd_call_unref(fixture->call);
	fixture->call = call;
	pthread_cond_broadcast(&fixture->changed);
	pthread_mutex_unlock(&fixture->lock);
}

void etcd_begin_range(struct etcd_fixture *fixture, const struct etcd_range *range)
{
	static const struct etcd_range_handlers handlers = {on_kv, on_range};

	begin(fixture, etcd_range(fixture->client, range, &handlers, fixture, fixture->strand));
}

static GBytes *bytes_of(const char *text)
{
	return text != NULL ? g_bytes_new(text, strlen(text)) : NULL;
}

void etcd_begin_all(struct etcd_fixture *fixture)
{
	g_autoptr(GBytes) empty = bytes_of("");
	const struct etcd_range range = {.keys = {empty, empty}};

	etcd_begin_range(fixture, &range);
}

void etcd_begin_watch(
	struct etcd_fixture *fixture, const char *key, const char *range_end, int64_t revision)
{
	static const struct etcd_watch_handlers handlers = {
		on_created, on_event, on_progress, on_done};
	g_autoptr(GBytes) first = bytes_of(key);
	g_autoptr(GBytes) end = bytes_of(range_end);
	const struct etcd_keys keys = {first, end};

	begin(fixture,
		etcd_watch(fixture->client, &keys, revision, &handlers, fixture, fixture->strand));
}

void etcd_begin_put(
	struct etcd_fixture *fixture, const char *key, int64_t revision, const char *value)
{
	static const struct etcd_txn_handlers handlers = {on_txn};
	g_autoptr(GBytes) name = bytes_of(key);
	g_autoptr(GBytes) content = bytes_of(value);
	const struct etcd_compare compare = {name, revision};
	const struct etcd_change change = {name, content, .keep_lease = revision != 0};

	begin(fixture, etcd_txn(fixture->client, &compare, 1, &change, 1, &handlers, fixture,
			       fixture->strand));
}

void etcd_begin_ask(struct etcd_fixture *fixture, enum etcd_question question)
{
	static const struct etcd_get_handlers handlers = {on_object};

	begin(fixture, etcd_ask(fixture->client, question, &handlers, fixture, fixture->strand));
}

static void wait_until(struct etcd_fixture *fixture, const char *text)
{
	const struct timespec until = {.tv_sec = time(NULL) + WAIT_SECONDS};
	int r = 0;

	pthread_mutex_lock(&fixture->lock);
	while (r == 0 &&
		(text != NULL ? strstr(fixture->notes->str, text) == NULL : fixture->done == 0))
		r = pthread_cond_timedwait(&fixture->changed, &fixture->lock, &until);
	if (text == NULL)
		fixture->done = 0;
	pthread_mutex_unlock(&fixture->lock);
	ck_assert_msg(r == 0, "%s does not come", text != NULL ? text : "the end");
}

void etcd_wait_end(struct etcd_fixture *fixture)
{
	wait_until(fixture, NULL);
}

void etcd_wait_note(struct etcd_fixture *fixture, const char *text)
{
	wait_until(fixture, text);
}

void etcd_expect_notes(struct etcd_fixture *fixture, const char *wanted)
{
	pthread_mutex_lock(&fixture->lock);
	ck_assert_str_eq(fixture->notes->str, wanted);
	g_string_truncate(fixture->notes, 0);
	pthread_mutex_unlock(&fixture->lock);
}

void etcd_expect_success(struct etcd_fixture *fixture)
{
	etcd_wait_end(fixture);
	ck_assert_msg(fixture->end.result.errnum == 0, "%s", fixture->end.result.message);
	ck_assert_str_eq(fixture->end.result.message, "");
}

void etcd_expect_failure(struct etcd_fixture *fixture, int errnum, int code, const char *text)
{
	const struct etcd_result *result = &fixture->end.result;

	etcd_wait_end(fixture);
	ck_assert_msg(
		result->errnum == errnum, "%s: %s", g_strerror(result->errnum), result->message);
	ck_assert_int_eq(result->code, code);
	ck_assert_msg(strstr(result->message, text) != NULL, "%s", result->message);
	ck_assert_msg(g_str_has_prefix(result->message, scripted_server_url(fixture->http.server)),
		"%s", result->message);
}

void etcd_expect_body(struct etcd_fixture *fixture, unsigned int index, const char *wanted)
{
	g_autofree char *request = scripted_server_request(fixture->http.server, index);
	const char *body = strstr(request, "\r\n\r\n");

	ck_assert_ptr_nonnull(body);
	ck_assert_str_eq(body + 4, wanted);
}

gboolean etcd_request_holds(struct etcd_fixture *fixture, unsigned int index, const char *text)
{
	g_autofree char *request = scripted_server_request(fixture->http.server, index);

	return strstr(request, text) != NULL;
}
