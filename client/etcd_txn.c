#include <errno.h>

#include "client/error.h"
#include "client/etcd_fetch.h"
#include "client/etcd_json.h"

struct txn {
	struct etcd_txn_handlers handlers;
	void *data;
	gboolean succeeded;
};

static int read_answer(void *data, struct json_text json, GError **error)
{
	struct txn *txn = data;
	struct json_text value;

	/* FALSE is left out. */
	if (json_text_find(json, JSON_PATH("succeeded"), &value) &&
		etcd_json_bool(value, &txn->succeeded) < 0)
		return error_set(error, EPROTO, "whether the transaction succeeded cannot be read");
	return 0;
}

static void finish(void *data, const struct etcd_result *result, struct json_text json)
{
	struct txn *txn = data;

	txn->handlers.done(txn->data, result, result->errnum == 0 && txn->succeeded);
	g_free(txn);
}

/* A comma before all but the first. */
static void begin_element(GString *json)
{
	if (json->str[json->len - 1] != '[')
		g_string_append_c(json, ',');
}

static void add_value_compare(GString *json, const struct etcd_compare *compare)
{
	begin_element(json);
	g_string_append(json, "{\"result\":\"EQUAL\",\"target\":\"VALUE\"");
	etcd_json_add_bytes(json, "key", compare->key);
	etcd_json_add_bytes(json, "value", compare->value);
	g_string_append_c(json, '}');
}

/* target MOD and result EQUAL; a key that is not there has the revision 0 (apply_txn.go). */
static void add_compare(GString *json, const struct etcd_compare *compare)
{
	begin_element(json);
	g_string_append(json, "{\"result\":\"EQUAL\",\"target\":\"MOD\"");
	etcd_json_add_bytes(json, "key", compare->key);
	/* Also when it is 0: a oneof is set by being there. */
	g_string_append_printf(
		json, ",\"mod_revision\":\"%" G_GINT64_FORMAT "\"}", (gint64)compare->mod_revision);
	if (compare->value != NULL)
		add_value_compare(json, compare);
}

static void add_put(GString *json, const struct etcd_change *change)
{
	g_string_append(json, "{\"request_put\":{");
	etcd_json_add_bytes(json, "key", change->key);
	etcd_json_add_bytes(json, "value", change->value);
	if (change->keep_lease)
		etcd_json_add_bool(json, "ignore_lease", TRUE);
	else
		etcd_json_add_int64(json, "lease", change->lease);
	g_string_append(json, "}}");
}

static void add_change(GString *json, const struct etcd_change *change)
{
	begin_element(json);
	if (change->value != NULL) {
		add_put(json, change);
		return;
	}
	g_string_append(json, "{\"request_delete_range\":{");
	etcd_json_add_bytes(json, "key", change->key);
	g_string_append(json, "}}");
}

static GBytes *make_body(const struct etcd_compare *compares, size_t n_compares,
	const struct etcd_change *changes, size_t n_changes)
{
	GString *json = g_string_new("{\"compare\":[");

	for (size_t i = 0; i < n_compares; i++)
		add_compare(json, &compares[i]);
	g_string_append(json, "],\"success\":[");
	for (size_t i = 0; i < n_changes; i++)
		add_change(json, &changes[i]);
	g_string_append(json, "]}");
	return g_string_free_to_bytes(json);
}

struct etcd_call *etcd_txn(struct etcd_client *client, const struct etcd_compare *compares,
	size_t n_compares, const struct etcd_change *changes, size_t n_changes,
	const struct etcd_txn_handlers *handlers, void *data, struct strand *strand)
{
	static const struct etcd_fetch_handlers fetch_handlers = {read_answer, finish};
	struct txn *txn = g_new0(struct txn, 1);
	const struct etcd_request request = {
		.kind = ETCD_CALL_CHANGE,
		.path = "/v3/kv/txn",
		.body = make_body(compares, n_compares, changes, n_changes),
		.lane = HTTP_LANE_REQUEST,
	};

	txn->handlers = *handlers;
	txn->data = data;
	return etcd_fetch(client, &request, &fetch_handlers, txn, strand);
}
