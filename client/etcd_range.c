#include <errno.h>

#include "client/error.h"
#include "client/etcd_call.h"
#include "client/etcd_json.h"
#include "client/etcd_kv.h"
#include "client/etcd_range_reader.h"
#include "client/json_stream.h"
#include "client/protobuf_write.h"

struct range {
	struct etcd_call base;
	struct etcd_range_handlers handlers;
	void *data;
	struct etcd_keys keys;
	gboolean keys_only;
	/* One of both, as the answer comes. */
	struct json_stream *stream;
	struct etcd_range_reader *reader;
	GBytes *last_key; /* handed out, or NULL */
	int64_t revision;
	int64_t count;
	gboolean more;
};

static void fail(struct range *range, const char *problem)
{
	GError *error = NULL;
	guint64 count = range->reader != NULL ? etcd_range_reader_count(range->reader)
					      : json_stream_count(range->stream);

	error_set(&error, EPROTO, "kvs[%" G_GUINT64_FORMAT "]: %s", count - 1, problem);
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

/* FALSE for what follows something unreadable, or the end asked for, in the same piece. */
static gboolean is_wanted(struct range *range)
{
	return range->base.failure.errnum == 0 && !etcd_call_is_cancelled(&range->base);
}

static gboolean take(struct range *range, struct etcd_kv *kv)
{
	const char *problem;

	if (!is_wanted(range))
		return FALSE;
	problem = find_problem(range, kv);
	if (problem != NULL)
		fail(range, problem);
	else
		hand_out(range, kv);
	return is_wanted(range);
}

static gboolean on_message_kv(void *data, struct etcd_kv *kv)
{
	return take(data, kv);
}

static void on_kv(void *data, const char *json, size_t length)
{
	struct range *range = data;
	g_autoptr(GError) error = NULL;
	struct etcd_kv kv = {0};

	if (!is_wanted(range))
		return;
	if (etcd_kv_read((struct json_text){json, length}, &kv, &error) < 0) {
		fail(range, error->message);
		return;
	}
	take(range, &kv);
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

static void forget_answer(struct range *range)
{
	g_clear_pointer(&range->stream, json_stream_free);
	g_clear_pointer(&range->reader, etcd_range_reader_free);
}

static void on_head(struct etcd_call *call, const struct http_head *head)
{
	const struct json_stream_handlers handlers = {.object = on_kv, .member = on_member};
	const struct etcd_range_reader_handlers reader_handlers = {on_message_kv};
	struct range *range = (struct range *)call;

	forget_answer(range);
	if (call->grpc)
		range->reader =
			etcd_range_reader_create(ETCD_RANGE_READER_KV_MAX, &reader_handlers, range);
	else
		range->stream = json_stream_create(
			JSON_STREAM_RANGE, JSON_STREAM_OBJECT_MAX, &handlers, range);
	range->revision = range->count = 0;
	range->more = FALSE;
}

static void on_body(struct etcd_call *call, const char *bytes, size_t length)
{
	struct range *range = (struct range *)call;
	GError *error = NULL;
	int r = call->grpc ? etcd_range_reader_feed(range->reader, bytes, length, &error)
			   : json_stream_feed(range->stream, bytes, length, &error);

	if (r >= 0)
		return;
	/* A key before it says more. */
	if (call->failure.errnum != 0)
		g_error_free(error);
	else
		etcd_call_fail(call, error);
}

static int end_message(struct range *range, GError **error)
{
	const struct etcd_range_numbers numbers = etcd_range_reader_numbers(range->reader);

	range->revision = numbers.revision;
	range->count = numbers.count;
	range->more = numbers.more;
	return etcd_range_reader_end(range->reader, error);
}

static int on_end(struct etcd_call *call, GError **error)
{
	struct range *range = (struct range *)call;
	int r = call->grpc ? end_message(range, error) : json_stream_end(range->stream, error);

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
	forget_answer(range);
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

/* Fields of a RangeRequest behind the keys. */
enum {
	RANGE_LIMIT = 3,
	RANGE_REVISION = 4,
	RANGE_SERIALIZABLE = 7,
	RANGE_KEYS_ONLY = 8,
	RANGE_COUNT_ONLY = 9,
};

static GBytes *make_message(const struct etcd_range *range)
{
	g_autoptr(GByteArray) message = g_byte_array_new();

	etcd_keys_add_protobuf(message, &range->keys);
	protobuf_add_number(message, RANGE_LIMIT, (uint64_t)range->limit);
	protobuf_add_number(message, RANGE_REVISION, (uint64_t)range->revision);
	protobuf_add_number(message, RANGE_SERIALIZABLE, range->serializable ? 1 : 0);
	protobuf_add_number(message, RANGE_KEYS_ONLY, range->keys_only ? 1 : 0);
	protobuf_add_number(message, RANGE_COUNT_ONLY, range->count_only ? 1 : 0);
	return etcd_grpc_wrap(message);
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
		.method = "/etcdserverpb.KV/Range",
		.message = make_message(wanted),
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
