/*
 * Sends GETs through client/http.h to the server of a kubeconfig's current context, for tests and
 * measurements against real servers.
 *
 *   http_drive KUBECONFIG LANE COUNT PATH
 *
 * LANE is request, list or watch; COUNT requests are sent at once. A line an exchange: errnum, HTTP
 * status, bytes, milliseconds until the head and the end, message. A watch is canceled after 2 s.
 * Then a line with the open connections to the server's port and the total rate.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/http.h"
#include "client/kubeconfig.h"

struct drive {
	GMutex mutex;
	GCond changed;
	unsigned int left;
	unsigned int heads;
	size_t bytes;
};

struct one {
	struct drive *drive;
	struct http_exchange *exchange;
	gint64 start;
	double head_ms;
	size_t bytes;
};

static double ms_since(gint64 start)
{
	return (double)(g_get_monotonic_time() - start) / 1000;
}

static void on_head(void *data, const struct http_head *head)
{
	struct one *one = data;

	one->head_ms = ms_since(one->start);
	g_mutex_lock(&one->drive->mutex);
	one->drive->heads++;
	g_cond_signal(&one->drive->changed);
	g_mutex_unlock(&one->drive->mutex);
}

static void on_body(void *data, const char *bytes, size_t length)
{
	struct one *one = data;

	one->bytes += length;
}

static void on_warning(void *data, const char *text)
{
	printf("warning: %s\n", text);
}

static void on_done(void *data, const struct http_result *result)
{
	struct one *one = data;

	printf("%d %d %zu %.1f %.1f %s %s\n", result->errnum, result->status, one->bytes,
		one->head_ms, ms_since(one->start), result->reason, result->message);
	g_mutex_lock(&one->drive->mutex);
	one->drive->left--;
	one->drive->bytes += one->bytes;
	g_cond_signal(&one->drive->changed);
	g_mutex_unlock(&one->drive->mutex);
}

static enum http_lane lane_of(const char *name)
{
	if (strcmp(name, "watch") == 0)
		return HTTP_LANE_WATCH;
	return strcmp(name, "list") == 0 ? HTTP_LANE_LIST : HTTP_LANE_REQUEST;
}

/* Sockets of this process in the state ESTABLISHED. */
static void print_connections(void)
{
	g_autofree char *command = g_strdup_printf("%d", (int)getpid());
	const char *arguments[] = {"ss", "-Htnp", "state", "established", NULL};
	g_autofree char *output = NULL;
	g_auto(GStrv) lines = NULL;
	g_autofree char *mark = g_strdup_printf("pid=%s,", command);
	unsigned int i, count = 0;

	if (!g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output,
		    NULL, NULL, NULL))
		return;
	lines = g_strsplit(output, "\n", -1);
	for (i = 0; lines[i] != NULL; i++)
		count += strstr(lines[i], mark) != NULL;
	printf("connections %u\n", count);
}

static void run(struct http_client *client, struct strand_pool *pool, enum http_lane lane,
	unsigned int count, const char *path)
{
	struct http_request request = {
		.method = "GET", .path = path, .lane = lane, .repeatable = TRUE};
	struct http_handlers handlers = {on_head, on_body, on_warning, on_done};
	g_autofree struct one *all = g_new0(struct one, count);
	struct drive drive = {.left = count};
	gint64 start = g_get_monotonic_time();
	unsigned int i;

	for (i = 0; i < count; i++) {
		struct strand *strand = strand_create(pool);

		all[i].drive = &drive;
		all[i].start = g_get_monotonic_time();
		all[i].exchange = http_send(client, &request, &handlers, &all[i], strand);
		strand_unref(strand);
	}
	g_mutex_lock(&drive.mutex);
	if (lane == HTTP_LANE_WATCH) {
		gint64 end = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;

		while (drive.left > 0 && g_cond_wait_until(&drive.changed, &drive.mutex, end))
			;
		printf("watches open %u after %.0f ms\n", drive.heads, ms_since(start));
		print_connections();
		g_mutex_unlock(&drive.mutex);
		for (i = 0; i < count; i++)
			http_cancel(all[i].exchange);
		g_mutex_lock(&drive.mutex);
	}
	while (drive.left > 0)
		g_cond_wait(&drive.changed, &drive.mutex);
	g_mutex_unlock(&drive.mutex);
	print_connections();
	printf("total %.1f MB in %.1f ms: %.0f MB/s\n", (double)drive.bytes / 1e6, ms_since(start),
		(double)drive.bytes / 1e3 / ms_since(start));
	for (i = 0; i < count; i++)
		http_exchange_unref(all[i].exchange);
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct kubeconfig *config;
	struct connection *connection;
	struct strand_pool *pool;
	struct loop *loop;
	struct http_client *client;

	if (argc != 5)
		return 2;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (kubeconfig_load(argv[1], &config, &error) < 0 ||
		kubeconfig_resolve(config, NULL, NULL, &connection, &error) < 0) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}
	pool = strand_pool_create(0);
	loop = loop_create(NULL);
	client = http_client_create(loop, pool, connection, &error);
	if (client == NULL) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}
	run(client, pool, lane_of(argv[2]), (unsigned int)strtoul(argv[3], NULL, 10), argv[4]);
	http_client_destroy(client);
	loop_destroy(loop);
	strand_pool_destroy(pool);
	connection_unref(connection);
	kubeconfig_destroy(config);
	curl_global_cleanup();
	return 0;
}
