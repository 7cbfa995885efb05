#include "client/kubernetes_discover.h"

#include <errno.h>

#include "client/api_discovery.h"
#include "client/error.h"
#include "client/kubernetes_fetch.h"
#include "client/kubernetes_url.h"

/* A group version whose API server hangs must not hold up the catalog for long. */
#define VERSION_TIMEOUT (15 * 1000)
#define VERSIONS_AT_ONCE 16

/* /api has the core group, /apis all others. */
static const char *const root_paths[] = {"/api", "/apis"};

struct discover {
	struct source_call call;
	struct kubernetes *kubernetes;
	struct source_discover_handlers handlers;
	void *data;
	struct strand *strand;
	/* On the strand only. */
	struct api_discovery *discovery;
	unsigned int pending; /* fetches under way */
	unsigned int roots; /* those that could be read */
	struct source_result failure; /* why all of it failed; its strings are owned */
	/* Guarded by kubernetes->lock. */
	GPtrArray *fetches; /* of struct source_call *, all begun so far */
	gboolean cancelled;
};

/* What a fetch is for. */
struct part {
	struct discover *discover;
	const char *root; /* "/api", "/apis", or NULL */
	struct api_version *version; /* one of the discovery's, or NULL */
};

static void unref_call(void *data)
{
	source_call_unref(data);
}

static void cancel_fetches(struct discover *discover)
{
	g_autoptr(GPtrArray) fetches = g_ptr_array_new_with_free_func(unref_call);

	pthread_mutex_lock(&discover->kubernetes->lock);
	for (guint i = 0; i < discover->fetches->len; i++)
		g_ptr_array_add(fetches, source_call_ref(g_ptr_array_index(discover->fetches, i)));
	pthread_mutex_unlock(&discover->kubernetes->lock);
	/* Not under the lock, which a cancel takes, too. */
	for (guint i = 0; i < fetches->len; i++)
		source_cancel(g_ptr_array_index(fetches, i));
}

static void cancel(struct source_call *call)
{
	struct discover *discover = (struct discover *)call;

	pthread_mutex_lock(&discover->kubernetes->lock);
	discover->cancelled = TRUE;
	pthread_mutex_unlock(&discover->kubernetes->lock);
	cancel_fetches(discover);
}

static void free_discover(struct source_call *call)
{
	struct discover *discover = (struct discover *)call;

	api_discovery_free(discover->discovery);
	g_free((char *)discover->failure.reason);
	g_free((char *)discover->failure.message);
	g_ptr_array_unref(discover->fetches);
	strand_unref(discover->strand);
	kubernetes_unref(discover->kubernetes);
	g_free(discover);
}

static const struct source_call_ops discover_ops = {
	.cancel = cancel,
	.free = free_discover,
};

static void fail(struct discover *discover, const struct source_result *result)
{
	if (discover->failure.errnum != 0)
		return;
	discover->failure = *result;
	discover->failure.reason = g_strdup(result->reason);
	discover->failure.message = g_strdup(result->message);
	cancel_fetches(discover);
}

static void finish(struct discover *discover)
{
	const struct source_result success = {.status = 200, .reason = "", .message = ""};

	if (discover->failure.errnum != 0)
		discover->handlers.done(discover->data, &discover->failure, NULL);
	else
		discover->handlers.done(discover->data, &success,
			api_discovery_finish(g_steal_pointer(&discover->discovery)));
	source_call_unref(&discover->call);
}

static void on_fetched(void *data, const struct kubernetes_fetched *fetched);

/* Takes over part. */
static void begin_fetch(struct part *part, const char *path, unsigned int timeout)
{
	const struct http_request request = {
		.method = "GET",
		.path = path,
		.accept = part->root != NULL ? API_DISCOVERY_ACCEPT : NULL,
		.lane = HTTP_LANE_REQUEST,
		.timeout = timeout,
		.repeat = HTTP_REPEAT_ALWAYS,
	};
	struct discover *discover = part->discover;
	struct source_call *fetch = kubernetes_fetch(discover->kubernetes, &request,
		KUBERNETES_WARN_ONCE, NULL, on_fetched, part, discover->strand);
	gboolean cancelled;

	pthread_mutex_lock(&discover->kubernetes->lock);
	g_ptr_array_add(discover->fetches, fetch);
	cancelled = discover->cancelled;
	source_call_ref(fetch);
	pthread_mutex_unlock(&discover->kubernetes->lock);
	if (cancelled)
		source_cancel(fetch);
	source_call_unref(fetch);
}

static struct part *part_create(
	struct discover *discover, const char *root, struct api_version *version)
{
	struct part *part = g_new0(struct part, 1);

	part->discover = discover;
	part->root = root;
	part->version = version;
	return part;
}

/* Asks for the resources of group versions, some at a time. */
static void fetch_versions(struct discover *discover)
{
	struct api_version *version;

	while (discover->failure.errnum == 0 && discover->pending < VERSIONS_AT_ONCE &&
		(version = api_discovery_next_wanted(discover->discovery)) != NULL) {
		g_autofree char *path =
			kubernetes_url_group_version(version->group, version->version);

		discover->pending++;
		begin_fetch(part_create(discover, NULL, version), path, VERSION_TIMEOUT);
	}
}

static int read_root(
	struct discover *discover, struct json_text json, const char *content_type, GError **error)
{
	if (api_discovery_is_aggregated(content_type))
		return api_discovery_add_aggregated(
			discover->discovery, json.text, json.length, error);
	return api_discovery_add_groups(discover->discovery, json.text, json.length, error);
}

/*
 * A root that is not there or not shown costs only itself as long as the other can be read
 * (client-go's discovery does the same); without an answer the catalog would be false.
 */
static void take_root(struct discover *discover, const char *root,
	const struct source_result *result, struct json_text json, const char *content_type)
{
	g_autoptr(GError) error = NULL;
	struct source_result unreadable = *result;

	if (result->errnum == 0 && read_root(discover, json, content_type, &error) == 0) {
		discover->roots++;
	} else if (result->errnum == 0) {
		g_autofree char *message = g_strconcat("GET ",
			discover->kubernetes->source.ops->where(&discover->kubernetes->source),
			root, ": ", error->message, NULL);

		unreadable.errnum = error->code;
		unreadable.message = message;
		fail(discover, &unreadable);
	} else if (result->status == 403 || result->status == 404) {
		api_discovery_add_failure(discover->discovery, root, result->message);
		if (discover->pending == 0 && discover->roots == 0)
			fail(discover, result);
	} else {
		fail(discover, result);
	}
}

static void take_version(struct discover *discover, struct api_version *version,
	const struct source_result *result, struct json_text json)
{
	g_autofree char *name = api_discovery_version_name(version);
	g_autoptr(GError) error = NULL;

	if (result->errnum == ECANCELED)
		fail(discover, result);
	else if (result->errnum != 0)
		api_discovery_add_failure(discover->discovery, name, result->message);
	else if (api_discovery_add_resources(
			 discover->discovery, version, json.text, json.length, &error) < 0)
		api_discovery_add_failure(discover->discovery, name, error->message);
}

static void on_fetched(void *data, const struct kubernetes_fetched *fetched)
{
	struct part *part = data;
	struct discover *discover = part->discover;

	discover->pending--;
	if (part->root != NULL)
		take_root(discover, part->root, fetched->result, fetched->json,
			fetched->content_type);
	else
		take_version(discover, part->version, fetched->result, fetched->json);
	g_free(part);
	fetch_versions(discover);
	if (discover->pending == 0)
		finish(discover);
}

struct source_call *kubernetes_discover(struct source *source,
	const struct source_discover_handlers *handlers, void *data, struct strand *strand)
{
	struct discover *discover = g_new0(struct discover, 1);

	source_call_init(&discover->call, &discover_ops);
	source_call_ref(&discover->call);
	discover->kubernetes = kubernetes_ref((struct kubernetes *)source);
	discover->handlers = *handlers;
	discover->data = data;
	discover->strand = strand_ref(strand);
	discover->discovery = api_discovery_create();
	discover->fetches = g_ptr_array_new_with_free_func(unref_call);
	discover->pending = G_N_ELEMENTS(root_paths);
	for (size_t i = 0; i < G_N_ELEMENTS(root_paths); i++)
		begin_fetch(part_create(discover, root_paths[i], NULL), root_paths[i],
			KUBERNETES_REQUEST_TIMEOUT);
	return &discover->call;
}
