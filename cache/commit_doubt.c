#include <errno.h>
#include <string.h>

#include "cache/commit_internal.h"

/* Whether all that was changed in base is in now; the server may have changed more. */
static gboolean has_arrived(
	struct commit *commit, const struct document_node *base, const struct document_node *now)
{
	struct commit_tree merged = {0};
	gboolean arrived = commit_tree_merge(&merged, commit_schema(commit), base, now,
				   commit->sent, MERGE_SAME_AGREES, NULL) == 0 &&
			   document_equal(merged.root, now);

	commit_tree_clear(&merged);
	return arrived;
}

static void arrived(struct commit *commit)
{
	commit->doubt = FALSE;
	commit_show(commit, commit->now, FALSE);
}

/*
 * Whether what was sent, had it arrived, would show in now even if somebody had undone it: the
 * generation counts all changes but those of metadata and status.
 */
static gboolean leaves_trace(const struct commit *commit)
{
	const struct document_node *theirs = commit->theirs.root;

	return commit->kind == COMMIT_SAVE &&
	       document_get(document_get(theirs, "metadata"), "generation") != NULL &&
	       !commit_same_rest(theirs, commit->sent);
}

static void compare_update(struct commit *commit)
{
	g_autoptr(GError) error = NULL;
	struct commit_tree now = {0};

	if (commit_tree_read(&now, commit->now, &error) < 0) {
		commit_fail_error(commit, error);
	} else if (has_arrived(commit, commit->theirs.root, now.root)) {
		arrived(commit);
	} else if (leaves_trace(commit) && commit_same_content(commit->theirs.root, now.root)) {
		/* And it never will: it is guarded by a version that has passed. */
		commit->doubt = FALSE;
		commit_send_again(commit, commit->now);
	} else {
		commit_fail(commit, EIO,
			"the connection broke, and %s was changed by others meanwhile",
			commit->name);
	}
	commit_tree_clear(&now);
}

static void set_now(struct commit *commit, struct snapshot *snapshot)
{
	snapshot_unref(commit->now);
	commit->now = snapshot_ref(snapshot);
}

static void on_now(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	if (commit_is_passing(result)) {
		commit_pause(commit, commit_doubt_update);
	} else if (commit_is_gone(commit, result, snapshot)) {
		return;
	} else if (strcmp(snapshot->version, commit->there->version) == 0) {
		/* It may still be on its way: then one of the two is refused. */
		commit_pause(commit, commit_send);
	} else {
		set_now(commit, snapshot);
		commit_need_schema(commit, compare_update);
	}
}

void commit_doubt_update(struct commit *commit)
{
	if (commit->resource->can_get)
		commit_get(commit, on_now);
	else
		commit_fail(
			commit, EIO, "the connection broke, and %s cannot be read", commit->name);
}

static void compare_create(struct commit *commit)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, COMMIT_TREE_MAX);
	const struct document_node *nothing = document_new(document, DOCUMENT_OBJECT);
	struct commit_tree now = {0};

	if (nothing != NULL && commit_tree_read(&now, commit->now, NULL) == 0 &&
		has_arrived(commit, nothing, now.root))
		arrived(commit);
	else
		commit_fail(commit, EIO, "the connection broke, and %s \"%s\" is there now",
			commit->resource->name, commit->name);
	commit_tree_clear(&now);
}

static void on_created_now(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	if (commit_is_passing(result)) {
		commit_pause(commit, commit_doubt_create);
	} else if (result->status == 404) {
		/* Of two creations, one is refused. */
		commit_pause(commit, commit_create);
	} else if (snapshot == NULL) {
		commit_fail(commit, EIO, "%s", result->message);
	} else {
		set_now(commit, snapshot);
		commit_need_schema(commit, compare_create);
	}
}

void commit_doubt_create(struct commit *commit)
{
	if (commit->resource->can_get)
		commit_get(commit, on_created_now);
	else
		commit_fail(
			commit, EIO, "the connection broke, and %s cannot be read", commit->name);
}
