#include <errno.h>
#include <string.h>

#include "cache/commit_internal.h"

/* The object that the user saw is there no more. */
static void gone(struct commit *commit)
{
	commit->doubt = FALSE;
	if (commit->dry_run)
		commit_succeed(commit);
	else
		commit_show(commit, commit->victim, TRUE);
}

static void already_gone(struct commit *commit)
{
	commit_fail(
		commit, ENOENT, "%s \"%s\" is gone already", commit->resource->name, commit->name);
}

static void send(struct commit *commit);

static void on_left(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	gboolean same = snapshot != NULL && strcmp(snapshot->uid, commit->victim->uid) == 0;

	if (result->status == 404 || (snapshot != NULL && !same))
		gone(commit);
	else if (same && snapshot->terminating)
		commit_show(commit, snapshot, FALSE);
	else if (same || commit_is_passing(result))
		/* It may still be on its way: that two of them arrive harms nobody. */
		commit_pause(commit, send);
	else
		commit_fail(commit, EIO, "%s",
			result->errnum != 0 ? result->message : "the server did not answer");
}

/* It was refused because of the uid, or for another reason. */
static void on_refused(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	if (result->status == 404)
		already_gone(commit);
	else if (snapshot == NULL || strcmp(snapshot->uid, commit->victim->uid) != 0)
		commit_fail(commit, EBUSY,
			"%s \"%s\" is another object now, which was created meanwhile",
			commit->resource->name, commit->name);
	else
		commit_fail(commit, EBUSY, "the server refuses to delete %s \"%s\" now",
			commit->resource->name, commit->name);
}

static void on_deleted(struct commit *commit, const struct source_change_result *result)
{
	const struct source_result *why = &result->result;

	if (why->errnum == 0 && result->item != NULL)
		commit_stored(commit, result);
	else if (why->errnum == 0 || (commit->doubt && why->status == 404))
		gone(commit);
	else if (commit->doubt && commit->resource->can_get)
		commit_get(commit, on_left);
	else if (why->status == 404)
		already_gone(commit);
	else if (why->status == 409 && commit->resource->can_get)
		commit_get(commit, on_refused);
	else
		commit_fail_result(commit, why, result->causes);
}

static void send(struct commit *commit)
{
	if (commit->tries >= COMMIT_TRIES_MAX)
		commit_fail(commit, EIO, "the server did not answer");
	else
		commit_change(commit, SOURCE_DELETE, NULL, commit->victim->uid, on_deleted);
}

void commit_delete_begin(struct commit *commit)
{
	send(commit);
}
