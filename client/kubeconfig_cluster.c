#include <errno.h>
#include <string.h>

#include "client/credential_files.h"
#include "client/error.h"
#include "client/kubeconfig_resolve.h"
#include "client/secret.h"

static const char *const cluster_keys[] = {"server", "tls-server-name", "insecure-skip-tls-verify",
	"certificate-authority", "certificate-authority-data", "proxy-url", "disable-compression",
	"extensions", NULL};

/* A password in a URL must not be shown: all that may be one is left out. */
static int fail_url(const char *owner, const char *option, const char *why, GError **error)
{
	return error_set(error, EINVAL, "%s: %s %s", owner, option, why);
}

static gboolean has_blanks(const char *text)
{
	for (; *text != '\0'; text++) {
		if (g_ascii_isspace(*text) || g_ascii_iscntrl(*text))
			return TRUE;
	}
	return FALSE;
}

static gboolean has_host(GUri *uri)
{
	return uri != NULL && g_uri_get_host(uri) != NULL && *g_uri_get_host(uri) != '\0';
}

static gboolean has_path(const char *host)
{
	const char *slash = strchr(host, '/');

	return slash != NULL && slash[1] != '\0';
}

/*
 * A base URL as client-go takes it (rest/url_utils.go DefaultServerURL, clientcmd ClientConfig):
 * http where it says no scheme, its path kept, query and fragment dropped.
 */
static int normalize_server(const char *owner, const char *server, char **ret_url, GError **error)
{
	g_autoptr(GUri) parsed = g_uri_parse(server, G_URI_FLAGS_PARSE_RELAXED, NULL);
	gboolean bare = !has_host(parsed);
	g_autofree char *url = g_strconcat(bare ? "http://" : "", server, NULL);
	size_t length = strcspn(url, "?#");

	if (bare) {
		g_clear_pointer(&parsed, g_uri_unref);
		parsed = g_uri_parse(url, G_URI_FLAGS_PARSE_RELAXED, NULL);
	}
	url[length] = '\0';
	if (!has_host(parsed) || has_blanks(server) || (bare && has_path(url + strlen("http://"))))
		return fail_url(owner, "server", "is neither a URL nor HOST:PORT", error);
	if (!g_str_equal(g_uri_get_scheme(parsed), "http") &&
		!g_str_equal(g_uri_get_scheme(parsed), "https"))
		return fail_url(owner, "server", "must be an http or https URL", error);
	if (g_uri_get_userinfo(parsed) != NULL)
		return error_set(error, ENOTSUP,
			"%s: server: a user in the URL is not supported, set username and password",
			owner);
	while (url[length - 1] == '/')
		url[--length] = '\0';
	*ret_url = g_steal_pointer(&url);
	return 0;
}

static int add_server(
	struct connection *connection, const char *owner, const char *server, GError **error)
{
	char *url = NULL;
	int result = normalize_server(owner, server, &url, error);

	if (result == 0)
		g_ptr_array_add(connection->servers, url);
	return result;
}

int kubeconfig_override_servers(
	const struct kubeconfig_overrides *overrides, struct connection *connection, GError **error)
{
	int result = 0;

	if (overrides->servers != NULL && *overrides->servers != NULL) {
		g_ptr_array_set_size(connection->servers, 0);
		g_clear_pointer(&connection->tls_server_name, g_free);
		for (char **server = overrides->servers; result == 0 && *server != NULL; server++)
			result = add_server(connection, "the command line", *server, error);
	}
	if (overrides->tls_server_name != NULL && *overrides->tls_server_name != '\0') {
		g_free(connection->tls_server_name);
		connection->tls_server_name = g_strdup(overrides->tls_server_name);
	}
	return result;
}

static int resolve_servers(const struct kubeconfig_entry *cluster,
	const struct kubeconfig_overrides *overrides, struct connection *connection, GError **error)
{
	const char *server = NULL, *name = NULL;
	int result = kubeconfig_entry_string(cluster, cluster->node, "server", &server, error);

	if (result == 0)
		result = kubeconfig_entry_string(
			cluster, cluster->node, "tls-server-name", &name, error);
	if (result < 0)
		return result;
	connection->tls_server_name = g_strdup(name);
	if (overrides->servers == NULL || *overrides->servers == NULL) {
		if (server == NULL)
			return error_set(error, EINVAL, "%s: it has no server", cluster->owner);
		result = add_server(connection, cluster->owner, server, error);
	}
	return result < 0 ? result : kubeconfig_override_servers(overrides, connection, error);
}

/* CA from the file or the inline data, never both (clientcmd/validation.go). */
static int resolve_ca(
	const struct kubeconfig_entry *cluster, struct connection *connection, GError **error)
{
	g_autofree char *path = NULL;
	g_autofree char *where = NULL;
	g_autoptr(GBytes) data = NULL;
	int result = kubeconfig_entry_path(
		cluster, cluster->node, "certificate-authority", &path, error);

	if (result == 0)
		result = kubeconfig_entry_bytes(
			cluster, cluster->node, "certificate-authority-data", &data, error);
	if (result < 0 || (path == NULL && data == NULL))
		return result;
	if (path != NULL && data != NULL)
		return error_set(error, EINVAL,
			"%s: certificate-authority and certificate-authority-data exclude each "
			"other",
			cluster->owner);
	where = g_strdup_printf(
		"%s: certificate-authority%s", cluster->owner, path == NULL ? "-data" : "");
	if (path != NULL)
		result = secret_file_read(path, where, CREDENTIAL_PEM_LIMIT, &data, error);
	if (result < 0)
		return result;
	result = credential_check_certificate(data, where, error);
	if (result < 0)
		return result;
	connection->ca = g_steal_pointer(&data);
	connection->ca_path = g_steal_pointer(&path);
	return 0;
}

static int resolve_tls(
	const struct kubeconfig_entry *cluster, struct connection *connection, GError **error)
{
	int result = kubeconfig_entry_boolean(cluster, cluster->node, "insecure-skip-tls-verify",
		&connection->insecure_skip_tls_verify, error);

	if (result == 0)
		result = resolve_ca(cluster, connection, error);
	/* client-go/transport TLSConfigFor */
	if (result == 0 && connection->insecure_skip_tls_verify && connection->ca != NULL)
		result = error_set(error, EINVAL,
			"%s: insecure-skip-tls-verify and a certificate-authority exclude each "
			"other",
			cluster->owner);
	return result;
}

static int resolve_proxy(
	const struct kubeconfig_entry *cluster, struct connection *connection, GError **error)
{
	const char *url = NULL, *scheme;
	g_autoptr(GUri) parsed = NULL;
	int result = kubeconfig_entry_string(cluster, cluster->node, "proxy-url", &url, error);

	if (result < 0 || url == NULL)
		return result;
	parsed = g_uri_parse(url, G_URI_FLAGS_PARSE_RELAXED, NULL);
	if (parsed == NULL || has_blanks(url))
		return fail_url(cluster->owner, "proxy-url", "is not a URL", error);
	scheme = g_uri_get_scheme(parsed);
	if (!g_str_equal(scheme, "http") && !g_str_equal(scheme, "https") &&
		!g_str_equal(scheme, "socks5"))
		return fail_url(cluster->owner, "proxy-url",
			"must begin with http, https or socks5", error);
	if (!has_host(parsed))
		return fail_url(cluster->owner, "proxy-url", "has no host", error);
	/* Go leaves names to a SOCKS proxy; libcurl calls that socks5h. */
	connection->proxy_url = g_str_equal(scheme, "socks5")
					? g_strconcat("socks5h", url + strlen("socks5"), NULL)
					: g_strdup(url);
	return 0;
}

int kubeconfig_resolve_cluster(const struct kubeconfig_entry *cluster,
	const struct kubeconfig_overrides *overrides, struct connection *connection, GError **error)
{
	int result = kubeconfig_entry_check_keys(cluster, cluster->node, cluster_keys, error);

	if (result == 0)
		result = resolve_servers(cluster, overrides, connection, error);
	if (result == 0)
		result = resolve_tls(cluster, connection, error);
	if (result == 0)
		result = resolve_proxy(cluster, connection, error);
	if (result == 0)
		result = kubeconfig_entry_boolean(cluster, cluster->node, "disable-compression",
			&connection->disable_compression, error);
	return result;
}
