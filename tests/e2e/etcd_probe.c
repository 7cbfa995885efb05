/*
 * Calls the etcd client (client/etcd.h) and prints what comes, for tests and by hand:
 *
 *   etcd_probe URL COMMAND...
 *
 *   range KEY [END [REVISION [LIMIT]]]   a line a key; to stderr how it ended
 *   keys KEY END                         without their values
 *   watch KEY END REVISION [COUNT]       until COUNT events have come, or the stream ends
 *   create|put|delete KEY MOD [VALUE]    one transaction, if the key's MOD is as said
 *   status|members|alarms                the JSON
 *
 * URL is etcd://..., what else is needed comes from ETCDCTL_CACERT, _CERT, _KEY, _USER and so on.
 * KEY and VALUE are escaped as g_strescape does; END "-" is none and "" all. After each command
 * its errno, uncertainty, compact revision and message. Commands are read from stdin, one a line
 * with tabs between, when none is given, each of them answered with a line "end" on stdout. With
 * QUIET in the environment keys are not printed, with GATEWAY everything is asked of the gateway.
 */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/etcd.h"
#include "client/etcd_connection.h"

struct probe {
	struct etcd_client *client;
	struct strand *strand;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	gboolean done;
	int failed;
	unsigned int events; /* still to come; 0: no end */
	gboolean stopped; /* its end was asked for */
	struct etcd_call *call; /* set before any event needs it */
};

static gboolean quiet; /* QUIET is set: keys are not printed */

static char *show(GBytes *bytes)
{
	gsize length = 0;
	const guchar *data = bytes != NULL ? g_bytes_get_data(bytes, &length) : NULL;
	GString *text = g_string_new(NULL);

	for (gsize i = 0; i < length; i++) {
		if (g_ascii_isgraph(data[i]) && data[i] != '\\')
			g_string_append_c(text, (char)data[i]);
		else
			g_string_append_printf(text, "\\%03o", data[i]);
	}
	return g_string_free(text, FALSE);
}

static void finish(struct probe *probe, const struct etcd_result *result)
{
	pthread_mutex_lock(&probe->lock);
	if (result->errnum == 0 || (probe->stopped && result->errnum == ECANCELED)) {
		printf("ok revision %" G_GINT64_FORMAT "\n", (gint64)result->revision);
	} else {
		printf("failed %s code %d compact %" G_GINT64_FORMAT " uncertain %d: %s\n",
			strerrorname_np(result->errnum), result->code,
			(gint64)result->compact_revision, result->uncertain, result->message);
		probe->failed = 1;
	}
	probe->done = TRUE;
	pthread_cond_broadcast(&probe->changed);
	pthread_mutex_unlock(&probe->lock);
}

static void wait_done(struct probe *probe, struct etcd_call *call)
{
	pthread_mutex_lock(&probe->lock);
	probe->call = call;
	pthread_cond_broadcast(&probe->changed);
	while (!probe->done)
		pthread_cond_wait(&probe->changed, &probe->lock);
	probe->done = probe->stopped = FALSE;
	probe->call = NULL;
	pthread_mutex_unlock(&probe->lock);
	etcd_call_unref(call);
}

/* The call is known only once the function that began it has returned. */
static void cancel(struct probe *probe)
{
	pthread_mutex_lock(&probe->lock);
	while (probe->call == NULL)
		pthread_cond_wait(&probe->changed, &probe->lock);
	probe->stopped = TRUE;
	etcd_cancel(probe->call);
	pthread_mutex_unlock(&probe->lock);
}

static void print_kv(const char *word, const struct etcd_kv *kv)
{
	if (quiet)
		return;

	g_autofree char *key = show(kv->key);
	g_autofree char *value = show(kv->value);

	printf("%s %s create %" G_GINT64_FORMAT " mod %" G_GINT64_FORMAT
	       " version %" G_GINT64_FORMAT " lease %" G_GINT64_FORMAT " value %s\n",
		word, key, (gint64)kv->create_revision, (gint64)kv->mod_revision,
		(gint64)kv->version, (gint64)kv->lease, kv->value != NULL ? value : "-");
}

static void on_kv(void *data, const struct etcd_kv *kv)
{
	print_kv("kv", kv);
}

static void on_range(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	printf("more %d count %" G_GINT64_FORMAT "\n", more, (gint64)count);
	finish(data, result);
}

static void on_created(void *data, int64_t revision)
{
	printf("created %" G_GINT64_FORMAT "\n", (gint64)revision);
	fflush(stdout);
}

static void on_event(void *data, enum etcd_event event, const struct etcd_kv *kv)
{
	struct probe *probe = data;

	print_kv(event == ETCD_PUT ? "put" : "delete", kv);
	fflush(stdout);
	if (probe->events > 0 && --probe->events == 0)
		cancel(probe);
}

static void on_progress(void *data, int64_t revision)
{
	printf("progress %" G_GINT64_FORMAT "\n", (gint64)revision);
	fflush(stdout);
}

static void on_done(void *data, const struct etcd_result *result)
{
	finish(data, result);
}

static void on_txn(void *data, const struct etcd_result *result, gboolean succeeded)
{
	printf("succeeded %d\n", succeeded);
	finish(data, result);
}

static void on_object(void *data, const struct etcd_result *result, const cJSON *object)
{
	char *text = object != NULL ? cJSON_PrintUnformatted(object) : NULL;

	if (text != NULL)
		printf("%s\n", text);
	cJSON_free(text);
	finish(data, result);
}

static GBytes *bytes_of(const char *escaped)
{
	g_autofree char *text = g_strcompress(escaped);

	/* A NUL cannot stand in an argument: "" is the empty key. */
	return g_bytes_new(text, strlen(text));
}

static struct etcd_keys keys_of(char **words, guint count)
{
	struct etcd_keys keys = {.key = bytes_of(words[1])};

	if (count > 2 && !g_str_equal(words[2], "-"))
		keys.range_end = bytes_of(words[2]);
	return keys;
}

static void keys_clear(struct etcd_keys *keys)
{
	g_bytes_unref(keys->key);
	if (keys->range_end != NULL)
		g_bytes_unref(keys->range_end);
}

static void run_range(struct probe *probe, char **words, guint count)
{
	static const struct etcd_range_handlers handlers = {on_kv, on_range};
	struct etcd_range range = {
		.keys = keys_of(words, count),
		.revision = count > 3 ? g_ascii_strtoll(words[3], NULL, 10) : 0,
		.limit = count > 4 ? g_ascii_strtoll(words[4], NULL, 10) : 0,
		.keys_only = g_str_equal(words[0], "keys"),
		.count_only = g_str_equal(words[0], "count"),
		.serializable = g_str_equal(words[0], "local"),
	};

	wait_done(probe, etcd_range(probe->client, &range, &handlers, probe, probe->strand));
	keys_clear(&range.keys);
}

static void run_watch(struct probe *probe, char **words, guint count)
{
	static const struct etcd_watch_handlers handlers = {
		on_created, on_event, on_progress, on_done};
	struct etcd_keys keys = keys_of(words, count);
	int64_t revision = count > 3 ? g_ascii_strtoll(words[3], NULL, 10) : 0;

	probe->events = count > 4 ? (unsigned int)g_ascii_strtoull(words[4], NULL, 10) : 0;
	wait_done(
		probe, etcd_watch(probe->client, &keys, revision, &handlers, probe, probe->strand));
	keys_clear(&keys);
}

static void run_txn(struct probe *probe, char **words, guint count)
{
	static const struct etcd_txn_handlers handlers = {on_txn};
	const gboolean deletes = g_str_equal(words[0], "delete");
	g_autoptr(GBytes) key = bytes_of(words[1]);
	g_autoptr(GBytes) value = bytes_of(count > 3 ? words[3] : "");
	const struct etcd_compare compare = {key, g_ascii_strtoll(words[2], NULL, 10)};
	const struct etcd_change change = {
		.key = key,
		.value = deletes ? NULL : value,
		.lease = count > 4 ? g_ascii_strtoll(words[4], NULL, 10) : 0,
		.keep_lease = g_str_equal(words[0], "put") && count <= 4,
	};

	wait_done(probe,
		etcd_txn(probe->client, &compare, 1, &change, 1, &handlers, probe, probe->strand));
}

static void run_ask(struct probe *probe, enum etcd_question question)
{
	static const struct etcd_get_handlers handlers = {on_object};

	wait_done(probe, etcd_ask(probe->client, question, &handlers, probe, probe->strand));
}

static gboolean is_one_of(const char *word, const char *const *words)
{
	return g_strv_contains(words, word);
}

static void run(struct probe *probe, char **words)
{
	static const char *const ranges[] = {"range", "keys", "count", "local", NULL};
	static const char *const changes[] = {"create", "put", "delete", NULL};
	static const char *const questions[] = {
		[ETCD_STATUS] = "status", [ETCD_MEMBERS] = "members", [ETCD_ALARMS] = "alarms"};
	const guint count = g_strv_length(words);

	for (guint i = 0; count == 1 && i < G_N_ELEMENTS(questions); i++) {
		if (g_str_equal(words[0], questions[i])) {
			run_ask(probe, (enum etcd_question)i);
			return;
		}
	}
	if (count >= 2 && is_one_of(words[0], ranges)) {
		run_range(probe, words, count);
	} else if (count >= 3 && is_one_of(words[0], changes)) {
		run_txn(probe, words, count);
	} else if (count >= 3 && g_str_equal(words[0], "watch")) {
		run_watch(probe, words, count);
	} else {
		fprintf(stderr, "no such command\n");
		probe->failed = 1;
	}
}

static void run_lines(struct probe *probe)
{
	g_autofree char *line = NULL;
	size_t size = 0;
	ssize_t length;

	/* getline's buffer is malloc's, which is GLib's, too. */
	while ((length = getline(&line, &size, stdin)) > 0) {
		g_auto(GStrv) words = g_strsplit(g_strchomp(line), "\t", -1);

		run(probe, words);
		printf("end\n");
		fflush(stdout);
	}
}

static struct http_client *connect_to(
	struct etcd_options *options, struct loop *loop, struct strand_pool *pool, GError **error)
{
	struct connection *connection = NULL;
	g_autoptr(GBytes) prefix = NULL;
	struct http_client *http = NULL;

	if (etcd_connection_create(options, &connection, &prefix, error) == 0)
		http = http_client_create(loop, pool, connection, error);
	connection_unref(connection);
	return http;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct etcd_options options = {0};
	struct strand_pool *pool;
	struct http_client *http;
	struct probe probe = {0};
	struct loop *loop;

	if (argc < 2) {
		fprintf(stderr, "usage: etcd_probe URL [COMMAND [ARGUMENT]...]\n");
		return 2;
	}
	quiet = g_getenv("QUIET") != NULL;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	options.url = g_strdup(argv[1]);
	etcd_options_take_environment(&options);
	loop = loop_create(&error);
	pool = strand_pool_create(0);
	http = loop != NULL ? connect_to(&options, loop, pool, &error) : NULL;
	if (http == NULL) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}
	pthread_mutex_init(&probe.lock, NULL);
	pthread_cond_init(&probe.changed, NULL);
	probe.client = etcd_client_create(http, options.user, options.password);
	if (g_getenv("GATEWAY") == NULL)
		etcd_client_use_grpc(probe.client);
	probe.strand = strand_create(pool);
	etcd_options_clear(&options);
	if (argc > 2)
		run(&probe, argv + 2);
	else
		run_lines(&probe);
	etcd_client_destroy(probe.client);
	strand_unref(probe.strand);
	loop_destroy(loop);
	strand_pool_destroy(pool);
	curl_global_cleanup();
	return probe.failed;
}
