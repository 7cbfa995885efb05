/* One server URL of a connection, taken apart once for libcurl. Immutable. */
#pragma once

#include <curl/curl.h>

#include "client/connection.h"

struct http_server {
	char *name; /* for messages: the URL without user and password */
	char *url; /* what paths are appended to; its host is tls_server_name when there is one */
	char *host; /* the Host header's value when url's host is another, else NULL */
	struct curl_slist *connect_to; /* from url's host to the real one, or NULL */
	char *proxy; /* "" for none; may hold a password */
	char *proxy_name; /* for messages, NULL without a proxy */
	gboolean loopback;
	gboolean tls; /* https */
};

/* -EINVAL for what is no http or https URL. */
int http_server_create(const struct connection *connection, const char *url,
	struct http_server **ret_server, GError **error);
void http_server_free(struct http_server *server); /* NULL is fine */
