#include "kubefs/node.h"

#include <string.h>

#include "client/lock.h"
#include "kubefs/overlay.h"

#define ROOT_ID 1

struct node_table {
	pthread_mutex_t lock;
	GHashTable *by_id; /* &node->id -> struct node *; holds a reference */
	GHashTable *by_key; /* &node->key -> struct node *, the same ones */
	uint64_t last_id;
};

static guint hash_string(const char *text)
{
	return text != NULL ? g_str_hash(text) : 0;
}

static guint key_hash(const void *pointer)
{
	const struct node_key *key = pointer;
	guint hash = (guint)key->kind * 31 + (guint)key->format + g_int64_hash(&key->revision);

	if (key->snapshot != NULL)
		return hash * 31 + g_direct_hash(key->snapshot) * 2654435761U;
	if (key->value != NULL)
		return hash * 31 + g_direct_hash(key->value) * 2654435761U;
	if (key->prefix != NULL)
		hash = hash * 31 + g_bytes_hash(key->prefix) + (key->slashless ? 1 : 0);
	hash = hash * 31 + g_direct_hash(key->context);
	hash = hash * 31 + g_direct_hash(key->text);
	hash = hash * 31 + g_direct_hash(key->local);
	hash = hash * 31 + g_direct_hash(key->rejected);
	hash = hash * 31 + hash_string(key->namespace);
	hash = hash * 31 + hash_string(key->name);
	return hash * 31 + (key->resource != NULL ? g_str_hash(key->resource->name) : 0);
}

static gboolean same_resource(const struct resource *a, const struct resource *b)
{
	return a == b || (a != NULL && b != NULL && resource_equal(a, b));
}

static gboolean same_prefix(const struct node_key *a, const struct node_key *b)
{
	if (a->prefix == NULL || b->prefix == NULL)
		return a->prefix == b->prefix;
	return !a->slashless == !b->slashless && g_bytes_equal(a->prefix, b->prefix);
}

static gboolean key_equal(const void *pointer_a, const void *pointer_b)
{
	const struct node_key *a = pointer_a;
	const struct node_key *b = pointer_b;

	if (a->kind != b->kind || a->format != b->format || a->snapshot != b->snapshot ||
		a->context != b->context || a->text != b->text || a->local != b->local ||
		a->rejected != b->rejected || a->value != b->value || a->revision != b->revision ||
		!same_prefix(a, b))
		return FALSE;
	return g_strcmp0(a->namespace, b->namespace) == 0 && g_strcmp0(a->name, b->name) == 0 &&
	       same_resource(a->resource, b->resource);
}

struct node *node_ref(struct node *node)
{
	g_atomic_int_inc(&node->references);
	return node;
}

struct node *node_unref(struct node *node)
{
	if (node == NULL || !g_atomic_int_dec_and_test(&node->references))
		return NULL;
	g_free((char *)node->key.namespace);
	g_free((char *)node->key.name);
	resource_unref(node->key.resource);
	snapshot_unref(node->key.snapshot);
	g_clear_pointer(&node->key.text, g_bytes_unref);
	local_unref(node->key.local);
	rejected_unref(node->key.rejected);
	g_clear_pointer(&node->key.prefix, g_bytes_unref);
	key_snapshot_unref(node->key.value);
	g_clear_pointer(&node->text, g_bytes_unref);
	g_clear_pointer(&node->moved, g_bytes_unref);
	g_free(node);
	return NULL;
}

/* NULL would mean that there is none. */
static const char *bytes_text(GBytes *bytes, size_t *ret_length)
{
	const char *text = g_bytes_get_data(bytes, ret_length);

	return text != NULL ? text : "";
}

const char *node_text(const struct node *node, size_t *ret_length)
{
	const struct node_key *key = &node->key;
	GBytes *text = key->text != NULL ? key->text : node->text;

	if (key->rejected != NULL)
		text = key->rejected->text;
	if (key->value != NULL && (key->kind != NODE_KEY_VIEW || key->format == NODE_RAW))
		text = key->value->value;
	if (text != NULL)
		return bytes_text(text, ret_length);
	if (key->snapshot == NULL)
		return NULL;
	*ret_length = key->snapshot->yaml_length;
	return key->snapshot->yaml;
}

void node_unref_pointer(struct node **node)
{
	node_unref(*node);
}

static void unref_value(void *node)
{
	node_unref(node);
}

static struct node *add(struct node_table *table, const struct node_key *key)
{
	struct node *node = g_new0(struct node, 1);

	node->key = *key;
	node->key.namespace = g_strdup(key->namespace);
	node->key.name = g_strdup(key->name);
	if (key->resource != NULL)
		resource_ref(key->resource);
	if (key->snapshot != NULL)
		snapshot_ref(key->snapshot);
	if (key->text != NULL)
		g_bytes_ref(key->text);
	if (key->local != NULL)
		local_ref(key->local);
	if (key->rejected != NULL)
		rejected_ref(key->rejected);
	if (key->prefix != NULL)
		g_bytes_ref(key->prefix);
	if (key->value != NULL)
		key_snapshot_ref(key->value);
	node->references = 1;
	node->id = ++table->last_id;
	g_hash_table_insert(table->by_id, &node->id, node);
	g_hash_table_insert(table->by_key, &node->key, node);
	return node;
}

struct node_table *node_table_create(const struct node_key *root)
{
	struct node_table *table = g_new0(struct node_table, 1);

	pthread_mutex_init(&table->lock, NULL);
	table->by_id = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, unref_value);
	table->by_key = g_hash_table_new(key_hash, key_equal);
	table->last_id = ROOT_ID - 1;
	add(table, root)->lookups = 1;
	return table;
}

void node_table_destroy(struct node_table *table)
{
	if (table == NULL)
		return;
	g_hash_table_destroy(table->by_key);
	g_hash_table_destroy(table->by_id);
	pthread_mutex_destroy(&table->lock);
	g_free(table);
}

struct node *node_table_get(struct node_table *table, uint64_t id)
{
	LOCK_GUARD(&table->lock);
	struct node *node = g_hash_table_lookup(table->by_id, &id);

	return node != NULL ? node_ref(node) : NULL;
}

struct node *node_table_enter(struct node_table *table, const struct node_key *key, GBytes *text)
{
	LOCK_GUARD(&table->lock);
	struct node *node = g_hash_table_lookup(table->by_key, key);

	if (node == NULL) {
		node = add(table, key);
		node->text = text;
	} else if (text != NULL) {
		g_bytes_unref(text);
	}
	node->lookups++;
	return node_ref(node);
}

struct node *node_table_find(struct node_table *table, const struct node_key *key)
{
	LOCK_GUARD(&table->lock);
	struct node *node = g_hash_table_lookup(table->by_key, key);

	return node != NULL ? node_ref(node) : NULL;
}

struct node *node_table_renew(struct node_table *table, const struct node_key *key)
{
	LOCK_GUARD(&table->lock);
	struct node *node = g_hash_table_lookup(table->by_key, key);

	if (node == NULL)
		return NULL;
	node->renewed = TRUE;
	g_hash_table_remove(table->by_key, key);
	return node_ref(node);
}

void node_table_move(struct node_table *table, struct node *node, GBytes *key)
{
	LOCK_GUARD(&table->lock);

	g_clear_pointer(&node->moved, g_bytes_unref);
	node->moved = g_bytes_ref(key);
}

gboolean node_table_is_renewed(struct node_table *table, const struct node *node, GBytes **ret_key)
{
	LOCK_GUARD(&table->lock);

	*ret_key = node->moved != NULL ? g_bytes_ref(node->moved) : NULL;
	return node->renewed;
}

void node_table_forget(struct node_table *table, uint64_t id, uint64_t lookups)
{
	LOCK_GUARD(&table->lock);
	struct node *node = g_hash_table_lookup(table->by_id, &id);

	if (node == NULL || id == ROOT_ID)
		return;
	node->lookups -= MIN(lookups, node->lookups);
	if (node->lookups > 0)
		return;
	/* Another node may have taken its place (node_table_renew). */
	if (g_hash_table_lookup(table->by_key, &node->key) == node)
		g_hash_table_remove(table->by_key, &node->key);
	g_hash_table_remove(table->by_id, &id);
}

GPtrArray *node_table_select(struct node_table *table, node_match match, const void *data)
{
	LOCK_GUARD(&table->lock);
	GPtrArray *selected = g_ptr_array_new_with_free_func(unref_value);
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, table->by_id);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (match(value, data))
			g_ptr_array_add(selected, node_ref(value));
	return selected;
}
