/*
 * etcd's v3 API through its JSON gateway (POST /v3/..., etcd 3.4 and later; protocol.md 27 to 34)
 * over client/http.h, ranges by gRPC where that is spoken (client/etcd_dialect.h). Everything is
 * asynchronous; handlers run on the strand given with each call, in order. Keys and values are
 * bytes: any byte, no terminating NUL.
 *
 * Source: etcd's api/etcdserverpb/rpc.proto and its gateway's mapping (bytes are base64, 64-bit
 * integers are strings, zero fields are left out).
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "client/http.h"
#include "client/strand.h"

struct etcd_client;
struct etcd_call;

/* One key as etcd has it. Borrowed during the call that hands it out. */
struct etcd_kv {
	GBytes *key;
	GBytes *value; /* NULL where only keys were asked for, and for what was deleted */
	int64_t create_revision;
	int64_t mod_revision;
	int64_t version; /* changes since it was created; 0: deleted */
	int64_t lease; /* 0: none */
};

/*
 * How a call ended. Strings are valid during the call. errnum: ESTALE a compacted revision, ERANGE
 * one that is not there yet, EACCES, ENOSPC, EFBIG a request too large, EINVAL, ENOENT a lease that
 * is not there, EAGAIN no leader or too busy (after repeats), EOPNOTSUPP no gateway, ETIMEDOUT,
 * ECANCELED, EPROTO an answer that makes no sense, and what HTTP gave (client/http.h).
 */
struct etcd_result {
	int errnum; /* 0 or a positive errno */
	int code; /* the gRPC code that the server gave, or 0 */
	const char *message; /* one line for a person: what, where and why; "" on success */
	int64_t revision; /* header.revision: the store's when it answered; 0: not told */
	/*
	 * Not 0: the revision asked for was compacted; nothing older than this is there (ESTALE).
	 * A range is not told it: 0 with ESTALE.
	 */
	int64_t compact_revision;
	/* A change failed, but it may have been done. */
	gboolean uncertain;
};

/* Which keys: [key, range_end). range_end NULL: the one key; empty: all from key on. */
struct etcd_keys {
	GBytes *key;
	GBytes *range_end;
};

struct etcd_range {
	struct etcd_keys keys;
	int64_t revision; /* 0: now */
	int64_t limit; /* 0: none */
	gboolean keys_only;
	gboolean count_only;
	gboolean serializable; /* from the member asked, without the quorum */
};

struct etcd_range_handlers {
	/* Each key, ascending, as it comes in: a long answer is never held as a whole. */
	void (*kv)(void *data, const struct etcd_kv *kv);
	/* more: the limit ended it; count: of all keys in the range. */
	void (*done)(void *data, const struct etcd_result *result, gboolean more, int64_t count);
};

enum etcd_event {
	ETCD_PUT,
	ETCD_DELETE,
};

struct etcd_watch_handlers {
	/*
	 * The server has accepted it. revision: the store's then; events up to it may still come.
	 */
	void (*created)(void *data, int64_t revision);
	void (*event)(void *data, enum etcd_event event, const struct etcd_kv *kv);
	/*
	 * Everything up to that revision has been told: after the events of a whole response (its
	 * fragments put together), and for a progress notification.
	 */
	void (*progress)(void *data, int64_t revision);
	/* Exactly once, last. errnum 0: the stream ended, as streams do; resume. */
	void (*done)(void *data, const struct etcd_result *result);
};

/* One transaction: if all compares hold, all changes are made; else none is. */
struct etcd_compare {
	GBytes *key;
	int64_t mod_revision; /* 0: there must be no such key */
	GBytes *value; /* what it must have, too; NULL: whatever it is */
};

struct etcd_change {
	GBytes *key;
	GBytes *value; /* NULL: delete */
	int64_t lease; /* put: 0 for none */
	gboolean keep_lease; /* put: the key's present lease stays */
};

struct etcd_txn_handlers {
	/* succeeded FALSE with errnum 0: a compare did not hold, nothing was changed. */
	void (*done)(void *data, const struct etcd_result *result, gboolean succeeded);
};

/* What .kubefs/etcd shows. The JSON object as the server gave it, borrowed. */
struct etcd_get_handlers {
	void (*done)(void *data, const struct etcd_result *result, const cJSON *object);
};

/*
 * http: with the servers and the TLS of the cluster, as client/etcd_connection.h makes a connection
 * for it. user and password: NULL, or what is exchanged for a token (/v3/auth/authenticate), again
 * when the token is refused; copied, never logged. http is taken over.
 */
struct etcd_client *etcd_client_create(
	struct http_client *http, const char *user, const char *password);
/* Before the first call: ranges are asked for by gRPC first. */
void etcd_client_use_grpc(struct etcd_client *client);
/* Ends every call with ECANCELED and waits for the done handlers: not from a strand of a call. */
void etcd_client_destroy(struct etcd_client *client);
const char *etcd_client_where(struct etcd_client *client); /* for messages */

struct etcd_call *etcd_range(struct etcd_client *client, const struct etcd_range *range,
	const struct etcd_range_handlers *handlers, void *data, struct strand *strand);
/* From revision on (0: from now). Progress notifications are asked for. */
struct etcd_call *etcd_watch(struct etcd_client *client, const struct etcd_keys *keys,
	int64_t revision, const struct etcd_watch_handlers *handlers, void *data,
	struct strand *strand);
struct etcd_call *etcd_txn(struct etcd_client *client, const struct etcd_compare *compares,
	size_t n_compares, const struct etcd_change *changes, size_t n_changes,
	const struct etcd_txn_handlers *handlers, void *data, struct strand *strand);

enum etcd_question {
	ETCD_STATUS, /* /v3/maintenance/status of the endpoint in use */
	ETCD_MEMBERS, /* /v3/cluster/member/list */
	ETCD_ALARMS, /* /v3/maintenance/alarm, action GET */
};
struct etcd_call *etcd_ask(struct etcd_client *client, enum etcd_question question,
	const struct etcd_get_handlers *handlers, void *data, struct strand *strand);
/*
 * The same with timeout milliseconds for an answer. server: NULL, and others are asked, too, when
 * one has none; or the URL of the one to ask, once. That need be none of the client's own.
 */
struct etcd_call *etcd_ask_server(struct etcd_client *client, enum etcd_question question,
	const char *server, unsigned int timeout, const struct etcd_get_handlers *handlers,
	void *data, struct strand *strand);

/*
 * Ends the call soon; done still comes, with ECANCELED unless it had ended. From the call's own
 * strand: nothing but done comes after it. Any thread.
 */
void etcd_cancel(struct etcd_call *call);
struct etcd_call *etcd_call_unref(struct etcd_call *call); /* returns NULL; NULL is fine */
