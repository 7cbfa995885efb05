#include <errno.h>

#include "cache/document_order.h"
#include "cache/merge_walk.h"

/* The members of one side that are still to be paired. */
struct rest {
	struct document_node **at;
	struct document_node **end;
};

static const struct document_node *least_of(const struct rest rests[MERGE_SIDES])
{
	const struct document_node *least = NULL;

	for (int side = 0; side < MERGE_SIDES; side++) {
		const struct rest *rest = &rests[side];

		if (rest->at < rest->end &&
			(least == NULL || document_compare_bytes(*rest->at, least) < 0))
			least = *rest->at;
	}
	return least;
}

static void take_least(struct rest rests[MERGE_SIDES], const struct document_node *least,
	struct merge_entry *entry)
{
	*entry = (struct merge_entry){0};
	for (int side = 0; side < MERGE_SIDES; side++) {
		struct rest *rest = &rests[side];

		if (rest->at < rest->end && document_compare_bytes(*rest->at, least) == 0)
			entry->side[side] = *rest->at++;
	}
}

int merge_object_pair(struct arena *arena, const struct document_node *const sides[MERGE_SIDES],
	struct merge_entry **ret_first)
{
	struct merge_entry *first = NULL, **tail = &first;
	struct rest rests[MERGE_SIDES] = {0};
	const struct document_node *least;

	for (int side = 0; side < MERGE_SIDES; side++) {
		if (sides[side] == NULL)
			continue;
		rests[side].at = document_sort(arena, sides[side], document_compare_bytes);
		if (rests[side].at == NULL)
			return -EFBIG;
		rests[side].end = rests[side].at + sides[side]->length;
	}
	while ((least = least_of(rests)) != NULL) {
		struct merge_entry *entry = arena_allocate(arena, sizeof(*entry));

		if (entry == NULL)
			return -EFBIG;
		take_least(rests, least, entry);
		*tail = entry;
		tail = &entry->next;
	}
	*ret_first = first;
	return 0;
}
