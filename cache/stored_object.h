/*
 * The object that a value of etcd holds, as text: what the API server would show of it, but for
 * what it fills in on the way (defaults of fields that were added since it was stored).
 */
#pragma once

#include <glib.h>
#include <time.h>

#include "cache/key_snapshot.h"

enum stored_text {
	STORED_TEXT_YAML,
	STORED_TEXT_JSON,
};

struct stored_object {
	GBytes *text;
	/* The newest time in its metadata, or when it was seen; nanoseconds follow mod_revision. */
	struct timespec modified;
};

/*
 * The value as kubectl get -o yaml (or json) prints the object: with its mod_revision as
 * metadata.resourceVersion, without metadata.managedFields.
 *
 * Returns 0, -ENOENT (no value of Kubernetes), -ENOKEY (encrypted: only the API server has the
 * key), -EOPNOTSUPP (a form, a kind or a field that is not known here: showing the rest would hide
 * it), -EBADMSG (damaged) or -EFBIG, with error set; the message holds nothing of the value. Any
 * thread.
 */
int stored_object_read(const struct key_snapshot *snapshot, enum stored_text form,
	struct stored_object *ret, GError **error);
void stored_object_finish(struct stored_object *object);
#define STORED_OBJECT_CLEANUP __attribute__((cleanup(stored_object_finish)))
