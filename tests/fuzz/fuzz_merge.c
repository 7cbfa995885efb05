/*
 * The input as base, theirs, mine and the schema of all three, a line each. What only one side
 * changed is there in the result; what both changed alike is a conflict, or agreed.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/json_parse.h"
#include "cache/merge.h"

#define LIMIT (256UL << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct document *document;
	struct schema_set *set;
	const struct schema *schema;
	struct document_node *sides[3];
};

static bool parse_line(struct input *input, int line, const char *text, size_t length)
{
	if (line < 3)
		return json_parse(input->document, text, length, &input->sides[line], NULL) == 0;
	if (schema_set_parse(text, length, &input->set, NULL) == 0)
		input->schema = schema_of_kind(input->set, "", "v", "T");
	return true;
}

static const struct document_node *merge(const struct input *input, unsigned int flags,
	const struct document_node *base, const struct document_node *theirs,
	const struct document_node *mine)
{
	struct document_node *merged = NULL;
	g_autoptr(GError) error = NULL;
	int result = merge_three(
		input->document, input->schema, base, theirs, mine, flags, &merged, &error);

	if ((result < 0) != (error != NULL) || (result < 0) != (merged == NULL))
		abort();
	if (result < 0 && result != -EBUSY)
		abort();
	if (result < 0 && (strchr(error->message, '\n') != NULL || strlen(error->message) > 2500))
		abort();
	if (result < 0 && (flags & MERGE_MINE_WINS) != 0)
		abort();
	return merged;
}

static void expect(const struct document_node *merged, const struct document_node *wanted)
{
	if (merged == NULL || !document_equal(merged, wanted))
		abort();
}

static void check(const struct input *input)
{
	const struct document_node *base = input->sides[0];
	const struct document_node *theirs = input->sides[1];
	const struct document_node *mine = input->sides[2];

	for (unsigned int flags = 0; flags < 4; flags++) {
		expect(merge(input, flags, base, base, mine), mine);
		expect(merge(input, flags, base, theirs, base), theirs);
		merge(input, flags, base, theirs, mine);
	}
	if ((merge(input, 0, base, mine, mine) == NULL) == document_equal(base, mine))
		abort();
	expect(merge(input, MERGE_SAME_AGREES, base, mine, mine), mine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	struct input input = {.document = document};
	const char *at = (const char *)data, *end = at + size;
	int line = 0;

	for (; line < 4 && at < end; line++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline == NULL ? end : newline;

		if (!parse_line(&input, line, at, (size_t)(stop - at)))
			break;
		at = newline == NULL ? end : newline + 1;
	}
	if (line >= 3)
		check(&input);
	schema_set_unref(input.set);
	return 0;
}
