#include "client/credential_files.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/secret.h"

struct file_source {
	struct credential_source base;
	char *owner;
	char *authorization;
	char *token_path;
	GBytes *certificate;
	char *certificate_path;
	GBytes *key;
	char *key_path;
};

static int read_token(const struct file_source *source, char **ret_authorization, GError **error)
{
	g_autofree char *what = g_strdup_printf("%s: tokenFile", source->owner);
	g_autofree char *path = escape_text(source->token_path, -1);
	g_autoptr(GBytes) bytes = NULL;
	autosecret char *token = NULL;
	const char *data;
	size_t length;
	int result =
		secret_file_read(source->token_path, what, CREDENTIAL_TOKEN_LIMIT, &bytes, error);

	if (result < 0)
		return result;
	data = g_bytes_get_data(bytes, &length);
	token = g_strndup(data, length);
	g_strstrip(token);
	if (*token == '\0')
		return error_set(error, EINVAL, "%s %s: no token in it", what, path);
	if (memchr(data, '\0', length) != NULL || credential_bearer(token, ret_authorization) < 0)
		return error_set(error, EINVAL, "%s %s: what it holds is not a token", what, path);
	return 0;
}

typedef int (*pem_check)(GBytes *pem, const char *where, GError **error);

/* *ret_pem becomes NULL when it is neither given nor named. */
static int get_pem(const struct file_source *source, const char *option, GBytes *fixed,
	const char *path, pem_check check, GBytes **ret_pem, GError **error)
{
	g_autofree char *what = g_strdup_printf("%s: %s", source->owner, option);
	g_autofree char *shown = escape_text(path != NULL ? path : "data", -1);
	g_autofree char *where = g_strdup_printf("%s %s", what, shown);
	g_autoptr(GBytes) pem = fixed != NULL ? g_bytes_ref(fixed) : NULL;
	int result = 0;

	if (pem == NULL && path != NULL)
		result = secret_file_read(path, what, CREDENTIAL_PEM_LIMIT, &pem, error);
	if (result == 0 && pem != NULL)
		result = check(pem, where, error);
	if (result == 0)
		*ret_pem = g_steal_pointer(&pem);
	return result;
}

static int get_content(
	struct file_source *source, struct credential_content *content, GError **error)
{
	int result = 0;

	if (source->authorization != NULL)
		content->authorization = g_strdup(source->authorization);
	else if (source->token_path != NULL)
		result = read_token(source, &content->authorization, error);
	if (result == 0)
		result = get_pem(source, "client-certificate", source->certificate,
			source->certificate_path, credential_check_certificate,
			&content->certificate, error);
	if (result == 0)
		result = get_pem(source, "client-key", source->key, source->key_path,
			credential_check_key, &content->key, error);
	return result;
}

static int fetch(struct credential_source *base, int cancel_fd,
	struct credential_content *ret_content, GError **error)
{
	struct credential_content content = {0};
	int result = get_content((struct file_source *)base, &content, error);

	if (result < 0)
		credential_content_finish(&content);
	else
		*ret_content = content;
	return result;
}

static void destroy(struct credential_source *base)
{
	struct file_source *source = (struct file_source *)base;

	g_free(source->owner);
	secret_free(source->authorization);
	g_free(source->token_path);
	g_clear_pointer(&source->certificate, g_bytes_unref);
	g_free(source->certificate_path);
	g_clear_pointer(&source->key, g_bytes_unref);
	g_free(source->key_path);
	g_free(source);
}

static const struct credential_source_ops ops = {
	.fetch = fetch,
	.destroy = destroy,
};

static struct file_source *source_create(const struct credential_files *files)
{
	struct file_source *source = g_new0(struct file_source, 1);

	source->base.ops = &ops;
	source->base.keeps_content = TRUE;
	source->owner = g_strdup(files->owner);
	source->authorization = g_strdup(files->authorization);
	source->token_path = g_strdup(files->token_path);
	source->certificate = files->certificate != NULL ? g_bytes_ref(files->certificate) : NULL;
	source->certificate_path = g_strdup(files->certificate_path);
	source->key = files->key != NULL ? g_bytes_ref(files->key) : NULL;
	source->key_path = g_strdup(files->key_path);
	if (source->token_path != NULL && source->authorization == NULL)
		source->base.lifetime = CREDENTIALS_TOKEN_SECONDS;
	else if (source->certificate_path != NULL || source->key_path != NULL)
		source->base.lifetime = CREDENTIALS_CERTIFICATE_SECONDS;
	return source;
}

int credential_files_create(const struct credential_files *files,
	const struct credential_clock *clock, struct credentials **ret_credentials, GError **error)
{
	struct file_source *source = source_create(files);
	struct credential_content content = {0};
	gboolean fixed = source->base.lifetime == 0;
	int result = fetch(&source->base, -1, &content, error);

	if (result < 0 || fixed)
		destroy(&source->base);
	if (result < 0)
		return result;
	result = credentials_create(
		fixed ? NULL : &source->base, &content, clock, ret_credentials, error);
	credential_content_finish(&content);
	return result;
}
