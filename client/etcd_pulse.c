#include "client/etcd_pulse.h"

#include <errno.h>
#include <string.h>

#include "client/etcd_fetch.h"
#include "client/lock.h"

/* One server that is asked. */
struct question {
	struct etcd_client *client; /* referenced */
	char *server;
	struct strand *strand; /* of one of its watches, referenced */
};

static void question_free(void *data)
{
	struct question *question = data;

	etcd_client_unref(question->client);
	g_free(question->server);
	strand_unref(question->strand);
	g_free(question);
}

void etcd_pulse_init(struct etcd_pulse *pulse)
{
	g_queue_init(&pulse->beats);
}

static void run_lost(void *data)
{
	const struct etcd_beat *beat = data;
	struct etcd_call *call = beat->call;

	beat->lost(call);
	etcd_call_unref(call);
}

/* Whatever the server says, it lives. */
static gboolean is_silent(const struct etcd_result *result)
{
	if (result->code != 0)
		return FALSE;
	switch (result->errnum) {
	case ETIMEDOUT:
	case ECONNREFUSED:
	case EHOSTUNREACH:
		return TRUE;
	default:
		return FALSE;
	}
}

static void on_answer(void *data, const struct etcd_result *result, struct json_text json)
{
	struct question *question = data;
	struct etcd_client *client = question->client;

	pthread_mutex_lock(&client->lock);
	for (GList *link = is_silent(result) ? client->pulse.beats.head : NULL; link != NULL;
		link = link->next) {
		struct etcd_beat *beat = link->data;

		if (strcmp(beat->server, question->server) != 0)
			continue;
		etcd_call_ref(beat->call);
		strand_post(beat->call->strand, run_lost, beat);
	}
	pthread_mutex_unlock(&client->lock);
	question_free(question);
}

static void ask(struct question *question)
{
	static const struct etcd_fetch_handlers handlers = {.done = on_answer};
	const struct etcd_request request = {
		.kind = ETCD_CALL_PROBE,
		.path = "/v3/maintenance/status",
		.body = g_bytes_new_static("{}", 2),
		.lane = HTTP_LANE_REQUEST,
		.timeout = ETCD_PULSE_TIMEOUT,
		.anywhere = TRUE,
		.anonymous = TRUE,
		.server = g_strdup(question->server),
	};

	etcd_call_unref(
		etcd_fetch(question->client, &request, &handlers, question, question->strand));
}

static gboolean is_asked(const GPtrArray *questions, const char *server)
{
	for (guint i = 0; i < questions->len; i++) {
		const struct question *question = g_ptr_array_index(questions, i);

		if (strcmp(question->server, server) == 0)
			return TRUE;
	}
	return FALSE;
}

/* One for each server that has watches. With the lock held. */
static GPtrArray *make_questions(struct etcd_client *client)
{
	GPtrArray *questions = g_ptr_array_new();

	for (GList *link = client->pulse.beats.head; link != NULL; link = link->next) {
		const struct etcd_beat *beat = link->data;
		struct question *question;

		if (is_asked(questions, beat->server))
			continue;
		question = g_new0(struct question, 1);
		question->client = etcd_client_ref(client);
		question->server = g_strdup(beat->server);
		question->strand = strand_ref(beat->call->strand);
		g_ptr_array_add(questions, question);
	}
	return questions;
}

static void tick(void *data);

/* The timer has a reference. With the lock held. */
static void start_timer(struct etcd_client *client)
{
	client->pulse.timer = loop_timer_add(
		client->loop, ETCD_PULSE_INTERVAL, NULL, tick, etcd_client_ref(client));
}

/*
 * On the client thread: http_client_destroy, and so etcd_client_destroy, waits for that, and then
 * for the calls that begin here.
 */
static void tick(void *data)
{
	struct etcd_client *client = data;
	GPtrArray *questions = NULL;

	pthread_mutex_lock(&client->lock);
	client->pulse.timer = 0;
	if (client->http != NULL && client->pulse.beats.head != NULL) {
		questions = make_questions(client);
		start_timer(client);
	}
	pthread_mutex_unlock(&client->lock);
	for (guint i = 0; questions != NULL && i < questions->len; i++)
		ask(g_ptr_array_index(questions, i));
	g_clear_pointer(&questions, g_ptr_array_unref);
	etcd_client_unref(client);
}

void etcd_pulse_join(struct etcd_client *client, struct etcd_beat *beat)
{
	LOCK_GUARD(&client->lock);

	beat->link.data = beat;
	g_queue_push_tail_link(&client->pulse.beats, &beat->link);
	if (client->pulse.timer == 0)
		start_timer(client);
}

void etcd_pulse_leave(struct etcd_client *client, struct etcd_beat *beat)
{
	LOCK_GUARD(&client->lock);

	/* The timer finds out when it was the last one. */
	if (beat->link.data != NULL)
		g_queue_unlink(&client->pulse.beats, &beat->link);
	beat->link.data = NULL;
}

void etcd_pulse_stop(struct etcd_client *client)
{
	gboolean stopped;

	pthread_mutex_lock(&client->lock);
	stopped = loop_timer_cancel(client->loop, client->pulse.timer);
	client->pulse.timer = 0;
	pthread_mutex_unlock(&client->lock);
	if (stopped)
		etcd_client_unref(client);
}
