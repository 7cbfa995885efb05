#include "cache/key_reflector.h"

#include <errno.h>

#include "cache/backoff.h"
#include "cache/delay.h"
#include "cache/key_loader.h"
#include "cache/key_watch.h"

enum phase {
	PHASE_RESTING, /* never loaded, failed, or not watched */
	PHASE_QUEUED, /* waits for a place among the loads */
	PHASE_LOADING,
	PHASE_WATCHING,
	PHASE_WAITING, /* a timer runs, then it is loaded */
};

struct key_reflector {
	gint references;
	struct key_reflector_options options;
	const struct key_reflector_handlers *handlers;
	void *data;
	enum phase phase;
	struct key_loader *loader;
	GPtrArray *hops; /* key_loader_start */
	struct key_watch *watches[KEY_SCOPE_RANGES]; /* NULL: none */
	struct delay delay;
	struct backoff backoff;
	int64_t revision; /* of the last load, or what watches have told up to since */
	gboolean wanted; /* a watch was, when it was loaded last */
	gboolean went_back;
	gboolean stopped;
};

static void load_enqueue(struct key_reflector *reflector);

struct key_reflector *key_reflector_create(const struct key_reflector_options *options,
	const struct key_reflector_handlers *handlers, void *data)
{
	struct key_reflector *reflector = g_new0(struct key_reflector, 1);

	reflector->references = 1;
	reflector->options = *options;
	strand_ref(reflector->options.strand);
	reflector->handlers = handlers;
	reflector->data = data;
	reflector->hops = key_loader_hops_create();
	return reflector;
}

struct key_reflector *key_reflector_ref(struct key_reflector *reflector)
{
	g_atomic_int_inc(&reflector->references);
	return reflector;
}

struct key_reflector *key_reflector_unref(struct key_reflector *reflector)
{
	if (reflector == NULL || !g_atomic_int_dec_and_test(&reflector->references))
		return NULL;
	g_assert(reflector->loader == NULL && !delay_is_set(&reflector->delay));
	strand_unref(reflector->options.strand);
	g_ptr_array_unref(reflector->hops);
	g_free(reflector);
	return NULL;
}

/* A load, a watch, a timer and a ticket each hold a reference; this gives it back. */
static void release(struct key_reflector **reflector)
{
	key_reflector_unref(*reflector);
}

#define RELEASED __attribute__((cleanup(release)))

static void on_timer(void *data)
{
	struct key_reflector *reflector RELEASED = data;

	if (!delay_is_due(&reflector->delay) || reflector->stopped)
		return;
	load_enqueue(reflector);
}

static void load_later(struct key_reflector *reflector)
{
	uint64_t milliseconds = backoff_next(&reflector->backoff, loop_now(), 0);

	reflector->phase = PHASE_WAITING;
	delay_start(&reflector->delay, reflector->options.loop, milliseconds,
		reflector->options.strand, on_timer, key_reflector_ref(reflector));
}

static void cancel_timer(struct key_reflector *reflector)
{
	if (delay_cancel(&reflector->delay, reflector->options.loop))
		key_reflector_unref(reflector);
}

/* The watches */

static void stop_watches(struct key_reflector *reflector)
{
	for (guint i = 0; i < KEY_SCOPE_RANGES; i++) {
		struct key_watch *watch = g_steal_pointer(&reflector->watches[i]);

		if (watch != NULL)
			key_watch_stop(watch);
	}
}

static void on_watch_event(void *data, enum etcd_event event, const struct etcd_kv *kv)
{
	struct key_reflector *reflector = data;

	reflector->handlers->event(reflector->data, event, kv);
}

static void on_watch_lost(
	void *data, const struct etcd_result *result, gboolean behind, int64_t seen)
{
	struct key_reflector *reflector = data;

	stop_watches(reflector);
	/* The load, which the quorum answers, finds out whether the store went back. */
	reflector->revision = MAX(reflector->revision, seen);
	/* What is compacted is loaded at once; a watch that is refused may be so again. */
	if (behind || result->compact_revision != 0)
		load_enqueue(reflector);
	else
		load_later(reflector);
}

static void on_watch_contact(void *data, const struct etcd_result *result)
{
	struct key_reflector *reflector = data;

	reflector->handlers->contact(reflector->data, result);
}

static void on_watch_stopped(void *data)
{
	key_reflector_unref(data);
}

static const struct key_watch_handlers watch_handlers = {
	.event = on_watch_event,
	.lost = on_watch_lost,
	.contact = on_watch_contact,
	.stopped = on_watch_stopped,
};

static void start_watches(struct key_reflector *reflector)
{
	const struct key_watch_options options = {
		.client = reflector->options.client,
		.loop = reflector->options.loop,
		.strand = reflector->options.strand,
	};
	struct key_ranges ranges;

	key_scope_ranges(reflector->options.scope, &ranges);
	reflector->phase = PHASE_WATCHING;
	for (guint i = 0; i < ranges.count; i++)
		reflector->watches[i] = key_watch_start(&options, &ranges.at[i],
			reflector->revision + 1, &watch_handlers, key_reflector_ref(reflector));
	key_ranges_finish(&ranges);
}

/* The load */

static void on_directory(void *data, const char *name, size_t length)
{
	struct key_reflector *reflector = data;

	if (!reflector->stopped)
		reflector->handlers->directory(reflector->data, name, length);
}

static gboolean on_known(void *data, const char *name, size_t length, const struct etcd_kv *kv)
{
	struct key_reflector *reflector = data;

	return reflector->stopped || reflector->handlers->known(reflector->data, name, length, kv);
}

static void on_key(void *data, const char *name, size_t length, const struct etcd_kv *kv)
{
	struct key_reflector *reflector = data;

	if (!reflector->stopped)
		reflector->handlers->key(reflector->data, name, length, kv);
}

static void load_failed(struct key_reflector *reflector, const struct etcd_result *result)
{
	gboolean again = reflector->wanted && result->errnum != EACCES;

	reflector->handlers->contact(reflector->data, result);
	reflector->wanted = again;
	if (result->errnum == ESTALE && reflector->options.scope->revision == 0) {
		/* The first page's revision was compacted before the last one was read. */
		load_enqueue(reflector);
		return;
	}
	if (again)
		load_later(reflector);
	else
		reflector->phase = PHASE_RESTING;
	reflector->handlers->failed(reflector->data, result);
}

static void load_complete(struct key_reflector *reflector, int64_t revision)
{
	/* Found without a watch: what is known may be of another history. */
	if (revision < reflector->revision && !reflector->went_back) {
		reflector->went_back = TRUE;
		load_enqueue(reflector);
		return;
	}
	reflector->went_back = FALSE;
	reflector->revision = revision;
	reflector->phase = PHASE_RESTING;
	reflector->handlers->contact(reflector->data, NULL);
	reflector->wanted = reflector->handlers->loaded(reflector->data, revision);
	if (reflector->wanted)
		start_watches(reflector);
}

static void on_loaded(void *data, const struct etcd_result *result, int64_t revision)
{
	struct key_reflector *reflector RELEASED = data;

	reflector->loader = NULL;
	admission_leave(reflector->options.admission);
	if (reflector->stopped)
		return;
	if (result->errnum != 0)
		load_failed(reflector, result);
	else
		load_complete(reflector, revision);
}

static const struct key_loader_handlers loader_handlers = {
	.directory = on_directory,
	.known = on_known,
	.key = on_key,
	.done = on_loaded,
};

static void on_admitted(void *data)
{
	struct key_reflector *reflector RELEASED = data;

	if (reflector->stopped) {
		admission_leave(reflector->options.admission);
		return;
	}
	reflector->phase = PHASE_LOADING;
	reflector->handlers->load_begun(reflector->data, reflector->went_back);
	reflector->loader = key_loader_start(reflector->options.client, reflector->options.scope,
		reflector->hops, reflector->options.expected, &loader_handlers,
		key_reflector_ref(reflector), reflector->options.strand);
	reflector->options.expected = 0;
}

static void load_enqueue(struct key_reflector *reflector)
{
	reflector->phase = PHASE_QUEUED;
	admission_enter(reflector->options.admission, reflector->options.strand, on_admitted,
		key_reflector_ref(reflector));
}

void key_reflector_refresh(struct key_reflector *reflector)
{
	if (reflector->stopped ||
		(reflector->phase != PHASE_RESTING && reflector->phase != PHASE_WAITING))
		return;
	cancel_timer(reflector);
	load_enqueue(reflector);
}

void key_reflector_kick(struct key_reflector *reflector)
{
	if (reflector->stopped)
		return;
	if (reflector->phase == PHASE_WAITING) {
		cancel_timer(reflector);
		load_enqueue(reflector);
	}
	for (guint i = 0; i < KEY_SCOPE_RANGES; i++)
		if (reflector->watches[i] != NULL)
			key_watch_kick(reflector->watches[i]);
}

void key_reflector_reconnect(struct key_reflector *reflector)
{
	for (guint i = 0; i < KEY_SCOPE_RANGES; i++)
		if (reflector->watches[i] != NULL)
			key_watch_reconnect(reflector->watches[i]);
}

void key_reflector_unwatch(struct key_reflector *reflector)
{
	if (reflector->phase != PHASE_WATCHING)
		return;
	stop_watches(reflector);
	reflector->wanted = FALSE;
	reflector->phase = PHASE_RESTING;
}

void key_reflector_stop(struct key_reflector *reflector)
{
	reflector->stopped = TRUE;
	cancel_timer(reflector);
	stop_watches(reflector);
	if (reflector->loader != NULL)
		key_loader_cancel(reflector->loader);
}
