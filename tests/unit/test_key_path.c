/* kubefs/key_path.h: every key has one path, every path one key, whatever bytes there are. */
#include "kubefs/key_path.h"

#include <limits.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/key_generate.h"

#define KEYS 6000

static GBytes *bytes(const char *text)
{
	return g_bytes_new(text, strlen(text));
}

static void expect_path(
	const char *prefix, const char *key, size_t length, const char *plain, const char *escaped)
{
	g_autoptr(GBytes) prefix_bytes = bytes(prefix);
	g_autoptr(GBytes) key_bytes = g_bytes_new(key, length);
	g_autofree char *found_plain = key_path_of_key(prefix_bytes, key_bytes, KEY_PLAIN);
	g_autofree char *found_escaped = key_path_of_key(prefix_bytes, key_bytes, KEY_VALUE);

	ck_assert_pstr_eq(found_plain, plain);
	ck_assert_pstr_eq(found_escaped, escaped);
}

#define EXPECT(prefix, key, plain, escaped)                                                        \
	expect_path(prefix, key, sizeof(key) - 1, plain, escaped)

START_TEST (writes_paths) {
	EXPECT("", "/registry/pods/default/web", "registry/pods/default/web",
		"registry/pods/default/web%=");
	EXPECT("/registry", "/registry/pods/web", "pods/web", "pods/web%=");
	EXPECT("/registry/", "/registry/pods/web", "pods/web", "pods/web%=");
	EXPECT("", "compact_rev_key", "%./compact_rev_key", "%./compact_rev_key%=");
	EXPECT("", "a/b", "%./a/b", "%./a/b%=");
	EXPECT("/registry", "/registry-old/a", "%./-old/a", "%./-old/a%=");
	EXPECT("/registry", "/registry", "%./%-", "%./%=");
	EXPECT("/registry", "/other", NULL, NULL);
	EXPECT("", "/", "%-", "%=");
	EXPECT("", "//", "%-/%-", "%-/%=");
	EXPECT("", "/a//b/", "a/%-/b/%-", "a/%-/b/%=");
	EXPECT("", "/.", "%2E", ".%=");
	EXPECT("", "/../a", "%2E%2E/a", "%2E%2E/a%=");
	EXPECT("", "/100%", "100%25", "100%25%=");
	EXPECT("", "/%=", "%25=", "%25=%=");
	EXPECT("", "/a\0b", "a%00b", "a%00b%=");
	EXPECT("", "/.kubefs/x", "%2Ekubefs/x", "%2Ekubefs/x%=");
	EXPECT("", "/.kubefs", "%2Ekubefs", ".kubefs%=");
	EXPECT("", "/.revisions/1", "%2Erevisions/1", "%2Erevisions/1%=");
	EXPECT("", "\xff", "%./\xff", "%./\xff%=");
}
END_TEST

/* What a walk of the file system would come to: the reverse, one component after another. */
static GBytes *resolve(GBytes *prefix, const char *path, gboolean *ret_value)
{
	g_auto(GStrv) files = g_strsplit(path, "/", -1);
	g_autofree char *chunk = g_strdup("");
	struct key_scope scope;
	GBytes *key = NULL;

	key_path_root(prefix, &scope);
	for (char **file = files; *file != NULL; file++) {
		gboolean is_last = file[1] == NULL;
		g_autofree char *name = NULL;
		g_autoptr(GBytes) outer = NULL;
		size_t length;

		ck_assert_uint_le(strlen(*file), NAME_MAX);
		ck_assert(strcmp(*file, ".") != 0 && strcmp(*file, "..") != 0 && **file != '\0');
		switch (key_path_step(chunk, *file, &name, &length)) {
		case KEY_STEP_SLASHLESS:
			ck_assert(!is_last && file == files);
			key_scope_finish(&scope);
			ck_assert(key_path_slashless(prefix, &scope));
			break;
		case KEY_STEP_CHUNK:
			ck_assert(!is_last);
			g_free(chunk);
			chunk = g_steal_pointer(&name);
			break;
		case KEY_STEP_VALUE:
		case KEY_STEP_PLAIN:
			g_free(chunk);
			chunk = g_strdup("");
			outer = g_bytes_ref(scope.prefix);
			key_scope_finish(&scope);
			key_path_child(&(struct key_scope){outer, FALSE}, name, length, &scope);
			/* Without the '/' of a directory. */
			if (is_last)
				key = g_bytes_new_from_bytes(
					scope.prefix, 0, g_bytes_get_size(scope.prefix) - 1);
			*ret_value = strchr(*file, '%') != NULL && g_str_has_suffix(*file, "%=");
			break;
		default:
			ck_abort_msg("%s is no path", path);
		}
	}
	key_scope_finish(&scope);
	return key;
}

static const char *const PREFIXES[] = {"", "/", "/a", "/a/", "a", "/%", "/registry/pods"};

START_TEST (goes_there_and_back) {
	g_autoptr(GRand) random = g_rand_new_with_seed((guint32)_i);
	g_autoptr(GBytes) prefix = bytes(PREFIXES[_i]);
	g_autoptr(GPtrArray) keys = generate_keys(random, prefix, KEYS);
	g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

	for (guint i = 0; i < keys->len; i++) {
		for (guint form = KEY_PLAIN; form <= KEY_VALUE; form++) {
			char *path = key_path_of_key(
				prefix, g_ptr_array_index(keys, i), (enum key_form)form);
			gboolean is_value = FALSE;
			g_autoptr(GBytes) key = resolve(prefix, path, &is_value);

			ck_assert_msg(g_bytes_equal(key, g_ptr_array_index(keys, i)), "%s", path);
			ck_assert_int_eq(is_value, form == KEY_VALUE);
			/* No two keys have one path, and no key two forms that are one. */
			ck_assert_msg(g_hash_table_add(paths, path), "%s", path);
		}
	}
}
END_TEST

/* What is a path leads to a key that has this path and no other. */
START_TEST (has_no_second_way_to_write_a_key) {
	static const char *const alphabet[] = {"%", "=", "-", ".", "2", "5", "F", "E", "0", "a",
		"%25", "%2F", "%2E", "%00", "%=", "%-", "%.", ".kubefs", "%2Ekubefs", "\xff"};
	g_autoptr(GRand) random = g_rand_new_with_seed(1);
	guint taken = 0;

	for (guint i = 0; i < KEYS * 50; i++) {
		g_autoptr(GString) file = g_string_new(NULL);
		g_autofree char *name = NULL;
		g_autofree char *again = NULL;
		enum key_step step;
		size_t length;

		for (gint j = g_rand_int_range(random, 1, 6); j > 0; j--)
			g_string_append(file,
				alphabet[g_rand_int_range(random, 0, G_N_ELEMENTS(alphabet))]);
		step = key_path_step("", file->str, &name, &length);
		if (step != KEY_STEP_PLAIN && step != KEY_STEP_VALUE)
			continue;
		taken++;
		again = key_path_name(name, length, step == KEY_STEP_VALUE ? KEY_VALUE : KEY_PLAIN);
		ck_assert_str_eq(again, file->str);
		ck_assert(length == 0 || memchr(name, '/', length) == NULL);
	}
	ck_assert_uint_gt(taken, 1000);
}
END_TEST

START_TEST (finds_parents) {
	g_autoptr(GRand) random = g_rand_new_with_seed((guint32)_i);
	g_autoptr(GBytes) prefix = bytes(PREFIXES[_i]);
	g_autoptr(GPtrArray) keys = generate_keys(random, prefix, 2000);
	struct key_scope root;

	key_path_root(prefix, &root);
	for (guint i = 0; i < keys->len; i++) {
		GBytes *key = g_ptr_array_index(keys, i);
		struct key_scope scope = {0};
		struct key_part part;

		if (!key_scope_find(&root, key, &part)) {
			ck_assert(key_path_slashless(prefix, &scope));
			ck_assert(key_scope_find(&scope, key, &part));
		} else {
			key_scope_copy(&scope, &root);
		}
		while (part.deeper) {
			g_autoptr(GBytes) name = NULL;
			g_autofree char *path = NULL;
			struct key_scope child;
			struct key_scope parent;
			size_t length;
			const char *text;

			key_path_child(&scope, part.name, part.length, &child);
			ck_assert(key_path_parent(prefix, &child, &parent, &name));
			ck_assert(key_scope_equal(&parent, &scope));
			text = g_bytes_get_data(name, &length);
			ck_assert(length == part.length &&
				  (length == 0 || memcmp(text, part.name, length) == 0));
			path = key_path_of_directory(prefix, &child);
			ck_assert(path[0] != '\0');
			key_scope_finish(&parent);
			key_scope_finish(&scope);
			scope = child;
			ck_assert(key_scope_find(&scope, key, &part));
		}
		key_scope_finish(&scope);
	}
	ck_assert(!key_path_parent(prefix, &root, &(struct key_scope){0}, &(GBytes *){0}));
	key_scope_finish(&root);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, writes_paths);
	tcase_add_loop_test(tcase, goes_there_and_back, 0, G_N_ELEMENTS(PREFIXES));
	tcase_add_test(tcase, has_no_second_way_to_write_a_key);
	tcase_add_loop_test(tcase, finds_parents, 0, G_N_ELEMENTS(PREFIXES));
}

int main(void)
{
	return fixture_run("key_path", add);
}
