/*
 * kubeconfig: finding, merging and resolving, by the rules of client-go/tools/clientcmd
 * (protocol.md 23 to 26). An option that we cannot honour is an error that names it.
 *
 * Any thread, one at a time. Blocks on the disk only; runs no plugin.
 */
#pragma once

#include <glib.h>

#include "client/connection.h"

#define KUBECONFIG_IN_CLUSTER "in-cluster"

struct kubeconfig;

/* What the command line says in place of the file; NULL means that it says nothing. */
struct kubeconfig_overrides {
	/*
	 * Base URLs tried in turn, in place of the cluster's. As with kubectl's --server the file's
	 * tls-server-name does not count then; tls_server_name does.
	 */
	char **servers;
	const char *tls_server_name; /* --tls-server-name */
	const char *namespace; /* --namespace */
	/* Each replaces what the file says, the extras key by key. */
	const char *as; /* --as */
	const char *as_uid; /* --as-uid */
	char **as_groups; /* --as-group, each */
	char **as_user_extra; /* --as-user-extra, each "KEY=VALUE" */
};

/*
 * explicit_path (--kubeconfig): that file alone, and it must exist. NULL: the files of $KUBECONFIG,
 * missing ones ignored; without it $HOME/.kube/config. Where none of these chooses a context and
 * this is a pod (client/in_cluster.h), KUBECONFIG_IN_CLUSTER is a context too, and the current one.
 * The caller owns *ret_config. Errors: ENOENT no configuration at all, EINVAL syntax or a value of
 * a wrong kind (with file and line), or what reading a file gave.
 */
int kubeconfig_load(const char *explicit_path, struct kubeconfig **ret_config, GError **error);
void kubeconfig_destroy(struct kubeconfig *config); /* NULL is fine */

/* NULL-terminated, sorted, owned by config. */
const char *const *kubeconfig_contexts(const struct kubeconfig *config);
/* NULL when no file sets one. */
const char *kubeconfig_current_context(const struct kubeconfig *config);
/*
 * The namespace of a context (NULL: the current one). Where it says none: "default", or in a pod
 * the pod's own, as kubectl has it. Owned by config.
 */
const char *kubeconfig_namespace(const struct kubeconfig *config, const char *context);

/*
 * context: NULL for the current one. overrides may be NULL. Reads the certificate files that are
 * named, so that a missing one is told now. The caller owns a reference to *ret_connection.
 * Errors: ENOENT no such context, cluster, user or file; EINVAL what contradicts itself; ENOTSUP
 * what we cannot honour. Messages are one line and name the thing and the file.
 */
int kubeconfig_resolve(struct kubeconfig *config, const char *context,
	const struct kubeconfig_overrides *overrides, struct connection **ret_connection,
	GError **error);
