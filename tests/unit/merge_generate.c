#include "tests/unit/merge_generate.h"

#include <glib.h>

const char generate_schema[] =
	"{\"components\":{\"schemas\":{"
	"\"T\":{\"x-kubernetes-group-version-kind\":[{\"group\":\"\",\"version\":\"v\","
	"\"kind\":\"T\"}],\"properties\":{"
	"\"labels\":{\"additionalProperties\":{\"type\":\"string\"}},"
	"\"atom\":{\"x-kubernetes-map-type\":\"atomic\"},"
	"\"items\":{\"items\":{\"allOf\":[{\"$ref\":\"#/components/schemas/T\"}],\"default\":{}},"
	"\"x-kubernetes-patch-merge-key\":\"name\"},"
	"\"ports\":{\"items\":{\"properties\":{\"protocol\":{\"default\":\"TCP\"}}},"
	"\"x-kubernetes-list-type\":\"map\","
	"\"x-kubernetes-list-map-keys\":[\"port\",\"protocol\"]},"
	"\"set\":{\"x-kubernetes-list-type\":\"set\"},"
	"\"child\":{\"$ref\":\"#/components/schemas/T\"}"
	"}}}}}";

struct generator {
	struct document *document;
	struct random *random;
	enum generate_side side;
	bool duplicates;
};

/* What stands in a member follows from its name, but for types that change. */
static const char *const fields[] = {
	"a", "b", "whole", "labels", "atom", "items", "ports", "set", "child"};

static struct document_node *any_value(struct generator *generator, const char *field, int depth);

static struct document_node *word(struct generator *generator, const char *prefix, size_t count)
{
	g_autofree char *text =
		g_strdup_printf("%s%zu", prefix, random_below(generator->random, count));
	size_t length = strlen(text);

	return document_new_string(
		generator->document, document_copy_text(generator->document, text, length), length);
}

static struct document_node *number(struct generator *generator, const char *text)
{
	struct document_node *node = document_new(generator->document, DOCUMENT_INTEGER);

	node->text = text;
	node->length = (uint32_t)strlen(text);
	if (strchr(text, '.') != NULL)
		node->type = DOCUMENT_FLOAT;
	return node;
}

static struct document_node *scalar(struct generator *generator)
{
	static const char *const numbers[] = {"0", "1", "1.0", "2", "-0.0", "1.5"};

	switch (random_below(generator->random, 8)) {
	case 0:
		return document_new(generator->document, DOCUMENT_NULL);
	case 1:
		return document_new(generator->document, DOCUMENT_TRUE);
	case 2:
	case 3:
		return number(
			generator, numbers[random_below(generator->random, G_N_ELEMENTS(numbers))]);
	default:
		return word(generator, "v", 4);
	}
}

static const char *own_prefix(const struct generator *generator)
{
	static const char *const prefixes[] = {"n", "even", "odd"};

	return prefixes[generator->side];
}

static struct document_node *any_object(struct generator *generator, int depth)
{
	struct document_node *object = document_new(generator->document, DOCUMENT_OBJECT);

	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		if (random_once_in(generator->random, 3))
			document_set(object, fields[i], any_value(generator, fields[i], depth));
	}
	return object;
}

static struct document_node *any_port(struct generator *generator)
{
	static const char *const ports[] = {"1", "2", "3", "3.0"};
	struct document_node *port = document_new(generator->document, DOCUMENT_OBJECT);
	bool udp = random_once_in(generator->random, 2);

	/* Sides never have each other's ports. */
	if (generator->side == GENERATE_ANY)
		document_set(
			port, "port", number(generator, ports[random_below(generator->random, 4)]));
	else
		document_set(port, "port", word(generator, own_prefix(generator), 3));
	if (udp || random_once_in(generator->random, 2)) {
		document_set(port, "protocol",
			document_new_string(generator->document, udp ? "UDP" : "TCP", 3));
	}
	if (random_once_in(generator->random, 2))
		document_set(port, "a", scalar(generator));
	return port;
}

static struct document_node *any_item(struct generator *generator, const char *field, int depth)
{
	struct document_node *item;

	if (strcmp(field, "ports") == 0)
		return any_port(generator);
	if (strcmp(field, "set") == 0)
		return word(generator, own_prefix(generator), 6);
	if (strcmp(field, "whole") == 0)
		return scalar(generator);
	item = any_object(generator, depth);
	document_set(item, "name", word(generator, own_prefix(generator), 6));
	return item;
}

static bool same_member(
	const struct document_node *a, const struct document_node *b, const char *key)
{
	const struct document_node *left = document_get(a, key), *right = document_get(b, key);

	return left == NULL || right == NULL ? left == right : document_equal(left, right);
}

static bool is_udp(const struct document_node *port)
{
	const char *text;
	size_t length;

	return document_get_string(port, "protocol", &text, &length) && text[0] == 'U';
}

static bool has_equal(const struct document_node *list, const struct document_node *item)
{
	for (const struct document_node *at = list->first; at != NULL; at = at->next) {
		if (item->type != DOCUMENT_OBJECT
				? document_equal(at, item)
				: same_member(at, item, "name") && same_member(at, item, "port") &&
					  is_udp(at) == is_udp(item))
			return true;
	}
	return false;
}

/* Before the item that is the place-th. Duplicates come now and then. */
static void insert(struct generator *generator, struct document_node *list,
	struct document_node *item, size_t place)
{
	struct document_node **link = &list->first;
	bool twice = generator->duplicates && random_once_in(generator->random, 40);

	if (!twice && has_equal(list, item))
		return;
	for (; place > 0 && *link != NULL; place--)
		link = &(*link)->next;
	item->next = *link;
	*link = item;
	list->length++;
}

static struct document_node *any_list(struct generator *generator, const char *field, int depth)
{
	struct document_node *list = document_new(generator->document, DOCUMENT_ARRAY);

	for (size_t count = random_below(generator->random, 6); count > 0; count--)
		insert(generator, list, any_item(generator, field, depth), 0);
	return list;
}

static struct document_node *any_map(struct generator *generator)
{
	static const char *const keys[] = {"k0", "k1", "k2", "k3", "k4", "k5"};
	struct document_node *map = document_new(generator->document, DOCUMENT_OBJECT);

	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		if (random_once_in(generator->random, 2))
			document_set(map, keys[i], scalar(generator));
	}
	return map;
}

static bool is_list(const char *field)
{
	return strcmp(field, "items") == 0 || strcmp(field, "ports") == 0 ||
	       strcmp(field, "set") == 0 || strcmp(field, "whole") == 0;
}

static struct document_node *any_value(struct generator *generator, const char *field, int depth)
{
	if (generator->duplicates && random_once_in(generator->random, 30))
		return scalar(generator);
	if (is_list(field) && depth > 0)
		return any_list(generator, field, depth - 1);
	if (strcmp(field, "labels") == 0 || strcmp(field, "atom") == 0)
		return any_map(generator);
	if (strcmp(field, "child") == 0 && depth > 0)
		return any_object(generator, depth - 1);
	return scalar(generator);
}

struct document_node *generate_object(
	struct document *document, struct random *random, bool duplicates)
{
	struct generator generator = {document, random, GENERATE_ANY, duplicates};

	return any_object(&generator, 3);
}

static unsigned int hash(const char *text, size_t length, unsigned int seed)
{
	unsigned int value = seed;

	for (size_t i = 0; i < length; i++)
		value = value * 31 + (unsigned char)text[i];
	return value ^ value >> 7;
}

static bool may_change(const struct generator *generator, unsigned int place)
{
	return generator->side == GENERATE_ANY || (place & 1) == (generator->side == GENERATE_ODD);
}

/* The same for an item of base wherever it stands. */
static unsigned int item_place(const struct document_node *item)
{
	const struct document_node *name = document_get(item, "name");

	if (name == NULL)
		name = document_get(item, "port");
	if (name == NULL)
		name = item;
	return name->type == DOCUMENT_STRING || name->type == DOCUMENT_INTEGER
		       ? hash(name->text, 1, hash(name->text, name->length, 0))
		       : 0;
}

static void edit_object(
	struct generator *generator, struct document_node *object, unsigned int place, int depth);

/* One whose items are told apart; whoever may change an item may change all of it. */
static void edit_list(struct generator *generator, struct document_node *list, const char *field)
{
	struct document_node **link = &list->first;

	while (*link != NULL) {
		bool mine = may_change(generator, item_place(*link));

		if (mine && random_once_in(generator->random, 5)) {
			*link = (*link)->next;
			list->length--;
			continue;
		}
		if (mine && (*link)->type == DOCUMENT_OBJECT) {
			struct generator free = *generator;

			free.side = GENERATE_ANY;
			if (document_get(*link, "port") != NULL)
				document_set(*link, "a", scalar(&free));
			else
				edit_object(&free, *link, 0, 1);
		}
		link = &(*link)->next;
	}
	for (size_t count = random_below(generator->random, 3); count > 0; count--) {
		insert(generator, list, any_item(generator, field, 1),
			random_below(generator->random, (size_t)list->length + 1));
	}
}

static void move_item(struct generator *generator, struct document_node *list)
{
	struct document_node *item = list->first, **link;

	if (list->length < 2)
		return;
	list->first = item->next;
	link = &list->first;
	for (size_t steps = 1 + random_below(generator->random, list->length - 1);
		steps > 0 && *link != NULL; steps--)
		link = &(*link)->next;
	item->next = *link;
	*link = item;
}

static void edit_container(struct generator *generator, struct document_node *value,
	const char *field, unsigned int place, int depth)
{
	if (value->type == DOCUMENT_OBJECT) {
		edit_object(generator, value, place, depth - 1);
		return;
	}
	edit_list(generator, value, field);
	if (generator->side == GENERATE_ANY && random_once_in(generator->random, 3))
		move_item(generator, value);
}

/* A container that both may change is neither removed nor replaced. */
static bool is_shared(const char *field, const struct document_node *value)
{
	return value != NULL && (value->type == DOCUMENT_OBJECT || value->type == DOCUMENT_ARRAY) &&
	       strcmp(field, "atom") != 0 && strcmp(field, "whole") != 0;
}

static void edit_member(struct generator *generator, struct document_node *object,
	const char *field, unsigned int place, int depth)
{
	struct document_node *value = document_get(object, field);

	if (is_shared(field, value) && depth > 0 &&
		(generator->side != GENERATE_ANY || !random_once_in(generator->random, 6))) {
		edit_container(generator, value, field, place, depth);
	} else if (may_change(generator, place) && random_once_in(generator->random, 3)) {
		struct generator free = *generator;

		free.side = GENERATE_ANY;
		if (value != NULL && random_once_in(generator->random, 2))
			document_remove(object, field);
		else if (!is_shared(field, value) || generator->side == GENERATE_ANY)
			document_set(object, field, any_value(&free, field, 1));
	}
}

static void edit_object(
	struct generator *generator, struct document_node *object, unsigned int place, int depth)
{
	static const char *const keys[] = {"k0", "k1", "k2", "k3", "k6"};

	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		edit_member(generator, object, fields[i], hash(fields[i], strlen(fields[i]), place),
			depth);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		unsigned int inner = hash(keys[i], 2, place);

		if (document_get(object, keys[i]) == NULL && !random_once_in(generator->random, 6))
			continue;
		if (may_change(generator, inner) && random_once_in(generator->random, 3))
			document_set(object, keys[i], scalar(generator));
	}
}

struct document_node *generate_edit(struct document *document, struct random *random,
	const struct document_node *object, enum generate_side side)
{
	struct generator generator = {document, random, side, side == GENERATE_ANY};
	struct document_node *copy = document_copy(document, object);

	edit_object(&generator, copy, 1, 4);
	return copy;
}
