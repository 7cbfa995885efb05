/* cache/key_children.h: names that are keys, directories or both; their places; sweeps. */
#include "cache/key_children.h"

#include <string.h>

#include "tests/unit/cache_fixture.h"

static struct key_snapshot *snapshot(const char *key, int64_t revision)
{
	g_autoptr(GBytes) key_bytes = g_bytes_new(key, strlen(key));
	g_autoptr(GBytes) value = g_bytes_new("value", 5);

	return key_snapshot_create(
		&(struct etcd_kv){.key = key_bytes, .value = value, .mod_revision = revision},
		(struct timespec){1, 2});
}

/* snapshot and directory as the name is made; "-" or what changed: old and new, k, d or kd. */
static void set(struct key_children *children, const char *name, struct key_snapshot *made,
	gboolean directory, const char *wanted)
{
	struct key_change change = {0};
	g_autofree char *text = g_strdup("-");

	if (key_children_set(children, name, strlen(name), made, directory, &change)) {
		g_free(text);
		text = g_strdup_printf("%s%s>%s%s", change.old != NULL ? "k" : "",
			change.was_directory ? "d" : "", change.new != NULL ? "k" : "",
			change.is_directory ? "d" : "");
		ck_assert_uint_eq(g_bytes_get_size(change.name), strlen(name));
	}
	ck_assert_str_eq(text, wanted);
	key_change_finish(&change);
}

static gboolean append(void *data, uint64_t sequence, const struct key_child *child)
{
	g_string_append_printf(data, "%.*s%s%s@%u ", (int)child->length, child->name,
		child->snapshot != NULL ? "" : "-", child->directory ? "/" : "", (guint)sequence);
	return TRUE;
}

static void expect(const struct key_children *children, uint64_t after, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);

	key_children_each(children, after, append, text);
	ck_assert_str_eq(text->str, wanted);
}

START_TEST (keeps_names) {
	struct key_children *children = key_children_create();
	struct key_snapshot *kept = snapshot("/a", 1);
	struct key_child child;

	set(children, "a", key_snapshot_ref(kept), FALSE, ">k");
	set(children, "a", key_snapshot_ref(kept), FALSE, "-");
	set(children, "b", NULL, TRUE, ">d");
	set(children, "", snapshot("/", 2), FALSE, ">k");
	set(children, "none", NULL, FALSE, "-");
	expect(children, 0, "a@1 b-/@2 @3 ");
	expect(children, 1, "b-/@2 @3 ");
	set(children, "a", key_snapshot_ref(kept), TRUE, "k>kd");
	set(children, "a", NULL, TRUE, "kd>d");
	set(children, "a", snapshot("/a", 5), TRUE, "d>kd");
	ck_assert(key_children_find(children, "a", 1, &child));
	ck_assert_int_eq(child.snapshot->mod_revision, 5);
	ck_assert(!key_children_find(children, "c", 1, &child));
	ck_assert_uint_eq(key_children_count(children), 3);
	ck_assert_uint_eq(key_children_keys(children), 2);
	ck_assert_uint_eq(key_children_directories(children), 2);
	ck_assert_uint_eq(key_children_bytes(children), 2 + 5 + 1 + 5);
	ck_assert_uint_eq(key_children_longest(children), 1);
	set(children, "a", NULL, FALSE, "kd>");
	set(children, "a", snapshot("/a", 6), FALSE, ">k");
	expect(children, 0, "b-/@2 @3 a@4 ");
	key_children_destroy(children);
	key_children_destroy(NULL);
	key_snapshot_unref(kept);
}
END_TEST

START_TEST (sweeps) {
	struct key_children *children = key_children_create();
	g_autoptr(GArray) gone = NULL;

	set(children, "both", snapshot("/both", 1), TRUE, ">kd");
	set(children, "key", snapshot("/key", 1), FALSE, ">k");
	set(children, "gone", snapshot("/gone", 1), FALSE, ">k");
	set(children, "directory", NULL, TRUE, ">d");
	set(children, "none", snapshot("/none", 1), TRUE, ">kd");
	key_children_sweep_begin(children);
	key_children_mark_key(children, "both", 4);
	key_children_mark_key(children, "key", 3);
	key_children_mark_directory(children, "directory", 9);
	key_children_mark_directory(children, "nobody", 6);
	gone = key_children_sweep_end(children);
	ck_assert_uint_eq(gone->len, 3);
	ck_assert(g_array_index(gone, struct key_change, 0).was_directory &&
		  !g_array_index(gone, struct key_change, 0).is_directory &&
		  g_array_index(gone, struct key_change, 0).new != NULL);
	ck_assert(g_array_index(gone, struct key_change, 2).old != NULL &&
		  g_array_index(gone, struct key_change, 2).new == NULL);
	expect(children, 0, "both@1 key@2 directory-/@4 ");
	ck_assert_uint_eq(key_children_keys(children), 2);
	ck_assert_uint_eq(key_children_directories(children), 1);
	key_children_destroy(children);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, keeps_names);
	tcase_add_test(tcase, sweeps);
}

int main(void)
{
	return fixture_run("key_children", add);
}
