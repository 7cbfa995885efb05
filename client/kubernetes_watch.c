#include "client/kubernetes_watch.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/json_stream.h"
#include "client/json_text.h"
#include "client/kubernetes_call.h"
#include "client/kubernetes_url.h"

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
	struct json_stream *stream;
};

/* One frame, taken apart. */
struct frame {
	struct json_text type;
	struct json_text object;
};

static int read_frame(struct json_text json, struct frame *ret_frame, GError **error)
{
	struct frame frame = {0};
	struct json_members members;
	struct json_text key, value;
	int r = json_members_init(&members, json);

	while (r >= 0 && (r = json_members_next(&members, &key, &value)) > 0) {
		if (json_text_is(key, "type"))
			frame.type = value;
		else if (json_text_is(key, "object"))
			frame.object = value;
	}
	if (r < 0)
		return error_set(error, EPROTO, "not a JSON object");
	if (frame.type.text == NULL)
		return error_set(error, EPROTO, "no \"type\"");
	if (frame.object.text == NULL || *frame.object.text != '{')
		return error_set(error, EPROTO, "no \"object\"");
	*ret_frame = frame;
	return 0;
}

/* The Status of an ERROR event ends the watch (an expired version comes so, in a 200 stream). */
static void refuse(struct watch *watch, struct json_text object)
{
	cJSON *status = cJSON_ParseWithLength(object.text, object.length);
	const struct kubernetes_failure failure = kubernetes_failure_from_status(status);

	cJSON_Delete(status);
	kubernetes_call_refuse(&watch->base, &failure);
}

/* KEP-3157: the annotation says that the initial events are complete. */
static gboolean ends_initial_events(struct json_text object)
{
	struct json_text value;

	return json_text_find(object,
		       JSON_PATH("metadata", "annotations", "k8s.io/initial-events-end"), &value) &&
	       json_text_is(value, "true");
}

static gboolean find_event(
	struct watch *watch, const struct frame *frame, enum source_event *ret_event)
{
	static const struct {
		const char *type;
		enum source_event event;
	} events[] = {
		{"ADDED", SOURCE_ADDED},
		{"MODIFIED", SOURCE_MODIFIED},
		{"DELETED", SOURCE_DELETED},
		{"BOOKMARK", SOURCE_BOOKMARK},
	};

	for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
		if (!json_text_is(frame->type, events[i].type))
			continue;
		*ret_event = events[i].event;
		if (*ret_event == SOURCE_BOOKMARK && watch->initial &&
			ends_initial_events(frame->object)) {
			watch->initial = FALSE;
			*ret_event = SOURCE_SYNCED;
		}
		return TRUE;
	}
	return FALSE;
}

static void fail_frame(struct watch *watch, const char *problem)
{
	GError *error = NULL;

	error_set(&error, EPROTO, "frame %" G_GUINT64_FORMAT ": %s",
		json_stream_count(watch->stream), problem);
	kubernetes_call_fail(&watch->base, error);
}

static void on_frame(void *data, const char *json, size_t length)
{
	struct watch *watch = data;
	g_autoptr(GError) error = NULL;
	struct source_item item = {.api_version = watch->api_version, .kind = watch->kind};
	struct frame frame = {0};
	enum source_event event;

	/* What follows an ERROR, or something unreadable, in the same piece. */
	if (watch->base.failure.error != NULL)
		return;
	if (read_frame((struct json_text){json, length}, &frame, &error) < 0) {
		fail_frame(watch, error->message);
		return;
	}
	if (json_text_is(frame.type, "ERROR")) {
		refuse(watch, frame.object);
		return;
	}
	if (!find_event(watch, &frame, &event)) {
		fail_frame(watch, "an unknown \"type\"");
		return;
	}
	item.json = frame.object.text;
	item.length = frame.object.length;
	watch->handlers.event(watch->data, event, &item);
}

static void on_head(struct kubernetes_call *call, const char *content_type)
{
	struct watch *watch = (struct watch *)call;

	if (watch->handlers.opened != NULL)
		watch->handlers.opened(watch->data);
}

static void on_body(struct kubernetes_call *call, const char *bytes, size_t length)
{
	struct watch *watch = (struct watch *)call;
	GError *error = NULL;

	if (json_stream_feed(watch->stream, bytes, length, &error) >= 0)
		return;
	/* An ERROR before it says more. */
	if (call->failure.error != NULL)
		g_error_free(error);
	else
		kubernetes_call_fail(call, error);
}

static int on_end(struct kubernetes_call *call, GError **error)
{
	struct watch *watch = (struct watch *)call;

	return json_stream_end(watch->stream, error);
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
	json_stream_free(watch->stream);
	g_free(watch);
}

static const struct kubernetes_call_ops watch_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.done = on_done,
	.free = on_free,
};

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
	const struct json_stream_handlers frames = {.object = on_frame};
	struct watch *watch = g_new0(struct watch, 1);
	GError *error = NULL;
	g_autofree char *path = make_path(scope, version, initial, &error);
	const struct http_request request = {
		.method = "GET",
		.path = path,
		.accept = scope->metadata_only ? KUBERNETES_ACCEPT_METADATA : NULL,
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
	watch->stream = json_stream_create(JSON_STREAM_FRAMES, FRAME_MAX, &frames, watch);
	kubernetes_call_start(&watch->base, &request, error);
	return &watch->base.call;
}
