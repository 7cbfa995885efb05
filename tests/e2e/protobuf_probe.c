/*
 * Prints what kubefs makes of objects as YAML, for comparison of protobuf with JSON.
 *
 * A request is one byte of operation, four bytes of length (big endian) and that many bytes:
 *
 *	p  an envelope of protobuf
 *	j  JSON
 *	J  JSON, and metadata.resourceVersion is left out: what is stored has none
 *	l  a list as protobuf: the items, each behind a line "---"
 *	w  a watch as protobuf: the objects, each behind a line "--- TYPE"
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
#include "client/protobuf_stream.h"

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

/* What a stream's handlers do: write YAML while nothing fails. */
struct output {
	struct document *document;
	struct buffer text;
	const struct protobuf_kind *kind; /* of a list's items */
	int result;
	GError *error;
};

static void note_type(
	void *data, const struct protobuf_input *api_version, const struct protobuf_input *kind)
{
	struct output *output = data;

	output->kind = protobuf_find_kind(api_version->at, protobuf_length(api_version), kind->at,
		protobuf_length(kind) - strlen("List"));
}

static void note_metadata(void *data, const struct protobuf_input *resource_version,
	const struct protobuf_input *continue_token)
{
}

static void write_object(struct output *output, const struct document_node *root)
{
	if (output->result == 0)
		output->result = yaml_write(output->document, root, &output->text, &output->error);
	document_reset(output->document);
}

static void note_item(void *data, const struct protobuf_input *message)
{
	struct output *output = data;
	struct document_node *root;

	if (output->result == 0 && output->kind == NULL)
		output->result = error_set(&output->error, EOPNOTSUPP, "a list of unknown objects");
	buffer_append(&output->text, "---\n", 4);
	if (output->result == 0)
		output->result = protobuf_read(output->document, output->kind, message->at,
			protobuf_length(message), PROTOBUF_READ_ALL, &root, &output->error);
	if (output->result == 0)
		write_object(output, root);
}

static void note_event(
	void *data, const struct protobuf_input *type, const struct protobuf_input *envelope)
{
	struct output *output = data;
	struct document_node *root;

	buffer_append(&output->text, "--- ", 4);
	buffer_append(&output->text, type->at, protobuf_length(type));
	buffer_append(&output->text, "\n", 1);
	if (output->result == 0)
		output->result = protobuf_read_envelope(output->document, envelope->at,
			protobuf_length(envelope), PROTOBUF_READ_ALL, &root, &output->error);
	if (output->result == 0)
		write_object(output, root);
}

static void read_stream(
	struct output *output, enum protobuf_stream_mode mode, const char *bytes, size_t length)
{
	static const struct protobuf_stream_handlers handlers = {
		note_type, note_metadata, note_item, note_event};
	struct protobuf_stream *stream = protobuf_stream_create(mode, LIMIT, &handlers, output);
	g_autoptr(GError) error = NULL;
	int result = protobuf_stream_feed(stream, bytes, length, &error);

	if (result == 0)
		result = protobuf_stream_end(stream, &error);
	if (result < 0 && output->result == 0) {
		output->result = result;
		output->error = g_steal_pointer(&error);
	}
	protobuf_stream_free(stream);
}

static void read_one(struct output *output, int operation, const char *bytes, size_t length)
{
	struct document_node *root;

	output->result =
		read_object(output->document, operation, bytes, length, &root, &output->error);
	if (output->result == 0)
		write_object(output, root);
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
	struct output output = {.document = document_create(0, LIMIT)};

	buffer_init(&output.text, LIMIT);
	if (operation == 'l')
		read_stream(&output, PROTOBUF_STREAM_LIST, bytes, length);
	else if (operation == 'w')
		read_stream(&output, PROTOBUF_STREAM_FRAMES, bytes, length);
	else
		read_one(&output, operation, bytes, length);
	if (output.result < 0)
		respond(-output.result, output.error->message, strlen(output.error->message));
	else
		respond(0, output.text.data, output.text.length);
	g_clear_error(&output.error);
	buffer_finish(&output.text);
	document_destroy(output.document);
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
