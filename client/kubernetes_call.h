/*
 * What the calls of the Kubernetes source share: one HTTP exchange after another on one strand,
 * cancelled from anywhere, ended exactly once.
 */
#pragma once

#include <pthread.h>

#include "client/http.h"
#include "client/kubernetes_warning.h"
#include "client/source.h"
#include "client/source_call.h"

/*
 * Milliseconds. A request may take a little longer than the minute after which the API server gives
 * up itself; silence within an answer means a dead connection sooner.
 */
#define KUBERNETES_REQUEST_TIMEOUT (90 * 1000)
#define KUBERNETES_IDLE_TIMEOUT (45 * 1000)
#define KUBERNETES_PING_TIMEOUT (10 * 1000)

struct kubernetes {
	struct source source;
	gint references; /* the owner's and one a call */
	gint minor; /* of the server's version 1.minor; 0 while unknown; atomic */
	struct kubernetes_warnings warnings;
	pthread_mutex_t lock;
	struct http_client *http; /* guarded by lock; NULL once destroyed */
};

struct kubernetes *kubernetes_ref(struct kubernetes *kubernetes);
struct kubernetes *kubernetes_unref(struct kubernetes *kubernetes); /* returns NULL */

struct kubernetes_call;

/* All run on the call's strand. */
struct kubernetes_call_ops {
	/* The server accepted the request, with JSON or, if it may be, protobuf. May be NULL. */
	void (*head)(struct kubernetes_call *call, const char *content_type);
	void (*body)(struct kubernetes_call *call, const char *bytes, size_t length);
	/* The body came to its end: 0, or a negative errno and why that was too early. */
	int (*end)(struct kubernetes_call *call, GError **error);
	/*
	 * The exchange is over: send the next one or tell the caller. Returns TRUE when
	 * kubernetes_call_send was called and succeeded, FALSE when the call is over.
	 */
	gboolean (*done)(struct kubernetes_call *call, const struct source_result *result);
	void (*free)(struct kubernetes_call *call);
};

/* What the call itself, not HTTP, found wrong. */
struct kubernetes_failure {
	GError *error; /* NULL: nothing */
	int status;
	char *reason; /* or NULL */
	unsigned int retry_after;
	gboolean expired;
	gboolean unreadable; /* what came as protobuf */
};

/* Implementations embed this first. */
struct kubernetes_call {
	struct source_call call;
	const struct kubernetes_call_ops *ops;
	struct kubernetes *kubernetes;
	struct strand *strand;
	enum kubernetes_warn warn; /* how Warning headers are told; set before the start */
	gboolean protobuf; /* an answer may be protobuf; set before the start */
	char *what; /* the request under way, for messages */
	/* Within ops->done: the exchange that is over, NULL when none was begun. */
	const struct http_result *http;
	struct kubernetes_failure failure; /* on the strand only */
	/* Guarded by kubernetes->lock. */
	struct http_exchange *exchange;
	gboolean cancelled;
};

/* With one reference, the caller's. */
void kubernetes_call_init(struct kubernetes_call *call, const struct kubernetes_call_ops *ops,
	struct kubernetes *kubernetes, struct strand *strand);

/*
 * Begins the call with its first request, or, when error is not NULL, ends it with that (taken
 * over). Every handler runs later, on the strand. Any thread, once.
 */
void kubernetes_call_start(
	struct kubernetes_call *call, const struct http_request *request, GError *error);

/* On the strand, within done: sends a further request. FALSE when the call was cancelled. */
gboolean kubernetes_call_send(struct kubernetes_call *call, const struct http_request *request);

/* On the strand: ends the exchange; what was found (error is taken over) becomes its result. */
void kubernetes_call_fail(struct kubernetes_call *call, GError *error);

/* The same for an answer that is a failure by what it says: failure is taken over. */
void kubernetes_call_refuse(struct kubernetes_call *call, const struct kubernetes_failure *failure);

/* What a metav1.Status says that came as an event. NULL is one that could not be read. */
struct kubernetes_failure kubernetes_failure_from_status(const cJSON *status);
