#include "client/kubernetes_list.h"

#include <errno.h>

#include "client/error.h"
#include "client/kubernetes_call.h"
#include "client/kubernetes_page.h"
#include "client/kubernetes_url.h"
#include "client/protobuf_envelope.h"

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
	gboolean protobuf; /* the current page's form */
	struct kubernetes_page *page; /* the current one, once its head has come */
};

static void on_item(void *data, const struct source_item *item)
{
	struct list *list = data;

	list->handlers.item(list->data, item);
}

static void on_head(struct kubernetes_call *call, const char *content_type)
{
	struct list *list = (struct list *)call;

	list->protobuf = http_content_type_is(content_type, PROTOBUF_CONTENT_TYPE);
	list->page = kubernetes_page_create(&(struct kubernetes_page_options){
		.protobuf = list->protobuf,
		.api_version = list->api_version,
		.kind = list->kind,
		.item = on_item,
		.data = list,
	});
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

static const char *accept_of(const struct list *list)
{
	if (list->metadata_only)
		return KUBERNETES_ACCEPT_METADATA_LIST;
	return list->base.protobuf ? KUBERNETES_ACCEPT_PROTOBUF : NULL;
}

static struct http_request make_request(const struct list *list, const char *path)
{
	return (struct http_request){
		.method = "GET",
		.path = path,
		.accept = accept_of(list),
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

	g_clear_pointer(&list->page, kubernetes_page_free);
	return kubernetes_call_send(&list->base, &request);
}

static void on_body(struct kubernetes_call *call, const char *bytes, size_t length)
{
	struct list *list = (struct list *)call;
	struct kubernetes_failure failure = {.unreadable = list->protobuf};

	if (kubernetes_page_feed(list->page, bytes, length, &failure.error) < 0)
		kubernetes_call_refuse(call, &failure);
}

static int on_end(struct kubernetes_call *call, GError **error)
{
	struct list *list = (struct list *)call;
	int r = kubernetes_page_end(list->page, error);

	if (r < 0)
		return r;
	if (list->token != NULL && g_strcmp0(list->token, kubernetes_page_token(list->page)) == 0)
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

/* Notes what a page that is complete says of the list. TRUE when there is more. */
static gboolean take_page(struct list *list)
{
	const char *token = kubernetes_page_token(list->page);

	/* All pages show the first one's state, so a watch begins there (client-go's pager). */
	if (list->version == NULL)
		list->version = g_strdup(kubernetes_page_version(list->page));
	/* Only a token that is not empty means that there is more. */
	if (token == NULL || *token == '\0')
		return FALSE;
	g_free(list->token);
	list->token = g_strdup(token);
	return TRUE;
}

static gboolean on_done(struct kubernetes_call *call, const struct source_result *result)
{
	struct list *list = (struct list *)call;
	struct source_result last = *result;

	if (result->errnum != 0 && result->expired && list->token != NULL) {
		begin_again(list);
	} else if (result->errnum != 0 || !take_page(list)) {
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
	kubernetes_page_free(list->page);
	g_free(list);
}

static const struct kubernetes_call_ops list_ops = {
	.head = on_head,
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
	list->base.protobuf = scope->protobuf && !scope->metadata_only;
	path = list->path == NULL ? NULL : make_path(list);
	request = make_request(list, path);
	kubernetes_call_start(&list->base, &request, error);
	return &list->base.call;
}
