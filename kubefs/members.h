/*
 * .kubefs/etcd/: what the members of the cluster whose keys are shown say of themselves. They are
 * asked when somebody looks. Any thread; nothing waits.
 */
#pragma once

#include "cache/waiters.h"
#include "client/etcd.h"

struct members;

/* What was told is good for this long: LOOKUP and what follows it see one. */
#define MEMBERS_MS 1000

/* client is borrowed. */
struct members *members_create(struct etcd_client *client, struct strand_pool *pool);
/* After the client was destroyed. NULL is fine. */
void members_destroy(struct members *members);

/* The names of the files, NULL-terminated, in the order of the listing. */
extern const char *const MEMBERS_FILES[];

/*
 * The text of one of the files: 0 with a reference in *ret; -EINPROGRESS, and wait(data) follows
 * unless wait is NULL; -ENOENT without an error: there is no such file; or why nobody told, with
 * error set.
 */
int members_look(struct members *members, const char *name, collection_wait wait, void *data,
	GBytes **ret, GError **error);
