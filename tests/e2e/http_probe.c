/*
 * Sends GETs, or POSTs of a file's JSON, through client/http.h to the server of a kubeconfig's
 * current context, for tests and measurements against real servers.
 *
 *   http_probe [--lane=request|list|watch|all] [--count=N] [--interval=MS] [--delay=US]
 *       [--timeout=MS] [--idle-timeout=MS] [--cancel=MS] [--post=FILE] [--heads] KUBECONFIG PATH
 *
 * --count requests go out at once, or one each --interval. --delay slows the body handler of the
 * first one down, --cancel ends what is still under way. One JSON line an exchange when it ends,
 * then one with the open connections before the last end (TCP, established, of this process).
 * --heads says "head" on the standard error when an exchange's answer begins.
 */
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/http.h"
#include "client/kubeconfig.h"

struct options {
	char *lane; /* or NULL */
	int count;
	int interval;
	int delay;
	int timeout;
	int idle_timeout;
	int cancel;
	char *post; /* or NULL */
	gboolean heads;
};

struct probe {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct options options;
	int left;
	size_t bytes;
	unsigned int connections;
};

struct one {
	struct probe *probe;
	struct http_exchange *exchange;
	gint64 start;
	double head_ms;
	size_t bytes;
	gboolean is_slow;
	cJSON *warnings;
};

static double ms_since(gint64 start)
{
	return (double)(g_get_monotonic_time() - start) / 1000;
}

static void print_line(cJSON *object)
{
	char *line = cJSON_PrintUnformatted(object);

	puts(line);
	fflush(stdout);
	cJSON_free(line);
	cJSON_Delete(object);
}

static void on_head(void *data, const struct http_head *head)
{
	struct one *one = data;

	one->head_ms = ms_since(one->start);
	if (one->probe->options.heads)
		fprintf(stderr, "head\n");
}

static void on_body(void *data, const char *bytes, size_t length)
{
	struct one *one = data;

	one->bytes += length;
	if (one->is_slow)
		g_usleep((gulong)one->probe->options.delay);
}

static void on_warning(void *data, const char *text)
{
	struct one *one = data;

	cJSON_AddItemToArray(one->warnings, cJSON_CreateString(text));
}

static void on_done(void *data, const struct http_result *result)
{
	struct one *one = data;
	cJSON *line = cJSON_CreateObject();

	cJSON_AddNumberToObject(line, "errnum", result->errnum);
	cJSON_AddNumberToObject(line, "status", result->status);
	cJSON_AddNumberToObject(line, "bytes", (double)one->bytes);
	cJSON_AddNumberToObject(line, "head_ms", one->head_ms);
	cJSON_AddNumberToObject(line, "ms", ms_since(one->start));
	cJSON_AddBoolToObject(line, "connected", result->connected);
	cJSON_AddStringToObject(line, "reason", result->reason);
	cJSON_AddStringToObject(line, "message", result->message);
	cJSON_AddItemToObject(line, "warnings", one->warnings);
	pthread_mutex_lock(&one->probe->mutex);
	print_line(line);
	one->probe->left--;
	one->probe->bytes += one->bytes;
	pthread_cond_signal(&one->probe->changed);
	pthread_mutex_unlock(&one->probe->mutex);
}

static enum http_lane lane_of(const char *name, int number)
{
	if (g_strcmp0(name, "all") == 0)
		return (enum http_lane)(number % HTTP_LANE_COUNT);
	if (g_strcmp0(name, "watch") == 0)
		return HTTP_LANE_WATCH;
	return g_strcmp0(name, "list") == 0 ? HTTP_LANE_LIST : HTTP_LANE_REQUEST;
}

static void count_connections(struct probe *probe)
{
	const char *arguments[] = {"ss", "-Htnp", "state", "established", NULL};
	g_autofree char *output = NULL;
	g_auto(GStrv) lines = NULL;
	g_autofree char *mark = g_strdup_printf("pid=%d,", (int)getpid());
	unsigned int i, count = 0;

	if (!g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output,
		    NULL, NULL, NULL))
		return;
	lines = g_strsplit(output, "\n", -1);
	for (i = 0; lines[i] != NULL; i++)
		count += strstr(lines[i], mark) != NULL;
	probe->connections = MAX(probe->connections, count);
}

/* Until all have ended, or the time is over. */
static void wait_for_all(struct probe *probe, int milliseconds)
{
	gint64 end = g_get_monotonic_time() + (gint64)milliseconds * 1000;
	struct timespec soon;

	pthread_mutex_lock(&probe->mutex);
	while (probe->left > 0 && (milliseconds == 0 || g_get_monotonic_time() < end)) {
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 50000000;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&probe->changed, &probe->mutex, &soon);
	}
	pthread_mutex_unlock(&probe->mutex);
}

static void send_all(struct probe *probe, struct http_client *client, struct strand_pool *pool,
	struct one *all, const char *path)
{
	const struct http_handlers handlers = {on_head, on_body, on_warning, on_done};
	const struct options *options = &probe->options;
	struct http_request request = {.method = "GET",
		.path = path,
		.timeout = (unsigned int)options->timeout,
		.idle_timeout = (unsigned int)options->idle_timeout,
		.repeat = HTTP_REPEAT_ALWAYS};
	g_autoptr(GBytes) body = NULL;
	char *text;
	gsize length;
	int i;

	if (options->post != NULL && g_file_get_contents(options->post, &text, &length, NULL)) {
		body = g_bytes_new_take(text, length);
		request.method = "POST";
		request.body = body;
		request.repeat = HTTP_REPEAT_NEVER;
	}
	for (i = 0; i < options->count; i++) {
		struct strand *strand = strand_create(pool);

		if (i > 0)
			g_usleep((gulong)options->interval * 1000);
		request.lane = lane_of(options->lane, i);
		all[i].probe = probe;
		all[i].is_slow = i == 0 && options->delay > 0;
		all[i].warnings = cJSON_CreateArray();
		all[i].start = g_get_monotonic_time();
		all[i].exchange = http_send(client, &request, &handlers, &all[i], strand);
		strand_unref(strand);
	}
}

static void run(
	struct probe *probe, struct http_client *client, struct strand_pool *pool, const char *path)
{
	g_autofree struct one *all = g_new0(struct one, probe->options.count);
	gint64 start = g_get_monotonic_time();
	double took;
	cJSON *line;
	int i;

	probe->left = probe->options.count;
	send_all(probe, client, pool, all, path);
	wait_for_all(probe, probe->options.cancel);
	took = ms_since(start);
	count_connections(probe);
	for (i = 0; i < probe->options.count; i++)
		http_cancel(all[i].exchange);
	wait_for_all(probe, 0);
	line = cJSON_CreateObject();
	cJSON_AddNumberToObject(line, "connections", probe->connections);
	cJSON_AddNumberToObject(line, "ms", took);
	cJSON_AddNumberToObject(line, "bytes", (double)probe->bytes);
	cJSON_AddStringToObject(line, "server", http_client_server(client));
	print_line(line);
	for (i = 0; i < probe->options.count; i++)
		http_exchange_unref(all[i].exchange);
}

static int connect_and_run(struct probe *probe, const char *kubeconfig, const char *path)
{
	g_autoptr(GError) error = NULL;
	struct kubeconfig *config = NULL;
	struct connection *connection = NULL;
	struct strand_pool *pool = strand_pool_create(0);
	struct loop *loop = loop_create(&error);
	struct http_client *client = NULL;

	if (loop != NULL && kubeconfig_load(kubeconfig, &config, &error) == 0 &&
		kubeconfig_resolve(config, NULL, NULL, &connection, &error) == 0)
		client = http_client_create(loop, pool, connection, &error);
	if (client != NULL)
		run(probe, client, pool, path);
	http_client_destroy(client);
	loop_destroy(loop);
	strand_pool_destroy(pool);
	connection_unref(connection);
	kubeconfig_destroy(config);
	if (error != NULL)
		fprintf(stderr, "%s\n", error->message);
	return error != NULL;
}

int main(int argc, char **argv)
{
	struct probe probe = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {.count = 1}};
	struct options *options = &probe.options;
	const GOptionEntry entries[] = {
		{"lane", 0, 0, G_OPTION_ARG_STRING, &options->lane, NULL, NULL},
		{"count", 0, 0, G_OPTION_ARG_INT, &options->count, NULL, NULL},
		{"interval", 0, 0, G_OPTION_ARG_INT, &options->interval, NULL, NULL},
		{"delay", 0, 0, G_OPTION_ARG_INT, &options->delay, NULL, NULL},
		{"timeout", 0, 0, G_OPTION_ARG_INT, &options->timeout, NULL, NULL},
		{"idle-timeout", 0, 0, G_OPTION_ARG_INT, &options->idle_timeout, NULL, NULL},
		{"post", 0, 0, G_OPTION_ARG_FILENAME, &options->post, NULL, NULL},
		{"cancel", 0, 0, G_OPTION_ARG_INT, &options->cancel, NULL, NULL},
		{"heads", 0, 0, G_OPTION_ARG_NONE, &options->heads, NULL, NULL}, {NULL}};
	g_autoptr(GOptionContext) context = g_option_context_new("KUBECONFIG PATH");
	int result;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, NULL) || argc != 3)
		return 2;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	result = connect_and_run(&probe, argv[1], argv[2]);
	g_free(options->lane);
	g_free(options->post);
	curl_global_cleanup();
	return result;
}
