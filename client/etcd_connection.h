/*
 * How to reach an etcd cluster, as etcdctl is told (its options and ETCDCTL_* variables) or as an
 * etcd:// URL says: a struct connection for client/http.h.
 */
#pragma once

#include <glib.h>

#include "client/connection.h"

#define ETCD_PASSWORD_LIMIT ((size_t)64 * 1024)

/* All strings are owned and may be NULL; wiped where they are secret. All zero is empty. */
struct etcd_options {
	char *url; /* etcd://... or etcds://...; it beats endpoints */
	char *endpoints; /* --endpoints */
	char *cacert; /* files */
	char *cert;
	char *key;
	gboolean insecure_skip_tls_verify;
	char *user; /* without a password */
	char *password;
};

void etcd_options_clear(struct etcd_options *options);

/* --user: NAME or NAME:PASSWORD; a part that is there already stays. */
void etcd_options_set_user(struct etcd_options *options, const char *user);

/*
 * What ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY, _INSECURE_SKIP_TLS_VERIFY, _USER and _PASSWORD say
 * where options say nothing; the endpoints only when there is no URL. An empty one is none.
 */
void etcd_options_take_environment(struct etcd_options *options);

/* The file's content up to its first line's end is the password. Errors as secret_file_read. */
int etcd_options_read_password(struct etcd_options *options, const char *path, GError **error);

/*
 * Reads the files once; they are read again as those of a kubeconfig are. prefix: of the URL, empty
 * without one. Returns 0, -EINVAL for what is wrong or missing in the options, or what reading
 * gave. user and password are not looked at: they go to etcd_client_create.
 */
int etcd_connection_create(const struct etcd_options *options, struct connection **ret_connection,
	GBytes **ret_prefix, GError **error);
