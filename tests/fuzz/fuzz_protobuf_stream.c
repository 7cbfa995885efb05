/*
 * Feeds the input to both modes of client/protobuf_stream.h, whole and in pieces whose sizes the
 * first byte gives: both ways must agree, in what is handed out and in how it ends. Events are
 * taken apart, and the input is read as a Status, too.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>

#include "client/kubernetes_frame.h"
#include "client/protobuf_status.h"
#include "client/protobuf_stream.h"

#define OBJECT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(GString *notes, char what, const struct protobuf_input *text)
{
	if (protobuf_length(text) > OBJECT_MAX)
		abort();
	g_string_append_c(notes, what);
	g_string_append_len(notes, text->at, (gssize)protobuf_length(text));
}

static void note_type(
	void *data, const struct protobuf_input *api_version, const struct protobuf_input *kind)
{
	note(data, 'v', api_version);
	note(data, 'k', kind);
}

static void note_metadata(void *data, const struct protobuf_input *resource_version,
	const struct protobuf_input *continue_token)
{
	note(data, 'r', resource_version);
	note(data, 'c', continue_token);
}

static void note_item(void *data, const struct protobuf_input *message)
{
	note(data, 'i', message);
}

static void read_frame(const struct protobuf_input *type, const struct protobuf_input *envelope)
{
	g_autoptr(GError) error = NULL;
	struct kubernetes_frame frame;
	int result = kubernetes_frame_read_protobuf(type, envelope, "v1", "Pod", &frame, &error);

	if (result != (error == NULL ? 0 : -error->code))
		abort();
	if (result == 0 && frame.is_error)
		cJSON_Delete(kubernetes_frame_status(&frame));
}

static void note_event(
	void *data, const struct protobuf_input *type, const struct protobuf_input *envelope)
{
	read_frame(type, envelope);
	note(data, 't', type);
	note(data, 'e', envelope);
}

static int run(enum protobuf_stream_mode mode, const uint8_t *data, size_t size, size_t step,
	GString *notes)
{
	const struct protobuf_stream_handlers handlers = {
		note_type, note_metadata, note_item, note_event};
	struct protobuf_stream *stream = protobuf_stream_create(mode, OBJECT_MAX, &handlers, notes);
	int result = 0;

	for (size_t at = 0; at < size && result == 0; at += step) {
		size_t length = MIN(step, size - at);
		char *piece = g_memdup2(data + at, length);

		result = protobuf_stream_feed(stream, piece, length, NULL);
		g_free(piece);
	}
	if (result == 0)
		result = protobuf_stream_end(stream, NULL);
	protobuf_stream_free(stream);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	cJSON_Delete(protobuf_status_parse((const char *)data + 1, size - 1));
	for (unsigned int mode = PROTOBUF_STREAM_LIST; mode <= PROTOBUF_STREAM_FRAMES; mode++) {
		GString *whole = g_string_new(NULL);
		GString *pieces = g_string_new(NULL);
		int result = run(mode, data + 1, size - 1, size, whole);

		if (run(mode, data + 1, size - 1, 1U + data[0] % 100, pieces) != result)
			abort();
		if (!g_string_equal(whole, pieces))
			abort();
		g_string_free(whole, TRUE);
		g_string_free(pieces, TRUE);
	}
	return 0;
}
