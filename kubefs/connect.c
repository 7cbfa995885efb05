#include "kubefs/connect.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_connection.h"
#include "client/http.h"
#include "client/kubernetes.h"
#include "client/lock.h"
#include "kubefs/changes.h"
#include "kubefs/key_changes.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"

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

static struct context *find_context(const struct filesystem *filesystem, const char *name)
{
	for (guint i = 0; i < filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(filesystem->contexts, i);

		if (strcmp(context->name, name) == 0)
			return context;
	}
	return NULL;
}

/* A value that is a context's name as a whole is that one: names may hold colons, as EKS's ARNs. */
static char **split_contexts(const struct filesystem *filesystem, const char *value)
{
	return g_strsplit(value, ":", find_context(filesystem, value) != NULL ? 1 : -1);
}

/* keys: its switch for the keys of etcd, NULL where there are none. */
static int set_switch(const struct filesystem *filesystem, const GPtrArray *values,
	const char *option, void (*set)(struct context *context), gboolean *keys, GError **error)
{
	for (guint i = 0; i < values->len; i++) {
		const char *value = g_ptr_array_index(values, i);
		g_auto(GStrv) names = split_contexts(filesystem, value);

		for (char **name = names; *name != NULL; name++) {
			struct context *context = find_context(filesystem, *name);

			if (context != NULL)
				set(context);
			else if (keys != NULL && strcmp(*name, KEY_LAYOUT_TOP) == 0)
				*keys = TRUE;
			else
				return error_set(error, EINVAL,
					"-o %s=%s: context \"%s\" is not mounted", option, value,
					*name);
		}
	}
	return 0;
}

static void set_read_only(struct context *context)
{
	context->read_only = TRUE;
}

static void set_dry_run(struct context *context)
{
	context->dry_run = TRUE;
}

static int set_switches(
	struct filesystem *filesystem, const struct options *options, GError **error)
{
	const gboolean has_keys = options->etcd.url != NULL || options->etcd.endpoints != NULL;
	int r;

	for (guint i = 0; i < filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(filesystem->contexts, i);

		context->read_only = options->read_only;
		context->dry_run = options->dry_run;
	}
	filesystem->keys_read_only = options->read_only;
	filesystem->keys_dry_run = options->dry_run;
	filesystem->etcd_registry_write = options->etcd_registry_write;
	r = set_switch(filesystem, options->read_only_contexts, "ro", set_read_only,
		has_keys ? &filesystem->keys_read_only : NULL, error);
	if (r < 0)
		return r;
	return set_switch(filesystem, options->dry_run_contexts, "dry_run", set_dry_run,
		has_keys ? &filesystem->keys_dry_run : NULL, error);
}

static int load_contexts(struct filesystem *filesystem, const struct options *options,
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

/* The keys of etcd, and the connection to it behind those of the contexts. */
static int load_etcd(struct filesystem *filesystem, const struct options *options,
	GPtrArray *connections, GError **error)
{
	struct connection *connection;
	int r;

	if (filesystem->many && find_context(filesystem, KEY_LAYOUT_TOP) != NULL)
		return error_set(error, EEXIST,
			"context \"etcd\" stands where the keys of etcd would: mount them apart");
	r = etcd_connection_create(&options->etcd, &connection, &filesystem->keys, error);
	if (r == 0)
		g_ptr_array_add(connections, connection);
	return r;
}

int connect_load(struct filesystem *filesystem, const struct options *options,
	GPtrArray *ret_connections, GError **error)
{
	int r = 0;

	filesystem->keys_at_root = options->etcd.url != NULL;
	if (!filesystem->keys_at_root)
		r = load_contexts(filesystem, options, ret_connections, error);
	if (r == 0)
		r = set_switches(filesystem, options, error);
	if (r == 0 && (options->etcd.url != NULL || options->etcd.endpoints != NULL))
		r = load_etcd(filesystem, options, ret_connections, error);
	return r;
}

static struct etcd_client *create_etcd_client(struct filesystem *filesystem,
	const struct options *options, struct connection *connection, struct strand_pool *pool,
	GError **error)
{
	struct http_client *http = http_client_create(filesystem->loop, pool, connection, error);
	struct etcd_client *client;

	if (http == NULL)
		return NULL;
	client = etcd_client_create(http, options->etcd.user, options->etcd.password);
	etcd_client_use_grpc(client);
	return client;
}

/* What is asked beside the keys has connections of its own: a member that is away takes long. */
static int start_etcd(struct filesystem *filesystem, const struct options *options,
	struct connection *connection, struct strand_pool *pool, GError **error)
{
	struct etcd_client *keys = create_etcd_client(filesystem, options, connection, pool, error);

	if (keys == NULL)
		return -EINVAL;
	filesystem->etcd = create_etcd_client(filesystem, options, connection, pool, error);
	if (filesystem->etcd == NULL) {
		etcd_client_destroy(keys);
		return -EINVAL;
	}
	filesystem->members = members_create(filesystem->etcd, pool);
	filesystem->v2_keys = v2_keys_create(filesystem->etcd, pool);
	filesystem->keyspace = keyspace_create(&(struct keyspace_options){
		.client = keys,
		.loop = filesystem->loop,
		.pool = pool,
		.prefix = filesystem->keys,
		.handlers = &KEY_CHANGES_HANDLERS,
		.data = filesystem,
		.idle = options->idle * 1000,
	});
	return 0;
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
			.json = options->json,
		});
	}
	if (filesystem->keys == NULL)
		return 0;
	return start_etcd(filesystem, options, g_ptr_array_index(connections, connections->len - 1),
		pool, error);
}

/* A one-time event for a thread to wait on. */
struct latch {
	gint references;
	pthread_mutex_t lock;
	pthread_cond_t opened;
	gboolean open;
};

static void latch_unref(struct latch *latch)
{
	if (!g_atomic_int_dec_and_test(&latch->references))
		return;
	pthread_mutex_destroy(&latch->lock);
	pthread_cond_destroy(&latch->opened);
	g_free(latch);
}

static void latch_open(void *data)
{
	struct latch *latch = data;

	pthread_mutex_lock(&latch->lock);
	latch->open = TRUE;
	pthread_cond_signal(&latch->opened);
	pthread_mutex_unlock(&latch->lock);
	latch_unref(latch);
}

static gboolean latch_wait(struct latch *latch, const struct timespec *deadline)
{
	gboolean open;

	pthread_mutex_lock(&latch->lock);
	while (!latch->open && pthread_cond_clockwait(&latch->opened, &latch->lock, CLOCK_MONOTONIC,
				       deadline) == 0)
		;
	open = latch->open;
	pthread_mutex_unlock(&latch->lock);
	return open;
}

/* Asks once; 0, -EINPROGRESS with a call of wait to come, or what is wrong. */
typedef int (*connect_ask)(void *asked, collection_wait wait, void *data, GError **error);

static int wait_for(connect_ask ask, void *asked, const char *where, GError **error)
{
	struct timespec deadline;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += WAIT_MS / 1000;
	do {
		struct latch *latch = g_new0(struct latch, 1);
		gboolean open;

		latch->references = 2;
		pthread_mutex_init(&latch->lock, NULL);
		pthread_cond_init(&latch->opened, NULL);
		r = ask(asked, latch_open, latch, error);
		if (r != -EINPROGRESS)
			latch_unref(latch);
		open = r != -EINPROGRESS || latch_wait(latch, &deadline);
		latch_unref(latch);
		if (!open)
			return error_set(error, ETIMEDOUT, "%s: no answer within %d seconds", where,
				WAIT_MS / 1000);
	} while (r == -EINPROGRESS);
	return r;
}

static int ask_catalog(void *asked, collection_wait wait, void *data, GError **error)
{
	const struct context *context = asked;
	struct catalog *catalog;
	int r = cache_catalog(context->cache, wait, data, &catalog, error);

	if (r == 0)
		catalog_unref(catalog);
	return r;
}

int connect_wait(struct context *context, GError **error)
{
	return wait_for(ask_catalog, context, cache_where(context->cache), error);
}

static int ask_keys(void *asked, collection_wait wait, void *data, GError **error)
{
	struct filesystem *filesystem = asked;
	struct key_directory *directory;
	struct key_scope scope;
	int r;

	key_path_root(filesystem->keys, &scope);
	r = keyspace_look(filesystem->keyspace, &scope, wait, data, &directory, error);
	key_scope_finish(&scope);
	if (r == 0)
		key_directory_unref(directory);
	return r;
}

int connect_wait_etcd(struct filesystem *filesystem, GError **error)
{
	return wait_for(ask_keys, filesystem, keyspace_where(filesystem->keyspace), error);
}
