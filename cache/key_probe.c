#include "cache/key_probe.h"

#include <errno.h>

#include "cache/key_scope.h"
#include "client/source_call.h"

struct probe {
	struct source source;
	struct etcd_client *client;
	struct etcd_keys keys;
};

struct ping {
	struct source_call base;
	struct etcd_call *call;
	struct source_get_handlers handlers;
	void *data;
};

static void cancel_ping(struct source_call *call)
{
	etcd_cancel(((struct ping *)call)->call);
}

static void free_ping(struct source_call *call)
{
	struct ping *ping = (struct ping *)call;

	etcd_call_unref(ping->call);
	g_free(ping);
}

static const struct source_call_ops ping_ops = {.cancel = cancel_ping, .free = free_ping};

gboolean key_probe_is_lost(const struct etcd_result *result, struct source_result *ret)
{
	switch (result->errnum) {
	case 0:
	case ECANCELED:
	case EACCES:
	case EFBIG:
	case EINVAL:
	case ENOENT:
	case ENOSPC:
	case EOPNOTSUPP:
	case ERANGE:
	case ESTALE:
		return FALSE;
	default:
		*ret = (struct source_result){
			.errnum = result->errnum,
			.message = result->message,
		};
		return TRUE;
	}
}

static void on_kv(void *data, const struct etcd_kv *kv)
{
}

static void on_done(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct ping *ping = data;
	struct source_result lost = {0};

	key_probe_is_lost(result, &lost);
	ping->handlers.done(ping->data, &lost, NULL);
	source_call_unref(&ping->base);
}

static struct source_call *ping_source(struct source *source,
	const struct source_get_handlers *handlers, void *data, struct strand *strand)
{
	static const struct etcd_range_handlers range_handlers = {.kv = on_kv, .done = on_done};
	const struct probe *probe = (const struct probe *)source;
	const struct etcd_range range = {.keys = probe->keys, .limit = 1, .keys_only = TRUE};
	struct ping *ping = g_new0(struct ping, 1);

	source_call_init(&ping->base, &ping_ops);
	source_call_ref(&ping->base);
	ping->handlers = *handlers;
	ping->data = data;
	ping->call = etcd_range(probe->client, &range, &range_handlers, ping, strand);
	return &ping->base;
}

static const struct source_ops probe_ops = {.ping = ping_source};

struct source *key_probe_create(struct etcd_client *client, GBytes *prefix)
{
	const struct key_scope scope = {.prefix = prefix};
	struct probe *probe = g_new0(struct probe, 1);
	struct key_ranges ranges;

	probe->source.ops = &probe_ops;
	probe->client = client;
	key_scope_ranges(&scope, &ranges);
	probe->keys = ranges.at[0];
	return &probe->source;
}

void key_probe_destroy(struct source *source)
{
	struct probe *probe = (struct probe *)source;

	if (probe == NULL)
		return;
	key_range_finish(&probe->keys);
	g_free(probe);
}
