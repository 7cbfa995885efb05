#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/kubeconfig_resolve.h"

static void add_extra(GPtrArray *extras, const char *key, const char *value)
{
	struct connection_extra *extra = g_new0(struct connection_extra, 1);

	extra->key = g_strdup(key);
	extra->value = g_strdup(value);
	g_ptr_array_add(extras, extra);
}

/* as-user-extra: a mapping of sequences of strings. */
static int read_extras(const struct kubeconfig_entry *user, GPtrArray *extras, GError **error)
{
	const struct yaml_node *mapping = NULL;
	int result = kubeconfig_entry_collection(
		user, user->node, "as-user-extra", YAML_MAPPING, &mapping, error);

	if (result < 0 || mapping == NULL)
		return result;
	for (unsigned int i = 0; i < mapping->keys->len; i++) {
		const char *key = mapping->keys->pdata[i];
		g_auto(GStrv) values = NULL;

		result = kubeconfig_entry_strings(user, mapping, key, &values, error);
		if (result < 0)
			return result;
		for (char **value = values; value != NULL && *value != NULL; value++)
			add_extra(extras, key, *value);
	}
	return 0;
}

static int read_user(const struct kubeconfig_entry *user,
	struct connection_impersonation *impersonation, GError **error)
{
	const char *as = NULL, *uid = NULL;
	char **groups = NULL;
	int result = kubeconfig_entry_string(user, user->node, "as", &as, error);

	if (result == 0)
		result = kubeconfig_entry_string(user, user->node, "as-uid", &uid, error);
	if (result == 0)
		result = kubeconfig_entry_strings(user, user->node, "as-groups", &groups, error);
	if (result < 0)
		return result;
	impersonation->user = g_strdup(as);
	impersonation->uid = g_strdup(uid);
	if (groups != NULL) {
		g_strfreev(impersonation->groups);
		impersonation->groups = groups;
	}
	return read_extras(user, impersonation->extras, error);
}

static void replace(char **text, const char *by)
{
	if (by == NULL || *by == '\0')
		return;
	g_free(*text);
	*text = g_strdup(by);
}

static void remove_extra(GPtrArray *extras, const char *key)
{
	for (unsigned int i = extras->len; i-- > 0;) {
		const struct connection_extra *extra = extras->pdata[i];

		if (g_str_equal(extra->key, key))
			g_ptr_array_remove_index(extras, i);
	}
}

/* Each "KEY=VALUE". A key of the command line replaces all values that the file has for it. */
static int override_extras(char **pairs, GPtrArray *extras, GError **error)
{
	for (char **pair = pairs; pair != NULL && *pair != NULL; pair++) {
		const char *equals = strchr(*pair, '=');
		g_autofree char *key = NULL;

		if (equals == NULL || equals == *pair)
			return error_set(error, EINVAL, "--as-user-extra: it must be KEY=VALUE");
		key = g_strndup(*pair, (size_t)(equals - *pair));
		remove_extra(extras, key);
	}
	for (char **pair = pairs; pair != NULL && *pair != NULL; pair++) {
		const char *equals = strchr(*pair, '=');
		g_autofree char *key = g_strndup(*pair, (size_t)(equals - *pair));

		add_extra(extras, key, equals + 1);
	}
	return 0;
}

static int override(const struct kubeconfig_overrides *overrides,
	struct connection_impersonation *impersonation, GError **error)
{
	replace(&impersonation->user, overrides->as);
	replace(&impersonation->uid, overrides->as_uid);
	if (overrides->as_groups != NULL && *overrides->as_groups != NULL) {
		g_strfreev(impersonation->groups);
		impersonation->groups = g_strdupv(overrides->as_groups);
	}
	return override_extras(overrides->as_user_extra, impersonation->extras, error);
}

/* They become header values. */
static gboolean is_sendable(const char *text)
{
	for (; text != NULL && *text != '\0'; text++) {
		if (g_ascii_iscntrl(*text))
			return FALSE;
	}
	return TRUE;
}

static gboolean all_sendable(const struct connection_impersonation *impersonation)
{
	if (!is_sendable(impersonation->user) || !is_sendable(impersonation->uid))
		return FALSE;
	for (char **group = impersonation->groups; *group != NULL; group++) {
		if (!is_sendable(*group))
			return FALSE;
	}
	for (unsigned int i = 0; i < impersonation->extras->len; i++) {
		const struct connection_extra *extra = impersonation->extras->pdata[i];

		if (!is_sendable(extra->value))
			return FALSE;
	}
	return TRUE;
}

int kubeconfig_resolve_impersonation(const struct kubeconfig_entry *user,
	const struct kubeconfig_overrides *overrides,
	struct connection_impersonation *impersonation, GError **error)
{
	const char *owner = user != NULL ? user->owner : "the command line";
	int result = user != NULL ? read_user(user, impersonation, error) : 0;

	if (result == 0)
		result = override(overrides, impersonation, error);
	if (result < 0)
		return result;
	if (impersonation->user == NULL &&
		(impersonation->uid != NULL || *impersonation->groups != NULL ||
			impersonation->extras->len > 0))
		return error_set(error, EINVAL,
			"%s: as-uid, as-groups and as-user-extra need a user to impersonate (as)",
			owner);
	if (!all_sendable(impersonation))
		return error_set(error, EINVAL,
			"%s: a control character in what is to be impersonated", owner);
	return 0;
}
