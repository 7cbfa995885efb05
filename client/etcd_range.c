#include <errno.h>

#include "client/error.h"
#include "client/etcd_call.h"
#include "client/etcd_json.h"
#include "client/etcd_kv.h"
#include "client/json_stream.h"

struct range {
	struct etcd_call base;
	struct etcd_range_handlers handlers;
	void *data;
	struct etcd_keys keys;
	gboolean keys_only;
	struct json_stream *stream;
	GBytes *last_key; /* handed out, or NULL */
	int64_t revision;
	int64_t count;
	gboolean more;
};

static void fail(struct range *range, const char *problem)
{
	GError *error = NULL;

	error_set(&error, EPROTO, "kvs[%" G_GUINT64_FORMAT "]: %s",
		json_stream_count(range->stream) - 1, problem);
	etcd_call_fail(&range->base, error);
}

/* What a caller relies on. */
static const char *find_problem(const struct range *range, const struct etcd_kv *kv)
{
	if (!etcd_keys_contain(&range->keys, kv->key))
		return "a key that was not asked for";
	if (range->last_key != NULL && g_bytes_compare(range->last_key, kv->key) >= 0)
		return "keys out of order";
	return NULL;
}

static void hand_out(struct range *range, struct etcd_kv *kv)
{
	if (range->keys_only)
		g_clear_pointer(&kv->value, g_bytes_unref);
	else if (kv->value == NULL)
		kv->value = g_bytes_new_static("", 0);
	if (range->last_key != NULL)
		g_bytes_unref(range->last_key);
	range->last_key = g_bytes_ref(kv->key);
	range->base.handed_out = TRUE;
	range->handlers.kv(range->data, kv);
}

static void on_kv(void *data, const char *json, size_t length)
{
	struct range *range = data;
	g_autoptr(GError) error = NULL;
	struct etcd_kv kv = {0};
	const char *problem;

	/* What follows something unreadable, or the end asked for, in the same piece. */
	if (range->base.failure.errnum != 0 || etcd_call_is_cancelled(&range->base))
		return;
	if (etcd_kv_read((struct json_text){json, length}, &kv, &error) < 0) {
		fail(range, error->message);
		return;
	}
	problem = find_problem(range, &kv);
	if (problem != NULL)
		fail(range, problem);
	else
		hand_out(range, &kv);
	etcd_kv_clear(&kv);
}

static int read_member(struct range *range, const char *key, struct json_text value)
{
	if (g_str_equal(key, "header"))
		return etcd_json_revision(value, &range->revision);
	if (g_str_equal(key, "count"))
		return etcd_json_int64(value, &range->count);
	return etcd_json_bool(value, &range->more);
}

static void on_member(void *data, const char *key, const char *json, size_t length)
{
	struct range *range = data;
	GError *error = NULL;

	if (range->base.failure.errnum != 0 ||
		read_member(range, key, (struct json_text){json, length}) == 0)
		return;
	error_set(&error, EPROTO, "the answer's %s cannot be read", key);
	etcd_call_fail(&range->base, error);
}

static void on_head(struct etcd_call *call, const struct http_head *head)
{
	const struct json_stream_handlers handlers = {.object = on_kv, .member = on_member};
	struct range *range = (struct range *)call;

	json_stream_free(range->stream);
	range->stream =
		json_stream_create(JSON_STREAM_RANGE, JSON_STREAM_OBJECT_MAX, &handlers, range);
	range->revision = range->count = 0;
	range->more = FALSE;
}

static void on_body(struct etcd_call *call, const char *bytes, size_t length)
{
	struct range *range = (struct range *)call;
	GError *error = NULL;

	if (json_stream_feed(range->stream, bytes, length, &error) >= 0)
		return;
	/* A key before it says more. */
	if (call->failure.errnum != 0)
		g_error_free(error);
	else
		etcd_call_fail(call, error);
}

static int on_end(struct etcd_call *call, GError **error)
{
	struct range *range = (struct range *)call;
	int r = json_stream_end(range->stream, error);

	if (r < 0)
		return r;
	if (range->revision <= 0 || range->count < 0)
		return error_set(error, EPROTO, "an answer without its revision");
	/* A caller that goes on behind the last key would never end. */
	if (range->more && range->last_key == NULL)
		return error_set(error, EPROTO, "more keys, but none was sent");
	return 0;
}

static void on_done(struct etcd_call *call, struct etcd_result *result)
{
	struct range *range = (struct range *)call;

	result->revision = range->revision;
	range->handlers.done(range->data, result, range->more, range->count);
}

static void on_free(struct etcd_call *call)
{
	struct range *range = (struct range *)call;

	etcd_keys_clear(&range->keys);
	g_clear_pointer(&range->last_key, g_bytes_unref);
	json_stream_free(range->stream);
	g_free(range);
}

static const struct etcd_call_ops range_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.done = on_done,
	.free = on_free,
};

static GBytes *make_body(const struct etcd_range *range)
{
	GString *json = g_string_new("{");

	etcd_keys_add(json, &range->keys);
	etcd_json_add_int64(json, "limit", range->limit);
	etcd_json_add_int64(json, "revision", range->revision);
	etcd_json_add_bool(json, "serializable", range->serializable);
	etcd_json_add_bool(json, "keys_only", range->keys_only);
	etcd_json_add_bool(json, "count_only", range->count_only);
	g_string_append_c(json, '}');
	return g_string_free_to_bytes(json);
}

/* One key answers a lookup, which does not wait behind long lists. */
static enum http_lane choose_lane(const struct etcd_range *range)
{
	return range->keys.range_end == NULL || range->limit == 1 || range->count_only
		       ? HTTP_LANE_REQUEST
		       : HTTP_LANE_LIST;
}

struct etcd_call *etcd_range(struct etcd_client *client, const struct etcd_range *wanted,
	const struct etcd_range_handlers *handlers, void *data, struct strand *strand)
{
	struct range *range = g_new0(struct range, 1);
	const struct etcd_request request = {
		.kind = ETCD_CALL_READ,
		.path = "/v3/kv/range",
		.body = make_body(wanted),
		.lane = choose_lane(wanted),
		.anywhere = wanted->serializable,
	};

	etcd_call_init(&range->base, &range_ops, client, &request, strand);
	range->handlers = *handlers;
	range->data = data;
	etcd_keys_copy(&range->keys, &wanted->keys);
	range->keys_only = wanted->keys_only;
	etcd_call_start(&range->base);
	return &range->base;
}
