/*
 * Feeds the input to the reading of etcd's answers: as a watch's frame with its events
 * (client/etcd_frame.h), as one key, as a refused request's body, as base64, and as a range by gRPC
 * (client/etcd_range_reader.h), which whole and in pieces must be the same. What is accepted must
 * hold what the headers promise, and base64 must agree with GLib's.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/base64.h"
#include "client/etcd_failure.h"
#include "client/etcd_frame.h"
#include "client/etcd_grpc.h"
#include "client/etcd_kv.h"
#include "client/etcd_range_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_kv(const struct etcd_kv *kv)
{
	if (kv->key == NULL || g_bytes_get_size(kv->key) == 0)
		abort();
	if (kv->mod_revision <= 0 || kv->create_revision < 0 || kv->version < 0)
		abort();
}

static void walk(const struct etcd_frame *frame)
{
	struct etcd_events events;
	enum etcd_event event;
	struct etcd_kv kv;
	int r = etcd_events_init(&events, frame, NULL);

	while (r >= 0 && (r = etcd_events_next(&events, &event, &kv, NULL)) > 0) {
		check_kv(&kv);
		if ((event == ETCD_PUT) != (kv.value != NULL))
			abort();
		etcd_kv_clear(&kv);
	}
}

static void read_frame(struct json_text json)
{
	struct etcd_frame frame = {0};
	g_autoptr(GError) error = NULL;
	struct etcd_kv kv;

	if (etcd_frame_read(json, &frame, &error) == 0)
		walk(&frame);
	else if (error == NULL)
		abort();
	etcd_frame_clear(&frame);
	if (etcd_kv_read(json, &kv, NULL) < 0)
		return;
	check_kv(&kv);
	etcd_kv_clear(&kv);
}

static void read_failure(struct json_text json, int status)
{
	cJSON *body = cJSON_ParseWithLength(json.text, json.length);
	struct etcd_failure failure = {0};

	etcd_failure_read(&failure, body, status, "other");
	if (failure.errnum <= 0 || failure.words == NULL ||
		strpbrk(failure.words, "\n\r\033") != NULL)
		abort();
	etcd_failure_clear(&failure);
	cJSON_Delete(body);
}

/* What is accepted gives the same text again, but for the bits that no byte has. */
static void read_base64(struct json_text text)
{
	g_autoptr(GString) again = g_string_new(NULL);
	g_autoptr(GBytes) bytes = NULL;

	if (base64_decode(text.text, text.length, &bytes) < 0)
		return;
	base64_append(again, bytes);
	if (again->len != text.length)
		abort();
	if (text.length > 4 && memcmp(again->str, text.text, text.length - 4) != 0)
		abort();
}

static gboolean note_kv(void *data, struct etcd_kv *kv)
{
	gsize key_length, value_length = 0;
	const char *key = g_bytes_get_data(kv->key, &key_length);
	const char *value = kv->value != NULL ? g_bytes_get_data(kv->value, &value_length) : NULL;

	check_kv(kv);
	g_string_append_len(data, key, (gssize)key_length);
	g_string_append_c(data, '=');
	g_string_append_len(data, value, (gssize)value_length);
	return TRUE;
}

static int read_range(struct json_text bytes, size_t step, GString *notes)
{
	const struct etcd_range_reader_handlers handlers = {note_kv};
	struct etcd_range_reader *reader = etcd_range_reader_create(4096, &handlers, notes);
	struct etcd_grpc_frame frame = {0};
	int r = 0;

	for (size_t at = 0; at < bytes.length && r == 0; at += step) {
		size_t length = MIN(step, bytes.length - at);
		g_autofree char *piece = g_memdup2(bytes.text + at, length);
		struct protobuf_input message;

		r = etcd_grpc_unwrap(&frame, piece, length, &message, NULL);
		if (r == 0)
			r = etcd_range_reader_feed(
				reader, message.at, protobuf_length(&message), NULL);
	}
	if (r == 0)
		r = etcd_grpc_end(&frame, NULL);
	if (r == 0)
		r = etcd_range_reader_end(reader, NULL);
	etcd_range_reader_free(reader);
	return r;
}

static void compare_ranges(struct json_text bytes, size_t step)
{
	g_autoptr(GString) whole = g_string_new(NULL);
	g_autoptr(GString) pieces = g_string_new(NULL);
	const gboolean read = read_range(bytes, bytes.length + 1, whole) == 0;

	/* What is wrong with the frame is found before, or after, what is wrong within. */
	if ((read_range(bytes, step, pieces) == 0) != read)
		abort();
	if (read && !g_string_equal(whole, pieces))
		abort();
}

/* Also behind the header that its length needs, or hardly any input would come so far. */
static void read_ranges(struct json_text bytes, size_t step)
{
	const GByteArray message = {.data = (guint8 *)bytes.text, .len = (guint)bytes.length};
	g_autoptr(GBytes) framed = etcd_grpc_wrap(&message);
	gsize length;
	const char *text = g_bytes_get_data(framed, &length);

	compare_ranges(bytes, step);
	compare_ranges((struct json_text){text, length}, step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *copy = NULL;
	struct json_text json;

	if (size < 1)
		return 0;
	/* Exactly as much memory, for AddressSanitizer. */
	copy = g_memdup2(data + 1, size - 1);
	json = (struct json_text){copy != NULL ? copy : "", size - 1};
	read_frame(json);
	read_failure(json, 200 + data[0] * 2);
	read_base64(json);
	read_ranges(json, 1U + data[0] % 100);
	return 0;
}
