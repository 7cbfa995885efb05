#include "client/kubeconfig_resolve.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"

static const char *const context_keys[] = {"cluster", "user", "namespace", "extensions", NULL};

/* RFC 1123 label: it becomes a part of URLs. */
static gboolean is_label(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= 63 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length && name[0] != '-' &&
	       name[length - 1] != '-';
}

static int set_namespace(struct connection *connection, const char *namespace, GError **error)
{
	g_autofree char *shown = NULL;

	if (!is_label(namespace)) {
		shown = escape_text(namespace, -1);
		return error_set(
			error, EINVAL, "namespace \"%s\" is not a name that one can have", shown);
	}
	g_free(connection->namespace);
	connection->namespace = g_strdup(namespace);
	return 0;
}

/* The cluster or user that a context names. */
static int get_reference(const struct kubeconfig_entry *context, GHashTable *entries,
	const char *kind, const struct kubeconfig_entry **ret_entry, GError **error)
{
	g_autofree char *shown = NULL;
	const char *name = NULL;
	int result = kubeconfig_entry_string(context, context->node, kind, &name, error);

	*ret_entry = NULL;
	if (result < 0 || name == NULL)
		return result;
	*ret_entry = g_hash_table_lookup(entries, name);
	if (*ret_entry != NULL)
		return 0;
	shown = escape_text(name, -1);
	return error_set(error, ENOENT, "%s: there is no %s \"%s\"", context->owner, kind, shown);
}

static int resolve_context(const struct kubeconfig *config, const struct kubeconfig_entry *context,
	const struct kubeconfig_overrides *overrides, struct connection *connection, GError **error)
{
	const struct kubeconfig_entry *cluster = NULL, *user = NULL;
	const char *namespace = NULL;
	int result = kubeconfig_entry_check_keys(context, context->node, context_keys, error);

	/* kubeconfig_namespace cannot say that it is of a wrong kind. */
	if (result == 0)
		result = kubeconfig_entry_string(
			context, context->node, "namespace", &namespace, error);
	if (result == 0)
		result = get_reference(context, config->clusters, "cluster", &cluster, error);
	if (result == 0 && cluster == NULL)
		result = error_set(error, ENOENT, "%s: it names no cluster", context->owner);
	if (result == 0)
		result = get_reference(context, config->users, "user", &user, error);
	if (result == 0)
		result = kubeconfig_resolve_cluster(cluster, overrides, connection, error);
	if (result == 0)
		result = kubeconfig_resolve_user(user, cluster, overrides, connection, error);
	return result;
}

static int resolve_pod(const struct kubeconfig *config,
	const struct kubeconfig_overrides *overrides, struct connection *connection, GError **error)
{
	int result = in_cluster_resolve(&config->pod, NULL, connection, error);

	if (result == 0)
		result = kubeconfig_override_servers(overrides, connection, error);
	if (result == 0)
		result = kubeconfig_resolve_impersonation(
			NULL, overrides, &connection->impersonation, error);
	return result;
}

static int fail_unknown(const struct kubeconfig *config, const char *name, GError **error)
{
	g_autofree char *shown = name != NULL ? escape_text(name, -1) : NULL;
	g_autofree char *names = NULL;
	g_autofree char *shown_names = NULL;

	if (shown != NULL)
		return error_set(error, ENOENT, "no context \"%s\" in %s", shown, config->origin);
	names = g_strjoinv(", ", (char **)config->context_names);
	shown_names = escape_text(names, -1);
	return error_set(error, ENOENT, "no current-context in %s, choose one of: %s",
		config->origin, shown_names);
}

static int resolve(const struct kubeconfig *config, const char *name,
	const struct kubeconfig_overrides *overrides, struct connection *connection, GError **error)
{
	const struct kubeconfig_entry *context = g_hash_table_lookup(config->contexts, name);
	int result;

	if (context != NULL)
		result = resolve_context(config, context, overrides, connection, error);
	else if (config->in_cluster && g_str_equal(name, KUBECONFIG_IN_CLUSTER))
		result = resolve_pod(config, overrides, connection, error);
	else
		result = fail_unknown(config, name, error);
	if (result < 0)
		return result;
	return set_namespace(connection,
		overrides->namespace != NULL ? overrides->namespace
					     : kubeconfig_namespace(config, name),
		error);
}

int kubeconfig_resolve(struct kubeconfig *config, const char *context,
	const struct kubeconfig_overrides *overrides, struct connection **ret_connection,
	GError **error)
{
	const struct kubeconfig_overrides none = {0};
	struct connection *connection;
	int result;

	if (context == NULL)
		context = config->current_context;
	if (context == NULL)
		return fail_unknown(config, NULL, error);
	connection = connection_create(context);
	result = resolve(config, context, overrides != NULL ? overrides : &none, connection, error);
	if (result < 0)
		connection_unref(connection);
	else
		*ret_connection = connection;
	return result;
}
