/*
 * Prints as JSON what the kubeconfig of the environment resolves to, for comparison with kubectl:
 *
 *   kubeconfig_probe [CONTEXT]
 *
 * Shows secrets. On an error it prints {"error": MESSAGE} and exits 1.
 */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "client/connection.h"
#include "client/kubeconfig.h"

static void add_text(cJSON *object, const char *name, const char *text)
{
	if (text != NULL)
		cJSON_AddStringToObject(object, name, text);
}

static void add_bytes(cJSON *object, const char *name, GBytes *bytes)
{
	g_autofree char *text = NULL;

	if (bytes == NULL)
		return;
	text = g_base64_encode(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
	cJSON_AddStringToObject(object, name, text);
}

static void add_strings(cJSON *object, const char *name, const char *const *strings)
{
	cJSON *array = cJSON_AddArrayToObject(object, name);

	for (; *strings != NULL; strings++)
		cJSON_AddItemToArray(array, cJSON_CreateString(*strings));
}

static void add_impersonation(cJSON *object, const struct connection_impersonation *as)
{
	cJSON *extras = cJSON_AddArrayToObject(object, "extras");

	add_text(object, "as", as->user);
	add_text(object, "uid", as->uid);
	add_strings(object, "groups", (const char *const *)as->groups);
	for (unsigned int i = 0; i < as->extras->len; i++) {
		const struct connection_extra *extra = as->extras->pdata[i];
		const char *const pair[] = {extra->key, extra->value, NULL};
		cJSON *array = cJSON_CreateStringArray(pair, 2);

		cJSON_AddItemToArray(extras, array);
	}
}

static int add_credential(cJSON *object, struct credentials *credentials, GError **error)
{
	struct credential *credential;
	int result = credentials_refresh(credentials, error);

	if (result < 0 || credentials_get(credentials, &credential) < 0)
		return result;
	add_text(object, "authorization", credential->authorization);
	add_bytes(object, "certificate", credential->certificate);
	add_bytes(object, "key", credential->key);
	credential_unref(credential);
	return 0;
}

static int add_connection(cJSON *object, const struct connection *connection, GError **error)
{
	add_text(object, "context", connection->name);
	add_text(object, "server", connection->servers->pdata[0]);
	add_bytes(object, "ca", connection->ca);
	cJSON_AddBoolToObject(object, "insecure", connection->insecure_skip_tls_verify);
	add_text(object, "tls-server-name", connection->tls_server_name);
	add_text(object, "proxy-url", connection->proxy_url);
	cJSON_AddBoolToObject(object, "disable-compression", connection->disable_compression);
	add_text(object, "namespace", connection->namespace);
	add_impersonation(object, &connection->impersonation);
	return add_credential(object, connection->credentials, error);
}

static int probe(const char *context, cJSON *object, GError **error)
{
	struct kubeconfig *config;
	struct connection *connection = NULL;
	int result = kubeconfig_load(NULL, &config, error);

	if (result < 0)
		return result;
	add_strings(object, "contexts", kubeconfig_contexts(config));
	result = kubeconfig_resolve(config, context, NULL, &connection, error);
	if (result == 0)
		result = add_connection(object, connection, error);
	connection_unref(connection);
	kubeconfig_destroy(config);
	return result;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	cJSON *object = cJSON_CreateObject();
	char *text;
	int result = probe(argc > 1 ? argv[1] : NULL, object, &error);

	if (result < 0)
		cJSON_AddStringToObject(object, "error", error->message);
	text = cJSON_PrintUnformatted(object);
	puts(text);
	cJSON_free(text);
	cJSON_Delete(object);
	return result < 0;
}
