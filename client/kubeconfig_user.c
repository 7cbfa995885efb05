#include <errno.h>
#include <string.h>

#include "client/credential_files.h"
#include "client/error.h"
#include "client/escape.h"
#include "client/kubeconfig_resolve.h"
#include "client/secret.h"

static const char *const user_keys[] = {"client-certificate", "client-certificate-data",
	"client-key", "client-key-data", "token", "tokenFile", "as", "as-uid", "as-groups",
	"as-user-extra", "username", "password", "auth-provider", "exec", "extensions", NULL};

/* What a user entry says, read and owned. Strings that are borrowed are const. */
struct user {
	const char *token;
	const char *name;
	const char *password;
	char *token_path;
	GBytes *certificate;
	char *certificate_path;
	GBytes *key;
	char *key_path;
	const struct yaml_node *exec;
};

static void user_finish(struct user *user)
{
	g_free(user->token_path);
	g_clear_pointer(&user->certificate, g_bytes_unref);
	g_free(user->certificate_path);
	g_clear_pointer(&user->key, g_bytes_unref);
	g_free(user->key_path);
}

/* A file's path or the inline data, never both (clientcmd/validation.go). */
static int read_pem(const struct kubeconfig_entry *entry, const char *option, char **ret_path,
	GBytes **ret_data, GError **error)
{
	g_autofree char *data_option = g_strconcat(option, "-data", NULL);
	int result = kubeconfig_entry_path(entry, entry->node, option, ret_path, error);

	if (result == 0)
		result = kubeconfig_entry_bytes(entry, entry->node, data_option, ret_data, error);
	if (result == 0 && *ret_path != NULL && *ret_data != NULL)
		return error_set(error, EINVAL, "%s: %s and %s exclude each other", entry->owner,
			option, data_option);
	return result;
}

static int read_user(const struct kubeconfig_entry *entry, struct user *user, GError **error)
{
	const struct yaml_node *node = entry->node;
	int result = kubeconfig_entry_string(entry, node, "token", &user->token, error);

	if (result == 0)
		result = kubeconfig_entry_path(entry, node, "tokenFile", &user->token_path, error);
	if (result == 0)
		result = kubeconfig_entry_string(entry, node, "username", &user->name, error);
	if (result == 0)
		result = kubeconfig_entry_string(entry, node, "password", &user->password, error);
	if (result == 0)
		result = read_pem(entry, "client-certificate", &user->certificate_path,
			&user->certificate, error);
	if (result == 0)
		result = read_pem(entry, "client-key", &user->key_path, &user->key, error);
	if (result == 0)
		result = kubeconfig_entry_collection(
			entry, node, "exec", YAML_MAPPING, &user->exec, error);
	return result;
}

static gboolean has_token(const struct user *user)
{
	return user->token != NULL || user->token_path != NULL;
}

static gboolean has_basic(const struct user *user)
{
	return user->name != NULL || user->password != NULL;
}

static gboolean has_certificate(const struct user *user)
{
	return user->certificate != NULL || user->certificate_path != NULL;
}

/* What contradicts itself, and what we cannot do. */
static int check_user(const struct kubeconfig_entry *entry, const struct user *user, GError **error)
{
	const struct yaml_node *provider = yaml_node_get(entry->node, "auth-provider");
	gboolean has_key = user->key != NULL || user->key_path != NULL;

	if (provider != NULL && provider->kind != YAML_NULL) {
		const struct yaml_node *name = yaml_node_get(provider, "name");
		g_autofree char *shown = escape_text(
			name != NULL && name->kind == YAML_STRING ? name->text : "", -1);

		return error_set(error, ENOTSUP,
			"%s: auth-provider \"%s\" is not supported, use an exec plugin",
			entry->owner, shown);
	}
	if (has_token(user) && has_basic(user))
		return error_set(error, EINVAL,
			"%s: a token and username/password exclude each other", entry->owner);
	if (has_certificate(user) && !has_key)
		return error_set(
			error, EINVAL, "%s: client-certificate needs a client-key", entry->owner);
	if (has_key && !has_certificate(user))
		return error_set(
			error, EINVAL, "%s: client-key needs a client-certificate", entry->owner);
	return 0;
}

static int get_authorization(const struct kubeconfig_entry *entry, const struct user *user,
	char **ret_authorization, GError **error)
{
	int result;

	if (user->token != NULL) {
		result = credential_bearer(user->token, ret_authorization);
		if (result < 0)
			return error_set(
				error, EINVAL, "%s: token holds a control character", entry->owner);
		return 0;
	}
	if (!has_basic(user))
		return 0;
	result = credential_basic(user->name != NULL ? user->name : "",
		user->password != NULL ? user->password : "", ret_authorization);
	if (result < 0)
		return error_set(error, EINVAL,
			"%s: username or password cannot be sent: a control character, or a ':' in "
			"the name",
			entry->owner);
	return 0;
}

static int resolve_files(const struct kubeconfig_entry *entry, const struct user *user,
	struct connection *connection, GError **error)
{
	autosecret char *authorization = NULL;
	struct credential_files files = {
		.owner = entry->owner,
		/* With both, the token (protocol.md 24). */
		.token_path = user->token == NULL ? user->token_path : NULL,
		.certificate = user->certificate,
		.certificate_path = user->certificate_path,
		.key = user->key,
		.key_path = user->key_path,
	};
	int result = get_authorization(entry, user, &authorization, error);

	if (result < 0)
		return result;
	files.authorization = authorization;
	return credential_files_create(&files, NULL, &connection->credentials, error);
}

/* IsConfigTransportTLS: client-go gives no credentials to a server without TLS. */
static gboolean is_secure(const struct connection *connection)
{
	for (unsigned int i = 0; i < connection->servers->len; i++) {
		if (g_ascii_strncasecmp(connection->servers->pdata[i], "https:", 6) != 0)
			return FALSE;
	}
	return TRUE;
}

static int resolve_credentials(const struct kubeconfig_entry *entry,
	const struct kubeconfig_entry *cluster, struct connection *connection, GError **error)
{
	struct user user = {0};
	int result = kubeconfig_entry_check_keys(entry, entry->node, user_keys, error);

	if (result == 0)
		result = read_user(entry, &user, error);
	if (result == 0)
		result = check_user(entry, &user, error);
	if (result == 0 && !is_secure(connection))
		result = credentials_create(NULL, NULL, NULL, &connection->credentials, error);
	else if (result == 0 && user.exec != NULL && !has_token(&user) && !has_basic(&user) &&
		 !has_certificate(&user))
		result = kubeconfig_resolve_exec(
			entry, user.exec, cluster, connection, &connection->credentials, error);
	else if (result == 0)
		result = resolve_files(entry, &user, connection, error);
	user_finish(&user);
	return result;
}

int kubeconfig_resolve_user(const struct kubeconfig_entry *user,
	const struct kubeconfig_entry *cluster, const struct kubeconfig_overrides *overrides,
	struct connection *connection, GError **error)
{
	int result = kubeconfig_resolve_impersonation(
		user, overrides, &connection->impersonation, error);

	if (result < 0)
		return result;
	if (user == NULL)
		return credentials_create(NULL, NULL, NULL, &connection->credentials, error);
	return resolve_credentials(user, cluster, connection, error);
}
