#include "cache/merge_conflict.h"

#include <errno.h>

#include "cache/utf8.h"
#include "client/error.h"
#include "client/escape.h"

/* Bytes of a name or key that are shown, and of a path before its beginning is left out. */
#define NAME_MAX_SHOWN 100
#define PATH_MAX_SHOWN 300

void merge_conflicts_finish(struct merge_conflicts *conflicts)
{
	for (size_t i = 0; i < MERGE_CONFLICTS_NAMED; i++)
		g_clear_pointer(&conflicts->paths[i], g_free);
}

/* Appends text, cut when it is long, so that it can stand between quotes. */
static void append_escaped(GString *part, const char *text, size_t length)
{
	g_autoptr(GString) quotable = g_string_new(NULL);
	g_autofree char *escaped = NULL;
	size_t shown = length;

	if (shown > NAME_MAX_SHOWN) {
		shown = NAME_MAX_SHOWN;
		while (shown > 0 && utf8_is_continuation(text[shown]))
			shown--;
	}
	for (size_t i = 0; i < shown; i++) {
		if (text[i] == '"' || text[i] == '\\')
			g_string_append_c(quotable, '\\');
		g_string_append_c(quotable, text[i]);
	}
	escaped = escape_text(quotable->str, (gssize)quotable->len);
	g_string_append(part, escaped);
	if (shown < length)
		g_string_append(part, "...");
}

static bool is_plain(const char *text, size_t length)
{
	if (length == 0 || length > NAME_MAX_SHOWN || !(g_ascii_isalpha(text[0]) || text[0] == '_'))
		return false;
	for (size_t i = 0; i < length; i++) {
		if (!g_ascii_isalnum(text[i]) && text[i] != '_' && text[i] != '-')
			return false;
	}
	return true;
}

static void append_member(GString *part, const struct merge_entry *entry)
{
	const struct document_node *node = NULL;

	for (int side = 0; side < MERGE_SIDES && node == NULL; side++)
		node = entry->side[side];
	if (is_plain(node->key, node->key_length)) {
		g_string_append_c(part, '.');
		g_string_append_len(part, node->key, node->key_length);
		return;
	}
	g_string_append(part, "[\"");
	append_escaped(part, node->key, node->key_length);
	g_string_append(part, "\"]");
}

static void append_key(GString *part, const struct merge_key *key)
{
	switch (key->type) {
	case DOCUMENT_STRING:
		g_string_append_c(part, '"');
		append_escaped(part, key->text, key->length);
		g_string_append_c(part, '"');
		break;
	case DOCUMENT_INTEGER:
		g_string_append_len(part, key->text, key->length);
		break;
	default:
		g_string_append(part, key->type == DOCUMENT_TRUE ? "true" : "false");
		break;
	}
}

static void append_item(GString *part, const struct merge_entry *entry, const char *const *names)
{
	const char *separator = "";

	g_string_append_c(part, '[');
	for (size_t i = 0; names == NULL ? i < 1 : names[i] != NULL; i++) {
		if (entry->keys[i].type == DOCUMENT_NULL)
			continue;
		g_string_append(part, separator);
		if (names != NULL) {
			append_escaped(part, names[i], strlen(names[i]));
			g_string_append_c(part, '=');
		}
		append_key(part, &entry->keys[i]);
		separator = ",";
	}
	g_string_append_c(part, ']');
}

/* From the leaf up: what is near to it tells more when all is too long. */
static char *path_of(const struct merge_frame *top)
{
	GString *path = g_string_new(NULL);

	for (const struct merge_frame *frame = top; frame != NULL; frame = frame->parent) {
		g_autoptr(GString) part = g_string_new(NULL);

		if (frame->entry->keys == NULL)
			append_member(part, frame->entry);
		else
			append_item(part, frame->entry, schema_list_keys(frame->schema));
		if (path->len > 0 && path->len + part->len > PATH_MAX_SHOWN) {
			g_string_prepend(path, "...");
			return g_string_free(path, FALSE);
		}
		g_string_prepend_len(path, part->str, (gssize)part->len);
	}
	if (path->len == 0)
		g_string_append(path, "the whole object");
	else if (path->str[0] == '.')
		g_string_erase(path, 0, 1);
	return g_string_free(path, FALSE);
}

void merge_conflicts_add(
	struct merge_conflicts *conflicts, const struct merge_frame *top, const char *what)
{
	if (conflicts->count < MERGE_CONFLICTS_NAMED) {
		g_autofree char *path = path_of(top);

		conflicts->paths[conflicts->count] = g_strconcat(path, what, NULL);
	}
	conflicts->count++;
}

int merge_conflicts_fail(const struct merge_conflicts *conflicts, GError **error)
{
	g_autoptr(GString) list = g_string_new(NULL);

	for (size_t i = 0; i < MIN(conflicts->count, MERGE_CONFLICTS_NAMED); i++) {
		g_string_append(list, i == 0 ? "" : ", ");
		g_string_append(list, conflicts->paths[i]);
	}
	if (conflicts->count > MERGE_CONFLICTS_NAMED) {
		g_string_append_printf(
			list, " and %zu more", conflicts->count - MERGE_CONFLICTS_NAMED);
	}
	return error_set(error, EBUSY, "changed by somebody else meanwhile, too: %s", list->str);
}
