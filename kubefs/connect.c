#include "kubefs/connect.h"

#include <errno.h>

#include "client/error.h"
#include "client/http.h"
#include "client/kubernetes.h"
#include "kubefs/changes.h"

#define WAIT_MS 60000

static int add_context(struct filesystem *filesystem, const struct options *options,
	struct kubeconfig *config, const char *name, GPtrArray *connections, GError **error)
{
	struct kubeconfig_overrides overrides = {
		.servers = options->servers->len > 1 ? (char **)options->servers->pdata : NULL,
		.namespace = options->namespace,
		.as = options->as,
		.as_uid = options->as_uid,
		.as_groups =
			options->as_groups->len > 1 ? (char **)options->as_groups->pdata : NULL,
	};
	struct connection *connection;
	int r = kubeconfig_resolve(config, name, &overrides, &connection, error);

	if (r < 0)
		return r;
	g_ptr_array_add(connections, connection);
	g_ptr_array_add(filesystem->contexts,
		context_create(filesystem, connection->name, connection->namespace));
	return 0;
}

static int add_contexts(struct filesystem *filesystem, const struct options *options,
	struct kubeconfig *config, GPtrArray *connections, GError **error)
{
	const char *const *names =
		options->all ? kubeconfig_contexts(config) : (const char *const *)options->contexts;

	if (options->all && names[0] == NULL)
		return error_set(error, ENOENT, "the kubeconfig holds no context");
	filesystem->many = names[0] != NULL && (options->all || names[1] != NULL);
	if (names[0] == NULL)
		return add_context(filesystem, options, config, NULL, connections, error);
	for (; *names != NULL; names++) {
		int r = add_context(filesystem, options, config, *names, connections, error);

		if (r < 0)
			return r;
	}
	return 0;
}

int connect_load(struct filesystem *filesystem, const struct options *options,
	GPtrArray *ret_connections, GError **error)
{
	struct kubeconfig *config;
	int r = kubeconfig_load(options->kubeconfig, &config, error);

	if (r < 0)
		return r;
	r = add_contexts(filesystem, options, config, ret_connections, error);
	kubeconfig_destroy(config);
	return r;
}

int connect_start(struct filesystem *filesystem, const struct options *options,
	GPtrArray *connections, struct strand_pool *pool, GError **error)
{
	for (guint i = 0; i < filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(filesystem->contexts, i);
		struct http_client *http = http_client_create(
			filesystem->loop, pool, g_ptr_array_index(connections, i), error);

		if (http == NULL)
			return -EINVAL;
		context->cache = cache_create(&(struct cache_options){
			.source = kubernetes_source_create(http),
			.loop = filesystem->loop,
			.pool = pool,
			.handlers = &CHANGES_HANDLERS,
			.data = context,
			.idle = options->idle * 1000,
		});
	}
	return 0;
}

/* A one-time event for a thread to wait on. */
struct latch {
	gint references;
	GMutex lock;
	GCond opened;
	gboolean open;
};

static void latch_unref(struct latch *latch)
{
	if (!g_atomic_int_dec_and_test(&latch->references))
		return;
	g_mutex_clear(&latch->lock);
	g_cond_clear(&latch->opened);
	g_free(latch);
}

static void latch_open(void *data)
{
	struct latch *latch = data;

	g_mutex_lock(&latch->lock);
	latch->open = TRUE;
	g_cond_signal(&latch->opened);
	g_mutex_unlock(&latch->lock);
	latch_unref(latch);
}

static gboolean latch_wait(struct latch *latch, gint64 deadline)
{
	gboolean open;

	g_mutex_lock(&latch->lock);
	while (!latch->open && g_cond_wait_until(&latch->opened, &latch->lock, deadline))
		;
	open = latch->open;
	g_mutex_unlock(&latch->lock);
	return open;
}

int connect_wait(struct context *context, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + WAIT_MS * G_TIME_SPAN_MILLISECOND;
	struct catalog *catalog;
	int r;

	do {
		struct latch *latch = g_new0(struct latch, 1);
		gboolean open;

		latch->references = 2;
		g_mutex_init(&latch->lock);
		g_cond_init(&latch->opened);
		r = cache_catalog(context->cache, latch_open, latch, &catalog, error);
		if (r != -EINPROGRESS)
			latch_unref(latch);
		open = r != -EINPROGRESS || latch_wait(latch, deadline);
		latch_unref(latch);
		if (!open)
			return error_set(error, ETIMEDOUT, "%s: no answer within %d seconds",
				cache_where(context->cache), WAIT_MS / 1000);
	} while (r == -EINPROGRESS);
	if (r == 0)
		catalog_unref(catalog);
	return r;
}
