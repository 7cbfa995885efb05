#include "cache/discovery.h"

#include <errno.h>

#include "cache/backoff.h"
#include "cache/delay.h"
#include "client/error.h"
#include "client/lock.h"

/* What announces that resources come and go. */
static const char *const ANNOUNCERS[] = {
	"customresourcedefinitions.apiextensions.k8s.io",
	"apiservices.apiregistration.k8s.io",
};

/*
 * The server's discovery document follows a CRD or APIService with some delay and says nothing when
 * it does, so it is read shortly after the event and twice more.
 */
static const uint64_t READ_AGAIN_MS[] = {100, 1000, 4000};
#define READ_AGAIN_LAST G_N_ELEMENTS(READ_AGAIN_MS)
#define READ_APART_MS 1000

struct announcer {
	struct discovery *discovery;
	struct source_scope scope;
	struct source_call *call;
	uint64_t timer;
	uint64_t began;
	struct backoff backoff;
	gboolean begun;
};

struct discovery {
	gint references;
	struct discovery_options options;
	struct strand *strand;
	/* On the strand only. */
	struct announcer announcers[G_N_ELEMENTS(ANNOUNCERS)];
	struct source_call *call;
	struct delay delay;
	struct backoff backoff;
	guint again; /* index into READ_AGAIN_MS of what is due next */
	gboolean stopped;
	/* Guarded by the lock. */
	pthread_mutex_t lock;
	struct catalog *catalog;
	gboolean running;
	gboolean closed;
	gboolean unwatched; /* an announcer is denied: the catalog ages */
	uint64_t ended; /* loop_now() of the last attempt's end */
	int errnum;
	char *message;
	struct waiters waiters;
};

static void discover(struct discovery *discovery);
static void announcer_watch(struct announcer *announcer);

static struct discovery *ref(struct discovery *discovery)
{
	g_atomic_int_inc(&discovery->references);
	return discovery;
}

void discovery_unref(struct discovery *discovery)
{
	if (discovery == NULL || !g_atomic_int_dec_and_test(&discovery->references))
		return;
	for (guint i = 0; i < G_N_ELEMENTS(ANNOUNCERS); i++)
		resource_unref(discovery->announcers[i].scope.resource);
	catalog_unref(discovery->catalog);
	strand_unref(discovery->strand);
	waiters_finish(&discovery->waiters);
	pthread_mutex_destroy(&discovery->lock);
	g_free(discovery->message);
	g_free(discovery);
}

static void release(struct discovery **discovery)
{
	discovery_unref(*discovery);
}

#define RELEASED __attribute__((cleanup(release)))

void discovery_wake(struct discovery *discovery)
{
	pthread_mutex_lock(&discovery->lock);
	waiters_unlock_and_wake(&discovery->waiters, &discovery->lock);
}

static void on_timer(void *data)
{
	struct discovery *discovery RELEASED = data;

	if (!delay_is_due(&discovery->delay) || discovery->stopped)
		return;
	discover(discovery);
}

static void cancel_timer(struct discovery *discovery)
{
	if (delay_cancel(&discovery->delay, discovery->options.loop))
		discovery_unref(discovery);
}

static void discover_after(struct discovery *discovery, uint64_t milliseconds)
{
	cancel_timer(discovery);
	delay_start(&discovery->delay, discovery->options.loop, milliseconds, discovery->strand,
		on_timer, ref(discovery));
}

/* The next step of READ_AGAIN_MS; a first one waits until the last reading is a second old. */
static void read_again(struct discovery *discovery)
{
	uint64_t delay = READ_AGAIN_MS[discovery->again];
	uint64_t age;

	pthread_mutex_lock(&discovery->lock);
	age = loop_now() - discovery->ended;
	pthread_mutex_unlock(&discovery->lock);
	if (discovery->again == 0 && age < READ_APART_MS)
		delay = MAX(delay, READ_APART_MS - age);
	discovery->again++;
	discover_after(discovery, delay);
}

/* A reading that is due soon anyway is not put off, however many events come. */
static void announced(struct discovery *discovery)
{
	if (discovery->again == 1 && delay_is_set(&discovery->delay))
		return;
	discovery->again = 0;
	if (discovery->call == NULL)
		read_again(discovery);
}

static void on_announcer_event(void *data, enum source_event event, const struct source_item *item)
{
	struct announcer *announcer = data;

	if (!announcer->discovery->stopped && event != SOURCE_BOOKMARK)
		announced(announcer->discovery);
}

static void on_announcer_timer(void *data)
{
	struct announcer *announcer = data;
	struct discovery *discovery RELEASED = announcer->discovery;

	announcer->timer = 0;
	if (!discovery->stopped)
		announcer_watch(announcer);
}

static void on_announcer_done(void *data, const struct source_result *result)
{
	struct announcer *announcer = data;
	struct discovery *discovery RELEASED = announcer->discovery;
	uint64_t delay;

	announcer->call = source_call_unref(announcer->call);
	if (discovery->stopped)
		return;
	if (result->status == 403) {
		/* It may have been a server that has just started. */
		delay = discovery->options.age;
		pthread_mutex_lock(&discovery->lock);
		discovery->unwatched = TRUE;
		pthread_mutex_unlock(&discovery->lock);
	} else if (result->errnum == 0 && loop_now() - announcer->began > 1000) {
		delay = 0;
	} else {
		delay = backoff_next(&announcer->backoff, loop_now(), result->retry_after);
	}
	announcer->timer = loop_timer_add(
		discovery->options.loop, delay, discovery->strand, on_announcer_timer, announcer);
	ref(discovery);
}

static const struct source_watch_handlers announcer_handlers = {
	.event = on_announcer_event,
	.done = on_announcer_done,
};

/* Without a version: what is there comes first, and so nothing that changed meanwhile is missed. */
static void announcer_watch(struct announcer *announcer)
{
	struct source *source = announcer->discovery->options.source;

	announcer->began = loop_now();
	ref(announcer->discovery);
	announcer->call = source->ops->watch(source, &announcer->scope, NULL, FALSE,
		&announcer_handlers, announcer, announcer->discovery->strand);
}

static void announcers_begin(struct discovery *discovery, struct catalog *catalog)
{
	for (guint i = 0; i < G_N_ELEMENTS(ANNOUNCERS); i++) {
		struct announcer *announcer = &discovery->announcers[i];
		struct resource *resource = catalog_find(catalog, ANNOUNCERS[i]);

		if (announcer->begun || resource == NULL || !resource->can_watch)
			continue;
		announcer->begun = TRUE;
		announcer->discovery = discovery;
		announcer->scope = (struct source_scope){
			.resource = resource_ref(resource), .metadata_only = TRUE};
		announcer_watch(announcer);
	}
}

static void tell_partial(struct discovery *discovery, struct catalog *old, struct catalog *new)
{
	const GPtrArray *now = catalog_partial(new);

	for (guint i = 0; i < now->len; i++) {
		const char *text = g_ptr_array_index(now, i);

		if (old == NULL ||
			!g_ptr_array_find_with_equal_func(
				(GPtrArray *)catalog_partial(old), text, g_str_equal, NULL))
			discovery->options.handlers->problem(discovery->options.data, text);
	}
}

static void replace_catalog(struct discovery *discovery, struct catalog *catalog)
{
	struct catalog *old;

	pthread_mutex_lock(&discovery->lock);
	old = discovery->catalog;
	discovery->catalog = catalog_ref(catalog);
	pthread_mutex_unlock(&discovery->lock);
	tell_partial(discovery, old, catalog);
	if (old == NULL || !catalog_equal(old, catalog))
		discovery->options.handlers->changed(discovery->options.data, old, catalog);
	catalog_unref(old);
}

static void set_outcome(struct discovery *discovery, const struct source_result *result)
{
	LOCK_GUARD(&discovery->lock);

	discovery->running = FALSE;
	discovery->ended = loop_now();
	discovery->errnum = result->errnum;
	g_free(discovery->message);
	discovery->message = g_strdup(result->message);
}

/* What was announced while it was read, and what could not be read, is read again. */
static void discover_again(struct discovery *discovery, const struct catalog *catalog,
	const struct source_result *result)
{
	if (catalog != NULL && discovery->again < READ_AGAIN_LAST)
		read_again(discovery);
	else if (catalog == NULL || catalog_partial(catalog)->len > 0)
		discover_after(discovery,
			backoff_next(&discovery->backoff, loop_now(), result->retry_after));
	else
		backoff_reset(&discovery->backoff);
}

static void on_discovered(
	void *data, const struct source_result *result, struct source_catalog *discovered)
{
	struct discovery *discovery RELEASED = data;
	struct catalog *catalog = NULL;

	discovery->call = source_call_unref(discovery->call);
	if (result->errnum == 0)
		catalog = catalog_create(discovered);
	if (discovery->stopped) {
		catalog_unref(catalog);
		return;
	}
	if (result->errnum == 0) {
		discovery->options.handlers->contact(discovery->options.data, NULL);
		replace_catalog(discovery, catalog);
	} else if (result->status == 0) {
		discovery->options.handlers->contact(discovery->options.data, result);
	}
	set_outcome(discovery, result);
	discovery_wake(discovery);
	if (catalog != NULL)
		announcers_begin(discovery, catalog);
	discover_again(discovery, catalog, result);
	catalog_unref(catalog);
}

static const struct source_discover_handlers discover_handlers = {.done = on_discovered};

static void discover(struct discovery *discovery)
{
	struct source *source = discovery->options.source;

	if (discovery->call != NULL || discovery->stopped)
		return;
	discovery->call = source->ops->discover(
		source, &discover_handlers, ref(discovery), discovery->strand);
}

static void run_discover(void *data)
{
	struct discovery *discovery RELEASED = data;

	cancel_timer(discovery);
	discover(discovery);
}

struct discovery *discovery_create(const struct discovery_options *options)
{
	struct discovery *discovery = g_new0(struct discovery, 1);

	discovery->references = 1;
	discovery->options = *options;
	discovery->strand = strand_create(options->pool);
	discovery->running = TRUE;
	discovery->again = READ_AGAIN_LAST;
	pthread_mutex_init(&discovery->lock, NULL);
	return discovery;
}

void discovery_start(struct discovery *discovery)
{
	strand_post(discovery->strand, run_discover, ref(discovery));
}

static void run_stop(void *data)
{
	struct discovery *discovery RELEASED = data;

	discovery->stopped = TRUE;
	cancel_timer(discovery);
	if (discovery->call != NULL)
		source_cancel(discovery->call);
	for (guint i = 0; i < G_N_ELEMENTS(ANNOUNCERS); i++) {
		struct announcer *announcer = &discovery->announcers[i];
		uint64_t timer = announcer->timer;

		announcer->timer = 0;
		if (announcer->call != NULL)
			source_cancel(announcer->call);
		if (timer != 0 && loop_timer_cancel(discovery->options.loop, timer))
			discovery_unref(discovery);
	}
	discovery->options.handlers->stopped(discovery->options.data);
}

void discovery_stop(struct discovery *discovery)
{
	pthread_mutex_lock(&discovery->lock);
	discovery->closed = TRUE;
	pthread_mutex_unlock(&discovery->lock);
	discovery_wake(discovery);
	strand_post(discovery->strand, run_stop, ref(discovery));
}

int discovery_look(struct discovery *discovery, collection_wait wait, void *data,
	struct catalog **ret, GError **error)
{
	LOCK_GUARD(&discovery->lock);
	uint64_t age = loop_now() - discovery->ended;

	if (discovery->catalog != NULL) {
		if (discovery->unwatched && !discovery->running && age > discovery->options.age) {
			discovery->running = TRUE;
			strand_post(discovery->strand, run_discover, ref(discovery));
		}
		*ret = catalog_ref(discovery->catalog);
		return 0;
	}
	if (discovery->closed)
		return error_set(error, ESHUTDOWN, "no longer served");
	if (!discovery->running && age < COLLECTION_RETRY_MS)
		return error_set(error, discovery->errnum, "%s", discovery->message);
	if (!discovery->running) {
		discovery->running = TRUE;
		strand_post(discovery->strand, run_discover, ref(discovery));
	}
	if (wait == NULL)
		return -EINPROGRESS;
	waiters_add(&discovery->waiters, wait, data);
	return -EINPROGRESS;
}

struct catalog *discovery_now(struct discovery *discovery)
{
	LOCK_GUARD(&discovery->lock);

	return discovery->catalog != NULL ? catalog_ref(discovery->catalog) : NULL;
}

static void run_kick(void *data)
{
	struct discovery *discovery RELEASED = data;

	for (guint i = 0; i < G_N_ELEMENTS(ANNOUNCERS); i++) {
		struct announcer *announcer = &discovery->announcers[i];
		uint64_t timer = announcer->timer;

		if (timer == 0 || discovery->stopped)
			continue;
		if (!loop_timer_cancel(discovery->options.loop, timer))
			continue;
		announcer->timer = 0;
		announcer_watch(announcer);
		discovery_unref(discovery);
	}
	if (delay_is_set(&discovery->delay) && !discovery->stopped) {
		cancel_timer(discovery);
		discover(discovery);
	}
}

void discovery_kick(struct discovery *discovery)
{
	strand_post(discovery->strand, run_kick, ref(discovery));
}
