/*
 * How fast client/json_stream.h cuts a list: BUILD/tests/bench/bench_json_stream
 * [FILE [PIECE]]. Without a file, 60 MB of made-up pods; in pieces of 64 KiB.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/json_stream.h"

#define PASSES 10

static void append_pod(GString *text, unsigned int i)
{
	g_string_append_printf(text,
		"{\"metadata\":{\"name\":\"web-%u\",\"generateName\":\"web-\",\"namespace\":\"ns-%"
		"u\","
		"\"uid\":\"6c1fd70d-47f8-4e5c-9d9c-%012u\",\"resourceVersion\":\"%u\","
		"\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"labels\":{\"app\":\"web\","
		"\"pod-template-hash\":\"77d4c6b5\"},\"annotations\":{\"note\":\"{\\\"a\\\":1}\"},"
		"\"managedFields\":[",
		i, i % 20, i, i + 1000);
	for (unsigned int k = 0; k < 40; k++)
		g_string_append_printf(text,
			"%s{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c%u\\\"}\":{\".\":{"
			"},"
			"\"f:image\":{},\"f:imagePullPolicy\":{}}}}}",
			k == 0 ? "" : ",", k);
	g_string_append(text,
		"]},\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"nginx:1.25\","
		"\"resources\":{}"
		",\"terminationMessagePath\":\"/dev/"
		"termination-log\",\"volumeMounts\":[{\"name\":\"kube-"
		"api-access\",\"readOnly\":true,\"mountPath\":\"/var/run/secrets/"
		"kubernetes.io\"}]}],"
		"\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":30},\"status\":{"
		"\"phase\":"
		"\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
		"\"lastProbeTime\":null"
		",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}],\"podIP\":\"10.1.2.3\"}}");
}

static GString *make_list(void)
{
	GString *text = g_string_new("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{"
				     "\"resourceVersion\":\"12345\"},\"items\":[");

	for (unsigned int i = 0; text->len < 60UL * 1000 * 1000; i++) {
		if (i > 0)
			g_string_append_c(text, ',');
		append_pod(text, i);
	}
	g_string_append(text, "]}\n");
	return text;
}

static void count_bytes(void *data, const char *json, size_t length)
{
	*(size_t *)data += length;
}

int main(int argc, char **argv)
{
	const struct json_stream_handlers handlers = {.object = count_bytes};
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	size_t piece = argc > 2 ? strtoul(argv[2], NULL, 10) : 65536;
	gint64 best = G_MAXINT64;
	size_t bytes = 0;
	guint64 count = 0;
	gsize length;

	if (argc > 1) {
		if (!g_file_get_contents(argv[1], &text, &length, &error)) {
			fprintf(stderr, "%s\n", error->message);
			return 1;
		}
	} else {
		GString *list = make_list();

		length = list->len;
		text = g_string_free(list, FALSE);
	}
	for (unsigned int pass = 0; pass < PASSES; pass++) {
		struct json_stream *stream = json_stream_create(
			JSON_STREAM_LIST, JSON_STREAM_OBJECT_MAX, &handlers, &bytes);
		gint64 began = g_get_monotonic_time();
		int r = 0;

		for (size_t at = 0; at < length && r == 0; at += piece)
			r = json_stream_feed(stream, text + at, MIN(piece, length - at), &error);
		if (r == 0)
			r = json_stream_end(stream, &error);
		best = MIN(best, g_get_monotonic_time() - began);
		count = json_stream_count(stream);
		json_stream_free(stream);
		if (r < 0) {
			fprintf(stderr, "%s\n", error->message);
			return 1;
		}
	}
	printf("%" G_GUINT64_FORMAT " items, %.1f MB, %.2f ms, %.0f MB/s\n", count,
		(double)length / 1e6, (double)best / 1e3, (double)length / (double)MAX(best, 1));
	return 0;
}
