/* A client of client/etcd.h against a scripted server; what its calls hand out is noted. */
#pragma once

#include <check.h>

#include "client/etcd.h"
#include "tests/unit/http_fixture.h"

#define ETCD_JSON "Content-Type: application/json\r\n"
/* The head of a stream that ends when the server closes. */
#define ETCD_STREAM_HEAD "HTTP/1.1 200 OK\r\n" ETCD_JSON "Connection: close\r\n\r\n"
#define ETCD_HEADER                                                                                \
	"\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\",\"revision\":\"70\",\"raft_term\":"  \
	"\"3\"}"

/* How the last call ended; its message is owned. */
struct etcd_end {
	struct etcd_result result;
	gboolean more;
	int64_t count;
	gboolean succeeded;
};

struct etcd_fixture {
	struct fixture http;
	struct etcd_client *client;
	struct strand *strand;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by the lock. */
	GString *notes; /* a line for each thing handed out */
	unsigned int done; /* calls that have ended */
	struct etcd_end end;
	struct etcd_call *call;
	gboolean cancels; /* at the first key or event */
};

/* user may be NULL. */
void etcd_fixture_init(struct etcd_fixture *fixture, const char *user, const char *password);
void etcd_fixture_finish(struct etcd_fixture *fixture);
/*
 * A further server, without a user. Its owner destroys the client before it: its threads end with
 * their connections.
 */
struct scripted_server *etcd_fixture_add_server(struct etcd_fixture *fixture);

/* Answers; status "200 OK" and so on. */
void etcd_respond(
	struct etcd_fixture *fixture, const char *path, const char *status, const char *body);
/* A stream's frames, and how it ends. */
void etcd_respond_stream(struct etcd_fixture *fixture, const char *frames, enum scripted_end end);

/* Calls; their handlers note a line each. */
void etcd_begin_range(struct etcd_fixture *fixture, const struct etcd_range *range);
void etcd_begin_watch(
	struct etcd_fixture *fixture, const char *key, const char *range_end, int64_t revision);
void etcd_begin_put(
	struct etcd_fixture *fixture, const char *key, int64_t revision, const char *value);
void etcd_begin_ask(struct etcd_fixture *fixture, enum etcd_question question);
/* Everything from prefix on. */
void etcd_begin_all(struct etcd_fixture *fixture);

/* Until the call has ended; fails after 30 s. */
void etcd_wait_end(struct etcd_fixture *fixture);
/* Until the notes hold text. */
void etcd_wait_note(struct etcd_fixture *fixture, const char *text);
/* The notes are exactly these; forgets them. */
void etcd_expect_notes(struct etcd_fixture *fixture, const char *wanted);
/* Waits for the end, which is one. */
void etcd_expect_success(struct etcd_fixture *fixture);
/* The message begins with the server and holds text. */
void etcd_expect_failure(struct etcd_fixture *fixture, int errnum, int code, const char *text);
/* The body of the request with this index is as said. */
void etcd_expect_body(struct etcd_fixture *fixture, unsigned int index, const char *wanted);
/* Whether the request with this index holds text, in its head or body. */
gboolean etcd_request_holds(struct etcd_fixture *fixture, unsigned int index, const char *text);
