#include "client/exec_credential.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/rfc3339.h"
#include "client/secret.h"
#include "client/yaml_tree.h"

char *exec_credential_info(const char *api_version, const char *cluster)
{
	return g_strdup_printf("{\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
			       "\"spec\":{%s%s%s\"interactive\":false}}",
		api_version, cluster != NULL ? "\"cluster\":" : "", cluster != NULL ? cluster : "",
		cluster != NULL ? "," : "");
}

static void wipe(cJSON *json)
{
	for (cJSON *item = json; item != NULL; item = item->next) {
		if (item->valuestring != NULL)
			explicit_bzero(item->valuestring, strlen(item->valuestring));
		wipe(item->child);
	}
}

static void json_cleanup(cJSON **json)
{
	wipe(*json);
	cJSON_Delete(*json);
}
#define autojson __attribute__((cleanup(json_cleanup)))

/* JSON when it begins like an object, else YAML, as apimachinery's recognizer has it. */
static cJSON *parse(GBytes *text)
{
	size_t length;
	const char *data = g_bytes_get_data(text, &length);
	const char *end = data + length, *rest;
	struct yaml_node *root;
	cJSON *json;

	while (data < end && g_ascii_isspace(*data))
		data++;
	if (data == end)
		return NULL;
	if (*data != '{') {
		if (yaml_tree_parse("", data, (size_t)(end - data), &root, NULL) < 0)
			return NULL;
		json = yaml_node_to_json(root);
		yaml_node_unref(root);
		return json;
	}
	json = cJSON_ParseWithLengthOpts(data, (size_t)(end - data), &rest, FALSE);
	while (json != NULL && rest < end && g_ascii_isspace(*rest))
		rest++;
	if (json != NULL && rest < end) {
		wipe(json);
		cJSON_Delete(json);
		return NULL;
	}
	return json;
}

/* *ret_text is NULL when the field is absent, null or empty. */
static int get_string(const char *owner, const cJSON *object, const char *field,
	const char **ret_text, GError **error)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, field);

	*ret_text = NULL;
	if (value == NULL || cJSON_IsNull(value))
		return 0;
	if (!cJSON_IsString(value))
		return error_set(
			error, EINVAL, "%s: the exec plugin's %s is not a string", owner, field);
	if (*value->valuestring != '\0')
		*ret_text = value->valuestring;
	return 0;
}

static int check_version(
	const char *owner, const char *api_version, const cJSON *root, GError **error)
{
	const cJSON *kind = cJSON_GetObjectItemCaseSensitive(root, "kind");
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "apiVersion");
	g_autofree char *answered = NULL;

	if (!cJSON_IsString(kind) || strcmp(kind->valuestring, "ExecCredential") != 0 ||
		!cJSON_IsString(version))
		return error_set(error, EINVAL,
			"%s: the exec plugin did not print an ExecCredential of %s", owner,
			api_version);
	if (strcmp(version->valuestring, api_version) == 0)
		return 0;
	answered = escape_text(version->valuestring, (gssize)MIN(strlen(version->valuestring), 64));
	return error_set(error, EINVAL,
		"%s: the exec plugin is configured for %s, it answered with %s", owner, api_version,
		answered);
}

static int get_expiry(
	const char *owner, const cJSON *status, gint64 *ret_microseconds, GError **error)
{
	const char *field = "expirationTimestamp";
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(status, field);

	*ret_microseconds = 0;
	if (value == NULL || cJSON_IsNull(value))
		return 0;
	if (!cJSON_IsString(value) || rfc3339_parse(value->valuestring, ret_microseconds) < 0)
		return error_set(
			error, EINVAL, "%s: the exec plugin's %s is not RFC 3339", owner, field);
	return 0;
}

static int set_certificate(const char *owner, const char *certificate, const char *key,
	struct credential_content *content, GError **error)
{
	g_autofree char *certificate_where =
		g_strdup_printf("%s: the exec plugin's clientCertificateData", owner);
	g_autofree char *key_where = g_strdup_printf("%s: the exec plugin's clientKeyData", owner);
	int result;

	content->certificate = secret_bytes_new(certificate, strlen(certificate));
	content->key = secret_bytes_new(key, strlen(key));
	result = credential_check_certificate(content->certificate, certificate_where, error);
	if (result == 0)
		result = credential_check_key(content->key, key_where, error);
	return result;
}

static int read_status(
	const char *owner, const cJSON *status, struct credential_content *content, GError **error)
{
	const char *token = NULL, *certificate = NULL, *key = NULL;
	int result = get_string(owner, status, "token", &token, error);

	if (result == 0)
		result = get_string(owner, status, "clientCertificateData", &certificate, error);
	if (result == 0)
		result = get_string(owner, status, "clientKeyData", &key, error);
	if (result == 0)
		result = get_expiry(owner, status, &content->expires, error);
	if (result < 0)
		return result;
	if (token == NULL && certificate == NULL && key == NULL)
		return error_set(error, EINVAL,
			"%s: the exec plugin returned neither a token nor a certificate with its "
			"key",
			owner);
	if ((certificate == NULL) != (key == NULL))
		return error_set(error, EINVAL,
			"%s: the exec plugin returned only one of certificate and key", owner);
	if (token != NULL && credential_bearer(token, &content->authorization) < 0)
		return error_set(error, EINVAL,
			"%s: the exec plugin's token holds a control character", owner);
	if (certificate != NULL)
		return set_certificate(owner, certificate, key, content, error);
	return 0;
}

int exec_credential_parse(const char *owner, const char *api_version, GBytes *text,
	struct credential_content *ret_content, GError **error)
{
	struct credential_content content = {0};
	autojson cJSON *root = parse(text);
	const cJSON *status;
	int result = check_version(owner, api_version, root, error);

	if (result < 0)
		return result;
	status = cJSON_GetObjectItemCaseSensitive(root, "status");
	if (!cJSON_IsObject(status))
		return error_set(
			error, EINVAL, "%s: the exec plugin did not return a status", owner);
	result = read_status(owner, status, &content, error);
	if (result < 0)
		credential_content_finish(&content);
	else
		*ret_content = content;
	return result;
}
