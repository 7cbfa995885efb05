/* A client of client/http.h against scripted servers, and calls that note what comes. */
#pragma once

#include <check.h>
#include <pthread.h>

#include "client/credential_source.h"
#include "client/http.h"
#include "tests/unit/scripted_server.h"

struct fixture {
	struct scripted_server *server;
	struct strand_pool *pool;
	struct loop *loop;
	struct connection *connection;
	struct http_client *client; /* NULL until fixture_connect */
};

/* Runs the suite with libcurl ready: what main is to return. */
int fixture_run_suite(Suite *suite);

/* A server, and a connection to it without credentials; what it holds may be changed. */
void fixture_init(struct fixture *fixture);
void fixture_connect(struct fixture *fixture);
void fixture_finish(struct fixture *fixture);

/* A credential source whose refresh gives token-1, token-2, ... and whose 401s may be answered. */
struct token_source {
	struct credential_source base;
	gint fetches;
	gint fails; /* the next fetches fail */
	gint same; /* the token never changes */
	gint blocks; /* fetches wait while this is set */
};
/* Gives the connection these credentials; the first token needs a refresh. */
struct token_source *fixture_use_tokens(struct fixture *fixture);
/* Gives it a token that never changes. */
void fixture_use_static_token(struct fixture *fixture, const char *token);

struct call {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct strand *strand;
	struct http_exchange *exchange;
	/* What came; guarded by the mutex until done. */
	unsigned int heads;
	int head_status;
	char *content_type;
	GString *body;
	size_t length; /* of the body, also when it is not kept */
	GPtrArray *warnings;
	gboolean done;
	int errnum;
	int status;
	unsigned int retry_after;
	char *reason;
	char *message;
	gboolean connected;
	gboolean unanswered;
	gboolean has_object;
	/* Set before the call: */
	gboolean discards; /* the body is counted, not kept */
	gboolean blocks; /* body handlers wait until call_release */
	gboolean cancels; /* the first body handler cancels */
};

void call_init(struct call *call, struct fixture *fixture);
void call_start(struct call *call, struct fixture *fixture, const struct http_request *request);
void call_wait(struct call *call); /* until done; fails after 30 s */
void call_wait_length(struct call *call, size_t length); /* until the body is as long */
void call_release(struct call *call);
void call_finish(struct call *call);

/* A repeatable GET of path from start to end. */
void call_get(struct call *call, struct fixture *fixture, const char *path);

/* The message begins with the server's URL and holds text. */
void call_assert_message(struct call *call, struct fixture *fixture, const char *text);
