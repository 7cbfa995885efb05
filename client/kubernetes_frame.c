#include "client/kubernetes_frame.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/protobuf_envelope.h"
#include "client/protobuf_object.h"
#include "client/protobuf_status.h"

#define INITIAL_EVENTS_END "k8s.io/initial-events-end"

static int set_type(struct kubernetes_frame *frame, const char *type, GError **error)
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

	frame->is_error = g_strcmp0(type, "ERROR") == 0;
	if (frame->is_error)
		return 0;
	for (size_t i = 0; i < G_N_ELEMENTS(events); i++) {
		if (g_strcmp0(type, events[i].type) == 0) {
			frame->event = events[i].event;
			return 0;
		}
	}
	return error_set(error, EPROTO, "an unknown \"type\"");
}

/* Finds the two members that a frame has. */
static int find_members(struct json_text json, struct json_text *ret_type,
	struct json_text *ret_object, GError **error)
{
	struct json_members members;
	struct json_text key, value;
	int r = json_members_init(&members, json);

	while (r >= 0 && (r = json_members_next(&members, &key, &value)) > 0) {
		if (json_text_is(key, "type"))
			*ret_type = value;
		else if (json_text_is(key, "object"))
			*ret_object = value;
	}
	if (r < 0)
		return error_set(error, EPROTO, "not a JSON object");
	if (ret_type->text == NULL)
		return error_set(error, EPROTO, "no \"type\"");
	if (ret_object->text == NULL || *ret_object->text != '{')
		return error_set(error, EPROTO, "no \"object\"");
	return 0;
}

static gboolean ends_initial_events(struct json_text object)
{
	struct json_text value;

	return json_text_find(
		       object, JSON_PATH("metadata", "annotations", INITIAL_EVENTS_END), &value) &&
	       json_text_is(value, "true");
}

int kubernetes_frame_read_json(struct json_text json, const char *api_version, const char *kind,
	struct kubernetes_frame *ret, GError **error)
{
	struct kubernetes_frame frame = {.item = {.api_version = api_version, .kind = kind}};
	struct json_text type = {0}, object = {0};
	g_autofree char *text = NULL;
	int r = find_members(json, &type, &object, error);

	if (r < 0)
		return r;
	text = json_text_string(type);
	r = set_type(&frame, text, error);
	if (r < 0)
		return r;
	frame.item.json = frame.status = object.text;
	frame.item.length = frame.status_length = object.length;
	frame.ends_initial =
		!frame.is_error && frame.event == SOURCE_BOOKMARK && ends_initial_events(object);
	*ret = frame;
	return 0;
}

int kubernetes_frame_read_protobuf(const struct protobuf_input *type,
	const struct protobuf_input *envelope, const char *api_version, const char *kind,
	struct kubernetes_frame *ret, GError **error)
{
	struct kubernetes_frame frame = {.item = {.api_version = api_version, .kind = kind}};
	g_autofree char *text = g_strndup(type->at, protobuf_length(type));
	struct protobuf_envelope opened;
	int r = set_type(&frame, text, error);

	if (r < 0)
		return r;
	r = protobuf_envelope_read(envelope->at, protobuf_length(envelope), &opened, error);
	if (r < 0)
		return r;
	frame.status = envelope->at;
	frame.status_length = protobuf_length(envelope);
	frame.item.protobuf = opened.object.at;
	frame.item.length = protobuf_length(&opened.object);
	if (!frame.is_error && (!protobuf_equal(&opened.api_version, api_version) ||
				       !protobuf_equal(&opened.kind, kind)))
		return error_set(error, EOPNOTSUPP, "an object of a kind that was not asked for");
	frame.ends_initial =
		!frame.is_error && frame.event == SOURCE_BOOKMARK &&
		protobuf_object_has_annotation(opened.object, INITIAL_EVENTS_END, "true");
	*ret = frame;
	return 0;
}

cJSON *kubernetes_frame_status(const struct kubernetes_frame *frame)
{
	if (frame->item.json != NULL)
		return cJSON_ParseWithLength(frame->status, frame->status_length);
	return protobuf_status_parse(frame->status, frame->status_length);
}
