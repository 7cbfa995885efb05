#include "client/etcd_connection.h"

#include <errno.h>
#include <string.h>

#include "client/credential_files.h"
#include "client/error.h"
#include "client/etcd_url.h"
#include "client/secret.h"

void etcd_options_clear(struct etcd_options *options)
{
	g_free(options->url);
	g_free(options->endpoints);
	g_free(options->cacert);
	g_free(options->cert);
	g_free(options->key);
	g_free(options->user);
	secret_free(options->password);
	*options = (struct etcd_options){0};
}

void etcd_options_set_user(struct etcd_options *options, const char *user)
{
	const char *colon = strchr(user, ':');

	if (options->user == NULL)
		options->user =
			colon != NULL ? g_strndup(user, (size_t)(colon - user)) : g_strdup(user);
	if (options->password == NULL && colon != NULL)
		options->password = g_strdup(colon + 1);
}

static const char *variable(const char *name)
{
	const char *value = g_getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

static void take(char **option, const char *name)
{
	if (*option == NULL)
		*option = g_strdup(variable(name));
}

/* As Go's strconv.ParseBool. */
static gboolean is_true(const char *value)
{
	static const char *const words[] = {"1", "t", "T", "true", "TRUE", "True"};

	for (size_t i = 0; value != NULL && i < G_N_ELEMENTS(words); i++) {
		if (strcmp(value, words[i]) == 0)
			return TRUE;
	}
	return FALSE;
}

void etcd_options_take_environment(struct etcd_options *options)
{
	const char *user = variable("ETCDCTL_USER");

	if (options->url == NULL)
		take(&options->endpoints, "ETCDCTL_ENDPOINTS");
	take(&options->cacert, "ETCDCTL_CACERT");
	take(&options->cert, "ETCDCTL_CERT");
	take(&options->key, "ETCDCTL_KEY");
	if (is_true(variable("ETCDCTL_INSECURE_SKIP_TLS_VERIFY")))
		options->insecure_skip_tls_verify = TRUE;
	take(&options->password, "ETCDCTL_PASSWORD");
	/* A user that was named has not the password of another one. */
	if (options->user == NULL && user != NULL)
		etcd_options_set_user(options, user);
}

int etcd_options_read_password(struct etcd_options *options, const char *path, GError **error)
{
	g_autoptr(GBytes) content = NULL;
	const char *text;
	size_t length;
	int r = secret_file_read(path, "password file", ETCD_PASSWORD_LIMIT, &content, error);

	if (r < 0)
		return r;
	text = g_bytes_get_data(content, &length);
	secret_free(options->password);
	options->password = g_strndup(text, length);
	options->password[strcspn(options->password, "\r\n")] = '\0';
	return 0;
}

static int read_servers(const struct etcd_options *options, struct connection *connection,
	GBytes **ret_prefix, GError **error)
{
	const gboolean tls = options->cacert != NULL || options->cert != NULL ||
			     options->insecure_skip_tls_verify;
	struct etcd_url url = {0};
	int r;

	if (options->url != NULL) {
		r = etcd_url_parse(options->url, &url, error);
		if (r < 0)
			return r;
		g_ptr_array_unref(connection->servers);
		connection->servers = g_steal_pointer(&url.servers);
		*ret_prefix = g_steal_pointer(&url.prefix);
		return 0;
	}
	if (options->endpoints == NULL)
		return error_set(error, EINVAL, "no etcd endpoints are given");
	r = etcd_endpoints_parse(options->endpoints, tls, connection->servers, error);
	if (r == 0)
		*ret_prefix = g_bytes_new_static("", 0);
	return r;
}

static gboolean has_tls(const struct connection *connection)
{
	for (guint i = 0; i < connection->servers->len; i++) {
		if (g_str_has_prefix(g_ptr_array_index(connection->servers, i), "https:"))
			return TRUE;
	}
	return FALSE;
}

/* What would be ignored in silence, or cannot be. */
static int check(
	const struct etcd_options *options, const struct connection *connection, GError **error)
{
	if ((options->cert == NULL) != (options->key == NULL))
		return error_set(error, EINVAL, "%s",
			options->cert != NULL ? "--cert is given without --key"
					      : "--key is given without --cert");
	if (options->cacert != NULL && options->insecure_skip_tls_verify)
		return error_set(error, EINVAL,
			"--cacert and --insecure-skip-tls-verify exclude each other");
	if ((options->cacert != NULL || options->cert != NULL) && !has_tls(connection))
		return error_set(error, EINVAL,
			"certificates are given, but no etcd server is asked over TLS (etcds://)");
	return 0;
}

static int read_authority(
	const struct etcd_options *options, struct connection *connection, GError **error)
{
	connection->insecure_skip_tls_verify = options->insecure_skip_tls_verify;
	if (options->cacert == NULL)
		return 0;
	connection->ca_path = g_strdup(options->cacert);
	return secret_file_read(
		options->cacert, "--cacert", CREDENTIAL_PEM_LIMIT, &connection->ca, error);
}

static int read_credentials(
	const struct etcd_options *options, struct connection *connection, GError **error)
{
	const struct credential_files files = {
		.owner = "etcd",
		.certificate_path = options->cert,
		.key_path = options->key,
	};

	return credential_files_create(&files, NULL, &connection->credentials, error);
}

int etcd_connection_create(const struct etcd_options *options, struct connection **ret_connection,
	GBytes **ret_prefix, GError **error)
{
	struct connection *connection = connection_create("etcd");
	g_autoptr(GBytes) prefix = NULL;
	int r = read_servers(options, connection, &prefix, error);

	if (r == 0)
		r = check(options, connection, error);
	if (r == 0)
		r = read_authority(options, connection, error);
	if (r == 0)
		r = read_credentials(options, connection, error);
	if (r < 0) {
		connection_unref(connection);
		return r;
	}
	*ret_connection = connection;
	*ret_prefix = g_steal_pointer(&prefix);
	return 0;
}
