#include <errno.h>

#include "cache/merge_walk.h"
#include "cache/number.h"

struct item {
	const struct document_node *node;
	const struct merge_key *keys;
	struct merge_entry *entry;
	uint32_t place; /* in its list */
	uint8_t side; /* enum merge_side */
};

/* What is sorted: hashes first, as their comparison touches no other memory. */
struct handle {
	uint64_t hash; /* of the keys */
	struct item *item;
};

struct pairing {
	struct arena *arena;
	const char *const *names; /* of the keys; NULL: a set */
	const struct document_node **presets; /* of the keys */
	size_t key_count;
	struct item *items; /* of all sides, side by side */
	size_t begin[MERGE_SIDES + 1]; /* of each side's items */
	struct handle *sorted; /* equal keys adjoin, by side */
};

/* 3 and 3.0 are the same key, and so are 0 and -0.0, as document_equal has it. */
static int read_number(
	struct pairing *pairing, const struct document_node *value, struct merge_key *key)
{
	char scratch[NUMBER_TEXT_MAX];
	const char *text;
	size_t length = number_json(value, scratch, &text);

	if (length == 2 && memcmp(text, "-0", 2) == 0) {
		text = "0";
		length = 1;
	} else if (text == scratch) {
		char *copy = arena_allocate(pairing->arena, length);

		if (copy == NULL)
			return -EFBIG;
		text = memcpy(copy, text, length);
	}
	*key = (struct merge_key){text, (uint32_t)length, DOCUMENT_INTEGER};
	return 1;
}

/* Returns 1, 0 when the value cannot be a key, or -EFBIG. */
static int read_key(
	struct pairing *pairing, const struct document_node *value, struct merge_key *key)
{
	*key = (struct merge_key){.type = value == NULL ? DOCUMENT_NULL : value->type};
	switch (key->type) {
	case DOCUMENT_INTEGER:
	case DOCUMENT_FLOAT:
		return read_number(pairing, value, key);
	case DOCUMENT_STRING:
		key->text = value->text;
		key->length = value->length;
		return 1;
	case DOCUMENT_ARRAY:
	case DOCUMENT_OBJECT:
		return 0;
	default:
		return 1;
	}
}

/* An item that lacks all its keys cannot be told from others: 0. */
static int read_object_keys(
	struct pairing *pairing, const struct document_node *object, struct merge_key *keys)
{
	bool known = false;

	if (object->type != DOCUMENT_OBJECT)
		return 0;
	for (size_t i = 0; i < pairing->key_count; i++) {
		const struct document_node *value = document_get(object, pairing->names[i]);
		int result;

		if (value == NULL || value->type == DOCUMENT_NULL)
			value = pairing->presets[i];
		result = read_key(pairing, value, &keys[i]);
		if (result <= 0)
			return result;
		known = known || keys[i].type != DOCUMENT_NULL;
	}
	return known;
}

static int read_item(struct pairing *pairing, struct item *item)
{
	struct merge_key *keys = arena_allocate(pairing->arena, pairing->key_count * sizeof(*keys));

	if (keys == NULL)
		return -EFBIG;
	item->keys = keys;
	if (pairing->names != NULL)
		return read_object_keys(pairing, item->node, keys);
	return item->node->type == DOCUMENT_NULL ? 0 : read_key(pairing, item->node, keys);
}

static int read_items(struct pairing *pairing, const struct document_node *const sides[MERGE_SIDES])
{
	size_t count = 0;

	for (int side = 0; side < MERGE_SIDES; side++) {
		pairing->begin[side] = count;
		count += sides[side] == NULL ? 0 : sides[side]->length;
	}
	pairing->begin[MERGE_SIDES] = count;
	pairing->items = arena_allocate(pairing->arena, MAX(count, 1) * sizeof(*pairing->items));
	if (pairing->items == NULL)
		return -EFBIG;
	for (int side = 0; side < MERGE_SIDES; side++) {
		const struct document_node *node = sides[side] == NULL ? NULL : sides[side]->first;

		for (size_t i = pairing->begin[side]; i < pairing->begin[side + 1]; i++) {
			struct item *item = &pairing->items[i];
			int result;

			*item = (struct item){
				.node = node,
				.place = (uint32_t)(i - pairing->begin[side]),
				.side = (uint8_t)side,
			};
			result = read_item(pairing, item);
			if (result <= 0)
				return result;
			node = node->next;
		}
	}
	return 1;
}

static int compare_key(const struct merge_key *a, const struct merge_key *b)
{
	uint32_t length = MIN(a->length, b->length);
	int order = (int)a->type - (int)b->type;

	if (order == 0 && length > 0)
		order = memcmp(a->text, b->text, length);
	return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_keys(const struct item *a, const struct item *b, size_t count)
{
	int order = 0;

	for (size_t i = 0; i < count && order == 0; i++)
		order = compare_key(&a->keys[i], &b->keys[i]);
	return order;
}

static int compare_handles(gconstpointer a, gconstpointer b, gpointer data)
{
	const struct pairing *pairing = data;
	const struct handle *left = a, *right = b;
	int order = (left->hash > right->hash) - (left->hash < right->hash);

	if (order == 0)
		order = compare_keys(left->item, right->item, pairing->key_count);
	return order != 0 ? order : (int)left->item->side - (int)right->item->side;
}

/* FNV-1a. Who makes hashes collide gains nothing: n log n is for any order. */
static uint64_t hash_keys(const struct merge_key *keys, size_t count)
{
	uint64_t hash = UINT64_C(0xCBF29CE484222325);

	for (size_t i = 0; i < count; i++) {
		hash = (hash ^ keys[i].type) * UINT64_C(0x100000001B3);
		for (size_t j = 0; j < keys[i].length; j++)
			hash = (hash ^ (unsigned char)keys[i].text[j]) * UINT64_C(0x100000001B3);
	}
	return hash;
}

static int sort_items(struct pairing *pairing)
{
	size_t count = pairing->begin[MERGE_SIDES];

	if (count > G_MAXINT)
		return -EFBIG;
	pairing->sorted = arena_allocate(pairing->arena, MAX(count, 1) * sizeof(*pairing->sorted));
	if (pairing->sorted == NULL)
		return -EFBIG;
	for (size_t i = 0; i < count; i++) {
		struct item *item = &pairing->items[i];

		pairing->sorted[i] =
			(struct handle){hash_keys(item->keys, pairing->key_count), item};
	}
	g_qsort_with_data(
		pairing->sorted, (gint)count, sizeof(*pairing->sorted), compare_handles, pairing);
	return 1;
}

/* Gives items of equal keys one entry. Returns 1, 0 when one side has two of them, or -EFBIG. */
static int make_entries(struct pairing *pairing)
{
	const struct item *last = NULL;

	for (size_t i = 0; i < pairing->begin[MERGE_SIDES]; i++) {
		struct item *item = pairing->sorted[i].item;

		if (last != NULL && compare_keys(last, item, pairing->key_count) == 0) {
			if (last->side == item->side)
				return 0;
			item->entry = last->entry;
		} else {
			item->entry = arena_allocate(pairing->arena, sizeof(*item->entry));
			if (item->entry == NULL)
				return -EFBIG;
			*item->entry = (struct merge_entry){.keys = item->keys};
		}
		item->entry->side[item->side] = item->node;
		if (item->side == MERGE_BASE)
			item->entry->place = item->place;
		last = item;
	}
	return 1;
}

/* The next of a side's items that all three have, from *at on; NULL: no more. */
static const struct merge_entry *next_common(
	const struct pairing *pairing, enum merge_side side, size_t *at)
{
	while (*at < pairing->begin[side + 1]) {
		const struct merge_entry *entry = pairing->items[(*at)++].entry;

		if (entry->side[MERGE_BASE] != NULL && entry->side[MERGE_THEIRS] != NULL &&
			entry->side[MERGE_MINE] != NULL)
			return entry;
	}
	return NULL;
}

static bool has_moved(const struct pairing *pairing, enum merge_side side)
{
	size_t at = pairing->begin[side];
	const struct merge_entry *entry;
	uint32_t least = 0;

	while ((entry = next_common(pairing, side, &at)) != NULL) {
		if (entry->place < least)
			return true;
		least = entry->place;
	}
	return false;
}

static bool same_order(const struct pairing *pairing)
{
	size_t theirs_at = pairing->begin[MERGE_THEIRS], mine_at = pairing->begin[MERGE_MINE];
	const struct merge_entry *theirs, *mine;

	do {
		theirs = next_common(pairing, MERGE_THEIRS, &theirs_at);
		mine = next_common(pairing, MERGE_MINE, &mine_at);
	} while (theirs == mine && theirs != NULL);
	return theirs == mine;
}

/*
 * Items stand as in lead, what only the other has behind its predecessor there. Those that go stand
 * among them, for a successor's sake.
 */
static struct merge_entry *link_entries(const struct pairing *pairing, enum merge_side lead)
{
	enum merge_side other = lead == MERGE_MINE ? MERGE_THEIRS : MERGE_MINE;
	struct merge_entry *first = NULL, **link = &first;

	for (size_t i = pairing->begin[lead]; i < pairing->begin[lead + 1]; i++) {
		*link = pairing->items[i].entry;
		link = &pairing->items[i].entry->next;
	}
	link = &first;
	for (size_t i = pairing->begin[other]; i < pairing->begin[other + 1]; i++) {
		struct merge_entry *entry = pairing->items[i].entry;

		if (entry->side[lead] == NULL) {
			entry->next = *link;
			*link = entry;
		}
		link = &entry->next;
	}
	return first;
}

/* Whether they may go is still to be seen. */
static struct merge_entry *link_gone(const struct pairing *pairing, struct merge_entry *first)
{
	for (size_t i = pairing->begin[MERGE_BASE]; i < pairing->begin[MERGE_BASE + 1]; i++) {
		struct merge_entry *entry = pairing->items[i].entry;

		if (entry->side[MERGE_THEIRS] == NULL && entry->side[MERGE_MINE] == NULL) {
			entry->next = first;
			first = entry;
		}
	}
	return first;
}

static int init_pairing(struct pairing *pairing, struct arena *arena, const struct schema *schema)
{
	*pairing = (struct pairing){.arena = arena, .names = schema_list_keys(schema)};
	if (pairing->names == NULL) {
		pairing->key_count = 1;
		return schema_is_set(schema);
	}
	while (pairing->names[pairing->key_count] != NULL)
		pairing->key_count++;
	pairing->presets = arena_allocate(arena, pairing->key_count * sizeof(*pairing->presets));
	if (pairing->presets == NULL)
		return -EFBIG;
	for (size_t i = 0; i < pairing->key_count; i++)
		pairing->presets[i] = schema_default(schema_items(schema), pairing->names[i]);
	return 1;
}

int merge_list_pair(struct arena *arena, const struct schema *schema,
	const struct document_node *const sides[MERGE_SIDES], struct merge_entry **ret_first,
	enum merge_order *ret_order)
{
	struct pairing pairing;
	bool theirs_moved, mine_moved;
	int result = init_pairing(&pairing, arena, schema);

	if (result > 0)
		result = read_items(&pairing, sides);
	if (result > 0)
		result = sort_items(&pairing);
	if (result > 0)
		result = make_entries(&pairing);
	if (result <= 0)
		return result;

	theirs_moved = has_moved(&pairing, MERGE_THEIRS);
	mine_moved = has_moved(&pairing, MERGE_MINE);
	*ret_order = MERGE_ORDER_FREE;
	if (theirs_moved && mine_moved)
		*ret_order = same_order(&pairing) ? MERGE_ORDER_SAME : MERGE_ORDER_DIFFERENT;
	*ret_first = link_gone(&pairing,
		link_entries(&pairing, theirs_moved && !mine_moved ? MERGE_THEIRS : MERGE_MINE));
	return 1;
}
