#include "cache/permissions.h"

#include "client/lock.h"
#include "client/loop.h"

struct entry {
	struct rules *rules; /* NULL: unknown */
	uint64_t asked; /* loop_now() */
	gboolean pending;
};

struct permissions {
	gint references;
	struct source *source;
	struct strand *strand;
	void (*changed)(void *data, const char *namespace, gboolean again);
	void *data;
	pthread_mutex_t lock; /* guards all below */
	GHashTable *entries; /* namespace (owned) -> struct entry *, owned */
	GHashTable *calls; /* of struct source_call * under way */
	gboolean stopped;
};

struct question {
	struct permissions *permissions;
	char *namespace;
	struct source_call *call;
};

static void entry_free(void *pointer)
{
	struct entry *entry = pointer;

	rules_free(entry->rules);
	g_free(entry);
}

struct permissions *permissions_create(struct source *source, struct strand_pool *pool,
	void (*changed)(void *data, const char *namespace, gboolean again), void *data)
{
	struct permissions *permissions = g_new0(struct permissions, 1);

	permissions->references = 1;
	permissions->source = source;
	permissions->strand = strand_create(pool);
	permissions->changed = changed;
	permissions->data = data;
	pthread_mutex_init(&permissions->lock, NULL);
	permissions->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
	permissions->calls = g_hash_table_new(g_direct_hash, g_direct_equal);
	return permissions;
}

void permissions_unref(struct permissions *permissions)
{
	if (permissions == NULL || !g_atomic_int_dec_and_test(&permissions->references))
		return;
	strand_unref(permissions->strand);
	g_hash_table_destroy(permissions->entries);
	g_hash_table_destroy(permissions->calls);
	pthread_mutex_destroy(&permissions->lock);
	g_free(permissions);
}

void permissions_stop(struct permissions *permissions)
{
	LOCK_GUARD(&permissions->lock);
	GHashTableIter iter;
	void *call;

	permissions->stopped = TRUE;
	g_hash_table_iter_init(&iter, permissions->calls);
	while (g_hash_table_iter_next(&iter, &call, NULL))
		source_cancel(call);
}

static void on_rules(void *data, const struct source_result *result, const struct source_item *item)
{
	struct question *question = data;
	struct permissions *permissions = question->permissions;
	struct rules *rules = result->errnum == 0 ? rules_parse(item) : NULL;
	struct entry *entry;
	gboolean again;
	gboolean tell;

	pthread_mutex_lock(&permissions->lock);
	g_hash_table_remove(permissions->calls, question->call);
	entry = g_hash_table_lookup(permissions->entries, question->namespace);
	entry->pending = FALSE;
	again = entry->rules != NULL;
	tell = rules != NULL && !permissions->stopped && !rules_equal(entry->rules, rules);
	if (rules != NULL) {
		rules_free(entry->rules);
		entry->rules = rules;
	}
	pthread_mutex_unlock(&permissions->lock);
	if (tell)
		permissions->changed(permissions->data, question->namespace, again);
	source_call_unref(question->call);
	g_free(question->namespace);
	g_free(question);
	permissions_unref(permissions);
}

static const struct source_get_handlers rules_handlers = {.done = on_rules};

/* Under the lock. */
static void ask(struct permissions *permissions, struct entry *entry, const char *namespace)
{
	struct question *question = g_new0(struct question, 1);

	entry->pending = TRUE;
	entry->asked = loop_now();
	question->permissions = permissions;
	question->namespace = g_strdup(namespace);
	g_atomic_int_inc(&permissions->references);
	/* Rules of the cluster come with those of any namespace. */
	question->call = permissions->source->ops->rules(permissions->source,
		namespace[0] != '\0' ? namespace : "default", &rules_handlers, question,
		permissions->strand);
	g_hash_table_add(permissions->calls, question->call);
}

gboolean permissions_allow(struct permissions *permissions, const struct resource *resource,
	const char *subresource, const char *namespace, const char *verb)
{
	LOCK_GUARD(&permissions->lock);
	struct entry *entry = g_hash_table_lookup(permissions->entries, namespace);

	if (permissions->stopped)
		return TRUE;
	if (entry == NULL) {
		if (g_hash_table_size(permissions->entries) >= PERMISSIONS_NAMESPACES_MAX)
			return TRUE;
		entry = g_new0(struct entry, 1);
		g_hash_table_insert(permissions->entries, g_strdup(namespace), entry);
		ask(permissions, entry, namespace);
	} else if (!entry->pending && loop_now() - entry->asked > PERMISSIONS_AGE_MS) {
		ask(permissions, entry, namespace);
	}
	return rules_allow(entry->rules, resource, subresource, verb);
}
