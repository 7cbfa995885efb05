/*
 * Feeds the input to all modes of client/json_stream.h, whole and in pieces whose sizes the first
 * byte gives: both ways must agree, and every object handed out must be one by the member walk's
 * measure or be refused by it.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/json_stream.h"
#include "client/json_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OBJECT_MAX 4096

static void walk(struct json_text json)
{
	struct json_members members;
	struct json_text key, value;

	if (json_members_init(&members, json) < 0)
		abort();
	while (json_members_next(&members, &key, &value) > 0) {
		g_free(json_text_string(value));
		if (value.text < json.text || value.text + value.length > json.text + json.length)
			abort();
	}
}

static void note_object(void *data, const char *json, size_t length)
{
	if (length > OBJECT_MAX)
		abort();
	walk((struct json_text){json, length});
	g_string_append_len(data, json, (gssize)length);
	g_string_append_c(data, '\n');
}

static void note_member(void *data, const char *key, const char *json, size_t length)
{
	g_string_append(data, key);
	g_string_append_len(data, json, (gssize)length);
}

static int run(
	enum json_stream_mode mode, const uint8_t *data, size_t size, size_t step, GString *notes)
{
	const struct json_stream_handlers handlers = {note_object, note_member};
	struct json_stream *stream = json_stream_create(mode, OBJECT_MAX, &handlers, notes);
	int r = 0;

	for (size_t at = 0; at < size && r == 0; at += step) {
		size_t length = MIN(step, size - at);
		char *piece = g_memdup2(data + at, length);

		r = json_stream_feed(stream, piece, length, NULL);
		g_free(piece);
	}
	if (r == 0)
		r = json_stream_end(stream, NULL);
	json_stream_free(stream);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	for (unsigned int mode = JSON_STREAM_LIST; mode <= JSON_STREAM_FRAMES; mode++) {
		GString *whole = g_string_new(NULL);
		GString *pieces = g_string_new(NULL);
		int r = run(mode, data + 1, size - 1, size, whole);

		if (run(mode, data + 1, size - 1, 1U + data[0] % 100, pieces) != r)
			abort();
		if (!g_string_equal(whole, pieces))
			abort();
		g_string_free(whole, TRUE);
		g_string_free(pieces, TRUE);
	}
	return 0;
}
