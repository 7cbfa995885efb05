/*
 * etcd as far as cache/health.h needs a source: its ping is a range of one key, which the quorum
 * must answer.
 */
#pragma once

#include "client/etcd.h"
#include "client/source.h"

/* client must outlive it, and its calls. prefix is of keys that may be read. */
struct source *key_probe_create(struct etcd_client *client, GBytes *prefix);
void key_probe_destroy(struct source *probe); /* when no ping is under way; NULL is fine */

/*
 * Whether the call ended because nobody could answer it, as against: with an answer that says no.
 * Then *ret is what health_report takes.
 */
gboolean key_probe_is_lost(const struct etcd_result *result, struct source_result *ret);
