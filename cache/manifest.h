/*
 * What a user's text of an object is, and whether it may be sent at all: everything about it that
 * can be told without the server (writes.md 6). Messages hold no values but names.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"
#include "client/source.h"

/* etcd takes 1.5 MiB a request; the API server refuses bodies over 3 MiB. */
#define MANIFEST_TEXT_MAX (3UL << 20)

enum manifest_origin {
	MANIFEST_EDIT, /* uid and resourceVersion of the object that is there */
	MANIFEST_PLAIN, /* neither: metadata that it does not mention is kept */
	MANIFEST_COPY, /* uid of another object, or of none that is there */
};

/* Where the text was saved. */
struct manifest_place {
	const struct resource *resource;
	const char *namespace; /* "" for cluster-scoped */
	const char *name;
	const char *uid; /* of the object that is there; "" when there is none */
	gboolean json; /* a .json file: JSON, else YAML */
};

struct manifest {
	struct document *document;
	struct document_node *root; /* an object; name and namespace are filled in */
	enum manifest_origin origin;
	char *uid; /* as the text has them, "" when absent */
	char *version;
};

/*
 * In this order: size, UTF-8, syntax with line and column, one document, duplicate keys, then
 * apiVersion, kind, name, namespace and uid against the place. A text of comments alone, a List and
 * generateName are errors. Lines that begin with '#' on top of JSON are skipped (kubefs/rejected.h
 * puts them there). What agrees with sigs.k8s.io/yaml is cache/yaml_read.h's.
 *
 * Of a copy, name and namespace follow the place and what the server owns or what ties it to its
 * origin is stripped (writes.md 6). An edit whose uid is not the object's any more (recreated under
 * the same name) is -EBUSY.
 *
 * Returns 0 with *ret set (manifest_free), -EINVAL, -EFBIG or -EBUSY. Any thread.
 */
int manifest_read(const char *text, size_t length, const struct manifest_place *place,
	struct manifest **ret, GError **error);
void manifest_free(struct manifest *manifest); /* NULL is fine */

/*
 * What an edit may not change, against its base: metadata that the server owns
 * (creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation, selfLink, uid,
 * managedFields), and status where it is a subresource. -EINVAL names the fields. A plain manifest
 * may leave them out; what it says otherwise must agree. Removes from mine what the server ignores
 * (status as it was).
 */
int manifest_check_owned(const struct resource *resource, const struct document_node *base,
	struct document_node *mine, GError **error);

/*
 * For a plain manifest: metadata of there that it does not mention (labels, annotations,
 * finalizers, ownerReferences, and each label and annotation by itself) is added to it, and so is
 * what the server owns.
 */
int manifest_keep_metadata(
	struct manifest *manifest, const struct document_node *there, GError **error);
