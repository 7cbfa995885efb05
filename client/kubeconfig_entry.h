/*
 * One named cluster, user or context of a kubeconfig, and the reading of its fields with errors
 * that say where they are. For kubeconfig.c and kubeconfig_resolve.c.
 */
#pragma once

#include <glib.h>

#include "client/in_cluster.h"
#include "client/kubeconfig.h"
#include "client/yaml_tree.h"

struct kubeconfig_entry {
	const char *kind; /* "cluster", "user" or "context" */
	char *name;
	char *file; /* that holds it, as it was named */
	char *directory; /* of that file, absolute */
	char *owner; /* for messages: user "NAME" in FILE */
	struct yaml_node *node; /* the mapping; YAML_NULL or NULL when there is none */
};

struct kubeconfig {
	GHashTable *clusters; /* name -> struct kubeconfig_entry *, owned */
	GHashTable *users;
	GHashTable *contexts;
	char *current_context; /* or NULL */
	const char **context_names; /* NULL-terminated, sorted, borrowed from contexts */
	char *origin; /* for messages: the files, or where they were looked for */
	char *default_namespace; /* where a context has none */
	gboolean in_cluster; /* the in-cluster context is there as well */
	struct in_cluster pod;
};

/* Where to look. kubeconfig_load fills it from the process environment. */
struct kubeconfig_places {
	const char *explicit_path; /* --kubeconfig */
	const char *list; /* $KUBECONFIG */
	const char *home;
	struct in_cluster pod; /* its strings must outlive the kubeconfig */
};

int kubeconfig_load_from(
	const struct kubeconfig_places *places, struct kubeconfig **ret_config, GError **error);

/* -ENOTSUP with a message for the first key of node that is not null nor in known. */
int kubeconfig_entry_check_keys(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *const *known, GError **error);
/*
 * A field of node (the entry's own or one below it). Strings are borrowed; NULL or FALSE when it
 * is absent, null or empty. -EINVAL with file, line and field when it is of another kind.
 */
int kubeconfig_entry_string(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, const char **ret_text, GError **error);
int kubeconfig_entry_boolean(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, gboolean *ret_value, GError **error);
/* NULL when absent or null. kind: YAML_MAPPING or YAML_SEQUENCE. */
int kubeconfig_entry_collection(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, enum yaml_kind kind, const struct yaml_node **ret_node, GError **error);
/* A sequence of strings, NULL-terminated and owned by the caller; NULL when absent or null. */
int kubeconfig_entry_strings(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, char ***ret_strings, GError **error);
/* A string field that is base64; NULL when absent, null or empty. */
int kubeconfig_entry_bytes(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, GBytes **ret_bytes, GError **error);
/* A string field that is a path, made absolute; NULL as above. The caller owns it. */
int kubeconfig_entry_path(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, char **ret_path, GError **error);
