/*
 * kubefs/escape.h: every byte string has one escaped path, of legal file names, which leads back to
 * it; no other path does.
 */
#include "kubefs/escape.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"

#define STRINGS 120000
#define LENGTH_MAX 2000

/* An escaped name as the components of a path, as kubefs/layout.c cuts it. */
static GPtrArray *split(const char *escaped)
{
	GPtrArray *components = g_ptr_array_new_with_free_func(g_free);

	while (escape_next(escaped) < strlen(escaped)) {
		size_t cut = escape_next(escaped);

		ck_assert_uint_gt(cut, 0);
		g_ptr_array_add(components, g_strdup_printf("%.*s%%", (int)cut, escaped));
		escaped += cut;
	}
	g_ptr_array_add(components, g_strdup(escaped));
	return components;
}

/* The reverse: NULL when the components are no name's one path. */
static char *join(const GPtrArray *components, const char *suffix, size_t *ret_length)
{
	g_autoptr(GString) escaped = g_string_new(NULL);
	g_autoptr(GPtrArray) again = NULL;
	g_autofree char *name = NULL;

	for (guint i = 0; i < components->len; i++) {
		const char *component = g_ptr_array_index(components, i);
		gboolean is_last = i + 1 == components->len;

		if (escape_is_chunk(component) == is_last)
			return NULL;
		g_string_append_len(
			escaped, component, (gssize)(strlen(component) - (is_last ? 0 : 1)));
	}
	name = unescape_name(escaped->str, suffix, ret_length);
	if (name == NULL)
		return NULL;
	again = split(escaped->str);
	if (again->len != components->len)
		return NULL;
	for (guint i = 0; i < components->len; i++)
		if (strcmp(g_ptr_array_index(components, i), g_ptr_array_index(again, i)) != 0)
			return NULL;
	return g_steal_pointer(&name);
}

static void check_component(const char *component, gboolean is_last)
{
	size_t length = strlen(component);

	ck_assert_uint_gt(length, 0);
	ck_assert_uint_le(length, NAME_MAX);
	ck_assert_ptr_null(strchr(component, '/'));
	ck_assert_str_ne(component, ".");
	ck_assert_str_ne(component, "..");
	ck_assert_int_eq(escape_is_chunk(component), !is_last);
}

static void check_round_trip(const char *name, size_t length, const char *suffix)
{
	g_autofree char *escaped = escape_name(name, length, suffix);
	g_autoptr(GPtrArray) components = split(escaped);
	g_autofree char *back = NULL;
	size_t back_length = 0;

	for (guint i = 0; i < components->len; i++)
		check_component(g_ptr_array_index(components, i), i + 1 == components->len);
	ck_assert(g_str_has_suffix(escaped, suffix));
	back = join(components, suffix, &back_length);
	ck_assert_ptr_nonnull(back);
	ck_assert_uint_eq(back_length, length);
	ck_assert_int_eq(memcmp(back, name, length), 0);
	ck_assert_int_eq(back[back_length], '\0');
}

static void check_name(const char *name, size_t length)
{
	check_round_trip(name, length, "");
	check_round_trip(name, length, ".yaml");
	check_round_trip(name, length, ".json");
}

/* Mostly short; of all bytes, or of those that matter. */
static size_t random_name(GRand *random, char *name)
{
	static const char special[] = "%%%//..\0-aF25.yaml@~ \n\xff\xc3";
	int dice = g_rand_int_range(random, 0, 10);
	size_t length = (size_t)g_rand_int_range(random, 0,
		dice < 6   ? 20
		: dice < 9 ? 300
			   : LENGTH_MAX + 1);
	int alphabet = g_rand_int_range(random, 0, 3);

	for (size_t i = 0; i < length; i++)
		if (alphabet == 0)
			name[i] = (char)g_rand_int_range(random, 0, 256);
		else if (alphabet == 1)
			name[i] = special[g_rand_int_range(random, 0, sizeof(special) - 1)];
		else
			name[i] = (char)g_rand_int_range(random, 'a', 'z' + 1);
	return length;
}

START_TEST (every_name_has_one_path_that_leads_back) {
	guint32 seed = g_random_int();
	GRand *random = g_rand_new_with_seed(seed);
	char *name = g_malloc(LENGTH_MAX + 1);

	printf("seed %u\n", seed);
	for (int i = 0; i < STRINGS; i++) {
		size_t length = random_name(random, name);

		check_name(name, length);
	}
	g_free(name);
	g_rand_free(random);
}
END_TEST

START_TEST (every_length_and_byte) {
	char *name = g_malloc(LENGTH_MAX + 1);

	for (size_t length = 0; length <= LENGTH_MAX; length++) {
		memset(name, 'a', length);
		check_name(name, length);
		/* The escapes stand at every place relative to the cuts. */
		memset(name, '/', length);
		check_name(name, length);
		if (length > 0)
			name[0] = 'a';
		check_name(name, length);
		if (length > 1)
			name[1] = 'a';
		check_name(name, length);
	}
	for (int c = 0; c < 256; c++) {
		char one = (char)c;

		check_name(&one, 1);
		memset(name, c, 600);
		check_name(name, 600);
	}
	g_free(name);
}
END_TEST

static void expect_escaped(const char *name, size_t length, const char *suffix, const char *wanted)
{
	g_autofree char *escaped = escape_name(name, length, suffix);

	ck_assert_str_eq(escaped, wanted);
}

START_TEST (escapes_what_cannot_be_a_file_name) {
	expect_escaped("web-0", 5, ".yaml", "web-0.yaml");
	expect_escaped("system:node", 11, ".yaml", "system:node.yaml");
	expect_escaped("a/b", 3, "", "a%2Fb");
	expect_escaped("100%", 4, "", "100%25");
	expect_escaped("a\0b", 3, "", "a%00b");
	expect_escaped("", 0, "", "%-");
	expect_escaped(".", 1, "", "%2E");
	expect_escaped("..", 2, "", "%2E%2E");
	expect_escaped("...", 3, "", "...");
	expect_escaped(".", 1, ".yaml", "..yaml");
	expect_escaped("..", 2, ".yaml", "...yaml");
	expect_escaped("", 0, ".yaml", ".yaml");
	expect_escaped("%-", 2, "", "%25-");
	expect_escaped("\xf0\x9f\x90\x8b", 4, "", "\xf0\x9f\x90\x8b");
}
END_TEST

/* Kubernetes allows names of 253 bytes, which are too long with their suffix. */
START_TEST (cuts_the_longest_kubernetes_names) {
	char name[253];
	g_autofree char *escaped = NULL;
	g_autoptr(GPtrArray) components = NULL;

	memset(name, 'n', sizeof(name));
	escaped = escape_name(name, 250, ".yaml");
	ck_assert_uint_eq(escape_next(escaped), NAME_MAX);
	g_free(escaped);
	escaped = escape_name(name, 253, ".yaml");
	components = split(escaped);
	ck_assert_uint_eq(components->len, 2);
	ck_assert_uint_eq(strlen(g_ptr_array_index(components, 0)), ESCAPE_CHUNK + 1);
}
END_TEST

static void expect_refused(const char *escaped, const char *suffix)
{
	size_t length = 4711;
	g_autofree char *name = unescape_name(escaped, suffix, &length);

	ck_assert_msg(name == NULL, "\"%s\" was taken for \"%s\"", escaped, name);
	ck_assert_uint_eq(length, 4711);
}

START_TEST (refuses_other_spellings) {
	static const char *const wrong[] = {
		"",
		".",
		"..",
		"%",
		"%2",
		"%2f",
		"%2e",
		"%2E%2e",
		"%61",
		"a%",
		"a%2",
		"a%-",
		"%--",
		"%-a",
		"%GG",
		"% 1",
		"%+1",
		"a%2E",
		".%2E",
		"%2E.",
		"%25%2",
		"a/b",
	};

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
		expect_refused(wrong[i], "");
	expect_refused("web", ".yaml");
	expect_refused("web.yam", ".yaml");
	expect_refused("web.json", ".yaml");
	expect_refused("yaml", ".yaml");
	expect_refused("%-.yaml", ".yaml");
	expect_refused("%2E.yaml", ".yaml");
	expect_refused("a%2F%.yaml", ".yaml");
	/* An escape does not reach into the suffix. */
	expect_refused("a%2.yaml", ".yaml");
	expect_refused("web%2Eyaml", ".yaml");
}
END_TEST

START_TEST (knows_directories_of_long_names) {
	ck_assert(escape_is_chunk("abc%"));
	ck_assert(!escape_is_chunk("%"));
	ck_assert(!escape_is_chunk(""));
	ck_assert(!escape_is_chunk("abc"));
	ck_assert(!escape_is_chunk("%25"));
	ck_assert(!escape_is_chunk("%-"));
}
END_TEST

/* A path that is spelled or cut in any other way leads nowhere, or to another name. */
START_TEST (other_paths_lead_elsewhere) {
	guint32 seed = g_random_int();
	GRand *random = g_rand_new_with_seed(seed);
	char *name = g_malloc(LENGTH_MAX + 1);

	printf("seed %u\n", seed);
	for (int i = 0; i < 20000; i++) {
		size_t length = random_name(random, name);
		g_autofree char *escaped = escape_name(name, length, "");
		g_autoptr(GPtrArray) components = split(escaped);
		guint which = (guint)g_rand_int_range(random, 0, (gint)components->len);
		char *component = g_ptr_array_index(components, which);
		size_t at = (size_t)g_rand_int_range(random, 0, (gint)strlen(component) + 1);
		char byte = (char)g_rand_int_range(random, 1, 256);
		g_autofree char *back = NULL;
		size_t back_length = 0;

		/* A byte is put in somewhere. */
		components->pdata[which] =
			g_strdup_printf("%.*s%c%s", (int)at, component, byte, component + at);
		g_free(component);
		back = join(components, "", &back_length);
		ck_assert(back == NULL || back_length != length || memcmp(back, name, length) != 0);
	}
	g_free(name);
	g_rand_free(random);
}
END_TEST

START_TEST (a_path_cut_elsewhere_is_refused) {
	char name[900];
	g_autofree char *escaped = NULL;
	g_autoptr(GPtrArray) components = g_ptr_array_new_with_free_func(g_free);
	size_t length;

	memset(name, 'n', sizeof(name));
	escaped = escape_name(name, sizeof(name), "");
	for (size_t cut = 1; cut < NAME_MAX; cut++) {
		const char *rest = escaped + cut;
		g_autofree char *back = NULL;

		if (cut == ESCAPE_CHUNK)
			continue;
		g_ptr_array_set_size(components, 0);
		g_ptr_array_add(components, g_strdup_printf("%.*s%%", (int)cut, escaped));
		while (escape_next(rest) < strlen(rest)) {
			g_ptr_array_add(components,
				g_strdup_printf("%.*s%%", (int)escape_next(rest), rest));
			rest += escape_next(rest);
		}
		g_ptr_array_add(components, g_strdup(rest));
		back = join(components, "", &length);
		ck_assert_ptr_null(back);
	}
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, every_name_has_one_path_that_leads_back);
	tcase_add_test(tcase, every_length_and_byte);
	tcase_add_test(tcase, escapes_what_cannot_be_a_file_name);
	tcase_add_test(tcase, cuts_the_longest_kubernetes_names);
	tcase_add_test(tcase, refuses_other_spellings);
	tcase_add_test(tcase, knows_directories_of_long_names);
	tcase_add_test(tcase, other_paths_lead_elsewhere);
	tcase_add_test(tcase, a_path_cut_elsewhere_is_refused);
}

int main(void)
{
	return fixture_run("escape", add);
}
