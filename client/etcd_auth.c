#include "client/etcd_auth.h"

#include <errno.h>
#include <string.h>

#include "client/etcd_fetch.h"
#include "client/lock.h"
#include "client/secret.h"

#define AUTHENTICATE_PATH "/v3/auth/authenticate"

void etcd_auth_init(struct etcd_auth *auth, const char *user, const char *password)
{
	*auth = (struct etcd_auth){
		.user = g_strdup(user),
		.password = g_strdup(password != NULL ? password : ""),
	};
	g_queue_init(&auth->waiting);
}

static void forget_failure(struct etcd_auth *auth)
{
	if (auth->failure != NULL)
		etcd_failure_clear(auth->failure);
	g_clear_pointer(&auth->failure, g_free);
}

void etcd_auth_finish(struct etcd_auth *auth)
{
	g_free(auth->user);
	secret_free(auth->password);
	secret_free(auth->header);
	forget_failure(auth);
}

gboolean etcd_auth_is_ready(const struct etcd_auth *auth)
{
	return auth->user == NULL || auth->generation != 0;
}

/* header is taken over; NULL: the server wants none. With the lock held. */
static void adopt(struct etcd_auth *auth, char *header)
{
	secret_free(auth->header);
	auth->header = header;
	auth->generation = ++auth->last_generation;
	forget_failure(auth);
}

/* With the lock held. */
static void remember_failure(struct etcd_auth *auth, const struct etcd_failure *failure)
{
	forget_failure(auth);
	auth->failure = g_new0(struct etcd_failure, 1);
	etcd_failure_copy(auth->failure, failure);
	auth->failed_until = loop_now() + ETCD_AUTH_RETRY_MS;
}

/* Takes the calls that wait; each has a reference from then on. With the lock held. */
static GPtrArray *take_waiting(struct etcd_auth *auth)
{
	GPtrArray *calls = g_ptr_array_new();
	GList *link;

	while ((link = g_queue_pop_head_link(&auth->waiting)) != NULL) {
		g_ptr_array_add(calls, etcd_call_ref(link->data));
		link->data = NULL;
	}
	return calls;
}

static void resume_all(GPtrArray *calls, const struct etcd_failure *failure)
{
	for (guint i = 0; i < calls->len; i++) {
		etcd_call_resume(g_ptr_array_index(calls, i), failure);
		etcd_call_unref(g_ptr_array_index(calls, i));
	}
	g_ptr_array_unref(calls);
}

/* Visible ASCII, so that it cannot be more than one header's value. */
static gboolean is_token(const char *token)
{
	for (const char *c = token; *c != '\0'; c++) {
		if (!g_ascii_isgraph(*c))
			return FALSE;
	}
	return *token != '\0';
}

/* The header for the token that the answer holds, NULL when there is none. */
static char *read_token(struct json_text json)
{
	struct json_text value;
	autosecret char *token = NULL;

	if (json_text_find(json, JSON_PATH("token"), &value))
		token = json_text_string(value);
	if (token == NULL || !is_token(token))
		return NULL;
	return g_strconcat("Authorization: ", token, NULL);
}

/* What a call that waited is told. */
static struct etcd_failure failure_of(const struct etcd_result *result, gboolean readable)
{
	struct etcd_failure failure = {.untouched = TRUE};

	if (!readable) {
		failure.errnum = EPROTO;
		failure.words = g_strdup("the server's token cannot be read");
	} else if (result->errnum != 0) {
		failure.errnum = result->errnum;
		failure.code = result->code;
		failure.words = g_strdup(result->message);
	}
	return failure;
}

static void on_authenticated(void *data, const struct etcd_result *result, struct json_text json)
{
	struct etcd_client *client = data;
	const gboolean none =
		result->errnum != 0 && strstr(result->message, ETCD_WORDS_NOT_ENABLED) != NULL;
	char *header = result->errnum == 0 ? read_token(json) : NULL;
	struct etcd_failure failure = failure_of(result, result->errnum != 0 || header != NULL);
	GPtrArray *calls;

	pthread_mutex_lock(&client->lock);
	client->auth.asking = FALSE;
	if (none || header != NULL)
		adopt(&client->auth, header);
	else
		remember_failure(&client->auth, &failure);
	calls = take_waiting(&client->auth);
	pthread_mutex_unlock(&client->lock);
	resume_all(calls, none || header != NULL ? NULL : &failure);
	etcd_failure_clear(&failure);
	etcd_client_unref(client);
}

static void add_string(GString *json, const char *key, const char *value)
{
	/* cJSON escapes it. */
	cJSON *string = cJSON_CreateString(value);
	char *text = cJSON_PrintUnformatted(string);

	g_string_append_printf(json, "\"%s\":%s", key, text);
	explicit_bzero(text, strlen(text));
	cJSON_free(text);
	explicit_bzero(string->valuestring, strlen(string->valuestring));
	cJSON_Delete(string);
}

/* {"name": "...", "password": "..."}, wiped when it goes. */
static GBytes *make_body(const struct etcd_auth *auth)
{
	/* Room enough that it never moves: each character takes six at most. */
	GString *json = g_string_sized_new(64 + 6 * (strlen(auth->user) + strlen(auth->password)));
	size_t length;

	g_string_append_c(json, '{');
	add_string(json, "name", auth->user);
	g_string_append_c(json, ',');
	add_string(json, "password", auth->password);
	g_string_append_c(json, '}');
	length = json->len;
	return secret_bytes_take(g_string_free(json, FALSE), length);
}

enum next {
	NEXT_NOTHING,
	NEXT_ASK,
	NEXT_RESUME, /* it came meanwhile */
	NEXT_FAIL, /* as before */
};

/* With the lock held. */
static enum next choose_next(struct etcd_auth *auth)
{
	if (auth->asking || auth->waiting.head == NULL)
		return NEXT_NOTHING;
	if (auth->generation != 0)
		return NEXT_RESUME;
	return auth->failure != NULL && loop_now() < auth->failed_until ? NEXT_FAIL : NEXT_ASK;
}

static void send_request(struct etcd_client *client, GBytes *body, struct strand *strand)
{
	static const struct etcd_fetch_handlers handlers = {.done = on_authenticated};
	const struct etcd_request request = {
		.kind = ETCD_CALL_READ,
		.path = AUTHENTICATE_PATH,
		.body = body,
		.lane = HTTP_LANE_REQUEST,
		.anonymous = TRUE,
	};

	etcd_call_unref(etcd_fetch(client, &request, &handlers, etcd_client_ref(client), strand));
}

void etcd_auth_ask(struct etcd_client *client, struct strand *strand)
{
	struct etcd_auth *auth = &client->auth;
	struct etcd_failure failure = {0};
	GPtrArray *calls = NULL;
	GBytes *body = NULL;
	enum next next;

	pthread_mutex_lock(&client->lock);
	next = choose_next(auth);
	if (next == NEXT_ASK) {
		auth->asking = TRUE;
		body = make_body(auth);
	} else if (next != NEXT_NOTHING) {
		calls = take_waiting(auth);
		if (next == NEXT_FAIL)
			etcd_failure_copy(&failure, auth->failure);
	}
	pthread_mutex_unlock(&client->lock);
	if (body != NULL)
		send_request(client, body, strand);
	if (calls != NULL)
		resume_all(calls, next == NEXT_FAIL ? &failure : NULL);
	etcd_failure_clear(&failure);
}

gboolean etcd_auth_renew(struct etcd_client *client, uint64_t generation)
{
	struct etcd_auth *auth = &client->auth;
	LOCK_GUARD(&client->lock);

	if (auth->user == NULL)
		return FALSE;
	if (auth->generation == generation) {
		secret_clear(&auth->header);
		auth->generation = 0;
	}
	return TRUE;
}
