#include "tests/differential/generate.h"

#include <string.h>

#include "cache/utf8.h"
#include "tests/differential/nasty.h"

struct generator {
	struct random random;
	GString *text;
	GString *scratch;
	size_t budget; /* nodes that may still come */
	bool wild; /* characters for which kubectl fails or loses the value */
	bool sloppy; /* escapes, white space, duplicate keys, bad UTF-8 */
	bool tame; /* only what Kubernetes objects look like */
};

static const char *const fields[] = {
	"apiVersion",
	"kind",
	"metadata",
	"name",
	"namespace",
	"labels",
	"annotations",
	"spec",
	"status",
	"containers",
	"image",
	"ports",
	"containerPort",
	"protocol",
	"env",
	"value",
	"valueFrom",
	"resources",
	"limits",
	"requests",
	"cpu",
	"memory",
	"volumeMounts",
	"mountPath",
	"readOnly",
	"conditions",
	"lastTransitionTime",
	"message",
	"reason",
	"type",
	"data",
	"stringData",
	"app.kubernetes.io/name",
	"tls.crt",
	"config.yaml",
	"replicas",
	"selector",
	"matchLabels",
	"template",
	"x-1",
	"x-10",
	"x-9",
	"x_2",
	"X",
	"a1b",
	"a01b",
	"a001",
	"a10",
	"a2",
};

static void space(struct generator *generator)
{
	if (!generator->sloppy || !random_once_in(&generator->random, 5))
		return;
	g_string_append_c(generator->text, " \t\r\n"[random_below(&generator->random, 4)]);
}

static void spell_hex(struct generator *generator, unsigned int unit)
{
	if (random_once_in(&generator->random, 2))
		g_string_append_printf(generator->text, "\\u%04x", unit);
	else
		g_string_append_printf(generator->text, "\\u%04X", unit);
}

static void spell_escape(struct generator *generator, uint32_t character)
{
	static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

	for (size_t i = 0; i + 1 < sizeof(letters); i += 2) {
		if (letters[i + 1] == (char)character && character < 0x80 &&
			random_once_in(&generator->random, 2)) {
			g_string_append_c(generator->text, '\\');
			g_string_append_c(generator->text, letters[i]);
			return;
		}
	}
	if (character >= 0x10000) {
		spell_hex(generator, 0xD800 + ((character - 0x10000) >> 10));
		spell_hex(generator, 0xDC00 + ((character - 0x10000) & 0x3FF));
		return;
	}
	spell_hex(generator, character);
}

/* What is no character at all: raw bytes and halves of surrogate pairs. */
static void spell_broken(struct generator *generator)
{
	static const char *const broken[] = {
		"\x80",
		"\xC3",
		"\xC0\x80",
		"\xE2\x80",
		"\xED\xA0\x80",
		"\xF0\x9F\x98",
		"\xF4\x90\x80\x80",
		"\xFF",
		"\\ud800",
		"\\udc00",
		"\\ud83d\\u0041",
		"\\uD83D\\uD83D\\uDE00",
		"\\udfff\\ud800",
		"\xF8\x88\x80\x80\x80",
		"\xE4\xB8",
		"\\ud83dx",
		"\\ud83d\\n",
	};

	g_string_append(
		generator->text, broken[random_below(&generator->random, G_N_ELEMENTS(broken))]);
}

static void spell_string(struct generator *generator, const char *text, size_t length)
{
	const char *at = text, *end = text + length;

	g_string_append_c(generator->text, '"');
	while (at < end) {
		const char *begin = at;
		uint32_t character = utf8_next(&at);

		if (character < ' ' || character == '"' || character == '\\' ||
			(generator->sloppy && random_once_in(&generator->random, 12)))
			spell_escape(generator, character);
		else
			g_string_append_len(generator->text, begin, at - begin);
		if (generator->sloppy && random_once_in(&generator->random, 60))
			spell_broken(generator);
	}
	g_string_append_c(generator->text, '"');
}

static void any_string(struct generator *generator)
{
	g_string_truncate(generator->scratch, 0);
	nasty_string(&generator->random, generator->wild, generator->scratch);
	spell_string(generator, generator->scratch->str, generator->scratch->len);
}

/* Some 128 characters, where keys stop being simple, or more than the scanner's 1,024. */
static void long_key(struct generator *generator)
{
	size_t length = generator->wild && random_once_in(&generator->random, 3)
				? 900 + random_below(&generator->random, 300)
				: 118 + random_below(&generator->random, 20);

	g_string_truncate(generator->scratch, 0);
	while (generator->scratch->len < length) {
		g_string_append(generator->scratch,
			random_once_in(&generator->random, 9) ? " \xC3\xA9" : "k");
	}
	spell_string(generator, generator->scratch->str, generator->scratch->len);
}

static void any_key(struct generator *generator)
{
	if (generator->tame || random_once_in(&generator->random, 2)) {
		const char *field = fields[random_below(&generator->random, G_N_ELEMENTS(fields))];

		spell_string(generator, field, strlen(field));
	} else if (random_once_in(&generator->random, 30)) {
		long_key(generator);
	} else if (random_once_in(&generator->random, 4)) {
		g_string_truncate(generator->scratch, 0);
		for (size_t count = 1 + random_below(&generator->random, 8); count > 0; count--) {
			g_string_append_c(generator->scratch,
				"01901ab-._A/"[random_below(&generator->random, 12)]);
		}
		spell_string(generator, generator->scratch->str, generator->scratch->len);
	} else {
		any_string(generator);
	}
}

static void any_scalar(struct generator *generator)
{
	static const char *const words[] = {"null", "true", "false"};

	switch (random_below(&generator->random, 8)) {
	case 0:
		g_string_append(generator->text, words[random_below(&generator->random, 3)]);
		break;
	case 1:
	case 2:
		nasty_number(&generator->random, generator->text);
		break;
	default:
		any_string(generator);
		break;
	}
}

static void any_value(struct generator *generator, unsigned int depth);

static void any_container(struct generator *generator, unsigned int depth)
{
	bool object = !random_once_in(&generator->random, 3);
	size_t count = random_below(&generator->random, 7);

	if (random_once_in(&generator->random, 40))
		count = random_below(&generator->random, 60);
	g_string_append_c(generator->text, object ? '{' : '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			g_string_append_c(generator->text, ',');
		space(generator);
		if (object) {
			any_key(generator);
			space(generator);
			g_string_append_c(generator->text, ':');
			space(generator);
		}
		any_value(generator, depth);
		space(generator);
	}
	space(generator);
	g_string_append_c(generator->text, object ? '}' : ']');
}

static void any_value(struct generator *generator, unsigned int depth)
{
	if (generator->budget > 0)
		generator->budget--;
	if (depth > 0 && generator->budget > 0 && random_once_in(&generator->random, 3))
		any_container(generator, depth - 1);
	else
		any_scalar(generator);
}

/* Levels upon levels with a value at the bottom. */
static void deep_value(struct generator *generator, size_t depth)
{
	GString *closing = g_string_new(NULL);

	for (size_t i = 0; i < depth; i++) {
		bool object = random_once_in(&generator->random, 2);

		g_string_append_c(generator->text, object ? '{' : '[');
		g_string_prepend_c(closing, object ? '}' : ']');
		if (object) {
			any_key(generator);
			g_string_append_c(generator->text, ':');
		}
	}
	any_scalar(generator);
	g_string_append(generator->text, closing->str);
	g_string_free(closing, TRUE);
}

void generate_json(uint64_t seed, GString *text)
{
	struct generator generator = {
		.random = {.state = seed * UINT64_C(0x2545F4914F6CDD1D)},
		.text = text,
		.scratch = g_string_new(NULL),
		.budget = 40,
	};

	g_string_truncate(text, 0);
	random_next(&generator.random);
	generator.wild = random_once_in(&generator.random, 6);
	generator.sloppy = random_once_in(&generator.random, 4);
	generator.tame = random_once_in(&generator.random, 4);
	space(&generator);
	if (random_once_in(&generator.random, 200))
		deep_value(&generator, 150 + random_below(&generator.random, 100));
	else if (random_once_in(&generator.random, 12))
		any_value(&generator, 3);
	else
		any_container(&generator, 1 + (unsigned int)random_below(&generator.random, 6));
	space(&generator);
	g_string_free(generator.scratch, TRUE);
}

void generate_damage(uint64_t seed, GString *text)
{
	static const char bytes[] = "{}[],:\"\\ 0-+.eEtfnu\n\t\x01\x80\xff'/a";
	struct random random = {.state = seed ^ UINT64_C(0xD6E8FEB86659FD93)};

	for (size_t count = 1 + random_below(&random, 3); count > 0 && text->len > 0; count--) {
		gssize at = (gssize)random_below(&random, text->len);
		char byte = bytes[random_below(&random, sizeof(bytes) - 1)];

		switch (random_below(&random, 3)) {
		case 0:
			g_string_erase(text, at, 1);
			break;
		case 1:
			g_string_insert_c(text, at, byte);
			break;
		default:
			text->str[at] = byte;
			break;
		}
	}
}
