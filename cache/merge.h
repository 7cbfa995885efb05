/*
 * The three-way merge of an edit: what mine changed against base is applied to theirs (writes.md
 * 5). A pure function of documents.
 *
 * Objects merge member by member unless their schema says that they are atomic; lists item by item
 * where the schema gives them keys (a missing key has the schema's default), sets by value, others
 * as one value. A list in which two items have equal keys, in any of the three, is one value.
 * Order: mine's, with items that only theirs has behind their predecessor there.
 *
 * A leaf (a scalar, a list or an atomic map as a whole, a key that came or went) that both sides
 * changed is a conflict, also when both made it the same: two writers who both turn 5 into 6 are
 * one success and one conflict.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"
#include "cache/schema.h"

enum merge_flags {
	MERGE_DISTRUST = 0,
	/* Equal changes of both sides agree: theirs may be mine, sent before (one lineage). */
	MERGE_SAME_AGREES = 1 << 0,
};

/*
 * document: where the result's nodes go. It may share nodes' text with all three, whose documents
 * must outlive it; theirs and mine are left as they are. schema may be NULL.
 *
 * Returns 0; -EBUSY for a conflict, with a message that names the paths (at most a few, in the form
 * spec.template.spec.containers[name="web"].image) and no values but those of list keys; -EFBIG.
 * Walks with a stack of its own. Any thread.
 */
int merge_three(struct document *document, const struct schema *schema,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine, unsigned int flags, struct document_node **ret,
	GError **error);
