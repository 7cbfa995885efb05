#include "tests/differential/nasty.h"

#include <math.h>
#include <string.h>

/* clang-format off */
static const char *const fixed[] = {
	"", " ", "  ", "\n", "\n\n", "\n ", " \n", "\t", "\r", "\r\n", "~", "null", "Null",
	"NULL", "nUll", "true", "True", "TRUE", "false", "yes", "Yes", "YES", "yEs", "no", "on",
	"On", "off", "y", "Y", "n", "N", "=", "<<", "<", "-", "--", "---", "--- a", "...",
	"... b", "?", "? ", "?a", ":", ": ", ":a", "a:", "a: b", "a :b", "a #b", "a#b", "#",
	"# a", "#a", "-a", "- a", "!", "!a", "!!str", "&", "&a", "*", "*a", "|", ">", "@", "`",
	"%", "%YAML 1.1", "{", "}", "{}", "[", "]", "[]", ",", "'", "''", "\"", "\"\"", "it's",
	"say \"so\"", "\\", "\\n", "0", "-0", "+0", "00", "01", "07", "08", "0777", "0o7", "0o8",
	"0O17", "0x1F", "0x", "0xg", "0X1f", "-0x1", "0b1", "0b2", "0b-1", "0b+1", "-0b1", "0B1",
	"1", "-1", "+1", "1_000", "_1", "1_", "1__0", "1.", ".1", "1.5", "-1.5", "+.5", "1e3",
	"1E3", "1e+3", "1e-3", "1e400", "-1e400", "1e-400", ".e3", "1.e3", "1e", "1e+", ".", "..",
	".inf", ".Inf", ".INF", "-.inf", "+.inf", ".nan", ".NaN", ".NAN", "-.nan", "inf", "nan",
	"NaN", "Infinity", ".1_0", "._1", ".1_", "1_0.5_0", "1:30", "1:2:3", "1:60",
	"190:20:30.15", "-1:30", "1_0:30", "12:30:45.678", "2024-01-01", "2024-1-1", "2024-13-01",
	"2024-02-30", "2023-02-29", "2024-02-29", "2024-01-01T00:00:00Z", "2024-01-01t00:00:00Z",
	"2024-01-01T00:00:00+01:00", "2024-01-01 00:00:00", "2024-01-01   00:00:00.5",
	"2024-01-01T0:0:0Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z",
	"2024-01-01T00:00:00.123456789Z", "2024-01-01T00:00:00,5Z", "2024-01-01T00:00:00-24:60",
	"2024-01-01T00:00:00+25:00", "2024-01-01 ", "2024-01-01T00:00Z", "0000-01-01",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808",
	"-9223372036854775809", "18446744073709551615", "18446744073709551616",
	"0xffffffffffffffff", "0x10000000000000000", "1e21", "1e20", "a\nb", "a\nb\n", "a\nb\n\n",
	"\na", "\n\na", " a\nb", "a\n b", "a \nb", "a\nb ", "a\n\nb", "a\n \nb", "a\n\tb",
	"\ta\nb", "a\r\nb", "a\r\nb\r\n", "a\rb", "#!/bin/sh\necho x\n", "  indented\nless\n",
	"a: b\nc: d\n", "- a\n- b\n", "--- \na\n", "...\n", "a\n---\nb\n", "\342\200\250",
	"a\342\200\250b", "a\342\200\251", "\342\200\250\n", "a\n\342\200\250b",
	"a\342\200\250\n", "a \342\200\250 b", "\n\342\200\251 a", "\357\273\277",
	"\357\273\277abc d", "a\357\273\277", "\360\237\230\200", "a \360\237\230\200 b",
	"\303\251t\303\251", "\344\270\255\346\226\207", "\302\240", "\357\277\275",
	"kubectl.kubernetes.io/last-applied-configuration",
	"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\"}}\n",
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "100m",
	"128Mi", "1Gi", "10.0.0.1", "fe80::1", "::", "10.0.0.0/8", "a=b", "--flag=value",
	"nginx:1.25", "$(VAR)", "${VAR}", "<a&b>", "C:\\dir", "*.example.com", "@every 5m",
	"0 0 * * *",
};

/* For these kubectl fails, or prints another value. */
static const char *const lost[] = {
	"\177", "\302\200", "\302\205", "a\302\205b", "\302\205\n", "a\n\302\205b", "\302\237",
	"\357\277\276", "\357\277\277", "a \302\205 b",
};

static const char *const bits[] = {
	" ", " ", " ", "  ", "\n", "\n", "\t", "\r", "-", "?", ":", ": ", " #", "#", ",", "[",
	"]", "{", "}", "&", "*", "!", "|", ">", "'", "\"", "%", "@", "`", "\\", "/", "=", "<",
	"~", ".", "_", "a", "b", "word", "No", "0", "1", "9", "\303\251", "\344\270\255",
	"\360\237\230\200", "\342\200\250", "\342\200\251", "\357\273\277", "\302\240", "\001",
	"\033", "\a", "\356\200\200", "\357\277\275", "\331\243", "\314\201",
};
/* clang-format on */

#define PICK(random, list) ((list)[random_below(random, G_N_ELEMENTS(list))])

static void from_alphabet(struct random *random, const char *alphabet, size_t most, GString *text)
{
	size_t letters = strlen(alphabet), count = 1 + random_below(random, most);

	while (count-- > 0)
		g_string_append_c(text, alphabet[random_below(random, letters)]);
}

static void mutate_ascii(struct random *random, const char *from, GString *text)
{
	gsize begin = text->len;

	g_string_append(text, from);
	for (size_t i = random_below(random, 3); i > 0 && text->len > begin; i--) {
		gsize at = begin + random_below(random, text->len - begin);

		if ((unsigned char)text->str[at] >= 0x80)
			continue;
		if (random_once_in(random, 3))
			g_string_erase(text, (gssize)at, 1);
		else
			text->str[at] = "0123456789-:.TZ+_ xe"[random_below(random, 20)];
	}
}

/* Prose of about the width at which lines are folded. */
static void words(struct random *random, GString *text)
{
	size_t count = 5 + random_below(random, 30);

	while (count-- > 0) {
		from_alphabet(random, "abcdefghijklmnopqrstuvwxyz", 12, text);
		if (random_once_in(random, 12))
			g_string_append(text, PICK(random, bits));
		for (size_t blanks = random_once_in(random, 6) ? random_below(random, 4) : 1;
			blanks > 0; blanks--)
			g_string_append_c(text, ' ');
	}
	if (random_once_in(random, 2))
		g_string_append(text, "end");
}

static void block(struct random *random, GString *text)
{
	size_t lines = 1 + random_below(random, 6);

	while (lines-- > 0) {
		for (size_t blanks = random_below(random, 4);
			blanks > 0 && random_once_in(random, 2); blanks--)
			g_string_append_c(text, ' ');
		if (!random_once_in(random, 4))
			from_alphabet(random, "abc: -#", 20, text);
		if (random_once_in(random, 10))
			g_string_append(text, PICK(random, bits));
		if (lines > 0 || random_once_in(random, 2))
			g_string_append_c(text, '\n');
	}
}

static void mixture(struct random *random, bool wild, GString *text)
{
	size_t count = 1 + random_below(random, random_once_in(random, 5) ? 60 : 8);

	while (count-- > 0) {
		if (wild && random_once_in(random, 10))
			g_string_append(text, PICK(random, lost));
		else
			g_string_append(text, PICK(random, bits));
	}
}

static void any_character(struct random *random, bool wild, GString *text)
{
	static const gunichar ranges[] = {0x80, 0x800, 0x3100, 0x10000, 0x110000};
	size_t count = 1 + random_below(random, 6);

	while (count-- > 0) {
		gunichar character = (gunichar)random_below(random, PICK(random, ranges));
		bool refused = (character >= 0x7F && character < 0xA0) || character == 0xFFFE ||
			       character == 0xFFFF;

		if (character >= 0xD800 && character <= 0xDFFF)
			continue;
		if (!refused || wild)
			g_string_append_unichar(text, character);
	}
}

void nasty_string(struct random *random, bool wild, GString *text)
{
	switch (random_below(random, 14)) {
	case 0:
	case 1:
	case 2:
		g_string_append(text, PICK(random, fixed));
		break;
	case 3:
		from_alphabet(random, "0123456789+-.eExXobn_:~", 8, text);
		break;
	case 4:
		mutate_ascii(random, PICK(random, fixed), text);
		break;
	case 5:
		words(random, text);
		break;
	case 6:
		block(random, text);
		break;
	case 7:
		mixture(random, wild, text);
		break;
	case 8:
		any_character(random, wild, text);
		break;
	case 9:
		from_alphabet(random, "ab01", random_once_in(random, 20) ? 3000 : 200, text);
		break;
	case 10:
		if (wild && random_once_in(random, 3))
			g_string_append(text, PICK(random, lost));
		else
			g_string_append_c(text, (char)random_below(random, 0x7F));
		break;
	default:
		from_alphabet(random, "abcdefghijklmnopqrstuvwxyzABC0123456789-./", 20, text);
		break;
	}
}

static void random_float(struct random *random, GString *text)
{
	char buffer[64];
	uint64_t bits64 = random_next(random);
	double value;

	if (random_once_in(random, 4)) /* a power of two */
		bits64 &= UINT64_C(0xFFF0000000000000);
	memcpy(&value, &bits64, sizeof(value));
	if (!isfinite(value))
		value = 0.1;
	g_string_append(text, g_ascii_formatd(buffer, sizeof(buffer), "%.17g", value));
}

static void random_decimal(struct random *random, GString *text)
{
	gsize begin = text->len;

	if (random_once_in(random, 2))
		g_string_append_c(text, '-');
	if (random_once_in(random, 3))
		g_string_append_c(text, '0');
	else {
		g_string_append_c(text, (char)('1' + random_below(random, 9)));
		from_alphabet(random, "0123456789", 22, text);
	}
	if (random_once_in(random, 2)) {
		g_string_append_c(text, '.');
		from_alphabet(random, random_once_in(random, 3) ? "0" : "0123456789", 25, text);
	}
	if (random_once_in(random, 3))
		g_string_append_printf(text, "%c%s%zu", random_once_in(random, 2) ? 'e' : 'E',
			(const char *[]){"", "-", "+"}[random_below(random, 3)],
			random_below(random, random_once_in(random, 2) ? 10 : 250));
	g_assert(text->len > begin);
}

void nasty_number(struct random *random, GString *text)
{
	static const char *const numbers[] = {
		"0",
		"-0",
		"-0.0",
		"0.0",
		"0e5",
		"1",
		"-1",
		"1.0",
		"1e0",
		"1E5",
		"1e+5",
		"100000.5",
		"999999.5",
		"1234567.5",
		"0.0001",
		"0.00001",
		"0.000001",
		"0.0000001",
		"1e-6",
		"1e-7",
		"1e-9",
		"1e-10",
		"1e20",
		"1e21",
		"1e22",
		"123456789012345678901",
		"9223372036854775807",
		"9223372036854775808",
		"-9223372036854775808",
		"-9223372036854775809",
		"9223372036854775807.0",
		"18446744073709551615",
		"18446744073709551616",
		"1.8446744073709551615e19",
		"9007199254740993",
		"9007199254740993.0",
		"1.7976931348623157e308",
		"5e-324",
		"2.2250738585072014e-308",
		"2.2250738585072011e-308",
		"1e-400",
		"-1e-400",
		"0.1",
		"0.30000000000000004",
		"5.684341886080801e-14",
		"2.5",
		"-2.5e-8",
		"1e15",
		"1e16",
		"1e17",
		"123456.789",
	};

	switch (random_below(random, 5)) {
	case 0:
	case 1:
		g_string_append(text, PICK(random, numbers));
		break;
	case 2:
		random_float(random, text);
		break;
	case 3:
		g_string_append_printf(text, "%" G_GINT64_FORMAT,
			(gint64)random_next(random) >> random_below(random, 64));
		break;
	default:
		random_decimal(random, text);
		break;
	}
}
