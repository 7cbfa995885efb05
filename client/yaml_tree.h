/*
 * A small YAML document as a tree whose nodes know their line: for kubeconfig, where an error must
 * say where it is, and for what exec plugins print. Scalars resolve as in sigs.k8s.io/yaml (YAML
 * 1.1). Not for API objects.
 *
 * Nodes are immutable once parsed and reference-counted; aliases share the node of their anchor, so
 * they cost nothing. Text is wiped when freed. Any thread, one at a time per tree.
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

#define YAML_TREE_DEPTH_MAX 100
#define YAML_TREE_NODES_MAX 500000
#define YAML_TREE_KEYS_MAX 10000 /* of one mapping */

enum yaml_kind {
	YAML_NULL,
	YAML_BOOLEAN,
	YAML_NUMBER,
	YAML_STRING,
	YAML_SEQUENCE,
	YAML_MAPPING,
};

struct yaml_node {
	enum yaml_kind kind;
	unsigned int line; /* from 1 */
	char *text; /* scalars: the value; booleans "true" or "false", numbers as in JSON */
	GPtrArray *keys; /* mappings: of char *, beside values; a key that comes twice: the last */
	GPtrArray *values; /* mappings and sequences: of struct yaml_node * */
	gint references;
};

/*
 * Parses the first document, as sigs.k8s.io/yaml does; an empty one is a YAML_NULL node. name
 * begins the messages: "NAME:LINE: ...". -EINVAL for what is not YAML, nests or grows too much, or
 * has an alias to what contains it. The caller owns the root.
 */
int yaml_tree_parse(const char *name, const char *text, size_t length, struct yaml_node **ret_root,
	GError **error);

struct yaml_node *yaml_node_ref(struct yaml_node *node);
struct yaml_node *yaml_node_unref(struct yaml_node *node); /* returns NULL; NULL is fine */

/* The value of key in a mapping, borrowed; NULL when node is NULL, no mapping, or has no such key.
 */
const struct yaml_node *yaml_node_get(const struct yaml_node *node, const char *key);

/*
 * The tree as JSON, aliases written out; numbers keep their exact text (cJSON_Raw). NULL when that
 * is more than YAML_TREE_NODES_MAX nodes. The caller owns it.
 */
cJSON *yaml_node_to_json(const struct yaml_node *node);
