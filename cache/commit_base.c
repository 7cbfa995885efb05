#include <errno.h>
#include <string.h>

#include "cache/commit_internal.h"
#include "client/error.h"

static void set_base(struct commit *commit, const struct document_node *base, const char *version)
{
	commit->base = base;
	g_free(commit->base_version);
	commit->base_version = g_strdup(version);
}

/* Of a status, everything else must be as it was. */
static int check_status(struct commit *commit, GError **error)
{
	if (commit->manifest->origin != MANIFEST_EDIT)
		return error_set(error, EINVAL,
			"the text names neither uid nor resourceVersion: status is saved as a "
			"change of the object that was read");
	if (!commit_same_content(commit->base, commit->mine))
		return error_set(error, EINVAL,
			"only status may be changed here: the rest is saved as %s.yaml",
			commit->name);
	return 0;
}

static int check(struct commit *commit, GError **error)
{
	struct manifest *manifest = commit->manifest;
	int r;

	if (commit->kind == COMMIT_STATUS)
		return check_status(commit, error);
	r = manifest_check_owned(commit->resource, commit->base, manifest, error);
	if (r == 0 && manifest->origin != MANIFEST_EDIT)
		r = manifest_keep_metadata(manifest, commit->theirs.root, error);
	return r;
}

/*
 * With what the lineage was stored as: what the server made of it goes into mine, and the base is
 * what was stored. What then differs between base and theirs is others' work.
 */
static int move_to_stored(struct commit *commit, GError **error)
{
	int r;

	if (commit->former == NULL || commit->stored == NULL ||
		strcmp(commit->stored->uid, commit->there->uid) != 0)
		return 0;
	r = commit_tree_read(&commit->old, commit->stored, error);
	if (r == 0)
		r = commit_tree_merge(&commit->merged, commit_schema(commit), commit->base,
			commit->old.root, commit->mine, MERGE_SAME_AGREES | MERGE_MINE_WINS, error);
	if (r < 0)
		return r;
	commit->mine = commit->merged.root;
	set_base(commit, commit->old.root, commit->stored->version);
	return 0;
}

static void have_stored(struct commit *commit)
{
	g_autoptr(GError) error = NULL;

	if (move_to_stored(commit, &error) < 0)
		commit_fail_error(commit, error);
	else
		commit_send(commit);
}

static void have_base(struct commit *commit)
{
	g_autoptr(GError) error = NULL;

	commit->mine = commit->manifest->root;
	if (check(commit, &error) < 0) {
		commit_fail_error(commit, error);
		return;
	}
	if (document_equal(commit->base, commit->mine)) {
		commit->unchanged = TRUE;
		commit->result = snapshot_ref(commit->there);
		commit_succeed(commit);
		return;
	}
	/* Only where others wrote is it worth to fetch the schema. */
	if (commit->former != NULL && commit->stored != NULL &&
		strcmp(commit->stored->version, commit->there->version) != 0)
		commit_need_schema(commit, have_stored);
	else
		have_stored(commit);
}

/* Why the version cannot be had. */
static void forget(struct commit *commit, const struct source_result *result)
{
	if (result->expired || result->status == 410 || result->errnum == ENOENT)
		commit_fail(commit, EBUSY,
			"the version you edited (%s) is no longer known, and %s has changed since",
			commit->manifest->version, commit->name);
	else if (result->status == 403)
		commit_fail(commit, EBUSY,
			"%s has changed since the version you edited (%s), which cannot be read: "
			"%s",
			commit->name, commit->manifest->version, result->message);
	else
		commit_fail_result(commit, result, NULL);
}

static void on_old(
	struct commit *commit, const struct source_result *result, struct snapshot *snapshot)
{
	g_autoptr(GError) error = NULL;

	if (result->errnum != 0) {
		forget(commit, result);
	} else if (snapshot == NULL) {
		commit_fail(commit, EIO, "the server's answer is no object");
	} else if (strcmp(snapshot->uid, commit->there->uid) != 0) {
		commit_fail(commit, EBUSY, "version %s was another object of the name %s",
			commit->manifest->version, commit->name);
	} else if (commit_tree_read(&commit->old, snapshot, &error) < 0) {
		commit_fail_error(commit, error);
	} else {
		set_base(commit, commit->old.root, commit->manifest->version);
		have_base(commit);
	}
}

static void fetch_old(struct commit *commit)
{
	if (!commit->resource->can_list) {
		commit_fail(commit, EBUSY,
			"%s has changed since the version you edited (%s), and %s cannot be listed",
			commit->name, commit->manifest->version, commit->resource->name);
		return;
	}
	commit_get_at(commit, commit->manifest->version, on_old);
}

/* Whether the lineage is one: the same object, seen at the same version. */
static gboolean read_lineage(struct commit *commit)
{
	struct manifest_place place = {
		.resource = commit->resource,
		.namespace = commit->namespace,
		.name = commit->name,
		.uid = commit->there->uid,
		.json = commit->json,
	};
	size_t length;
	const char *text;

	if (commit->lineage == NULL)
		return FALSE;
	text = g_bytes_get_data(commit->lineage, &length);
	if (manifest_read(text != NULL ? text : "", length, &place, &commit->former, NULL) < 0)
		return FALSE;
	if (commit->former->origin == MANIFEST_EDIT &&
		strcmp(commit->former->version, commit->manifest->version) == 0)
		return TRUE;
	manifest_free(g_steal_pointer(&commit->former));
	return FALSE;
}

void commit_find_base(struct commit *commit)
{
	const struct manifest *manifest = commit->manifest;

	if (manifest->origin == MANIFEST_PLAIN && manifest->version[0] != '\0' &&
		strcmp(manifest->version, commit->there->version) != 0) {
		commit_fail(commit, EBUSY, "%s is not at version %s any more", commit->name,
			manifest->version);
		return;
	}
	if (manifest->origin == MANIFEST_EDIT && read_lineage(commit))
		set_base(commit, commit->former->root, "");
	else if (manifest->origin != MANIFEST_EDIT ||
		 strcmp(manifest->version, commit->there->version) == 0)
		set_base(commit, commit->theirs.root, commit->there->version);
	if (commit->base != NULL)
		have_base(commit);
	else
		fetch_old(commit);
}
