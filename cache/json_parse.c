#include "cache/json_parse.h"

#include <errno.h>

#include "cache/document_order.h"
#include "cache/json_string.h"
#include "cache/number.h"
#include "cache/yaml_input.h"
#include "client/error.h"
#include "client/escape.h"

/* Bytes of a key that a message quotes. */
#define QUOTE_MAX 100

/*
 * While a container is open its next is its parent, and its first is its last child, whose next is
 * the first: so no stack is needed.
 */
struct parser {
	struct arena *arena;
	const char *at;
	const char *end;
	struct document_node *container; /* the innermost open one, or NULL */
	struct json_string key; /* of the value that comes next */
	unsigned int depth; /* of containers, with those around the text */
	bool strict; /* an equal key is an error */
	bool complete; /* the root's end was met */
	const struct document_node *duplicate; /* that error */
};

static inline void skip_space(struct parser *parser)
{
	const char *at = parser->at;

	while (at < parser->end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	parser->at = at;
}

static inline struct document_node *add_node(struct parser *parser, enum document_type type)
{
	struct document_node *node = arena_allocate(parser->arena, sizeof(*node));

	if (G_LIKELY(node != NULL)) {
		node->type = type;
		node->length = 0;
		node->first = NULL;
		node->next = NULL;
		node->key = parser->key.text;
		node->key_length = (uint32_t)parser->key.length;
	}
	return node;
}

static inline bool is_digit(const struct parser *parser)
{
	return parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
}

static bool skip_digits(struct parser *parser)
{
	if (!is_digit(parser))
		return false;
	while (is_digit(parser))
		parser->at++;
	return true;
}

/* The fraction and exponent. FALSE: malformed. */
static bool skip_fraction(struct parser *parser)
{
	if (parser->at < parser->end && *parser->at == '.') {
		parser->at++;
		if (!skip_digits(parser))
			return false;
	}
	if (parser->at < parser->end && (*parser->at == 'e' || *parser->at == 'E')) {
		parser->at++;
		if (parser->at < parser->end && (*parser->at == '+' || *parser->at == '-'))
			parser->at++;
		return skip_digits(parser);
	}
	return true;
}

static int parse_number(struct parser *parser, struct document_node **ret_node)
{
	const char *begin = parser->at, *whole;
	enum document_type type = DOCUMENT_INTEGER;
	struct document_node *node;
	size_t length;
	double value;

	if (*parser->at == '-')
		parser->at++;
	if (parser->at < parser->end && *parser->at == '0')
		parser->at++;
	else if (!skip_digits(parser))
		return -EBADMSG;
	whole = parser->at;
	if (!skip_fraction(parser))
		return -EBADMSG;
	length = (size_t)(parser->at - begin);
	if (whole != parser->at || (length > 18 && !number_fits_int64(begin, length))) {
		type = DOCUMENT_FLOAT;
		if (!number_parse(begin, length, &value)) {
			parser->at = begin;
			return -EBADMSG;
		}
	} else if (length == 2 && begin[0] == '-' && begin[1] == '0') {
		begin++;
		length = 1;
	}
	node = add_node(parser, type);
	if (node == NULL)
		return -EFBIG;
	node->text = begin;
	node->length = (uint32_t)length;
	*ret_node = node;
	return 0;
}

static int parse_string(struct parser *parser, struct document_node **ret_node)
{
	struct document_node *node = add_node(parser, DOCUMENT_STRING);
	struct json_string string;
	int result;

	if (node == NULL)
		return -EFBIG;
	result = json_string_parse(&parser->at, parser->end, parser->arena, &string);
	if (result < 0)
		return result;
	node->text = string.text;
	node->length = (uint32_t)string.length;
	*ret_node = node;
	return 0;
}

static int parse_word(struct parser *parser, const char *word, enum document_type type,
	struct document_node **ret_node)
{
	size_t length = strlen(word);

	if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, word, length) != 0)
		return -EBADMSG;
	parser->at += length;
	*ret_node = add_node(parser, type);
	return *ret_node == NULL ? -EFBIG : 0;
}

static int parse_scalar(struct parser *parser, struct document_node **ret_node)
{
	switch (*parser->at) {
	case '"':
		return parse_string(parser, ret_node);
	case 't':
		return parse_word(parser, "true", DOCUMENT_TRUE, ret_node);
	case 'f':
		return parse_word(parser, "false", DOCUMENT_FALSE, ret_node);
	case 'n':
		return parse_word(parser, "null", DOCUMENT_NULL, ret_node);
	default:
		return parse_number(parser, ret_node);
	}
}

static int open_container(struct parser *parser, enum document_type type)
{
	struct document_node *node;

	if (++parser->depth > DOCUMENT_DEPTH_MAX)
		return -EFBIG;
	node = add_node(parser, type);
	if (node == NULL)
		return -EFBIG;
	node->next = parser->container;
	parser->container = node;
	parser->key = (struct json_string){0};
	parser->at++;
	return 0;
}

static inline void add_child(struct document_node *container, struct document_node *child)
{
	struct document_node *last = container->first;

	if (last == NULL) {
		child->next = child;
	} else {
		child->next = last->next;
		last->next = child;
	}
	container->first = child;
	container->length++;
}

static int close_object(struct parser *parser, struct document_node *object)
{
	const struct document_node *duplicate = NULL;
	int result = document_unique(parser->arena, object, &duplicate);

	if (result < 0 || duplicate == NULL || !parser->strict)
		return result;
	parser->duplicate = duplicate;
	return -EBADMSG;
}

/* Closes the innermost container, which is then an ordinary node. */
static int close_container(struct parser *parser, struct document_node **ret_node)
{
	struct document_node *node = parser->container;
	struct document_node *last = node->first;

	parser->container = node->next;
	parser->depth--;
	parser->at++;
	node->next = NULL;
	if (last != NULL) {
		node->first = last->next;
		last->next = NULL;
	}
	*ret_node = node;
	return node->type == DOCUMENT_OBJECT ? close_object(parser, node) : 0;
}

static int parse_key(struct parser *parser)
{
	int result;

	skip_space(parser);
	if (parser->at == parser->end || *parser->at != '"')
		return -EBADMSG;
	result = json_string_parse(&parser->at, parser->end, parser->arena, &parser->key);
	if (result < 0)
		return result;
	skip_space(parser);
	if (parser->at == parser->end || *parser->at != ':')
		return -EBADMSG;
	parser->at++;
	return 0;
}

/*
 * Parses up to the end of the next complete value: a scalar, an empty container, or, when behind
 * a container's last child, that container.
 */
static int parse_value(struct parser *parser, struct document_node **ret_node)
{
	for (;;) {
		bool object;
		int result;

		skip_space(parser);
		if (parser->at == parser->end)
			return -EBADMSG;
		object = *parser->at == '{';
		if (!object && *parser->at != '[')
			return parse_scalar(parser, ret_node);
		result = open_container(parser, object ? DOCUMENT_OBJECT : DOCUMENT_ARRAY);
		if (result < 0)
			return result;
		skip_space(parser);
		if (parser->at < parser->end && *parser->at == (object ? '}' : ']'))
			return close_container(parser, ret_node);
		result = object ? parse_key(parser) : 0;
		if (result < 0)
			return result;
	}
}

/* Puts a complete value into its container and goes on to where the next value begins, if any. */
static int parse_separator(struct parser *parser, struct document_node **node, bool *ret_more)
{
	while (parser->container != NULL) {
		bool object = parser->container->type == DOCUMENT_OBJECT;
		int result;

		add_child(parser->container, *node);
		skip_space(parser);
		if (parser->at == parser->end)
			return -EBADMSG;
		if (*parser->at == ',') {
			*ret_more = true;
			parser->at++;
			if (object)
				return parse_key(parser);
			parser->key = (struct json_string){0};
			return 0;
		}
		if (*parser->at != (object ? '}' : ']'))
			return -EBADMSG;
		result = close_container(parser, node);
		if (result < 0)
			return result;
	}
	*ret_more = false;
	return 0;
}

static int parse(struct parser *parser, struct document_node **ret_root)
{
	bool more = true;
	int result = 0;

	while (more && result == 0) {
		result = parse_value(parser, ret_root);
		if (result == 0)
			result = parse_separator(parser, ret_root, &more);
	}
	if (result < 0)
		return result;
	parser->complete = true;
	skip_space(parser);
	return parser->at == parser->end ? 0 : -EBADMSG;
}

static int fail(const struct parser *parser, const char *text, int result, GError **error)
{
	size_t offset = (size_t)(parser->at - text);

	if (result == -EBADMSG && parser->at == parser->end)
		return error_set(error, EBADMSG, "JSON ends early, after %zu bytes", offset);
	if (result == -EBADMSG)
		return error_set(error, EBADMSG, "JSON is malformed at byte %zu", offset);
	if (parser->depth > DOCUMENT_DEPTH_MAX) {
		return error_set(error, EFBIG, "JSON is nested deeper than %d levels at byte %zu",
			DOCUMENT_DEPTH_MAX, offset);
	}
	return error_set(error, EFBIG, "JSON takes more memory than allowed, at byte %zu", offset);
}

/* Where the second of two equal keys stands; when it had to be decoded, where the object ends. */
static const char *find_duplicate(const struct parser *parser, const char *text)
{
	const char *key = parser->duplicate->key;

	return key > text && key < parser->end ? key - 1 : parser->at - 1;
}

static int fail_duplicate(const struct parser *parser, size_t line, size_t column, GError **error)
{
	g_autofree char *key =
		escape_start(parser->duplicate->key, parser->duplicate->key_length, QUOTE_MAX);

	return error_set(error, EINVAL, "line %zu, column %zu: the object has the key \"%s\" twice",
		line, column, key);
}

static int fail_strict(const struct parser *parser, const char *text, int result, GError **error)
{
	const struct yaml_input input = {text, (size_t)(parser->end - text)};
	const char *at = parser->duplicate != NULL ? find_duplicate(parser, text) : parser->at;
	const char *problem = "malformed JSON";
	size_t line, column;

	yaml_input_position(&input, (size_t)(at - text), &line, &column);
	if (parser->duplicate != NULL)
		return fail_duplicate(parser, line + 1, column + 1, error);
	if (parser->depth > DOCUMENT_DEPTH_MAX)
		problem = "nested too deep";
	else if (result == -EFBIG)
		problem = "the document takes more memory than allowed";
	else if (parser->complete)
		problem = "something follows the end of the JSON value";
	else if (at == parser->end)
		problem = "JSON ends early";
	return error_set(error, result == -EFBIG ? EFBIG : EINVAL, "line %zu, column %zu: %s",
		line + 1, column + 1, problem);
}

static int parse_text(struct document *document, const char *text, size_t length,
	unsigned int depth, bool strict, struct document_node **ret_root, GError **error)
{
	const char *begin = length > 0 ? text : "";
	struct parser parser = {
		.arena = &document->arena,
		.at = begin,
		.end = begin + length,
		.depth = depth,
		.strict = strict,
	};
	struct document_node *root = NULL;
	int result;

	if (length > G_MAXINT32)
		return error_set(error, EFBIG, "JSON of %zu bytes is too long", length);
	result = parse(&parser, &root);
	if (result < 0) {
		return strict ? fail_strict(&parser, begin, result, error)
			      : fail(&parser, begin, result, error);
	}
	*ret_root = root;
	return 0;
}

int json_parse(struct document *document, const char *text, size_t length,
	struct document_node **ret_root, GError **error)
{
	return parse_text(document, text, length, 0, false, ret_root, error);
}

int json_parse_within(struct document *document, const char *text, size_t length,
	unsigned int depth, struct document_node **ret_root, GError **error)
{
	return parse_text(document, text, length, depth, false, ret_root, error);
}

int json_parse_strict(struct document *document, const char *text, size_t length,
	struct document_node **ret_root, GError **error)
{
	return parse_text(document, text, length, 0, true, ret_root, error);
}
