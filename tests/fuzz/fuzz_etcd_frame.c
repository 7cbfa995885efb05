/*
 * Feeds the input to the reading of etcd's answers: as a watch's frame with its events
 * (client/etcd_frame.h), as one key, as a refused request's body and as base64. What is accepted
 * must hold what the headers promise, and base64 must agree with GLib's.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/base64.h"
#include "client/etcd_failure.h"
#include "client/etcd_frame.h"
#include "client/etcd_kv.h"

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
	return 0;
}
