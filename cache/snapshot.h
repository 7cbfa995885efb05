/*
 * One version of one object, rendered: immutable, reference-counted, a single allocation.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <time.h>

#include "client/source.h"

struct snapshot {
	gint references;
	gboolean terminating; /* metadata.deletionTimestamp is set */
	struct timespec modified; /* last change of anything but status */
	struct timespec changed; /* last change of any kind */
	const char *namespace; /* "" for cluster-scoped objects */
	const char *name;
	const char *uid;
	const char *version; /* metadata.resourceVersion */
	const char *yaml; /* what kubectl get -o yaml prints; NUL-terminated for debuggers */
	size_t yaml_length;
	char bytes[]; /* where the strings above live */
};

/* What identifies an object's version; enough to see that a known snapshot is still good. */
struct snapshot_key {
	const char *namespace;
	const char *name;
	const char *uid;
	const char *version;
};

/*
 * Called with the key of the object just parsed; returns TRUE when the caller has this version
 * already, so that it need not be rendered.
 */
typedef gboolean (*snapshot_known)(void *data, const struct snapshot_key *key);

/*
 * Decodes item, drops metadata.managedFields and renders the rest. known may be NULL.
 * Returns 0 with *ret set, 0 with *ret NULL when known said TRUE, or -EBADMSG (malformed, or
 * without a name), -EFBIG (over SNAPSHOT_YAML_MAX), -EOPNOTSUPP (protobuf with something that only
 * JSON can tell), with error set; the message holds no value of the object. Any thread; memory for
 * decoding is kept per thread.
 *
 * Times are writes.md 7's: seconds come from creationTimestamp, the managedFields entries and
 * deletionTimestamp less its grace period; nanoseconds are a digest of the content, since
 * managedFields have whole seconds only and rsync and git must see two changes in one second.
 */
int snapshot_create(const struct source_item *item, snapshot_known known, void *data,
	struct snapshot **ret, GError **error);

#define SNAPSHOT_YAML_MAX (256UL << 20)

struct snapshot *snapshot_ref(struct snapshot *snapshot);
struct snapshot *snapshot_unref(struct snapshot *snapshot); /* returns NULL; NULL is fine */
void snapshot_unref_pointer(struct snapshot **snapshot); /* for __attribute__((cleanup)) */

#define SNAPSHOT_CLEANUP __attribute__((cleanup(snapshot_unref_pointer)))

/*
 * The object as kubectl get -o json prints it, made from the YAML. Returns 0 or a negative errno.
 * Any thread.
 */
int snapshot_json(const struct snapshot *snapshot, GBytes **ret, GError **error);

/* Returns the metadata.resourceVersion of an object (a bookmark), or NULL. Free with g_free. */
char *snapshot_version_of(const struct source_item *item);
