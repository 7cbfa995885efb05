/*
 * Looks after the servers of watches. A watch may be silent for as long as nothing changes (etcd
 * tells progress every ten minutes), and a process that was stopped, or hangs, still acknowledges
 * what TCP sends. So every server that has watches is asked for its status now and then; where no
 * answer comes, its watches end, to be resumed elsewhere.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

struct etcd_call;
struct etcd_client;

/* Milliseconds between two questions, and for an answer: the second is less. (See
 * ETCD_IDLE_TIMEOUT.) */
#ifndef ETCD_PULSE_INTERVAL
#define ETCD_PULSE_INTERVAL (10 * 1000)
#define ETCD_PULSE_TIMEOUT (8 * 1000)
#endif

/* Part of a struct etcd_client, guarded by its lock. */
struct etcd_pulse {
	GQueue beats; /* of struct etcd_beat * */
	uint64_t timer; /* 0: there were no watches */
};

/* Part of a watch. All zero before it joins. */
struct etcd_beat {
	struct etcd_call *call;
	const char *server; /* valid as long as the HTTP client */
	/* Called on the call's strand, perhaps after the end. */
	void (*lost)(struct etcd_call *call);
	GList link;
};

void etcd_pulse_init(struct etcd_pulse *pulse);

/* From the first frame of a watch to its end, on its strand. */
void etcd_pulse_join(struct etcd_client *client, struct etcd_beat *beat);
/* Fine also for one that has not joined. */
void etcd_pulse_leave(struct etcd_client *client, struct etcd_beat *beat);

/* For the client's end, when nothing joins any more. */
void etcd_pulse_stop(struct etcd_client *client);
