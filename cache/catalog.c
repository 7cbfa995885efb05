#include "cache/catalog.h"

#include <string.h>

struct catalog {
	gint references;
	struct source_catalog *discovered;
	GHashTable *by_name; /* resource->name -> struct resource *, both borrowed */
	GHashTable *by_alias; /* owned -> struct resource *, borrowed */
};

static void add_alias(struct catalog *catalog, char *alias, struct resource *resource)
{
	/* The first one to claim a name keeps it, as in kubectl's RESTMapper. */
	if (alias[0] == '\0' || g_hash_table_contains(catalog->by_alias, alias))
		g_free(alias);
	else
		g_hash_table_insert(catalog->by_alias, alias, resource);
}

static void add_spellings(struct catalog *catalog, const char *word, struct resource *resource)
{
	if (word == NULL || word[0] == '\0')
		return;
	add_alias(catalog, g_strdup(word), resource);
	if (resource->group[0] == '\0')
		return;
	add_alias(catalog, g_strdup_printf("%s.%s", word, resource->group), resource);
	add_alias(catalog, g_strdup_printf("%s.%s.%s", word, resource->version, resource->group),
		resource);
}

struct catalog *catalog_create(struct source_catalog *discovered)
{
	struct catalog *catalog = g_new0(struct catalog, 1);

	catalog->references = 1;
	catalog->discovered = discovered;
	catalog->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	catalog->by_alias = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < discovered->resources->len; i++) {
		struct resource *resource = g_ptr_array_index(discovered->resources, i);

		g_hash_table_insert(catalog->by_name, resource->name, resource);
	}
	/* Plurals and singulars come before short names, which never hide them. */
	for (guint i = 0; i < discovered->resources->len; i++) {
		struct resource *resource = g_ptr_array_index(discovered->resources, i);
		g_autofree char *kind = g_ascii_strdown(resource->kind, -1);

		add_spellings(catalog, resource->plural, resource);
		add_spellings(catalog, resource->singular, resource);
		add_spellings(catalog, kind, resource);
	}
	for (guint i = 0; i < discovered->resources->len; i++) {
		struct resource *resource = g_ptr_array_index(discovered->resources, i);

		for (char **word = resource->short_names; word != NULL && *word != NULL; word++)
			add_spellings(catalog, *word, resource);
	}
	return catalog;
}

struct catalog *catalog_ref(struct catalog *catalog)
{
	g_atomic_int_inc(&catalog->references);
	return catalog;
}

struct catalog *catalog_unref(struct catalog *catalog)
{
	if (catalog == NULL || !g_atomic_int_dec_and_test(&catalog->references))
		return NULL;
	g_hash_table_destroy(catalog->by_name);
	g_hash_table_destroy(catalog->by_alias);
	source_catalog_free(catalog->discovered);
	g_free(catalog);
	return NULL;
}

struct resource *catalog_find(const struct catalog *catalog, const char *name)
{
	return g_hash_table_lookup(catalog->by_name, name);
}

struct resource *catalog_find_alias(const struct catalog *catalog, const char *alias)
{
	return g_hash_table_lookup(catalog->by_alias, alias);
}

size_t catalog_count(const struct catalog *catalog)
{
	return catalog->discovered->resources->len;
}

struct resource *catalog_at(const struct catalog *catalog, size_t index)
{
	return g_ptr_array_index(catalog->discovered->resources, index);
}

const GPtrArray *catalog_partial(const struct catalog *catalog)
{
	return catalog->discovered->partial;
}

gboolean catalog_equal(const struct catalog *a, const struct catalog *b)
{
	if (catalog_count(a) != catalog_count(b))
		return FALSE;
	for (size_t i = 0; i < catalog_count(a); i++) {
		const struct resource *mine = catalog_at(a, i);
		const struct resource *other = catalog_find(b, mine->name);

		if (other == NULL || !resource_equal(mine, other))
			return FALSE;
	}
	return TRUE;
}
