#include <errno.h>
#include <string.h>

#include "client/credential_source.h"
#include "client/error.h"
#include "client/secret.h"

void credential_content_finish(struct credential_content *content)
{
	secret_clear(&content->authorization);
	g_clear_pointer(&content->certificate, g_bytes_unref);
	g_clear_pointer(&content->key, g_bytes_unref);
}

/* RFC 9110 5.5: no control characters but the tab. */
static gboolean is_field_value(const char *text)
{
	for (; *text != '\0'; text++) {
		if (g_ascii_iscntrl(*text) && *text != '\t')
			return FALSE;
	}
	return TRUE;
}

int credential_bearer(const char *token, char **ret_authorization)
{
	if (*token == '\0' || !is_field_value(token))
		return -EINVAL;
	*ret_authorization = g_strconcat("Bearer ", token, NULL);
	return 0;
}

int credential_basic(const char *user, const char *password, char **ret_authorization)
{
	autosecret char *pair = NULL, *encoded = NULL;

	if (!is_field_value(user) || !is_field_value(password) || strchr(user, ':') != NULL)
		return -EINVAL;
	pair = g_strconcat(user, ":", password, NULL);
	encoded = g_base64_encode((const guchar *)pair, strlen(pair));
	*ret_authorization = g_strconcat("Basic ", encoded, NULL);
	return 0;
}

static gboolean contains(GBytes *bytes, const char *text)
{
	size_t length;
	const void *data = g_bytes_get_data(bytes, &length);

	return data != NULL && memmem(data, length, text, strlen(text)) != NULL;
}

int credential_check_certificate(GBytes *pem, const char *where, GError **error)
{
	if (contains(pem, "-----BEGIN CERTIFICATE-----"))
		return 0;
	return error_set(error, EINVAL, "%s: no PEM certificate in it", where);
}

int credential_check_key(GBytes *pem, const char *where, GError **error)
{
	if (!contains(pem, "PRIVATE KEY-----"))
		return error_set(error, EINVAL, "%s: no PEM private key in it", where);
	if (contains(pem, "BEGIN ENCRYPTED PRIVATE KEY-----") ||
		contains(pem, "Proc-Type: 4,ENCRYPTED"))
		return error_set(
			error, ENOTSUP, "%s: an encrypted private key is not supported", where);
	return 0;
}
