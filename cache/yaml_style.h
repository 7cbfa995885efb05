/*
 * How a string is to be written in YAML.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum yaml_style {
	YAML_PLAIN,
	YAML_SINGLE_QUOTED,
	YAML_DOUBLE_QUOTED,
	YAML_LITERAL,
};

struct yaml_choice {
	enum yaml_style style;
	/*
	 * Printable ASCII without blanks, on one line: to be copied as it is when plain.
	 */
	bool simple;
	bool multiline; /* holds a line break: LF, CR, NEL, LS or PS */
};

/*
 * The style that go.yaml.in/yaml/v2 chooses for a string in block context, which the reader takes
 * back for the same string. text is valid UTF-8.
 */
struct yaml_choice yaml_choose_style(const char *text, size_t length);

/* Bytes of the line break that begins at text < end (0: none). */
static inline size_t yaml_break_length(const char *text, const char *end)
{
	if (*text == '\n' || *text == '\r')
		return 1;
	if (end - text >= 2 && text[0] == '\xC2' && text[1] == '\x85')
		return 2;
	if (end - text >= 3 && text[0] == '\xE2' && text[1] == '\x80' &&
		(text[2] == '\xA8' || text[2] == '\xA9'))
		return 3;
	return 0;
}

/*
 * Whether the character, with its byte length, may stand unescaped (yamlprivateh.go's is_printable:
 * tabs, the byte order mark and all beyond U+FFFF may not).
 */
static inline bool yaml_is_printable(const char *text, size_t length)
{
	const unsigned char *byte = (const unsigned char *)text;

	switch (length) {
	case 1:
		return byte[0] == '\n' || (byte[0] >= 0x20 && byte[0] <= 0x7E);
	case 2:
		return byte[0] != 0xC2 || byte[1] >= 0xA0;
	case 3:
		return !(byte[0] == 0xEF && byte[1] == 0xBB && byte[2] == 0xBF) &&
		       !(byte[0] == 0xEF && byte[1] == 0xBF && byte[2] >= 0xBE);
	default:
		return false;
	}
}
