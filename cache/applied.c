#include "cache/applied.h"

#include <string.h>

#include "cache/version.h"

struct entry {
	GList link; /* in the order of time */
	char *key; /* of entries */
	char *namespace;
	char *name;
	char *uid;
	char *version; /* stored; of a removed one: the last that was known */
	uint64_t applied; /* loop_now() */
	guint list; /* lists that had begun by then */
	guint hid_list; /* the last list that it hid something of */
	gboolean hid;
	gboolean removed;
};

struct applied {
	GHashTable *entries; /* entry->key -> struct entry * (owned) */
	GQueue order; /* of struct entry *, oldest first */
	uint64_t age;
	guint list; /* lists begun */
};

static void entry_free(void *pointer)
{
	struct entry *entry = pointer;

	g_free(entry->key);
	g_free(entry->namespace);
	g_free(entry->name);
	g_free(entry->uid);
	g_free(entry->version);
	g_free(entry);
}

struct applied *applied_create(uint64_t age)
{
	struct applied *applied = g_new0(struct applied, 1);

	applied->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
	g_queue_init(&applied->order);
	applied->age = age;
	return applied;
}

void applied_destroy(struct applied *applied)
{
	if (applied == NULL)
		return;
	g_hash_table_destroy(applied->entries);
	g_free(applied);
}

void applied_clear(struct applied *applied)
{
	g_queue_init(&applied->order);
	g_hash_table_remove_all(applied->entries);
}

gboolean applied_is_empty(const struct applied *applied)
{
	return g_queue_is_empty(&((struct applied *)applied)->order);
}

static char *make_key(const struct snapshot_key *key)
{
	/* Strangers choose names: a length keeps them apart, whatever they hold. */
	return g_strdup_printf("%zu/%s/%s", strlen(key->namespace), key->namespace, key->name);
}

static struct entry *find(const struct applied *applied, const struct snapshot_key *key)
{
	g_autofree char *text = NULL;

	/* The usual case, for each item of each list. */
	if (applied_is_empty(applied))
		return NULL;
	text = make_key(key);
	return g_hash_table_lookup(applied->entries, text);
}

static void end(struct applied *applied, struct entry *entry)
{
	g_queue_unlink(&applied->order, &entry->link);
	g_hash_table_remove(applied->entries, entry->key);
}

static void add(
	struct applied *applied, const struct snapshot_key *key, uint64_t now, gboolean removed)
{
	struct entry *entry = find(applied, key);

	if (entry != NULL)
		end(applied, entry);
	else if (applied->order.length >= APPLIED_MAX)
		end(applied, applied->order.head->data);
	entry = g_new0(struct entry, 1);
	entry->link.data = entry;
	entry->key = make_key(key);
	entry->namespace = g_strdup(key->namespace);
	entry->name = g_strdup(key->name);
	entry->uid = g_strdup(key->uid);
	entry->version = g_strdup(key->version);
	entry->applied = now;
	entry->list = applied->list;
	entry->removed = removed;
	g_hash_table_insert(applied->entries, entry->key, entry);
	g_queue_push_tail_link(&applied->order, &entry->link);
}

void applied_put(struct applied *applied, const struct snapshot_key *key, uint64_t now)
{
	add(applied, key, now, FALSE);
}

void applied_remove(struct applied *applied, const struct snapshot_key *key, uint64_t now)
{
	const struct entry *entry = find(applied, key);

	/* What came after it under the same name stays protected. */
	if (entry != NULL && !entry->removed && strcmp(entry->uid, key->uid) != 0 &&
		version_is_older(key->version, entry->version))
		return;
	add(applied, key, now, TRUE);
}

gboolean applied_is_removed(const struct applied *applied, const struct snapshot_key *key)
{
	const struct entry *entry = find(applied, key);

	return entry != NULL && entry->removed && strcmp(entry->uid, key->uid) == 0;
}

static gboolean hide(struct applied *applied, struct entry *entry)
{
	entry->hid = TRUE;
	entry->hid_list = applied->list;
	return TRUE;
}

gboolean applied_hides(struct applied *applied, const struct snapshot_key *key)
{
	struct entry *entry = find(applied, key);

	if (entry == NULL)
		return FALSE;
	if (entry->removed && strcmp(entry->uid, key->uid) == 0)
		return hide(applied, entry);
	if (version_is_older(key->version, entry->version))
		return hide(applied, entry);
	end(applied, entry);
	return FALSE;
}

gboolean applied_hides_removal(struct applied *applied, const struct snapshot_key *key)
{
	struct entry *entry = find(applied, key);

	if (entry == NULL)
		return FALSE;
	/* Of a removed one, this is what is waited for, whatever its version. */
	if (!(entry->removed && strcmp(entry->uid, key->uid) == 0) &&
		version_is_older(key->version, entry->version))
		return hide(applied, entry);
	end(applied, entry);
	return FALSE;
}

void applied_list_begun(struct applied *applied)
{
	applied->list++;
}

/* Whether the entry must outlive a list that may have been read before its change. */
static gboolean outlives_list(const struct applied *applied, const struct entry *entry,
	const char *version, gboolean latest)
{
	int order;

	if (latest && entry->list < applied->list)
		return FALSE;
	/* The version at which something vanished is not told. */
	if (entry->removed)
		return TRUE;
	if (version_compare(version, entry->version, &order))
		return order < 0;
	return entry->list == applied->list;
}

gboolean applied_list_ended(struct applied *applied, const char *version, gboolean latest,
	applied_visit visit, void *data)
{
	gboolean again = FALSE;
	GList *next;

	for (GList *link = applied->order.head; link != NULL; link = next) {
		struct entry *entry = link->data;
		struct snapshot_key key = {
			entry->namespace, entry->name, entry->uid, entry->version};
		gboolean hid = entry->hid && entry->hid_list == applied->list;
		gboolean outlives = outlives_list(applied, entry, version, latest);

		next = link->next;
		if (!entry->removed)
			visit(data, &key, outlives || hid);
		if (outlives) {
			/* A list without it was passed over, too. */
			entry->hid |= !entry->removed;
			continue;
		}
		again |= hid;
		end(applied, entry);
	}
	return again;
}

gboolean applied_expire(struct applied *applied, uint64_t now, uint64_t *ret_next)
{
	gboolean again = FALSE;
	struct entry *entry;

	while ((entry = g_queue_peek_head(&applied->order)) != NULL &&
		now - entry->applied >= applied->age) {
		again |= entry->hid;
		end(applied, entry);
	}
	*ret_next = entry != NULL ? applied->age - (now - entry->applied) : 0;
	return again;
}
