/*
 * Calls the Kubernetes source (client/kubernetes.h) of a kubeconfig's current context and prints
 * what comes, for tests and by hand:
 *
 *   source_probe KUBECONFIG ping
 *   source_probe KUBECONFIG discover                     names; partial failures to stderr
 *   source_probe KUBECONFIG list RESOURCE [NAMESPACE [NAME [VERSION|latest]]]
 *   source_probe KUBECONFIG watch-list RESOURCE [NAMESPACE [NAME]]   until the events are in sync
 *   source_probe KUBECONFIG watch RESOURCE NAMESPACE NAME VERSION    until an event of DELETED
 *   source_probe KUBECONFIG get RESOURCE NAMESPACE NAME
 *   source_probe KUBECONFIG get-at RESOURCE NAMESPACE NAME VERSION
 *   source_probe KUBECONFIG schema RESOURCE
 *   source_probe KUBECONFIG rules NAMESPACE
 *   source_probe KUBECONFIG create|update RESOURCE[/SUBRESOURCE] NAMESPACE NAME   stdin: JSON
 *   source_probe KUBECONFIG delete RESOURCE NAMESPACE NAME [UID]
 *
 * RESOURCE as kubectl api-resources -o name spells it; "" is no namespace and no name. With DRY_RUN
 * in the environment changes are not stored. Warnings go to stderr.
 */
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "client/connection.h"
#include "client/http.h"
#include "client/json_text.h"
#include "client/kubeconfig.h"
#include "client/kubernetes.h"

struct probe {
	struct source *source;
	struct strand *strand;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	gboolean done;
	int failed;
	struct source_catalog *catalog;
	unsigned int items;
	size_t bytes;
	gboolean print;
	struct source_call *call; /* set before any event needs it */
	gboolean stop_at_delete;
	gboolean stopped; /* its end was asked for */
};

static void finish(struct probe *probe, const struct source_result *result)
{
	pthread_mutex_lock(&probe->lock);
	if (result->errnum != 0 && !(probe->stopped && result->errnum == ECANCELED)) {
		fprintf(stderr, "error %d status %d reason \"%s\" expired %d: %s\n", result->errnum,
			result->status, result->reason, result->expired, result->message);
		probe->failed = 1;
	} else if (result->version != NULL) {
		fprintf(stderr, "version %s\n", result->version);
	}
	probe->done = TRUE;
	pthread_cond_signal(&probe->changed);
	pthread_mutex_unlock(&probe->lock);
}

static void wait_done(struct probe *probe, struct source_call *call)
{
	pthread_mutex_lock(&probe->lock);
	probe->call = call;
	pthread_cond_broadcast(&probe->changed);
	while (!probe->done)
		pthread_cond_wait(&probe->changed, &probe->lock);
	probe->done = FALSE;
	probe->call = NULL;
	pthread_mutex_unlock(&probe->lock);
	source_call_unref(call);
}

/* The call is known only once the function that began it has returned. */
static void cancel(struct probe *probe)
{
	pthread_mutex_lock(&probe->lock);
	while (probe->call == NULL)
		pthread_cond_wait(&probe->changed, &probe->lock);
	probe->stopped = TRUE;
	source_cancel(probe->call);
	pthread_mutex_unlock(&probe->lock);
}

static void show(struct probe *probe, const char *prefix, const struct source_item *item)
{
	struct json_text json = {item->json, item->length};
	struct json_text name = {"", 0};
	struct json_text version = {"", 0};

	probe->items++;
	probe->bytes += item->length;
	if (!probe->print)
		return;
	json_text_find(json, JSON_PATH("metadata", "name"), &name);
	json_text_find(json, JSON_PATH("metadata", "resourceVersion"), &version);
	printf("%s %s %s %.*s %.*s\n", prefix, item->api_version, item->kind, (int)name.length,
		name.text, (int)version.length, version.text);
	fflush(stdout);
}

static void on_got(void *data, const struct source_result *result, const struct source_item *item)
{
	if (item != NULL)
		printf("%.*s\n", (int)item->length, item->json);
	finish(data, result);
}

static void on_item(void *data, const struct source_item *item)
{
	show(data, "item", item);
}

static void on_restart(void *data)
{
	printf("restart\n");
}

static void on_done(void *data, const struct source_result *result)
{
	finish(data, result);
}

static void on_opened(void *data)
{
	fprintf(stderr, "opened\n");
}

static void on_event(void *data, enum source_event event, const struct source_item *item)
{
	static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "SYNCED"};
	struct probe *probe = data;

	show(probe, names[event], item);
	if (event == SOURCE_SYNCED || (event == SOURCE_DELETED && probe->stop_at_delete))
		cancel(probe);
}

static void on_discovered(
	void *data, const struct source_result *result, struct source_catalog *catalog)
{
	struct probe *probe = data;

	probe->catalog = catalog;
	finish(probe, result);
}

static void on_changed(void *data, const struct source_change_result *result)
{
	for (guint i = 0; i < result->causes->len; i++)
		fprintf(stderr, "cause %s\n", (const char *)g_ptr_array_index(result->causes, i));
	if (result->result.errnum != 0)
		fprintf(stderr, "uncertain %d\n", result->uncertain);
	on_got(data, &result->result, result->item);
}

static void on_warning(void *data, const char *text)
{
	fprintf(stderr, "warning %s\n", text);
}

static const struct source_change_handlers change_handlers = {on_changed};
static const struct source_get_handlers get_handlers = {on_got};
static const struct source_list_handlers list_handlers = {on_item, on_restart, on_done};
static const struct source_watch_handlers watch_handlers = {on_opened, on_event, on_done};
static const struct source_discover_handlers discover_handlers = {on_discovered};

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return g_strcmp0(
		(*(struct resource *const *)a)->name, (*(struct resource *const *)b)->name);
}

static void discover(struct probe *probe)
{
	wait_done(probe, probe->source->ops->discover(
				 probe->source, &discover_handlers, probe, probe->strand));
}

static void print_catalog(const struct probe *probe)
{
	if (probe->catalog == NULL)
		return;
	g_ptr_array_sort(probe->catalog->resources, compare_names);
	for (guint i = 0; i < probe->catalog->resources->len; i++) {
		const struct resource *resource = g_ptr_array_index(probe->catalog->resources, i);

		printf("%s\n", resource->name);
	}
	for (guint i = 0; i < probe->catalog->partial->len; i++)
		fprintf(stderr, "partial %s\n",
			(const char *)g_ptr_array_index(probe->catalog->partial, i));
}

static struct resource *find(struct probe *probe, const char *name)
{
	discover(probe);
	for (guint i = 0; probe->catalog != NULL && i < probe->catalog->resources->len; i++) {
		struct resource *resource = g_ptr_array_index(probe->catalog->resources, i);

		if (g_str_equal(resource->name, name))
			return resource;
	}
	fprintf(stderr, "no resource %s\n", name);
	probe->failed = 1;
	return NULL;
}

static const char *word(char **arguments, int index)
{
	for (int i = 0; i <= index; i++) {
		if (arguments[i] == NULL)
			return NULL;
	}
	return *arguments[index] == '\0' ? NULL : arguments[index];
}

static GBytes *read_input(void)
{
	GString *text = g_string_new(NULL);
	char buffer[4096];
	size_t length;

	while ((length = fread(buffer, 1, sizeof(buffer), stdin)) > 0)
		g_string_append_len(text, buffer, (gssize)length);
	return g_string_free_to_bytes(text);
}

static gboolean find_verb(const char *command, enum source_verb *ret_verb)
{
	static const char *const verbs[] = {"create", "update", "delete"};

	for (guint i = 0; i < G_N_ELEMENTS(verbs); i++) {
		if (!g_str_equal(command, verbs[i]))
			continue;
		*ret_verb = (enum source_verb)i;
		return TRUE;
	}
	return FALSE;
}

static struct source_call *begin_change(struct probe *probe, enum source_verb verb,
	const struct source_scope *scope, const char *uid)
{
	g_autoptr(GBytes) body = verb != SOURCE_DELETE ? read_input() : NULL;
	const struct source_change change = {
		.verb = verb,
		.scope = scope,
		.body = body,
		.uid = uid,
		.dry_run = g_getenv("DRY_RUN") != NULL,
	};

	return probe->source->ops->change(
		probe->source, &change, &change_handlers, probe, probe->strand);
}

static struct source_call *begin(struct probe *probe, const char *command,
	const struct source_scope *scope, const char *version)
{
	const struct source_ops *ops = probe->source->ops;

	enum source_list_from from = SOURCE_LIST_KNOWN;
	enum source_verb verb;

	if (find_verb(command, &verb))
		return begin_change(probe, verb, scope, version);
	if (g_str_equal(command, "schema"))
		return ops->schema(
			probe->source, scope->resource, &get_handlers, probe, probe->strand);
	if (g_str_equal(command, "get-at"))
		return ops->get_at(
			probe->source, scope, version, &get_handlers, probe, probe->strand);
	if (version == NULL)
		from = SOURCE_LIST_CACHE;
	else if (g_str_equal(version, "latest"))
		from = SOURCE_LIST_LATEST;
	if (g_str_equal(command, "list"))
		return ops->list(
			probe->source, scope, from, version, &list_handlers, probe, probe->strand);
	if (g_str_equal(command, "get"))
		return ops->get(probe->source, scope, &get_handlers, probe, probe->strand);
	probe->stop_at_delete = g_str_equal(command, "watch");
	return ops->watch(probe->source, scope, version, g_str_equal(command, "watch-list"),
		&watch_handlers, probe, probe->strand);
}

static void run(struct probe *probe, const char *command, char **arguments)
{
	const struct source_ops *ops = probe->source->ops;
	struct source_scope scope = {0};
	char *slash;
	gint64 began;

	if (g_str_equal(command, "ping")) {
		wait_done(probe, ops->ping(probe->source, &get_handlers, probe, probe->strand));
	} else if (g_str_equal(command, "discover")) {
		discover(probe);
		print_catalog(probe);
	} else if (g_str_equal(command, "rules")) {
		wait_done(probe, ops->rules(probe->source, arguments[0], &get_handlers, probe,
					 probe->strand));
	} else {
		slash = strchr(arguments[0], '/');
		if (slash != NULL) {
			*slash = '\0';
			scope.subresource = slash + 1;
		}
		scope.resource = find(probe, arguments[0]);
		scope.namespace = word(arguments, 1);
		scope.name = word(arguments, 2);
		if (scope.resource == NULL)
			return;
		began = g_get_monotonic_time();
		wait_done(probe, begin(probe, command, &scope, word(arguments, 3)));
		fprintf(stderr, "%u items, %.1f MB, %.3f s\n", probe->items,
			(double)probe->bytes / 1e6, (double)(g_get_monotonic_time() - began) / 1e6);
	}
}

static struct http_client *connect_to(
	const char *path, struct loop *loop, struct strand_pool *pool, GError **error)
{
	struct kubeconfig *config = NULL;
	struct connection *connection = NULL;
	struct http_client *http = NULL;

	if (kubeconfig_load(path, &config, error) == 0 &&
		kubeconfig_resolve(config, NULL, NULL, &connection, error) == 0)
		http = http_client_create(loop, pool, connection, error);
	connection_unref(connection);
	kubeconfig_destroy(config);
	return http;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct strand_pool *pool;
	struct http_client *http;
	struct probe probe = {.print = g_getenv("QUIET") == NULL};
	struct loop *loop;

	if (argc < 3) {
		fprintf(stderr, "usage: source_probe KUBECONFIG COMMAND [ARGUMENT]...\n");
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	loop = loop_create(&error);
	pool = strand_pool_create(0);
	http = loop != NULL ? connect_to(argv[1], loop, pool, &error) : NULL;
	if (http == NULL) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}
	pthread_mutex_init(&probe.lock, NULL);
	pthread_cond_init(&probe.changed, NULL);
	probe.source = kubernetes_source_create(http);
	probe.strand = strand_create(pool);
	probe.source->ops->on_warning(probe.source, on_warning, NULL);
	run(&probe, argv[2], argv + 3);
	probe.source->ops->destroy(probe.source);
	source_catalog_free(probe.catalog);
	strand_unref(probe.strand);
	loop_destroy(loop);
	strand_pool_destroy(pool);
	curl_global_cleanup();
	return probe.failed;
}
