/*
 * Changes of keys of etcd: one transaction each that compares the mod_revision of every key it
 * touches with what its writer knew of it (protocol.md 33), never over somebody else's change. The
 * counterpart of cache/commit.h; knows nothing of files.
 *
 * Values are bytes and are never merged: what others changed meanwhile is a conflict. A put keeps
 * the key's lease. Once a change was stored, the keyspace shows it before the outcome is told; of a
 * conflict it shows what is there.
 *
 * Where an answer is lost, the keys are read to find out what became of the change:
 * - The versions that were compared with are still there: it is sent again, which is safe, since
 *   only one of both can succeed. But not where etcd has said that it has no room.
 * - What was put is there, as the version after the one that was compared with: it has arrived.
 *   (Somebody else who put the very same bytes over the same version in that moment cannot be told
 *   from it.) What was to be deleted is not there: likewise.
 * - Others have put something over it: the history of the key says what came right after the
 *   version that was compared with. If that is ours, it had arrived; if not, it is a conflict.
 * - Anything else (compacted meanwhile, deleted after all): EIO, uncertain.
 */
#pragma once

#include "cache/commit.h"
#include "cache/keyspace.h"

struct key_commit;

/* One key of a change. */
struct key_edit {
	GBytes *key;
	/* Its mod_revision as the writer knew it; 0: there must be no such key. */
	int64_t revision;
	/* That version, or NULL where only its revision is known. */
	struct key_snapshot *base;
	GBytes *value; /* what is put; NULL: it is deleted */
};

/* Valid during the call. */
struct key_outcome {
	/*
	 * 0 or: EBUSY a conflict, EEXIST one of an exclusive creation, ENOENT what was to be
	 * deleted, checked or moved is gone, EACCES, ENOSPC etcd has no room (its quota or alarm),
	 * EFBIG, EAGAIN, ETIMEDOUT, EIO, ESHUTDOWN, and what else client/etcd.h says.
	 */
	int errnum;
	const char *message; /* one line, "" on success */
	gboolean uncertain; /* it failed, but may have been stored */
	/* Of a save or a move: the key as it was stored; NULL on failure, and where others have put
	 * something over it already and it is not known how it was. */
	struct key_snapshot *snapshot;
};

typedef void (*key_commit_done)(void *data, const struct key_outcome *outcome);

/*
 * Each is sent at once, and done comes exactly once, later, on a strand, in bounded time
 * (keyspace_options.commit_timeout), and before keyspace_stop returns. A reference is the caller's.
 * Any thread.
 */
/* exclusive: a key that has come to be is EEXIST, not EBUSY. */
struct key_commit *key_commit_save(struct keyspace *keyspace, const struct key_edit *edit,
	gboolean exclusive, key_commit_done done, void *data);
struct key_commit *key_commit_delete(
	struct keyspace *keyspace, struct key_snapshot *base, key_commit_done done, void *data);
/* Nothing is changed: whether base is what is there. */
struct key_commit *key_commit_check(
	struct keyspace *keyspace, struct key_snapshot *base, key_commit_done done, void *data);
/*
 * from goes, and its value and lease are put to the other key: its value in *to is not looked at.
 */
struct key_commit *key_commit_move(struct keyspace *keyspace, struct key_snapshot *from,
	const struct key_edit *to, gboolean exclusive, key_commit_done done, void *data);

/* The keyspace ends: ESHUTDOWN, uncertain if it was on its way. Any thread; with locks held. */
void key_commit_stop(struct key_commit *commit);
struct key_commit *key_commit_unref(struct key_commit *commit); /* returns NULL; NULL is fine */
