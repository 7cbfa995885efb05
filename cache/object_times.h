/*
 * When an object changed, read from its metadata (writes.md 7).
 */
#pragma once

#include <time.h>

#include "cache/document.h"

struct object_times {
	time_t modified; /* last change of anything but the status subresource */
	time_t changed; /* last change of any kind */
};

/*
 * Newest of creationTimestamp, managedFields[].time and deletionTimestamp less its grace period
 * (it lies in the future). Times that are missing or malformed do not count; 0 when none is there.
 * metadata may be NULL. Any thread.
 */
struct object_times object_times_read(const struct document_node *metadata);
