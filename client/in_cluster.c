#include "client/in_cluster.h"

#include <string.h>

#include "client/credential_files.h"
#include "client/secret.h"

#define NAMESPACE_LIMIT ((size_t)4096)

struct in_cluster in_cluster_environment(void)
{
	return (struct in_cluster){
		.host = g_getenv("KUBERNETES_SERVICE_HOST"),
		.port = g_getenv("KUBERNETES_SERVICE_PORT"),
		.namespace = g_getenv("POD_NAMESPACE"),
		.service_account = IN_CLUSTER_SERVICE_ACCOUNT,
	};
}

static gboolean is_set(const char *text)
{
	return text != NULL && *text != '\0';
}

gboolean in_cluster_is_possible(const struct in_cluster *in_cluster)
{
	g_autofree char *token = g_build_filename(in_cluster->service_account, "token", NULL);

	return is_set(in_cluster->host) && is_set(in_cluster->port) &&
	       g_file_test(token, G_FILE_TEST_EXISTS) && !g_file_test(token, G_FILE_TEST_IS_DIR);
}

char *in_cluster_namespace(const struct in_cluster *in_cluster)
{
	g_autofree char *path = g_build_filename(in_cluster->service_account, "namespace", NULL);
	g_autofree char *namespace = NULL;
	g_autoptr(GBytes) bytes = NULL;
	const char *data;
	size_t length;

	if (is_set(in_cluster->namespace))
		return g_strdup(in_cluster->namespace);
	if (secret_file_read(path, "namespace", NAMESPACE_LIMIT, &bytes, NULL) == 0) {
		data = g_bytes_get_data(bytes, &length);
		namespace = g_strndup(data, length);
		if (*g_strstrip(namespace) != '\0')
			return g_steal_pointer(&namespace);
	}
	return g_strdup("default");
}

int in_cluster_resolve(const struct in_cluster *in_cluster, const struct credential_clock *clock,
	struct connection *connection, GError **error)
{
	g_autofree char *token = g_build_filename(in_cluster->service_account, "token", NULL);
	g_autofree char *ca = g_build_filename(in_cluster->service_account, "ca.crt", NULL);
	const struct credential_files files = {.owner = "in-cluster", .token_path = token};
	gboolean six = strchr(in_cluster->host, ':') != NULL;
	int result;

	result = secret_file_read(ca, "in-cluster: certificate-authority", CREDENTIAL_PEM_LIMIT,
		&connection->ca, error);
	if (result == 0)
		result = credential_check_certificate(connection->ca, ca, error);
	connection->ca_path = g_strdup(ca);
	if (result == 0)
		result = credential_files_create(&files, clock, &connection->credentials, error);
	if (result < 0)
		return result;
	g_ptr_array_add(
		connection->servers, g_strdup_printf("https://%s%s%s:%s", six ? "[" : "",
					     in_cluster->host, six ? "]" : "", in_cluster->port));
	g_free(connection->namespace);
	connection->namespace = in_cluster_namespace(in_cluster);
	return 0;
}
