#include "cache/yaml_scalar.h"

#include "cache/utf8.h"

/* Text under way and the column that it has come to. */
struct state {
	struct buffer *out;
	size_t indent;
	size_t column;
};

static bool append(struct state *state, const char *text, size_t length, size_t columns)
{
	state->column += columns;
	return buffer_append(state->out, text, length);
}

static bool append_blanks(struct state *state, size_t count)
{
	if (count == 0)
		return true;
	if (!buffer_reserve(state->out, count))
		return false;
	memset(state->out->data + state->out->length, ' ', count);
	state->out->length += count;
	state->column += count;
	return true;
}

static bool start_line(struct state *state)
{
	if (!buffer_append(state->out, "\n", 1))
		return false;
	state->column = 0;
	return append_blanks(state, state->indent);
}

static size_t count_characters(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += !utf8_is_continuation(text[i]);
	return count;
}

/* Whether the blank at i may become a line break: it is single, and the line is long enough. */
static bool folds(const struct yaml_scalar *scalar, const struct state *state, size_t i)
{
	return scalar->foldable && state->column > YAML_WIDTH && i > 0 && i + 1 < scalar->length &&
	       scalar->text[i - 1] != ' ' && scalar->text[i + 1] != ' ';
}

/* Copies one line's worth, folding it; quotes are doubled when quote is set. */
static bool write_words(const struct yaml_scalar *scalar, struct state *state, bool quote)
{
	const char *text = scalar->text;
	size_t i = 0;

	while (i < scalar->length) {
		size_t begin = i;

		if (text[i] == ' ') {
			bool done = folds(scalar, state, i) ? start_line(state)
							    : append(state, " ", 1, 1);

			if (!done)
				return false;
			i++;
			continue;
		}
		if (quote && text[i] == '\'' && !append(state, "'", 1, 1))
			return false;
		do
			i++;
		while (i < scalar->length && text[i] != ' ' && !(quote && text[i] == '\''));
		if (!append(state, text + begin, i - begin,
			    count_characters(text + begin, i - begin)))
			return false;
	}
	return true;
}

/* As write_words, of text with line breaks (LS and PS: what holds LF is no single-quoted one). */
static bool write_lines(const struct yaml_scalar *scalar, struct state *state)
{
	const char *at = scalar->text, *end = at + scalar->length;

	while (at < end) {
		const char *begin = at;
		struct yaml_scalar line = *scalar;

		while (at < end && yaml_break_length(at, end) == 0)
			at++;
		line.text = begin;
		line.length = (size_t)(at - begin);
		/* The last blank of a line is no last one of the scalar; but none stands there. */
		if (line.length > 0 && (begin != scalar->text && state->column == 0) &&
			!append_blanks(state, scalar->indent))
			return false;
		if (!write_words(&line, state, true))
			return false;
		while (at < end && yaml_break_length(at, end) > 0) {
			size_t width = yaml_break_length(at, end);

			if (!buffer_append(state->out, at, width))
				return false;
			state->column = 0;
			at += width;
		}
	}
	return true;
}

static bool write_single_quoted(const struct yaml_scalar *scalar, struct state *state)
{
	if (!append(state, "'", 1, 1))
		return false;
	if (!(scalar->choice.multiline ? write_lines(scalar, state)
				       : write_words(scalar, state, true)))
		return false;
	return append(state, "'", 1, 1);
}

/* Returns the length of what stands for the character; at most 10. */
static size_t escape(uint32_t character, char *text)
{
	static const char upper[] = "0123456789ABCDEF";
	static const struct {
		uint32_t character;
		char letter;
	} letters[] = {
		{0x00, '0'},
		{0x07, 'a'},
		{0x08, 'b'},
		{0x09, 't'},
		{0x0A, 'n'},
		{0x0B, 'v'},
		{0x0C, 'f'},
		{0x0D, 'r'},
		{0x1B, 'e'},
		{'"', '"'},
		{'\\', '\\'},
		{0x85, 'N'},
		{0xA0, '_'},
		{0x2028, 'L'},
		{0x2029, 'P'},
	};
	int digits;

	text[0] = '\\';
	for (size_t i = 0; i < G_N_ELEMENTS(letters); i++) {
		if (letters[i].character == character) {
			text[1] = letters[i].letter;
			return 2;
		}
	}
	digits = character <= 0xFF ? 2 : character <= 0xFFFF ? 4 : 8;
	text[1] = "xuU"[digits / 4];
	for (int i = 0; i < digits; i++)
		text[2 + i] = upper[character >> (4 * (digits - 1 - i)) & 0x0F];
	return 2 + (size_t)digits;
}

static bool write_escaped(struct state *state, const char **at)
{
	char text[16];
	size_t length = escape(utf8_next(at), text);

	return append(state, text, length, length);
}

/* The blank at i; a run of them that starts a line needs a backslash to count. */
static bool write_blank(const struct yaml_scalar *scalar, struct state *state, size_t i)
{
	if (!scalar->foldable || state->column <= YAML_WIDTH || i == 0 || i + 1 == scalar->length ||
		scalar->text[i - 1] == ' ')
		return append(state, " ", 1, 1);
	if (!start_line(state))
		return false;
	return scalar->text[i + 1] != ' ' || append(state, "\\", 1, 1);
}

static bool write_double_quoted(const struct yaml_scalar *scalar, struct state *state)
{
	const char *at = scalar->text, *end = at + scalar->length;
	/* goyaml looks for the byte order mark at the begin of the text, wherever it is. */
	bool marked = scalar->length >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0;

	if (!append(state, "\"", 1, 1))
		return false;
	while (at < end) {
		size_t width = utf8_length(at, end);
		bool done;

		if (marked || !yaml_is_printable(at, width) || yaml_break_length(at, end) > 0 ||
			*at == '"' || *at == '\\') {
			done = write_escaped(state, &at);
		} else if (*at == ' ') {
			done = write_blank(scalar, state, (size_t)(at - scalar->text));
			at++;
		} else {
			done = append(state, at, width, 1);
			at += width;
		}
		if (!done)
			return false;
	}
	return append(state, "\"", 1, 1);
}

/* How the last breaks are to be kept: '-' none, '+' all, '\0' the only one. */
static char chomping(const char *text, size_t length)
{
	const char *end = text + length, *last = end - 1;

	while (utf8_is_continuation(*last))
		last--;
	if (yaml_break_length(last, end) == 0)
		return '-';
	if (last == text)
		return '+';
	last--;
	while (utf8_is_continuation(*last))
		last--;
	return yaml_break_length(last, end) > 0 ? '+' : '\0';
}

static bool write_literal(const struct yaml_scalar *scalar, struct state *state)
{
	const char *at = scalar->text, *end = at + scalar->length;
	char header[4] = "|";
	size_t length = 1;
	bool fresh = true;

	if (*at == ' ' || yaml_break_length(at, end) > 0)
		header[length++] = '2';
	header[length] = chomping(at, scalar->length);
	length += header[length] != '\0';
	header[length++] = '\n';
	if (!append(state, header, length, 0))
		return false;

	while (at < end) {
		const char *line = at;
		size_t width = 0;

		while (at < end && (width = yaml_break_length(at, end)) == 0)
			at++;
		state->column = 0;
		if (at > line &&
			(!append_blanks(state, scalar->indent) ||
				!append(state, line, (size_t)(at - line), (size_t)(at - line))))
			return false;
		fresh = at < end;
		if (fresh && !append(state, at, width, 0))
			return false;
		if (fresh)
			state->column = 0;
		at += width;
	}
	return true;
}

bool yaml_scalar_write(const struct yaml_scalar *scalar, struct buffer *out, bool *ret_line_start)
{
	struct state state = {.out = out, .indent = scalar->indent, .column = scalar->column};
	bool done = false;

	*ret_line_start = false;
	switch (scalar->choice.style) {
	case YAML_PLAIN:
		return write_words(scalar, &state, false);
	case YAML_SINGLE_QUOTED:
		return write_single_quoted(scalar, &state);
	case YAML_DOUBLE_QUOTED:
		return write_double_quoted(scalar, &state);
	case YAML_LITERAL:
		done = write_literal(scalar, &state);
		*ret_line_start = state.column == 0;
		break;
	}
	return done;
}
