/*
 * The input as a name: its path must be of legal file names and lead back to it. And as a path: if
 * it is one, the name that it stands for must have exactly this path.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kubefs/escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_components(const char *escaped)
{
	while (*escaped != '\0') {
		size_t cut = escape_next(escaped);

		if (cut == 0 || cut > NAME_MAX || memchr(escaped, '/', cut) != NULL)
			abort();
		if (cut < strlen(escaped) && (cut >= NAME_MAX || escaped[cut - 1] == '%'))
			abort();
		escaped += cut;
	}
}

static void check_name(const char *name, size_t length, const char *suffix)
{
	g_autofree char *escaped = escape_name(name, length, suffix);
	size_t back_length = 0;
	g_autofree char *back = unescape_name(escaped, suffix, &back_length);

	check_components(escaped);
	if (strcmp(escaped, ".") == 0 || strcmp(escaped, "..") == 0 || *escaped == '\0')
		abort();
	if (back == NULL || back_length != length || memcmp(back, name, length) != 0)
		abort();
}

static void check_path(const char *path, const char *suffix)
{
	size_t length = 0;
	g_autofree char *name = unescape_name(path, suffix, &length);
	g_autofree char *again = NULL;

	if (name == NULL)
		return;
	again = escape_name(name, length, suffix);
	if (strcmp(again, path) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *path = g_strndup((const char *)data, size);

	check_name((const char *)data, size, "");
	check_name((const char *)data, size, ".yaml");
	check_path(path, "");
	check_path(path, ".yaml");
	escape_is_chunk(path);
	return 0;
}
