#include "client/kubernetes_get_at.h"

#include <errno.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/json_stream.h"
#include "client/kubernetes_fetch.h"
#include "client/kubernetes_url.h"

struct get_at {
	struct source_get_handlers handlers;
	void *data;
	char *name;
	char *version;
	char *api_version;
	char *kind;
	GString *json; /* the item, empty while there is none */
};

static void get_at_free(struct get_at *at)
{
	g_free(at->name);
	g_free(at->version);
	g_free(at->api_version);
	g_free(at->kind);
	g_string_free(at->json, TRUE);
	g_free(at);
}

/* A server that cannot select by name sends them all. */
static void on_item(void *data, const char *json, size_t length)
{
	struct get_at *at = data;
	struct json_text name;

	if (json_text_find(
		    (struct json_text){json, length}, JSON_PATH("metadata", "name"), &name) &&
		json_text_is(name, at->name)) {
		g_string_truncate(at->json, 0);
		g_string_append_len(at->json, json, (gssize)length);
	}
}

static int read_list(struct get_at *at, struct json_text list, GError **error)
{
	const struct json_stream_handlers handlers = {.object = on_item};
	struct json_stream *stream =
		json_stream_create(JSON_STREAM_LIST, JSON_STREAM_OBJECT_MAX, &handlers, at);
	int r = json_stream_feed(stream, list.text, list.length, error);

	if (r >= 0)
		r = json_stream_end(stream, error);
	json_stream_free(stream);
	return r;
}

static int find_object(struct get_at *at, struct json_text list, GError **error)
{
	g_autofree char *name = NULL;
	g_autofree char *version = NULL;
	int r = read_list(at, list, error);

	if (r < 0 || at->json->len > 0)
		return r;
	name = escape_text(at->name, -1);
	version = escape_text(at->version, -1);
	return error_set(
		error, ENOENT, "there was no %s \"%s\" at version %s", at->kind, name, version);
}

static void finish(void *data, const struct kubernetes_fetched *fetched)
{
	struct get_at *at = data;
	struct source_result result = *fetched->result;
	struct source_item item = {.api_version = at->api_version, .kind = at->kind};
	g_autoptr(GError) error = NULL;

	if (result.errnum == 0 && find_object(at, fetched->json, &error) < 0) {
		result.errnum = error->code;
		result.message = error->message;
	}
	item.json = at->json->str;
	item.length = at->json->len;
	at->handlers.done(at->data, &result, result.errnum == 0 ? &item : NULL);
	get_at_free(at);
}

/* API conventions, "resourceVersionMatch": Exact, which goes without a limit to etcd itself. */
static char *make_path(const struct source_scope *scope, const char *version, GError **error)
{
	g_autofree char *collection = kubernetes_url_collection(scope, error);
	GString *url;

	if (collection == NULL)
		return NULL;
	url = g_string_new(collection);
	kubernetes_url_add(url, "resourceVersion", version);
	kubernetes_url_add(url, "resourceVersionMatch", "Exact");
	kubernetes_url_add_name(url, scope->name);
	return g_string_free(url, FALSE);
}

struct source_call *kubernetes_get_at(struct source *source, const struct source_scope *scope,
	const char *version, const struct source_get_handlers *handlers, void *data,
	struct strand *strand)
{
	GError *error = NULL;
	g_autofree char *path = make_path(scope, version, &error);
	const struct http_request request = {
		.method = "GET",
		.path = path,
		.lane = HTTP_LANE_REQUEST,
		.timeout = KUBERNETES_REQUEST_TIMEOUT,
		.idle_timeout = KUBERNETES_IDLE_TIMEOUT,
		/* "Too large resource version" (504) asks to try again: the caller knows better. */
		.repeat = HTTP_REPEAT_LOST,
	};
	struct get_at *at = g_new0(struct get_at, 1);

	at->handlers = *handlers;
	at->data = data;
	at->name = g_strdup(scope->name);
	at->version = g_strdup(version);
	at->api_version =
		kubernetes_url_api_version(scope->resource->group, scope->resource->version);
	at->kind = g_strdup(scope->resource->kind);
	at->json = g_string_new(NULL);
	return kubernetes_fetch((struct kubernetes *)source, &request, KUBERNETES_WARN_ONCE, error,
		finish, at, strand);
}
