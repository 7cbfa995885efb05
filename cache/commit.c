#include "cache/commit.h"

#include <errno.h>
#include <string.h>

#include "cache/commit_internal.h"
#include "client/error.h"
#include "client/lock.h"

struct commit *commit_ref(struct commit *commit)
{
	g_atomic_int_inc(&commit->references);
	return commit;
}

static void unref_bytes(GBytes *bytes)
{
	if (bytes != NULL)
		g_bytes_unref(bytes);
}

static void free_request(struct commit *commit)
{
	resource_unref(commit->resource);
	g_free(commit->namespace);
	g_free(commit->name);
	g_free(commit->uid);
	g_strfreev(commit->elsewhere);
	g_free(commit->no_create);
	g_free(commit->no_update);
	unref_bytes(commit->text);
	unref_bytes(commit->lineage);
	snapshot_unref(commit->stored);
	snapshot_unref(commit->victim);
}

struct commit *commit_unref(struct commit *commit)
{
	if (commit == NULL || !g_atomic_int_dec_and_test(&commit->references))
		return NULL;
	free_request(commit);
	strand_unref(commit->strand);
	pthread_mutex_destroy(&commit->lock);
	g_free(commit->object);
	g_free(commit->doubted);
	g_free(commit->failure);
	g_free(commit);
	return NULL;
}

/* Texts and trees can be large, and a handle may be kept for long. */
static void drop_work(struct commit *commit)
{
	commit->there = snapshot_unref(commit->there);
	commit->result = snapshot_unref(commit->result);
	commit->now = snapshot_unref(commit->now);
	commit->set = schema_set_unref(commit->set);
	commit_tree_clear(&commit->theirs);
	commit_tree_clear(&commit->merged);
	commit_tree_clear(&commit->old);
	commit_tree_clear(&commit->sending);
	manifest_free(g_steal_pointer(&commit->manifest));
	manifest_free(g_steal_pointer(&commit->former));
	g_clear_pointer(&commit->base_version, g_free);
	commit->mine = commit->sent = NULL;
	commit->base = NULL;
}

static void run_begin(void *data)
{
	struct commit *commit = data;

	commit_begin(commit);
	commit_unref(commit);
}

/* Passes the turn on. */
static void yield(struct commit *commit)
{
	struct commit *next;

	if (!commit->queued)
		return;
	next = commit_queue_yield(commit->parts->commits, commit->object, commit);
	if (next == NULL)
		return;
	pthread_mutex_lock(&next->lock);
	/* One that has ended passes the turn on by itself. */
	if (!next->ended)
		strand_post(next->strand, run_begin, commit_ref(next));
	pthread_mutex_unlock(&next->lock);
	commit_unref(next);
}

static void end(struct commit *commit, const struct commit_outcome *outcome)
{
	struct commit_queue *queue = commit->parts->commits;
	uint64_t deadline;

	pthread_mutex_lock(&commit->lock);
	commit->ended = TRUE;
	deadline = commit->deadline;
	pthread_mutex_unlock(&commit->lock);
	if (deadline != 0 && loop_timer_cancel(commit->parts->loop, deadline))
		commit_unref(commit);
	commit->done(commit->data, outcome);
	drop_work(commit);
	yield(commit);
	commit_queue_leave(queue, commit);
	/* The machinery's. */
	commit_unref(commit);
}

static gboolean has_ended(struct commit *commit)
{
	LOCK_GUARD(&commit->lock);

	return commit->ended;
}

void commit_succeed(struct commit *commit)
{
	g_autoptr(GPtrArray) reasons = g_ptr_array_new();

	end(commit, &(struct commit_outcome){
			    .message = "",
			    .reasons = reasons,
			    .unchanged = commit->unchanged,
			    .snapshot = commit->result,
		    });
}

static void fail(struct commit *commit, int errnum, const char *message, const GPtrArray *causes)
{
	g_autoptr(GPtrArray) none = g_ptr_array_new();
	gboolean uncertain =
		commit->doubt && (errnum == EIO || errnum == ETIMEDOUT) && !commit->dry_run;
	g_autofree char *text = NULL;

	if (uncertain)
		text = g_strdup_printf(
			"%s; it is not known whether the change was stored", message);
	end(commit, &(struct commit_outcome){
			    .errnum = errnum,
			    .message = text != NULL ? text : message,
			    .reasons = causes != NULL ? causes : none,
			    .uncertain = uncertain,
		    });
}

void commit_fail(struct commit *commit, int errnum, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;

	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	fail(commit, errnum, message, NULL);
}

void commit_fail_error(struct commit *commit, const GError *error)
{
	fail(commit, error->code, error->message, NULL);
}

/* As design.md 3 says. */
static int map_errnum(const struct commit *commit, const struct source_result *result)
{
	/* In doubt, "later" is no answer. */
	if (commit->doubt && (result->status == 0 || result->errnum == EAGAIN))
		return result->errnum == ETIMEDOUT ? ETIMEDOUT : EIO;
	if (result->status != 0 || result->errnum == EAGAIN || result->errnum == ENOENT)
		return result->errnum == ESTALE ? EBUSY : result->errnum;
	return result->errnum == ETIMEDOUT || result->errnum == EACCES ? result->errnum : EIO;
}

void commit_fail_result(
	struct commit *commit, const struct source_result *result, const GPtrArray *causes)
{
	fail(commit, map_errnum(commit, result), result->message, causes);
}

int commit_get_interrupt(struct commit *commit)
{
	LOCK_GUARD(&commit->lock);

	return commit->interrupt;
}

gboolean commit_is_over(struct commit *commit)
{
	int interrupt = commit_get_interrupt(commit);

	if (commit->settled)
		return FALSE;
	switch (interrupt) {
	case 0:
		return FALSE;
	case EINTR:
		if (commit->doubt)
			return FALSE;
		fail(commit, EINTR, "the save was interrupted before it was sent", NULL);
		return TRUE;
	case ETIMEDOUT:
		/* What was tried until then says why, where it says anything. */
		commit_fail(commit, ETIMEDOUT, "the server did not answer in time%s%s",
			commit->failure != NULL ? "; the last try ended with: " : "",
			commit->failure != NULL ? commit->failure : "");
		return TRUE;
	default:
		fail(commit, commit->doubt ? EIO : ESHUTDOWN, "the cluster is no longer served",
			NULL);
		return TRUE;
	}
}

/* The strand's; looks whether what is waited for is worth it. */
static void run_interrupt(void *data)
{
	struct commit *commit = data;

	pthread_mutex_lock(&commit->lock);
	commit->told = FALSE;
	pthread_mutex_unlock(&commit->lock);
	if (has_ended(commit)) {
		commit_unref(commit);
		return;
	}
	if (!commit->begun)
		commit_is_over(commit);
	else
		commit_interrupt_wait(commit);
	commit_unref(commit);
}

/* A later reason replaces an earlier one unless that was graver. */
static void interrupt(struct commit *commit, int errnum)
{
	LOCK_GUARD(&commit->lock);

	if (commit->interrupt != ESHUTDOWN && (commit->interrupt == 0 || errnum != EINTR))
		commit->interrupt = errnum;
	if (commit->ended || commit->told)
		return;
	commit->told = TRUE;
	strand_post(commit->strand, run_interrupt, commit_ref(commit));
}

void commit_cancel(struct commit *commit)
{
	interrupt(commit, EINTR);
}

void commit_stop(struct commit *commit)
{
	interrupt(commit, ESHUTDOWN);
}

static void on_deadline(void *data)
{
	struct commit *commit = data;

	interrupt(commit, ETIMEDOUT);
	commit_unref(commit);
}

void commit_begin(struct commit *commit)
{
	/* It gave up its place while this was on its way. */
	if (has_ended(commit) || commit->begun)
		return;
	commit->begun = TRUE;
	if (commit_is_over(commit))
		return;
	switch (commit->kind) {
	case COMMIT_SAVE:
	case COMMIT_STATUS:
		commit_save_begin(commit);
		break;
	case COMMIT_SCALE:
		commit_scale_begin(commit);
		break;
	case COMMIT_DELETE:
		commit_delete_begin(commit);
		break;
	}
}

static void run_shown(void *data)
{
	struct commit *commit = data;

	commit_succeed(commit);
	commit_unref(commit);
}

static void on_shown(void *data)
{
	struct commit *commit = data;

	strand_post(commit->strand, run_shown, commit);
}

void commit_show(struct commit *commit, struct snapshot *result, gboolean removed)
{
	/* From here on it is a success, whatever else comes. */
	if (!removed)
		commit->result = snapshot_ref(result);
	cache_apply(commit->cache, commit->resource, result, removed, on_shown, commit_ref(commit));
}

static void run_refuse(void *data)
{
	struct commit *commit = data;

	commit_fail(commit, EAGAIN, "more than %d changes are under way", COMMIT_MAX);
	commit_unref(commit);
}

static void run_too_late(void *data)
{
	struct commit *commit = data;

	commit_fail(commit, ESHUTDOWN, "the cluster is no longer served");
	commit_unref(commit);
}

static void enter(struct commit *commit)
{
	gboolean first = FALSE;
	int r;

	commit->object = g_strdup_printf("%s/%zu/%s/%s", commit->resource->name,
		strlen(commit->namespace), commit->namespace, commit->name);
	commit->queued = TRUE;
	r = commit_queue_enter(commit->parts->commits, commit->object, commit, &first);
	if (r == 0) {
		/* Its turn, or the cache's end, may have come already. */
		LOCK_GUARD(&commit->lock);

		if (!commit->ended)
			commit->deadline =
				loop_timer_add(commit->parts->loop, commit->parts->commit_timeout,
					commit->strand, on_deadline, commit_ref(commit));
	}
	if (r < 0)
		strand_post(commit->strand, r == -EAGAIN ? run_refuse : run_too_late,
			commit_ref(commit));
	else if (first)
		strand_post(commit->strand, run_begin, commit_ref(commit));
}

static struct commit *create(struct cache *cache, enum commit_kind kind, struct resource *resource,
	const char *namespace, const char *name, commit_done done, void *data)
{
	struct commit *commit = g_new0(struct commit, 1);

	/* The caller's and the machinery's. */
	commit->references = 2;
	commit->cache = cache;
	commit->parts = cache_get_parts(cache);
	commit->strand = strand_create(commit->parts->pool);
	pthread_mutex_init(&commit->lock, NULL);
	commit->kind = kind;
	commit->resource = resource_ref(resource);
	commit->namespace = g_strdup(namespace);
	commit->name = g_strdup(name);
	commit->done = done;
	commit->data = data;
	return commit;
}

static enum commit_kind kind_of(const char *subresource)
{
	if (subresource == NULL)
		return COMMIT_SAVE;
	return strcmp(subresource, "scale") == 0 ? COMMIT_SCALE : COMMIT_STATUS;
}

struct commit *commit_save(
	struct cache *cache, const struct commit_request *request, commit_done done, void *data)
{
	struct commit *commit = create(cache, kind_of(request->subresource), request->resource,
		request->namespace, request->name, done, data);

	commit->text = g_bytes_ref(request->text);
	commit->json = request->json;
	commit->uid = g_strdup(request->uid);
	commit->no_create = g_strdup(request->no_create);
	commit->no_update = g_strdup(request->no_update);
	commit->elsewhere = g_strdupv((char **)request->elsewhere);
	commit->lineage = request->lineage != NULL ? g_bytes_ref(request->lineage) : NULL;
	commit->stored = request->stored != NULL ? snapshot_ref(request->stored) : NULL;
	commit->resumed = request->uncertain;
	commit->exclusive = request->exclusive;
	commit->dry_run = request->dry_run;
	enter(commit);
	return commit;
}

struct commit *commit_delete(struct cache *cache, struct resource *resource,
	struct snapshot *snapshot, gboolean dry_run, commit_done done, void *data)
{
	struct commit *commit = create(
		cache, COMMIT_DELETE, resource, snapshot->namespace, snapshot->name, done, data);

	commit->victim = snapshot_ref(snapshot);
	commit->dry_run = dry_run;
	enter(commit);
	return commit;
}
