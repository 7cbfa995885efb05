#include "cache/reflector.h"

#include <errno.h>
#include <string.h>

#include "cache/backoff.h"

/* A watch that ends sooner than this without an event counts as failed (client-go). */
#define WATCH_TOO_SHORT 1000

enum phase {
	PHASE_RESTING, /* never listed, failed for good, or polled */
	PHASE_QUEUED, /* waits for a place among the lists */
	PHASE_LISTING, /* LIST, GET or the first part of a WatchList stream is under way */
	PHASE_WATCHING, /* a watch is under way */
	PHASE_WAITING, /* a timer runs */
};

struct reflector {
	gint references;
	struct reflector_options options;
	const struct reflector_handlers *handlers;
	void *data;
	enum phase phase;
	struct source_call *call;
	uint64_t timer;
	void (*after_timer)(struct reflector *reflector);
	struct backoff backoff;
	enum source_list_from from;
	char *version; /* where to go on watching from */
	uint64_t watch_began; /* loop_now() */
	gboolean watch_had_events; /* since watch_began */
	gboolean streaming; /* the list under way is a WatchList stream */
	gboolean synced; /* a list was complete once */
	gboolean no_stream; /* the server refused WatchList */
	gboolean no_list; /* the list by name is forbidden: GET */
	gboolean no_watch; /* the watch is forbidden or unknown */
	gboolean stopped;
};

static void list_enqueue(struct reflector *reflector);
static void watch_begin(struct reflector *reflector);

struct reflector *reflector_create(const struct reflector_options *options,
	const struct reflector_handlers *handlers, void *data)
{
	struct reflector *reflector = g_new0(struct reflector, 1);

	reflector->references = 1;
	reflector->options = *options;
	strand_ref(reflector->options.strand);
	reflector->handlers = handlers;
	reflector->data = data;
	reflector->from = SOURCE_LIST_CACHE;
	reflector->no_watch = !options->scope->resource->can_watch;
	return reflector;
}

struct reflector *reflector_ref(struct reflector *reflector)
{
	g_atomic_int_inc(&reflector->references);
	return reflector;
}

struct reflector *reflector_unref(struct reflector *reflector)
{
	if (reflector == NULL || !g_atomic_int_dec_and_test(&reflector->references))
		return NULL;
	g_assert(reflector->call == NULL && reflector->timer == 0);
	strand_unref(reflector->options.strand);
	g_free(reflector->version);
	g_free(reflector);
	return NULL;
}

gboolean reflector_must_poll(const struct reflector *reflector)
{
	return reflector->no_watch || reflector->no_list;
}

/* A call, a timer and a ticket each hold a reference; this gives it back on every path. */
static void release(struct reflector **reflector)
{
	reflector_unref(*reflector);
}

#define RELEASED __attribute__((cleanup(release)))

static void on_timer(void *data)
{
	struct reflector *reflector RELEASED = data;

	if (reflector->stopped || reflector->timer == 0)
		return;
	reflector->timer = 0;
	reflector->after_timer(reflector);
}

static void wait_then(
	struct reflector *reflector, void (*next)(struct reflector *), unsigned int floor)
{
	uint64_t delay = backoff_next(&reflector->backoff, loop_now(), floor);

	reflector->phase = PHASE_WAITING;
	reflector->after_timer = next;
	reflector->timer = loop_timer_add(reflector->options.loop, delay, reflector->options.strand,
		on_timer, reflector_ref(reflector));
}

static void cancel_timer(struct reflector *reflector)
{
	uint64_t timer = reflector->timer;

	reflector->timer = 0;
	if (timer != 0 && loop_timer_cancel(reflector->options.loop, timer))
		reflector_unref(reflector);
}

static void call_ended(struct reflector *reflector)
{
	reflector->call = source_call_unref(reflector->call);
}

static void set_version(struct reflector *reflector, const char *version)
{
	if (version == NULL || version[0] == '\0')
		return;
	g_free(reflector->version);
	reflector->version = g_strdup(version);
}

/* The server could not be reached or did not answer, as against: it said no. */
static gboolean is_contact_lost(const struct source_result *result)
{
	return result->status == 0 && result->errnum != 0 && result->errnum != ECANCELED;
}

static void tell_contact(struct reflector *reflector, const struct source_result *result)
{
	if (result == NULL || result->errnum == 0)
		reflector->handlers->contact(reflector->data, NULL);
	else if (is_contact_lost(result))
		reflector->handlers->contact(reflector->data, result);
}

static void tell_problem(struct reflector *reflector, const GError *error)
{
	reflector->handlers->problem(reflector->data, error->message);
}

static void put_item(struct reflector *reflector, const struct source_item *item)
{
	g_autoptr(GError) error = NULL;
	struct snapshot *snapshot = NULL;

	if (snapshot_create(item, reflector->handlers->known, reflector->data, &snapshot, &error) <
		0) {
		tell_problem(reflector, error);
		return;
	}
	if (snapshot == NULL)
		return;
	if (reflector->phase == PHASE_WATCHING)
		set_version(reflector, snapshot->version);
	reflector->handlers->put(reflector->data, snapshot);
}

static gboolean take_removed(void *data, const struct snapshot_key *key)
{
	struct reflector *reflector = data;

	set_version(reflector, key->version);
	reflector->handlers->remove(reflector->data, key->namespace, key->name);
	return TRUE;
}

static void remove_item(struct reflector *reflector, const struct source_item *item)
{
	g_autoptr(GError) error = NULL;
	struct snapshot *none = NULL;

	if (snapshot_create(item, take_removed, reflector, &none, &error) < 0)
		tell_problem(reflector, error);
	snapshot_unref(none);
}

static void list_complete(struct reflector *reflector)
{
	admission_leave(reflector->options.admission);
	reflector->synced = TRUE;
	reflector->from = SOURCE_LIST_KNOWN;
	reflector->phase = PHASE_RESTING;
	tell_contact(reflector, NULL);
	reflector->handlers->synced(reflector->data);
}

static void list_failed(struct reflector *reflector, const struct source_result *result)
{
	const struct source_scope *scope = reflector->options.scope;

	admission_leave(reflector->options.admission);
	reflector->phase = PHASE_RESTING;
	tell_contact(reflector, result);
	if (result->expired && reflector->from != SOURCE_LIST_LATEST) {
		reflector->from = SOURCE_LIST_LATEST;
		list_enqueue(reflector);
		return;
	}
	if (reflector->streaming && result->errnum == EINVAL && !reflector->no_stream) {
		reflector->no_stream = TRUE;
		list_enqueue(reflector);
		return;
	}
	if (result->errnum == EACCES && scope->name != NULL && !reflector->no_list) {
		reflector->no_list = TRUE;
		list_enqueue(reflector);
		return;
	}
	reflector->handlers->failed(reflector->data, result);
	if (reflector->synced && !reflector->stopped && !reflector_must_poll(reflector))
		wait_then(reflector, list_enqueue, result->retry_after);
}

static void on_list_item(void *data, const struct source_item *item)
{
	struct reflector *reflector = data;

	if (!reflector->stopped)
		put_item(reflector, item);
}

static void on_list_restart(void *data)
{
	struct reflector *reflector = data;

	if (!reflector->stopped)
		reflector->handlers->list_begun(reflector->data);
}

static void on_list_done(void *data, const struct source_result *result)
{
	struct reflector *reflector RELEASED = data;

	call_ended(reflector);
	if (reflector->stopped) {
		admission_leave(reflector->options.admission);
		return;
	}
	if (result->errnum != 0) {
		list_failed(reflector, result);
		return;
	}
	set_version(reflector, result->version);
	list_complete(reflector);
	if (!reflector->stopped && !reflector_must_poll(reflector))
		watch_begin(reflector);
}

static const struct source_list_handlers list_handlers = {
	.item = on_list_item,
	.restart = on_list_restart,
	.done = on_list_done,
};

static void on_get_done(
	void *data, const struct source_result *result, const struct source_item *item)
{
	struct reflector *reflector RELEASED = data;

	call_ended(reflector);
	if (reflector->stopped) {
		admission_leave(reflector->options.admission);
		return;
	}
	if (result->errnum != 0 && result->errnum != ENOENT) {
		list_failed(reflector, result);
		return;
	}
	if (result->errnum == 0)
		put_item(reflector, item);
	list_complete(reflector);
}

static const struct source_get_handlers get_handlers = {.done = on_get_done};

static void on_watch_opened(void *data)
{
	struct reflector *reflector = data;

	if (!reflector->stopped)
		tell_contact(reflector, NULL);
}

static void on_watch_event(void *data, enum source_event event, const struct source_item *item)
{
	struct reflector *reflector = data;
	g_autofree char *version = NULL;

	if (reflector->stopped)
		return;
	switch (event) {
	case SOURCE_ADDED:
	case SOURCE_MODIFIED:
		reflector->watch_had_events = TRUE;
		put_item(reflector, item);
		break;
	case SOURCE_DELETED:
		reflector->watch_had_events = TRUE;
		remove_item(reflector, item);
		break;
	case SOURCE_BOOKMARK:
		version = snapshot_version_of(item);
		set_version(reflector, version);
		break;
	case SOURCE_SYNCED:
		version = snapshot_version_of(item);
		set_version(reflector, version);
		if (reflector->phase == PHASE_LISTING) {
			list_complete(reflector);
			reflector->phase = PHASE_WATCHING;
			reflector->streaming = FALSE;
		}
		break;
	}
}

/* What follows when a watch that had begun is over. */
static void watch_ended(struct reflector *reflector, const struct source_result *result)
{
	gboolean too_short = !reflector->watch_had_events &&
			     loop_now() - reflector->watch_began < WATCH_TOO_SHORT;

	reflector->phase = PHASE_RESTING;
	tell_contact(reflector, result);
	if (result->expired) {
		reflector->from = SOURCE_LIST_LATEST;
		list_enqueue(reflector);
	} else if (result->errnum == EACCES || result->status == 404 || result->status == 405) {
		/* It may be listed and not watched, or is gone: then the list says so. */
		reflector->no_watch = result->errnum == EACCES || result->status == 405;
		list_enqueue(reflector);
	} else if (result->errnum == 0 && !too_short) {
		watch_begin(reflector);
	} else {
		wait_then(reflector, watch_begin, result->retry_after);
	}
}

static void on_watch_done(void *data, const struct source_result *result)
{
	struct reflector *reflector RELEASED = data;

	call_ended(reflector);
	if (reflector->phase == PHASE_LISTING && reflector->stopped) {
		admission_leave(reflector->options.admission);
	} else if (reflector->stopped) {
		return;
	} else if (reflector->phase == PHASE_LISTING) {
		struct source_result cut = *result;

		if (cut.errnum == 0) {
			cut.errnum = EIO;
			cut.message = "the watch ended before the initial events were complete";
		}
		list_failed(reflector, &cut);
	} else {
		watch_ended(reflector, result);
	}
}

static const struct source_watch_handlers watch_handlers = {
	.opened = on_watch_opened,
	.event = on_watch_event,
	.done = on_watch_done,
};

static void watch_begin(struct reflector *reflector)
{
	struct source *source = reflector->options.source;

	reflector->phase = PHASE_WATCHING;
	reflector->watch_began = loop_now();
	reflector->watch_had_events = FALSE;
	reflector->call = source->ops->watch(source, reflector->options.scope, reflector->version,
		FALSE, &watch_handlers, reflector_ref(reflector), reflector->options.strand);
}

static void on_admitted(void *data)
{
	struct reflector *reflector RELEASED = data;
	struct source *source = reflector->options.source;
	const struct source_scope *scope = reflector->options.scope;
	struct strand *strand = reflector->options.strand;

	if (reflector->stopped) {
		admission_leave(reflector->options.admission);
		return;
	}
	reflector->phase = PHASE_LISTING;
	reflector->watch_began = loop_now();
	reflector->watch_had_events = FALSE;
	reflector->streaming = !reflector->no_stream && !reflector_must_poll(reflector) &&
			       source->ops->has_watch_list(source);
	reflector->handlers->list_begun(reflector->data);
	if (reflector->no_list)
		reflector->call = source->ops->get(
			source, scope, &get_handlers, reflector_ref(reflector), strand);
	else if (reflector->streaming)
		reflector->call = source->ops->watch(source, scope, NULL, TRUE, &watch_handlers,
			reflector_ref(reflector), strand);
	else
		reflector->call = source->ops->list(source, scope, reflector->from,
			reflector->version, &list_handlers, reflector_ref(reflector), strand);
}

static void list_enqueue(struct reflector *reflector)
{
	if (reflector->stopped)
		return;
	reflector->phase = PHASE_QUEUED;
	admission_enter(reflector->options.admission, reflector->options.strand, on_admitted,
		reflector_ref(reflector));
}

void reflector_refresh(struct reflector *reflector)
{
	if (reflector->phase == PHASE_RESTING) {
		list_enqueue(reflector);
	} else if (reflector->phase == PHASE_WAITING) {
		cancel_timer(reflector);
		list_enqueue(reflector);
	}
}

void reflector_kick(struct reflector *reflector)
{
	if (reflector->phase != PHASE_WAITING || reflector->stopped)
		return;
	cancel_timer(reflector);
	reflector->after_timer(reflector);
}

void reflector_reconnect(struct reflector *reflector)
{
	if (reflector->phase == PHASE_WATCHING && reflector->call != NULL)
		source_cancel(reflector->call);
}

void reflector_stop(struct reflector *reflector)
{
	reflector->stopped = TRUE;
	cancel_timer(reflector);
	if (reflector->call != NULL)
		source_cancel(reflector->call);
}
