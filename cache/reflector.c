#include "cache/reflector.h"

#include <errno.h>
#include <string.h>

#include "cache/backoff.h"
#include "cache/delay.h"

/* A watch that ends sooner than this without an event counts as failed (client-go). */
#define WATCH_TOO_SHORT 1000
/* A watch that fails sooner than this after a list does not cause another one at once. */
#define LIST_TOO_SOON 1000
/* A refused watch is tried again with a list after this. */
#define WATCH_REFUSED_MS 60000
/* A server that has just started refuses for a moment what it allowed and will allow again. */
#define DENIALS_MAX 3

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
	struct delay delay;
	void (*after_timer)(struct reflector *reflector);
	struct backoff backoff;
	enum source_list_from from;
	char *version; /* where to go on watching from */
	uint64_t watch_began; /* loop_now() */
	gboolean watch_had_events; /* since watch_began */
	uint64_t listed; /* loop_now() when the last list was complete */
	uint64_t refused; /* loop_now() when the watch was forbidden, 0: it was not */
	guint denials; /* lists refused in a row after one was complete */
	gboolean streaming; /* the list under way is a WatchList stream */
	gboolean synced; /* a list was complete once */
	gboolean no_stream; /* the server refused WatchList */
	gboolean no_list; /* the list by name is forbidden or unknown: GET */
	gboolean no_watch; /* the watch is forbidden or unknown */
	gboolean relist; /* list from etcd before the next watch */
	gboolean unreadable; /* the call under way is over, what it tells void: JSON follows */
	gboolean stopped;
};

static void list_enqueue(struct reflector *reflector);
static void watch_begin(struct reflector *reflector);

/* As if nothing was ever listed or refused. */
static void begin_anew(struct reflector *reflector)
{
	const struct source_scope *scope = reflector->options.scope;

	reflector->from = SOURCE_LIST_CACHE;
	reflector->synced = FALSE;
	reflector->denials = 0;
	reflector->refused = 0;
	reflector->no_watch = !scope->resource->can_watch;
	reflector->no_list = scope->name != NULL && !scope->resource->can_list;
}

struct reflector *reflector_create(const struct reflector_options *options,
	const struct reflector_handlers *handlers, void *data)
{
	struct reflector *reflector = g_new0(struct reflector, 1);

	reflector->references = 1;
	reflector->options = *options;
	strand_ref(reflector->options.strand);
	reflector->handlers = handlers;
	reflector->data = data;
	begin_anew(reflector);
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
	g_assert(reflector->call == NULL && !delay_is_set(&reflector->delay));
	strand_unref(reflector->options.strand);
	g_free(reflector->version);
	g_free(reflector);
	return NULL;
}

gboolean reflector_must_poll(const struct reflector *reflector)
{
	return reflector->no_watch || reflector->no_list;
}

const char *reflector_version(const struct reflector *reflector)
{
	return reflector->version != NULL ? reflector->version : "";
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

	if (!delay_is_due(&reflector->delay) || reflector->stopped)
		return;
	reflector->after_timer(reflector);
}

static void wait_then(
	struct reflector *reflector, void (*next)(struct reflector *), unsigned int floor)
{
	uint64_t milliseconds = backoff_next(&reflector->backoff, loop_now(), floor);

	reflector->phase = PHASE_WAITING;
	reflector->after_timer = next;
	delay_start(&reflector->delay, reflector->options.loop, milliseconds,
		reflector->options.strand, on_timer, reflector_ref(reflector));
}

static void cancel_timer(struct reflector *reflector)
{
	if (delay_cancel(&reflector->delay, reflector->options.loop))
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
	/* ENOENT without a status: no request was made, since there can be no such name. */
	return result->status == 0 && result->errnum != 0 && result->errnum != ECANCELED &&
	       result->errnum != ENOENT;
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

/* An event that needs no rendering counts, too: a watch must not be resumed before it. */
static gboolean take_known(void *data, const struct snapshot_key *key)
{
	struct reflector *reflector = data;

	if (reflector->phase == PHASE_WATCHING)
		set_version(reflector, key->version);
	return reflector->handlers->known(reflector->data, key);
}

/* Told once: the kind is never asked for like that again. */
static void refuse_protobuf(struct reflector *reflector, const char *why)
{
	g_autofree char *text = g_strdup_printf("asked for as JSON from now on: %s", why);

	if (protobuf_choice_refuse(reflector->options.protobuf, reflector->options.scope->resource))
		reflector->handlers->problem(reflector->data, text);
}

/* The item is not dropped: what follows tells it again. */
static void give_up_protobuf(struct reflector *reflector, const char *why)
{
	reflector->unreadable = TRUE;
	refuse_protobuf(reflector, why);
	source_cancel(reflector->call);
}

static void tell_malformed(
	struct reflector *reflector, const struct source_item *item, const GError *error)
{
	if (item->protobuf != NULL)
		give_up_protobuf(reflector, error->message);
	else
		tell_problem(reflector, error);
}

static void put_item(struct reflector *reflector, const struct source_item *item)
{
	g_autoptr(GError) error = NULL;
	struct snapshot *snapshot = NULL;

	if (snapshot_create(item, take_known, reflector, &snapshot, &error) < 0)
		tell_malformed(reflector, item, error);
	else if (snapshot != NULL)
		reflector->handlers->put(reflector->data, snapshot);
}

static gboolean take_removed(void *data, const struct snapshot_key *key)
{
	struct reflector *reflector = data;

	set_version(reflector, key->version);
	reflector->handlers->remove(reflector->data, key);
	return TRUE;
}

static void remove_item(struct reflector *reflector, const struct source_item *item)
{
	g_autoptr(GError) error = NULL;
	struct snapshot *none = NULL;

	if (snapshot_create(item, take_removed, reflector, &none, &error) < 0)
		tell_malformed(reflector, item, error);
	snapshot_unref(none);
}

static void list_complete(struct reflector *reflector, const char *version)
{
	gboolean latest =
		reflector->from == SOURCE_LIST_LATEST || reflector->streaming || reflector->no_list;

	admission_leave(reflector->options.admission);
	reflector->synced = TRUE;
	reflector->denials = 0;
	reflector->listed = loop_now();
	reflector->from = SOURCE_LIST_KNOWN;
	reflector->phase = PHASE_RESTING;
	tell_contact(reflector, NULL);
	reflector->handlers->synced(reflector->data, version != NULL ? version : "", latest);
}

/* Whether a WatchList stream failed with an answer that a plain list may not get. */
static gboolean is_stream_refused(const struct source_result *result)
{
	return result->status != 0 && result->status != 401 && result->status != 429 &&
	       result->status < 500;
}

static void list_denied(struct reflector *reflector, const struct source_result *result)
{
	if (reflector->synced && ++reflector->denials < DENIALS_MAX) {
		wait_then(reflector, list_enqueue, result->retry_after);
		return;
	}
	begin_anew(reflector);
	reflector->handlers->failed(reflector->data, result);
}

/* Whether what a call told, or how it ended, must be asked for once more as JSON. */
static gboolean take_unreadable(struct reflector *reflector, const struct source_result *result)
{
	if (result->unreadable)
		refuse_protobuf(reflector, result->message);
	return result->unreadable || reflector->unreadable;
}

static void list_failed(struct reflector *reflector, const struct source_result *result)
{
	const struct source_scope *scope = reflector->options.scope;

	admission_leave(reflector->options.admission);
	reflector->phase = PHASE_RESTING;
	tell_contact(reflector, result);
	if (take_unreadable(reflector, result)) {
		list_enqueue(reflector);
		return;
	}
	if (result->expired && reflector->from != SOURCE_LIST_LATEST) {
		reflector->from = SOURCE_LIST_LATEST;
		list_enqueue(reflector);
		return;
	}
	if (reflector->streaming && is_stream_refused(result)) {
		reflector->no_stream = TRUE;
		list_enqueue(reflector);
		return;
	}
	/* 401 is EACCES as well, but says nothing of what may be done. */
	if (result->status == 403 && scope->name != NULL && !reflector->no_list) {
		reflector->no_list = TRUE;
		list_enqueue(reflector);
		return;
	}
	if (result->status == 403) {
		list_denied(reflector, result);
		return;
	}
	reflector->handlers->failed(reflector->data, result);
	if (reflector->synced && !reflector->stopped && !reflector_must_poll(reflector))
		wait_then(reflector, list_enqueue, result->retry_after);
}

static void on_list_item(void *data, const struct source_item *item)
{
	struct reflector *reflector = data;

	if (!reflector->stopped && !reflector->unreadable)
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
	if (result->errnum != 0 || reflector->unreadable) {
		list_failed(reflector, result);
		return;
	}
	set_version(reflector, result->version);
	list_complete(reflector, result->version);
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
	list_complete(reflector, NULL);
}

static const struct source_get_handlers get_handlers = {.done = on_get_done};

static void on_watch_opened(void *data)
{
	struct reflector *reflector = data;

	if (!reflector->stopped)
		tell_contact(reflector, NULL);
}

/* The initial events are complete. */
static void finish_stream(struct reflector *reflector, const char *version)
{
	list_complete(reflector, version);
	reflector->phase = PHASE_WATCHING;
	reflector->streaming = FALSE;
	if (reflector->relist)
		source_cancel(reflector->call);
}

static void take_bookmark(
	struct reflector *reflector, enum source_event event, const struct source_item *item)
{
	g_autofree char *version = snapshot_version_of(item);

	if (version == NULL && item->protobuf != NULL) {
		give_up_protobuf(reflector, "a bookmark as protobuf that cannot be read");
		return;
	}
	set_version(reflector, version);
	if (event == SOURCE_SYNCED && reflector->phase == PHASE_LISTING)
		finish_stream(reflector, version);
}

static void on_watch_event(void *data, enum source_event event, const struct source_item *item)
{
	struct reflector *reflector = data;

	if (reflector->stopped || reflector->unreadable)
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
	case SOURCE_SYNCED:
		take_bookmark(reflector, event, item);
		break;
	}
}

/* A server that lists but fails each watch of it must not be asked without a pause. */
static void relist(struct reflector *reflector)
{
	if (loop_now() - reflector->listed < LIST_TOO_SOON)
		wait_then(reflector, list_enqueue, 0);
	else
		list_enqueue(reflector);
}

static void watch_refused(struct reflector *reflector, const struct source_result *result)
{
	reflector->no_watch = TRUE;
	reflector->refused = result->status == 403 ? loop_now() : 0;
	reflector->handlers->unwatched(reflector->data);
}

/* What a person could do something about; that a connection broke shows elsewhere. */
static void tell_watch_problem(struct reflector *reflector, const struct source_result *result)
{
	if (result->status >= 400 || result->errnum == EPROTO || result->errnum == EMSGSIZE)
		reflector->handlers->problem(reflector->data, result->message);
}

/* What follows when a watch that had begun is over. */
static void watch_ended(struct reflector *reflector, const struct source_result *result)
{
	gboolean too_short = !reflector->watch_had_events &&
			     loop_now() - reflector->watch_began < WATCH_TOO_SHORT;
	gboolean unreadable = take_unreadable(reflector, result);

	reflector->phase = PHASE_RESTING;
	tell_contact(reflector, result);
	if (result->expired) {
		reflector->from = SOURCE_LIST_LATEST;
		relist(reflector);
	} else if (!reflector->relist && (result->status == 403 || result->status == 405)) {
		watch_refused(reflector, result);
	} else if (reflector->relist || result->status == 404) {
		/* It may be gone: then the list says so. */
		relist(reflector);
	} else if (unreadable || (result->errnum == 0 && !too_short)) {
		watch_begin(reflector);
	} else {
		tell_watch_problem(reflector, result);
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
			cut.status = 200;
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

/* What the next call asks for. */
static struct source_scope begin_call(struct reflector *reflector)
{
	struct source_scope scope = *reflector->options.scope;

	reflector->watch_began = loop_now();
	reflector->watch_had_events = FALSE;
	reflector->unreadable = FALSE;
	scope.protobuf = protobuf_choice_allows(reflector->options.protobuf, scope.resource);
	return scope;
}

static void watch_begin(struct reflector *reflector)
{
	struct source *source = reflector->options.source;
	struct source_scope scope;

	if (reflector->relist) {
		relist(reflector);
		return;
	}
	reflector->phase = PHASE_WATCHING;
	scope = begin_call(reflector);
	reflector->call = source->ops->watch(source, &scope, reflector->version, FALSE,
		&watch_handlers, reflector_ref(reflector), reflector->options.strand);
}

static void on_admitted(void *data)
{
	struct reflector *reflector RELEASED = data;
	struct source *source = reflector->options.source;
	struct strand *strand = reflector->options.strand;
	struct source_scope scope;

	if (reflector->stopped) {
		admission_leave(reflector->options.admission);
		return;
	}
	if (reflector->refused != 0 && loop_now() - reflector->refused >= WATCH_REFUSED_MS) {
		reflector->refused = 0;
		reflector->no_watch = FALSE;
	}
	reflector->phase = PHASE_LISTING;
	if (reflector->relist)
		reflector->from = SOURCE_LIST_LATEST;
	reflector->relist = FALSE;
	scope = begin_call(reflector);
	reflector->streaming = !reflector->no_stream && !reflector_must_poll(reflector) &&
			       source->ops->has_watch_list(source);
	reflector->handlers->list_begun(reflector->data);
	if (reflector->no_list)
		reflector->call = source->ops->get(
			source, &scope, &get_handlers, reflector_ref(reflector), strand);
	else if (reflector->streaming)
		reflector->call = source->ops->watch(source, &scope, NULL, TRUE, &watch_handlers,
			reflector_ref(reflector), strand);
	else
		reflector->call = source->ops->list(source, &scope, reflector->from,
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

void reflector_relist(struct reflector *reflector)
{
	reflector->relist = TRUE;
	if (reflector->phase == PHASE_WATCHING && reflector->call != NULL)
		source_cancel(reflector->call);
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
