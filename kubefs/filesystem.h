/*
 * A mounted file system: what its parts share.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <time.h>

#include "cache/keyspace.h"
#include "kubefs/backup.h"
#include "kubefs/context.h"
#include "kubefs/guard.h"
#include "kubefs/journal.h"
#include "kubefs/key_reading.h"
#include "kubefs/key_text.h"
#include "kubefs/lineage.h"
#include "kubefs/listing_ahead.h"
#include "kubefs/local.h"
#include "kubefs/members.h"
#include "kubefs/node.h"
#include "kubefs/notifier.h"
#include "kubefs/opening.h"
#include "kubefs/overlay.h"
#include "kubefs/preview.h"
#include "kubefs/process.h"
#include "kubefs/readahead.h"
#include "kubefs/removal.h"
#include "kubefs/request.h"
#include "kubefs/scale.h"
#include "kubefs/staleness.h"
#include "kubefs/v2_keys.h"
#include "kubefs/walks.h"

struct fuse_session;

struct filesystem {
	struct loop *loop;
	struct strand *strand; /* for timers */
	GPtrArray *contexts; /* of struct context *, owned */
	gboolean many; /* each context is a directory at the top */
	/* The keys of an etcd, or NULL; under etcd/ beside the contexts, or all there is. */
	struct keyspace *keyspace;
	GBytes *keys; /* the prefix of those shown */
	gboolean keys_at_root;
	struct key_texts *key_texts;
	gboolean decode; /* keys that hold an object are shown as its YAML */
	/* What is asked of that etcd beside the keys, each NULL without one. */
	struct etcd_client *etcd;
	struct members *members;
	struct v2_keys *v2_keys;
	gboolean keys_read_only; /* -o ro */
	gboolean keys_dry_run; /* -o dry_run */
	gboolean etcd_registry_write; /* keys of a Kubernetes may be written, too */
	struct key_readings *readings;
	gint values_named; /* atomic: the kernel was given a name that ends in "%=" */
	pthread_mutex_t long_keys_lock;
	GHashTable *long_keys; /* lines on keys too long for a path; guarded by long_keys_lock */
	gboolean read_only; /* -o ro: nothing can be written, no OPEN is asked for */
	gboolean rmdir_namespaces; /* RMDIR may delete a namespace with all that is in it */
	const struct guard *guard; /* borrowed; NULL: nothing is refused but by contexts */
	uid_t uid;
	gid_t gid;
	time_t mounted;
	gboolean closing; /* requests that still come are refused */
	unsigned int refused; /* FUSE_CAP_* that the kernel may have and we do without */
	uint32_t init_flags; /* for the answer to INIT (kubefs/init_reply.h) */
	/* What the kernel said at mount: it sends no OPEN or OPENDIR once refused (fuse.md 1). */
	gboolean zero_message_open;
	gboolean zero_message_opendir;
	struct node_table *nodes;
	struct notifier *notifier;
	struct readahead *readahead;
	struct listing_ahead *listing_ahead;
	struct staleness *staleness;
	struct parking *parking;
	struct journal *journal;
	struct fuse_session *session;
	/* Of writing. */
	struct processes *processes;
	struct local_usage usage;
	struct overlay *overlay;
	struct openings *openings;
	struct lineages *lineages;
	struct backups *backups;
	struct removals *removals;
	struct walks *walks;
	struct previews *previews;
	struct scales *scales;
	pthread_mutex_t saves_lock;
	pthread_cond_t saves_ended;
	guint saves; /* under way; guarded by saves_lock */
};

/* An empty one, not mounted. loop must outlive it. */
struct filesystem *filesystem_create(struct loop *loop, struct strand_pool *pool);
/*
 * Once its contexts are there, without their caches yet: makes the root node, and ties it to the
 * session, which is not mounted yet.
 */
void filesystem_attach(struct filesystem *filesystem, struct fuse_session *session);
/* One more or one less change is on its way to a server. Any thread. */
void filesystem_saves(struct filesystem *filesystem, int add);
/*
 * The mount ends: what was unlinked is deleted now, and what is on its way may arrive, for at most
 * so long. Before the caches stop.
 */
void filesystem_drain(struct filesystem *filesystem, unsigned int milliseconds);
/*
 * Answers what is parked and ends the notifier's work, while somebody still answers the kernel. No
 * node is entered or changed any more.
 */
void filesystem_quiesce(struct filesystem *filesystem);
/* After the caches were stopped and the pool destroyed; destroys the caches, not the session. */
void filesystem_destroy(struct filesystem *filesystem); /* NULL is fine */
