#include "client/kubernetes_watch.h"

#include "client/error.h"
#include "client/json_stream.h"
#include "client/kubernetes_call.h"
#include "client/kubernetes_frame.h"
#include "client/kubernetes_url.h"
#include "client/protobuf_envelope.h"
#include "client/protobuf_stream.h"

/* Seconds after which the server ends the watch; random, so that not all come back at once. */
#define TIMEOUT_MIN 300
#define TIMEOUT_MAX 600

/*
 * Bookmarks come about every minute: after two and a half without a byte the connection is taken
 * for dead. Where a server sends none, a watch that goes on from the same version costs little.
 */
#define IDLE_TIMEOUT (150 * 1000)

/* Frames end with the object; what the server adds around it is small. */
#define FRAME_MAX (JSON_STREAM_OBJECT_MAX + 4096)

struct watch {
	struct kubernetes_call base;
	struct source_watch_handlers handlers;
	void *data;
	char *api_version;
	char *kind;
	gboolean initial; /* the bookmark that ends the initial events is still to come */
	struct json_stream *json; /* one of the two, once the head has come */
	struct protobuf_stream *protobuf;
};

/* The Status of an ERROR event ends the watch (an expired version comes so, in a 200 stream). */
static void refuse(struct watch *watch, const struct kubernetes_frame *frame)
{
	cJSON *status = kubernetes_frame_status(frame);
	const struct kubernetes_failure failure = kubernetes_failure_from_status(status);

	cJSON_Delete(status);
	kubernetes_call_refuse(&watch->base, &failure);
}

static void fail_frame(struct watch *watch, guint64 number, const GError *problem)
{
	struct kubernetes_failure failure = {.unreadable = watch->protobuf != NULL};

	error_set(&failure.error, problem->code, "frame %" G_GUINT64_FORMAT ": %s", number,
		problem->message);
	kubernetes_call_refuse(&watch->base, &failure);
}

static void take_frame(struct watch *watch, const struct kubernetes_frame *frame)
{
	enum source_event event = frame->event;

	if (frame->is_error) {
		refuse(watch, frame);
		return;
	}
	if (watch->initial && frame->ends_initial) {
		watch->initial = FALSE;
		event = SOURCE_SYNCED;
	}
	watch->handlers.event(watch->data, event, &frame->item);
}

static void on_json(void *data, const char *json, size_t length)
{
	struct watch *watch = data;
	g_autoptr(GError) error = NULL;
	struct kubernetes_frame frame;

	/* What follows an ERROR, or something unreadable, in the same piece. */
	if (watch->base.failure.error != NULL)
		return;
	if (kubernetes_frame_read_json((struct json_text){json, length}, watch->api_version,
		    watch->kind, &frame, &error) < 0)
		fail_frame(watch, json_stream_count(watch->json), error);
	else
		take_frame(watch, &frame);
}

static void on_protobuf(
	void *data, const struct protobuf_input *type, const struct protobuf_input *envelope)
{
	struct watch *watch = data;
	g_autoptr(GError) error = NULL;
	struct kubernetes_frame frame;

	if (watch->base.failure.error != NULL)
		return;
	if (kubernetes_frame_read_protobuf(
		    type, envelope, watch->api_version, watch->kind, &frame, &error) < 0)
		fail_frame(watch, protobuf_stream_count(watch->protobuf), error);
	else
		take_frame(watch, &frame);
}

static void on_head(struct kubernetes_call *call, const char *content_type)
{
	static const struct json_stream_handlers json = {.object = on_json};
	static const struct protobuf_stream_handlers protobuf = {.event = on_protobuf};
	struct watch *watch = (struct watch *)call;

	if (http_content_type_is(content_type, PROTOBUF_CONTENT_TYPE))
		watch->protobuf =
			protobuf_stream_create(PROTOBUF_STREAM_FRAMES, FRAME_MAX, &protobuf, watch);
	else
		watch->json = json_stream_create(JSON_STREAM_FRAMES, FRAME_MAX, &json, watch);
	if (watch->handlers.opened != NULL)
		watch->handlers.opened(watch->data);
}

static int feed(struct watch *watch, const char *bytes, size_t length, GError **error)
{
	return watch->protobuf != NULL ? protobuf_stream_feed(watch->protobuf, bytes, length, error)
				       : json_stream_feed(watch->json, bytes, length, error);
}

static void on_body(struct kubernetes_call *call, const char *bytes, size_t length)
{
	struct watch *watch = (struct watch *)call;
	struct kubernetes_failure failure = {.unreadable = watch->protobuf != NULL};

	if (feed(watch, bytes, length, &failure.error) >= 0)
		return;
	/* An ERROR before it says more. */
	if (call->failure.error != NULL)
		g_error_free(failure.error);
	else
		kubernetes_call_refuse(call, &failure);
}

static int on_end(struct kubernetes_call *call, GError **error)
{
	struct watch *watch = (struct watch *)call;

	return watch->protobuf != NULL ? protobuf_stream_end(watch->protobuf, error)
				       : json_stream_end(watch->json, error);
}

static gboolean on_done(struct kubernetes_call *call, const struct source_result *result)
{
	struct watch *watch = (struct watch *)call;

	watch->handlers.done(watch->data, result);
	return FALSE;
}

static void on_free(struct kubernetes_call *call)
{
	struct watch *watch = (struct watch *)call;

	g_free(watch->api_version);
	g_free(watch->kind);
	json_stream_free(watch->json);
	protobuf_stream_free(watch->protobuf);
	g_free(watch);
}

static const struct kubernetes_call_ops watch_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.done = on_done,
	.free = on_free,
};

static const char *accept_of(const struct source_scope *scope)
{
	if (scope->metadata_only)
		return KUBERNETES_ACCEPT_METADATA;
	return scope->protobuf ? KUBERNETES_ACCEPT_PROTOBUF : NULL;
}

static char *make_path(
	const struct source_scope *scope, const char *version, gboolean initial, GError **error)
{
	g_autofree char *collection = kubernetes_url_collection(scope, error);
	g_autofree char *timeout =
		g_strdup_printf("%d", g_random_int_range(TIMEOUT_MIN, TIMEOUT_MAX + 1));
	GString *url;

	if (collection == NULL)
		return NULL;
	url = g_string_new(collection);
	kubernetes_url_add(url, "watch", "true");
	kubernetes_url_add(url, "allowWatchBookmarks", "true");
	kubernetes_url_add(url, "timeoutSeconds", timeout);
	if (version != NULL)
		kubernetes_url_add(url, "resourceVersion", version);
	if (initial) {
		kubernetes_url_add(url, "sendInitialEvents", "true");
		kubernetes_url_add(url, "resourceVersionMatch", "NotOlderThan");
	}
	if (scope->name != NULL)
		kubernetes_url_add_name(url, scope->name);
	return g_string_free(url, FALSE);
}

struct source_call *kubernetes_watch(struct source *source, const struct source_scope *scope,
	const char *version, gboolean initial, const struct source_watch_handlers *handlers,
	void *data, struct strand *strand)
{
	struct watch *watch = g_new0(struct watch, 1);
	GError *error = NULL;
	g_autofree char *path = make_path(scope, version, initial, &error);
	const struct http_request request = {
		.method = "GET",
		.path = path,
		.accept = accept_of(scope),
		.lane = HTTP_LANE_WATCH,
		.idle_timeout = IDLE_TIMEOUT,
	};

	kubernetes_call_init(&watch->base, &watch_ops, (struct kubernetes *)source, strand);
	watch->handlers = *handlers;
	watch->data = data;
	watch->initial = initial;
	watch->api_version =
		kubernetes_url_api_version(scope->resource->group, scope->resource->version);
	watch->kind = g_strdup(scope->resource->kind);
	watch->base.protobuf = scope->protobuf && !scope->metadata_only;
	kubernetes_call_start(&watch->base, &request, error);
	return &watch->base.call;
}
