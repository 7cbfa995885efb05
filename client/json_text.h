/*
 * Looks into a complete JSON text without building a tree: the members of an object, one after
 * another, as the text that they are.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

/* A piece of a JSON text, borrowed. */
struct json_text {
	const char *text;
	size_t length;
};

/* Walks the members of one object. */
struct json_members {
	const char *at;
	const char *end;
	gboolean first;
};

/* -EPROTO when json is not an object. Any thread. */
int json_members_init(struct json_members *members, struct json_text json);

/*
 * The next member: its key with the quotes, and its value. Returns 1, 0 behind the last one, or
 * -EPROTO where the text is not what an object looks like.
 */
int json_members_next(
	struct json_members *members, struct json_text *ret_key, struct json_text *ret_value);

/* Walks the elements of one array. */
struct json_elements {
	const char *at;
	const char *end;
	gboolean first;
};

/* -EPROTO when json is not an array. Any thread. */
int json_elements_init(struct json_elements *elements, struct json_text json);

/* The next element. Returns 1, 0 behind the last one, or -EPROTO as json_members_next does. */
int json_elements_next(struct json_elements *elements, struct json_text *ret_value);

/* Whether text is the JSON string that stands for wanted. */
gboolean json_text_is(struct json_text text, const char *wanted);

/* The bytes that a JSON string says, NULs included; NULL when text is not a string. */
GBytes *json_text_bytes(struct json_text text);
/* The same, newly allocated; NULL, too, when it holds a NUL. */
char *json_text_string(struct json_text text);

/* A NULL-terminated path of keys. */
#define JSON_PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * The value of object.KEY.KEY... for a path of keys. Returns FALSE when there is none. Of a key
 * that stands twice the last counts, as for Go's decoder.
 */
gboolean json_text_find(
	struct json_text json, const char *const *path, struct json_text *ret_value);
