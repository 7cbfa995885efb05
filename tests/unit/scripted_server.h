/*
 * An HTTP/1.1 server on 127.0.0.1 that answers as a test says: canned responses, cut at a chosen
 * byte, slow, stalled, closed. One thread a connection; requests take the answers in order,
 * whatever their connection. What was asked is kept. Requests sent side by side come in any order:
 * give their answers a request to wait for.
 */
#pragma once

#include <glib.h>

enum scripted_end {
	SCRIPTED_KEEP, /* the connection takes a further request */
	SCRIPTED_CLOSE, /* closes it in order */
	SCRIPTED_RESET, /* closes it with a reset */
	SCRIPTED_STALL, /* sends nothing more until the other side or the test ends it */
};

struct scripted_answer {
	const char *bytes; /* head and body as they go out; copied */
	size_t length; /* 0: strlen(bytes) */
	const char *repeated; /* NULL, or sent after bytes, repeats times; copied */
	unsigned int repeats;
	enum scripted_end end;
	const char
		*request; /* NULL, or only requests that begin with it take this answer; copied */
};

struct scripted_server;

/* Listens on a free port. The test fails when it cannot. */
struct scripted_server *scripted_server_create(void);
/* Ends every connection and joins its threads. NULL is fine. */
void scripted_server_destroy(struct scripted_server *server);

/* "http://127.0.0.1:PORT" */
const char *scripted_server_url(const struct scripted_server *server);

/*
 * The URL of a port on which nobody listens: it stays bound, or another might be given it. The
 * caller owns it.
 */
char *scripted_server_closed_url(void);

/* Adds an answer. Requests beyond the last one are stalled. */
void scripted_server_add(struct scripted_server *server, const struct scripted_answer *answer);
/* Adds a complete response that keeps the connection. extra: further header lines or "". */
void scripted_server_respond(
	struct scripted_server *server, const char *status, const char *extra, const char *body);

/* The same for requests that begin with request: "GET /apis " */
void scripted_server_respond_to(struct scripted_server *server, const char *request,
	const char *status, const char *extra, const char *body);

/* How many requests have come, and waits until it is at least count (30 s, else the test fails). */
unsigned int scripted_server_requests(struct scripted_server *server);
void scripted_server_wait(struct scripted_server *server, unsigned int count);
/* The head and body of the request with this index. The caller owns it. */
char *scripted_server_request(struct scripted_server *server, unsigned int index);
/* How many connections were ever accepted, and how many are open. */
unsigned int scripted_server_accepted(struct scripted_server *server);
/* Waits until no more than count connections are open (30 s, else the test fails). */
void scripted_server_wait_open(struct scripted_server *server, unsigned int count);
/* Bytes sent to clients so far. */
guint64 scripted_server_sent(struct scripted_server *server);
/* Waits until they are at least count (30 s, else the test fails). */
void scripted_server_wait_sent(struct scripted_server *server, guint64 count);
