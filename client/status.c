#include "client/status.h"

#include <errno.h>
#include <string.h>

#define MILLISECONDS 1000U

static const char *string_of(const cJSON *object, const char *name)
{
	const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return value != NULL ? value : "";
}

static int integer_of(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	return cJSON_IsNumber(item) ? item->valueint : 0;
}

gboolean status_read(const cJSON *object, struct status *ret_status)
{
	const cJSON *details;
	int seconds;

	if (!cJSON_IsObject(object) || strcmp(string_of(object, "kind"), "Status") != 0)
		return FALSE;
	details = cJSON_GetObjectItemCaseSensitive(object, "details");
	seconds = integer_of(details, "retryAfterSeconds");
	*ret_status = (struct status){
		.code = integer_of(object, "code"),
		.reason = string_of(object, "reason"),
		.message = string_of(object, "message"),
		.retry_after =
			MIN((unsigned int)MAX(seconds, 0), G_MAXUINT / MILLISECONDS) * MILLISECONDS,
	};
	return TRUE;
}

static int client_errnum(int code, const char *reason)
{
	switch (code) {
	case 401:
	case 403:
		return EACCES;
	case 404:
		return ENOENT;
	case 405:
	case 406:
	case 415:
		return EOPNOTSUPP;
	case 409:
		return g_strcmp0(reason, "AlreadyExists") == 0 ? EEXIST : EBUSY;
	case 410:
		return ESTALE;
	case 412:
		return EBUSY;
	case 413:
		return EFBIG;
	case 429:
		return EAGAIN;
	default:
		return EINVAL;
	}
}

int status_errnum(int code, const char *reason)
{
	if (code >= 200 && code < 300)
		return 0;
	if (code >= 300 && code < 400)
		return EPROTO;
	if (code >= 400 && code < 500)
		return client_errnum(code, reason);
	return code == 503 || code == 504 ? EAGAIN : EIO;
}
