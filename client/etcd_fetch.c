#include "client/etcd_fetch.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_json.h"
#include "client/json_scan.h"
#include "client/secret.h"

struct fetch {
	struct etcd_call base;
	struct etcd_fetch_handlers handlers;
	void *data;
	struct secret_buffer json;
	int64_t revision;
};

static void on_head(struct etcd_call *call, const struct http_head *head)
{
	struct fetch *fetch = (struct fetch *)call;

	secret_buffer_finish(&fetch->json);
}

static void on_body(struct etcd_call *call, const char *bytes, size_t length)
{
	struct fetch *fetch = (struct fetch *)call;
	struct secret_buffer *json = &fetch->json;
	const size_t limit = call->request.limit != 0 ? call->request.limit : ETCD_FETCH_BYTES_MAX;
	GError *error = NULL;

	if (length > limit - json->length) {
		error_set(&error, EMSGSIZE, "the answer is longer than the limit of %zu bytes",
			limit);
		etcd_call_fail(call, error);
		return;
	}
	while (length > 0) {
		size_t part;

		secret_buffer_reserve(json);
		part = MIN(length, json->capacity - json->length);
		memcpy(json->data + json->length, bytes, part);
		json->length += part;
		bytes += part;
		length -= part;
	}
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
		at++;
	return at;
}

/* Brackets and strings of one object, nothing behind it. */
static gboolean is_object(struct json_text json)
{
	const char *end = json.text + json.length;
	const char *at = skip_blanks(json.text, end);
	struct json_scan scan = {0};

	if (at == end || *at != '{')
		return FALSE;
	at = json_scan_value(&scan, at, end);
	return at != NULL && skip_blanks(at, end) == end;
}

static struct json_text text_of(const struct fetch *fetch)
{
	return (struct json_text){
		fetch->json.data != NULL ? fetch->json.data : "", fetch->json.length};
}

static int on_end(struct etcd_call *call, GError **error)
{
	struct fetch *fetch = (struct fetch *)call;
	struct json_text json = text_of(fetch);
	struct json_text header;

	fetch->revision = 0;
	if (!is_object(json))
		return error_set(error, EPROTO, "the answer is not one JSON object");
	if (json_text_find(json, JSON_PATH("header"), &header) &&
		etcd_json_revision(header, &fetch->revision) < 0)
		return error_set(error, EPROTO, "the answer's revision cannot be read");
	return fetch->handlers.read != NULL ? fetch->handlers.read(fetch->data, json, error) : 0;
}

static void on_done(struct etcd_call *call, struct etcd_result *result)
{
	struct fetch *fetch = (struct fetch *)call;
	struct json_text nothing = {"", 0};

	if (result->errnum == 0)
		result->revision = fetch->revision;
	fetch->handlers.done(fetch->data, result, result->errnum == 0 ? text_of(fetch) : nothing);
}

static void on_free(struct etcd_call *call)
{
	struct fetch *fetch = (struct fetch *)call;

	secret_buffer_finish(&fetch->json);
	g_free(fetch);
}

static const struct etcd_call_ops fetch_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.done = on_done,
	.free = on_free,
};

struct etcd_call *etcd_fetch(struct etcd_client *client, const struct etcd_request *request,
	const struct etcd_fetch_handlers *handlers, void *data, struct strand *strand)
{
	struct fetch *fetch = g_new0(struct fetch, 1);

	etcd_call_init(&fetch->base, &fetch_ops, client, request, strand);
	fetch->handlers = *handlers;
	fetch->data = data;
	etcd_call_start(&fetch->base);
	return &fetch->base;
}
