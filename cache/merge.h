/*
 * The three-way merge of an edit: what mine changed against base is applied to theirs (writes.md
 * 5). A pure function of documents.
 *
 * Objects merge member by member unless their schema says that they are atomic; lists item by item
 * where the schema gives them keys (a missing key has the schema's default), sets by value, others
 * as one value. A list is one value, too, when in any of the three two items have equal keys, or an
 * item has no key at all.
 *
 * A leaf is a scalar, an atomic object, a list that is one value, a member or item that came or
 * went, and the order of a list's items. One that both sides changed is a conflict, also when both
 * made it the same, a deletion included: a save is a compare-and-swap. Two writers who both turn 5
 * into 6, or both take the same entry off a queue, are one success and one conflict. In particular:
 *
 * - What one side took away and the other changed anything within, even added to, is a conflict.
 * - What base does not have and both sides have is merged as if base had an empty one: two who add
 *   the first labels do not conflict unless they add the same. Items of equal keys that both added
 *   conflict as a whole.
 * - null is a value, for it is the server that decides per field what it means: it is not the same
 *   as an absent member, and not an empty object. Only in a list's key is it as good as absent.
 * - A value of another type (an object that became a string) is a changed leaf.
 *
 * Order: items stand as in mine, and those that only theirs has behind their predecessor there.
 * When theirs moved items and mine did not it is the other way round, lest the save move them back;
 * when both did, the order is a leaf that both changed. Moved is judged by the items that all three
 * have.
 */
#pragma once

#include <glib.h>

#include "cache/document.h"
#include "cache/schema.h"

enum merge_flags {
	MERGE_DISTRUST = 0,
	/*
	 * Equal changes of both sides agree: theirs may be mine, sent before (one lineage). As a
	 * server stores null, an empty object and an empty list as nothing, and nothing as either,
	 * these are the same in theirs as in the others.
	 */
	MERGE_SAME_AGREES = 1 << 0,
	/*
	 * Nothing is a conflict: mine is taken. For theirs that is what the server made of base
	 * (defaults, 0.5 as 500m), and nobody else's.
	 */
	MERGE_MINE_WINS = 1 << 1,
};

/*
 * document: where the result's nodes go; it shares nodes' text with all three, whose documents (and
 * the schema's) must outlive it. The three are left as they are. schema may be NULL.
 *
 * Metadata that the server changes with each write must be the same in all three or in none
 * (managedFields), or not be mine's to change (resourceVersion, generation, status).
 *
 * Returns 0; -EBUSY for a conflict, with a message that names the paths (at most a few, in the form
 * spec.template.spec.containers[name="web"].image) and no values but those of list keys; -EFBIG.
 * Walks with a stack of its own, in n log n. Any thread.
 */
int merge_three(struct document *document, const struct schema *schema,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine, unsigned int flags, struct document_node **ret,
	GError **error);
