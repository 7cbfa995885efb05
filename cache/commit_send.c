#include <errno.h>
#include <string.h>

#include "cache/commit_internal.h"

static gboolean is_conflict(const struct source_result *result)
{
	return result->status == 409 && result->errnum != EEXIST;
}

void commit_stored(struct commit *commit, const struct source_change_result *result)
{
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;

	commit->doubt = FALSE;
	if (result->item != NULL)
		snapshot_create(result->item, NULL, NULL, &snapshot, NULL);
	if (snapshot != NULL && !commit->dry_run) {
		commit_show(commit, snapshot, FALSE);
		return;
	}
	commit->result = g_steal_pointer(&snapshot);
	commit_succeed(commit);
}

gboolean commit_is_gone(
	struct commit *commit, const struct source_result *result, const struct snapshot *snapshot)
{
	if (result->status == 404) {
		commit->doubt = FALSE;
		commit_fail(commit, ENOENT, "%s \"%s\" was deleted meanwhile",
			commit->resource->name, commit->name);
	} else if (result->errnum != 0 && commit->doubt) {
		commit_fail(commit, EIO, "%s", result->message);
	} else if (result->errnum != 0) {
		commit_fail_result(commit, result, NULL);
	} else if (snapshot == NULL) {
		commit_fail(commit, EIO, "the server's answer is no object");
	} else if (strcmp(snapshot->uid, commit->there->uid) != 0) {
		commit->doubt = FALSE;
		commit_fail(commit, EBUSY,
			"%s \"%s\" was deleted meanwhile, and another one created",
			commit->resource->name, commit->name);
	} else {
		return FALSE;
	}
	return TRUE;
}

void commit_send_again(struct commit *commit, struct snapshot *now)
{
	g_autoptr(GError) error = NULL;

	/* A tree that is base, too, is still needed. */
	if (commit->base == commit->theirs.root) {
		commit_tree_clear(&commit->old);
		commit->old = commit->theirs;
		commit->theirs = (struct commit_tree){0};
	}
	snapshot_unref(commit->there);
	commit->there = snapshot_ref(now);
	if (commit_tree_read(&commit->theirs, now, &error) < 0)
		commit_fail_error(commit, error);
	else
		commit_send(commit);
}

static void on_conflict(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	if (result->status == 403)
		commit_fail(commit, EBUSY, "%s has changed meanwhile, and cannot be read",
			commit->name);
	else if (commit_is_gone(commit, result, snapshot))
		;
	else if (strcmp(snapshot->version, commit->there->version) == 0)
		/* It was not about the version of this object: a quota, perhaps. */
		commit_pause(commit, commit_send);
	else
		commit_send_again(commit, snapshot);
}

/* What became of it is found out; the answer is kept for the case that this fails. */
static void doubt(
	struct commit *commit, const struct source_change_result *result, commit_step find_out)
{
	if (result->uncertain) {
		g_free(commit->doubted);
		commit->doubted = g_strdup(result->result.message);
	}
	find_out(commit);
}

static void on_updated(struct commit *commit, const struct source_change_result *result)
{
	const struct source_result *why = &result->result;

	if (why->errnum == 0)
		commit_stored(commit, result);
	else if (commit->doubt && (result->uncertain || is_conflict(why) || commit_is_passing(why)))
		doubt(commit, result, commit_doubt_update);
	else if (why->status == 404)
		commit_is_gone(commit, why, NULL);
	else if (!is_conflict(why) || commit->tries >= COMMIT_TRIES_MAX ||
		 !commit->resource->can_get)
		commit_fail_result(commit, why, result->causes);
	else if (commit->manifest->origin == MANIFEST_PLAIN && commit->manifest->version[0] != '\0')
		commit_fail(commit, EBUSY, "%s is not at version %s any more", commit->name,
			commit->manifest->version);
	else
		commit_get(commit, on_conflict);
}

static void put(struct commit *commit, struct document *document, struct document_node *root)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) body = NULL;

	commit->sent = root;
	if (commit->no_update != NULL)
		commit_fail(commit, EACCES, "%s", commit->no_update);
	else if (commit_set_version(document, root, commit->there->version, &error) < 0 ||
		 commit_body(root, &body, &error) < 0)
		commit_fail_error(commit, error);
	else
		commit_change(commit, SOURCE_UPDATE, body, NULL, on_updated);
}

static void merge_and_put(struct commit *commit)
{
	g_autoptr(GError) error = NULL;
	gboolean lineage = commit->base_version[0] == '\0';
	unsigned int flags =
		lineage || commit->resumed ? MERGE_SAME_AGREES : (unsigned int)MERGE_DISTRUST;

	if (commit_tree_merge(&commit->sending, commit_schema(commit), commit->base,
		    commit->theirs.root, commit->mine, flags, &error) < 0) {
		commit_fail_error(commit, error);
	} else if (document_equal(commit->sending.root, commit->theirs.root)) {
		commit->unchanged = TRUE;
		commit->result = snapshot_ref(commit->there);
		commit_succeed(commit);
	} else {
		put(commit, commit->sending.document, commit->sending.root);
	}
}

void commit_send(struct commit *commit)
{
	struct document *document = commit->merged.document != NULL ? commit->merged.document
								    : commit->manifest->document;

	if (commit->tries >= COMMIT_TRIES_MAX && commit->doubt)
		commit_fail(commit, EIO, "%s",
			commit->doubted != NULL ? commit->doubted : "the answer was lost");
	else if (commit->tries >= COMMIT_TRIES_MAX)
		commit_fail(
			commit, EBUSY, "%s was changed by others again and again", commit->name);
	else if (strcmp(commit->base_version, commit->there->version) == 0)
		put(commit, document, commit->mine);
	else
		commit_need_schema(commit, merge_and_put);
}

static void on_created(struct commit *commit, const struct source_change_result *result)
{
	const struct source_result *why = &result->result;

	if (why->errnum == 0)
		commit_stored(commit, result);
	else if (commit->doubt &&
		 (result->uncertain || why->errnum == EEXIST || commit_is_passing(why)))
		doubt(commit, result, commit_doubt_create);
	else if (why->errnum == EEXIST && !commit->exclusive)
		commit_fail(commit, EBUSY, "%s \"%s\" was created by another one meanwhile",
			commit->resource->name, commit->name);
	else
		commit_fail_result(commit, why, result->causes);
}

void commit_create(struct commit *commit)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) body = NULL;

	commit->mine = commit->sent = commit->manifest->root;
	if (commit->no_create != NULL)
		commit_fail(commit, EACCES, "%s", commit->no_create);
	else if (commit->tries >= COMMIT_TRIES_MAX)
		commit_fail(commit, EIO, "%s",
			commit->doubted != NULL ? commit->doubted : "the server did not answer");
	else if (commit_body(commit->sent, &body, &error) < 0)
		commit_fail_error(commit, error);
	else
		commit_change(commit, SOURCE_CREATE, body, NULL, on_created);
}
