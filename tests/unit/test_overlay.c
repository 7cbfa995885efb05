/* kubefs/overlay.h: names, their order, writers, and refused texts up to a number and a size. */
#include "kubefs/overlay.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/place_fixture.h"

struct fixture {
	struct place_fixture base;
	struct local_usage usage;
	struct overlay *overlay;
};

static void setup(struct fixture *fixture)
{
	place_fixture_setup(&fixture->base);
	fixture->usage = (struct local_usage){0};
	fixture->overlay = overlay_create();
}

static void finish(struct fixture *fixture)
{
	overlay_destroy(fixture->overlay);
	overlay_destroy(NULL);
	ck_assert_int_eq(fixture->usage.files, 0);
	ck_assert_int_eq(fixture->usage.bytes, 0);
	place_fixture_finish(&fixture->base);
}

static void put(struct fixture *fixture, const char *directory, const char *name, const char *text)
{
	struct local *local = local_create(&fixture->usage, 0644, 07777);

	ck_assert_int_eq(local_fill(local, text, strlen(text)), 0);
	overlay_put(fixture->overlay, directory, name, local);
	local_unref(local);
}

/* NULL: nothing is there. */
static void expect(
	struct fixture *fixture, const char *directory, const char *name, const char *text)
{
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};
	g_autoptr(GBytes) bytes = NULL;

	ck_assert(overlay_find(fixture->overlay, directory, name, &entry) == (text != NULL));
	ck_assert((entry.local != NULL) + (entry.rejected != NULL) == (text != NULL));
	if (entry.local != NULL)
		bytes = local_bytes(entry.local);
	else if (entry.rejected != NULL)
		bytes = g_bytes_ref(entry.rejected->text);
	if (text != NULL)
		bytes_expect(bytes, text);
}

static gboolean reject(
	struct fixture *fixture, const char *directory, const char *name, GBytes *text, char **ret)
{
	gboolean kept;

	struct rejected *rejected = g_new0(struct rejected, 1);
	const struct place place = place_fixture_map(&fixture->base, name);

	rejected->references = 1;
	place_copy(&rejected->place, &place);
	rejected->errnum = EINVAL;
	rejected->text = g_bytes_ref(text);
	kept = overlay_reject(fixture->overlay, directory, name, rejected, ret);
	rejected_unref(rejected);
	return kept;
}

static void reject_text(
	struct fixture *fixture, const char *directory, const char *name, const char *text)
{
	g_autoptr(GBytes) bytes = bytes_of(text);
	g_autofree char *evicted = NULL;

	ck_assert(reject(fixture, directory, name, bytes, &evicted));
	ck_assert_ptr_null(evicted);
}

START_TEST (finds_by_directory_and_name) {
	struct fixture fixture;

	setup(&fixture);
	ck_assert(overlay_is_unused(fixture.overlay));
	expect(&fixture, "d", "a", NULL);
	put(&fixture, "d", "a", "1");
	put(&fixture, "d", "b", "2");
	put(&fixture, "e", "a", "3");
	ck_assert(!overlay_is_unused(fixture.overlay));
	expect(&fixture, "d", "a", "1");
	expect(&fixture, "d", "b", "2");
	expect(&fixture, "e", "a", "3");
	expect(&fixture, "e", "b", NULL);
	put(&fixture, "d", "a", "4");
	expect(&fixture, "d", "a", "4");
	ck_assert_int_eq(fixture.usage.files, 3);
	ck_assert(!overlay_is_empty(fixture.overlay, "e"));
	ck_assert(overlay_remove(fixture.overlay, "e", "a", NULL));
	ck_assert(!overlay_remove(fixture.overlay, "e", "a", NULL));
	ck_assert(overlay_is_empty(fixture.overlay, "e"));
	ck_assert(overlay_remove(fixture.overlay, "d", "a", NULL));
	ck_assert(overlay_remove(fixture.overlay, "d", "b", NULL));
	ck_assert(overlay_is_unused(fixture.overlay));
	finish(&fixture);
}
END_TEST

START_TEST (removes_only_what_is_meant) {
	struct fixture fixture;
	struct local *old;

	setup(&fixture);
	old = local_create(&fixture.usage, 0644, 07777);
	overlay_put(fixture.overlay, "d", "a", old);
	overlay_put(fixture.overlay, "d", "b", old);
	ck_assert_uint_eq(old->links, 2);
	put(&fixture, "d", "a", "new");
	ck_assert_uint_eq(old->links, 1);
	ck_assert(!overlay_remove(fixture.overlay, "d", "a", old));
	expect(&fixture, "d", "a", "new");
	ck_assert(overlay_remove(fixture.overlay, "d", "b", old));
	ck_assert_uint_eq(old->links, 0);
	local_unref(old);
	finish(&fixture);
}
END_TEST

struct visit {
	GString *names;
	guint left;
	uint64_t last;
};

static gboolean on_entry(
	void *data, uint64_t sequence, const char *name, const struct overlay_entry *entry)
{
	struct visit *visit = data;

	ck_assert_uint_gt(sequence, visit->last);
	ck_assert((entry->local != NULL) != (entry->rejected != NULL));
	visit->last = sequence;
	g_string_append_printf(visit->names, "%s ", name);
	return --visit->left > 0;
}

/* Returns where the next part begins. */
static uint64_t expect_names(
	struct fixture *fixture, uint64_t after, guint count, const char *wanted)
{
	struct visit visit = {g_string_new(NULL), count, after};

	overlay_each(fixture->overlay, "d", after, on_entry, &visit);
	ck_assert_str_eq(visit.names->str, wanted);
	g_string_free(visit.names, TRUE);
	return visit.last;
}

START_TEST (lists_in_an_order_that_stays) {
	struct fixture fixture;
	uint64_t middle;

	setup(&fixture);
	expect_names(&fixture, 0, 10, "");
	put(&fixture, "d", "c", "");
	put(&fixture, "e", "other", "");
	put(&fixture, "d", "a", "");
	reject_text(&fixture, "d", "b", "x");
	expect_names(&fixture, 0, 10, "c a b ");
	middle = expect_names(&fixture, 0, 2, "c a ");
	/* What was seen goes and what is new comes, between two parts of a listing. */
	overlay_remove(fixture.overlay, "d", "a", NULL);
	put(&fixture, "d", "new", "");
	expect_names(&fixture, middle, 10, "b new ");
	put(&fixture, "d", "c", "again");
	expect_names(&fixture, 0, 10, "b new c ");
	finish(&fixture);
}
END_TEST

static char *name_of(guint number)
{
	return g_strdup_printf("text-%u", number);
}

static gboolean ask_and_remove(
	void *data, uint64_t sequence, const char *name, const struct overlay_entry *entry)
{
	struct fixture *fixture = data;

	ck_assert_uint_gt(sequence, 0);
	ck_assert(!overlay_has_writer(fixture->overlay, "d", name));
	ck_assert(overlay_remove(fixture->overlay, "d", name, NULL));
	ck_assert_uint_eq(entry->local->links, 0);
	return TRUE;
}

/* More names than are looked at at a time, and a visit may use the overlay. */
START_TEST (visits_without_a_lock) {
	struct fixture fixture;
	g_autoptr(GString) names = g_string_new(NULL);

	setup(&fixture);
	for (guint i = 0; i < 1000; i++) {
		g_autofree char *name = name_of(i);

		put(&fixture, "d", name, "x");
		g_string_append_printf(names, "%s ", name);
	}
	expect_names(&fixture, 0, 2000, names->str);
	overlay_each(fixture.overlay, "d", 0, ask_and_remove, &fixture);
	ck_assert(overlay_is_unused(fixture.overlay));
	finish(&fixture);
}
END_TEST

static void expect_writers(struct fixture *fixture, const char *name, guint count)
{
	g_autoptr(GPtrArray) writers = overlay_writers(fixture->overlay, "d", name);

	ck_assert_uint_eq(writers->len, count);
}

START_TEST (counts_writers) {
	struct fixture fixture;
	struct local *local;
	struct local *other;

	setup(&fixture);
	local = local_create(&fixture.usage, 0644, 07777);
	other = local_create(&fixture.usage, 0644, 07777);
	ck_assert(!overlay_has_writer(fixture.overlay, "d", "a"));
	expect_writers(&fixture, "a", 0);
	overlay_add_writer(fixture.overlay, "d", "a", local);
	overlay_add_writer(fixture.overlay, "d", "a", other);
	overlay_add_writer(fixture.overlay, "d", "a", local);
	overlay_add_writer(fixture.overlay, "d", "b", local);
	expect_writers(&fixture, "a", 3);
	ck_assert(!overlay_is_unused(fixture.overlay));
	/* A writer is no name. */
	ck_assert(overlay_is_empty(fixture.overlay, "d"));
	expect(&fixture, "d", "a", NULL);
	overlay_remove_writer(fixture.overlay, "d", "a", local);
	overlay_remove_writer(fixture.overlay, "d", "a", local);
	overlay_remove_writer(fixture.overlay, "e", "a", local);
	expect_writers(&fixture, "a", 1);
	ck_assert(overlay_has_writer(fixture.overlay, "d", "a"));
	ck_assert(!overlay_has_writer(fixture.overlay, "e", "a"));
	overlay_remove_writer(fixture.overlay, "d", "a", other);
	ck_assert(!overlay_has_writer(fixture.overlay, "d", "a"));
	ck_assert(overlay_has_writer(fixture.overlay, "d", "b"));
	overlay_remove_writer(fixture.overlay, "d", "b", local);
	ck_assert(overlay_is_unused(fixture.overlay));
	local_unref(local);
	local_unref(other);
	finish(&fixture);
}
END_TEST

START_TEST (a_writer_outlives_the_names) {
	struct fixture fixture;
	struct local *local;

	setup(&fixture);
	local = local_create(&fixture.usage, 0644, 07777);
	put(&fixture, "d", "a", "");
	overlay_add_writer(fixture.overlay, "d", "a", local);
	ck_assert(overlay_remove(fixture.overlay, "d", "a", NULL));
	ck_assert(overlay_has_writer(fixture.overlay, "d", "a"));
	put(&fixture, "d", "b", "");
	overlay_remove_writer(fixture.overlay, "d", "a", local);
	expect(&fixture, "d", "b", "");
	local_unref(local);
	finish(&fixture);
}
END_TEST

START_TEST (keeps_one_refused_text_a_name) {
	struct fixture fixture;
	g_autoptr(GBytes) text = bytes_of("third");
	g_autofree char *evicted = NULL;

	setup(&fixture);
	reject_text(&fixture, "d", "a", "first");
	reject_text(&fixture, "d", "b", "other");
	reject_text(&fixture, "d", "a", "second");
	expect(&fixture, "d", "a", "second");
	expect(&fixture, "d", "b", "other");
	ck_assert(overlay_remove(fixture.overlay, "d", "a", NULL));
	expect(&fixture, "d", "a", NULL);
	put(&fixture, "d", "b", "scratch");
	expect(&fixture, "d", "b", "scratch");
	/* What stands there is its user's. */
	ck_assert(!reject(&fixture, "d", "b", text, &evicted));
	expect(&fixture, "d", "b", "scratch");
	finish(&fixture);
}
END_TEST

START_TEST (the_oldest_refused_text_makes_room) {
	struct fixture fixture;

	setup(&fixture);
	put(&fixture, "d", "scratch", "stays");
	for (guint i = 0; i < OVERLAY_REJECTED_MAX; i++) {
		g_autofree char *name = name_of(i);

		reject_text(&fixture, i % 2 == 0 ? "d" : "e", name, name);
	}
	/* One that is written anew is young again, and takes no more room. */
	reject_text(&fixture, "d", "text-0", "anew");
	for (guint i = 0; i < 2; i++) {
		g_autofree char *name = name_of(1000 + i);
		g_autofree char *oldest = name_of(1 + i);
		g_autofree char *path =
			g_strdup_printf("namespaces/default/configmaps/%s.yaml", oldest);
		g_autofree char *evicted = NULL;
		g_autoptr(GBytes) text = bytes_of(name);

		reject(&fixture, "f", name, text, &evicted);
		ck_assert_str_eq(evicted, path);
		expect(&fixture, i % 2 == 0 ? "e" : "d", oldest, NULL);
		expect(&fixture, "f", name, name);
	}
	expect(&fixture, "d", "text-0", "anew");
	expect(&fixture, "e", "text-3", "text-3");
	expect(&fixture, "d", "scratch", "stays");
	/* What was taken away leaves room. */
	ck_assert(overlay_remove(fixture.overlay, "e", "text-3", NULL));
	reject_text(&fixture, "f", "more", "x");
	finish(&fixture);
}
END_TEST

START_TEST (refused_texts_take_only_so_many_bytes) {
	struct fixture fixture;
	g_autofree char *zeros = g_malloc0(OVERLAY_REJECTED_BYTES_MAX);
	g_autoptr(GBytes) quarter = g_bytes_new(zeros, OVERLAY_REJECTED_BYTES_MAX / 4);
	g_autoptr(GBytes) half = g_bytes_new(zeros, OVERLAY_REJECTED_BYTES_MAX / 2);
	static const char *const gone[] = {"text-0", "text-1"};

	setup(&fixture);
	for (guint i = 0; i < 4; i++) {
		g_autofree char *name = name_of(i);
		g_autofree char *evicted = NULL;

		reject(&fixture, "d", name, quarter, &evicted);
		ck_assert_ptr_null(evicted);
	}
	{
		g_autofree char *evicted = NULL;

		reject(&fixture, "d", "large", half, &evicted);
		/* Of each the user is told. */
		ck_assert_str_eq(evicted, "namespaces/default/configmaps/text-0.yaml, "
					  "namespaces/default/configmaps/text-1.yaml");
	}
	for (guint i = 0; i < G_N_ELEMENTS(gone); i++)
		expect(&fixture, "d", gone[i], NULL);
	for (guint i = 2; i < 4; i++) {
		struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};
		g_autofree char *name = name_of(i);

		ck_assert(overlay_find(fixture.overlay, "d", name, &entry));
	}
	/* In place of an older one of that name nothing has to go. */
	for (guint i = 0; i < 3; i++) {
		g_autofree char *evicted = NULL;

		reject(&fixture, "d", "large", half, &evicted);
		ck_assert_ptr_null(evicted);
	}
	finish(&fixture);
}
END_TEST

static void *use_much(void *data)
{
	struct fixture *fixture = data;
	struct local *local = local_create(&fixture->usage, 0644, 07777);

	for (guint i = 0; i < 1000; i++) {
		g_autofree char *name = name_of(i % 5);
		struct visit visit = {g_string_new(NULL), 10, 0};

		put(fixture, "d", name, "x");
		overlay_add_writer(fixture->overlay, "d", name, local);
		overlay_each(fixture->overlay, "d", 0, on_entry, &visit);
		overlay_remove_writer(fixture->overlay, "d", name, local);
		overlay_remove(fixture->overlay, "d", name, NULL);
		if (i % 10 == 0)
			reject_text(fixture, "d", "refused", "x");
		g_string_free(visit.names, TRUE);
	}
	local_unref(local);
	return NULL;
}

static void put_passing(struct fixture *fixture, const char *name)
{
	struct local *local = local_create_directory(&fixture->usage);

	overlay_put_passing(fixture->overlay, "d", name, local);
	local_unref(local);
}

START_TEST (what_passes_makes_room) {
	struct fixture fixture;
	struct overlay_entry entry OVERLAY_ENTRY_CLEANUP = {0};

	setup(&fixture);
	for (guint i = 0; i <= OVERLAY_PASSING_MAX; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);

		put_passing(&fixture, name);
		/* What has taken its place stays. */
		if (i == 1)
			put(&fixture, "d", name, "file");
	}
	ck_assert(!overlay_find(fixture.overlay, "d", "0", &entry));
	put_passing(&fixture, "more");
	ck_assert(overlay_find(fixture.overlay, "d", "1", &entry));
	overlay_entry_finish(&entry);
	ck_assert_int_le(fixture.usage.files, OVERLAY_PASSING_MAX + 1);
	finish(&fixture);
}
END_TEST

START_TEST (works_on_several_threads) {
	struct fixture fixture;
	pthread_t threads[3];

	setup(&fixture);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_create(&threads[i], NULL, use_much, &fixture);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	expect_names(&fixture, 0, 10, "refused ");
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, finds_by_directory_and_name);
	tcase_add_test(tcase, removes_only_what_is_meant);
	tcase_add_test(tcase, lists_in_an_order_that_stays);
	tcase_add_test(tcase, visits_without_a_lock);
	tcase_add_test(tcase, counts_writers);
	tcase_add_test(tcase, a_writer_outlives_the_names);
	tcase_add_test(tcase, keeps_one_refused_text_a_name);
	tcase_add_test(tcase, the_oldest_refused_text_makes_room);
	tcase_add_test(tcase, refused_texts_take_only_so_many_bytes);
	tcase_add_test(tcase, what_passes_makes_room);
	tcase_add_test(tcase, works_on_several_threads);
}

int main(void)
{
	return fixture_run("overlay", add);
}
