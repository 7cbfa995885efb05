#include <errno.h>

#include "client/http_internal.h"

/* Outlives the client when a plugin runs on after its end. */
struct http_refresh {
	struct http_client *client; /* client thread; NULL once abandoned */
	struct loop *loop;
	struct credentials *credentials;
	GError *error;
};

static void refresh_free(struct http_refresh *refresh)
{
	loop_unref(refresh->loop);
	credentials_unref(refresh->credentials);
	g_clear_error(&refresh->error);
	g_free(refresh);
}

static void report(void *data)
{
	struct http_refresh *refresh = data;
	struct http_client *client = refresh->client;

	if (client != NULL) {
		client->refresh = NULL;
		http_attempt_refreshed(client, refresh->error);
	}
	refresh_free(refresh);
}

static void *run(void *data)
{
	struct http_refresh *refresh = data;

	credentials_refresh(refresh->credentials, &refresh->error);
	if (!loop_post(refresh->loop, report, refresh))
		refresh_free(refresh);
	return NULL;
}

/*
 * A thread of its own and none of the pool's: a plugin may wait for a person for minutes, and
 * what decodes for other servers must not wait with it.
 */
void http_refresh_start(struct http_client *client)
{
	struct http_refresh *refresh;

	if (client->refresh != NULL)
		return;
	refresh = g_new0(struct http_refresh, 1);
	refresh->client = client;
	refresh->loop = loop_ref(client->loop);
	refresh->credentials = credentials_ref(client->connection->credentials);
	client->refresh = refresh;
	g_thread_unref(g_thread_new("credentials", run, refresh));
}

void http_refresh_abandon(struct http_client *client)
{
	if (client->refresh != NULL)
		client->refresh->client = NULL;
	client->refresh = NULL;
}
