/*
 * HTTP exchanges with the servers of one connection (client/connection.h): URL, TLS, credentials,
 * impersonation, retries and failover. Runs on the client thread (client/loop.h); what arrives is
 * handed to the exchange's strand, in order.
 *
 * Rules held here, so that no caller needs to: our own user agent (the API server pretty-prints for
 * those that begin with curl/ or Go-http-client); gzip, but not within one machine; redirects never
 * followed; a 401 refreshes the credential and repeats once (protocol.md 23-26); 429 and 5xx are
 * repeated only as Retry-After says (at most 30 s each, and within http_request.timeout), at most
 * HTTP_RETRIES_MAX times and only as http_request.repeat allows; a refused or timed-out connect
 * moves on to the next server URL, and the one that works is kept; a connect takes at most 10 s.
 *
 * Dead connections (protocol.md 15): a peer that vanished is noticed within 30 s by TCP keepalive
 * and TCP_USER_TIMEOUT. libcurl 7.88 sends no HTTP/2 PING for a multi handle (curl_easy_upkeep
 * looks at curl_easy_perform's connections alone) and would not wait for its answer, so what still
 * acknowledges but no longer answers is the time-outs' to notice: give watches an idle_timeout
 * above the bookmarks' minute. A connection on which one ran out takes no further exchange.
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>
#include <stdint.h>

#include "client/connection.h"
#include "client/loop.h"
#include "client/strand.h"

#define HTTP_RETRIES_MAX 10

struct http_client;
struct http_exchange;

/*
 * Exchanges of one lane share connections with each other and with no other lane, so that a save
 * or a lookup never queues behind a watch or a long list (protocol.md 16, design.md 2).
 */
enum http_lane {
	HTTP_LANE_REQUEST,
	HTTP_LANE_LIST,
	HTTP_LANE_WATCH,
	HTTP_LANE_COUNT,
};

/* After what a request may be sent again (protocol.md 14). */
enum http_repeat {
	HTTP_REPEAT_NEVER,
	/*
	 * After an answer that says that nothing was done and when to come back: 429, or 503 with
	 * Retry-After. For writes.
	 */
	HTTP_REPEAT_REFUSED,
	/* The same, and after a lost connection. For reads whose 5xx mean something else. */
	HTTP_REPEAT_LOST,
	/* After any 429 or 5xx with Retry-After, and after a lost connection. */
	HTTP_REPEAT_ALWAYS,
};

struct http_request {
	const char *method; /* "GET", "PUT", ... */
	const char *path; /* with its query, begins with '/', already escaped */
	const char *accept; /* NULL: application/json */
	const char *content_type; /* for a body; NULL: application/json */
	GBytes *body; /* or NULL; a reference is taken */
	enum http_lane lane;
	unsigned int timeout; /* milliseconds for the whole exchange with its repeats; 0: none
				 (watches) */
	unsigned int idle_timeout; /* milliseconds without a byte once started, ends it with
				      ETIMEDOUT; 0: none */
	/*
	 * HTTP_REPEAT_NEVER and REFUSED end with EIO when a connection is lost under it, also when
	 * libcurl alone would know that a repeat is safe (REFUSED_STREAM, GOAWAY);
	 * http_result.unanswered says whether it may have arrived.
	 */
	enum http_repeat repeat;
	/* NULL, or NULL-terminated lines "Name: value" to send besides; wiped after the end. */
	const char *const *headers;
	/*
	 * The server is known, or hoped, to speak HTTP/2 without TLS, too: it is not asked first
	 * (with prior knowledge). Such exchanges share no connection with others.
	 */
	gboolean http2;
	/*
	 * NULL, or the URL of the one server to ask, as http_head.server names it: no other is
	 * tried. It need not be one of the connection's, whose TLS and credentials it gets.
	 */
	const char *server;
};

/* The head of a 2xx response. Strings are valid during the call. */
struct http_head {
	int status;
	const char *content_type; /* "" when absent */
	const char *server; /* the URL of the one that answers */
};

/* Whether a Content-Type is of that media type, whatever its parameters. Any thread. */
gboolean http_content_type_is(const char *content_type, const char *type);

/* -EPROTO with error set when the Content-Type is not application/json. Any thread. */
int http_head_check_json(const struct http_head *head, GError **error);

/*
 * errnum: for a status see status_errnum (client/status.h). Else ECONNREFUSED, EHOSTUNREACH (no
 * route, name not known, proxy), ETIMEDOUT (connect, whole or idle time-out), EPROTO (TLS: a
 * certificate refused, no handshake), EIO (the connection was lost, a damaged answer), ECANCELED,
 * ENOMEM, and what getting a credential gave (client/credentials.h).
 */
struct http_result {
	int errnum; /* 0, or a positive errno */
	int status; /* the last HTTP status, 0 when none came */
	const char *reason; /* Status.reason ("Expired", "Forbidden", ...) or "" */
	const char *message; /* one line for a person: what, where and why; "" on success */
	cJSON *status_object; /* the decoded Status body of a failed request, or NULL; borrowed */
	unsigned int retry_after; /* milliseconds the server asked to wait, or 0 */
	gboolean connected; /* a connection was established: FALSE says that nothing was sent */
	/*
	 * The last sending began, and no head of an answer came: nobody knows whether it arrived.
	 * With FALSE, status says what became of it, and 0 that nothing of it was sent.
	 */
	gboolean unanswered;
	const char *server; /* the URL of the one asked last */
	/* What gRPC says in its trailers, as it came; NULL where none does. */
	const char *grpc_status;
	const char *grpc_message;
};

/*
 * All run on the exchange's strand. head comes at most once and only for a 2xx; body any number of
 * times after head; done exactly once and last, also after http_cancel (errnum ECANCELED).
 */
struct http_handlers {
	void (*head)(void *data, const struct http_head *head); /* may be NULL */
	void (*body)(void *data, const char *bytes, size_t length); /* may be NULL */
	void (*warning)(void *data, const char *text); /* Warning header; may be NULL */
	void (*done)(void *data, const struct http_result *result);
};

/*
 * connection: a reference is taken. The client has no thread of its own. Returns NULL and sets
 * error when the TLS material is unusable.
 */
struct http_client *http_client_create(
	struct loop *loop, struct strand_pool *pool, struct connection *connection, GError **error);
/*
 * Ends every exchange with ECANCELED and waits until their done handlers have run: not from a
 * strand of an exchange, nor from the client thread. NULL is fine.
 */
void http_client_destroy(struct http_client *client);

/* For messages: the URL of the server in use. Valid as long as the client. Any thread. */
const char *http_client_server(struct http_client *client);

/*
 * The server of that URL answers, but is no good: when it is the one in use, exchanges that start
 * from now on begin with the next one. Any thread.
 */
void http_client_avoid(struct http_client *client, const char *server);

/* The one given to http_client_create; valid as long as the client. Any thread. */
struct loop *http_client_loop(struct http_client *client);

/*
 * Starts an exchange. request is copied. Never blocks, never calls a handler before it returns.
 * Bytes queued on the strand and not yet handled are bounded: the transfer is paused meanwhile.
 * Any thread. The returned handle is owned by the caller until http_exchange_unref.
 */
struct http_exchange *http_send(struct http_client *client, const struct http_request *request,
	const struct http_handlers *handlers, void *data, struct strand *strand);

/*
 * Ends the exchange soon; done still comes, with ECANCELED unless it had ended and nothing of it is
 * left out. What is called on the exchange's own strand is exact: no head and no body comes after
 * it. Any thread, also after the end.
 */
void http_cancel(struct http_exchange *exchange);
struct http_exchange *http_exchange_unref(struct http_exchange *exchange); /* returns NULL */
