/*
 * The token of an etcd user: got by name and password (/v3/auth/authenticate), once at a time for
 * all calls that wait for it, and again when it is refused. Tokens expire (five minutes unused, by
 * default), are lost when a member restarts, and age when users or roles change.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "client/strand.h"

struct etcd_call;
struct etcd_client;
struct etcd_failure;

/* A failed authentication is the answer for so long: the server takes its time to check one. */
#define ETCD_AUTH_RETRY_MS 2000

/* Part of a struct etcd_client, guarded by its lock. */
struct etcd_auth {
	char *user; /* NULL: there are no tokens */
	char *password;
	char *header; /* "Authorization: TOKEN"; NULL: none, or the server wants none */
	uint64_t generation; /* of the token, also of none; 0: to be asked for */
	uint64_t last_generation;
	gboolean asking;
	GQueue waiting; /* of struct etcd_call * */
	struct etcd_failure *failure; /* of the last authentication, or NULL */
	uint64_t failed_until; /* loop_now() until which it is the answer */
};

void etcd_auth_init(struct etcd_auth *auth, const char *user, const char *password);
void etcd_auth_finish(struct etcd_auth *auth);

/* With the lock held: whether a call may be sent, with auth->header. */
gboolean etcd_auth_is_ready(const struct etcd_auth *auth);

/*
 * Without the lock: asks for a token unless that is under way, for the calls in auth->waiting. It
 * runs on strand.
 */
void etcd_auth_ask(struct etcd_client *client, struct strand *strand);

/* Without the lock: the token of that generation is refused. FALSE when there is no user. */
gboolean etcd_auth_renew(struct etcd_client *client, uint64_t generation);
