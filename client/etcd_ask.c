#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/etcd_fetch.h"

struct ask {
	struct etcd_get_handlers handlers;
	void *data;
	cJSON *object; /* or NULL */
};

static const struct {
	const char *path;
	const char *body;
} questions[] = {
	[ETCD_STATUS] = {"/v3/maintenance/status", "{}"},
	[ETCD_MEMBERS] = {"/v3/cluster/member/list", "{}"},
	[ETCD_ALARMS] = {"/v3/maintenance/alarm", "{\"action\":\"GET\"}"},
};

static int read_answer(void *data, struct json_text json, GError **error)
{
	struct ask *ask = data;

	ask->object = cJSON_ParseWithLength(json.text, json.length);
	if (ask->object == NULL)
		return error_set(error, EPROTO, "the answer is not JSON");
	return 0;
}

static void finish(void *data, const struct etcd_result *result, struct json_text json)
{
	struct ask *ask = data;

	ask->handlers.done(ask->data, result, result->errnum == 0 ? ask->object : NULL);
	cJSON_Delete(ask->object);
	g_free(ask);
}

struct etcd_call *etcd_ask_server(struct etcd_client *client, enum etcd_question question,
	const char *server, unsigned int timeout, const struct etcd_get_handlers *handlers,
	void *data, struct strand *strand)
{
	static const struct etcd_fetch_handlers fetch_handlers = {read_answer, finish};
	struct ask *ask = g_new0(struct ask, 1);
	const struct etcd_request request = {
		.kind = server != NULL ? ETCD_CALL_PROBE : ETCD_CALL_READ,
		.path = questions[question].path,
		.body = g_bytes_new_static(
			questions[question].body, strlen(questions[question].body)),
		.lane = HTTP_LANE_REQUEST,
		.timeout = timeout,
		.server = g_strdup(server),
		/* Of the cluster's plight those tell, too, that have no leader. */
		.anywhere = TRUE,
	};

	ask->handlers = *handlers;
	ask->data = data;
	return etcd_fetch(client, &request, &fetch_handlers, ask, strand);
}

struct etcd_call *etcd_ask(struct etcd_client *client, enum etcd_question question,
	const struct etcd_get_handlers *handlers, void *data, struct strand *strand)
{
	return etcd_ask_server(client, question, NULL, 0, handlers, data, strand);
}
