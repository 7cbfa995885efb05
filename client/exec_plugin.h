/*
 * Credentials from an exec plugin, client.authentication.k8s.io v1 and v1beta1, by the rules of
 * client-go/plugin/pkg/client/auth/exec (protocol.md 25). The plugin has no terminal and no stdin.
 */
#pragma once

#include "client/credential_source.h"

#define EXEC_PLUGIN_TIMEOUT_SECONDS 60
#define EXEC_PLUGIN_OUTPUT_LIMIT ((size_t)1024 * 1024)

#define EXEC_PLUGIN_V1 "client.authentication.k8s.io/v1"
#define EXEC_PLUGIN_V1BETA1 "client.authentication.k8s.io/v1beta1"

/* Everything is copied. */
struct exec_plugin {
	const char *owner; /* for messages: whose plugin, "user "x" in FILE" */
	const char *command; /* with a '/': a path; else looked for in $PATH */
	const char *const *arguments; /* NULL-terminated, without the command; or NULL */
	const char *const
		*environment; /* NULL-terminated "NAME=VALUE", in addition to ours; or NULL */
	const char *api_version; /* one of the two above */
	const char *install_hint; /* shown when there is no such command; or NULL */
	const char *cluster; /* spec.cluster as JSON text (provideClusterInfo); or NULL */
	unsigned int timeout; /* milliseconds; 0: EXEC_PLUGIN_TIMEOUT_SECONDS */
};

/*
 * Does not run it yet: the first credentials_refresh does. Errors of a refresh are one line and
 * hold the end of the plugin's stderr, without what it also printed as a credential. -EINVAL for
 * an api_version that is neither.
 */
int exec_plugin_create(const struct exec_plugin *plugin, const struct credential_clock *clock,
	struct credentials **ret_credentials, GError **error);
