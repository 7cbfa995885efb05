/*
 * Inodes. A nodeid is either a directory, which stays, or an immutable snapshot of one version of
 * a file: a change gives the name another nodeid (writes.md 2). st_ino follows the object instead
 * (kubefs/attributes.h). A nodeid is never used twice.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "cache/key_snapshot.h"
#include "cache/snapshot.h"
#include "kubefs/context.h"

enum node_kind {
	NODE_ROOT, /* of several contexts; with one context the root is a NODE_CONTEXT */
	NODE_CONTEXT, /* namespaces/ and cluster/ */
	NODE_NAMESPACES, /* namespaces/ */
	NODE_CLUSTER, /* cluster/ */
	NODE_NAMESPACE, /* namespaces/NAMESPACE/ */
	NODE_RESOURCE, /* a resource in a namespace or of the cluster */
	NODE_CHUNK, /* names too long for one component (kubefs/escape.h) */
	NODE_VIEWS, /* NAME@/ */
	NODE_ALIAS, /* a symbolic link to a resource */
	NODE_OBJECT, /* NAME.yaml or NAME.json */
	NODE_CONTROL, /* .kubefs/, or a directory in it */
	NODE_STATEMENT, /* a file in either */
	NODE_VIEW, /* a file in NAME@/ */
	NODE_LOCAL, /* a draft or a scratch file */
	NODE_REJECTED, /* NAME.yaml.rejected */
	/* From here on all are of etcd (node_is_of_etcd). */
	NODE_KEYS, /* a directory of keys of etcd (kubefs/key_path.h) */
	NODE_KEY, /* a key of etcd */
	NODE_KEY_VIEWS, /* KEY@/ */
	NODE_KEY_VIEW, /* a file in KEY@/ */
	NODE_KEY_VERSIONS, /* KEY@/revisions/ */
	NODE_REVISIONS, /* .revisions/, of the past of all keys */
	NODE_V2_DIRECTORY, /* a directory of etcd's v2 store (kubefs/v2_layout.h) */
	NODE_V2_KEY,
};

enum node_format {
	NODE_YAML,
	NODE_JSON,
	NODE_FORMATS,
	NODE_RAW = NODE_FORMATS, /* of a key alone: the bytes of the value */
};

struct local;
struct rejected;

/* What a node is; two nodes are never equal in it. Everything is fixed when the node is made. */
struct node_key {
	enum node_kind kind;
	enum node_format format; /* NODE_OBJECT, NODE_KEY_VIEW */
	struct context *context; /* NULL for NODE_ROOT, CONTROL, STATEMENT, KEYS, KEY */
	const char *namespace; /* unescaped, "" for the cluster's; NULL where there is none */
	struct resource *resource; /* NODE_RESOURCE, CHUNK, VIEWS, ALIAS, OBJECT, VIEW */
	/*
	 * CHUNK: the escaped bytes so far, likewise KEYS, or NULL; VIEWS: the object's; ALIAS,
	 * VIEW: the name; CONTROL, STATEMENT: the path in .kubefs/, NULL for that itself;
	 * V2_DIRECTORY: the path in etcd2/, likewise
	 */
	const char *name;
	struct snapshot *snapshot; /* NODE_OBJECT, NODE_VIEW */
	GBytes *text; /* NODE_STATEMENT, VIEW: its content, part of the key by address */
	struct local *local; /* NODE_LOCAL */
	struct rejected *rejected; /* NODE_REJECTED */
	/* NODE_KEYS: a struct key_scope; NODE_KEY_VIEWS, VERSIONS: prefix is the key. */
	GBytes *prefix;
	gboolean slashless;
	int64_t revision; /* NODE_KEY*: in which the key is looked at; 0: now */
	struct key_snapshot *value; /* NODE_KEY, NODE_KEY_VIEW, NODE_V2_KEY */
	/* NODE_KEY_VIEW of a text: what stat says; follows from the rest, and tells none apart. */
	size_t length;
	struct timespec modified;
};

struct node {
	struct node_key key; /* strings and references are the node's own */
	uint64_t id;
	gint references;
	uint64_t lookups; /* the kernel's; guarded by the table */
	/* The kernel may have it under another name than its own (node_table_renew); guarded by the
	 * table */
	gboolean renewed;
	GBytes *moved; /* NODE_KEY: the key of that name; NULL: its own, as far as is known */
	GBytes *text; /* NODE_OBJECT as JSON: the content; set before the node is visible */
};

struct node_table;

/* The root has id FUSE_ROOT_ID and is never forgotten. */
struct node_table *node_table_create(const struct node_key *root);
void node_table_destroy(struct node_table *table); /* NULL is fine */

/* A reference, or NULL when the kernel never got that id or has forgotten it. Any thread. */
struct node *node_table_get(struct node_table *table, uint64_t id);
/*
 * The node of that key, made if need be, with one more lookup and a reference for the caller.
 * text: taken over when the node is new, else dropped; may be NULL. Any thread.
 */
struct node *node_table_enter(struct node_table *table, const struct node_key *key, GBytes *text);
/* The node of that key if the kernel knows it, a reference, else NULL. Any thread. */
struct node *node_table_find(struct node_table *table, const struct node_key *key);
/*
 * The next one who enters the key gets another node: the kernel believes that this one has moved
 * to another name (RENAME of an object), or will soon. Returns the node that it was, a reference,
 * or NULL. Any thread.
 */
struct node *node_table_renew(struct node_table *table, const struct node_key *key);
/* A renewed node of a key of etcd has the name of that other key now. Any thread. */
void node_table_move(struct node_table *table, struct node *node, GBytes *key);
/*
 * Whether the node was renewed, and with *ret_key the key of etcd whose name it may have, or NULL
 * when that is its own: a reference. Any thread.
 */
gboolean node_table_is_renewed(struct node_table *table, const struct node *node, GBytes **ret_key);
void node_table_forget(struct node_table *table, uint64_t id, uint64_t lookups);

/* References to all nodes for which match says TRUE; match is called under the table's lock. */
typedef gboolean (*node_match)(const struct node *node, const void *data);
GPtrArray *node_table_select(struct node_table *table, node_match match, const void *data);

/* What a regular file with a content that never changes holds; NULL for others. Borrowed. */
const char *node_text(const struct node *node, size_t *ret_length);

struct node *node_ref(struct node *node);
struct node *node_unref(struct node *node); /* returns NULL; NULL is fine */
void node_unref_pointer(struct node **node);

#define NODE_CLEANUP __attribute__((cleanup(node_unref_pointer)))

static inline gboolean node_is_directory(const struct node *node)
{
	return node->key.kind <= NODE_VIEWS || node->key.kind == NODE_CONTROL ||
	       node->key.kind == NODE_KEYS || node->key.kind == NODE_KEY_VIEWS ||
	       node->key.kind == NODE_KEY_VERSIONS || node->key.kind == NODE_REVISIONS ||
	       node->key.kind == NODE_V2_DIRECTORY;
}

/* What is of etcd. */
static inline gboolean node_is_of_etcd(const struct node *node)
{
	return node->key.kind >= NODE_KEYS;
}
