#include <errno.h>

#include "cache/document_order.h"
#include "cache/manifest.h"
#include "client/error.h"

static int fail_memory(GError **error)
{
	return error_set(error, EFBIG, "the object takes more memory than allowed");
}

/* Whether there is something else than null and {}. */
static bool says(const struct document_node *node)
{
	return node != NULL && node->type != DOCUMENT_NULL &&
	       !(node->type == DOCUMENT_OBJECT && node->length == 0);
}

static bool changes(const struct manifest *mine, const struct document_node *base_value,
	const struct document_node *value)
{
	if (!says(value))
		return mine->origin == MANIFEST_EDIT && says(base_value);
	return base_value == NULL || !document_equal(base_value, value);
}

/* Gives object a copy of the member of from, or none where from has none. */
static bool take(struct document *document, struct document_node *object,
	const struct document_node *from, const char *key)
{
	const struct document_node *value = document_get(from, key);
	struct document_node *copy;

	if (value == NULL) {
		document_remove(object, key);
		return true;
	}
	copy = document_copy(document, value);
	if (copy != NULL)
		document_set(object, key, copy);
	return copy != NULL;
}

/* Of metadata; the changes of these are refused. */
static const char *const owned[] = {"creationTimestamp", "deletionGracePeriodSeconds",
	"deletionTimestamp", "generation", "selfLink", "uid"};
/* These are nobody's changes. */
static const char *const ignored[] = {"managedFields", "resourceVersion"};

/* Names what mine changes, "" when that is nothing. */
static GString *name_changes(const struct resource *resource, const struct document_node *base,
	const struct manifest *mine)
{
	const struct document_node *base_metadata = document_get(base, "metadata");
	const struct document_node *metadata = document_get(mine->root, "metadata");
	GString *names = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(owned); i++) {
		if (changes(mine, document_get(base_metadata, owned[i]),
			    document_get(metadata, owned[i]))) {
			g_string_append_printf(
				names, "%smetadata.%s", names->len > 0 ? ", " : "", owned[i]);
		}
	}
	if (names->len > 0)
		g_string_append(names, ": only the server sets that");
	if (resource->has_status &&
		changes(mine, document_get(base, "status"), document_get(mine->root, "status"))) {
		g_string_append_printf(names,
			"%sstatus: it is a subresource and not changed with the object",
			names->len > 0 ? "; " : "");
	}
	return names;
}

int manifest_check_owned(const struct resource *resource, const struct document_node *base,
	struct manifest *mine, GError **error)
{
	const struct document_node *base_metadata = document_get(base, "metadata");
	struct document_node *metadata = document_get(mine->root, "metadata");
	g_autoptr(GString) names = name_changes(resource, base, mine);
	bool taken = true;

	if (names->len > 0)
		return error_set(error, EINVAL, "changed %s", names->str);
	for (size_t i = 0; i < G_N_ELEMENTS(owned) && taken; i++)
		taken = take(mine->document, metadata, base_metadata, owned[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(ignored) && taken; i++)
		taken = take(mine->document, metadata, base_metadata, ignored[i]);
	if (resource->has_status && taken)
		taken = take(mine->document, mine->root, base, "status");
	return taken ? 0 : fail_memory(error);
}

/* Behind the last member; its key is not there yet. */
static bool add_copy(struct document *document, struct document_node *object,
	struct document_node ***tail, const struct document_node *member)
{
	struct document_node *copy = document_copy(document, member);

	if (copy != NULL)
		document_append(object, tail, copy);
	return copy != NULL;
}

static struct document_node **find_tail(struct document_node *object)
{
	struct document_node **tail = &object->first;

	while (*tail != NULL)
		tail = &(*tail)->next;
	return tail;
}

/* Adds the members that mine lacks; both sorted, since mine may have very many. */
static bool add_missing(struct document *document, struct arena *notes, struct document_node *mine,
	const struct document_node *there)
{
	size_t mine_left = mine->length, there_left = there->length;
	struct document_node **own = document_sort(notes, mine, document_compare_bytes);
	struct document_node **others = document_sort(notes, there, document_compare_bytes);
	struct document_node **tail = find_tail(mine);

	while (there_left > 0) {
		int order = mine_left > 0 ? document_compare_bytes(*own, *others) : 1;

		if (order > 0 && !add_copy(document, mine, &tail, *others))
			return false;
		if (order <= 0) {
			own++;
			mine_left--;
		}
		if (order >= 0) {
			others++;
			there_left--;
		}
	}
	return true;
}

static bool is_key(const struct document_node *member, const char *key)
{
	return member->key_length == strlen(key) &&
	       memcmp(member->key, key, member->key_length) == 0;
}

/* What the manifest's metadata says of it: nothing, or each label and annotation by itself. */
static bool keep(struct manifest *manifest, struct arena *notes, struct document_node *metadata,
	const struct document_node *member)
{
	struct document_node *mine = document_get_length(metadata, member->key, member->key_length);

	if (is_key(member, "managedFields"))
		return true;
	if (mine == NULL) {
		struct document_node **tail = find_tail(metadata);

		return add_copy(manifest->document, metadata, &tail, member);
	}
	if (mine->type == DOCUMENT_NULL) {
		struct document_node *copy = document_copy(manifest->document, member);

		if (copy != NULL) {
			copy->next = mine->next;
			*mine = *copy;
		}
		return copy != NULL;
	}
	if (!is_key(member, "labels") && !is_key(member, "annotations"))
		return true;
	return mine->type != DOCUMENT_OBJECT || member->type != DOCUMENT_OBJECT ||
	       add_missing(manifest->document, notes, mine, member);
}

int manifest_keep_metadata(
	struct manifest *manifest, const struct document_node *there, GError **error)
{
	struct document_node *metadata = document_get(manifest->root, "metadata");
	const struct document_node *kept = document_get(there, "metadata");
	struct arena notes;
	bool complete = true;

	if (kept == NULL || kept->type != DOCUMENT_OBJECT)
		return 0;
	/* No limit: two pointers a member. */
	arena_init(&notes, 0, SIZE_MAX);
	for (const struct document_node *member = kept->first; member != NULL && complete;
		member = member->next)
		complete = keep(manifest, &notes, metadata, member);
	arena_finish(&notes);
	return complete ? 0 : fail_memory(error);
}
