#include "client/kubernetes_page.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/json_stream.h"
#include "client/json_text.h"
#include "client/protobuf_stream.h"

struct kubernetes_page {
	struct kubernetes_page_options options;
	struct json_stream *json; /* one of the two */
	struct protobuf_stream *protobuf;
	gboolean foreign; /* protobuf: a list of something else */
	char *version; /* or NULL */
	char *token; /* or NULL */
};

static void on_json_item(void *data, const char *json, size_t length)
{
	struct kubernetes_page *page = data;
	const struct source_item item = {
		.json = json,
		.length = length,
		.api_version = page->options.api_version,
		.kind = page->options.kind,
	};

	page->options.item(page->options.data, &item);
}

static char *find_string(struct json_text json, const char *key)
{
	struct json_text value;

	return json_text_find(json, JSON_PATH(key), &value) ? json_text_string(value) : NULL;
}

static void on_json_member(void *data, const char *key, const char *json, size_t length)
{
	const struct json_text metadata = {json, length};
	struct kubernetes_page *page = data;

	if (!g_str_equal(key, "metadata"))
		return;
	g_free(page->token);
	page->token = find_string(metadata, "continue");
	g_free(page->version);
	page->version = find_string(metadata, "resourceVersion");
}

/* "PodList" for a Pod. */
static bool is_list_of(const struct protobuf_input *list, const char *kind)
{
	size_t length = strlen(kind);

	return protobuf_length(list) == length + strlen("List") &&
	       memcmp(list->at, kind, length) == 0 &&
	       memcmp(list->at + length, "List", strlen("List")) == 0;
}

static void on_protobuf_type(
	void *data, const struct protobuf_input *api_version, const struct protobuf_input *kind)
{
	struct kubernetes_page *page = data;

	page->foreign = !protobuf_equal(api_version, page->options.api_version) ||
			!is_list_of(kind, page->options.kind);
}

static void on_protobuf_metadata(void *data, const struct protobuf_input *version,
	const struct protobuf_input *continue_token)
{
	struct kubernetes_page *page = data;

	g_free(page->version);
	page->version = g_strndup(version->at, protobuf_length(version));
	g_free(page->token);
	page->token = g_strndup(continue_token->at, protobuf_length(continue_token));
}

static void on_protobuf_item(void *data, const struct protobuf_input *message)
{
	struct kubernetes_page *page = data;
	const struct source_item item = {
		.protobuf = message->at,
		.length = protobuf_length(message),
		.api_version = page->options.api_version,
		.kind = page->options.kind,
	};

	if (!page->foreign)
		page->options.item(page->options.data, &item);
}

struct kubernetes_page *kubernetes_page_create(const struct kubernetes_page_options *options)
{
	static const struct json_stream_handlers json = {
		.object = on_json_item,
		.member = on_json_member,
	};
	static const struct protobuf_stream_handlers protobuf = {
		.type = on_protobuf_type,
		.metadata = on_protobuf_metadata,
		.item = on_protobuf_item,
	};
	struct kubernetes_page *page = g_new0(struct kubernetes_page, 1);

	page->options = *options;
	if (options->protobuf)
		page->protobuf = protobuf_stream_create(
			PROTOBUF_STREAM_LIST, JSON_STREAM_OBJECT_MAX, &protobuf, page);
	else
		page->json =
			json_stream_create(JSON_STREAM_LIST, JSON_STREAM_OBJECT_MAX, &json, page);
	return page;
}

void kubernetes_page_free(struct kubernetes_page *page)
{
	if (page == NULL)
		return;
	json_stream_free(page->json);
	protobuf_stream_free(page->protobuf);
	g_free(page->version);
	g_free(page->token);
	g_free(page);
}

int kubernetes_page_feed(
	struct kubernetes_page *page, const char *bytes, size_t length, GError **error)
{
	int r;

	if (page->json != NULL)
		return json_stream_feed(page->json, bytes, length, error);
	r = protobuf_stream_feed(page->protobuf, bytes, length, error);
	if (r == 0 && page->foreign)
		return error_set(error, EOPNOTSUPP, "protobuf of something that was not asked for");
	return r;
}

int kubernetes_page_end(struct kubernetes_page *page, GError **error)
{
	return page->json != NULL ? json_stream_end(page->json, error)
				  : protobuf_stream_end(page->protobuf, error);
}

const char *kubernetes_page_version(const struct kubernetes_page *page)
{
	return page->version;
}

const char *kubernetes_page_token(const struct kubernetes_page *page)
{
	return page->token;
}
