#include "cache/manifest.h"

#include <errno.h>
#include <string.h>

#include "cache/json_parse.h"
#include "cache/manifest_copy.h"
#include "cache/utf8.h"
#include "cache/yaml_input.h"
#include "cache/yaml_read.h"
#include "client/error.h"
#include "client/escape.h"

/* Bytes of a name that a message quotes. */
#define QUOTE_MAX 100

/* A string of the text; "" when it is absent, null or empty. */
struct word {
	const char *text;
	size_t length;
};

/* What the text says it is. */
struct identity {
	struct word name;
	struct word namespace;
	struct word uid;
	struct word version;
};

static char *quote(struct word word)
{
	return escape_start(word.text, word.length, QUOTE_MAX);
}

static bool is_empty(struct word word)
{
	return word.length == 0;
}

static bool is_same(struct word word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.text, text, word.length) == 0;
}

static int check_encoding(const char *text, size_t length, GError **error)
{
	const struct yaml_input input = {text, length};
	const char *at = text, *end = text + length;
	size_t width, line, column;

	while (at < end && (width = utf8_length(at, end)) > 0)
		at += width;
	if (at == end)
		return 0;
	yaml_input_position(&input, (size_t)(at - text), &line, &column);
	return error_set(
		error, EINVAL, "line %zu, column %zu: the text is not UTF-8", line + 1, column + 1);
}

/* Blanks out the lines on top that are empty or comments: positions stay. */
static void blank_comments(char *text, size_t length)
{
	char *at = text, *end = text + length;

	while (at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		char *line_end = newline != NULL ? newline : end;

		if (*at == '#')
			memset(at, ' ', (size_t)(line_end - at));
		while (at < line_end && (*at == ' ' || *at == '\t' || *at == '\r'))
			at++;
		if (at < line_end)
			return;
		at = newline != NULL ? newline + 1 : end;
	}
}

static bool is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (strchr(" \t\r\n", text[i]) == NULL)
			return false;
	}
	return true;
}

/* The tree points into the text, so that is the document's. Text of comments has no root. */
static int read_json(struct manifest *manifest, const char *text, size_t length, GError **error)
{
	char *copy = (char *)document_copy_text(manifest->document, text, length);

	if (copy == NULL)
		return error_set(error, EFBIG, "the text takes more memory than allowed");
	blank_comments(copy, length);
	if (is_blank(copy, length))
		return 0;
	return json_parse_strict(manifest->document, copy, length, &manifest->root, error);
}

static int read_text(
	struct manifest *manifest, const char *text, size_t length, bool json, GError **error)
{
	int result;

	if (length > MANIFEST_TEXT_MAX) {
		return error_set(error, EFBIG, "the text has %zu bytes, more than %lu", length,
			MANIFEST_TEXT_MAX);
	}
	result = check_encoding(text, length, error);
	if (result < 0)
		return result;
	manifest->document = document_create(0,
		MIN(MANIFEST_MEMORY_MIN + MANIFEST_MEMORY_PER_BYTE * length, MANIFEST_MEMORY_MAX));
	return json ? read_json(manifest, text, length, error)
		    : yaml_read(manifest->document, text, length, YAML_READ_STRICT, &manifest->root,
			      error);
}

/* The member of object as a string; path names it in messages. */
static int read_word(const struct document_node *object, const char *key, const char *path,
	struct word *ret, GError **error)
{
	const struct document_node *node = document_get(object, key);

	*ret = (struct word){"", 0};
	if (node == NULL || node->type == DOCUMENT_NULL)
		return 0;
	if (node->type != DOCUMENT_STRING)
		return error_set(error, EINVAL, "%s%s is not a string", path, key);
	if (memchr(node->text, '\0', node->length) != NULL)
		return error_set(error, EINVAL, "%s%s holds a NUL", path, key);
	*ret = (struct word){node->text, node->length};
	return 0;
}

static int check_object(const struct document_node *root, GError **error)
{
	if (root == NULL || root->type == DOCUMENT_NULL)
		return error_set(error, EINVAL, "the text holds no object");
	if (root->type != DOCUMENT_OBJECT) {
		return error_set(error, EINVAL, "the text is a %s, not an object",
			root->type == DOCUMENT_ARRAY ? "list" : "single value");
	}
	return 0;
}

/* A List of any kind has another apiVersion, too: this tells more. */
static int check_list(
	const struct document_node *root, const struct resource *resource, GError **error)
{
	const struct document_node *items = document_get(root, "items");
	g_autofree char *quoted = NULL;
	struct word kind;
	int result = read_word(root, "kind", "", &kind, error);

	if (result < 0)
		return result;
	if (items == NULL || items->type != DOCUMENT_ARRAY || is_same(kind, resource->kind) ||
		kind.length < 4 || memcmp(kind.text + kind.length - 4, "List", 4) != 0)
		return 0;
	quoted = quote(kind);
	return error_set(error, EINVAL, "kind is \"%s\", but a file holds one object", quoted);
}

static int check_member(const struct document_node *root, const char *key, const char *wanted,
	const char *what, GError **error)
{
	g_autofree char *quoted = NULL;
	struct word word;
	int result = read_word(root, key, "", &word, error);

	if (result < 0 || is_same(word, wanted))
		return result;
	if (is_empty(word))
		return error_set(error, EINVAL, "%s is missing: it is \"%s\" here", key, wanted);
	quoted = quote(word);
	return error_set(error, EINVAL, "%s is \"%s\", but this is %s", key, quoted, what);
}

static int check_type(
	const struct document_node *root, const struct resource *resource, GError **error)
{
	g_autofree char *version =
		resource->group[0] == '\0'
			? g_strdup(resource->version)
			: g_strdup_printf("%s/%s", resource->group, resource->version);
	int result = check_list(root, resource, error);

	if (result == 0)
		result = check_member(root, "apiVersion", version, version, error);
	if (result == 0)
		result = check_member(root, "kind", resource->kind, resource->name, error);
	return result;
}

static int find_metadata(
	struct manifest *manifest, struct document_node **ret_metadata, GError **error)
{
	struct document_node *metadata = document_get(manifest->root, "metadata");

	if (metadata == NULL || metadata->type == DOCUMENT_NULL) {
		metadata = document_new(manifest->document, DOCUMENT_OBJECT);
		if (metadata == NULL)
			return error_set(error, EFBIG, "the text takes more memory than allowed");
		document_set(manifest->root, "metadata", metadata);
	}
	if (metadata->type != DOCUMENT_OBJECT)
		return error_set(error, EINVAL, "metadata is not a map");
	*ret_metadata = metadata;
	return 0;
}

static int read_identity(const struct document_node *metadata, struct identity *ret, GError **error)
{
	int result = read_word(metadata, "name", "metadata.", &ret->name, error);

	if (result == 0)
		result = read_word(metadata, "namespace", "metadata.", &ret->namespace, error);
	if (result == 0)
		result = read_word(metadata, "uid", "metadata.", &ret->uid, error);
	if (result == 0)
		result = read_word(metadata, "resourceVersion", "metadata.", &ret->version, error);
	return result;
}

/* Whether it is an object of the place's name, as far as it says. */
static bool is_named(const struct identity *identity, const struct manifest_place *place)
{
	return (is_empty(identity->name) || is_same(identity->name, place->name)) &&
	       (is_empty(identity->namespace) || is_same(identity->namespace, place->namespace));
}

static bool is_copy(const struct identity *identity, const struct manifest_place *place)
{
	if (is_empty(identity->uid) || is_same(identity->uid, place->uid))
		return false;
	for (char *const *uid = place->elsewhere; uid != NULL && *uid != NULL; uid++) {
		if (is_same(identity->uid, *uid))
			return true;
	}
	return place->uid[0] == '\0' || !is_named(identity, place);
}

static int check_name(const struct document_node *metadata, const struct identity *identity,
	const struct manifest_place *place, GError **error)
{
	struct word generated;
	g_autofree char *quoted = NULL;
	g_autofree char *file = NULL;
	int result = read_word(metadata, "generateName", "metadata.", &generated, error);

	if (result < 0)
		return result;
	file = quote((struct word){place->name, strlen(place->name)});
	if (is_empty(identity->name) && !is_empty(generated)) {
		return error_set(error, EINVAL,
			"metadata.generateName asks for another name than the file's, which is "
			"\"%s\"",
			file);
	}
	if (is_empty(identity->name) || is_same(identity->name, place->name))
		return 0;
	quoted = quote(identity->name);
	return error_set(error, EINVAL, "metadata.name is \"%s\", but the file is \"%s%s\"", quoted,
		file, place->json ? ".json" : ".yaml");
}

static int check_namespace(
	const struct identity *identity, const struct manifest_place *place, GError **error)
{
	g_autofree char *quoted = NULL;
	g_autofree char *directory = NULL;

	if (is_empty(identity->namespace) || is_same(identity->namespace, place->namespace))
		return 0;
	quoted = quote(identity->namespace);
	if (place->namespace[0] == '\0') {
		return error_set(error, EINVAL,
			"metadata.namespace is \"%s\", but %s are in no namespace", quoted,
			place->resource->name);
	}
	directory = quote((struct word){place->namespace, strlen(place->namespace)});
	return error_set(error, EINVAL, "metadata.namespace is \"%s\", but the file is in \"%s\"",
		quoted, directory);
}

/* What is no copy. */
static int check_identity(const struct identity *identity, const struct manifest_place *place,
	enum manifest_origin *ret, GError **error)
{
	if (!is_empty(identity->uid) && !is_same(identity->uid, place->uid)) {
		return error_set(error, EBUSY,
			"metadata.uid is of another object of this name; without uid and "
			"resourceVersion the text replaces the one that is there");
	}
	if (is_empty(identity->uid) && !is_empty(identity->version) && place->uid[0] == '\0') {
		return error_set(
			error, EBUSY, "metadata.resourceVersion is of an object that is not there");
	}
	*ret = is_empty(identity->uid) || is_empty(identity->version) ? MANIFEST_PLAIN
								      : MANIFEST_EDIT;
	return 0;
}

static int set_member(struct manifest *manifest, struct document_node *metadata, const char *key,
	const char *value, GError **error)
{
	size_t length = strlen(value);
	struct document_node *node = NULL;
	const char *copy;

	if (length == 0) {
		document_remove(metadata, key);
		return 0;
	}
	if (!g_utf8_validate(value, -1, NULL))
		return error_set(error, EINVAL, "the %s of the file is not UTF-8", key);
	copy = document_copy_text(manifest->document, value, length);
	if (copy != NULL)
		node = document_new_string(manifest->document, copy, length);
	if (node == NULL)
		return error_set(error, EFBIG, "the text takes more memory than allowed");
	document_set(metadata, key, node);
	return 0;
}

static int place_manifest(
	struct manifest *manifest, const struct manifest_place *place, GError **error)
{
	struct document_node *metadata = NULL;
	struct identity identity = {0};
	int result = find_metadata(manifest, &metadata, error);

	if (result == 0)
		result = read_identity(metadata, &identity, error);
	if (result < 0)
		return result;
	manifest->uid = g_strndup(identity.uid.text, identity.uid.length);
	manifest->version = g_strndup(identity.version.text, identity.version.length);
	if (is_copy(&identity, place)) {
		manifest->origin = MANIFEST_COPY;
		manifest_strip(place->resource, manifest->root);
	} else {
		result = check_name(metadata, &identity, place, error);
		if (result == 0)
			result = check_namespace(&identity, place, error);
		if (result == 0)
			result = check_identity(&identity, place, &manifest->origin, error);
	}
	if (result == 0)
		result = set_member(manifest, metadata, "name", place->name, error);
	if (result == 0)
		result = set_member(manifest, metadata, "namespace", place->namespace, error);
	return result;
}

int manifest_read(const char *text, size_t length, const struct manifest_place *place,
	struct manifest **ret, GError **error)
{
	struct manifest *manifest MANIFEST_CLEANUP = g_new0(struct manifest, 1);
	int result = read_text(manifest, length > 0 ? text : "", length, place->json, error);

	if (result == 0)
		result = check_object(manifest->root, error);
	if (result == 0)
		result = check_type(manifest->root, place->resource, error);
	if (result == 0)
		result = place_manifest(manifest, place, error);
	if (result == 0)
		*ret = g_steal_pointer(&manifest);
	return result;
}

void manifest_free(struct manifest *manifest)
{
	if (manifest == NULL)
		return;
	document_destroy(manifest->document);
	g_free(manifest->uid);
	g_free(manifest->version);
	g_free(manifest);
}

void manifest_free_pointer(struct manifest **manifest)
{
	manifest_free(*manifest);
}
