/*
 * What a user's text of an object is, and whether it may be sent at all: everything about it that
 * can be told without the server (writes.md 6). Messages are one line and hold no values but names
 * and kinds, escaped and cut short.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"
#include "client/source.h"

/* etcd takes 1.5 MiB a request; the API server refuses bodies over 3 MiB. */
#define MANIFEST_TEXT_MAX (3UL << 20)

/*
 * Memory of a manifest's document: MANIFEST_MEMORY_MIN, which leaves aliases and status room, and
 * some for each byte of text, up to MANIFEST_MEMORY_MAX.
 */
#define MANIFEST_MEMORY_MIN (16UL << 20)
#define MANIFEST_MEMORY_PER_BYTE 32
#define MANIFEST_MEMORY_MAX (64UL << 20)

/*
 *   uid in the text      resourceVersion   what is there      then
 *   that of the object   any version       the object         EDIT
 *   that of the object   none              the object         PLAIN, of this object only
 *   none                 none              anything           PLAIN
 *   none                 some version      an object          PLAIN, of this version only
 *   none                 some version      nothing            -EBUSY
 *   another one          any or none       nothing            COPY
 *   another one          any or none       another name's     COPY
 *   another one          any or none       the same name's    -EBUSY, but COPY for elsewhere's
 */
enum manifest_origin {
	/* It has a base: the version that it names, which may be an old one (writes.md 5). */
	MANIFEST_EDIT,
	/*
	 * It has none: what it says replaces what is there, but metadata that it does not mention
	 * is kept. Where it names a version, the caller sends it only against that one, as kubectl
	 * replace does.
	 */
	MANIFEST_PLAIN,
	/* Made from another object, and now like a plain one: it says nothing of its origin. */
	MANIFEST_COPY,
};

/* Where the text was saved. */
struct manifest_place {
	const struct resource *resource;
	const char *namespace; /* "" for cluster-scoped */
	const char *name;
	const char *uid; /* of the object that is there; "" when there is none */
	/* Of objects of that name in other clusters: text that names one is a copy; or NULL. */
	char *const *elsewhere;
	gboolean json; /* a .json file: JSON, else YAML */
};

struct manifest {
	struct document *document;
	struct document_node *root; /* an object; name and namespace are filled in */
	enum manifest_origin origin;
	char *uid; /* as the text has them, "" when absent; of a copy its origin's */
	char *version;
};

/*
 * In this order: size, UTF-8, syntax with line and column, one document, duplicate keys, then
 * apiVersion, kind, name, namespace and uid against the place. A text of comments alone and a List
 * are errors. So is a generateName without a name, where the server would make up another name than
 * the file's; beside a name it says where a name came from, and stays. Blank lines and lines that
 * begin with '#' on top of JSON are skipped (kubefs/rejected.h puts them there); they count for
 * positions. What agrees with sigs.k8s.io/yaml is cache/yaml_read.h's.
 *
 * A name or namespace that disagrees with the place is an error, but for a copy, where they follow
 * the place and what the server owns or what ties it to its origin is stripped
 * (cache/manifest_copy.h). An object whose uid is not the text's any more (recreated under the same
 * name) is -EBUSY.
 *
 * Returns 0 with *ret set (manifest_free), -EINVAL, -EFBIG or -EBUSY. text need not outlive the
 * call. Any thread.
 */
int manifest_read(const char *text, size_t length, const struct manifest_place *place,
	struct manifest **ret, GError **error);
void manifest_free(struct manifest *manifest); /* NULL is fine */
void manifest_free_pointer(struct manifest **manifest); /* for __attribute__((cleanup)) */

#define MANIFEST_CLEANUP __attribute__((cleanup(manifest_free_pointer)))

/*
 * What mine may not change against base (of an edit, its base; else what is there): metadata that
 * the server owns (creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation,
 * selfLink, uid), and status where it is a subresource, since the server would drop such a change
 * silently. -EINVAL names the fields. What is null or empty says nothing; a manifest that is no
 * edit may leave them out as well, while an edit that does changes them. managedFields and
 * resourceVersion are not looked at: no file has the former, and the latter tells the base.
 *
 * On success mine has all of these, managedFields and resourceVersion included, exactly as base has
 * them, copied: a merge finds them unchanged and takes theirs. -EFBIG: no memory for that.
 */
int manifest_check_owned(const struct resource *resource, const struct document_node *base,
	struct manifest *mine, GError **error);

/*
 * For a plain manifest or a copy that replaces an object: each member of there's metadata that the
 * manifest does not mention is added to it, copied (labels, annotations, finalizers,
 * ownerReferences, what the server owns), and each label and annotation by itself; managedFields
 * are not. null mentions nothing, an empty list says that there be none. Returns 0 or -EFBIG.
 */
int manifest_keep_metadata(
	struct manifest *manifest, const struct document_node *there, GError **error);
