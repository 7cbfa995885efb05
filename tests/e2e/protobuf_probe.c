/*
 * Prints what kubefs makes of objects as YAML, for comparison of protobuf with JSON.
 *
 * A request is one byte of operation, four bytes of length (big endian) and that many bytes:
 *
 *	p  an envelope of protobuf
 *	j  JSON
 *	J  JSON, and metadata.resourceVersion is left out: what is stored has none
 *
 * A response is one byte of status (0, or a positive errno), four bytes of length, and the YAML or
 * the error message.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cache/json_parse.h"
#include "cache/protobuf_read.h"
#include "cache/yaml_write.h"
#include "client/error.h"

#define LIMIT ((size_t)1 << 28)

static int read_object(struct document *document, int operation, const char *bytes, size_t length,
	struct document_node **ret_root, GError **error)
{
	struct document_node *metadata;
	int result;

	if (operation == 'p')
		return protobuf_read_envelope(
			document, bytes, length, PROTOBUF_READ_ALL, ret_root, error);
	result = json_parse(document, bytes, length, ret_root, error);
	if (result < 0)
		return result;
	metadata = document_get(*ret_root, "metadata");
	if (operation == 'J' && metadata != NULL)
		document_remove(metadata, "resourceVersion");
	return 0;
}

static void respond(int status, const char *text, size_t length)
{
	guint32 size = GUINT32_TO_BE((guint32)length);

	putchar(status);
	fwrite(&size, sizeof(size), 1, stdout);
	fwrite(text, 1, length, stdout);
	fflush(stdout);
}

static void answer(int operation, const char *bytes, size_t length)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer text;
	struct document_node *root;
	g_autoptr(GError) error = NULL;
	int result = read_object(document, operation, bytes, length, &root, &error);

	buffer_init(&text, LIMIT);
	if (result == 0)
		result = yaml_write(document, root, &text, &error);
	if (result < 0)
		respond(-result, error->message, strlen(error->message));
	else
		respond(0, text.data, text.length);
}

int main(void)
{
	for (;;) {
		int operation = getchar();
		g_autofree char *bytes = NULL;
		guint32 length;

		if (operation == EOF)
			return 0;
		if (fread(&length, sizeof(length), 1, stdin) != 1)
			return 1;
		length = GUINT32_FROM_BE(length);
		bytes = g_malloc(length + 1);
		if (fread(bytes, 1, length, stdin) != length)
			return 1;
		answer(operation, bytes, length);
	}
}
