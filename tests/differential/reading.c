#include "tests/differential/reading.h"

#include <stdio.h>
#include <string.h>

#include "cache/json_parse.h"
#include "cache/json_write.h"
#include "cache/yaml_read.h"
#include "cache/yaml_write.h"
#include "tests/differential/generate.h"
#include "tests/differential/random.h"

#define LIMIT ((size_t)1 << 28)
#define TEXT_MAX 3000
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

static const char *const pieces[] = {
	"a",
	"b: ",
	"- ",
	"? ",
	": ",
	"\n",
	"\n",
	"\n  ",
	"\n  ",
	"\n    ",
	"\n- ",
	"\n  - ",
	"{",
	"}",
	"[",
	"]",
	", ",
	",",
	"&x ",
	"*x",
	"*x ",
	"<<: ",
	"<<: *x\n",
	"!!str ",
	"!!int ",
	"!!float ",
	"!!binary ",
	"!!bool ",
	"!!null ",
	"!!timestamp ",
	"!foo ",
	"! ",
	"| ",
	"|\n  ",
	"|-\n  ",
	">\n  ",
	">+\n ",
	"|2\n  ",
	"'",
	"'",
	"\"",
	"\"",
	"\\n",
	"\\x41",
	"\\u263A",
	"\\U0001F600",
	"\\\n",
	"# c",
	"#",
	"---",
	"---\n",
	"...\n",
	"%YAML 1.1\n---\n",
	"1",
	"0x1F",
	"0777",
	"0o7",
	"1_000",
	"1.5",
	"1e3",
	"yes",
	"null",
	"~",
	"2001-01-01",
	"1:30",
	".inf",
	".5",
	"aGVsbG8=",
	"k: v\n",
	"  k: v\n",
	"- 1\n",
	"\t",
	"  ",
	" ",
	"\r\n",
	"\xC2\x85",
	"\xE2\x80\xA8",
	"\xEF\xBB\xBF",
	"\xC3\xA9",
	"\xF0\x9F\x98\x80",
	"foo bar",
	"a: b",
	"x:y",
	"a #b",
	"@",
	"`",
	"%",
	"http://x:80/",
	"-1",
	"-",
	"?",
	":",
	"=",
	"<<",
	"x: &x {a: 1, b: 2}\n",
	"y: {<<: *x, a: 3}\n",
	"z: {a: 3, <<: [*x, {b: 4}]}\n",
	"&x [1, 2]\n",
	"k: 1\nk: 2\n",
	"1: a\n",
	"1.5: b\n",
	"true: c\n",
};

static void make_of_pieces(struct random *random, GString *text)
{
	for (size_t count = 1 + random_below(random, 14); count > 0; count--)
		g_string_append(text, pieces[random_below(random, G_N_ELEMENTS(pieces))]);
}

/* Our YAML of a generated document, damaged. */
static void make_damaged(struct random *random, guint64 seed, GString *text)
{
	static const char bytes[] = "{}[]:,-?'\"\\ \n#&*!|>%@`a1";
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root;

	buffer_init(&buffer, LIMIT);
	generate_json(seed, text);
	if (json_parse(document, text->str, text->len, &root, NULL) < 0 ||
		yaml_write(document, root, &buffer, NULL) < 0)
		return;
	g_string_truncate(text, 0);
	g_string_append_len(text, buffer.data, (gssize)MIN(buffer.length, TEXT_MAX));
	for (size_t count = 1 + random_below(random, 4); count > 0 && text->len > 0; count--) {
		gssize at = (gssize)random_below(random, text->len);

		switch (random_below(random, 3)) {
		case 0:
			g_string_erase(text, at, 1);
			break;
		case 1:
			g_string_insert(
				text, at, pieces[random_below(random, G_N_ELEMENTS(pieces))]);
			break;
		default:
			text->str[at] = bytes[random_below(random, sizeof(bytes) - 1)];
			break;
		}
	}
}

static void make_text(guint64 seed, GString *text)
{
	struct random random = {.state = seed * UINT64_C(0x2545F4914F6CDD1D)};

	random_next(&random);
	if (random_once_in(&random, 3))
		make_damaged(&random, seed, text);
	else
		make_of_pieces(&random, text);
}

/*
 * libyaml 0.2.5 takes '?' within plain scalars of flow collections and the escape "\/", and ends
 * tags at flow indicators. Keys that become equal only as JSON (1 and "1") are in Go's random
 * order.
 */
static bool is_known(const GString *text)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	const char *tag = memchr(text->str, '!', text->len);
	struct document_node *root;

	return memchr(text->str, '?', text->len) != NULL ||
	       memmem(text->str, text->len, "\\/", 2) != NULL ||
	       (tag != NULL && strpbrk(tag, ",[]{}") != NULL) ||
	       yaml_read(document, text->str, text->len, YAML_READ_STRICT, &root, NULL) < 0;
}

/* Where the line and column of an error are: libyaml counts characters, and more than LF as breaks.
 */
static size_t offset_of(const GString *text, size_t line, size_t column)
{
	const char *at = text->str, *end = text->str + text->len;

	for (; line > 1 && at < end; at = g_utf8_next_char(at)) {
		gunichar character = g_utf8_get_char(at);

		if (character == '\r' && at[1] == '\n')
			continue;
		if (character == '\r' || character == '\n' || character == 0x85 ||
			character == 0x2028 || character == 0x2029)
			line--;
	}
	for (; column > 1 && at < end; column--)
		at = g_utf8_next_char(at);
	return (size_t)(at - text->str);
}

/* Whether the text up to there is what kubectl has read. */
static bool is_first_document(const GString *text, size_t length, struct document_node *theirs)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	struct document_node *root;

	return yaml_read(document, text->str, length, YAML_READ_LAX, &root, NULL) == 0 &&
	       document_equal(root, theirs);
}

static bool begins_line(const GString *text, size_t at)
{
	const char *here = text->str + at;

	return at == 0 || strchr("\r\n", here[-1]) != NULL ||
	       (at >= 2 && memcmp(here - 2, "\xC2\x85", 2) == 0) ||
	       (at >= 3 && memcmp(here - 3, "\xE2\x80\xA8", 3) == 0) ||
	       (at >= 3 && memcmp(here - 3, "\xE2\x80\xA9", 3) == 0);
}

/* Whether the first line with content is indented. */
static bool is_indented(const GString *text)
{
	const char *at = text->str;

	while (*at != '\0' && (strchr("\r\n", *at) != NULL))
		at++;
	return *at == ' ';
}

/* "---", "..." or a directive; or a line further left than the root. */
static bool ends_document(const GString *text, size_t at)
{
	const char *rest = text->str + at;

	if (!begins_line(text, at))
		return false;
	if (strncmp(rest, "---", 3) == 0 || strncmp(rest, "...", 3) == 0 || *rest == '%')
		return true;
	return at > 0 && is_indented(text) && strchr(" \t\r\n#", *rest) == NULL;
}

/* A root of brackets or quotes ends where they do, whatever stands behind it but a comment. */
static bool ends_root(const GString *text, size_t at)
{
	const char *rest = text->str + at;

	rest += strspn(rest, " \t\r\n");
	return at > 0 && strchr("]}'\"", text->str[at - 1]) != NULL && *rest != '#' &&
	       *rest != '\0';
}

/*
 * We read all of the text, kubectl its first document alone: what we refuse must stand behind that,
 * and what is in front of it must be what kubectl has read.
 */
static bool is_behind(
	const GString *text, const char *problem, size_t error, struct document_node *theirs)
{
	/* In "{}a: b" kubectl's document is the {}, while libyaml takes it for a key. */
	bool is_key = strcmp(problem, "a key is a map or a list") == 0;

	/* The root is complete, and no document begins here. */
	if (strcmp(problem, "did not find expected <document start>") == 0 &&
		is_first_document(text, error, theirs))
		return true;
	for (size_t at = 0; at < text->len && (at <= error || is_key); at++)
		if (((at <= error && ends_document(text, at)) || ends_root(text, at)) &&
			is_first_document(text, at, theirs))
			return true;
	return false;
}

static bool has_marked_line(const GString *text)
{
	for (size_t at = 0; at + 3 <= text->len; at++)
		if (begins_line(text, at) && memcmp(text->str + at, BYTE_ORDER_MARK, 3) == 0)
			return true;
	return false;
}

/*
 * goyaml's scanner is an older libyaml: it knows \', has a ':' end a plain scalar in front of a
 * flow indicator, and tags hold such; libyaml loses marks within the text.
 */
static bool is_known_refusal(const GString *text, const char *problem)
{
	const char *tag = memchr(text->str, '!', text->len);

	if (strcmp(problem, "found unknown escape character") == 0)
		return memmem(text->str, text->len, "\\'", 2) != NULL;
	if (strcmp(problem, "did not find expected whitespace or line break") == 0 ||
		strcmp(problem, "did not find expected tag URI") == 0)
		return tag != NULL && strpbrk(tag, ",[]{}") != NULL;
	if (strcmp(problem, "a line begins with a byte order mark") == 0)
		return has_marked_line(text);
	return strcmp(problem, "found unexpected ':'") == 0 ||
	       memmem(text->str, text->len, BYTE_ORDER_MARK, 3) != NULL;
}

/* Why we alone may refuse a text that kubectl reads. */
static enum reading_outcome judge_refusal(
	const GString *text, const char *message, struct document_node *theirs)
{
	bool marked = g_str_has_prefix(text->str, BYTE_ORDER_MARK);
	g_autoptr(GString) bare = g_string_new_len(
		text->str + (marked ? 3 : 0), (gssize)text->len - (marked ? 3 : 0));
	const char *problem = strstr(message, ": ");
	size_t line, column;

	if (problem == NULL || sscanf(message, "line %zu, column %zu: ", &line, &column) != 2)
		return READING_WRONG;
	problem += strlen(": ");
	/* 1 and "1" are one key in JSON alone, of which either value may be kubectl's. */
	if (strcmp(problem, "the map has this key already") == 0)
		return is_first_document(bare, bare->len, theirs) ? READING_KNOWN : READING_WRONG;
	if (is_behind(bare, problem, offset_of(bare, line, column), theirs))
		return READING_STRICTER;
	return is_known_refusal(bare, problem) ? READING_KNOWN : READING_WRONG;
}

static enum reading_outcome judge(
	const GString *text, const struct oracle_response *response, unsigned int flags)
{
	DOCUMENT_CLEANUP struct document *ours = document_create(0, LIMIT);
	DOCUMENT_CLEANUP struct document *theirs = document_create(0, LIMIT);
	struct document_node *our_root, *their_root;
	g_autoptr(GError) error = NULL;
	bool refused = yaml_read(ours, text->str, text->len, flags, &our_root, &error) < 0;
	bool read;

	if (response->failed && refused)
		return READING_REFUSED;
	read = !response->failed &&
	       json_parse(theirs, response->text, response->length, &their_root, NULL) == 0;
	if (read && refused)
		return judge_refusal(text, error->message, their_root);
	if (read && !refused && document_equal(our_root, their_root))
		return READING_SAME;
	return !refused && is_known(text) ? READING_KNOWN : READING_WRONG;
}

static void print_wrong(guint64 seed, const GString *text, const struct oracle_response *response)
{
	DOCUMENT_CLEANUP struct document *document = document_create(0, LIMIT);
	BUFFER_CLEANUP struct buffer buffer;
	struct document_node *root;
	g_autoptr(GError) error = NULL;
	g_autofree char *escaped = g_strescape(text->str, NULL);

	buffer_init(&buffer, LIMIT);
	printf("YAML of seed %" G_GUINT64_FORMAT " is read differently:\n%s\n--- kubectl\n%.*s\n",
		seed, escaped, (int)response->length, response->text);
	if (yaml_read(document, text->str, text->len, YAML_READ_LAX, &root, &error) < 0)
		printf("--- ours\n%s\n", error->message);
	else if (json_write(document, root, JSON_COMPACT, &buffer, NULL) == 0)
		printf("--- ours\n%.*s\n", (int)buffer.length, buffer.data);
}

bool reading_compare(struct oracle *oracle, guint64 first, unsigned long *counts)
{
	struct oracle_request requests[READING_BATCH];
	struct oracle_response responses[READING_BATCH];
	GString *texts[READING_BATCH];
	bool right = true;

	for (size_t i = 0; i < READING_BATCH; i++) {
		texts[i] = g_string_new(NULL);
		make_text(first + i, texts[i]);
		requests[i] = (struct oracle_request){
			i % 2 == 0 ? 'r' : 's', texts[i]->str, texts[i]->len};
	}
	oracle_exchange(oracle, requests, READING_BATCH, responses);
	for (size_t i = 0; i < READING_BATCH; i++) {
		enum reading_outcome outcome = judge(
			texts[i], &responses[i], i % 2 == 0 ? YAML_READ_LAX : YAML_READ_STRICT);

		counts[outcome]++;
		if (outcome == READING_WRONG && right) {
			right = false;
			print_wrong(first + i, texts[i], &responses[i]);
		}
		g_string_free(texts[i], TRUE);
	}
	return right;
}
