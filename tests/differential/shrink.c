#include "tests/differential/shrink.h"

#include <string.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/utf8.h"

#define LIMIT ((size_t)1 << 28)

enum edit {
	EDIT_MAKE_ROOT,
	EDIT_REMOVE,
	EDIT_HOIST, /* a container becomes its first child */
	EDIT_NULL,
	EDIT_FIRST_HALF, /* of a string */
	EDIT_SECOND_HALF,
	EDIT_WITHOUT_FIRST,
	EDIT_WITHOUT_LAST,
	EDIT_KEY_FIRST_HALF,
	EDIT_KEY_SECOND_HALF,
	EDIT_KEY_WITHOUT_FIRST,
	EDIT_KEY_WITHOUT_LAST,
	EDITS,
};

/* The index-th node in the order of the text, and what links to it. */
static struct document_node **find(struct document_node **link, size_t *index,
	struct document_node *parent, struct document_node **ret_parent)
{
	for (; *link != NULL; link = &(*link)->next) {
		struct document_node *node = *link;

		if ((*index)-- == 0) {
			*ret_parent = parent;
			return link;
		}
		if (node->type == DOCUMENT_ARRAY || node->type == DOCUMENT_OBJECT) {
			struct document_node **found = find(&node->first, index, node, ret_parent);

			if (found != NULL)
				return found;
		}
	}
	return NULL;
}

/* One of the four ways to cut text; FALSE: it is too short. */
static bool cut(const char **text, uint32_t *length, int way)
{
	uint32_t half = *length / 2, last = *length;

	if (*length == 0)
		return false;
	switch (way) {
	case 0:
		while (half > 0 && half < *length && utf8_is_continuation((*text)[half]))
			half--;
		*length = half;
		return true;
	case 1:
		while (half < *length && utf8_is_continuation((*text)[half]))
			half++;
		if (half == 0)
			return false;
		*text += half;
		*length -= half;
		return true;
	case 2:
		half = (uint32_t)utf8_length(*text, *text + *length);
		*text += half;
		*length -= half;
		return true;
	default:
		do
			last--;
		while (utf8_is_continuation((*text)[last]));
		*length = last;
		return true;
	}
}

static bool hoist(struct document_node **link, struct document_node *node)
{
	struct document_node *child = node->first;

	if ((node->type != DOCUMENT_ARRAY && node->type != DOCUMENT_OBJECT) || node->length == 0)
		return false;
	child->next = node->next;
	child->key = node->key;
	child->key_length = node->key_length;
	*link = child;
	return true;
}

static bool apply(struct document_node **link, struct document_node *parent, enum edit edit,
	struct document_node **root)
{
	struct document_node *node = *link;

	switch (edit) {
	case EDIT_MAKE_ROOT:
		if (node == *root)
			return false;
		*root = node;
		node->next = NULL;
		return true;
	case EDIT_REMOVE:
		if (parent == NULL)
			return false;
		*link = node->next;
		parent->length--;
		return true;
	case EDIT_HOIST:
		return hoist(link, node);
	case EDIT_NULL:
		if (node->type == DOCUMENT_NULL)
			return false;
		node->type = DOCUMENT_NULL;
		return true;
	case EDIT_FIRST_HALF:
	case EDIT_SECOND_HALF:
	case EDIT_WITHOUT_FIRST:
	case EDIT_WITHOUT_LAST:
		return node->type == DOCUMENT_STRING &&
		       cut(&node->text, &node->length, (int)(edit - EDIT_FIRST_HALF));
	case EDIT_KEY_FIRST_HALF:
	case EDIT_KEY_SECOND_HALF:
	case EDIT_KEY_WITHOUT_FIRST:
	case EDIT_KEY_WITHOUT_LAST:
		return node->key != NULL &&
		       cut(&node->key, &node->key_length, (int)(edit - EDIT_KEY_FIRST_HALF));
	case EDITS:
		break;
	}
	return false;
}

/* json with one node edited. FALSE: no such node. *ret_changed tells whether there was an edit. */
static bool edited(
	const GString *json, size_t index, enum edit edit, GString *to, bool *ret_changed)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root, *parent, **link;

	*ret_changed = false;
	buffer_init(&buffer, LIMIT);
	if (json_parse(document, json->str, json->len, &root, NULL) < 0)
		return false;
	link = find(&root, &index, NULL, &parent);
	if (link == NULL)
		return false;
	if (!apply(link, parent, edit, &root) ||
		json_write(document, root, JSON_COMPACT, &buffer, NULL) < 0)
		return true;
	g_string_truncate(to, 0);
	g_string_append_len(to, buffer.data, (gssize)buffer.length);
	*ret_changed = to->len < json->len;
	return true;
}

static bool shrink_tree_once(GString *json, shrink_test fails, void *data, GString *candidate)
{
	for (int edit = 0; edit < EDITS; edit++) {
		bool changed;

		for (size_t i = 0; edited(json, i, (enum edit)edit, candidate, &changed); i++) {
			if (changed && fails(data, candidate)) {
				g_string_assign(json, "");
				g_string_append_len(json, candidate->str, (gssize)candidate->len);
				return true;
			}
		}
	}
	return false;
}

/* For what depends on the spelling: takes bytes out wherever it still fails. */
static void shrink_bytes(GString *json, shrink_test fails, void *data, GString *candidate)
{
	for (gsize size = MAX(json->len / 2, 1); size > 0; size /= 2) {
		for (gsize at = 0; at + size <= json->len;) {
			g_string_truncate(candidate, 0);
			g_string_append_len(candidate, json->str, (gssize)json->len);
			g_string_erase(candidate, (gssize)at, (gssize)size);
			if (fails(data, candidate))
				g_string_erase(json, (gssize)at, (gssize)size);
			else
				at += size;
		}
	}
}

void shrink_json(GString *json, shrink_test fails, void *data)
{
	GString *candidate = g_string_new(NULL);

	while (shrink_tree_once(json, fails, data, candidate))
		;
	shrink_bytes(json, fails, data, candidate);
	g_string_free(candidate, TRUE);
}
