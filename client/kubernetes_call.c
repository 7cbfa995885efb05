#include "client/kubernetes_call.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"
#include "client/protobuf_envelope.h"
#include "client/status.h"

struct kubernetes *kubernetes_ref(struct kubernetes *kubernetes)
{
	g_atomic_int_inc(&kubernetes->references);
	return kubernetes;
}

struct kubernetes *kubernetes_unref(struct kubernetes *kubernetes)
{
	if (kubernetes != NULL && g_atomic_int_dec_and_test(&kubernetes->references)) {
		kubernetes_warnings_finish(&kubernetes->warnings);
		pthread_mutex_destroy(&kubernetes->lock);
		g_free(kubernetes);
	}
	return NULL;
}

static void failure_clear(struct kubernetes_failure *failure)
{
	g_clear_error(&failure->error);
	g_clear_pointer(&failure->reason, g_free);
	*failure = (struct kubernetes_failure){0};
}

static void cancel(struct source_call *base)
{
	struct kubernetes_call *call = (struct kubernetes_call *)base;

	pthread_mutex_lock(&call->kubernetes->lock);
	call->cancelled = TRUE;
	if (call->exchange != NULL)
		http_cancel(call->exchange);
	pthread_mutex_unlock(&call->kubernetes->lock);
}

static void free_call(struct source_call *base)
{
	struct kubernetes_call *call = (struct kubernetes_call *)base;

	failure_clear(&call->failure);
	g_free(call->what);
	strand_unref(call->strand);
	kubernetes_unref(call->kubernetes);
	call->ops->free(call);
}

static const struct source_call_ops call_ops = {
	.cancel = cancel,
	.free = free_call,
};

void kubernetes_call_init(struct kubernetes_call *call, const struct kubernetes_call_ops *ops,
	struct kubernetes *kubernetes, struct strand *strand)
{
	source_call_init(&call->call, &call_ops);
	call->ops = ops;
	call->kubernetes = kubernetes_ref(kubernetes);
	call->strand = strand_ref(strand);
}

/* Go's metav1.CauseTypeResourceVersionTooLarge, of a Status with code 504. */
static gboolean has_too_large_cause(const cJSON *status)
{
	const cJSON *details = cJSON_GetObjectItemCaseSensitive(status, "details");
	const cJSON *cause;

	cJSON_ArrayForEach(cause, cJSON_GetObjectItemCaseSensitive(details, "causes"))
	{
		const char *reason =
			cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cause, "reason"));

		if (g_strcmp0(reason, "ResourceVersionTooLarge") == 0)
			return TRUE;
	}
	return FALSE;
}

/*
 * client-go's isExpiredError and isTooLargeResourceVersionError (tools/cache/reflector.go): the
 * second by its message, too, for servers of 1.17 and before.
 */
static gboolean is_expired(int code, const char *reason, const cJSON *status)
{
	struct status read;

	if (code == 410 || g_str_equal(reason, "Expired") || g_str_equal(reason, "Gone"))
		return TRUE;
	if (has_too_large_cause(status))
		return TRUE;
	return status_read(status, &read) && g_str_equal(reason, "Timeout") &&
	       g_str_has_prefix(read.message, "Too large resource version");
}

struct kubernetes_failure kubernetes_failure_from_status(const cJSON *status)
{
	struct kubernetes_failure failure = {0};
	g_autofree char *message = NULL;
	struct status read;
	int errnum;

	if (!status_read(status, &read)) {
		error_set(&failure.error, EPROTO, "an ERROR event without a Status");
		return failure;
	}
	message = escape_text(*read.message != '\0' ? read.message : read.reason, -1);
	errnum = status_errnum(read.code, read.reason);
	error_set(&failure.error, errnum != 0 ? errnum : EIO, "%d %s", read.code, message);
	failure.status = read.code;
	failure.reason = g_strdup(read.reason);
	failure.retry_after = read.retry_after;
	failure.expired = is_expired(read.code, read.reason, status);
	return failure;
}

static void finish(struct kubernetes_call *call, const struct source_result *result)
{
	if (!call->ops->done(call, result))
		source_call_unref(&call->call);
}

/* Tells the call of what it found wrong itself. */
static void finish_failed(struct kubernetes_call *call, int status)
{
	struct kubernetes_failure failure = call->failure;
	g_autofree char *message = NULL;
	struct source_result result;

	call->failure = (struct kubernetes_failure){0};
	message = call->what == NULL ? g_strdup(failure.error->message)
				     : g_strconcat(call->what, ": ", failure.error->message, NULL);
	result = (struct source_result){
		.errnum = failure.error->code,
		.status = failure.status != 0 ? failure.status : status,
		.reason = failure.reason != NULL ? failure.reason : "",
		.message = message,
		.retry_after = failure.retry_after,
		.expired = failure.expired,
		.unreadable = failure.unreadable,
	};
	finish(call, &result);
	failure_clear(&failure);
}

static void on_head(void *data, const struct http_head *head)
{
	struct kubernetes_call *call = data;
	gboolean readable =
		call->protobuf && http_content_type_is(head->content_type, PROTOBUF_CONTENT_TYPE);
	GError *error = NULL;

	if (!readable && http_head_check_json(head, &error) < 0)
		kubernetes_call_fail(call, error);
	else if (call->ops->head != NULL)
		call->ops->head(call, head->content_type);
}

static void on_body(void *data, const char *bytes, size_t length)
{
	struct kubernetes_call *call = data;

	if (call->failure.error == NULL)
		call->ops->body(call, bytes, length);
}

static void on_warning(void *data, const char *text)
{
	struct kubernetes_call *call = data;

	kubernetes_warnings_tell(&call->kubernetes->warnings, call->warn, text);
}

static void on_done(void *data, const struct http_result *http)
{
	struct kubernetes_call *call = data;
	struct source_result result = {
		.errnum = http->errnum,
		.status = http->status,
		.reason = http->reason,
		.message = http->message,
		.retry_after = http->retry_after,
		.expired = http->errnum != 0 &&
			   is_expired(http->status, http->reason, http->status_object),
	};

	pthread_mutex_lock(&call->kubernetes->lock);
	call->exchange = http_exchange_unref(call->exchange);
	pthread_mutex_unlock(&call->kubernetes->lock);
	call->http = http;
	if (http->errnum == 0 && call->failure.error == NULL)
		call->ops->end(call, &call->failure.error);
	if (call->failure.error != NULL)
		finish_failed(call, http->status);
	else
		finish(call, &result);
}

static const struct http_handlers http_handlers = {
	.head = on_head,
	.body = on_body,
	.warning = on_warning,
	.done = on_done,
};

/* "GET https://10.0.0.1:6443/api/v1/pods", without the query: a continue token is long. */
static char *describe(struct http_client *http, const struct http_request *request)
{
	size_t length = strcspn(request->path, "?");

	return g_strdup_printf(
		"%s %s%.*s", request->method, http_client_server(http), (int)length, request->path);
}

/* Under the lock, so that neither a cancel nor the source's end comes between. */
static gboolean send_unless_cancelled(
	struct kubernetes_call *call, const struct http_request *request)
{
	struct kubernetes *kubernetes = call->kubernetes;
	gboolean may;

	pthread_mutex_lock(&kubernetes->lock);
	may = !call->cancelled && kubernetes->http != NULL;
	if (may) {
		g_free(call->what);
		call->what = describe(kubernetes->http, request);
		call->exchange =
			http_send(kubernetes->http, request, &http_handlers, call, call->strand);
	}
	pthread_mutex_unlock(&kubernetes->lock);
	return may;
}

static void finish_unsent(void *data)
{
	struct kubernetes_call *call = data;
	const struct source_result cancelled = {
		.errnum = ECANCELED,
		.reason = "",
		.message = "cancelled",
	};

	/* Status 404: a name that can be no object's is answered as the server would. */
	if (call->failure.error != NULL)
		finish_failed(call, call->failure.error->code == ENOENT ? 404 : 0);
	else
		finish(call, &cancelled);
}

void kubernetes_call_start(
	struct kubernetes_call *call, const struct http_request *request, GError *error)
{
	source_call_ref(&call->call);
	call->failure.error = error;
	if (error != NULL || !send_unless_cancelled(call, request))
		strand_post(call->strand, finish_unsent, call);
}

gboolean kubernetes_call_send(struct kubernetes_call *call, const struct http_request *request)
{
	return send_unless_cancelled(call, request);
}

void kubernetes_call_refuse(struct kubernetes_call *call, const struct kubernetes_failure *failure)
{
	failure_clear(&call->failure);
	call->failure = *failure;
	pthread_mutex_lock(&call->kubernetes->lock);
	if (call->exchange != NULL)
		http_cancel(call->exchange);
	pthread_mutex_unlock(&call->kubernetes->lock);
}

void kubernetes_call_fail(struct kubernetes_call *call, GError *error)
{
	const struct kubernetes_failure failure = {.error = error};

	kubernetes_call_refuse(call, &failure);
}
