#include "kubefs/errand.h"

#include <errno.h>

#include "client/error.h"
#include "client/lock.h"
#include "kubefs/filesystem.h"

struct errand {
	gint references;
	struct filesystem *filesystem;
	gboolean begun;
	pthread_mutex_t lock; /* guards all below */
	struct commit *commit; /* NULL once it is over */
	gboolean over;
	gboolean cancelled;
	int errnum;
	char *message;
	struct snapshot *snapshot;
	int64_t revision; /* of a key that was moved; 0: not known */
	collection_wait wait;
	void *data;
};

struct errand *errand_create(struct filesystem *filesystem)
{
	struct errand *errand = g_new0(struct errand, 1);

	errand->references = 1;
	errand->filesystem = filesystem;
	pthread_mutex_init(&errand->lock, NULL);
	return errand;
}

struct errand *errand_ref(struct errand *errand)
{
	g_atomic_int_inc(&errand->references);
	return errand;
}

void errand_unref(void *pointer)
{
	struct errand *errand = pointer;

	if (errand == NULL || !g_atomic_int_dec_and_test(&errand->references))
		return;
	commit_unref(errand->commit);
	snapshot_unref(errand->snapshot);
	pthread_mutex_destroy(&errand->lock);
	g_free(errand->message);
	g_free(errand);
}

static void on_done(void *data, const struct commit_outcome *outcome)
{
	struct errand *errand = data;
	struct filesystem *filesystem = errand->filesystem;
	collection_wait wait;
	void *wait_data;

	pthread_mutex_lock(&errand->lock);
	errand->over = TRUE;
	errand->errnum = outcome->errnum;
	errand->message = g_strdup(outcome->message);
	errand->snapshot = outcome->snapshot != NULL ? snapshot_ref(outcome->snapshot) : NULL;
	errand->commit = commit_unref(errand->commit);
	wait = errand->wait;
	wait_data = errand->data;
	errand->wait = NULL;
	pthread_mutex_unlock(&errand->lock);
	if (wait != NULL)
		wait(wait_data);
	errand_unref(errand);
	filesystem_saves(filesystem, -1);
}

/* Takes over commit, which may be over already. */
static void keep(struct errand *errand, struct commit *commit)
{
	pthread_mutex_lock(&errand->lock);
	if (errand->cancelled)
		commit_cancel(commit);
	if (!errand->over)
		errand->commit = g_steal_pointer(&commit);
	pthread_mutex_unlock(&errand->lock);
	commit_unref(commit);
}

void errand_save(struct errand *errand, struct cache *cache, const struct commit_request *request)
{
	errand->begun = TRUE;
	filesystem_saves(errand->filesystem, 1);
	keep(errand, commit_save(cache, request, on_done, errand_ref(errand)));
}

void errand_delete(struct errand *errand, struct cache *cache, struct resource *resource,
	struct snapshot *snapshot, gboolean dry_run)
{
	errand->begun = TRUE;
	filesystem_saves(errand->filesystem, 1);
	keep(errand,
		commit_delete(cache, resource, snapshot, dry_run, on_done, errand_ref(errand)));
}

static void on_key_done(void *data, const struct key_outcome *outcome)
{
	struct errand *errand = data;

	pthread_mutex_lock(&errand->lock);
	errand->revision = outcome->snapshot != NULL ? outcome->snapshot->mod_revision : 0;
	pthread_mutex_unlock(&errand->lock);
	on_done(data, &(struct commit_outcome){
			      .errnum = outcome->errnum,
			      .message = outcome->message,
			      .uncertain = outcome->uncertain,
		      });
}

void errand_delete_key(struct errand *errand, struct keyspace *keyspace, struct key_snapshot *value,
	gboolean check)
{
	errand->begun = TRUE;
	filesystem_saves(errand->filesystem, 1);
	key_commit_unref((check ? key_commit_check : key_commit_delete)(
		keyspace, value, on_key_done, errand_ref(errand)));
}

void errand_move_key(struct errand *errand, struct keyspace *keyspace, struct key_snapshot *from,
	const struct key_edit *to, gboolean exclusive)
{
	errand->begun = TRUE;
	filesystem_saves(errand->filesystem, 1);
	key_commit_unref(
		key_commit_move(keyspace, from, to, exclusive, on_key_done, errand_ref(errand)));
}

int64_t errand_revision(struct errand *errand)
{
	LOCK_GUARD(&errand->lock);

	return errand->revision;
}

gboolean errand_has_begun(const struct errand *errand)
{
	return errand->begun;
}

int errand_look(struct errand *errand, collection_wait wait, void *data,
	struct snapshot **ret_snapshot, GError **error)
{
	LOCK_GUARD(&errand->lock);

	if (!errand->over) {
		errand->wait = wait;
		errand->data = data;
		return -EINPROGRESS;
	}
	if (errand->errnum != 0)
		return error_set(error, errand->errnum, "%s", errand->message);
	if (ret_snapshot != NULL)
		*ret_snapshot = errand->snapshot != NULL ? snapshot_ref(errand->snapshot) : NULL;
	return 0;
}

void errand_cancel(struct errand *errand)
{
	LOCK_GUARD(&errand->lock);

	errand->cancelled = TRUE;
	if (errand->commit != NULL)
		commit_cancel(errand->commit);
}
