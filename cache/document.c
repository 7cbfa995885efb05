#include "cache/document.h"

struct document *document_create(size_t keep, size_t limit)
{
	struct document *document = g_new(struct document, 1);

	arena_init(&document->arena, keep, limit);
	return document;
}

void document_destroy(struct document *document)
{
	if (document == NULL)
		return;
	arena_finish(&document->arena);
	g_free(document);
}

void document_destroy_pointer(struct document **document)
{
	document_destroy(*document);
}

void document_reset(struct document *document)
{
	arena_reset(&document->arena);
}

const char *document_copy_text(struct document *document, const char *text, size_t length)
{
	char *copy = arena_allocate(&document->arena, MAX(length, 1));

	if (copy != NULL && length > 0)
		memcpy(copy, text, length);
	return copy;
}

struct document_node *document_new(struct document *document, enum document_type type)
{
	struct document_node *node = arena_allocate(&document->arena, sizeof(*node));

	if (node != NULL)
		*node = (struct document_node){.type = type};
	return node;
}

struct document_node *document_new_string(
	struct document *document, const char *text, size_t length)
{
	struct document_node *node;

	if (length > UINT32_MAX)
		return NULL;
	node = document_new(document, DOCUMENT_STRING);
	if (node != NULL) {
		node->text = text;
		node->length = (uint32_t)length;
	}
	return node;
}

/* The link that holds the member, or the one behind the last. */
static struct document_node **find(struct document_node *object, const char *key, size_t key_length)
{
	struct document_node **link = &object->first;

	while (*link != NULL &&
		((*link)->key_length != key_length || memcmp((*link)->key, key, key_length) != 0))
		link = &(*link)->next;
	return link;
}

struct document_node *document_get_length(
	const struct document_node *node, const char *key, size_t key_length)
{
	if (node == NULL || node->type != DOCUMENT_OBJECT)
		return NULL;
	return *find((struct document_node *)node, key, key_length);
}

struct document_node *document_get(const struct document_node *node, const char *key)
{
	return document_get_length(node, key, strlen(key));
}

bool document_get_string(const struct document_node *node, const char *key, const char **ret_text,
	size_t *ret_length)
{
	const struct document_node *member = document_get(node, key);

	if (member == NULL || member->type != DOCUMENT_STRING)
		return false;
	*ret_text = member->text;
	*ret_length = member->length;
	return true;
}

struct document_node *document_remove(struct document_node *object, const char *key)
{
	struct document_node **link = find(object, key, strlen(key));
	struct document_node *member = *link;

	if (member == NULL)
		return NULL;
	*link = member->next;
	member->next = NULL;
	object->length--;
	return member;
}

void document_set(struct document_node *object, const char *key, struct document_node *value)
{
	struct document_node **link = find(object, key, strlen(key));

	if (*link != NULL)
		value->next = (*link)->next;
	else {
		value->next = NULL;
		object->length++;
	}
	value->key = key;
	value->key_length = (uint32_t)strlen(key);
	*link = value;
}
