#include "cache/yaml_input.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "cache/utf8.h"
#include "client/error.h"

/* libyaml looks through all of them at every other. */
#define TAG_DIRECTIVES_MAX 64

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

static bool has_byte_order_mark(const struct yaml_input *input)
{
	return input->length >= 3 && memcmp(input->text, BYTE_ORDER_MARK, 3) == 0;
}

struct yaml_input yaml_input_of(const char *text, size_t length)
{
	struct yaml_input input = {.text = length > 0 ? text : "", .length = length};

	if (has_byte_order_mark(&input)) {
		input.text += 3;
		input.length -= 3;
	}
	return input;
}

/* Behind CR, LF, NEL, LS or PS. */
static bool begins_line(const char *at, size_t before)
{
	return (before >= 1 && (at[-1] == '\r' || at[-1] == '\n')) ||
	       (before >= 2 && memcmp(at - 2, "\xC2\x85", 2) == 0) ||
	       (before >= 3 && (memcmp(at - 3, "\xE2\x80\xA8", 3) == 0 ||
				       memcmp(at - 3, "\xE2\x80\xA9", 3) == 0));
}

/* How often what stands at the begin of a line other than the first. */
static size_t count_lines(const struct yaml_input *input, const char *what)
{
	const char *at = input->text, *end = at + input->length;
	size_t length = strlen(what), count = 0;

	while ((at = memmem(at, (size_t)(end - at), what, length)) != NULL) {
		if (begins_line(at, (size_t)(at - input->text)))
			count++;
		at += length;
	}
	return count;
}

int yaml_input_check(const struct yaml_input *input, GError **error)
{
	if (count_lines(input, "%TAG") > TAG_DIRECTIVES_MAX) {
		return error_set(error, EFBIG, "line 1, column 1: more than %d %%TAG lines",
			TAG_DIRECTIVES_MAX);
	}
	/* libyaml drops it from the value that begins there; goyaml does not. */
	if (has_byte_order_mark(input) || count_lines(input, BYTE_ORDER_MARK) > 0) {
		return error_set(
			error, EINVAL, "line 1, column 1: a line begins with a byte order mark");
	}
	return 0;
}

void yaml_input_position(
	const struct yaml_input *input, size_t offset, size_t *ret_line, size_t *ret_column)
{
	size_t line = 0, column = 0;

	for (size_t i = 0; i < MIN(offset, input->length); i++) {
		if (input->text[i] == '\n') {
			line++;
			column = 0;
		} else {
			column += !utf8_is_continuation(input->text[i]);
		}
	}
	*ret_line = line;
	*ret_column = column;
}
