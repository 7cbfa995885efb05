#include "kubefs/guard.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"

/* What stands for the keys of etcd in place of a resource. */
#define KEYS "etcd"

struct item {
	char *text; /* as given, for messages */
	char *resource; /* in lower case; NULL: each one */
	guint verbs; /* bits 1 << enum source_verb */
};

struct guard {
	GPtrArray *items[2]; /* of struct item *, owned, by enum guard_effect */
};

static const char *const OPTIONS[] = {[GUARD_ALLOW] = "allow", [GUARD_DENY] = "deny"};

static const struct {
	const char *name;
	const char *done;
} VERBS[] = {
	[SOURCE_CREATE] = {"create", "created"},
	[SOURCE_UPDATE] = {"update", "updated"},
	[SOURCE_DELETE] = {"delete", "deleted"},
};

static void free_item(void *pointer)
{
	struct item *item = pointer;

	g_free(item->text);
	g_free(item->resource);
	g_free(item);
}

struct guard *guard_create(void)
{
	struct guard *guard = g_new0(struct guard, 1);

	for (guint i = 0; i < G_N_ELEMENTS(guard->items); i++)
		guard->items[i] = g_ptr_array_new_with_free_func(free_item);
	return guard;
}

void guard_destroy(struct guard *guard)
{
	if (guard == NULL)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(guard->items); i++)
		g_ptr_array_unref(guard->items[i]);
	g_free(guard);
}

/* 0: no such verb. */
static guint parse_verb(const char *text)
{
	if (strcmp(text, "*") == 0)
		return (1U << G_N_ELEMENTS(VERBS)) - 1;
	for (guint i = 0; i < G_N_ELEMENTS(VERBS); i++) {
		if (strcmp(VERBS[i].name, text) == 0)
			return 1U << i;
	}
	return 0;
}

/* What could be the name of one; a pattern, say, would never match and protect nothing. */
static gboolean is_resource(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (!g_ascii_isalnum(*p) && *p != '-' && *p != '.')
			return FALSE;
	}
	return g_ascii_isalnum(text[0]);
}

static int add_item(struct guard *guard, enum guard_effect effect, const char *text, GError **error)
{
	const char *slash = strchrnul(text, '/');
	g_autofree char *resource = g_ascii_strdown(text, slash - text);
	guint verbs = parse_verb(*slash == '/' ? slash + 1 : "*");
	struct item *item;

	if (text[0] == '\0')
		return error_set(error, EINVAL, "-o %s: an item is empty", OPTIONS[effect]);
	if (verbs == 0)
		return error_set(error, EINVAL,
			"-o %s: \"%s\": the verb is none of create, update, delete and *",
			OPTIONS[effect], text);
	if (resource[0] == '\0' || strcmp(resource, "*") == 0)
		g_clear_pointer(&resource, g_free);
	else if (!is_resource(resource))
		return error_set(error, EINVAL,
			"-o %s: \"%s\" does not begin with the name of a resource or *",
			OPTIONS[effect], text);
	item = g_new0(struct item, 1);
	item->text = g_strdup(text);
	item->resource = g_steal_pointer(&resource);
	item->verbs = verbs;
	g_ptr_array_add(guard->items[effect], item);
	return 0;
}

int guard_add(struct guard *guard, enum guard_effect effect, const char *list, GError **error)
{
	g_auto(GStrv) texts = g_strsplit(list, ":", -1);

	if (texts[0] == NULL)
		return add_item(guard, effect, "", error);
	for (char **text = texts; *text != NULL; text++) {
		int r = add_item(guard, effect, *text, error);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The other form of the same objects would be a way around. */
static const char *one_form(const struct resource *resource)
{
	return strcmp(resource->name, "events.events.k8s.io") == 0 ? "events" : resource->name;
}

/* Whether name is word, alone or with .group or .version.group (cache/catalog.h). */
static gboolean is_spelling(const struct resource *resource, const char *word, const char *name)
{
	size_t length = word != NULL ? strlen(word) : 0;

	if (length == 0 || strncmp(name, word, length) != 0)
		return FALSE;
	name += length;
	if (name[0] == '\0')
		return TRUE;
	if (name[0] != '.' || resource->group[0] == '\0')
		return FALSE;
	name++;
	if (strcmp(name, resource->group) == 0)
		return TRUE;
	length = strlen(resource->version);
	return strncmp(name, resource->version, length) == 0 && name[length] == '.' &&
	       strcmp(name + length + 1, resource->group) == 0;
}

static gboolean has_name(const struct resource *resource, const char *name)
{
	g_autofree char *kind = g_ascii_strdown(resource->kind, -1);

	if (is_spelling(resource, resource->plural, name) ||
		is_spelling(resource, resource->singular, name) ||
		is_spelling(resource, kind, name))
		return TRUE;
	for (char **word = resource->short_names; word != NULL && *word != NULL; word++) {
		if (is_spelling(resource, *word, name))
			return TRUE;
	}
	return FALSE;
}

static const struct resource *look_up(const struct catalog *catalog, const char *name)
{
	const struct resource *resource;

	if (catalog == NULL)
		return NULL;
	resource = catalog_find(catalog, name);
	return resource != NULL ? resource : catalog_find_alias(catalog, name);
}

static gboolean names(
	const struct item *item, const struct catalog *catalog, const struct resource *resource)
{
	const struct resource *meant;

	if (item->resource == NULL)
		return TRUE;
	meant = look_up(catalog, item->resource);
	/* A group that discovery could not ask lately must not become free for all. */
	return meant != NULL ? strcmp(one_form(meant), one_form(resource)) == 0
			     : has_name(resource, item->resource);
}

static const struct item *find(const GPtrArray *items, const struct catalog *catalog,
	const struct resource *resource, enum source_verb verb)
{
	for (guint i = 0; i < items->len; i++) {
		const struct item *item = g_ptr_array_index(items, i);

		if ((item->verbs & 1U << verb) != 0 && names(item, catalog, resource))
			return item;
	}
	return NULL;
}

static int check(const struct guard *guard, const struct catalog *catalog,
	const struct resource *resource, enum source_verb verb, GError **error)
{
	const GPtrArray *allowed = guard->items[GUARD_ALLOW];
	const struct item *denied = find(guard->items[GUARD_DENY], catalog, resource, verb);

	if (denied != NULL)
		return error_set(error, EACCES,
			"refused by -o deny=%s: %s may not be %s through this mount", denied->text,
			resource->name, VERBS[verb].done);
	if (allowed->len > 0 && find(allowed, catalog, resource, verb) == NULL)
		return error_set(error, EACCES,
			"refused by -o allow, which lacks %s/%s: %s may not be %s through this "
			"mount",
			resource->name, VERBS[verb].name, resource->name, VERBS[verb].done);
	return 0;
}

int guard_check(const struct guard *guard, const struct context *context,
	const struct resource *resource, enum source_verb verb, GError **error)
{
	struct catalog *catalog;
	int r;

	if (context->read_only)
		return error_set(error, EROFS, "refused by -o ro: context \"%s\" is read-only",
			context->name);
	if (guard == NULL ||
		(guard->items[GUARD_ALLOW]->len == 0 && guard->items[GUARD_DENY]->len == 0))
		return 0;
	catalog = context->cache != NULL ? cache_catalog_now(context->cache) : NULL;
	r = check(guard, catalog, resource, verb, error);
	catalog_unref(catalog);
	return r;
}

static const struct item *find_for_keys(const GPtrArray *items, enum source_verb verb)
{
	for (guint i = 0; i < items->len; i++) {
		const struct item *item = g_ptr_array_index(items, i);

		if ((item->verbs & 1U << verb) != 0 &&
			(item->resource == NULL || strcmp(item->resource, KEYS) == 0))
			return item;
	}
	return NULL;
}

int guard_check_keys(const struct guard *guard, enum source_verb verb, GError **error)
{
	const struct item *denied;

	if (guard == NULL)
		return 0;
	denied = find_for_keys(guard->items[GUARD_DENY], verb);
	if (denied != NULL)
		return error_set(error, EACCES,
			"refused by -o deny=%s: keys may not be %s through this mount",
			denied->text, VERBS[verb].done);
	if (guard->items[GUARD_ALLOW]->len > 0 &&
		find_for_keys(guard->items[GUARD_ALLOW], verb) == NULL)
		return error_set(error, EACCES,
			"refused by -o allow, which lacks " KEYS
			"/%s: keys may not be %s through this mount",
			VERBS[verb].name, VERBS[verb].done);
	return 0;
}

static gboolean is_known(const GPtrArray *catalogs, const char *resource)
{
	for (guint i = 0; i < catalogs->len; i++) {
		if (look_up(g_ptr_array_index(catalogs, i), resource) != NULL)
			return TRUE;
	}
	return FALSE;
}

static void unref_catalog(void *catalog)
{
	catalog_unref(catalog);
}

void guard_warn(const struct guard *guard, const GPtrArray *contexts, struct journal *journal)
{
	g_autoptr(GPtrArray) catalogs = g_ptr_array_new_with_free_func(unref_catalog);

	for (guint i = 0; i < contexts->len; i++) {
		const struct context *context = g_ptr_array_index(contexts, i);
		struct catalog *catalog = cache_catalog_now(context->cache);

		if (catalog == NULL)
			return;
		g_ptr_array_add(catalogs, catalog);
	}
	for (guint effect = 0; effect < G_N_ELEMENTS(guard->items); effect++) {
		for (guint i = 0; i < guard->items[effect]->len; i++) {
			const struct item *item = g_ptr_array_index(guard->items[effect], i);
			g_autofree char *text = NULL;

			if (item->resource == NULL || strcmp(item->resource, KEYS) == 0 ||
				is_known(catalogs, item->resource))
				continue;
			text = g_strdup_printf("-o %s=%s: no server has such a resource now",
				OPTIONS[effect], item->text);
			journal_add(journal, 0, text);
		}
	}
}
