#include "client/kubernetes_list.h"

#include <errno.h>

#include "client/error.h"
#include "client/json_stream.h"
#include "client/json_text.h"
#include "client/kubernetes_call.h"
#include "client/kubernetes_url.h"

/* client-go's tools/pager: objects a page. */
#define PAGE_LIMIT "500"

struct list {
	struct kubernetes_call base;
	struct source_list_handlers handlers;
	void *data;
	char *path; /* the collection's */
	char *name; /* or NULL */
	char *api_version;
	char *kind;
	gboolean metadata_only;
	enum source_list_from from;
	char *known_version;
	gboolean whole; /* without a limit: the list began again */
	char *version; /* the first page's */
	char *token; /* to continue with, NULL for a first page */
	char *next_token; /* the current page's metadata.continue, or NULL */
	struct json_stream *stream; /* the current page's */
};

static void on_item(void *data, const char *json, size_t length)
{
	struct list *list = data;
	const struct source_item item = {
		.json = json,
		.length = length,
		.api_version = list->api_version,
		.kind = list->kind,
	};

	list->handlers.item(list->data, &item);
}

static char *find_string(struct json_text json, const char *key)
{
	struct json_text value;

	return json_text_find(json, JSON_PATH(key), &value) ? json_text_string(value) : NULL;
}

static void on_member(void *data, const char *key, const char *json, size_t length)
{
	const struct json_text metadata = {json, length};
	struct list *list = data;

	if (!g_str_equal(key, "metadata"))
		return;
	g_free(list->next_token);
	list->next_token = find_string(metadata, "continue");
	/* All pages show the first one's state, so a watch begins there (client-go's pager). */
	if (list->version == NULL)
		list->version = find_string(metadata, "resourceVersion");
}

static void begin_page(struct list *list)
{
	const struct json_stream_handlers handlers = {.object = on_item, .member = on_member};

	json_stream_free(list->stream);
	list->stream =
		json_stream_create(JSON_STREAM_LIST, JSON_STREAM_OBJECT_MAX, &handlers, list);
	g_clear_pointer(&list->next_token, g_free);
}

/*
 * The page's path and query. A limit together with a known version would ask for exactly that
 * version (API conventions, "resourceVersion"): then all comes at once, from the server's cache, as
 * client-go's reflector does it.
 */
static char *make_path(const struct list *list)
{
	GString *url = g_string_new(list->path);

	if (!list->whole && (list->token != NULL || list->from != SOURCE_LIST_KNOWN))
		kubernetes_url_add(url, "limit", PAGE_LIMIT);
	if (list->token != NULL)
		kubernetes_url_add(url, "continue", list->token);
	else if (list->from == SOURCE_LIST_CACHE)
		kubernetes_url_add(url, "resourceVersion", "0");
	else if (list->from == SOURCE_LIST_KNOWN)
		kubernetes_url_add(url, "resourceVersion", list->known_version);
	if (list->name != NULL)
		kubernetes_url_add_name(url, list->name);
	return g_string_free(url, FALSE);
}

static struct http_request make_request(const struct list *list, const char *path)
{
	return (struct http_request){
		.method = "GET",
		.path = path,
		.accept = list->metadata_only ? KUBERNETES_ACCEPT_METADATA_LIST : NULL,
		.lane = HTTP_LANE_LIST,
		.idle_timeout = KUBERNETES_IDLE_TIMEOUT,
		/* "Too large resource version" asks to try again: the caller knows better. */
		.repeat = list->from == SOURCE_LIST_KNOWN ? HTTP_REPEAT_NEVER : HTTP_REPEAT_ALWAYS,
	};
}

static gboolean send_page(struct list *list)
{
	g_autofree char *path = make_path(list);
	const struct http_request request = make_request(list, path);

	begin_page(list);
	return kubernetes_call_send(&list->base, &request);
}

static void on_body(struct kubernetes_call *call, const char *bytes, size_t length)
{
	struct list *list = (struct list *)call;
	GError *error = NULL;

	if (json_stream_feed(list->stream, bytes, length, &error) < 0)
		kubernetes_call_fail(call, error);
}

static int on_end(struct kubernetes_call *call, GError **error)
{
	struct list *list = (struct list *)call;
	int r = json_stream_end(list->stream, error);

	if (r < 0)
		return r;
	if (list->token != NULL && g_strcmp0(list->token, list->next_token) == 0)
		return error_set(error, EPROTO, "the page continues with itself");
	return 0;
}

static void tell_cancelled(struct list *list)
{
	const struct source_result cancelled = {
		.errnum = ECANCELED,
		.reason = "",
		.message = "cancelled",
	};

	list->handlers.done(list->data, &cancelled);
}

/* The token is too old: everything once more, in one piece (client-go's pager). */
static void begin_again(struct list *list)
{
	list->handlers.restart(list->data);
	list->whole = TRUE;
	g_clear_pointer(&list->version, g_free);
	g_clear_pointer(&list->token, g_free);
}

static gboolean on_done(struct kubernetes_call *call, const struct source_result *result)
{
	struct list *list = (struct list *)call;
	struct source_result last = *result;
	/* Only a token that is not empty means that there is more. */
	gboolean more = list->next_token != NULL && *list->next_token != '\0';

	if (result->errnum != 0 && result->expired && list->token != NULL) {
		begin_again(list);
	} else if (result->errnum == 0 && more) {
		g_free(list->token);
		list->token = g_steal_pointer(&list->next_token);
	} else {
		if (result->errnum == 0)
			last.version = list->version != NULL ? list->version : "";
		list->handlers.done(list->data, &last);
		return FALSE;
	}
	if (send_page(list))
		return TRUE;
	tell_cancelled(list);
	return FALSE;
}

static void on_free(struct kubernetes_call *call)
{
	struct list *list = (struct list *)call;

	g_free(list->path);
	g_free(list->name);
	g_free(list->api_version);
	g_free(list->kind);
	g_free(list->known_version);
	g_free(list->version);
	g_free(list->token);
	g_free(list->next_token);
	json_stream_free(list->stream);
	g_free(list);
}

static const struct kubernetes_call_ops list_ops = {
	.body = on_body,
	.end = on_end,
	.done = on_done,
	.free = on_free,
};

struct source_call *kubernetes_list(struct source *source, const struct source_scope *scope,
	enum source_list_from from, const char *known_version,
	const struct source_list_handlers *handlers, void *data, struct strand *strand)
{
	struct list *list = g_new0(struct list, 1);
	g_autofree char *path = NULL;
	GError *error = NULL;
	struct http_request request;

	kubernetes_call_init(&list->base, &list_ops, (struct kubernetes *)source, strand);
	list->handlers = *handlers;
	list->data = data;
	list->path = kubernetes_url_collection(scope, &error);
	list->name = g_strdup(scope->name);
	list->api_version =
		kubernetes_url_api_version(scope->resource->group, scope->resource->version);
	list->kind = g_strdup(scope->resource->kind);
	list->metadata_only = scope->metadata_only;
	/* Without a version there is none to ask for. */
	list->from = (known_version == NULL || *known_version == '\0') && from == SOURCE_LIST_KNOWN
			     ? SOURCE_LIST_LATEST
			     : from;
	list->known_version = g_strdup(known_version);
	begin_page(list);
	path = list->path == NULL ? NULL : make_path(list);
	request = make_request(list, path);
	kubernetes_call_start(&list->base, &request, error);
	return &list->base.call;
}
