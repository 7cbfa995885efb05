#include "client/kubeconfig_entry.h"

#include <errno.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/secret.h"

/* A field is of another kind than it must be. */
static int fail_kind(const struct kubeconfig_entry *entry, const struct yaml_node *value,
	const char *field, const char *kind, GError **error)
{
	g_autofree char *file = escape_text(entry->file, -1);
	g_autofree char *name = escape_text(entry->name, -1);
	g_autofree char *shown = escape_text(field, -1);

	return error_set(error, EINVAL, "%s:%u: %s of %s \"%s\" must be %s", file, value->line,
		shown, entry->kind, name, kind);
}

static const struct yaml_node *get(const struct yaml_node *node, const char *field)
{
	const struct yaml_node *value = yaml_node_get(node, field);

	return value != NULL && value->kind != YAML_NULL ? value : NULL;
}

int kubeconfig_entry_check_keys(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *const *known, GError **error)
{
	if (node == NULL || node->kind != YAML_MAPPING)
		return 0;
	for (unsigned int i = 0; i < node->keys->len; i++) {
		const struct yaml_node *value = node->values->pdata[i];
		g_autofree char *key = NULL;

		if (value->kind == YAML_NULL || g_strv_contains(known, node->keys->pdata[i]))
			continue;
		key = escape_text(node->keys->pdata[i], -1);
		return error_set(
			error, ENOTSUP, "%s: option %s is not supported", entry->owner, key);
	}
	return 0;
}

int kubeconfig_entry_string(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, const char **ret_text, GError **error)
{
	const struct yaml_node *value = get(node, field);

	if (value != NULL && value->kind != YAML_STRING)
		return fail_kind(entry, value, field, "a string", error);
	*ret_text = value != NULL && *value->text != '\0' ? value->text : NULL;
	return 0;
}

int kubeconfig_entry_boolean(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, gboolean *ret_value, GError **error)
{
	const struct yaml_node *value = get(node, field);

	if (value != NULL && value->kind != YAML_BOOLEAN)
		return fail_kind(entry, value, field, "true or false", error);
	*ret_value = value != NULL && g_str_equal(value->text, "true");
	return 0;
}

int kubeconfig_entry_collection(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, enum yaml_kind kind, const struct yaml_node **ret_node, GError **error)
{
	const struct yaml_node *value = get(node, field);

	if (value != NULL && value->kind != kind)
		return fail_kind(entry, value, field,
			kind == YAML_MAPPING ? "a mapping" : "a sequence", error);
	*ret_node = value;
	return 0;
}

int kubeconfig_entry_strings(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, char ***ret_strings, GError **error)
{
	const struct yaml_node *sequence = NULL;
	g_autoptr(GStrvBuilder) strings = NULL;
	int result =
		kubeconfig_entry_collection(entry, node, field, YAML_SEQUENCE, &sequence, error);

	if (result < 0)
		return result;
	if (sequence == NULL) {
		*ret_strings = NULL;
		return 0;
	}
	strings = g_strv_builder_new();
	for (unsigned int i = 0; i < sequence->values->len; i++) {
		const struct yaml_node *item = sequence->values->pdata[i];

		if (item->kind != YAML_STRING && item->kind != YAML_NULL)
			return fail_kind(entry, item, field, "a sequence of strings", error);
		g_strv_builder_add(strings, item->kind == YAML_STRING ? item->text : "");
	}
	*ret_strings = g_strv_builder_end(strings);
	return 0;
}

int kubeconfig_entry_bytes(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, GBytes **ret_bytes, GError **error)
{
	const char *text = NULL;
	int result = kubeconfig_entry_string(entry, node, field, &text, error);

	if (result < 0)
		return result;
	if (text == NULL) {
		*ret_bytes = NULL;
		return 0;
	}
	if (secret_base64_decode(text, ret_bytes) < 0)
		return fail_kind(entry, get(node, field), field, "base64", error);
	if (g_bytes_get_size(*ret_bytes) == 0)
		g_clear_pointer(ret_bytes, g_bytes_unref);
	return 0;
}

int kubeconfig_entry_path(const struct kubeconfig_entry *entry, const struct yaml_node *node,
	const char *field, char **ret_path, GError **error)
{
	const char *text = NULL;
	int result = kubeconfig_entry_string(entry, node, field, &text, error);

	if (result < 0)
		return result;
	if (text == NULL)
		*ret_path = NULL;
	else if (g_path_is_absolute(text))
		*ret_path = g_strdup(text);
	else
		*ret_path = g_canonicalize_filename(text, entry->directory);
	return 0;
}
