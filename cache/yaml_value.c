#include "cache/yaml_value.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <yaml.h>

#include "cache/number.h"
#include "cache/utf8.h"
#include "cache/yaml_resolve.h"

#define BINARY_TAG "tag:yaml.org,2002:binary"

static bool is_kind(enum yaml_kind kind, const char *tag)
{
	switch (kind) {
	case YAML_KIND_NULL:
		return strcmp(tag, YAML_NULL_TAG) == 0;
	case YAML_KIND_BOOL:
		return strcmp(tag, YAML_BOOL_TAG) == 0;
	case YAML_KIND_INTEGER:
	case YAML_KIND_UNSIGNED:
		return strcmp(tag, YAML_INT_TAG) == 0;
	case YAML_KIND_FLOAT:
		return strcmp(tag, YAML_FLOAT_TAG) == 0;
	case YAML_KIND_TIMESTAMP:
		return strcmp(tag, YAML_TIMESTAMP_TAG) == 0;
	case YAML_KIND_STRING:
		break;
	}
	return false;
}

/* Tags that resolve.go checks the text against; any other makes it a string. */
static bool is_checked(const char *tag)
{
	static const char *const tags[] = {
		YAML_NULL_TAG, YAML_BOOL_TAG, YAML_INT_TAG, YAML_FLOAT_TAG, YAML_TIMESTAMP_TAG};

	for (size_t i = 0; i < G_N_ELEMENTS(tags); i++) {
		if (strcmp(tag, tags[i]) == 0)
			return true;
	}
	return false;
}

/* decode.go and resolve.go */
static int interpret(
	const struct yaml_source *source, struct yaml_value *ret_value, const char **ret_problem)
{
	const char *tag = source->tag;
	bool timestamps = tag == NULL || strcmp(tag, YAML_TIMESTAMP_TAG) == 0;

	*ret_value = (struct yaml_value){.kind = YAML_KIND_STRING};
	if (tag == NULL ? !source->implicit : !is_checked(tag))
		return 0;
	*ret_value = yaml_resolve(source->text, source->length, timestamps);
	if (tag == NULL || is_kind(ret_value->kind, tag))
		return 0;
	if (ret_value->kind == YAML_KIND_INTEGER && strcmp(tag, YAML_FLOAT_TAG) == 0) {
		double real = (double)ret_value->integer;

		*ret_value = (struct yaml_value){.kind = YAML_KIND_FLOAT, .real = real};
		return 0;
	}
	*ret_problem = "the value is not what its tag says";
	return -EINVAL;
}

/* Standard base64 with padding, line ends allowed, as Go's StdEncoding. */
static bool is_base64(const char *text, size_t length)
{
	size_t count = 0, padding = 0;

	for (size_t i = 0; i < length; i++) {
		char byte = text[i];

		if (byte == '\r' || byte == '\n')
			continue;
		count++;
		if (byte == '=')
			padding++;
		else if (padding > 0 || !(g_ascii_isalnum(byte) || byte == '+' || byte == '/'))
			return false;
	}
	return count % 4 == 0 && padding <= 2;
}

/* JSON has no bytes: what is not UTF-8 becomes U+FFFD, as in Go's encoding/json. */
static const char *copy_as_utf8(
	struct document *document, const char *text, size_t length, size_t *ret_length)
{
	const char *at = text, *end = text + length;
	char *copy = arena_allocate(&document->arena, 3 * length + 1);
	char *out = copy;

	if (copy == NULL)
		return NULL;
	while (at < end) {
		size_t width = utf8_length(at, end);

		memcpy(out, width == 0 ? UTF8_REPLACEMENT : at, width == 0 ? 3 : width);
		out += width == 0 ? 3 : width;
		at += MAX(width, 1);
	}
	*ret_length = (size_t)(out - copy);
	return copy;
}

static int copy_binary(struct document *document, const struct yaml_source *source,
	const char **ret_text, size_t *ret_length, const char **ret_problem)
{
	g_autofree char *encoded = NULL;
	g_autofree guchar *bytes = NULL;
	gsize length;

	if (!is_base64(source->text, source->length)) {
		*ret_problem = "!!binary is not base64";
		return -EINVAL;
	}
	encoded = g_strndup(source->text, source->length);
	bytes = g_base64_decode(encoded, &length);
	*ret_text = copy_as_utf8(document, (const char *)bytes, length, ret_length);
	return *ret_text == NULL ? -EFBIG : 0;
}

static int copy_string(struct document *document, const struct yaml_source *source,
	const char **ret_text, size_t *ret_length, const char **ret_problem)
{
	if (source->tag != NULL && strcmp(source->tag, BINARY_TAG) == 0)
		return copy_binary(document, source, ret_text, ret_length, ret_problem);
	*ret_text = document_copy_text(document, source->text, source->length);
	*ret_length = source->length;
	return *ret_text == NULL ? -EFBIG : 0;
}

/* The JSON text of a number. Returns its length, or 0: JSON has none for it. */
static size_t print_number(const struct yaml_value *value, char text[NUMBER_TEXT_MAX])
{
	switch (value->kind) {
	case YAML_KIND_INTEGER:
		return (size_t)g_snprintf(
			text, NUMBER_TEXT_MAX, "%" G_GINT64_FORMAT, value->integer);
	case YAML_KIND_UNSIGNED:
		return (size_t)g_snprintf(
			text, NUMBER_TEXT_MAX, "%" G_GUINT64_FORMAT, value->unsigned_integer);
	default:
		return isfinite(value->real) ? number_print_json(value->real, text) : 0;
	}
}

static bool is_integer(const char *text, size_t length)
{
	return memchr(text, '.', length) == NULL && memchr(text, 'e', length) == NULL &&
	       number_fits_int64(text, length);
}

static int set_number(struct document *document, const struct yaml_value *value,
	struct document_node *node, const char **ret_problem)
{
	char text[NUMBER_TEXT_MAX];
	size_t length = print_number(value, text);

	if (length == 0) {
		*ret_problem = "JSON has no infinity and no NaN";
		return -EINVAL;
	}
	node->type = is_integer(text, length) ? DOCUMENT_INTEGER : DOCUMENT_FLOAT;
	if (length == 2 && memcmp(text, "-0", 2) == 0) {
		text[0] = '0';
		length = 1;
	}
	node->text = document_copy_text(document, text, length);
	node->length = (uint32_t)length;
	return node->text == NULL ? -EFBIG : 0;
}

static int set_string(struct document *document, const struct yaml_source *source,
	struct document_node *node, const char **ret_problem)
{
	size_t length;
	int result = copy_string(document, source, &node->text, &length, ret_problem);

	node->type = DOCUMENT_STRING;
	if (result == 0)
		node->length = (uint32_t)length;
	return result;
}

int yaml_value_node(struct document *document, const struct yaml_source *source, size_t size,
	struct document_node **ret_node, const char **ret_problem)
{
	struct document_node *node;
	struct yaml_value value;
	int result = interpret(source, &value, ret_problem);

	if (result < 0)
		return result;
	node = arena_allocate(&document->arena, size);
	if (node == NULL)
		return -EFBIG;
	memset(node, 0, size);
	switch (value.kind) {
	case YAML_KIND_NULL:
		node->type = DOCUMENT_NULL;
		break;
	case YAML_KIND_BOOL:
		node->type = value.boolean ? DOCUMENT_TRUE : DOCUMENT_FALSE;
		break;
	case YAML_KIND_INTEGER:
	case YAML_KIND_UNSIGNED:
	case YAML_KIND_FLOAT:
		result = set_number(document, &value, node, ret_problem);
		break;
	case YAML_KIND_STRING:
	case YAML_KIND_TIMESTAMP:
		result = set_string(document, source, node, ret_problem);
		break;
	}
	if (result == 0)
		*ret_node = node;
	return result;
}

static int copy_key(struct document *document, const char *text, size_t length,
	const char **ret_key, size_t *ret_length)
{
	*ret_key = document_copy_text(document, text, length);
	*ret_length = length;
	return *ret_key == NULL ? -EFBIG : 0;
}

/* sigs.k8s.io/yaml prints float keys with the digits of a float32. */
static int float_key(
	struct document *document, double value, const char **ret_key, size_t *ret_length)
{
	char text[NUMBER_TEXT_MAX];

	if (isnan(value))
		return copy_key(document, ".nan", 4, ret_key, ret_length);
	return copy_key(document, text, number_print_g32(value, text), ret_key, ret_length);
}

static int bool_key(struct document *document, bool value, const char **ret_key, size_t *ret_length)
{
	return value ? copy_key(document, "true", 4, ret_key, ret_length)
		     : copy_key(document, "false", 5, ret_key, ret_length);
}

int yaml_value_key(struct document *document, const struct yaml_source *source,
	const char **ret_key, size_t *ret_length, const char **ret_problem)
{
	char text[NUMBER_TEXT_MAX];
	struct yaml_value value;
	int result = interpret(source, &value, ret_problem);

	if (result < 0)
		return result;
	switch (value.kind) {
	case YAML_KIND_NULL:
		*ret_problem = "a key is null";
		return -EINVAL;
	case YAML_KIND_UNSIGNED:
		*ret_problem = "a key is a number beyond 64 bits with sign";
		return -EINVAL;
	case YAML_KIND_BOOL:
		return bool_key(document, value.boolean, ret_key, ret_length);
	case YAML_KIND_INTEGER:
		return copy_key(document, text, print_number(&value, text), ret_key, ret_length);
	case YAML_KIND_FLOAT:
		return float_key(document, value.real, ret_key, ret_length);
	case YAML_KIND_STRING:
	case YAML_KIND_TIMESTAMP:
		break;
	}
	return copy_string(document, source, ret_key, ret_length, ret_problem);
}

int yaml_value_node_key(const struct document_node *node, struct document *document,
	const char **ret_key, size_t *ret_length, const char **ret_problem)
{
	double value = 0;

	switch ((enum document_type)node->type) {
	case DOCUMENT_NULL:
		*ret_problem = "a key is null";
		return -EINVAL;
	case DOCUMENT_FALSE:
	case DOCUMENT_TRUE:
		return bool_key(document, node->type == DOCUMENT_TRUE, ret_key, ret_length);
	case DOCUMENT_FLOAT:
		number_parse(node->text, node->length, &value);
		return float_key(document, value, ret_key, ret_length);
	case DOCUMENT_INTEGER:
	case DOCUMENT_STRING:
		*ret_key = node->text;
		*ret_length = node->length;
		return 0;
	case DOCUMENT_ARRAY:
	case DOCUMENT_OBJECT:
		break;
	}
	*ret_problem = "a key is a map or a list";
	return -EINVAL;
}
