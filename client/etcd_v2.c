#include "client/etcd_v2.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_fetch.h"
#include "client/etcd_json.h"

struct get {
	struct etcd_v2_handlers handlers;
	void *data;
	struct etcd_client *client;
	struct etcd_v2_node *node; /* NULL: not read */
	GPtrArray *children;
};

static void node_free(void *pointer)
{
	struct etcd_v2_node *node = pointer;

	if (node == NULL)
		return;
	g_clear_pointer(&node->name, g_bytes_unref);
	g_clear_pointer(&node->value, g_bytes_unref);
	g_free(node);
}

static GBytes *last_component(GBytes *key)
{
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);
	const char *slash = length > 0 ? memrchr(bytes, '/', length) : NULL;
	size_t begin = slash != NULL ? (size_t)(slash + 1 - bytes) : 0;

	return g_bytes_new_from_bytes(key, begin, length - begin);
}

static int read_member(
	struct etcd_v2_node *node, struct json_text key, struct json_text value, GError **error)
{
	int r = 0;

	if (json_text_is(key, "key")) {
		g_autoptr(GBytes) path = json_text_bytes(value);

		g_clear_pointer(&node->name, g_bytes_unref);
		if (path != NULL)
			node->name = last_component(path);
		r = path != NULL ? 0 : -EPROTO;
	} else if (json_text_is(key, "value")) {
		g_clear_pointer(&node->value, g_bytes_unref);
		node->value = json_text_bytes(value);
		r = node->value != NULL ? 0 : -EPROTO;
	} else if (json_text_is(key, "dir")) {
		r = etcd_json_bool(value, &node->directory);
	} else if (json_text_is(key, "createdIndex")) {
		r = etcd_json_int64(value, &node->created_index);
	} else if (json_text_is(key, "modifiedIndex")) {
		r = etcd_json_int64(value, &node->modified_index);
	}
	return r < 0 ? error_set(error, EPROTO, "a key of the answer cannot be read") : 0;
}

/* *ret_children is left alone when it has none. */
static struct etcd_v2_node *read_node(
	struct json_text json, struct json_text *ret_children, GError **error)
{
	struct etcd_v2_node *node = g_new0(struct etcd_v2_node, 1);
	struct json_members members;
	struct json_text key, value;
	int r = json_members_init(&members, json);

	while (r == 0 && (r = json_members_next(&members, &key, &value)) > 0) {
		if (json_text_is(key, "nodes"))
			*ret_children = value;
		r = read_member(node, key, value, error);
	}
	if (node->name == NULL)
		node->name = g_bytes_new(NULL, 0);
	if (node->value == NULL && !node->directory)
		node->value = g_bytes_new(NULL, 0);
	if (r == 0)
		return node;
	if (error != NULL && *error == NULL)
		error_set(error, EPROTO, "a key of the answer makes no sense");
	node_free(node);
	return NULL;
}

static int read_children(struct get *get, struct json_text json, GError **error)
{
	struct json_elements elements;
	struct json_text one, none;
	int r = json_elements_init(&elements, json);

	while (r == 0 && (r = json_elements_next(&elements, &one)) > 0) {
		struct etcd_v2_node *child = read_node(one, &none, error);

		if (child == NULL)
			return -EPROTO;
		g_ptr_array_add(get->children, child);
		r = 0;
	}
	return r < 0 ? error_set(error, EPROTO, "the keys of the answer make no sense") : 0;
}

static int read_answer(void *data, struct json_text json, GError **error)
{
	struct get *get = data;
	struct json_text node, children = {"[]", 2};

	if (!json_text_find(json, JSON_PATH("node"), &node))
		return error_set(error, EPROTO, "the answer has no key");
	get->node = read_node(node, &children, error);
	return get->node != NULL ? read_children(get, children, error) : -EPROTO;
}

static void finish(void *data, const struct etcd_result *result, struct json_text json)
{
	struct get *get = data;
	g_autofree char *message = g_strdup_printf("%s: the server has no v2 keys: that takes an "
						   "etcd before 3.6, started with --enable-v2",
		etcd_client_where(get->client));
	struct etcd_result told = *result;

	if (told.errnum == EOPNOTSUPP)
		told.message = message;
	if (told.errnum == 0)
		get->handlers.done(get->data, &told, get->node, get->children);
	else
		get->handlers.done(get->data, &told, NULL, NULL);
	node_free(get->node);
	g_ptr_array_unref(get->children);
	g_free(get);
}

/*
 * What is neither a letter nor a digit nor one of "-._~/" is written in hexadecimal, NUL, too,
 * which g_uri_escape_bytes leaves as it is.
 */
static char *make_url(GBytes *path)
{
	size_t length;
	const char *bytes = g_bytes_get_data(path, &length);
	GString *url = g_string_new("/v2/keys");

	for (size_t i = 0; i < length; i++) {
		if (g_ascii_isalnum(bytes[i]) || (bytes[i] != '\0' && strchr("-._~/", bytes[i])))
			g_string_append_c(url, bytes[i]);
		else
			g_string_append_printf(url, "%%%02X", (guchar)bytes[i]);
	}
	g_string_append(url, "?quorum=true");
	return g_string_free(url, FALSE);
}

struct etcd_call *etcd_v2_get(struct etcd_client *client, GBytes *path,
	const struct etcd_v2_handlers *handlers, void *data, struct strand *strand)
{
	static const struct etcd_fetch_handlers fetch_handlers = {read_answer, finish};
	struct get *get = g_new0(struct get, 1);
	const struct etcd_request request = {
		.kind = ETCD_CALL_READ,
		.get = make_url(path),
		.limit = ETCD_V2_BYTES_MAX,
		.lane = HTTP_LANE_LIST,
		/* The users of v2 are others. */
		.anonymous = TRUE,
	};

	get->client = client;
	get->handlers = *handlers;
	get->data = data;
	get->children = g_ptr_array_new_with_free_func(node_free);
	return etcd_fetch(client, &request, &fetch_handlers, get, strand);
}
