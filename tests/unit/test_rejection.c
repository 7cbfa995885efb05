/* kubefs/rejection.h: what refused texts look like, under what names they lie, when they go. */
#include "kubefs/rejection.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

static void keep(struct write_fixture *fixture, const char *name, const char *text, int errnum,
	const char *message, const char *const *reasons)
{
	const struct place place = map_place(fixture, name);
	g_autoptr(GBytes) bytes = bytes_of(text);
	g_autoptr(GPtrArray) array = g_ptr_array_new();

	for (; reasons != NULL && *reasons != NULL; reasons++)
		g_ptr_array_add(array, (char *)*reasons);
	rejection_keep(fixture->filesystem, &place, bytes, NULL, errnum, message,
		array->len > 0 ? array : NULL);
}

static void clear(
	struct write_fixture *fixture, const char *name, const char *text, gboolean unchanged)
{
	const struct place place = map_place(fixture, name);
	g_autoptr(GBytes) bytes = bytes_of(text);

	rejection_clear(fixture->filesystem, &place, bytes, unchanged, G_MAXINT64);
}

/* text: without the comments; NULL: nothing is kept. The caller's. */
static struct rejected *expect(struct write_fixture *fixture, const char *name, const char *text)
{
	const struct place place = map_place(fixture, name);
	struct rejected *rejected = rejection_find(fixture->filesystem, &place);
	g_autoptr(GBytes) bare = NULL;

	ck_assert((rejected != NULL) == (text != NULL));
	if (rejected == NULL)
		return NULL;
	bare = rejection_strip(rejected->text);
	bytes_expect(bare, text);
	return rejected;
}

START_TEST (the_reasons_stand_on_top) {
	static const char *const reasons[] = {"spec.a: wrong", "spec.b: \x1b[31mred\nno", NULL};
	struct write_fixture fixture;
	struct rejected *rejected;
	g_autofree char *text = NULL;
	const char *at;

	write_fixture_setup(&fixture);
	keep(&fixture, "web", "a: 1\n", EINVAL, "spec.a: wrong and more", reasons);
	rejected = expect(&fixture, "web", "a: 1\n");
	ck_assert_int_eq(rejected->errnum, EINVAL);
	/* What the message says already is not said twice. */
	ck_assert_str_eq(rejected->reason, "spec.a: wrong and more; spec.b: \\x1B[31mred\\x0Ano");
	text = g_strndup(g_bytes_get_data(rejected->text, NULL), g_bytes_get_size(rejected->text));
	ck_assert(g_str_has_prefix(text, "# kubefs: not saved: EINVAL at 2"));
	ck_assert_ptr_nonnull(strstr(text,
		"\n#   spec.a: wrong and more\n#   spec.a: wrong\n"
		"#   spec.b: \\x1B[31mred\\x0Ano\n# Save this file, or rename it to web.yaml, "
		"to try again; remove it to give up.\n# kubefs: the text follows\na: 1\n"));
	/* All but the text is comment. */
	for (at = text; !g_str_has_prefix(at, "a: 1"); at = strchr(at, '\n') + 1)
		ck_assert_int_eq(*at, '#');
	rejected_unref(rejected);
	expect_error(&fixture, "EINVAL namespaces/default/configmaps/web.yaml: spec.a: wrong and");
	expect_file(&fixture, "web.yaml.rejected", "a: 1\n");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (comments_do_not_pile_up) {
	struct write_fixture fixture;
	struct rejected *rejected;
	g_autofree char *whole = NULL;

	write_fixture_setup(&fixture);
	keep(&fixture, "web", "a: 1\n", EINVAL, "first", NULL);
	rejected = expect(&fixture, "web", "a: 1\n");
	whole = g_strndup(g_bytes_get_data(rejected->text, NULL), g_bytes_get_size(rejected->text));
	rejected_unref(rejected);
	keep(&fixture, "web", whole, 4711, "second", NULL);
	rejected = expect(&fixture, "web", "a: 1\n");
	ck_assert_ptr_null(g_strstr_len(g_bytes_get_data(rejected->text, NULL),
		(gssize)g_bytes_get_size(rejected->text), "first"));
	ck_assert(g_str_has_prefix(
		g_bytes_get_data(rejected->text, NULL), "# kubefs: not saved: error at "));
	rejected_unref(rejected);
	write_fixture_finish(&fixture);
}
END_TEST

/* The text, and what is left of it. */
static const struct {
	const char *text;
	const char *bare;
} STRIPPED[] = {
	{"", ""},
	{"a: 1\n", "a: 1\n"},
	{"# kubefs: not saved: EINVAL at now\n# kubefs: the text follows\na: 1\n", "a: 1\n"},
	{"# kubefs: not saved: EINVAL at now\n# kubefs: the text follows\n", ""},
	/* Who edited the comments, too, loses nothing. */
	{"# kubefs: not saved: EINVAL at now\na: 1\n",
		"# kubefs: not saved: EINVAL at now\na: 1\n"},
	{"# mine\n# kubefs: not saved: \n# kubefs: the text follows\na: 1\n",
		"# mine\n# kubefs: not saved: \n# kubefs: the text follows\na: 1\n"},
	/* The first end counts: the second one is the user's. */
	{"# kubefs: not saved: \n# kubefs: the text follows\na\n# kubefs: the text follows\nb",
		"a\n# kubefs: the text follows\nb"},
	{"# kubefs: not saved: ", "# kubefs: not saved: "},
	/* Only comments are taken away: this one has a text in between. */
	{"# kubefs: not saved: \na: 1\nb: |\n  # kubefs: the text follows\n",
		"# kubefs: not saved: \na: 1\nb: |\n  # kubefs: the text follows\n"},
	{"# kubefs: not saved: \na: 1\n# kubefs: the text follows\nb: 2\n",
		"# kubefs: not saved: \na: 1\n# kubefs: the text follows\nb: 2\n"},
};

START_TEST (strips_only_its_own_comments) {
	g_autoptr(GBytes) text = bytes_of(STRIPPED[_i].text);
	g_autoptr(GBytes) bare = rejection_strip(text);

	bytes_expect(bare, STRIPPED[_i].bare);
}
END_TEST

START_TEST (a_good_save_clears) {
	struct write_fixture fixture;

	write_fixture_setup(&fixture);
	clear(&fixture, "web", "a: 2\n", FALSE);
	keep(&fixture, "web", "a: 1\n", EINVAL, "no", NULL);
	keep(&fixture, "db", "a: 1\n", EINVAL, "no", NULL);
	/* vim writes the base back: that is no good save of the text. */
	clear(&fixture, "web", "a: 0\n", TRUE);
	rejected_unref(expect(&fixture, "web", "a: 1\n"));
	/* It had arrived after all. */
	clear(&fixture, "web", "a: 1\n", TRUE);
	expect(&fixture, "web", NULL);
	clear(&fixture, "db", "a: 2\n", FALSE);
	expect(&fixture, "db", NULL);
	ck_assert(overlay_is_unused(fixture.filesystem->overlay));
	write_fixture_finish(&fixture);
}
END_TEST

/* Another one's writer was killed while the save was under way. */
START_TEST (a_good_save_leaves_what_came_meanwhile) {
	struct write_fixture fixture;
	struct place web;
	g_autoptr(GBytes) text = bytes_of("a: 2\n");
	gint64 begun = g_get_monotonic_time() - 1;

	write_fixture_setup(&fixture);
	web = map_place(&fixture, "web");
	keep(&fixture, "web", "a: 1\n", EINTR, "killed", NULL);
	rejection_clear(fixture.filesystem, &web, text, FALSE, begun);
	rejected_unref(expect(&fixture, "web", "a: 1\n"));
	rejection_clear(fixture.filesystem, &web, text, FALSE, g_get_monotonic_time());
	expect(&fixture, "web", NULL);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_scratch_file_of_that_name_is_left_alone) {
	struct write_fixture fixture;
	struct writer writer;

	write_fixture_setup(&fixture);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "web.yaml.rejected", 0), 0);
	ck_assert_int_eq(writer_write(&writer, "mine", 0), 0);
	writer_release(&writer);
	expect(&fixture, "web", NULL);
	clear(&fixture, "web", "a: 2\n", FALSE);
	expect_file(&fixture, "web.yaml.rejected", "mine");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_file_of_that_name_is_its_users) {
	struct write_fixture fixture;

	write_fixture_setup(&fixture);
	put_scratch(&fixture, "web.yaml.rejected", "mine");
	put_scratch(&fixture, "web.yaml.rejected.2", "mine, too");
	keep(&fixture, "web", "a: 1\n", EINVAL, "no", NULL);
	rejected_unref(expect(&fixture, "web", "a: 1\n"));
	expect_file(&fixture, "web.yaml.rejected.1", "a: 1\n");
	for (int i = 2; i <= REJECTION_TEXTS + 1; i++) {
		g_autofree char *text = g_strdup_printf("a: %d\n", i);

		keep(&fixture, "web", text, EINVAL, "no", NULL);
	}
	rejected_unref(expect(&fixture, "web", "a: 11\n"));
	expect_file(&fixture, "web.yaml.rejected", "mine");
	expect_file(&fixture, "web.yaml.rejected.2", "mine, too");
	expect_file(&fixture, "web.yaml.rejected.3", "a: 1\n");
	expect_file(&fixture, "web.yaml.rejected.11", "a: 10\n");
	expect_file(&fixture, "web.yaml.rejected.12", NULL);
	expect_error(&fixture, "web.yaml: too many refused texts");
	clear(&fixture, "web", "a: 0\n", FALSE);
	for (int i = 0; i <= REJECTION_TEXTS + 1; i++) {
		g_autofree char *name = g_strdup_printf("web.yaml.rejected.%d", i);

		expect_file(&fixture, name, i == 2 ? "mine, too" : NULL);
	}
	expect_file(&fixture, "web.yaml.rejected", "mine");
	expect(&fixture, "web", NULL);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (each_file_has_its_own) {
	struct write_fixture fixture;
	struct place json;
	struct place status;
	g_autoptr(GBytes) text = bytes_of("{}");

	write_fixture_setup(&fixture);
	json = map_place(&fixture, "web");
	json.format = NODE_JSON;
	status = map_place(&fixture, "web");
	status.resource = fixture.apps;
	status.kind = PLACE_STATUS;
	keep(&fixture, "web", "a: 1\n", EINVAL, "no", NULL);
	rejection_keep(fixture.filesystem, &json, text, NULL, EINVAL, "no", NULL);
	rejection_keep(fixture.filesystem, &status, text, NULL, EINVAL, "no", NULL);
	rejected_unref(expect(&fixture, "web", "a: 1\n"));
	expect_file(&fixture, "web.json.rejected", "{}");
	/* What is saved of an object is saved in either form. */
	clear(&fixture, "web", "a: 2\n", FALSE);
	expect_file(&fixture, "web.json.rejected", NULL);
	ck_assert(!overlay_is_unused(fixture.filesystem->overlay));
	rejection_clear(fixture.filesystem, &status, text, FALSE, G_MAXINT64);
	ck_assert(overlay_is_unused(fixture.filesystem->overlay));
	write_fixture_finish(&fixture);
}
END_TEST

static void keep_of(struct write_fixture *fixture, struct process *writer, const char *text)
{
	const struct place place = map_place(fixture, "web");
	g_autoptr(GBytes) bytes = bytes_of(text);

	rejection_keep(fixture->filesystem, &place, bytes, writer, EINVAL, "no", NULL);
}

START_TEST (what_others_have_typed_is_set_aside) {
	struct write_fixture fixture;
	struct process *self;
	struct process *other;

	write_fixture_setup(&fixture);
	self = processes_get(fixture.filesystem->processes, fixture.pid);
	other = processes_get(fixture.filesystem->processes, fixture.other);
	keep_of(&fixture, self, "a: 1\n");
	keep_of(&fixture, self, "a: 2\n");
	expect_file(&fixture, "web.yaml.rejected.1", NULL);
	keep_of(&fixture, other, "a: 3\n");
	rejected_unref(expect(&fixture, "web", "a: 3\n"));
	expect_file(&fixture, "web.yaml.rejected.1", "a: 2\n");
	keep_of(&fixture, NULL, "a: 4\n");
	keep_of(&fixture, NULL, "a: 5\n");
	expect_file(&fixture, "web.yaml.rejected.2", "a: 3\n");
	expect_file(&fixture, "web.yaml.rejected.3", "a: 4\n");
	/* The same text once more is none of somebody else. */
	keep_of(&fixture, self, "a: 5\n");
	expect_file(&fixture, "web.yaml.rejected.4", NULL);
	for (int i = 0; i < REJECTION_TEXTS; i++) {
		g_autofree char *text = g_strdup_printf("b: %d\n", i);

		keep_of(&fixture, NULL, text);
	}
	expect_error(&fixture, "web.yaml: too many refused texts");
	clear(&fixture, "web", "a: 6\n", FALSE);
	ck_assert(overlay_is_unused(fixture.filesystem->overlay));
	process_unref(self);
	process_unref(other);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (long_names_are_cut_and_stay_apart) {
	struct write_fixture fixture;
	g_autofree char *one = g_strnfill(249, 'n');
	g_autofree char *two = g_strnfill(249, 'n');
	struct rejected *rejected;

	write_fixture_setup(&fixture);
	one[248] = '1';
	two[248] = '2';
	keep(&fixture, one, "a: 1\n", EINVAL, "no", NULL);
	rejected = expect(&fixture, one, "a: 1\n");
	ck_assert_uint_le(strlen(rejected->name), NAME_MAX);
	ck_assert(g_str_has_suffix(rejected->name, ".rejected"));
	keep(&fixture, two, "a: 2\n", EINVAL, "no", NULL);
	rejected_unref(expect(&fixture, one, "a: 1\n"));
	rejected_unref(expect(&fixture, two, "a: 2\n"));
	clear(&fixture, two, "a: 3\n", FALSE);
	expect(&fixture, two, NULL);
	rejected_unref(expect(&fixture, one, "a: 1\n"));
	expect_file(&fixture, rejected->name, "a: 1\n");
	rejected_unref(rejected);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (losses_are_noted) {
	struct write_fixture fixture;

	write_fixture_setup(&fixture);
	for (guint i = 0; i < OVERLAY_REJECTED_MAX + 1; i++) {
		g_autofree char *name = g_strdup_printf("map-%u", i);

		keep(&fixture, name, "a: 1\n", EINVAL, "no", NULL);
	}
	expect(&fixture, "map-0", NULL);
	rejected_unref(expect(&fixture, "map-1", "a: 1\n"));
	expect_error(
		&fixture, "warning namespaces/default/configmaps/map-0.yaml: the refused text");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (they_are_for_their_owner) {
	struct write_fixture fixture;
	struct place place;
	struct rejected *rejected;
	g_autoptr(GBytes) text = bytes_of("a: 1\n");

	write_fixture_setup(&fixture);
	place = map_place(&fixture, "token");
	place.resource = fake_resource("", "v1", "secrets", "Secret");
	rejection_keep(fixture.filesystem, &place, text, NULL, EINVAL, "no", NULL);
	rejected = rejection_find(fixture.filesystem, &place);
	ck_assert_int_eq(rejected->mode, 0600);
	rejected_unref(rejected);
	resource_unref(place.resource);
	keep(&fixture, "web", "a: 1\n", EINVAL, "no", NULL);
	rejected = expect(&fixture, "web", "a: 1\n");
	ck_assert_int_eq(rejected->mode, 0600);
	rejected_unref(rejected);
	write_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, the_reasons_stand_on_top);
	tcase_add_test(tcase, comments_do_not_pile_up);
	tcase_add_loop_test(tcase, strips_only_its_own_comments, 0, G_N_ELEMENTS(STRIPPED));
	tcase_add_test(tcase, a_good_save_clears);
	tcase_add_test(tcase, a_good_save_leaves_what_came_meanwhile);
	tcase_add_test(tcase, a_scratch_file_of_that_name_is_left_alone);
	tcase_add_test(tcase, a_file_of_that_name_is_its_users);
	tcase_add_test(tcase, each_file_has_its_own);
	tcase_add_test(tcase, what_others_have_typed_is_set_aside);
	tcase_add_test(tcase, long_names_are_cut_and_stay_apart);
	tcase_add_test(tcase, losses_are_noted);
	tcase_add_test(tcase, they_are_for_their_owner);
}

int main(void)
{
	return fixture_run("rejection", add);
}
