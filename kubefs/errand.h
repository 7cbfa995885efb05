/*
 * A commit that a request waits for: begun on the request's first run, looked at on each, over
 * once.
 */
#pragma once

#include "cache/commit.h"
#include "cache/key_commit.h"
#include "kubefs/request.h"

struct errand;

struct errand *errand_create(struct filesystem *filesystem);
struct errand *errand_ref(struct errand *errand);
/* For request.state_free; what is under way goes on. NULL is fine. */
void errand_unref(void *errand);

/* Begin it, once. The request's strings are copied. */
void errand_save(struct errand *errand, struct cache *cache, const struct commit_request *request);
void errand_delete(struct errand *errand, struct cache *cache, struct resource *resource,
	struct snapshot *snapshot, gboolean dry_run);
/* Of keys; check: whether it could be deleted, which nothing is changed by. */
void errand_delete_key(struct errand *errand, struct keyspace *keyspace, struct key_snapshot *value,
	gboolean check);
void errand_move_key(struct errand *errand, struct keyspace *keyspace, struct key_snapshot *from,
	const struct key_edit *to, gboolean exclusive);
/* Of a move that is over: the mod_revision of the key that it made; 0: not known. */
int64_t errand_revision(struct errand *errand);
gboolean errand_has_begun(const struct errand *errand);

/*
 * Its outcome: 0 or a negative errno with error set; -EINPROGRESS, and wait(data) follows unless
 * wait is NULL. *ret_snapshot, which may be NULL, is set to a reference or NULL on success.
 */
int errand_look(struct errand *errand, collection_wait wait, void *data,
	struct snapshot **ret_snapshot, GError **error);
/* Gives up what is not on the wire yet, as keys always are. For request.interrupt. */
void errand_cancel(struct errand *errand);
