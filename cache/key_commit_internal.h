/*
 * What the parts of key_commit share. All on the commit's strand, except where said.
 */
#pragma once

#include <pthread.h>

#include "cache/key_commit.h"
#include "cache/keyspace_parts.h"

/* Keys that one change touches at most. */
#define KEY_COMMIT_KEYS 2
/*
 * Values up to this size are compared, too: where etcd was restored from a backup, a revision is
 * given for the second time.
 */
#define KEY_COMMIT_COMPARED_MAX (64 << 10)
/* How often a change is sent at most. */
#define KEY_COMMIT_TRIES_MAX 5
/* A server that is away while there is doubt is asked again after so long. */
#define KEY_COMMIT_RETRY_MS 500
/* How far back the history of a key is followed. */
#define KEY_COMMIT_HISTORY_MAX 32

enum key_commit_kind {
	KEY_COMMIT_SAVE,
	KEY_COMMIT_DELETE,
	KEY_COMMIT_CHECK,
	KEY_COMMIT_MOVE,
};

struct key_commit {
	gint references;
	struct keyspace *keyspace;
	const struct keyspace_options *options;
	struct strand *strand;
	enum key_commit_kind kind;
	struct key_edit edits[KEY_COMMIT_KEYS]; /* owned; the first is the one that is put */
	guint count;
	int64_t lease; /* of a move */
	gboolean exclusive;
	key_commit_done done;
	void *data;
	guint tries;
	gboolean doubt; /* it was sent, and what became of it is not known */
	char *message; /* of what brought the doubt */
	int errnum; /* likewise */
	/* What is there now, as it was read. */
	guint reading; /* the edit that is read for */
	struct key_snapshot *there[KEY_COMMIT_KEYS];
	int64_t revision; /* of the store then, or of the change */
	struct key_snapshot *past; /* an older version of the first key */
	guint steps; /* back in its history */
	/* What it ends with, once the keyspace shows what is there. */
	struct key_outcome outcome;
	char *text; /* outcome.message */
	guint showing; /* edits that are still to be shown */
	pthread_mutex_t lock; /* guards all below */
	struct etcd_call *call; /* under way, or NULL */
	int interrupt; /* ETIMEDOUT or ESHUTDOWN; 0: none */
	uint64_t deadline; /* a timer, 0: none */
};

struct key_commit *key_commit_ref(struct key_commit *commit);

/* What the key's value is compared with, or NULL: its revision alone is. */
GBytes *key_commit_compared_value(const struct key_edit *edit);
/* Whether what there[] says of that edit is what it was compared with. */
gboolean key_commit_holds(const struct key_commit *commit, guint index);

/* Sends the change, also again. */
void key_commit_send(struct key_commit *commit);
/* The change was stored at commit->revision: shows it, and ends. */
void key_commit_stored(struct key_commit *commit);
/* Ends with there[], which is shown, and with snapshot, which may be NULL and is referenced. */
void key_commit_arrived(struct key_commit *commit, struct key_snapshot *snapshot);
/* Ends; what was read of the keys is shown first. */
void key_commit_fail(struct key_commit *commit, int errnum, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
void key_commit_conflict(struct key_commit *commit);

/* Reads the keys and judges by them what became of the change. */
void key_commit_look(struct key_commit *commit);

/*
 * Makes call the one that is under way; it is cancelled at once when the commit is to end. NULL: it
 * has ended.
 */
void key_commit_set_call(struct key_commit *commit, struct etcd_call *call);
int key_commit_get_interrupt(struct key_commit *commit);
/* A range of one key's version at a revision (0: now); handlers get the commit, and a reference. */
void key_commit_range(struct key_commit *commit, GBytes *key, int64_t revision,
	const struct etcd_range_handlers *handlers);
