/*
 * JSON that is parsed must come back the same from our JSON and from our YAML.
 */
#include <errno.h>
#include <glib.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/yaml_read.h"
#include "cache/yaml_write.h"

#define LIMIT ((size_t)1 << 26)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(struct document *scratch, const struct document_node *root,
	enum json_style style, struct buffer *buffer)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	struct document_node *back;

	buffer_reset(buffer, LIMIT);
	if (json_write(scratch, root, style, buffer, NULL) < 0)
		return;
	g_assert_cmpint(json_parse(document, buffer->data, buffer->length, &back, NULL), ==, 0);
	g_assert_true(document_equal(root, back));
}

static void check_yaml(
	struct document *scratch, const struct document_node *root, struct buffer *buffer)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	g_autoptr(GError) error = NULL;
	struct document_node *back;
	int result;

	buffer_reset(buffer, LIMIT);
	if (yaml_write(scratch, root, buffer, NULL) < 0)
		return;
	result = yaml_read(document, buffer->data, buffer->length, YAML_READ_STRICT, &back, &error);
	if (result == -EFBIG)
		return;
	g_assert_no_error(error);
	g_assert_true(document_equal(root, back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root;

	buffer_init(&buffer, LIMIT);
	if (json_parse(document, (const char *)data, size, &root, NULL) < 0)
		return 0;
	check_json(document, root, JSON_COMPACT, &buffer);
	check_json(document, root, JSON_KUBECTL, &buffer);
	check_yaml(document, root, &buffer);
	return 0;
}
