#include "client/api_discovery.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/kubernetes_url.h"

struct api_discovery {
	GPtrArray *core; /* of struct api_version *, the core group's, preferred first */
	GPtrArray *versions; /* the same for all others, the versions of a group side by side */
	GPtrArray *wanted; /* borrowed; those to ask for, next one last */
	GPtrArray *partial; /* of char * */
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(cJSON, cJSON_Delete)

static void version_free(void *data)
{
	struct api_version *version = data;

	g_free(version->group);
	g_free(version->version);
	g_ptr_array_unref(version->resources);
	g_free(version);
}

static void unref_resource(void *data)
{
	resource_unref(data);
}

struct api_discovery *api_discovery_create(void)
{
	struct api_discovery *discovery = g_new0(struct api_discovery, 1);

	discovery->core = g_ptr_array_new_with_free_func(version_free);
	discovery->versions = g_ptr_array_new_with_free_func(version_free);
	discovery->wanted = g_ptr_array_new();
	discovery->partial = g_ptr_array_new_with_free_func(g_free);
	return discovery;
}

void api_discovery_free(struct api_discovery *discovery)
{
	if (discovery == NULL)
		return;
	g_ptr_array_unref(discovery->core);
	g_ptr_array_unref(discovery->versions);
	g_ptr_array_unref(discovery->wanted);
	g_ptr_array_unref(discovery->partial);
	g_free(discovery);
}

static gboolean has_parameter(char *const *parameters, const char *wanted)
{
	for (; *parameters != NULL; parameters++) {
		if (g_ascii_strcasecmp(g_strstrip(*parameters), wanted) == 0)
			return TRUE;
	}
	return FALSE;
}

gboolean api_discovery_is_aggregated(const char *content_type)
{
	g_auto(GStrv) parts = g_strsplit(content_type, ";", -1);

	return has_parameter(parts, "as=APIGroupDiscoveryList") &&
	       has_parameter(parts, "g=apidiscovery.k8s.io");
}

/* The member's string, or "" when there is none. */
static const char *get_string(const cJSON *object, const char *key)
{
	const char *string = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return string != NULL ? string : "";
}

static char **get_strings(const cJSON *object, const char *key)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	const cJSON *item;

	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(object, key))
	{
		if (cJSON_IsString(item))
			g_strv_builder_add(builder, item->valuestring);
	}
	return g_strv_builder_end(builder);
}

static cJSON *parse(const char *json, size_t length, GError **error)
{
	cJSON *document = cJSON_ParseWithLength(json, length);

	if (document == NULL)
		error_set(error, EPROTO, "the discovery document is not JSON");
	return document;
}

static gboolean has_kind(const cJSON *document, const char *wanted)
{
	return g_str_equal(get_string(document, "kind"), wanted);
}

static int check_kind(const cJSON *document, const char *wanted, GError **error)
{
	g_autofree char *kind = NULL;

	if (has_kind(document, wanted))
		return 0;
	kind = escape_text(get_string(document, "kind"), -1);
	return error_set(
		error, EPROTO, "the discovery document's kind is \"%s\", not %s", kind, wanted);
}

char *api_discovery_version_name(const struct api_version *version)
{
	return kubernetes_url_api_version(version->group, version->version);
}

void api_discovery_add_failure(struct api_discovery *discovery, const char *what, const char *why)
{
	g_autofree char *line = g_strconcat(what, ": ", why, NULL);

	g_ptr_array_add(discovery->partial, escape_text(line, -1));
}

static struct api_version *add_version(
	struct api_discovery *discovery, const char *group, const char *name)
{
	struct api_version *version = g_new0(struct api_version, 1);

	version->group = g_strdup(group);
	version->version = g_strdup(name);
	version->resources = g_ptr_array_new_with_free_func(unref_resource);
	g_ptr_array_add(*group == '\0' ? discovery->core : discovery->versions, version);
	return version;
}

/* Names become parts of paths: one that cannot is a failure of its group version. */
static gboolean check_names(struct api_discovery *discovery, const char *group, const char *version)
{
	g_autofree char *what = NULL;

	if ((*group == '\0' || kubernetes_url_segment_valid(group)) &&
		kubernetes_url_segment_valid(version))
		return TRUE;
	what = g_strconcat(group, "/", version, NULL);
	api_discovery_add_failure(discovery, what, "not a name that a path can hold");
	return FALSE;
}

static void set_verbs(struct resource *resource, char *const *verbs)
{
	const struct {
		const char *name;
		gboolean *flag;
	} known[] = {
		{"list", &resource->can_list},
		{"watch", &resource->can_watch},
		{"get", &resource->can_get},
		{"update", &resource->can_update},
		{"create", &resource->can_create},
		{"delete", &resource->can_delete},
	};

	for (; *verbs != NULL; verbs++) {
		for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
			if (g_str_equal(*verbs, known[i].name))
				*known[i].flag = TRUE;
		}
	}
}

static void set_subresource(struct resource *resource, const char *name)
{
	if (g_str_equal(name, "status"))
		resource->has_status = TRUE;
	else if (g_str_equal(name, "scale"))
		resource->has_scale = TRUE;
}

/*
 * Adds one resource. Without a verb there is nothing to be done with it, and kubectl does not show
 * it; without a kind it only stands for its subresources. Returns NULL then.
 */
static struct resource *add_resource(struct api_discovery *discovery, struct api_version *version,
	const char *plural, const char *kind, const cJSON *from)
{
	g_auto(GStrv) verbs = get_strings(from, "verbs");
	struct resource *resource;

	if (verbs[0] == NULL || *kind == '\0')
		return NULL;
	/* The two are one file's name, with a dot between them. */
	if (!kubernetes_url_segment_valid(plural) ||
		strlen(plural) + 1 + strlen(version->group) > NAME_MAX) {
		g_autofree char *what = api_discovery_version_name(version);

		api_discovery_add_failure(
			discovery, what, "a resource whose name no path can hold");
		return NULL;
	}
	resource = g_new0(struct resource, 1);
	resource->references = 1;
	resource->group = g_strdup(version->group);
	resource->version = g_strdup(version->version);
	resource->plural = g_strdup(plural);
	resource->kind = g_strdup(kind);
	resource->name = *version->group == '\0' ? g_strdup(plural)
						 : g_strconcat(plural, ".", version->group, NULL);
	resource->short_names = get_strings(from, "shortNames");
	resource->categories = get_strings(from, "categories");
	set_verbs(resource, verbs);
	g_ptr_array_add(version->resources, resource);
	return resource;
}

static void add_aggregated_resource(
	struct api_discovery *discovery, struct api_version *version, const cJSON *from)
{
	const cJSON *kind = cJSON_GetObjectItemCaseSensitive(from, "responseKind");
	struct resource *resource = add_resource(
		discovery, version, get_string(from, "resource"), get_string(kind, "kind"), from);
	const cJSON *subresource;

	if (resource == NULL)
		return;
	resource->singular = g_strdup(get_string(from, "singularResource"));
	resource->namespaced = g_str_equal(get_string(from, "scope"), "Namespaced");
	cJSON_ArrayForEach(subresource, cJSON_GetObjectItemCaseSensitive(from, "subresources"))
		set_subresource(resource, get_string(subresource, "subresource"));
}

static void add_aggregated_version(
	struct api_discovery *discovery, const char *group, const cJSON *from)
{
	const char *name = get_string(from, "version");
	struct api_version *version;
	const cJSON *resource;

	if (!check_names(discovery, group, name))
		return;
	version = add_version(discovery, group, name);
	if (g_str_equal(get_string(from, "freshness"), "Stale")) {
		g_autofree char *what = api_discovery_version_name(version);

		api_discovery_add_failure(discovery, what, "stale: its API server does not answer");
		return;
	}
	cJSON_ArrayForEach(resource, cJSON_GetObjectItemCaseSensitive(from, "resources"))
		add_aggregated_resource(discovery, version, resource);
}

int api_discovery_add_aggregated(
	struct api_discovery *discovery, const char *json, size_t length, GError **error)
{
	g_autoptr(cJSON) document = parse(json, length, error);
	const cJSON *group, *version;

	if (document == NULL || check_kind(document, "APIGroupDiscoveryList", error) < 0)
		return -EPROTO;
	cJSON_ArrayForEach(group, cJSON_GetObjectItemCaseSensitive(document, "items"))
	{
		const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(group, "metadata");

		/* The order of versions is the order of preference. */
		cJSON_ArrayForEach(version, cJSON_GetObjectItemCaseSensitive(group, "versions"))
			add_aggregated_version(discovery, get_string(metadata, "name"), version);
	}
	return 0;
}

static void want_version(struct api_discovery *discovery, const char *group, const char *name)
{
	if (check_names(discovery, group, name))
		g_ptr_array_insert(discovery->wanted, 0, add_version(discovery, group, name));
}

static void want_group(struct api_discovery *discovery, const cJSON *group)
{
	const char *name = get_string(group, "name");
	const char *preferred =
		get_string(cJSON_GetObjectItemCaseSensitive(group, "preferredVersion"), "version");
	const cJSON *versions = cJSON_GetObjectItemCaseSensitive(group, "versions");
	const cJSON *version;

	if (*preferred != '\0')
		want_version(discovery, name, preferred);
	cJSON_ArrayForEach(version, versions)
	{
		const char *other = get_string(version, "version");

		if (!g_str_equal(other, preferred))
			want_version(discovery, name, other);
	}
}

/* /api: {"kind":"APIVersions","versions":["v1"]} */
static void want_core(struct api_discovery *discovery, const cJSON *document)
{
	g_auto(GStrv) versions = get_strings(document, "versions");

	for (char **version = versions; *version != NULL; version++)
		want_version(discovery, "", *version);
}

int api_discovery_add_groups(
	struct api_discovery *discovery, const char *json, size_t length, GError **error)
{
	g_autoptr(cJSON) document = parse(json, length, error);
	const cJSON *group;

	if (document == NULL)
		return -EPROTO;
	if (has_kind(document, "APIVersions")) {
		want_core(discovery, document);
		return 0;
	}
	if (check_kind(document, "APIGroupList", error) < 0)
		return -EPROTO;
	cJSON_ArrayForEach(group, cJSON_GetObjectItemCaseSensitive(document, "groups"))
		want_group(discovery, group);
	return 0;
}

struct api_version *api_discovery_next_wanted(struct api_discovery *discovery)
{
	guint left = discovery->wanted->len;

	return left == 0 ? NULL : g_ptr_array_steal_index(discovery->wanted, left - 1);
}

/* "deployments/status": the parent may stand before or after it. */
static void set_plain_subresource(GHashTable *parents, const char *name)
{
	const char *slash = strchr(name, '/');
	g_autofree char *parent = NULL;
	struct resource *resource;

	if (slash == NULL)
		return;
	parent = g_strndup(name, (gsize)(slash - name));
	resource = g_hash_table_lookup(parents, parent);
	if (resource != NULL)
		set_subresource(resource, slash + 1);
}

static void add_plain_resource(struct api_discovery *discovery, struct api_version *version,
	GHashTable *parents, const cJSON *from)
{
	const char *name = get_string(from, "name");
	struct resource *resource;

	if (strchr(name, '/') != NULL)
		return;
	resource = add_resource(discovery, version, name, get_string(from, "kind"), from);
	if (resource == NULL)
		return;
	resource->singular = g_strdup(get_string(from, "singularName"));
	resource->namespaced = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(from, "namespaced"));
	g_hash_table_insert(parents, resource->plural, resource);
}

int api_discovery_add_resources(struct api_discovery *discovery, struct api_version *version,
	const char *json, size_t length, GError **error)
{
	g_autoptr(cJSON) document = parse(json, length, error);
	g_autoptr(GHashTable) parents = g_hash_table_new(g_str_hash, g_str_equal);
	const cJSON *resources, *from;

	if (document == NULL || check_kind(document, "APIResourceList", error) < 0)
		return -EPROTO;
	resources = cJSON_GetObjectItemCaseSensitive(document, "resources");
	cJSON_ArrayForEach(from, resources) add_plain_resource(discovery, version, parents, from);
	cJSON_ArrayForEach(from, resources)
		set_plain_subresource(parents, get_string(from, "name"));
	return 0;
}

static void take_resources(GPtrArray *versions, GHashTable *seen, GPtrArray *resources)
{
	for (guint i = 0; i < versions->len; i++) {
		const struct api_version *version = g_ptr_array_index(versions, i);

		for (guint k = 0; k < version->resources->len; k++) {
			struct resource *resource = g_ptr_array_index(version->resources, k);

			if (g_hash_table_add(seen, resource->name))
				g_ptr_array_add(resources, resource_ref(resource));
		}
	}
}

struct source_catalog *api_discovery_finish(struct api_discovery *discovery)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	struct source_catalog *catalog = g_new0(struct source_catalog, 1);

	catalog->resources = g_ptr_array_new_with_free_func(unref_resource);
	catalog->partial = g_ptr_array_ref(discovery->partial);
	take_resources(discovery->core, seen, catalog->resources);
	take_resources(discovery->versions, seen, catalog->resources);
	api_discovery_free(discovery);
	return catalog;
}
