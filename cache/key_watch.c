#include "cache/key_watch.h"

#include <errno.h>

#include "cache/backoff.h"
#include "cache/delay.h"

/* A watch that ends sooner than this without an event counts as failed (cache/reflector.c). */
#define TOO_SHORT_MS 1000

struct key_watch {
	struct key_watch_options options;
	struct etcd_keys keys;
	int64_t next; /* everything before that revision was told, and nothing behind it */
	const struct key_watch_handlers *handlers;
	void *data;
	struct etcd_call *call;
	struct delay delay;
	guint pending; /* calls and timers that are still to end, each when its handler returns */
	struct backoff backoff;
	uint64_t began; /* loop_now() */
	gboolean had_events;
	gboolean behind; /* the server's store is */
	gboolean is_over; /* lost was called */
	gboolean stopped;
};

static void begin(struct key_watch *watch);

static void end_if_stopped(struct key_watch *watch)
{
	if (!watch->stopped || watch->pending > 0)
		return;
	watch->handlers->stopped(watch->data);
	g_bytes_unref(watch->keys.key);
	if (watch->keys.range_end != NULL)
		g_bytes_unref(watch->keys.range_end);
	strand_unref(watch->options.strand);
	g_free(watch);
}

static void on_timer(void *data)
{
	struct key_watch *watch = data;

	if (delay_is_due(&watch->delay) && !watch->stopped)
		begin(watch);
	watch->pending--;
	end_if_stopped(watch);
}

static void cancel_timer(struct key_watch *watch)
{
	if (delay_cancel(&watch->delay, watch->options.loop))
		watch->pending--;
}

static void begin_later(struct key_watch *watch)
{
	uint64_t milliseconds = backoff_next(&watch->backoff, loop_now(), 0);

	watch->pending++;
	delay_start(&watch->delay, watch->options.loop, milliseconds, watch->options.strand,
		on_timer, watch);
}

/*
 * revision is the server's: one behind what was seen is that of a member that lags, or of a backup
 * that was restored. Only the quorum can tell.
 */
static void on_created(void *data, int64_t revision)
{
	struct key_watch *watch = data;

	if (watch->stopped)
		return;
	watch->handlers->contact(watch->data, NULL);
	if (revision <= 0 || revision >= watch->next - 1)
		return;
	watch->behind = TRUE;
	etcd_cancel(watch->call);
}

static void on_event(void *data, enum etcd_event event, const struct etcd_kv *kv)
{
	struct key_watch *watch = data;

	if (watch->stopped || watch->behind)
		return;
	watch->had_events = TRUE;
	/* Events come in the order of revisions: resumed from here none of an earlier one repeats.
	 */
	watch->next = MAX(watch->next, kv->mod_revision);
	watch->handlers->event(watch->data, event, kv);
}

static void on_progress(void *data, int64_t revision)
{
	struct key_watch *watch = data;

	if (!watch->behind)
		watch->next = MAX(watch->next, revision + 1);
}

static void lose(struct key_watch *watch, const struct etcd_result *result)
{
	watch->is_over = TRUE;
	watch->handlers->lost(watch->data, result, watch->behind, watch->next - 1);
}

static void ended(struct key_watch *watch, const struct etcd_result *result)
{
	gboolean too_short = !watch->had_events && loop_now() - watch->began < TOO_SHORT_MS;

	if (watch->behind || result->compact_revision != 0 || result->errnum == EACCES) {
		lose(watch, result);
		return;
	}
	if (result->errnum != 0 && result->errnum != ECANCELED)
		watch->handlers->contact(watch->data, result);
	if (result->errnum == 0 && !too_short)
		begin(watch);
	else
		begin_later(watch);
}

static void on_done(void *data, const struct etcd_result *result)
{
	struct key_watch *watch = data;

	watch->call = etcd_call_unref(watch->call);
	if (!watch->stopped)
		ended(watch, result);
	watch->pending--;
	end_if_stopped(watch);
}

static const struct etcd_watch_handlers handlers = {
	.created = on_created,
	.event = on_event,
	.progress = on_progress,
	.done = on_done,
};

static void begin(struct key_watch *watch)
{
	watch->began = loop_now();
	watch->had_events = FALSE;
	watch->pending++;
	watch->call = etcd_watch(watch->options.client, &watch->keys, watch->next, &handlers, watch,
		watch->options.strand);
}

struct key_watch *key_watch_start(const struct key_watch_options *options,
	const struct etcd_keys *keys, int64_t revision,
	const struct key_watch_handlers *watch_handlers, void *data)
{
	struct key_watch *watch = g_new0(struct key_watch, 1);

	watch->options = *options;
	strand_ref(watch->options.strand);
	watch->keys.key = g_bytes_ref(keys->key);
	if (keys->range_end != NULL)
		watch->keys.range_end = g_bytes_ref(keys->range_end);
	watch->next = revision;
	watch->handlers = watch_handlers;
	watch->data = data;
	begin(watch);
	return watch;
}

void key_watch_stop(struct key_watch *watch)
{
	watch->stopped = TRUE;
	cancel_timer(watch);
	if (watch->call != NULL)
		etcd_cancel(watch->call);
	end_if_stopped(watch);
}

void key_watch_kick(struct key_watch *watch)
{
	if (!delay_is_set(&watch->delay) || watch->stopped)
		return;
	cancel_timer(watch);
	begin(watch);
}

void key_watch_reconnect(struct key_watch *watch)
{
	if (watch->call != NULL && !watch->stopped)
		etcd_cancel(watch->call);
}
