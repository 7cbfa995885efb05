/*
 * What the members of an etcd cluster say of themselves, each asked at its own client URL, as
 * etcdctl endpoint status --cluster asks them.
 *
 * Source: etcd's api/etcdserverpb/rpc.proto (MemberList, Status, Alarm).
 */
#pragma once

#include "client/etcd.h"

/* Milliseconds that a member may take to answer, and how many are asked. */
#ifndef ETCD_MEMBER_TIMEOUT
#define ETCD_MEMBER_TIMEOUT 3000
#endif
#define ETCD_MEMBERS_MAX 64

/* Strings come from the servers as they are. */
struct etcd_member {
	uint64_t id;
	char *name; /* "": it has never started */
	char **peer_urls; /* NULL-terminated, as the next */
	char **client_urls;
	gboolean learner;
	/* What it says itself; all zero where failure tells why it does not. */
	char *failure; /* one line, escaped; or NULL */
	char *server; /* the URL at which it answers */
	char *version;
	uint64_t leader; /* the id of whom it takes for the leader; 0: nobody */
	uint64_t raft_term;
	uint64_t raft_index;
	uint64_t raft_applied_index;
	int64_t db_size; /* bytes */
	int64_t db_size_in_use;
	char **errors; /* NULL-terminated */
};

struct etcd_alarm {
	uint64_t member; /* its id */
	char *name; /* "NOSPACE", "CORRUPT" */
};

struct etcd_cluster {
	uint64_t id;
	GPtrArray *members; /* of struct etcd_member *, as the cluster lists them */
	GPtrArray *alarms; /* of struct etcd_alarm * */
	char *alarms_failure; /* why these are not known, escaped; or NULL */
};

struct etcd_cluster_handlers {
	/* Exactly once. cluster is borrowed, NULL when nobody could list the members. */
	void (*done)(
		void *data, const struct etcd_result *result, const struct etcd_cluster *cluster);
};

/*
 * Ends in bounded time, or with the client. A member whose URL is not TLS is not asked where the
 * client's own servers are. The handler runs on strand. Any thread.
 */
void etcd_cluster_ask(struct etcd_client *client, const struct etcd_cluster_handlers *handlers,
	void *data, struct strand *strand);

/* Whom the members that are in the latest term take for it; NULL: nobody. Borrowed. */
const struct etcd_member *etcd_cluster_leader(const struct etcd_cluster *cluster);
