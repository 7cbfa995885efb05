/*
 * How to reach and authenticate to one API server: what a kubeconfig context (client/kubeconfig.h)
 * or the in-cluster environment resolves to. Plain, immutable once made, reference-counted.
 * Holds secrets, in memory only.
 */
#pragma once

#include <glib.h>

#include "client/credentials.h"

/* One Impersonate-Extra-KEY header a value. key is as configured: not escaped, any case. */
struct connection_extra {
	char *key;
	char *value;
};

/*
 * Impersonate-* headers. user is NULL when nobody is impersonated, and then so is all the rest.
 * Values hold no control characters (checked when the connection is made).
 */
struct connection_impersonation {
	char *user;
	char *uid; /* or NULL */
	char **groups; /* NULL-terminated, never NULL */
	GPtrArray *extras; /* of struct connection_extra *, never NULL, in order */
};

struct connection {
	char *name; /* the context's, or "in-cluster": for messages */
	GPtrArray *servers; /* of char *: base URLs, http or https, without a trailing '/', >= 1 */
	GBytes *ca; /* PEM; NULL: the system's trust store */
	char *ca_path; /* the file that it is from, or NULL */
	gboolean insecure_skip_tls_verify; /* never together with ca */
	char *tls_server_name; /* for SNI and verification in place of the URL's host, or NULL */
	char *proxy_url; /* http, https, socks5 or socks5h, may hold a password; or NULL */
	gboolean disable_compression;
	char *namespace; /* the context's or the override's; "default" when neither says */
	struct connection_impersonation impersonation;
	struct credentials *credentials; /* never NULL; those without any send nothing */
	gint references;
};

/* An empty one with the given name, one reference, no servers and no credentials yet. */
struct connection *connection_create(const char *name);
struct connection *connection_ref(struct connection *connection);
struct connection *connection_unref(struct connection *connection); /* returns NULL; NULL is fine */
