/*
 * What an OpenAPI v3 document says of how objects are merged: x-kubernetes-list-type,
 * x-kubernetes-list-map-keys, x-kubernetes-map-type, x-kubernetes-patch-merge-key and the defaults
 * of keys. Immutable once parsed, reference-counted. Any thread.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"

/* Bytes of a document; core/v1 has 2 MB, a group of many custom resources some more. */
#define SCHEMA_TEXT_MAX (64UL << 20)
/* Keys of one list; with more it is one value. */
#define SCHEMA_KEYS_MAX 16

struct schema_set; /* one document: the kinds of one group version */
struct schema; /* what is known of one value; borrowed from its set */

/*
 * text: the document of /openapi/v3/apis/GROUP/VERSION as JSON; not needed afterwards. What is
 * strange in it is as unknown as what is not in it: a list of unknown keys is one value.
 *
 * Returns 0, -EBADMSG (not JSON, or no OpenAPI document) or -EFBIG; the message names the place.
 */
int schema_set_parse(const char *text, size_t length, struct schema_set **ret, GError **error);
struct schema_set *schema_set_ref(struct schema_set *set);
struct schema_set *schema_set_unref(struct schema_set *set); /* returns NULL; NULL is fine */

/* By x-kubernetes-group-version-kind; NULL when there is none. */
const struct schema *schema_of_kind(
	const struct schema_set *set, const char *group, const char *version, const char *kind);

/*
 * Of a member of an object (properties, else additionalProperties), of the items of an array.
 * $ref and a lone allOf are followed, recursion included; what stands beside them comes first.
 * NULL: nothing is known; schema may be NULL.
 */
const struct schema *schema_member(const struct schema *schema, const char *key, size_t length);
const struct schema *schema_items(const struct schema *schema);

/* x-kubernetes-map-type: atomic. schema may be NULL. */
bool schema_is_atomic(const struct schema *schema);

/*
 * The keys by which the items of a list are told apart: x-kubernetes-list-map-keys of a list of
 * type map, else the patch-merge-key alone unless the list's type is another (PodStatus.hostIPs is
 * atomic and has one), else none (the list is one value). NULL-terminated, of SCHEMA_KEYS_MAX at
 * most, or NULL; borrowed. schema may be NULL.
 */
const char *const *schema_list_keys(const struct schema *schema);
/*
 * Whether it is a set: its items are their own keys. x-kubernetes-list-type: set, or a list without
 * type and keys whose patch-strategy is merge (finalizers, before 1.31). schema may be NULL.
 */
bool schema_is_set(const struct schema *schema);
/*
 * The default of a member of the items, or NULL: none, or it is no scalar. Immutable, lives as long
 * as the set. items may be NULL.
 */
const struct document_node *schema_default(const struct schema *items, const char *key);
