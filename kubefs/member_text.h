/*
 * What the members of an etcd cluster say of themselves, as text. What comes from them is escaped
 * as client/escape.h does. Any thread.
 */
#pragma once

#include "client/etcd_cluster.h"

/* A line a member, in columns, as kubectl get prints. */
GBytes *member_text_table(const struct etcd_cluster *cluster);
/* One JSON object: kubefs(1) names its fields. */
GBytes *member_text_json(const struct etcd_cluster *cluster);
