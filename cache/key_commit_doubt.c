#include <errno.h>

#include "cache/key_commit_internal.h"

static void look_at_next(struct key_commit *commit);
static void look_back(struct key_commit *commit);

/* Reading */

void key_commit_range(struct key_commit *commit, GBytes *key, int64_t revision,
	const struct etcd_range_handlers *handlers)
{
	const struct etcd_range range = {.keys = {.key = key}, .revision = revision};

	key_commit_set_call(commit, etcd_range(commit->options->client, &range, handlers,
					    key_commit_ref(commit), commit->strand));
}

static struct key_snapshot *make_snapshot(const struct etcd_kv *kv)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return key_snapshot_create(kv, now);
}

static void run_again(void *data)
{
	struct key_commit *commit = data;

	key_commit_look(commit);
	key_commit_unref(commit);
}

/* What is there cannot be read. */
static void give_up(struct key_commit *commit, const struct etcd_result *result)
{
	int interrupted = key_commit_get_interrupt(commit);

	/* That it was a conflict is known. */
	if (!commit->doubt)
		key_commit_fail(commit, EBUSY, "%s: the key was changed by somebody else meanwhile",
			etcd_client_where(commit->options->client));
	else if (interrupted != 0)
		key_commit_fail(
			commit, interrupted == ETIMEDOUT ? ETIMEDOUT : EIO, "%s", commit->message);
	else if (result->errnum == EACCES)
		key_commit_fail(commit, EIO, "%s", commit->message);
	else
		loop_timer_add(commit->options->loop, KEY_COMMIT_RETRY_MS, commit->strand,
			run_again, key_commit_ref(commit));
}

/* What became of it */

static gboolean is_all_as_compared(const struct key_commit *commit)
{
	for (guint i = 0; i < commit->count; i++)
		if (!key_commit_holds(commit, i))
			return FALSE;
	return TRUE;
}

/* Whether it is the version that came right after the one that was compared with. */
static gboolean is_next(const struct key_edit *edit, const struct key_snapshot *snapshot)
{
	if (edit->revision == 0)
		return snapshot->version == 1;
	return edit->base != NULL && snapshot->create_revision == edit->base->create_revision &&
	       snapshot->version == edit->base->version + 1;
}

static gboolean is_done(const struct key_commit *commit, guint index)
{
	const struct key_edit *edit = &commit->edits[index];
	const struct key_snapshot *there = commit->there[index];

	/* What came to be after it is another one. */
	if (edit->value == NULL)
		return there == NULL || there->create_revision > edit->revision;
	return there != NULL && is_next(edit, there) && g_bytes_equal(there->value, edit->value);
}

static gboolean is_all_done(const struct key_commit *commit)
{
	for (guint i = 0; i < commit->count; i++)
		if (!is_done(commit, i))
			return FALSE;
	return TRUE;
}

static void fail_uncertain(struct key_commit *commit)
{
	key_commit_fail(
		commit, commit->errnum == ETIMEDOUT ? ETIMEDOUT : EIO, "%s", commit->message);
}

static void send_again(struct key_commit *commit)
{
	/* It was said after everything had been tried: nothing of it comes later. */
	if (commit->errnum == ENOSPC) {
		commit->doubt = FALSE;
		key_commit_fail(commit, ENOSPC, "%s", commit->message);
	} else if (commit->tries >= KEY_COMMIT_TRIES_MAX) {
		fail_uncertain(commit);
	} else {
		key_commit_send(commit);
	}
}

/* Others have put something over the version that was compared with, or over ours. */
static void judge_history(struct key_commit *commit, struct key_snapshot *snapshot)
{
	const struct key_edit *edit = &commit->edits[0];

	if (!is_next(edit, snapshot))
		look_back(commit);
	else if (g_bytes_equal(snapshot->value, edit->value))
		key_commit_arrived(commit, snapshot);
	else if (edit->revision != 0)
		key_commit_conflict(commit);
	else
		/* What we have created may have been deleted before. */
		fail_uncertain(commit);
}

static void judge(struct key_commit *commit)
{
	const struct key_edit *edit = &commit->edits[0];
	const struct key_snapshot *there = commit->there[0];

	if (!commit->doubt) {
		key_commit_conflict(commit);
		return;
	}
	if (is_all_as_compared(commit))
		send_again(commit);
	else if (commit->kind != KEY_COMMIT_CHECK && is_all_done(commit))
		key_commit_arrived(commit, commit->there[0]);
	else if (commit->count == 1 && edit->value == NULL)
		key_commit_conflict(commit);
	else if (commit->kind == KEY_COMMIT_SAVE && there != NULL &&
		 (edit->revision == 0 ||
			 (edit->base != NULL &&
				 there->create_revision == edit->base->create_revision)))
		judge_history(commit, commit->there[0]);
	else
		fail_uncertain(commit);
}

static void on_there_kv(void *data, const struct etcd_kv *kv)
{
	struct key_commit *commit = data;

	key_snapshot_unref(commit->there[commit->reading]);
	commit->there[commit->reading] = make_snapshot(kv);
}

static void on_there(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct key_commit *commit = data;

	key_commit_set_call(commit, NULL);
	if (result->errnum != 0) {
		give_up(commit, result);
	} else {
		/* Of two keys, as old as the first one read. */
		if (commit->reading == 0)
			commit->revision = result->revision;
		commit->reading++;
		look_at_next(commit);
	}
	key_commit_unref(commit);
}

static void look_at_next(struct key_commit *commit)
{
	static const struct etcd_range_handlers handlers = {on_there_kv, on_there};

	if (commit->reading == commit->count)
		judge(commit);
	else
		/* All as of one moment. */
		key_commit_range(commit, commit->edits[commit->reading].key,
			commit->reading == 0 ? 0 : commit->revision, &handlers);
}

void key_commit_look(struct key_commit *commit)
{
	commit->reading = 0;
	for (guint i = 0; i < KEY_COMMIT_KEYS; i++)
		commit->there[i] = key_snapshot_unref(commit->there[i]);
	look_at_next(commit);
}

/* History */

static void on_past_kv(void *data, const struct etcd_kv *kv)
{
	struct key_commit *commit = data;

	key_snapshot_unref(commit->past);
	commit->past = make_snapshot(kv);
}

static void on_past(void *data, const struct etcd_result *result, gboolean more, int64_t count)
{
	struct key_commit *commit = data;

	key_commit_set_call(commit, NULL);
	/* Compacted, or it was not there in between. */
	if (result->errnum != 0 || commit->past == NULL)
		fail_uncertain(commit);
	else
		judge_history(commit, commit->past);
	key_commit_unref(commit);
}

static void look_back(struct key_commit *commit)
{
	static const struct etcd_range_handlers handlers = {on_past_kv, on_past};
	struct key_snapshot *newer KEY_SNAPSHOT_CLEANUP =
		key_snapshot_ref(commit->past != NULL ? commit->past : commit->there[0]);

	if (commit->steps++ >= KEY_COMMIT_HISTORY_MAX || newer->mod_revision <= 1) {
		fail_uncertain(commit);
		return;
	}
	commit->past = key_snapshot_unref(commit->past);
	key_commit_range(commit, commit->edits[0].key, newer->mod_revision - 1, &handlers);
}
