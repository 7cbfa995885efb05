#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/exec_plugin.h"
#include "client/kubeconfig_resolve.h"
#include "client/secret.h"

/* Of a cluster's extensions, the one meant for plugins (clientcmd/client_config.go). */
#define CLUSTER_EXTENSION "client.authentication.k8s.io/exec"

static const char *const exec_keys[] = {"command", "args", "env", "apiVersion", "installHint",
	"provideClusterInfo", "interactiveMode", NULL};

/* The exec mapping, read. */
struct exec {
	const char *command;
	char *path; /* the command when it is a relative path, made absolute */
	char **arguments;
	GPtrArray *environment; /* of "NAME=VALUE", NULL-terminated */
	const char *api_version;
	const char *install_hint;
	const char *interactive_mode;
	gboolean wants_cluster;
	char *cluster; /* JSON */
};

static void exec_finish(struct exec *exec)
{
	g_free(exec->path);
	g_strfreev(exec->arguments);
	g_ptr_array_unref(exec->environment);
	secret_free(exec->cluster);
}

static void free_secret(void *text)
{
	secret_free(text);
}

static int read_environment(const struct kubeconfig_entry *user, const struct yaml_node *node,
	GPtrArray *environment, GError **error)
{
	const struct yaml_node *list = NULL;
	int result = kubeconfig_entry_collection(user, node, "env", YAML_SEQUENCE, &list, error);

	for (unsigned int i = 0; result == 0 && list != NULL && i < list->values->len; i++) {
		const struct yaml_node *item = list->values->pdata[i];
		const char *name = NULL, *value = NULL;

		result = kubeconfig_entry_string(user, item, "name", &name, error);
		if (result == 0)
			result = kubeconfig_entry_string(user, item, "value", &value, error);
		if (result == 0 && (name == NULL || strchr(name, '=') != NULL))
			result = error_set(error, EINVAL, "%s: exec: an env without a usable name",
				user->owner);
		if (result == 0)
			g_ptr_array_add(environment,
				g_strconcat(name, "=", value != NULL ? value : "", NULL));
	}
	if (result == 0)
		g_ptr_array_add(environment, NULL);
	return result;
}

static int read_exec(const struct kubeconfig_entry *user, const struct yaml_node *node,
	struct exec *exec, GError **error)
{
	int result = kubeconfig_entry_check_keys(user, node, exec_keys, error);

	if (result == 0)
		result = kubeconfig_entry_string(user, node, "command", &exec->command, error);
	if (result == 0)
		result = kubeconfig_entry_strings(user, node, "args", &exec->arguments, error);
	if (result == 0)
		result = read_environment(user, node, exec->environment, error);
	if (result == 0)
		result = kubeconfig_entry_string(
			user, node, "apiVersion", &exec->api_version, error);
	if (result == 0)
		result = kubeconfig_entry_string(
			user, node, "installHint", &exec->install_hint, error);
	if (result == 0)
		result = kubeconfig_entry_string(
			user, node, "interactiveMode", &exec->interactive_mode, error);
	if (result == 0)
		result = kubeconfig_entry_boolean(
			user, node, "provideClusterInfo", &exec->wants_cluster, error);
	return result;
}

/* v1beta1 may leave the mode out and means IfAvailable (clientcmd/api/v1/defaults.go). */
static int check_mode(const struct kubeconfig_entry *user, const struct exec *exec, GError **error)
{
	g_autofree char *shown = NULL;
	const char *mode = exec->interactive_mode;

	if (mode == NULL && g_strcmp0(exec->api_version, EXEC_PLUGIN_V1BETA1) == 0)
		return 0;
	if (mode == NULL)
		return error_set(
			error, EINVAL, "%s: exec: interactiveMode must be given", user->owner);
	if (g_str_equal(mode, "Never") || g_str_equal(mode, "IfAvailable"))
		return 0;
	if (g_str_equal(mode, "Always"))
		return error_set(error, ENOTSUP,
			"%s: exec: interactiveMode Always: the plugin needs a terminal, which a "
			"daemon has not",
			user->owner);
	shown = escape_text(mode, -1);
	return error_set(
		error, EINVAL, "%s: exec: unknown interactiveMode \"%s\"", user->owner, shown);
}

static int check_exec(const struct kubeconfig_entry *user, const struct exec *exec, GError **error)
{
	g_autofree char *shown = NULL;

	if (exec->command == NULL)
		return error_set(error, EINVAL, "%s: exec: command must be given", user->owner);
	if (exec->api_version == NULL)
		return error_set(error, EINVAL, "%s: exec: apiVersion must be given", user->owner);
	if (!g_str_equal(exec->api_version, EXEC_PLUGIN_V1) &&
		!g_str_equal(exec->api_version, EXEC_PLUGIN_V1BETA1)) {
		shown = escape_text(exec->api_version, -1);
		return error_set(error, ENOTSUP,
			"%s: exec: apiVersion %s is not supported, " EXEC_PLUGIN_V1
			" and " EXEC_PLUGIN_V1BETA1 " are",
			user->owner, shown);
	}
	return check_mode(user, exec, error);
}

/* The extension's content, whatever it is; NULL when there is none. */
static const struct yaml_node *find_extension(const struct kubeconfig_entry *cluster)
{
	const struct yaml_node *list = yaml_node_get(cluster->node, "extensions");

	if (list == NULL || list->kind != YAML_SEQUENCE)
		return NULL;
	for (unsigned int i = 0; i < list->values->len; i++) {
		const struct yaml_node *name = yaml_node_get(list->values->pdata[i], "name");

		if (name != NULL && name->kind == YAML_STRING &&
			g_str_equal(name->text, CLUSTER_EXTENSION))
			return yaml_node_get(list->values->pdata[i], "extension");
	}
	return NULL;
}

/*
 * pkg/apis/clientauthentication/v1 Cluster: the file's form, the CA always inline. proxy-url is
 * given as the file has it.
 */
static char *cluster_json(
	const struct kubeconfig_entry *cluster, const struct connection *connection)
{
	const struct yaml_node *extension = find_extension(cluster);
	const struct yaml_node *proxy = yaml_node_get(cluster->node, "proxy-url");
	cJSON *json = cJSON_CreateObject();
	g_autofree char *ca = NULL;
	char *printed, *text;

	cJSON_AddStringToObject(json, "server", connection->servers->pdata[0]);
	if (connection->tls_server_name != NULL)
		cJSON_AddStringToObject(json, "tls-server-name", connection->tls_server_name);
	if (connection->insecure_skip_tls_verify)
		cJSON_AddTrueToObject(json, "insecure-skip-tls-verify");
	if (connection->ca != NULL) {
		ca = g_base64_encode(
			g_bytes_get_data(connection->ca, NULL), g_bytes_get_size(connection->ca));
		cJSON_AddStringToObject(json, "certificate-authority-data", ca);
	}
	if (connection->proxy_url != NULL)
		cJSON_AddStringToObject(json, "proxy-url", proxy->text);
	if (connection->disable_compression)
		cJSON_AddTrueToObject(json, "disable-compression");
	if (extension != NULL)
		cJSON_AddItemToObject(json, "config", yaml_node_to_json(extension));
	else
		cJSON_AddNullToObject(json, "config");
	printed = cJSON_PrintUnformatted(json);
	text = g_strdup(printed);
	explicit_bzero(printed, strlen(printed));
	cJSON_free(printed);
	cJSON_Delete(json);
	return text;
}

static int create(const struct kubeconfig_entry *user, const struct exec *exec,
	struct credentials **ret_credentials, GError **error)
{
	const struct exec_plugin plugin = {
		.owner = user->owner,
		.command = exec->path != NULL ? exec->path : exec->command,
		.arguments = (const char *const *)exec->arguments,
		.environment = (const char *const *)exec->environment->pdata,
		.api_version = exec->api_version,
		.install_hint = exec->install_hint,
		.cluster = exec->cluster,
	};

	return exec_plugin_create(&plugin, NULL, ret_credentials, error);
}

int kubeconfig_resolve_exec(const struct kubeconfig_entry *user, const struct yaml_node *node,
	const struct kubeconfig_entry *cluster, const struct connection *connection,
	struct credentials **ret_credentials, GError **error)
{
	struct exec exec = {.environment = g_ptr_array_new_with_free_func(free_secret)};
	int result = read_exec(user, node, &exec, error);

	if (result == 0)
		result = check_exec(user, &exec, error);
	/* Only what has a '/' is a path (clientcmd/loader.go GetAuthInfoFileReferences). */
	if (result == 0 && strchr(exec.command, '/') != NULL)
		result = kubeconfig_entry_path(user, node, "command", &exec.path, error);
	if (result == 0 && exec.wants_cluster)
		exec.cluster = cluster_json(cluster, connection);
	if (result == 0)
		result = create(user, &exec, ret_credentials, error);
	exec_finish(&exec);
	return result;
}
