#include "cache/document_order.h"

#include <errno.h>

#define INSERTION_MAX 12
#define PAIRWISE_MAX 24

int document_compare_bytes(const struct document_node *a, const struct document_node *b)
{
	int order = memcmp(a->key, b->key, MIN(a->key_length, b->key_length));

	if (order != 0)
		return order;
	return (a->key_length > b->key_length) - (a->key_length < b->key_length);
}

static void insertion_sort(struct document_node **nodes, size_t count, document_compare compare)
{
	for (size_t i = 1; i < count; i++) {
		struct document_node *node = nodes[i];
		size_t j = i;

		for (; j > 0 && compare(nodes[j - 1], node) > 0; j--)
			nodes[j] = nodes[j - 1];
		nodes[j] = node;
	}
}

/* Merges the sorted halves of from into to. */
static void merge(struct document_node **to, struct document_node **from, size_t half, size_t count,
	document_compare compare)
{
	size_t left = 0, right = half;

	for (size_t i = 0; i < count; i++) {
		if (right == count || (left < half && compare(from[left], from[right]) <= 0))
			to[i] = from[left++];
		else
			to[i] = from[right++];
	}
}

/* Bottom-up, since what a server sends decides how many there are. */
static struct document_node **merge_sort(struct document_node **nodes, struct document_node **other,
	size_t count, document_compare compare)
{
	for (size_t begin = 0; begin < count; begin += INSERTION_MAX)
		insertion_sort(nodes + begin, MIN(INSERTION_MAX, count - begin), compare);
	for (size_t half = INSERTION_MAX; half < count; half *= 2) {
		struct document_node **swap = nodes;

		for (size_t begin = 0; begin < count; begin += 2 * half) {
			size_t part = MIN(2 * half, count - begin);

			merge(other + begin, nodes + begin, MIN(half, part), part, compare);
		}
		nodes = other;
		other = swap;
	}
	return nodes;
}

struct document_node **document_sort(
	struct arena *arena, const struct document_node *object, document_compare compare)
{
	size_t count = object->length, i = 0;
	bool sorted = true;
	struct document_node **nodes =
		arena_allocate(arena, MAX(count, 1) * sizeof(struct document_node *));
	struct document_node **other;

	if (nodes == NULL)
		return NULL;
	for (struct document_node *node = object->first; node != NULL; node = node->next) {
		nodes[i] = node;
		sorted = sorted && (i == 0 || compare(nodes[i - 1], node) <= 0);
		i++;
	}
	if (sorted)
		return nodes;
	if (count <= INSERTION_MAX) {
		insertion_sort(nodes, count, compare);
		return nodes;
	}
	other = arena_allocate(arena, count * sizeof(struct document_node *));
	return other == NULL ? NULL : merge_sort(nodes, other, count, compare);
}

static bool same_key(const struct document_node *a, const struct document_node *b)
{
	return a->key_length == b->key_length && memcmp(a->key, b->key, a->key_length) == 0;
}

/* Takes out the first member that has the same key as a later one; FALSE: there is none. */
static bool drop_pairwise(struct document_node *object, const struct document_node **duplicate)
{
	for (struct document_node **link = &object->first; *link != NULL; link = &(*link)->next) {
		for (struct document_node *later = (*link)->next; later != NULL;
			later = later->next) {
			if (!same_key(*link, later))
				continue;
			*duplicate = later;
			*link = (*link)->next;
			object->length--;
			return true;
		}
	}
	return false;
}

/* Relinks the members in sorted order without duplicates. */
static int drop_sorted(
	struct arena *arena, struct document_node *object, const struct document_node **duplicate)
{
	struct arena_mark mark = arena_mark(arena);
	size_t count = object->length;
	struct document_node **nodes = document_sort(arena, object, document_compare_bytes);
	struct document_node **tail = &object->first;

	if (nodes == NULL)
		return -EFBIG;
	object->length = 0;
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count && same_key(nodes[i], nodes[i + 1]))
			*duplicate = nodes[i + 1];
		else
			document_append(object, &tail, nodes[i]);
	}
	*tail = NULL;
	arena_release(arena, mark);
	return 0;
}

/* Whether two keys may be equal: cheap, and nearly always FALSE when there are few. */
static bool may_repeat(const struct document_node *object)
{
	uint64_t seen = 0;

	for (const struct document_node *node = object->first; node != NULL; node = node->next) {
		unsigned int hash = node->key_length;

		if (hash > 0) {
			hash += (unsigned char)node->key[0] * 7U +
				(unsigned char)node->key[hash - 1] * 13U +
				(unsigned char)node->key[hash / 2] * 5U;
		}
		if ((seen >> (hash & 63) & 1) != 0)
			return true;
		seen |= UINT64_C(1) << (hash & 63);
	}
	return false;
}

int document_unique(struct arena *arena, struct document_node *object,
	const struct document_node **ret_duplicate)
{
	const struct document_node *duplicate = NULL;
	int result = 0;

	if (object->length > PAIRWISE_MAX) {
		result = drop_sorted(arena, object, &duplicate);
	} else if (object->length > 1 && may_repeat(object)) {
		while (drop_pairwise(object, &duplicate))
			;
	}
	if (ret_duplicate != NULL)
		*ret_duplicate = duplicate;
	return result;
}
