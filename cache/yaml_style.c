#include "cache/yaml_style.h"

#include <string.h>

#include "cache/utf8.h"
#include "cache/yaml_resolve.h"

/* What a string's bytes ask for. */
#define BLANK 1 /* needs a look at what stands around it, as does: */
#define COLON 2
#define HASH 4
#define ODD 8 /* not printable ASCII: needs a look at the characters */

/* What a first byte asks for. */
#define INDICATOR 16 /* is never plain */
#define DASH 32 /* is not plain before a blank or the end */
#define HINT 64 /* may be something else than a string */

#define ODD16 ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD, ODD

/* clang-format off */
static const unsigned char classes[256] = {
	ODD16, ODD16,
	[' '] = BLANK,
	[':'] = COLON | DASH,
	['#'] = HASH | INDICATOR,
	['?'] = DASH,
	[','] = INDICATOR, ['['] = INDICATOR, [']'] = INDICATOR, ['{'] = INDICATOR,
	['}'] = INDICATOR, ['&'] = INDICATOR, ['*'] = INDICATOR, ['!'] = INDICATOR,
	['|'] = INDICATOR, ['>'] = INDICATOR, ['\''] = INDICATOR, ['"'] = INDICATOR,
	['%'] = INDICATOR, ['@'] = INDICATOR, ['`'] = INDICATOR,
	['-'] = DASH | HINT, ['+'] = HINT, ['.'] = HINT, ['~'] = HINT,
	['0'] = HINT, ['1'] = HINT, ['2'] = HINT, ['3'] = HINT, ['4'] = HINT,
	['5'] = HINT, ['6'] = HINT, ['7'] = HINT, ['8'] = HINT, ['9'] = HINT,
	['y'] = HINT, ['Y'] = HINT, ['n'] = HINT, ['N'] = HINT, ['t'] = HINT,
	['T'] = HINT, ['f'] = HINT, ['F'] = HINT, ['o'] = HINT, ['O'] = HINT,
	[0x7F] = ODD,
	[0x80] = ODD16, ODD16, ODD16, ODD16, ODD16, ODD16, ODD16, ODD16,
};
/* clang-format on */

#define ALL (BLANK | COLON | HASH | ODD)

/* Findings of yaml_emitter_analyze_scalar (emitterc.go). */
struct analysis {
	bool special; /* a character that must be escaped */
	bool multiline;
	bool leading_break;
	bool trailing_break;
	bool break_space; /* a blank behind a break */
	bool space_break; /* a break behind a blank */
};

static void analyze(const char *text, size_t length, struct analysis *ret)
{
	const char *at = text, *end = text + length;
	bool space = false, broken = false;

	*ret = (struct analysis){0};
	while (at < end) {
		size_t width = utf8_length(at, end);
		bool is_space = *at == ' ';
		bool is_break = yaml_break_length(at, end) > 0;

		if (!yaml_is_printable(at, width))
			ret->special = true;
		if (is_space && broken)
			ret->break_space = true;
		if (is_break) {
			ret->multiline = true;
			if (at == text)
				ret->leading_break = true;
			if (at + width == end)
				ret->trailing_break = true;
			if (space)
				ret->space_break = true;
		}
		space = is_space;
		broken = is_break;
		at += width;
	}
}

/* Whether ": " or " #" would end a plain scalar early. */
static bool has_indicator(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == ':' &&
			(i + 1 == length || text[i + 1] == ' ' || text[i + 1] == '\t'))
			return true;
		if (text[i] == '#' && i > 0 && text[i - 1] == ' ')
			return true;
	}
	return false;
}

static bool begins_with_indicator(const char *text, size_t length)
{
	unsigned int class = classes[(unsigned char)text[0]];

	if ((class & INDICATOR) != 0)
		return true;
	if ((class & DASH) != 0 && (length == 1 || text[1] == ' ' || text[1] == '\t'))
		return true;
	return length >= 3 && (memcmp(text, "---", 3) == 0 || memcmp(text, "...", 3) == 0);
}

static bool is_string(const char *text, size_t length)
{
	return (classes[(unsigned char)text[0]] & HINT) == 0 ||
	       !(yaml_resolves(text, length) || yaml_is_base60(text, length));
}

static enum yaml_style choose_odd(
	const char *text, size_t length, const struct analysis *analysis, bool plain)
{
	bool trailing_space = text[length - 1] == ' ';

	if (memchr(text, '\n', length) != NULL) {
		if (trailing_space || analysis->space_break || analysis->special)
			return YAML_DOUBLE_QUOTED;
		return YAML_LITERAL;
	}
	if (!is_string(text, length))
		return YAML_DOUBLE_QUOTED;
	if (analysis->break_space || analysis->space_break || analysis->special)
		return YAML_DOUBLE_QUOTED;
	return plain && !analysis->multiline ? YAML_PLAIN : YAML_SINGLE_QUOTED;
}

struct yaml_choice yaml_choose_style(const char *text, size_t length)
{
	struct yaml_choice choice = {.style = YAML_DOUBLE_QUOTED};
	struct analysis analysis;
	unsigned int found = 0;
	bool plain;

	if (length == 0)
		return choice;
	for (size_t i = 0; i < length; i++)
		found |= classes[(unsigned char)text[i]];
	found &= ALL;
	choice.simple = (found & (BLANK | ODD)) == 0;

	plain = !begins_with_indicator(text, length) && text[0] != ' ' && text[length - 1] != ' ';
	if (plain && (found & (COLON | HASH)) != 0)
		plain = !has_indicator(text, length);
	if ((found & ODD) != 0) {
		analyze(text, length, &analysis);
		choice.multiline = analysis.multiline;
		choice.style = choose_odd(text, length, &analysis, plain);
	} else if (is_string(text, length)) {
		choice.style = plain ? YAML_PLAIN : YAML_SINGLE_QUOTED;
	}
	return choice;
}
