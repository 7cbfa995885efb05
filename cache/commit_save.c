#include <errno.h>
#include <string.h>

#include "cache/commit_internal.h"
#include "cache/version.h"

static int read_text(struct commit *commit, const char *uid, GError **error)
{
	struct manifest_place place = {
		.resource = commit->resource,
		.namespace = commit->namespace,
		.name = commit->name,
		.uid = uid,
		.elsewhere = commit->elsewhere,
		.json = commit->json,
	};
	size_t length;
	const char *text = g_bytes_get_data(commit->text, &length);

	manifest_free(g_steal_pointer(&commit->manifest));
	return manifest_read(text != NULL ? text : "", length, &place, &commit->manifest, error);
}

static void on_there(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	if (result->errnum != 0 && result->status != 404)
		commit_fail_result(commit, result, NULL);
	else if (result->errnum == 0 && snapshot == NULL)
		commit_fail(commit, EIO, "the server's answer is no object");
	else
		commit_take_there(commit, snapshot, TRUE);
}

/* What the cache says may be behind the text, or behind what it names. */
static gboolean is_behind(const struct commit *commit, int r)
{
	if (commit->fresh || !commit->resource->can_get)
		return FALSE;
	if (r < 0)
		return r == -EBUSY;
	/* To create what is there is refused anyway. */
	if (commit->there == NULL)
		return g_strcmp0(commit->manifest->uid, commit->uid) == 0;
	if (commit->manifest->origin == MANIFEST_PLAIN)
		return commit->manifest->version[0] != '\0' &&
		       strcmp(commit->manifest->version, commit->there->version) != 0;
	return version_is_older(commit->there->version, commit->manifest->version);
}

/* What the writer opened is not what is there. TRUE: it has ended. */
static gboolean is_lost(struct commit *commit)
{
	if (commit->uid == NULL || commit->uid[0] == '\0')
		return FALSE;
	if (commit->there == NULL && strcmp(commit->manifest->uid, commit->uid) == 0)
		commit_fail(commit, ENOENT, "%s \"%s\" was deleted meanwhile",
			commit->resource->name, commit->name);
	else if (commit->there != NULL && strcmp(commit->there->uid, commit->uid) != 0)
		commit_fail(commit, EBUSY,
			"%s \"%s\" was deleted meanwhile, and another one created",
			commit->resource->name, commit->name);
	else
		return FALSE;
	return TRUE;
}

static void go_on(struct commit *commit)
{
	g_autoptr(GError) error = NULL;

	if (is_lost(commit))
		return;
	if (commit->there == NULL && commit->kind == COMMIT_STATUS)
		commit_fail(commit, ENOENT, "%s \"%s\" not found", commit->resource->name,
			commit->name);
	else if (commit->there == NULL)
		commit_create(commit);
	else if (commit->exclusive)
		commit_fail(commit, EEXIST, "%s \"%s\" already exists", commit->resource->name,
			commit->name);
	else if (commit_tree_read(&commit->theirs, commit->there, &error) < 0)
		commit_fail_error(commit, error);
	else
		commit_find_base(commit);
}

void commit_take_there(struct commit *commit, struct snapshot *snapshot, gboolean fresh)
{
	g_autoptr(GError) error = NULL;
	int r;

	snapshot_unref(commit->there);
	commit->there = snapshot != NULL ? snapshot_ref(snapshot) : NULL;
	commit->fresh = fresh;
	r = read_text(commit, snapshot != NULL ? snapshot->uid : "", &error);
	if (is_behind(commit, r))
		commit_get(commit, on_there);
	else if (r < 0)
		commit_fail_error(commit, error);
	else
		go_on(commit);
}

/* What is wrong whatever is there costs no request. */
static gboolean is_text_wrong(struct commit *commit)
{
	g_autoptr(GError) error = NULL;
	int r = read_text(commit, "", &error);

	if (r == 0 || r == -EBUSY)
		return FALSE;
	commit_fail_error(commit, error);
	return TRUE;
}

void commit_save_begin(struct commit *commit)
{
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;
	g_autoptr(GError) error = NULL;
	gboolean can_get = commit->resource->can_get;
	int r = commit_look(commit, !can_get, &snapshot, &error);

	if (commit->waiting)
		return;
	/* What arrived without our knowing may not be seen by the cache yet. */
	if ((r == 0 || r == -ENOENT) && !(commit->resumed && can_get)) {
		commit_take_there(commit, snapshot, FALSE);
		return;
	}
	if (is_text_wrong(commit))
		return;
	if (can_get)
		commit_get(commit, on_there);
	else
		commit_fail_error(commit, error);
}
