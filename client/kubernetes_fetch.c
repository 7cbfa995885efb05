#include "client/kubernetes_fetch.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/json_stream.h"
#include "client/kubernetes_url.h"

struct fetch {
	struct kubernetes_call base;
	kubernetes_fetch_done done;
	void *data;
	char *content_type; /* or NULL */
	struct json_stream *stream;
	GString *json;
};

static void on_object(void *data, const char *json, size_t length)
{
	struct fetch *fetch = data;
	GError *error = NULL;

	if (json_stream_count(fetch->stream) == 1) {
		g_string_append_len(fetch->json, json, (gssize)length);
		return;
	}
	error_set(&error, EPROTO, "the answer is more than one JSON object");
	kubernetes_call_fail(&fetch->base, error);
}

static void on_head(struct kubernetes_call *call, const char *content_type)
{
	struct fetch *fetch = (struct fetch *)call;

	g_free(fetch->content_type);
	fetch->content_type = g_strdup(content_type);
}

static void on_body(struct kubernetes_call *call, const char *bytes, size_t length)
{
	struct fetch *fetch = (struct fetch *)call;
	GError *error = NULL;

	if (json_stream_feed(fetch->stream, bytes, length, &error) < 0)
		kubernetes_call_fail(call, error);
}

static int on_end(struct kubernetes_call *call, GError **error)
{
	struct fetch *fetch = (struct fetch *)call;

	if (json_stream_end(fetch->stream, error) < 0)
		return -EPROTO;
	if (json_stream_count(fetch->stream) == 0)
		return error_set(error, EPROTO, "the answer is empty");
	return 0;
}

static gboolean on_done(struct kubernetes_call *call, const struct source_result *result)
{
	struct fetch *fetch = (struct fetch *)call;
	struct kubernetes_fetched fetched = {
		.result = result,
		.json = {"", 0},
		.content_type = fetch->content_type != NULL ? fetch->content_type : "",
		.http = call->http,
	};

	if (result->errnum == 0)
		fetched.json = (struct json_text){fetch->json->str, fetch->json->len};
	fetch->done(fetch->data, &fetched);
	return FALSE;
}

static void on_free(struct kubernetes_call *call)
{
	struct fetch *fetch = (struct fetch *)call;

	g_free(fetch->content_type);
	json_stream_free(fetch->stream);
	g_string_free(fetch->json, TRUE);
	g_free(fetch);
}

static const struct kubernetes_call_ops fetch_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.done = on_done,
	.free = on_free,
};

struct source_call *kubernetes_fetch(struct kubernetes *kubernetes,
	const struct http_request *request, enum kubernetes_warn warn, GError *error,
	kubernetes_fetch_done done, void *data, struct strand *strand)
{
	const struct json_stream_handlers handlers = {.object = on_object};
	struct fetch *fetch = g_new0(struct fetch, 1);

	kubernetes_call_init(&fetch->base, &fetch_ops, kubernetes, strand);
	fetch->base.warn = warn;
	fetch->done = done;
	fetch->data = data;
	fetch->json = g_string_new(NULL);
	fetch->stream =
		json_stream_create(JSON_STREAM_FRAMES, JSON_STREAM_OBJECT_MAX, &handlers, fetch);
	kubernetes_call_start(&fetch->base, request, error);
	return &fetch->base.call;
}

/* A fetch whose object goes to source_get_handlers. */
struct get {
	struct source_get_handlers handlers;
	void *data;
	struct kubernetes *kubernetes;
	char *api_version;
	char *kind;
};

static struct get *get_create(struct source *source, const struct source_get_handlers *handlers,
	void *data, char *api_version, const char *kind)
{
	struct get *get = g_new0(struct get, 1);

	get->handlers = *handlers;
	get->data = data;
	get->kubernetes = kubernetes_ref((struct kubernetes *)source);
	get->api_version = api_version;
	get->kind = g_strdup(kind);
	return get;
}

static void finish_get(void *data, const struct kubernetes_fetched *fetched)
{
	struct get *get = data;
	const struct source_result *result = fetched->result;
	const struct source_item item = {
		.json = fetched->json.text,
		.length = fetched->json.length,
		.api_version = get->api_version,
		.kind = get->kind,
	};

	get->handlers.done(get->data, result, result->errnum == 0 ? &item : NULL);
	kubernetes_unref(get->kubernetes);
	g_free(get->api_version);
	g_free(get->kind);
	g_free(get);
}

static struct http_request make_request(const char *method, const char *path)
{
	return (struct http_request){
		.method = method,
		.path = path,
		.lane = HTTP_LANE_REQUEST,
		.timeout = KUBERNETES_REQUEST_TIMEOUT,
		.idle_timeout = KUBERNETES_IDLE_TIMEOUT,
		.repeat = HTTP_REPEAT_ALWAYS,
	};
}

struct source_call *kubernetes_get(struct source *source, const struct source_scope *scope,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	GError *error = NULL;
	g_autofree char *path = kubernetes_url_object(scope, &error);
	struct http_request request = make_request("GET", path);
	struct get *get;

	get = get_create(source, handlers, data, kubernetes_url_scope_api_version(scope),
		kubernetes_url_scope_kind(scope));
	if (scope->metadata_only)
		request.accept = KUBERNETES_ACCEPT_METADATA;
	return kubernetes_fetch((struct kubernetes *)source, &request, KUBERNETES_WARN_ONCE, error,
		finish_get, get, strand);
}

struct source_call *kubernetes_schema(struct source *source, const struct resource *resource,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	g_autofree char *version = kubernetes_url_group_version(resource->group, resource->version);
	g_autofree char *path = g_strconcat("/openapi/v3", version, NULL);
	struct http_request request = make_request("GET", path);
	struct get *get = get_create(source, handlers, data, g_strdup(""), "");

	/* Several MB: a save does not wait behind it. */
	request.lane = HTTP_LANE_LIST;
	return kubernetes_fetch((struct kubernetes *)source, &request, KUBERNETES_WARN_ONCE, NULL,
		finish_get, get, strand);
}

#define RULES_GROUP_VERSION "authorization.k8s.io/v1"
#define RULES_KIND "SelfSubjectRulesReview"

/* The body of a SelfSubjectRulesReview for the namespace. */
static GBytes *make_review(const char *namespace)
{
	cJSON *review = cJSON_CreateObject();
	cJSON *spec;
	char *text;

	cJSON_AddStringToObject(review, "apiVersion", RULES_GROUP_VERSION);
	cJSON_AddStringToObject(review, "kind", RULES_KIND);
	spec = cJSON_AddObjectToObject(review, "spec");
	cJSON_AddStringToObject(spec, "namespace", namespace);
	text = cJSON_PrintUnformatted(review);
	cJSON_Delete(review);
	return g_bytes_new_with_free_func(text, strlen(text), cJSON_free, text);
}

struct source_call *kubernetes_rules(struct source *source, const char *namespace,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	g_autoptr(GBytes) review = make_review(namespace);
	struct http_request request =
		make_request("POST", "/apis/" RULES_GROUP_VERSION "/selfsubjectrulesreviews");
	struct get *get =
		get_create(source, handlers, data, g_strdup(RULES_GROUP_VERSION), RULES_KIND);

	request.body = review;
	return kubernetes_fetch((struct kubernetes *)source, &request, KUBERNETES_WARN_ONCE, NULL,
		finish_get, get, strand);
}

/* Some distributions add to the number: "27+". */
static void remember_version(struct kubernetes *kubernetes, struct json_text json)
{
	struct json_text value;
	g_autofree char *major = NULL;
	g_autofree char *minor = NULL;

	if (!json_text_find(json, JSON_PATH("major"), &value))
		return;
	major = json_text_string(value);
	if (!json_text_find(json, JSON_PATH("minor"), &value))
		return;
	minor = json_text_string(value);
	if (g_strcmp0(major, "1") == 0 && minor != NULL)
		g_atomic_int_set(&kubernetes->minor, (gint)g_ascii_strtoull(minor, NULL, 10));
}

static void finish_ping(void *data, const struct kubernetes_fetched *fetched)
{
	struct get *get = data;

	if (fetched->result->errnum == 0)
		remember_version(get->kubernetes, fetched->json);
	finish_get(data, fetched);
}

struct source_call *kubernetes_ping(struct source *source,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	struct http_request request = make_request("GET", "/version");
	struct get *get = get_create(source, handlers, data, g_strdup(""), "");

	/* On a connection of the watches, and soon over: it is their death that it must notice. */
	request.lane = HTTP_LANE_WATCH;
	request.timeout = KUBERNETES_PING_TIMEOUT;
	return kubernetes_fetch((struct kubernetes *)source, &request, KUBERNETES_WARN_ONCE, NULL,
		finish_ping, get, strand);
}
