#include <errno.h>
#include <string.h>

#include "cache/commit_internal.h"
#include "cache/json_write.h"
#include "cache/yaml_read.h"
#include "client/error.h"

void commit_tree_clear(struct commit_tree *tree)
{
	document_destroy(tree->document);
	*tree = (struct commit_tree){0};
}

static void renew(struct commit_tree *tree)
{
	commit_tree_clear(tree);
	tree->document = document_create(0, COMMIT_TREE_MAX);
}

int commit_tree_read(struct commit_tree *tree, const struct snapshot *snapshot, GError **error)
{
	int r;

	renew(tree);
	r = yaml_read(tree->document, snapshot->yaml, snapshot->yaml_length, YAML_READ_LAX,
		&tree->root, error);
	if (r < 0)
		g_prefix_error(error, "the stored object cannot be read back: ");
	return r;
}

int commit_tree_merge(struct commit_tree *tree, const struct schema *schema,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine, unsigned int flags, GError **error)
{
	renew(tree);
	return merge_three(tree->document, schema, base, theirs, mine, flags, &tree->root, error);
}

int commit_set_version(
	struct document *document, struct document_node *root, const char *version, GError **error)
{
	struct document_node *metadata = document_get(root, "metadata");
	const char *text = document_copy_text(document, version, strlen(version));
	struct document_node *node =
		text != NULL ? document_new_string(document, text, strlen(version)) : NULL;

	if (metadata == NULL || metadata->type != DOCUMENT_OBJECT)
		return error_set(error, EINVAL, "metadata: it is missing");
	if (node == NULL)
		return error_set(error, EFBIG, "the object is too large");
	document_set(metadata, "resourceVersion", node);
	return 0;
}

int commit_body(const struct document_node *root, GBytes **ret, GError **error)
{
	struct document *scratch DOCUMENT_CLEANUP = document_create(0, COMMIT_TREE_MAX);
	struct buffer text BUFFER_CLEANUP;
	int r;

	buffer_init(&text, COMMIT_BODY_MAX);
	r = json_write(scratch, root, JSON_COMPACT, &text, error);
	if (r == 0)
		*ret = buffer_steal(&text);
	return r;
}

/* Members are skipped in a copy of the node alone: what it holds is shared and left as it is. */
static struct document_node *without(
	struct document *document, const struct document_node *object, const char *const *skipped)
{
	struct document_node *copy = document_new(document, DOCUMENT_OBJECT);
	struct document_node **tail = copy != NULL ? &copy->first : NULL;

	if (copy == NULL || object->type != DOCUMENT_OBJECT)
		return NULL;
	for (const struct document_node *member = object->first; member != NULL;
		member = member->next) {
		g_autofree char *key = g_strndup(member->key, member->key_length);
		struct document_node *shared;

		if (g_strv_contains(skipped, key))
			continue;
		shared = document_new(document, DOCUMENT_NULL);
		if (shared == NULL)
			return NULL;
		*shared = *member;
		shared->next = NULL;
		document_append(copy, &tail, shared);
	}
	return copy;
}

static gboolean same_without(
	const struct document_node *a, const struct document_node *b, const char *const *skipped)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, COMMIT_TREE_MAX);
	const struct document_node *a_rest = a != NULL ? without(document, a, skipped) : NULL;
	const struct document_node *b_rest = b != NULL ? without(document, b, skipped) : NULL;

	return a_rest != NULL && b_rest != NULL && document_equal(a_rest, b_rest);
}

gboolean commit_same_rest(const struct document_node *a, const struct document_node *b)
{
	static const char *const skipped[] = {"metadata", "status", NULL};

	return same_without(a, b, skipped);
}

gboolean commit_same_content(const struct document_node *a, const struct document_node *b)
{
	static const char *const moving[] = {"resourceVersion", "managedFields", NULL};

	return commit_same_rest(a, b) &&
	       same_without(document_get(a, "metadata"), document_get(b, "metadata"), moving);
}
