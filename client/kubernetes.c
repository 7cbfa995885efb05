#include "client/kubernetes.h"

#include "client/kubernetes_call.h"
#include "client/kubernetes_change.h"
#include "client/kubernetes_discover.h"
#include "client/kubernetes_fetch.h"
#include "client/kubernetes_get_at.h"
#include "client/kubernetes_list.h"
#include "client/kubernetes_watch.h"

/* WatchList is on by default since 1.32 (KEP-3157). */
#define WATCH_LIST_MINOR 32

static void destroy(struct source *source)
{
	struct kubernetes *kubernetes = (struct kubernetes *)source;
	struct http_client *http;

	pthread_mutex_lock(&kubernetes->lock);
	http = g_steal_pointer(&kubernetes->http);
	pthread_mutex_unlock(&kubernetes->lock);
	/* Not under the lock, which the done handlers that it waits for take. */
	http_client_destroy(http);
	kubernetes_unref(kubernetes);
}

static unsigned int minor(struct source *source)
{
	const struct kubernetes *kubernetes = (struct kubernetes *)source;

	return (unsigned int)g_atomic_int_get(&kubernetes->minor);
}

static gboolean has_watch_list(struct source *source)
{
	return minor(source) >= WATCH_LIST_MINOR;
}

static const char *where(struct source *source)
{
	struct kubernetes *kubernetes = (struct kubernetes *)source;
	const char *url;

	pthread_mutex_lock(&kubernetes->lock);
	url = kubernetes->http != NULL ? http_client_server(kubernetes->http) : "";
	pthread_mutex_unlock(&kubernetes->lock);
	return url;
}

static void on_warning(
	struct source *source, void (*warning)(void *data, const char *text), void *data)
{
	struct kubernetes *kubernetes = (struct kubernetes *)source;

	kubernetes_warnings_listen(&kubernetes->warnings, warning, data);
}

static const struct source_ops kubernetes_ops = {
	.destroy = destroy,
	.ping = kubernetes_ping,
	.discover = kubernetes_discover,
	.list = kubernetes_list,
	.watch = kubernetes_watch,
	.get = kubernetes_get,
	.get_at = kubernetes_get_at,
	.change = kubernetes_change,
	.schema = kubernetes_schema,
	.on_warning = on_warning,
	.rules = kubernetes_rules,
	.has_watch_list = has_watch_list,
	.minor = minor,
	.where = where,
};

struct source *kubernetes_source_create(struct http_client *http)
{
	struct kubernetes *kubernetes = g_new0(struct kubernetes, 1);

	kubernetes->source.ops = &kubernetes_ops;
	kubernetes->references = 1;
	pthread_mutex_init(&kubernetes->lock, NULL);
	kubernetes_warnings_init(&kubernetes->warnings);
	kubernetes->http = http;
	return &kubernetes->source;
}
