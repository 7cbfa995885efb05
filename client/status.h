/*
 * metav1.Status: what an API server says of a failed request, as the body of a response or as the
 * object of a watch's ERROR event (apimachinery/pkg/apis/meta/v1/types.go).
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>

/* Strings are borrowed from the object. */
struct status {
	int code; /* 0 when absent */
	const char *reason; /* "" when absent */
	const char *message; /* as sent, not escaped; "" when absent */
	unsigned int retry_after; /* milliseconds, from details.retryAfterSeconds; 0 when absent */
};

/* FALSE when object is NULL or no Status; *ret_status is untouched then. Any thread. */
gboolean status_read(const cJSON *object, struct status *ret_status);

/*
 * The positive errno for an HTTP status and a Status reason (design.md 3): 400 and 422 EINVAL, 401
 * and 403 EACCES, 404 ENOENT, 409 EEXIST for AlreadyExists, else EBUSY, 410 ESTALE, 412 EBUSY, 413
 * EFBIG, 405, 406 and 415 EOPNOTSUPP, 429, 503 and 504 EAGAIN, other 5xx EIO, 3xx EPROTO (a
 * redirect is never followed), other 4xx EINVAL; 0 for 2xx. reason may be NULL. Any thread.
 */
int status_errnum(int code, const char *reason);
