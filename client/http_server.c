#include "client/http_server.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/http_proxy.h"
#include "client/secret.h"

static void url_cleanup(CURLU **url)
{
	curl_url_cleanup(*url);
}

#define autourl __attribute__((cleanup(url_cleanup)))

/* A part as our own string, NULL when the URL has none. */
static char *url_part(CURLU *url, CURLUPart part, unsigned int flags)
{
	char *text, *copy;

	if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
		return NULL;
	copy = g_strdup(text);
	curl_free(text);
	return copy;
}

/* The whole URL without a trailing slash. */
static char *url_text(CURLU *url)
{
	char *text = url_part(url, CURLUPART_URL, 0);
	size_t length = text != NULL ? strlen(text) : 0;

	while (length > 0 && text[length - 1] == '/')
		text[--length] = '\0';
	return text;
}

/* For messages. */
static char *url_name(CURLU *url)
{
	autourl CURLU *copy = curl_url_dup(url);
	g_autofree char *text = NULL;

	curl_url_set(copy, CURLUPART_USER, NULL, 0);
	curl_url_set(copy, CURLUPART_PASSWORD, NULL, 0);
	text = url_text(copy);
	return escape_text(text != NULL ? text : "", -1);
}

/*
 * libcurl takes SNI, the verified name and the address from one host: the URL gets the name, and
 * CURLOPT_CONNECT_TO leads back to the address.
 */
static int replace_host(struct http_server *server, CURLU *url, const char *name)
{
	g_autofree char *host = url_part(url, CURLUPART_HOST, 0);
	g_autofree char *port = url_part(url, CURLUPART_PORT, 0);
	g_autofree char *target = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	g_autofree char *entry = NULL;

	server->host = port != NULL ? g_strdup_printf("%s:%s", host, port) : g_strdup(host);
	if (curl_url_set(url, CURLUPART_HOST, name, 0) != CURLUE_OK)
		return -EINVAL;
	entry = g_strdup_printf("%s:%s:%s:%s", name, target, host, target);
	server->connect_to = curl_slist_append(NULL, entry);
	return server->connect_to != NULL ? 0 : -ENOMEM;
}

static void choose_proxy(struct http_server *server, const struct connection *connection,
	const char *scheme, const char *host, const char *port)
{
	autourl CURLU *url = NULL;

	server->proxy = connection->proxy_url != NULL
				? g_strdup(connection->proxy_url)
				: http_proxy_from_environment(scheme, host, port);
	if (server->proxy == NULL) {
		server->proxy = g_strdup("");
		return;
	}
	url = curl_url();
	if (curl_url_set(url, CURLUPART_URL, server->proxy, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
		server->proxy_name = url_name(url);
	else
		server->proxy_name = g_strdup("the proxy");
}

/* IPv6 hosts stand in brackets in URLs, and there only. */
static char *bare_host(CURLU *url)
{
	char *host = url_part(url, CURLUPART_HOST, 0);
	size_t length = host != NULL ? strlen(host) : 0;

	if (length > 2 && host[0] == '[') {
		memmove(host, host + 1, length - 2);
		host[length - 2] = '\0';
	}
	return host;
}

static int take_apart(struct http_server *server, const struct connection *connection, CURLU *url)
{
	g_autofree char *scheme = url_part(url, CURLUPART_SCHEME, 0);
	g_autofree char *host = bare_host(url);
	g_autofree char *port = url_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	int result = 0;

	if (scheme == NULL || host == NULL || port == NULL ||
		(strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
		return -EINVAL;
	server->name = url_name(url);
	server->tls = strcmp(scheme, "https") == 0;
	server->loopback = http_proxy_is_loopback(host);
	choose_proxy(server, connection, scheme, host, port);
	if (connection->tls_server_name != NULL && server->tls)
		result = replace_host(server, url, connection->tls_server_name);
	server->url = url_text(url);
	return server->url != NULL ? result : -EINVAL;
}

int http_server_create(const struct connection *connection, const char *url,
	struct http_server **ret_server, GError **error)
{
	struct http_server *server = g_new0(struct http_server, 1);
	autourl CURLU *parsed = curl_url();
	g_autofree char *shown = NULL;
	int result = -EINVAL;

	if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK)
		result = take_apart(server, connection, parsed);
	if (result < 0) {
		http_server_free(server);
		/* What cannot be parsed cannot be shown without its password. */
		shown = strchr(url, '@') == NULL ? escape_text(url, -1) : g_strdup("(hidden)");
		return error_set(error, -result, "server URL %s cannot be used", shown);
	}
	*ret_server = server;
	return 0;
}

void http_server_free(struct http_server *server)
{
	if (server == NULL)
		return;
	g_free(server->name);
	g_free(server->url);
	g_free(server->host);
	curl_slist_free_all(server->connect_to);
	secret_free(server->proxy);
	g_free(server->proxy_name);
	g_free(server);
}
