/*
 * The input as a value that an API server stored, or, when it is no envelope, as a message of the
 * kind that its first two bytes choose. What can be decoded must be a document like any other: its
 * texts read back as the same value.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/protobuf_read.h"
#include "cache/stored_form.h"
#include "cache/yaml_read.h"
#include "cache/yaml_write.h"
#include "client/protobuf_envelope.h"

#define LIMIT ((size_t)1 << 27)
/* Indentation makes the YAML of deep trees long. */
#define YAML_LIMIT ((size_t)1 << 23)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_input(struct document *document, const char *bytes, size_t length,
	enum protobuf_read_flags flags, struct document_node **ret_root, GError **error)
{
	size_t kind;

	if (stored_form(bytes, length) == STORED_PROTOBUF)
		return protobuf_read_envelope(document, bytes, length, flags, ret_root, error);
	kind = ((unsigned char)bytes[0] << 8 | (unsigned char)bytes[1]) % protobuf_kind_count;
	return protobuf_read(
		document, &protobuf_kinds[kind], bytes + 2, length - 2, flags, ret_root, error);
}

static void check_json(struct document *document, const struct document_node *root)
{
	DOCUMENT_CLEANUP struct document *other = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer text;
	struct document_node *back;

	buffer_init(&text, LIMIT);
	if (json_write(document, root, JSON_COMPACT, &text, NULL) < 0)
		return;
	if (json_parse(other, text.data, text.length, &back, NULL) < 0 ||
		!document_equal(root, back))
		abort();
}

static void check_yaml(struct document *document, const struct document_node *root)
{
	DOCUMENT_CLEANUP struct document *other = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer text;
	struct document_node *back;

	buffer_init(&text, YAML_LIMIT);
	if (yaml_write(document, root, &text, NULL) < 0)
		return;
	if (yaml_read(other, text.data, text.length, YAML_READ_STRICT, &back, NULL) < 0 ||
		!document_equal(root, back))
		abort();
}

static void run(const char *bytes, size_t length, enum protobuf_read_flags flags)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	g_autoptr(GError) error = NULL;
	struct document_node *root = NULL;
	int result = read_input(document, bytes, length, flags, &root, &error);

	if ((result < 0) != (error != NULL) || (result < 0) != (root == NULL))
		abort();
	if (result < 0)
		return;
	check_json(document, root);
	check_yaml(document, root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	run((const char *)data, size, PROTOBUF_READ_ALL);
	run((const char *)data, size, PROTOBUF_READ_WITHOUT_FIELDS_V1);
	return 0;
}
