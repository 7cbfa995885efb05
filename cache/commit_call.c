#include <errno.h>

#include "cache/commit_internal.h"

struct source_scope commit_scope(const struct commit *commit, const char *subresource)
{
	return (struct source_scope){
		.resource = commit->resource,
		.namespace = commit->resource->namespaced ? commit->namespace : NULL,
		.name = commit->name,
		.subresource = subresource,
	};
}

/* A call, a timer and a wait each hold a reference; this gives it back on every path. */
static void release(struct commit **commit)
{
	commit_unref(*commit);
}

#define RELEASED __attribute__((cleanup(release)))

static void call_ended(struct commit *commit)
{
	commit->call = source_call_unref(commit->call);
	commit->changing = FALSE;
}

/* For who runs out of time amid tries. */
static void try_ended(struct commit *commit, const struct source_result *result)
{
	call_ended(commit);
	if (!commit_is_passing(result))
		return;
	g_free(commit->failure);
	commit->failure = g_strdup(result->message);
}

static void on_got(void *data, const struct source_result *result, const struct source_item *item)
{
	struct commit *commit RELEASED = data;
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;

	try_ended(commit, result);
	if (commit_is_over(commit))
		return;
	if (result->errnum == 0)
		snapshot_create(item, NULL, NULL, &snapshot, NULL);
	commit->after_get(commit, result, snapshot);
}

static const struct source_get_handlers get_handlers = {.done = on_got};

void commit_get(struct commit *commit, commit_got then)
{
	struct source *source = commit->parts->source;
	struct source_scope scope = commit_scope(commit, NULL);

	if (commit_is_over(commit))
		return;
	commit->after_get = then;
	commit->call =
		source->ops->get(source, &scope, &get_handlers, commit_ref(commit), commit->strand);
}

static void on_got_raw(
	void *data, const struct source_result *result, const struct source_item *item)
{
	struct commit *commit RELEASED = data;

	try_ended(commit, result);
	if (!commit_is_over(commit))
		commit->after_get_raw(commit, result, item);
}

static const struct source_get_handlers raw_handlers = {.done = on_got_raw};

void commit_get_raw(struct commit *commit, const char *subresource, commit_got_raw then)
{
	struct source *source = commit->parts->source;
	struct source_scope scope = commit_scope(commit, subresource);

	if (commit_is_over(commit))
		return;
	commit->after_get_raw = then;
	commit->call =
		source->ops->get(source, &scope, &raw_handlers, commit_ref(commit), commit->strand);
}

void commit_get_at(struct commit *commit, const char *version, commit_got then)
{
	struct source *source = commit->parts->source;
	struct source_scope scope = commit_scope(commit, NULL);

	if (commit_is_over(commit))
		return;
	commit->after_get = then;
	commit->call = source->ops->get_at(
		source, &scope, version, &get_handlers, commit_ref(commit), commit->strand);
}

static void on_changed(void *data, const struct source_change_result *result)
{
	struct commit *commit RELEASED = data;

	try_ended(commit, &result->result);
	commit->doubt |= result->uncertain && !commit->dry_run;
	if (result->result.errnum == ECANCELED && commit_is_over(commit))
		return;
	commit->after_change(commit, result);
}

static const struct source_change_handlers change_handlers = {.done = on_changed};

static const char *subresource_of(const struct commit *commit)
{
	switch (commit->kind) {
	case COMMIT_STATUS:
		return "status";
	case COMMIT_SCALE:
		return "scale";
	default:
		return NULL;
	}
}

void commit_change(struct commit *commit, enum source_verb verb, GBytes *body, const char *uid,
	commit_changed then)
{
	struct source *source = commit->parts->source;
	struct source_scope scope = commit_scope(commit, subresource_of(commit));
	struct source_change change = {
		.verb = verb,
		.scope = &scope,
		.body = body,
		.uid = uid,
		.dry_run = commit->dry_run,
	};

	if (commit_is_over(commit))
		return;
	commit->tries++;
	commit->changing = TRUE;
	commit->after_change = then;
	commit->call = source->ops->change(
		source, &change, &change_handlers, commit_ref(commit), commit->strand);
}

/* What cannot be had is not asked for again: lists are whole then. */
static void on_schema(
	void *data, const struct source_result *result, const struct source_item *item)
{
	struct commit *commit RELEASED = data;

	call_ended(commit);
	if (commit_is_over(commit))
		return;
	commit->schema_known = TRUE;
	if (result->errnum == 0 &&
		schema_set_parse(item->json, item->length, &commit->set, NULL) == 0)
		schema_store_put(commit->parts->schemas, commit->resource, commit->schema_epoch,
			commit->set);
	commit->after_schema(commit);
}

static const struct source_get_handlers schema_handlers = {.done = on_schema};

/* TRUE when it is there, or known not to be. */
static gboolean find_schema(struct commit *commit)
{
	if (commit->set == NULL)
		commit->set = schema_store_find(
			commit->parts->schemas, commit->resource, &commit->schema_epoch);
	return commit->set != NULL || commit->schema_known;
}

void commit_need_schema(struct commit *commit, commit_step then)
{
	struct source *source = commit->parts->source;

	if (commit_is_over(commit))
		return;
	if (find_schema(commit) || source->ops->schema == NULL) {
		then(commit);
		return;
	}
	commit->after_schema = then;
	commit->call = source->ops->schema(
		source, commit->resource, &schema_handlers, commit_ref(commit), commit->strand);
}

const struct schema *commit_schema(const struct commit *commit)
{
	const struct resource *resource = commit->resource;

	if (commit->set == NULL)
		return NULL;
	return schema_of_kind(commit->set, resource->group, resource->version, resource->kind);
}

static void run_pause(void *data)
{
	struct commit *commit RELEASED = data;

	if (delay_is_due(&commit->pause))
		commit->after_pause(commit);
}

void commit_pause(struct commit *commit, commit_step step)
{
	uint64_t delay =
		MIN((uint64_t)COMMIT_PAUSE_MS << MIN(commit->pauses, 16U), COMMIT_PAUSE_MAX_MS);

	if (commit_is_over(commit))
		return;
	commit->pauses++;
	commit->after_pause = step;
	delay_start(&commit->pause, commit->parts->loop, delay, commit->strand, run_pause,
		commit_ref(commit));
}

static void run_look_again(void *data)
{
	struct commit *commit RELEASED = data;

	/* It was told to end meanwhile. */
	if (!commit->waiting)
		return;
	commit->waiting = FALSE;
	commit_save_begin(commit);
}

static void on_look(void *data)
{
	struct commit *commit = data;

	strand_post(commit->strand, run_look_again, commit);
}

int commit_look(struct commit *commit, gboolean wait, struct snapshot **ret, GError **error)
{
	int r = cache_find(commit->cache, commit->resource, commit->namespace, commit->name,
		wait ? on_look : NULL, commit_ref(commit), ret, error);

	commit->waiting = wait && r == -EINPROGRESS;
	if (!commit->waiting)
		commit_unref(commit);
	return r;
}

static void cancel_pause(struct commit *commit)
{
	if (delay_cancel(&commit->pause, commit->parts->loop))
		commit_unref(commit);
}

void commit_interrupt_wait(struct commit *commit)
{
	if (commit_get_interrupt(commit) == EINTR && (commit->changing || commit->doubt))
		return;
	if (commit->call != NULL) {
		source_cancel(commit->call);
	} else if (delay_is_set(&commit->pause)) {
		cancel_pause(commit);
		commit_is_over(commit);
	} else if (commit->waiting) {
		commit->waiting = FALSE;
		commit_is_over(commit);
	}
}

gboolean commit_is_passing(const struct source_result *result)
{
	if (result->status != 0)
		return result->errnum == EAGAIN || result->status >= 500;
	return result->errnum != 0 && result->errnum != ENOENT && result->errnum != ECANCELED;
}
