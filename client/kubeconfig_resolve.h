/* The two halves of kubeconfig_resolve: the cluster's side and the user's of a connection. */
#pragma once

#include "client/kubeconfig_entry.h"

/* Servers, TLS and proxy. Errors as of kubeconfig_resolve. */
int kubeconfig_resolve_cluster(const struct kubeconfig_entry *cluster,
	const struct kubeconfig_overrides *overrides, struct connection *connection,
	GError **error);

/* --server and --tls-server-name in place of what the connection has. */
int kubeconfig_override_servers(const struct kubeconfig_overrides *overrides,
	struct connection *connection, GError **error);

/*
 * Impersonation and credentials; the cluster's half must be done. user: NULL for none. cluster is
 * for exec plugins that want to know it. Credentials go over https only, as with client-go.
 */
int kubeconfig_resolve_user(const struct kubeconfig_entry *user,
	const struct kubeconfig_entry *cluster, const struct kubeconfig_overrides *overrides,
	struct connection *connection, GError **error);

/* The exec plugin of a user: node is its exec mapping. */
int kubeconfig_resolve_exec(const struct kubeconfig_entry *user, const struct yaml_node *node,
	const struct kubeconfig_entry *cluster, const struct connection *connection,
	struct credentials **ret_credentials, GError **error);

/* Impersonation alone. user may be NULL. */
int kubeconfig_resolve_impersonation(const struct kubeconfig_entry *user,
	const struct kubeconfig_overrides *overrides,
	struct connection_impersonation *impersonation, GError **error);
