/* What the parts of client/http.h share. Everything is the client thread's unless it says
 * otherwise. */
#pragma once

#include <curl/curl.h>
#include <pthread.h>

#include "client/authority.h"
#include "client/http.h"
#include "client/http_channel.h"
#include "client/http_delivery.h"
#include "client/http_server.h"
#include "client/loop_transfer.h"

struct http_refresh;

struct http_client {
	struct loop_member member;
	struct loop *loop;
	struct connection *connection;
	struct authority *authority; /* NULL: the system's trust store */
	GPtrArray *servers; /* of struct http_server *; immutable, any thread */
	/* Where the system's trust store is, as Go has it (crypto/x509/root_unix.go); or NULL. */
	char *trust_file; /* $SSL_CERT_FILE */
	char *trust_folders; /* $SSL_CERT_DIR: several with colons, their files named by hash */
	gint server; /* index of the one in use; atomic, any thread */
	struct http_lane_channels lanes[HTTP_LANE_COUNT];
	struct http_lane_channels http2_lanes[HTTP_LANE_COUNT]; /* for http_request.http2 */
	GQueue exchanges; /* of struct http_exchange *, those that have not ended */
	gboolean closed; /* no transfer starts any more */
	struct http_refresh *refresh; /* the run under way, or NULL */
	/* Any thread, guarded by the mutex. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned int active; /* exchanges whose done handler has not returned */
	gboolean stopped; /* the client thread knows it no more */
};

enum http_state {
	HTTP_STATE_NEW,
	HTTP_STATE_CREDENTIAL, /* waits for a refresh */
	HTTP_STATE_RETRY, /* waits as Retry-After says */
	HTTP_STATE_RUNNING, /* is a transfer of the multi handle */
	HTTP_STATE_ENDED,
};

/* What the response of one attempt says; cleared before each. */
struct http_response {
	int status; /* 0: no final head yet */
	gboolean sent; /* the request was about to be written */
	gboolean complete; /* the head is, and what follows are the body and trailers */
	char *content_type; /* or NULL */
	gboolean gzip;
	unsigned int retry_after; /* milliseconds */
	GByteArray *error_body; /* of a status other than 2xx, or NULL */
	gboolean too_long; /* error_body was cut */
	char *grpc_status; /* or NULL */
	char *grpc_message;
};

/* How an attempt failed below HTTP. */
struct http_failure {
	CURLcode code;
	int os_error; /* errno of a failed connect, or 0 */
	long verified; /* OpenSSL's number for a refused certificate */
	char *words; /* libcurl's, escaped */
};

struct http_exchange {
	struct loop_transfer transfer; /* easy is NULL before the first attempt and after the end */
	gint references; /* any thread */
	struct http_client *client; /* valid until the end */
	struct loop *loop; /* referenced */
	struct http_delivery delivery;
	GList link; /* in client->exchanges */

	/* The request; immutable. */
	char *method;
	char *path;
	char *accept;
	char *content_type;
	GBytes *body;
	enum http_lane lane;
	gboolean http2;
	unsigned int timeout;
	unsigned int idle_timeout;
	enum http_repeat repeat;
	char **more_headers; /* of the request, wiped at the end; or NULL */
	gint only_server; /* index of the one to ask, or -1 */
	struct http_server *stranger; /* the one to ask, which is none of the client's, or NULL */
	char *unusable; /* why the server that was named cannot be asked, or NULL */

	enum http_state state;
	uint64_t deadline; /* loop_now() at which timeout is over; 0: none */
	uint64_t deadline_timer;
	uint64_t retry_timer;
	uint64_t idle_timer;
	uint64_t last_byte; /* loop_now() */
	struct http_channel *channel; /* dealt from the first attempt to the end */
	gboolean joins; /* the attempt is for a connection that is there already */
	gboolean alone; /* the next attempt makes one: there was none to join */
	gboolean paused;
	gboolean flushing; /* a flush of the delivery is posted */
	gboolean connected; /* in any attempt */
	gboolean head_delivered;
	unsigned int retries; /* as Retry-After said */
	unsigned int lost; /* repeats after a lost connection */
	unsigned int servers_tried; /* in a row, without a connection */
	unsigned int refreshes; /* waited for */
	gboolean unauthorized; /* a 401 came, and another credential was asked for */
	uint64_t refused; /* generation of the credential that the last attempt's 401 refused, or 0
			   */
	gint server; /* index of the attempt's */
	struct credential *credential; /* the attempt's, or NULL */
	struct curl_slist *headers;
	struct http_response response;
	struct http_failure failure; /* of the attempt */
	char error[CURL_ERROR_SIZE]; /* libcurl's buffer */
};

struct http_exchange *http_exchange_ref(struct http_exchange *exchange);

/* http.c: index of the server to begin with. */
gint http_exchange_first_server(const struct http_exchange *exchange);
/* http.c: the attempt's. */
const struct http_server *http_exchange_server(const struct http_exchange *exchange);

/* http_setup.c: makes exchange->transfer.easy ready for an attempt. -ENOMEM. */
int http_setup(struct http_exchange *exchange);
void http_setup_finish(struct http_exchange *exchange);

/* http_response.c: libcurl's callbacks; data is the exchange. */
size_t http_response_header(char *line, size_t size, size_t count, void *data);
size_t http_response_body(char *bytes, size_t size, size_t count, void *data);
/* When it came compressed; one that cannot be read is dropped. */
void http_response_inflate_error(struct http_response *response);
void http_response_clear(struct http_response *response);

/* http_attempt.c: the life of an exchange on the client thread. */
void http_attempt_start(struct http_exchange *exchange);
void http_attempt_resume(struct http_exchange *exchange);
void http_attempt_cancel(struct http_exchange *exchange);

/* http_refresh.c: a blocking refresh of the credentials, on a thread of its own. */
void http_refresh_start(struct http_client *client);
/* The client ends: what still runs no longer reports to it. */
void http_refresh_abandon(struct http_client *client);
/* Called with the outcome; error is NULL on success. */
void http_attempt_refreshed(struct http_client *client, const GError *error);

/*
 * http_failure.c: why an exchange failed, as errnum and a message that begins with the server. The
 * caller owns *ret_message.
 */
int http_failure_of_transfer(const struct http_exchange *exchange, char **ret_message);
/* Fills exchange->failure from its handle after a transfer; and from another's. */
void http_failure_take(struct http_exchange *exchange, CURLcode code);
void http_failure_copy(struct http_exchange *exchange, const struct http_failure *failure);
void http_failure_clear(struct http_failure *failure);
/* No connection could be made: what holds for one exchange holds for those waiting beside it. */
gboolean http_failure_is_shared(const struct http_failure *failure);
/*
 * The server ended the connection with a TLS alert. With TLS 1.3 that comes after the request was
 * sent, and says that it was not looked at: a client certificate is missing or refused.
 */
gboolean http_failure_is_alert(const struct http_failure *failure);
/* For a status other than 2xx. object is the decoded body, or NULL. */
int http_failure_of_status(
	const struct http_exchange *exchange, const cJSON *object, char **ret_message);
/* "https://host:6443", valid as long as the client. */
const char *http_failure_where(const struct http_exchange *exchange);
/* "https://host:6443: WHY" */
char *http_failure_message(const struct http_exchange *exchange, const char *format, ...)
	G_GNUC_PRINTF(2, 3);
