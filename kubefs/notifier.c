#include "kubefs/notifier.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <string.h>

#include "client/lock.h"
#include "kubefs/workers.h"

enum action {
	ACTION_ENTRY,
	ACTION_DELETE,
	ACTION_SETTLE,
	ACTION_AFTER,
};

struct notice {
	enum action action;
	uint64_t child;
	char *name;
	void (*job)(void *data);
	void *data;
};

/* What is queued for one directory, in order. Exists while there is something. */
struct lane {
	struct notifier *notifier;
	uint64_t directory;
	GQueue notices; /* of struct notice * */
	GHashTable *queued; /* names with an ACTION_ENTRY in notices, borrowed from them */
};

struct notifier {
	struct fuse_session *session;
	pthread_mutex_t lock; /* guards lanes and what is in them, and listings */
	GHashTable *lanes; /* &lane->directory -> struct lane *, owned */
	GHashTable *listings; /* queued inodes, as int64 keys */
	GHashTable *attributes; /* likewise */
	struct workers *lane_workers;
	struct workers *inode_worker; /* one: empties listings and attributes */
	gboolean inode_woken;
	gboolean closed;
};

/* A job is called even when what stood before it was dropped: it may own something. */
static void notice_free(struct notice *notice)
{
	if (notice->job != NULL)
		notice->job(notice->data);
	g_free(notice->name);
	g_free(notice);
}

static void lane_free(void *pointer)
{
	struct lane *lane = pointer;
	struct notice *notice;

	while ((notice = g_queue_pop_head(&lane->notices)) != NULL)
		notice_free(notice);
	g_hash_table_destroy(lane->queued);
	g_free(lane);
}

static void act(struct notifier *notifier, uint64_t directory, const struct notice *notice)
{
	struct fuse_session *session = notifier->session;

	/* -ENOENT means that the kernel did not know it: fine. */
	switch (notice->action) {
	case ACTION_ENTRY:
		fuse_lowlevel_notify_inval_entry(
			session, directory, notice->name, strlen(notice->name));
		break;
	case ACTION_DELETE:
		fuse_lowlevel_notify_delete(
			session, directory, notice->child, notice->name, strlen(notice->name));
		break;
	case ACTION_SETTLE:
		/*
		 * READDIR fills the cache under the directory's lock, and so does this entry wait
		 * for that lock. A lone "%" is nobody's name (escape.h).
		 */
		fuse_lowlevel_notify_inval_entry(session, directory, "%", 1);
		fuse_lowlevel_notify_inval_inode(session, directory, 0, 0);
		break;
	case ACTION_AFTER:
		break;
	}
}

/* The next notice of the lane; NULL when there is none: then the lane is the caller's alone. */
static struct notice *take(struct notifier *notifier, struct lane *lane, uint64_t *ret_directory)
{
	LOCK_GUARD(&notifier->lock);
	struct notice *notice = notifier->closed ? NULL : g_queue_pop_head(&lane->notices);

	*ret_directory = lane->directory;
	if (notice == NULL)
		g_hash_table_steal(notifier->lanes, &lane->directory);
	else if (notice->action == ACTION_ENTRY)
		g_hash_table_remove(lane->queued, notice->name);
	return notice;
}

static void run_lane(void *data)
{
	struct lane *lane = data;
	struct notifier *notifier = lane->notifier;
	struct notice *notice;
	uint64_t directory;

	while ((notice = take(notifier, lane, &directory)) != NULL) {
		act(notifier, directory, notice);
		notice_free(notice);
	}
	/* Not under the lock: the jobs of what is dropped are called. */
	lane_free(lane);
}

static GHashTable *new_inode_set(void)
{
	return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

static void invalidate_all(struct notifier *notifier, GHashTable *inodes, off_t offset)
{
	GHashTableIter iter;
	void *inode;

	g_hash_table_iter_init(&iter, inodes);
	while (g_hash_table_iter_next(&iter, &inode, NULL))
		fuse_lowlevel_notify_inval_inode(notifier->session, *(uint64_t *)inode, offset, 0);
	g_hash_table_destroy(inodes);
}

static void run_inodes(void *data)
{
	struct notifier *notifier = data;

	pthread_mutex_lock(&notifier->lock);
	while (g_hash_table_size(notifier->listings) + g_hash_table_size(notifier->attributes) >
		0) {
		GHashTable *listings = notifier->listings;
		GHashTable *attributes = notifier->attributes;

		notifier->listings = new_inode_set();
		notifier->attributes = new_inode_set();
		pthread_mutex_unlock(&notifier->lock);
		invalidate_all(notifier, listings, 0);
		/* A negative offset leaves the pages alone (fs/fuse/inode.c). */
		invalidate_all(notifier, attributes, -1);
		pthread_mutex_lock(&notifier->lock);
	}
	notifier->inode_woken = FALSE;
	pthread_mutex_unlock(&notifier->lock);
}

struct notifier *notifier_create(struct fuse_session *session)
{
	struct notifier *notifier = g_new0(struct notifier, 1);

	notifier->session = session;
	pthread_mutex_init(&notifier->lock, NULL);
	notifier->lanes = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, lane_free);
	notifier->listings = new_inode_set();
	notifier->attributes = new_inode_set();
	notifier->lane_workers = workers_create(NOTIFIER_LANES_MAX);
	notifier->inode_worker = workers_create(1);
	return notifier;
}

void notifier_close(struct notifier *notifier)
{
	gboolean was_closed;

	pthread_mutex_lock(&notifier->lock);
	was_closed = notifier->closed;
	notifier->closed = TRUE;
	pthread_mutex_unlock(&notifier->lock);
	if (was_closed)
		return;
	workers_destroy(notifier->lane_workers);
	workers_destroy(notifier->inode_worker);
}

void notifier_destroy(struct notifier *notifier)
{
	if (notifier == NULL)
		return;
	notifier_close(notifier);
	g_hash_table_destroy(notifier->lanes);
	g_hash_table_destroy(notifier->listings);
	g_hash_table_destroy(notifier->attributes);
	pthread_mutex_destroy(&notifier->lock);
	g_free(notifier);
}

/* Takes over notice. */
static void queue(struct notifier *notifier, uint64_t directory, struct notice *notice)
{
	struct lane *lane;

	pthread_mutex_lock(&notifier->lock);
	lane = g_hash_table_lookup(notifier->lanes, &directory);
	if (notifier->closed || (lane != NULL && notice->action == ACTION_ENTRY &&
					g_hash_table_contains(lane->queued, notice->name))) {
		pthread_mutex_unlock(&notifier->lock);
		notice_free(notice);
		return;
	}
	if (lane == NULL) {
		lane = g_new0(struct lane, 1);
		lane->notifier = notifier;
		lane->directory = directory;
		lane->queued = g_hash_table_new(g_str_hash, g_str_equal);
		g_queue_init(&lane->notices);
		g_hash_table_insert(notifier->lanes, &lane->directory, lane);
		workers_post(notifier->lane_workers, run_lane, lane);
	}
	g_queue_push_tail(&lane->notices, notice);
	if (notice->action == ACTION_ENTRY)
		g_hash_table_add(lane->queued, notice->name);
	pthread_mutex_unlock(&notifier->lock);
}

static struct notice *notice_new(enum action action, const char *name)
{
	struct notice *notice = g_new0(struct notice, 1);

	notice->action = action;
	notice->name = g_strdup(name);
	return notice;
}

void notifier_entry(struct notifier *notifier, uint64_t directory, const char *name)
{
	queue(notifier, directory, notice_new(ACTION_ENTRY, name));
}

void notifier_delete(
	struct notifier *notifier, uint64_t directory, uint64_t child, const char *name)
{
	struct notice *notice = notice_new(ACTION_DELETE, name);

	notice->child = child;
	queue(notifier, directory, notice);
}

void notifier_listing_settled(struct notifier *notifier, uint64_t directory)
{
	queue(notifier, directory, notice_new(ACTION_SETTLE, NULL));
}

void notifier_after(
	struct notifier *notifier, uint64_t directory, void (*job)(void *data), void *data)
{
	struct notice *notice = notice_new(ACTION_AFTER, NULL);

	notice->job = job;
	notice->data = data;
	queue(notifier, directory, notice);
}

/* Counts the lanes that have yet to come to it. */
struct rendezvous {
	gint pending;
	void (*job)(void *data);
	void *data;
};

static void arrive(void *data)
{
	struct rendezvous *rendezvous = data;

	if (!g_atomic_int_dec_and_test(&rendezvous->pending))
		return;
	rendezvous->job(rendezvous->data);
	g_free(rendezvous);
}

void notifier_lanes_add(GArray *lanes, uint64_t directory)
{
	if (lanes->len == 0 || g_array_index(lanes, uint64_t, lanes->len - 1) != directory)
		g_array_append_val(lanes, directory);
}

void notifier_after_all(
	struct notifier *notifier, const GArray *lanes, void (*job)(void *data), void *data)
{
	struct rendezvous *rendezvous = g_new(struct rendezvous, 1);

	*rendezvous = (struct rendezvous){(gint)lanes->len + 1, job, data};
	for (guint i = 0; i < lanes->len; i++)
		notifier_after(notifier, g_array_index(lanes, uint64_t, i), arrive, rendezvous);
	arrive(rendezvous);
}

static void queue_inode(struct notifier *notifier, GHashTable *const *inodes, uint64_t inode)
{
	LOCK_GUARD(&notifier->lock);

	if (notifier->closed)
		return;
	g_hash_table_add(*inodes, g_memdup2(&inode, sizeof(inode)));
	if (!notifier->inode_woken)
		workers_post(notifier->inode_worker, run_inodes, notifier);
	notifier->inode_woken = TRUE;
}

void notifier_listing(struct notifier *notifier, uint64_t directory)
{
	queue_inode(notifier, &notifier->listings, directory);
}

void notifier_attributes(struct notifier *notifier, uint64_t inode)
{
	queue_inode(notifier, &notifier->attributes, inode);
}
