#include "client/kubernetes_change.h"

#include <errno.h>
#include <string.h>

#include "client/kubernetes_fetch.h"
#include "client/kubernetes_refusal.h"
#include "client/kubernetes_url.h"

struct change {
	struct source_change_handlers handlers;
	void *data;
	struct kubernetes *kubernetes;
	enum source_verb verb;
	gboolean secret; /* no text in which the server may repeat a value goes on */
	char *api_version;
	char *kind;
};

static void change_free(struct change *change)
{
	kubernetes_unref(change->kubernetes);
	g_free(change->api_version);
	g_free(change->kind);
	g_free(change);
}

/*
 * Whether a failed change may be there nevertheless. A refusal (3xx, 4xx) says that it is not, and
 * so does a 503 that names a time to come back; other 5xx do not (a 504 comes from a server that
 * goes on writing), nor does a success of which the rest could not be read.
 */
static gboolean may_have_arrived(const struct http_result *http)
{
	if (http == NULL)
		return FALSE;
	if (http->unanswered || (http->status >= 200 && http->status < 300))
		return TRUE;
	return http->status >= 500 && (http->status != 503 || http->retry_after == 0);
}

static gboolean is_filled(struct json_text json, const char *const *path)
{
	struct json_text value;

	/* "[]" and "0" have nothing in them. */
	return json_text_find(json, path, &value) && value.length > 1 &&
	       !g_str_has_prefix(value.text, "null") && !g_str_has_prefix(value.text, "[]");
}

/*
 * Whether the object that a DELETE answers with is still there. Some kinds answer with the last
 * state of what is gone (registry.Store's ReturnDeletedObject). What stays has a deletionTimestamp
 * and waits for its finalizers (a namespace's are in its spec) or for its grace period.
 */
static gboolean is_left(struct json_text json)
{
	struct json_text grace;

	if (!is_filled(json, JSON_PATH("metadata", "deletionTimestamp")))
		return FALSE;
	if (is_filled(json, JSON_PATH("metadata", "finalizers")) ||
		is_filled(json, JSON_PATH("spec", "finalizers")))
		return TRUE;
	return json_text_find(json, JSON_PATH("metadata", "deletionGracePeriodSeconds"), &grace) &&
	       *grace.text != '0';
}

static gboolean is_status(struct json_text json)
{
	struct json_text kind;

	return json_text_find(json, JSON_PATH("kind"), &kind) && json_text_is(kind, "Status");
}

/* A Status of success tells of a delete that nothing is left, and of others nothing. */
static gboolean is_expected(const struct change *change, struct json_text json)
{
	struct json_text status;

	if (!is_status(json))
		return TRUE;
	return change->verb == SOURCE_DELETE &&
	       json_text_find(json, JSON_PATH("status"), &status) &&
	       json_text_is(status, "Success");
}

static gboolean has_object(const struct change *change, struct json_text json)
{
	return change->verb != SOURCE_DELETE || (!is_status(json) && is_left(json));
}

static const char *where(struct kubernetes *kubernetes)
{
	return kubernetes->source.ops->where(&kubernetes->source);
}

static void finish(void *data, const struct kubernetes_fetched *fetched)
{
	struct change *change = data;
	const struct source_item item = {
		.json = fetched->json.text,
		.length = fetched->json.length,
		.api_version = change->api_version,
		.kind = change->kind,
	};
	struct kubernetes_refusal refusal = {0};
	struct source_change_result result = {.result = *fetched->result};
	g_autofree char *unexpected = NULL;

	kubernetes_refusal_read(&refusal, &change->kubernetes->source, change->secret,
		fetched->result, fetched->http);
	result.result.reason = refusal.reason;
	result.result.message = refusal.message;
	result.causes = refusal.causes;
	if (result.result.errnum == 0 && !is_expected(change, fetched->json)) {
		result.result.errnum = EPROTO;
		result.result.message = unexpected = g_strdup_printf(
			"%s: a Status stands for the object", where(change->kubernetes));
	}
	if (result.result.errnum != 0)
		result.uncertain = may_have_arrived(fetched->http);
	else if (has_object(change, fetched->json))
		result.item = &item;
	change->handlers.done(change->data, &result);
	kubernetes_refusal_finish(&refusal);
	change_free(change);
}

static void add_dry_run(cJSON *options)
{
	cJSON_AddItemToArray(cJSON_AddArrayToObject(options, "dryRun"), cJSON_CreateString("All"));
}

/*
 * A body takes the place of the query's options, so what matters is in it
 * (apiserver/pkg/endpoints/handlers/delete.go). No resourceVersion: it fails on busy pods
 * (writes.md 4).
 */
static GBytes *make_delete_options(const struct source_change *change)
{
	cJSON *options = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(options, "apiVersion", "v1");
	cJSON_AddStringToObject(options, "kind", "DeleteOptions");
	if (change->uid != NULL)
		cJSON_AddStringToObject(
			cJSON_AddObjectToObject(options, "preconditions"), "uid", change->uid);
	cJSON_AddStringToObject(options, "propagationPolicy", "Background");
	if (change->dry_run)
		add_dry_run(options);
	text = cJSON_PrintUnformatted(options);
	cJSON_Delete(options);
	return g_bytes_new_with_free_func(text, strlen(text), cJSON_free, text);
}

static char *make_path(const struct source_change *change, GError **error)
{
	g_autofree char *path = change->verb == SOURCE_CREATE
					? kubernetes_url_collection(change->scope, error)
					: kubernetes_url_object(change->scope, error);
	GString *url;

	if (path == NULL)
		return NULL;
	url = g_string_new(path);
	if (change->verb != SOURCE_DELETE) {
		kubernetes_url_add(url, "fieldValidation", "Strict");
		kubernetes_url_add(url, "fieldManager", "kubefs");
	}
	if (change->dry_run)
		kubernetes_url_add(url, "dryRun", "All");
	return g_string_free(url, FALSE);
}

static const char *method_of(enum source_verb verb)
{
	switch (verb) {
	case SOURCE_CREATE:
		return "POST";
	case SOURCE_UPDATE:
		return "PUT";
	default:
		return "DELETE";
	}
}

static struct change *change_create(struct source *source, const struct source_change *wanted,
	const struct source_change_handlers *handlers, void *data)
{
	const struct resource *resource = wanted->scope->resource;
	struct change *change = g_new0(struct change, 1);

	change->handlers = *handlers;
	change->data = data;
	change->kubernetes = kubernetes_ref((struct kubernetes *)source);
	change->verb = wanted->verb;
	change->secret = *resource->group == '\0' && g_str_equal(resource->plural, "secrets");
	change->api_version = kubernetes_url_scope_api_version(wanted->scope);
	change->kind = g_strdup(kubernetes_url_scope_kind(wanted->scope));
	return change;
}

struct source_call *kubernetes_change(struct source *source, const struct source_change *wanted,
	const struct source_change_handlers *handlers, void *data, struct strand *strand)
{
	struct change *change = change_create(source, wanted, handlers, data);
	GError *error = NULL;
	g_autofree char *path = make_path(wanted, &error);
	g_autoptr(GBytes) body = wanted->verb == SOURCE_DELETE ? make_delete_options(wanted)
							       : g_bytes_ref(wanted->body);
	const struct http_request request = {
		.method = method_of(wanted->verb),
		.path = path,
		.body = body,
		.lane = HTTP_LANE_REQUEST,
		.timeout = KUBERNETES_REQUEST_TIMEOUT,
		.idle_timeout = KUBERNETES_IDLE_TIMEOUT,
		/* A dry run that may have arrived has changed nothing. */
		.repeat = wanted->dry_run ? HTTP_REPEAT_ALWAYS : HTTP_REPEAT_REFUSED,
	};

	return kubernetes_fetch((struct kubernetes *)source, &request,
		change->secret ? KUBERNETES_WARN_HIDDEN : KUBERNETES_WARN_ALWAYS, error, finish,
		change, strand);
}
