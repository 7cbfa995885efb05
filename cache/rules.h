/*
 * What the caller may do in a namespace, as a SelfSubjectRulesReview tells: for mode bits, not for
 * security, which is the server's. Immutable.
 */
#pragma once

#include "client/source.h"

struct rules;

/* NULL when item is no SelfSubjectRulesReview with a status. */
struct rules *rules_parse(const struct source_item *item);
void rules_free(struct rules *rules); /* NULL is fine */
/* Whether they say the same in the same order. Either may be NULL. */
gboolean rules_equal(const struct rules *a, const struct rules *b);

/*
 * FALSE only when the review is complete and no rule grants the verb on the resource, or on that
 * subresource of it (NULL: itself), or on some object: what is unknown counts as allowed (writes.md
 * 7). rules may be NULL: unknown.
 */
gboolean rules_allow(const struct rules *rules, const struct resource *resource,
	const char *subresource, const char *verb);
