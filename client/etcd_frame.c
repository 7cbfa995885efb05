#include "client/etcd_frame.h"

#include <errno.h>

#include "client/error.h"
#include "client/etcd_json.h"
#include "client/etcd_kv.h"

static int read_string(struct json_text value, char **ret_string)
{
	char *string = json_text_string(value);

	if (string == NULL)
		return -EPROTO;
	g_free(*ret_string);
	*ret_string = string;
	return 0;
}

static int read_result(struct etcd_frame *frame, struct json_text key, struct json_text value)
{
	if (json_text_is(key, "header"))
		return etcd_json_revision(value, &frame->revision);
	if (json_text_is(key, "created"))
		return etcd_json_bool(value, &frame->created);
	if (json_text_is(key, "canceled"))
		return etcd_json_bool(value, &frame->canceled);
	if (json_text_is(key, "fragment"))
		return etcd_json_bool(value, &frame->fragment);
	if (json_text_is(key, "compact_revision"))
		return etcd_json_int64(value, &frame->compact_revision);
	if (json_text_is(key, "cancel_reason"))
		return read_string(value, &frame->words);
	if (json_text_is(key, "events") && *value.text != 'n')
		frame->events = value;
	return 0;
}

/*
 * etcd 3.4 and 3.5: {"grpc_code": 14, "http_code": 503, "message": "...", ...}; 3.6: {"code": 14,
 * "message": "...", "details": []}.
 */
static int read_error(struct etcd_frame *frame, struct json_text key, struct json_text value)
{
	int64_t code = 0;

	if (json_text_is(key, "code") || json_text_is(key, "grpc_code")) {
		if (etcd_json_int64(value, &code) < 0 || code < 0 || code > G_MAXINT)
			return -EPROTO;
		frame->code = (int)code;
	} else if (json_text_is(key, "message")) {
		return read_string(value, &frame->words);
	}
	return 0;
}

static int read_members(struct etcd_frame *frame, struct json_text json,
	int (*read)(struct etcd_frame *frame, struct json_text key, struct json_text value))
{
	struct json_members members;
	struct json_text key, value;
	int r = json_members_init(&members, json);

	while (r >= 0 && (r = json_members_next(&members, &key, &value)) > 0)
		r = read(frame, key, value);
	return r;
}

static int read_top(struct etcd_frame *frame, struct json_text json, gboolean *ret_known)
{
	struct json_members members;
	struct json_text key, value;
	int r = json_members_init(&members, json);

	while (r >= 0 && (r = json_members_next(&members, &key, &value)) > 0) {
		if (json_text_is(key, "error")) {
			*ret_known = frame->failed = TRUE;
			r = read_members(frame, value, read_error);
		} else if (json_text_is(key, "result")) {
			*ret_known = TRUE;
			r = read_members(frame, value, read_result);
		}
	}
	return r;
}

int etcd_frame_read(struct json_text json, struct etcd_frame *ret_frame, GError **error)
{
	struct etcd_frame frame = {0};
	gboolean known = FALSE;
	int r = read_top(&frame, json, &known);

	if (r >= 0 && known) {
		*ret_frame = frame;
		return 0;
	}
	etcd_frame_clear(&frame);
	return error_set(error, EPROTO, "%s",
		r < 0 ? "a member that cannot be read" : "neither a result nor an error");
}

void etcd_frame_clear(struct etcd_frame *frame)
{
	g_free(frame->words);
	*frame = (struct etcd_frame){0};
}

int etcd_events_init(struct etcd_events *events, const struct etcd_frame *frame, GError **error)
{
	*events = (struct etcd_events){.any = frame->events.text != NULL};
	if (events->any && json_elements_init(&events->elements, frame->events) < 0)
		return error_set(error, EPROTO, "events that are not an array");
	return 0;
}

/* The name, or the number, of mvccpb.Event.EventType; PUT is left out. */
static int read_type(struct json_text value, enum etcd_event *ret_event)
{
	int64_t number = 0;

	if (json_text_is(value, "PUT"))
		*ret_event = ETCD_PUT;
	else if (json_text_is(value, "DELETE"))
		*ret_event = ETCD_DELETE;
	else if (*value.text != '"' && etcd_json_int64(value, &number) == 0 && number >= 0 &&
		 number <= 1)
		*ret_event = number == 0 ? ETCD_PUT : ETCD_DELETE;
	else
		return -EPROTO;
	return 0;
}

static int read_event(
	struct json_text json, enum etcd_event *ret_event, struct etcd_kv *ret_kv, GError **error)
{
	struct json_members members;
	struct json_text key, value, kv = {0};
	int r = json_members_init(&members, json);

	*ret_event = ETCD_PUT;
	while (r >= 0 && (r = json_members_next(&members, &key, &value)) > 0) {
		if (json_text_is(key, "type"))
			r = read_type(value, ret_event);
		else if (json_text_is(key, "kv"))
			kv = value;
	}
	if (r < 0 || kv.text == NULL)
		return error_set(error, EPROTO, "an event that cannot be read");
	return etcd_kv_read(kv, ret_kv, error);
}

int etcd_events_next(struct etcd_events *events, enum etcd_event *ret_event, struct etcd_kv *ret_kv,
	GError **error)
{
	struct json_text json;
	int r = events->any ? json_elements_next(&events->elements, &json) : 0;

	if (r < 0)
		return error_set(error, EPROTO, "events that cannot be read");
	if (r == 0)
		return 0;
	r = read_event(json, ret_event, ret_kv, error);
	if (r < 0)
		return r;
	if (*ret_event == ETCD_DELETE)
		g_clear_pointer(&ret_kv->value, g_bytes_unref);
	else if (ret_kv->value == NULL)
		ret_kv->value = g_bytes_new_static("", 0);
	return 1;
}
