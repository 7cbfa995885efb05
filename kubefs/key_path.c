#include "kubefs/key_path.h"

#include <string.h>

#include "kubefs/escape.h"

/* What stands at the mount point beside the keys. */
static const char *const RESERVED[] = {".kubefs", KEY_PATH_REVISIONS};
#define DOT_ESCAPED "%2E"

static gboolean is_reserved(const char *name, size_t length)
{
	for (guint i = 0; i < G_N_ELEMENTS(RESERVED); i++)
		if (length == strlen(RESERVED[i]) && memcmp(name, RESERVED[i], length) == 0)
			return TRUE;
	return FALSE;
}

/* The name that is written with its dot escaped, or NULL. */
static const char *find_reserved(const char *escaped)
{
	const char *rest;

	if (!g_str_has_prefix(escaped, DOT_ESCAPED))
		return NULL;
	rest = escaped + strlen(DOT_ESCAPED);
	for (guint i = 0; i < G_N_ELEMENTS(RESERVED); i++)
		if (g_str_equal(rest, RESERVED[i] + 1))
			return RESERVED[i];
	return NULL;
}

static gboolean ends_in_slash(GBytes *prefix)
{
	size_t length;
	const char *bytes = g_bytes_get_data(prefix, &length);

	return length > 0 && bytes[length - 1] == '/';
}

/* A scope whose prefix ends where the last name begins that goes on until end. */
static void find_scope(GBytes *prefix, const char *bytes, size_t end, struct key_scope *ret)
{
	size_t begin = end;

	while (begin > g_bytes_get_size(prefix) && bytes[begin - 1] != '/')
		begin--;
	*ret = (struct key_scope){
		.prefix = g_bytes_new(bytes, begin),
		.slashless = begin == g_bytes_get_size(prefix) && !ends_in_slash(prefix),
	};
}

void key_path_root(GBytes *prefix, struct key_scope *ret)
{
	*ret = (struct key_scope){
		.prefix = ends_in_slash(prefix) ? g_bytes_ref(prefix)
						: key_join(prefix, NULL, 0, '/'),
	};
}

gboolean key_path_slashless(GBytes *prefix, struct key_scope *ret)
{
	if (ends_in_slash(prefix))
		return FALSE;
	*ret = (struct key_scope){.prefix = g_bytes_ref(prefix), .slashless = TRUE};
	return TRUE;
}

void key_path_child(
	const struct key_scope *scope, const char *name, size_t length, struct key_scope *ret)
{
	*ret = (struct key_scope){
		.prefix = key_join(scope->prefix, name, length, '/'),
		.revision = scope->revision,
	};
}

void key_path_scope(GBytes *prefix, GBytes *key, struct key_scope *ret)
{
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);

	find_scope(prefix, bytes, length, ret);
}

gboolean key_path_parent(
	GBytes *prefix, const struct key_scope *scope, struct key_scope *ret, GBytes **ret_name)
{
	struct key_scope root;
	int64_t revision = scope->revision;
	gboolean is_root;
	size_t length;
	const char *bytes = g_bytes_get_data(scope->prefix, &length);
	size_t begin;

	key_path_root(prefix, &root);
	root.revision = revision;
	is_root = key_scope_equal(scope, &root);
	if (is_root || scope->slashless) {
		if (is_root) {
			key_scope_finish(&root);
			return FALSE;
		}
		*ret = root;
		*ret_name = NULL;
		return TRUE;
	}
	key_scope_finish(&root);
	/* scope may be *ret; it ends in '/', which is no part of the name. */
	find_scope(prefix, bytes, length - 1, ret);
	ret->revision = revision;
	begin = g_bytes_get_size(ret->prefix);
	*ret_name = g_bytes_new(bytes + begin, length - 1 - begin);
	return TRUE;
}

char *key_path_directory_name(GBytes *name)
{
	size_t length;
	const char *bytes;

	if (name == NULL)
		return g_strdup(KEY_PATH_SLASHLESS);
	bytes = g_bytes_get_data(name, &length);
	return key_path_name(bytes, length, KEY_PLAIN);
}

gboolean key_path_scope_of_key(GBytes *prefix, GBytes *key, struct key_scope *ret)
{
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);
	size_t begin;
	const void *wanted = g_bytes_get_data(prefix, &begin);
	size_t end = length;

	if (length < begin || (begin > 0 && memcmp(bytes, wanted, begin) != 0))
		return FALSE;
	while (end > begin && bytes[end - 1] != '/')
		end--;
	*ret = (struct key_scope){
		.prefix = g_bytes_new(bytes, end),
		.slashless = end == begin && !ends_in_slash(prefix),
	};
	return TRUE;
}

char *key_path_name(const char *name, size_t length, enum key_form form)
{
	if (form == KEY_PLAIN && is_reserved(name, length))
		return g_strdup_printf("%s%.*s", DOT_ESCAPED, (int)length - 1, name + 1);
	return escape_name(name, length, form == KEY_VALUE ? KEY_PATH_VALUE : "");
}

char *key_path_component(const char *escaped, const char *chunk, gboolean *ret_is_chunk)
{
	size_t length = strlen(chunk);
	size_t begin = 0;
	size_t rest = strlen(escaped);
	size_t cut = escape_next(escaped);

	if (strncmp(escaped, chunk, length) != 0)
		return NULL;
	while (begin < length && cut < rest) {
		begin += cut;
		rest -= cut;
		cut = escape_next(escaped + begin);
	}
	if (begin != length)
		return NULL;
	*ret_is_chunk = cut < rest;
	if (cut == rest)
		return g_strdup(escaped + begin);
	return g_strdup_printf("%.*s%%", (int)cut, escaped + begin);
}

char *key_path_chunk(const char *escaped)
{
	size_t begin = 0;

	while (escape_next(escaped + begin) < strlen(escaped + begin))
		begin += escape_next(escaped + begin);
	return g_strndup(escaped, begin);
}

/* A whole escaped name; FALSE when it is none of that form. */
static gboolean parse(const char *escaped, enum key_form form, char **ret_name, size_t *ret_length)
{
	const char *reserved = form == KEY_PLAIN ? find_reserved(escaped) : NULL;

	if (form == KEY_PLAIN && is_reserved(escaped, strlen(escaped)))
		return FALSE;
	if (reserved != NULL) {
		*ret_name = g_strdup(reserved);
		*ret_length = strlen(reserved);
		return TRUE;
	}
	*ret_name = unescape_name(escaped, form == KEY_VALUE ? KEY_PATH_VALUE : "", ret_length);
	return *ret_name != NULL;
}

enum key_step key_path_step(
	const char *chunk, const char *file, char **ret_name, size_t *ret_length)
{
	g_autofree char *escaped = g_strconcat(chunk, file, NULL);
	g_autofree char *cut = NULL;
	enum key_step step = KEY_STEP_NONE;

	*ret_name = NULL;
	*ret_length = 0;
	if (chunk[0] == '\0' && strcmp(file, KEY_PATH_SLASHLESS) == 0)
		return KEY_STEP_SLASHLESS;
	if (escape_is_chunk(file)) {
		escaped[strlen(escaped) - 1] = '\0';
		*ret_name = g_steal_pointer(&escaped);
		return KEY_STEP_CHUNK;
	}
	/* Only the one way of cutting it up is a path to it. */
	cut = key_path_chunk(escaped);
	if (strcmp(cut, chunk) != 0)
		return KEY_STEP_NONE;
	if (parse(escaped, KEY_VALUE, ret_name, ret_length))
		step = KEY_STEP_VALUE;
	else if (parse(escaped, KEY_PLAIN, ret_name, ret_length))
		step = KEY_STEP_PLAIN;
	/* A component never holds one; "%2F" is nobody's. */
	if (step != KEY_STEP_NONE && *ret_length > 0 && memchr(*ret_name, '/', *ret_length)) {
		g_clear_pointer(ret_name, g_free);
		return KEY_STEP_NONE;
	}
	return step;
}

gboolean key_path_views(const char *chunk, const char *file, char **ret_name, size_t *ret_length)
{
	g_autofree char *escaped = g_strconcat(chunk, file, NULL);
	g_autofree char *cut = key_path_chunk(escaped);
	g_autofree char *name = NULL;

	if (!g_str_has_suffix(escaped, KEY_PATH_VIEWS) || strcmp(cut, chunk) != 0)
		return FALSE;
	escaped[strlen(escaped) - strlen(KEY_PATH_VIEWS)] = '\0';
	if (!parse(escaped, KEY_VALUE, &name, ret_length) &&
		!parse(escaped, KEY_PLAIN, &name, ret_length))
		return FALSE;
	if (*ret_length > 0 && memchr(name, '/', *ret_length) != NULL)
		return FALSE;
	*ret_name = g_steal_pointer(&name);
	return TRUE;
}

static void append_cut(GString *path, const char *escaped)
{
	if (path->len > 0)
		g_string_append_c(path, '/');
	for (;;) {
		size_t cut = escape_next(escaped);

		g_string_append_len(path, escaped, (gssize)cut);
		escaped += cut;
		if (*escaped == '\0')
			return;
		g_string_append(path, "%/");
	}
}

/* All but the last of its components are directories. */
static char *make_path(const char *rest, size_t length, gboolean slashless, enum key_form form)
{
	GString *path = g_string_new(slashless ? KEY_PATH_SLASHLESS : NULL);
	const char *end = rest + length;

	for (;;) {
		const char *slash = memchr(rest, '/', (size_t)(end - rest));
		g_autofree char *name = NULL;

		name = key_path_name(rest, (size_t)((slash != NULL ? slash : end) - rest),
			slash != NULL ? KEY_PLAIN : form);
		append_cut(path, name);
		if (slash == NULL)
			return g_string_free(path, FALSE);
		rest = slash + 1;
	}
}

static char *path_now(GBytes *prefix, const struct key_scope *scope)
{
	size_t length;
	const char *bytes = g_bytes_get_data(scope->prefix, &length);
	gboolean slashless = FALSE;
	size_t begin;

	if (scope->slashless)
		return g_strdup(KEY_PATH_SLASHLESS);
	begin = g_bytes_get_size(prefix);
	if (!ends_in_slash(prefix)) {
		slashless = bytes[begin] != '/';
		begin += slashless ? 0 : 1;
	}
	/* Without the '/' that it ends in. */
	if (length <= begin)
		return g_strdup("");
	return make_path(bytes + begin, length - 1 - begin, slashless, KEY_PLAIN);
}

char *key_path_of_directory(GBytes *prefix, const struct key_scope *scope)
{
	g_autofree char *path = path_now(prefix, scope);

	if (scope->revision == 0)
		return g_steal_pointer(&path);
	return g_strdup_printf(KEY_PATH_REVISIONS "/%" G_GINT64_FORMAT "%s%s",
		(gint64)scope->revision, path[0] != '\0' ? "/" : "", path);
}

char *key_path_of_key(GBytes *prefix, GBytes *key, enum key_form form)
{
	size_t length;
	const char *bytes = g_bytes_get_data(key, &length);
	size_t begin;
	const void *wanted = g_bytes_get_data(prefix, &begin);
	gboolean slashless = FALSE;

	if (length < begin || (begin > 0 && memcmp(bytes, wanted, begin) != 0))
		return NULL;
	if (!ends_in_slash(prefix)) {
		slashless = begin == length || bytes[begin] != '/';
		begin += slashless ? 0 : 1;
	}
	return make_path(bytes + begin, length - begin, slashless, form);
}

size_t key_path_cut_length(const char *escaped)
{
	size_t length = 0;

	for (;;) {
		size_t cut = escape_next(escaped);

		length += cut;
		escaped += cut;
		if (*escaped == '\0')
			return length;
		length += strlen("%/");
	}
}
