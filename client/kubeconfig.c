#include "client/kubeconfig.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/kubeconfig_entry.h"
#include "client/secret.h"

#define FILE_LIMIT ((size_t)16 * 1024 * 1024)

/* Where a list of named entries of a file goes. */
struct section {
	const char *list; /* "clusters" */
	const char *kind; /* "cluster": the entry's kind and the key of its body */
	GHashTable *entries;
};

/* A file being read. */
struct source {
	const char *path;
	char *shown; /* escaped */
	char *directory;
};

static void entry_free(void *data)
{
	struct kubeconfig_entry *entry = data;

	g_free(entry->name);
	g_free(entry->file);
	g_free(entry->directory);
	g_free(entry->owner);
	yaml_node_unref(entry->node);
	g_free(entry);
}

static void source_finish(struct source *source)
{
	g_free(source->shown);
	g_free(source->directory);
}

static int fail_at(
	const struct source *source, const struct yaml_node *node, const char *what, GError **error)
{
	return error_set(error, EINVAL, "%s:%u: %s", source->shown, node->line, what);
}

static struct kubeconfig_entry *entry_create(
	const struct source *source, const char *kind, const char *name, struct yaml_node *node)
{
	struct kubeconfig_entry *entry = g_new0(struct kubeconfig_entry, 1);
	g_autofree char *shown = escape_text(name, -1);

	entry->kind = kind;
	entry->name = g_strdup(name);
	entry->file = g_strdup(source->path);
	entry->directory = g_strdup(source->directory);
	entry->owner = g_strdup_printf("%s \"%s\" in %s", kind, shown, source->shown);
	entry->node = node != NULL ? yaml_node_ref(node) : NULL;
	return entry;
}

/* seen: the names that this file has in this section. */
static int read_entry(const struct source *source, const struct section *section,
	struct yaml_node *item, GHashTable *seen, GError **error)
{
	struct yaml_node *body = (struct yaml_node *)yaml_node_get(item, section->kind);
	const struct yaml_node *name = yaml_node_get(item, "name");
	g_autofree char *problem = NULL;
	const char *text = "";

	if (item->kind != YAML_MAPPING && item->kind != YAML_NULL)
		problem = g_strdup_printf("an item of %s must be a mapping", section->list);
	else if (name != NULL && name->kind != YAML_STRING && name->kind != YAML_NULL)
		problem = g_strdup_printf("the name of a %s must be a string", section->kind);
	else if (body != NULL && body->kind != YAML_MAPPING && body->kind != YAML_NULL)
		problem = g_strdup_printf("%s must be a mapping", section->kind);
	if (problem != NULL)
		return fail_at(source, item, problem, error);
	if (name != NULL && name->kind == YAML_STRING)
		text = name->text;
	if (!g_hash_table_add(seen, g_strdup(text))) {
		g_autofree char *shown = escape_text(text, -1);

		problem = g_strdup_printf("a second %s \"%s\"", section->kind, shown);
		return fail_at(source, item, problem, error);
	}
	/* The first file to define a name wins it whole (clientcmd/loader.go Load). */
	if (!g_hash_table_contains(section->entries, text))
		g_hash_table_insert(section->entries, g_strdup(text),
			entry_create(source, section->kind, text, body));
	return 0;
}

static int read_section(const struct source *source, const struct yaml_node *root,
	const struct section *section, GError **error)
{
	const struct yaml_node *list = yaml_node_get(root, section->list);
	g_autoptr(GHashTable) seen = NULL;
	g_autofree char *problem = NULL;
	int result = 0;

	if (list == NULL || list->kind == YAML_NULL)
		return 0;
	if (list->kind != YAML_SEQUENCE) {
		problem = g_strdup_printf("%s must be a sequence", section->list);
		return fail_at(source, list, problem, error);
	}
	seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (unsigned int i = 0; result == 0 && i < list->values->len; i++)
		result = read_entry(source, section, list->values->pdata[i], seen, error);
	return result;
}

/* *ret_text is "" when the field is absent or null; borrowed. */
static int read_header(const struct source *source, const struct yaml_node *root, const char *field,
	const char **ret_text, GError **error)
{
	const struct yaml_node *value = yaml_node_get(root, field);
	g_autofree char *problem = NULL;

	*ret_text = "";
	if (value == NULL || value->kind == YAML_NULL)
		return 0;
	if (value->kind != YAML_STRING) {
		problem = g_strdup_printf("%s must be a string", field);
		return fail_at(source, value, problem, error);
	}
	*ret_text = value->text;
	return 0;
}

static int check_version(const struct source *source, const struct yaml_node *root, GError **error)
{
	const char *version = "", *kind = "";
	int result = read_header(source, root, "apiVersion", &version, error);

	if (result == 0)
		result = read_header(source, root, "kind", &kind, error);
	if (result < 0)
		return result;
	if ((*version == '\0' || g_str_equal(version, "v1")) &&
		(*kind == '\0' || g_str_equal(kind, "Config")))
		return 0;
	return error_set(error, EINVAL,
		"%s: not a kubeconfig: kind and apiVersion must be Config and v1", source->shown);
}

static int read_root(struct kubeconfig *config, const struct source *source,
	const struct yaml_node *root, GError **error)
{
	const struct section sections[] = {
		{"clusters", "cluster", config->clusters},
		{"users", "user", config->users},
		{"contexts", "context", config->contexts},
	};
	const char *current = "";
	int result;

	if (root->kind == YAML_NULL)
		return 0;
	if (root->kind != YAML_MAPPING)
		return fail_at(source, root, "a kubeconfig must be a mapping", error);
	result = check_version(source, root, error);
	for (unsigned int i = 0; result == 0 && i < G_N_ELEMENTS(sections); i++)
		result = read_section(source, root, &sections[i], error);
	if (result == 0)
		result = read_header(source, root, "current-context", &current, error);
	if (result == 0 && config->current_context == NULL && *current != '\0')
		config->current_context = g_strdup(current);
	return result;
}

static int read_source(
	struct kubeconfig *config, const struct source *source, GBytes *bytes, GError **error)
{
	struct yaml_node *root;
	size_t length;
	const char *data = g_bytes_get_data(bytes, &length);
	int result = yaml_tree_parse(source->path, data, length, &root, error);

	if (result < 0)
		return result;
	result = read_root(config, source, root, error);
	yaml_node_unref(root);
	return result;
}

/* A missing file is an error only when it was asked for by name. */
static int read_file(
	struct kubeconfig *config, const char *path, gboolean must_exist, GError **error)
{
	g_autoptr(GError) failure = NULL;
	g_autoptr(GBytes) bytes = NULL;
	g_autofree char *directory = g_path_get_dirname(path);
	struct source source = {.path = path};
	int result = secret_file_read(path, "kubeconfig", FILE_LIMIT, &bytes, &failure);

	if (result == -ENOENT && !must_exist)
		return 0;
	if (result < 0) {
		g_propagate_error(error, g_steal_pointer(&failure));
		return result;
	}
	source.shown = escape_text(path, -1);
	source.directory = g_canonicalize_filename(directory, NULL);
	result = read_source(config, &source, bytes, error);
	source_finish(&source);
	return result;
}

static int read_list(struct kubeconfig *config, const char *list, GError **error)
{
	g_auto(GStrv) paths = g_strsplit(list, ":", -1);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	int result = 0;

	for (unsigned int i = 0; result == 0 && paths[i] != NULL; i++) {
		if (*paths[i] != '\0' && g_hash_table_add(seen, paths[i]))
			result = read_file(config, paths[i], FALSE, error);
	}
	return result;
}

static int read_places(
	struct kubeconfig *config, const struct kubeconfig_places *places, GError **error)
{
	g_autofree char *path = NULL;

	if (places->explicit_path != NULL) {
		config->origin = escape_text(places->explicit_path, -1);
		return read_file(config, places->explicit_path, TRUE, error);
	}
	if (places->list != NULL && *places->list != '\0') {
		config->origin = escape_text(places->list, -1);
		return read_list(config, places->list, error);
	}
	path = g_build_filename(places->home, ".kube", "config", NULL);
	config->origin = escape_text(path, -1);
	return read_file(config, path, FALSE, error);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_names(struct kubeconfig *config)
{
	GPtrArray *names = g_ptr_array_new();
	GHashTableIter iterator;
	void *name;

	g_hash_table_iter_init(&iterator, config->contexts);
	while (g_hash_table_iter_next(&iterator, &name, NULL))
		g_ptr_array_add(names, name);
	if (config->in_cluster)
		g_ptr_array_add(names, (void *)KUBECONFIG_IN_CLUSTER);
	g_ptr_array_sort(names, compare_names);
	g_ptr_array_add(names, NULL);
	config->context_names = (const char **)g_ptr_array_free(names, FALSE);
}

/*
 * In a pod, its own cluster is used where no file chooses a context, and its own namespace where
 * a context chooses none (clientcmd/merged_client_builder.go).
 */
static void consider_pod(struct kubeconfig *config, const struct kubeconfig_places *places)
{
	if (!in_cluster_is_possible(&places->pod)) {
		config->default_namespace = g_strdup("default");
		return;
	}
	config->default_namespace = in_cluster_namespace(&places->pod);
	if (places->explicit_path != NULL || config->current_context != NULL ||
		g_hash_table_contains(config->contexts, KUBECONFIG_IN_CLUSTER))
		return;
	config->in_cluster = TRUE;
	config->pod = places->pod;
	config->current_context = g_strdup(KUBECONFIG_IN_CLUSTER);
}

int kubeconfig_load_from(
	const struct kubeconfig_places *places, struct kubeconfig **ret_config, GError **error)
{
	struct kubeconfig *config = g_new0(struct kubeconfig, 1);
	int result;

	config->clusters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
	config->users = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
	config->contexts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
	result = read_places(config, places, error);
	if (result == 0)
		consider_pod(config, places);
	if (result == 0 && !config->in_cluster && g_hash_table_size(config->contexts) == 0)
		result = error_set(error, ENOENT, "no kubeconfig context: none in %s%s",
			config->origin,
			places->explicit_path == NULL ? ", and this is not a pod" : "");
	if (result < 0) {
		kubeconfig_destroy(config);
		return result;
	}
	sort_names(config);
	*ret_config = config;
	return 0;
}

int kubeconfig_load(const char *explicit_path, struct kubeconfig **ret_config, GError **error)
{
	const struct kubeconfig_places places = {
		.explicit_path = explicit_path,
		.list = g_getenv("KUBECONFIG"),
		.home = g_get_home_dir(),
		.pod = in_cluster_environment(),
	};

	return kubeconfig_load_from(&places, ret_config, error);
}

void kubeconfig_destroy(struct kubeconfig *config)
{
	if (config == NULL)
		return;
	g_hash_table_unref(config->clusters);
	g_hash_table_unref(config->users);
	g_hash_table_unref(config->contexts);
	g_free(config->current_context);
	g_free(config->default_namespace);
	g_free(config->context_names);
	g_free(config->origin);
	g_free(config);
}

const char *const *kubeconfig_contexts(const struct kubeconfig *config)
{
	return config->context_names;
}

const char *kubeconfig_current_context(const struct kubeconfig *config)
{
	return config->current_context;
}

const char *kubeconfig_namespace(const struct kubeconfig *config, const char *context)
{
	const struct kubeconfig_entry *entry = NULL;
	const char *namespace = NULL;

	if (context == NULL)
		context = config->current_context;
	if (context != NULL)
		entry = g_hash_table_lookup(config->contexts, context);
	if (entry != NULL &&
		kubeconfig_entry_string(entry, entry->node, "namespace", &namespace, NULL) == 0 &&
		namespace != NULL)
		return namespace;
	return config->default_namespace;
}
