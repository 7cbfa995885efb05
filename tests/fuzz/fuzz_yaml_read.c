/*
 * Hostile YAML: nothing but a value or an error may come of it, and the value must survive our
 * YAML.
 */
#include <errno.h>
#include <glib.h>

#include "cache/yaml_read.h"
#include "cache/yaml_write.h"

#define LIMIT ((size_t)1 << 24)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	DOCUMENT_CLEANUP struct document *again = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	g_autoptr(GError) error = NULL;
	struct document_node *root, *back;
	unsigned int flags = size % 2 == 0 ? YAML_READ_LAX : YAML_READ_STRICT;
	int result;

	buffer_init(&buffer, LIMIT);
	result = yaml_read(document, (const char *)data, size, flags, &root, &error);
	if (result < 0) {
		g_assert_nonnull(error);
		g_assert_cmpint(error->code, ==, -result);
		g_assert_true(g_str_has_prefix(error->message, "line "));
		return 0;
	}
	if (yaml_write(document, root, &buffer, NULL) < 0)
		return 0;
	result = yaml_read(again, buffer.data, buffer.length, YAML_READ_STRICT, &back, &error);
	if (result == -EFBIG)
		return 0;
	g_assert_no_error(error);
	g_assert_true(document_equal(root, back));
	return 0;
}
