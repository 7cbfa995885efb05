/*
 * Whether the server answers, and since when not: a small probe that notices a dead connection
 * in under a minute (protocol.md 15) and a server that is back within seconds, without a request
 * for what nobody looks at.
 */
#pragma once

#include "client/loop.h"
#include "client/source.h"

struct health;

/*
 * Who looks for what was never read waits for the server; once it has been away for this many
 * seconds, the answer is EHOSTDOWN at once.
 */
#define HEALTH_PATIENCE_S 3

struct health_handlers {
	/* The server did not answer a probe: connections may be dead. On the health's strand. */
	void (*lost)(void *data);
	/* It has not answered another one since. */
	void (*away)(void *data);
	/* It answers again. */
	void (*restored)(void *data);
	/* After health_stop, once and last: neither source nor handlers are called any more. */
	void (*stopped)(void *data);
};

struct health *health_create(struct source *source, struct loop *loop, struct strand_pool *pool,
	const struct health_handlers *handlers, void *data);
/* Begins to probe. Once. */
void health_start(struct health *health);
/* handlers.stopped follows. Any thread. */
void health_stop(struct health *health);
void health_unref(struct health *health);

/* What somebody else saw: result NULL for an answer, else why there was none. Any thread. */
void health_report(struct health *health, const struct source_result *result);

/*
 * Returns TRUE while the server is away; then *ret_since is when that began (seconds, real time)
 * and *ret_message why (g_free). Any thread.
 */
gboolean health_is_away(struct health *health, gint64 *ret_since, char **ret_message);
/*
 * For who has nothing to show and would wait for the server: -EHOSTDOWN with error set when it has
 * been away for HEALTH_PATIENCE_S, else -EINPROGRESS. Any thread.
 */
int health_refuse(struct health *health, GError **error);
