/*
 * What the calls of the etcd client (client/etcd.h) share: one POST to the gateway on one strand,
 * with a token where the client has a user, repeated where that is safe, cancelled from anywhere,
 * ended exactly once.
 *
 * Repeats: a refused token is exchanged for a new one, once. What another member or a little time
 * may mend (no leader, a timed out request, a lost connection) is tried again with growing delays
 * for some time; of changes only what certainly was not done, of streams nothing. A server that
 * is no good for now is avoided by what comes after.
 */
#pragma once

#include <pthread.h>

#include "client/etcd.h"
#include "client/etcd_auth.h"
#include "client/etcd_dialect.h"
#include "client/etcd_failure.h"
#include "client/etcd_grpc.h"
#include "client/etcd_pulse.h"

/*
 * Milliseconds. etcd gives a request up after five seconds and two elections (server's
 * ReqTimeout); silence for longer is a dead server's. Repeats begin within the patience: of a read,
 * also one after a silence. A test that waits for silence is built with less.
 */
#ifndef ETCD_IDLE_TIMEOUT
#define ETCD_IDLE_TIMEOUT (15 * 1000)
#endif
#define ETCD_CHANGE_TIMEOUT (30 * 1000)
#define ETCD_PATIENCE_READ (20 * 1000)
#define ETCD_PATIENCE_CHANGE (10 * 1000)
#define ETCD_DELAY_MIN 50
#define ETCD_DELAY_MAX 1000

struct etcd_client {
	gint references; /* the owner's and one a call */
	struct loop *loop;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed; /* a call has ended */
	struct http_client *http; /* NULL once destroyed */
	GQueue calls; /* of struct etcd_call *, those that have not ended */
	struct etcd_auth auth;
	struct etcd_pulse pulse;
	struct etcd_dialects dialects;
};

struct etcd_client *etcd_client_ref(struct etcd_client *client);
struct etcd_client *etcd_client_unref(struct etcd_client *client); /* returns NULL */

/* All run on the call's strand. */
struct etcd_call_ops {
	/* The server accepted the request; an attempt's answer begins. May be NULL. */
	void (*head)(struct etcd_call *call, const struct http_head *head);
	/* JSON, or with call->grpc a piece of the message. */
	void (*body)(struct etcd_call *call, const char *bytes, size_t length);
	/* The body came to its end: 0, or a negative errno and why that was too early. */
	int (*end)(struct etcd_call *call, GError **error);
	/* The call is over; result->revision is still to be filled in. */
	void (*done)(struct etcd_call *call, struct etcd_result *result);
	void (*free)(struct etcd_call *call); /* any thread */
};

enum etcd_call_kind {
	ETCD_CALL_READ, /* may be repeated until something was handed out */
	ETCD_CALL_CHANGE, /* may be repeated when certainly nothing was done */
	ETCD_CALL_STREAM, /* has no time-outs; the caller resumes it */
	ETCD_CALL_PROBE, /* a question that is asked once */
};

/*
 * What a call asks. path and method are static; body, get, message and server are taken over.
 */
struct etcd_request {
	enum etcd_call_kind kind;
	const char *path;
	GBytes *body;
	char *get; /* NULL, or the path of a GET, in place of path and body */
	size_t limit; /* of the answer's bytes; 0: ETCD_FETCH_BYTES_MAX */
	/* The same by gRPC, framed, for /SERVICE/METHOD; NULL: by the gateway only. */
	const char *method;
	GBytes *message;
	enum http_lane lane;
	unsigned int timeout; /* milliseconds for one attempt; 0: the kind's */
	gboolean anywhere; /* a member without a leader will do, too */
	gboolean anonymous; /* without a token */
	char *server; /* the one to ask, or NULL */
};

/* Implementations embed this first. */
struct etcd_call {
	const struct etcd_call_ops *ops;
	gint references;
	struct etcd_client *client;
	struct strand *strand;
	struct etcd_request request;
	gint cancelled; /* atomic */
	gboolean grpc; /* the attempt's; set before it is sent */
	/* On the strand only. */
	gboolean gateway; /* no gRPC was spoken: from then on the gateway is asked */
	gboolean foreign; /* the attempt's answer is not of gRPC */
	struct etcd_grpc_frame frame; /* the attempt's */
	gboolean handed_out; /* something of the answer: no repeat */
	gboolean renewed; /* the token was, for this call */
	unsigned int repeats;
	uint64_t deadline; /* loop_now() after which nothing is repeated */
	struct etcd_failure failure; /* what the call itself found wrong */
	/* Guarded by client->lock. */
	GList link; /* in client->calls */
	GList waiting; /* in client->auth.waiting, while it waits for a token; data NULL: not */
	struct http_exchange *exchange;
	uint64_t timer; /* of the next repeat, or 0 */
	uint64_t token; /* generation of the one that was sent, or 0 */
};

/* With one reference, the caller's. request is taken over. */
void etcd_call_init(struct etcd_call *call, const struct etcd_call_ops *ops,
	struct etcd_client *client, const struct etcd_request *request, struct strand *strand);
/* Any thread, once. Every handler runs later, on the strand. */
void etcd_call_start(struct etcd_call *call);

struct etcd_call *etcd_call_ref(struct etcd_call *call);
gboolean etcd_call_is_cancelled(struct etcd_call *call); /* any thread */
gboolean etcd_call_is_sent(struct etcd_call *call); /* it waits for nothing but the server */

/* On the strand: ends the exchange; failure, taken over, becomes its result. */
void etcd_call_refuse(struct etcd_call *call, const struct etcd_failure *failure);
/* The same for an answer that makes no sense; error is taken over. */
void etcd_call_fail(struct etcd_call *call, GError *error);

/*
 * For client/etcd_auth.c, without the lock: a token came, or (failure, borrowed) none can be had.
 * Whichever thread; the call has been taken out of the waiting ones.
 */
void etcd_call_resume(struct etcd_call *call, const struct etcd_failure *failure);
