/*
 * From what changed in etcd to what the kernel must forget; the counterpart of kubefs/changes.h.
 */
#pragma once

#include "cache/keyspace.h"

/* The handlers of a file system's keyspace; their data is the struct filesystem. */
extern const struct keyspace_handlers KEY_CHANGES_HANDLERS;
