#include "cache/health.h"

#include <errno.h>
#include <string.h>

#include "cache/delay.h"
#include "client/error.h"
#include "client/lock.h"

#define PROBE_INTERVAL_MS 15000
#define PROBE_AWAY_FIRST_MS 500
#define PROBE_AWAY_LONGEST_MS 5000

struct health {
	gint references;
	struct source *source;
	struct loop *loop;
	struct strand *strand;
	const struct health_handlers *handlers;
	void *data;
	struct source_call *call; /* on the strand */
	struct delay timer; /* on the strand */
	uint64_t delay; /* on the strand */
	gboolean lost; /* on the strand: handlers.lost was called, restored not yet */
	pthread_mutex_t lock; /* guards all below */
	gboolean stopped;
	gboolean away;
	gint64 since;
	char *message;
};

static void schedule(struct health *health, uint64_t delay);

static struct health *ref(struct health *health)
{
	g_atomic_int_inc(&health->references);
	return health;
}

void health_unref(struct health *health)
{
	if (health == NULL || !g_atomic_int_dec_and_test(&health->references))
		return;
	strand_unref(health->strand);
	pthread_mutex_destroy(&health->lock);
	g_free(health->message);
	g_free(health);
}

/* Returns TRUE when the state changed. */
static gboolean set_away(struct health *health, const char *message)
{
	LOCK_GUARD(&health->lock);
	gboolean was = health->away;

	if (health->stopped)
		return FALSE;
	health->away = message != NULL;
	if (message != NULL && !was)
		health->since = g_get_real_time() / G_USEC_PER_SEC;
	g_free(health->message);
	health->message = g_strdup(message);
	return was != health->away;
}

static gboolean is_stopped(struct health *health)
{
	LOCK_GUARD(&health->lock);

	return health->stopped;
}

/* Other than those who report that the server is away, a probe tells that connections may be dead.
 */
static void set_answered(struct health *health, const char *message)
{
	gboolean changed = set_away(health, message);

	if (message == NULL) {
		health->lost = FALSE;
		if (changed)
			health->handlers->restored(health->data);
	} else if (!health->lost) {
		health->lost = TRUE;
		health->handlers->lost(health->data);
	} else {
		health->handlers->away(health->data);
	}
}

static const char *reason_of(const struct source_result *result)
{
	return result->message != NULL ? result->message : g_strerror(result->errnum);
}

static void on_ping_done(
	void *data, const struct source_result *result, const struct source_item *item)
{
	struct health *health = data;
	/* Any HTTP status is an answer: a server that denies /version is there. */
	gboolean answered = result->errnum == 0 || result->status != 0;

	health->call = source_call_unref(health->call);
	if (!is_stopped(health)) {
		set_answered(health, answered ? NULL : reason_of(result));
		if (answered)
			health->delay = PROBE_INTERVAL_MS;
		else if (health->delay >= PROBE_INTERVAL_MS)
			health->delay = PROBE_AWAY_FIRST_MS;
		else
			health->delay = MIN(health->delay * 2, PROBE_AWAY_LONGEST_MS);
		schedule(health, health->delay);
	}
	health_unref(health);
}

static const struct source_get_handlers ping_handlers = {.done = on_ping_done};

static void probe(struct health *health)
{
	if (health->call != NULL || is_stopped(health))
		return;
	health->call = health->source->ops->ping(
		health->source, &ping_handlers, ref(health), health->strand);
}

static void on_timer(void *data)
{
	struct health *health = data;

	if (delay_is_due(&health->timer))
		probe(health);
	health_unref(health);
}

static void cancel_timer(struct health *health)
{
	if (delay_cancel(&health->timer, health->loop))
		health_unref(health);
}

static void schedule(struct health *health, uint64_t delay)
{
	cancel_timer(health);
	delay_start(&health->timer, health->loop, delay, health->strand, on_timer, ref(health));
}

static void run_start(void *data)
{
	struct health *health = data;

	/* The first answer also tells the source which version the server has. */
	probe(health);
	health_unref(health);
}

static void run_probe_soon(void *data)
{
	struct health *health = data;

	if (!is_stopped(health) && health->call == NULL) {
		health->delay = PROBE_AWAY_FIRST_MS;
		schedule(health, health->delay);
	}
	health_unref(health);
}

static void run_restored(void *data)
{
	struct health *health = data;

	if (!is_stopped(health))
		health->handlers->restored(health->data);
	health_unref(health);
}

static void run_stop(void *data)
{
	struct health *health = data;

	cancel_timer(health);
	if (health->call != NULL)
		source_cancel(health->call);
	health->handlers->stopped(health->data);
	health_unref(health);
}

struct health *health_create(struct source *source, struct loop *loop, struct strand_pool *pool,
	const struct health_handlers *handlers, void *data)
{
	struct health *health = g_new0(struct health, 1);

	health->references = 1;
	health->source = source;
	health->loop = loop;
	health->strand = strand_create(pool);
	health->handlers = handlers;
	health->data = data;
	health->delay = PROBE_INTERVAL_MS;
	pthread_mutex_init(&health->lock, NULL);
	return health;
}

void health_start(struct health *health)
{
	strand_post(health->strand, run_start, ref(health));
}

void health_stop(struct health *health)
{
	pthread_mutex_lock(&health->lock);
	health->stopped = TRUE;
	pthread_mutex_unlock(&health->lock);
	strand_post(health->strand, run_stop, ref(health));
}

void health_report(struct health *health, const struct source_result *result)
{
	if (!set_away(health, result != NULL ? reason_of(result) : NULL))
		return;
	strand_post(health->strand, result != NULL ? run_probe_soon : run_restored, ref(health));
}

gboolean health_is_away(struct health *health, gint64 *ret_since, char **ret_message)
{
	LOCK_GUARD(&health->lock);

	if (!health->away)
		return FALSE;
	*ret_since = health->since;
	*ret_message = g_strdup(health->message);
	return TRUE;
}

int health_refuse(struct health *health, GError **error)
{
	LOCK_GUARD(&health->lock);

	if (!health->away || g_get_real_time() / G_USEC_PER_SEC - health->since < HEALTH_PATIENCE_S)
		return -EINPROGRESS;
	return error_set(error, EHOSTDOWN, "%s", health->message);
}
