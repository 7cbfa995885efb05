/*
 * What etcd says of a request that failed: the gRPC code and the words, from which the errno and
 * what may be done about it follow. Source: etcd's api/v3rpc/rpctypes/error.go.
 */
#pragma once

#include <cjson/cJSON.h>
#include <glib.h>
#include <stdint.h>

/* google.golang.org/grpc/codes, those that are looked at by name. */
enum etcd_code {
	ETCD_CODE_CANCELLED = 1,
	ETCD_CODE_UNKNOWN = 2,
	ETCD_CODE_INVALID_ARGUMENT = 3,
	ETCD_CODE_DEADLINE_EXCEEDED = 4,
	ETCD_CODE_NOT_FOUND = 5,
	ETCD_CODE_ALREADY_EXISTS = 6,
	ETCD_CODE_PERMISSION_DENIED = 7,
	ETCD_CODE_RESOURCE_EXHAUSTED = 8,
	ETCD_CODE_FAILED_PRECONDITION = 9,
	ETCD_CODE_ABORTED = 10,
	ETCD_CODE_OUT_OF_RANGE = 11,
	ETCD_CODE_UNIMPLEMENTED = 12,
	ETCD_CODE_INTERNAL = 13,
	ETCD_CODE_UNAVAILABLE = 14,
	ETCD_CODE_DATA_LOSS = 15,
	ETCD_CODE_UNAUTHENTICATED = 16,
};

/* What a server without authentication says to who asks for a token. */
#define ETCD_WORDS_NOT_ENABLED "authentication is not enabled"

/* All zero is none. */
struct etcd_failure {
	int errnum; /* 0: none */
	int code; /* 0: not told */
	char *words; /* one line for a person, without where */
	int64_t compact_revision;
	gboolean untouched; /* of a change: certainly nothing was done */
	gboolean elsewhere; /* this server is no good for now, another one may be */
	gboolean again; /* the same request may succeed a little later */
	gboolean token; /* the token is refused, a new one may do */
};

/* code may be 0 and words NULL: then the HTTP status decides, when it is not 0. */
void etcd_failure_set(struct etcd_failure *failure, int code, const char *words, int status);

/*
 * From the body of a refused request: {"error": "...", "message": "...", "code": N} in etcd 3.4 and
 * 3.5, {"code": N, "message": "...", "details": []} in 3.6; {"errorCode": N, "message": "...",
 * "cause": "..."} of the v2 keys. body may be NULL, or anything. other: what to say when it has no
 * words, already escaped.
 */
void etcd_failure_read(
	struct etcd_failure *failure, const cJSON *body, int status, const char *other);
/* With words of its own. */
void etcd_failure_copy(struct etcd_failure *failure, const struct etcd_failure *source);
void etcd_failure_clear(struct etcd_failure *failure);
