#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_call.h"
#include "client/etcd_frame.h"
#include "client/etcd_json.h"
#include "client/etcd_kv.h"
#include "client/json_stream.h"

/*
 * Milliseconds for the server to accept a watch: its first frame. After that it may be silent for
 * ever: client/etcd_pulse.h looks after it.
 */
#ifndef ETCD_CREATION_TIMEOUT
#define ETCD_CREATION_TIMEOUT (15 * 1000)
#endif

struct watch {
	struct etcd_call base;
	struct etcd_watch_handlers handlers;
	void *data;
	struct etcd_keys keys;
	struct json_stream *stream;
	gboolean created;
	gboolean over;
	int64_t last_revision; /* of the events told */
	uint64_t creation_timer;
	struct etcd_beat beat;
};

static void fail_frame(struct watch *watch, const char *problem)
{
	GError *error = NULL;

	error_set(&error, EPROTO, "frame %" G_GUINT64_FORMAT ": %s",
		json_stream_count(watch->stream), problem);
	etcd_call_fail(&watch->base, error);
}

/*
 * The server ends the watch. A token that it does not know is "permission denied" to etcd 3.4's
 * watch, which looks no further (v3rpc/watch.go): a new token is worth a try.
 */
static void refuse(struct watch *watch, const struct etcd_frame *frame)
{
	const char *words = frame->words != NULL ? frame->words : "the watch was canceled";
	struct etcd_failure failure = {0};

	etcd_failure_set(&failure, frame->code, words, 0);
	if (frame->compact_revision != 0) {
		failure.errnum = ESTALE;
		failure.compact_revision = frame->compact_revision;
		if (frame->words == NULL) {
			g_free(failure.words);
			failure.words = g_strdup_printf(
				"the revision has been compacted, up to %" G_GINT64_FORMAT,
				(gint64)frame->compact_revision);
		}
	}
	if (failure.errnum == EACCES)
		failure.token = TRUE;
	etcd_call_refuse(&watch->base, &failure);
}

static const char *find_problem(const struct watch *watch, const struct etcd_kv *kv)
{
	if (!etcd_keys_contain(&watch->keys, kv->key))
		return "a key that was not asked for";
	if (kv->mod_revision < watch->last_revision)
		return "events out of order";
	return NULL;
}

/* FALSE when the watch is over. */
static gboolean tell_event(struct watch *watch, enum etcd_event event, const struct etcd_kv *kv)
{
	const char *problem = find_problem(watch, kv);

	if (problem != NULL) {
		fail_frame(watch, problem);
		return FALSE;
	}
	watch->last_revision = kv->mod_revision;
	watch->handlers.event(watch->data, event, kv);
	return !etcd_call_is_cancelled(&watch->base);
}

static gboolean tell_events(struct watch *watch, const struct etcd_frame *frame)
{
	g_autoptr(GError) error = NULL;
	struct etcd_events events;
	struct etcd_kv kv = {0};
	enum etcd_event event;
	gboolean goes_on = TRUE;
	int r = etcd_events_init(&events, frame, &error);

	while (r >= 0 && goes_on && (r = etcd_events_next(&events, &event, &kv, &error)) > 0) {
		goes_on = tell_event(watch, event, &kv);
		etcd_kv_clear(&kv);
	}
	if (r < 0)
		fail_frame(watch, error->message);
	return r >= 0 && goes_on;
}

static void create(struct watch *watch, const struct etcd_frame *frame)
{
	watch->created = TRUE;
	etcd_pulse_join(watch->base.client, &watch->beat);
	watch->base.handed_out = TRUE;
	if (watch->handlers.created != NULL)
		watch->handlers.created(watch->data, frame->revision);
}

/*
 * What is told with events is the last one's revision and not the header's: a watch that catches up
 * gets a thousand revisions a response, each under the store's present revision
 * (mvcc/watchable_store.go, syncWatchers). A response without events is a progress notification.
 */
static void take_events(struct watch *watch, const struct etcd_frame *frame)
{
	const gboolean any = frame->events.text != NULL;

	if (!tell_events(watch, frame) || frame->fragment || watch->handlers.progress == NULL)
		return;
	if (any && watch->last_revision > 0)
		watch->handlers.progress(watch->data, watch->last_revision);
	else if (!any && frame->revision > 0 && frame->revision >= watch->last_revision)
		watch->handlers.progress(watch->data, frame->revision);
}

static void take_frame(struct watch *watch, const struct etcd_frame *frame)
{
	if (frame->failed || frame->canceled)
		refuse(watch, frame);
	else if (frame->created && watch->created)
		fail_frame(watch, "created twice");
	else if (frame->created)
		create(watch, frame);
	else if (!watch->created)
		fail_frame(watch, "not yet created");
	else
		take_events(watch, frame);
}

static void on_frame(void *data, const char *json, size_t length)
{
	struct watch *watch = data;
	g_autoptr(GError) error = NULL;
	struct etcd_frame frame = {0};

	/* What follows the end, or something unreadable, in the same piece. */
	if (watch->base.failure.errnum != 0 || etcd_call_is_cancelled(&watch->base))
		return;
	if (etcd_frame_read((struct json_text){json, length}, &frame, &error) < 0)
		fail_frame(watch, error->message);
	else
		take_frame(watch, &frame);
	etcd_frame_clear(&frame);
}

static void begin_stream(struct watch *watch)
{
	const struct json_stream_handlers frames = {.object = on_frame};

	json_stream_free(watch->stream);
	watch->stream =
		json_stream_create(JSON_STREAM_FRAMES, JSON_STREAM_OBJECT_MAX, &frames, watch);
}

static void on_head(struct etcd_call *call, const struct http_head *head)
{
	struct watch *watch = (struct watch *)call;

	begin_stream(watch);
	watch->beat.server = head->server;
}

static void on_body(struct etcd_call *call, const char *bytes, size_t length)
{
	struct watch *watch = (struct watch *)call;
	GError *error = NULL;

	if (json_stream_feed(watch->stream, bytes, length, &error) >= 0)
		return;
	/* An error before it says more. */
	if (call->failure.errnum != 0)
		g_error_free(error);
	else
		etcd_call_fail(call, error);
}

static int on_end(struct etcd_call *call, GError **error)
{
	struct watch *watch = (struct watch *)call;

	return json_stream_end(watch->stream, error);
}

static void on_creation_timeout(void *data);

/* The timer's job has a reference. */
static void start_creation_timer(struct watch *watch)
{
	etcd_call_ref(&watch->base);
	watch->creation_timer = loop_timer_add(watch->base.client->loop, ETCD_CREATION_TIMEOUT,
		watch->base.strand, on_creation_timeout, watch);
}

/* words are taken over. */
static void time_out(struct watch *watch, char *words)
{
	const struct etcd_failure failure = {
		.errnum = ETIMEDOUT,
		.words = words,
		.elsewhere = TRUE,
	};

	etcd_call_refuse(&watch->base, &failure);
}

static void on_lost(struct etcd_call *call)
{
	struct watch *watch = (struct watch *)call;

	if (!watch->over && call->failure.errnum == 0)
		time_out(watch, g_strdup("the server no longer answers"));
}

static void on_creation_timeout(void *data)
{
	struct watch *watch = data;

	watch->creation_timer = 0;
	if (!watch->created && !watch->over && watch->base.failure.errnum == 0) {
		/* While it waits for a token there is no server to be late. */
		if (etcd_call_is_sent(&watch->base))
			time_out(watch, g_strdup_printf("the watch was not accepted within %g s",
						ETCD_CREATION_TIMEOUT / 1000.0));
		else
			start_creation_timer(watch);
	}
	etcd_call_unref(&watch->base);
}

static void on_done(struct etcd_call *call, struct etcd_result *result)
{
	struct watch *watch = (struct watch *)call;

	watch->over = TRUE;
	etcd_pulse_leave(call->client, &watch->beat);
	if (loop_timer_cancel(call->client->loop, watch->creation_timer))
		etcd_call_unref(call);
	result->revision = watch->last_revision;
	watch->handlers.done(watch->data, result);
}

static void on_free(struct etcd_call *call)
{
	struct watch *watch = (struct watch *)call;

	etcd_keys_clear(&watch->keys);
	json_stream_free(watch->stream);
	g_free(watch);
}

static const struct etcd_call_ops watch_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.done = on_done,
	.free = on_free,
};

static GBytes *make_body(const struct etcd_keys *keys, int64_t revision)
{
	GString *json = g_string_new("{\"create_request\":{");

	etcd_keys_add(json, keys);
	etcd_json_add_int64(json, "start_revision", revision);
	etcd_json_add_bool(json, "progress_notify", TRUE);
	etcd_json_add_bool(json, "fragment", TRUE);
	g_string_append(json, "}}");
	return g_string_free_to_bytes(json);
}

struct etcd_call *etcd_watch(struct etcd_client *client, const struct etcd_keys *keys,
	int64_t revision, const struct etcd_watch_handlers *handlers, void *data,
	struct strand *strand)
{
	struct watch *watch = g_new0(struct watch, 1);
	const struct etcd_request request = {
		.kind = ETCD_CALL_STREAM,
		.path = "/v3/watch",
		.body = make_body(keys, revision),
		.lane = HTTP_LANE_WATCH,
	};

	etcd_call_init(&watch->base, &watch_ops, client, &request, strand);
	watch->handlers = *handlers;
	watch->data = data;
	etcd_keys_copy(&watch->keys, keys);
	watch->beat.call = &watch->base;
	watch->beat.lost = on_lost;
	begin_stream(watch);
	start_creation_timer(watch);
	etcd_call_start(&watch->base);
	return &watch->base;
}
