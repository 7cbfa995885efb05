/*
 * The connection of a pod to its own API server: client-go/rest InClusterConfig and
 * clientcmd's inClusterClientConfig (protocol.md 26).
 */
#pragma once

#include "client/connection.h"
#include "client/credential_source.h"

#define IN_CLUSTER_SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

struct in_cluster {
	const char *host; /* $KUBERNETES_SERVICE_HOST */
	const char *port; /* $KUBERNETES_SERVICE_PORT */
	const char *namespace; /* $POD_NAMESPACE */
	const char *service_account; /* the directory of token, ca.crt and namespace */
};

/* From the process environment; strings are borrowed from it. */
struct in_cluster in_cluster_environment(void);

/* Host and port are set and the token is there. */
gboolean in_cluster_is_possible(const struct in_cluster *in_cluster);

/* The namespace: as set, else the service account's, else "default". The caller owns it. */
char *in_cluster_namespace(const struct in_cluster *in_cluster);

/*
 * Fills server, CA, namespace and credentials of a connection fresh from connection_create.
 * Errors name the file. clock as in credentials_create.
 */
int in_cluster_resolve(const struct in_cluster *in_cluster, const struct credential_clock *clock,
	struct connection *connection, GError **error);
