/*
 * What writing keys is made of: which key a name would be saved to, which may be written, and what
 * a process has read of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kubefs/key_directories.h"
#include "kubefs/key_guard.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/key_place.h"
#include "kubefs/key_reading.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_etcd.h"
#include "tests/unit/key_fixture.h"

static GBytes *bytes(const char *text)
{
	return g_bytes_new(text, strlen(text));
}

static void expect_place(struct filesystem *filesystem, const char *prefix, gboolean slashless,
	const char *name, const char *wanted)
{
	g_autoptr(GBytes) start = bytes(prefix);
	g_autoptr(GBytes) key = wanted != NULL ? bytes(wanted) : NULL;
	const struct node_key directory = {
		.kind = NODE_KEYS, .prefix = start, .slashless = slashless};
	struct place place PLACE_CLEANUP = {0};
	gboolean found = key_place_of_name(filesystem, &directory, name, &place);

	ck_assert_msg(found == (wanted != NULL), "%s%s", prefix, name);
	if (wanted != NULL)
		ck_assert(g_bytes_equal(place.key, key));
}

START_TEST (names_are_of_keys) {
	struct key_fixture fixture;

	key_fixture_init(&fixture, "");
	expect_place(fixture.filesystem, "/a/", FALSE, "b", "/a/b");
	expect_place(fixture.filesystem, "/a/", FALSE, "b%=", "/a/b");
	expect_place(fixture.filesystem, "/a/", FALSE, "%-", "/a/");
	expect_place(fixture.filesystem, "/a/", FALSE, "b%25", "/a/b%");
	expect_place(fixture.filesystem, "/a/", FALSE, "b%2F", NULL);
	expect_place(fixture.filesystem, "/a/", FALSE, "b%", NULL);
	expect_place(fixture.filesystem, "/a/", FALSE, ".revisions", NULL);
	expect_place(fixture.filesystem, "", TRUE, "b", "b");
	/* "" is no key. */
	expect_place(fixture.filesystem, "", TRUE, "%-", NULL);
	expect_place(fixture.filesystem, "/p", TRUE, "%-", "/p");
	key_fixture_finish(&fixture);
}
END_TEST

/* The way there and back, whatever the mount's prefix. */
START_TEST (keys_have_one_place) {
	static const char *const prefixes[] = {"", "/", "/a", "/a/", "/a/b", "a"};
	static const char *const keys[] = {"a", "/a", "/a/", "/a//", "/a/b", "/a/b/c", "/ab", "//a",
		"a/b", "/a/b%", "/a/.", "/a/.revisions"};

	for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++) {
		struct key_fixture fixture;

		key_fixture_init(&fixture, prefixes[i]);
		for (guint j = 0; j < G_N_ELEMENTS(keys); j++) {
			g_autoptr(GBytes) key = bytes(keys[j]);
			struct place place PLACE_CLEANUP = {0};
			struct place again PLACE_CLEANUP = {0};
			struct node_key directory;
			g_autofree char *path = NULL;
			g_autofree char *wanted =
				key_path_of_key(fixture.filesystem->keys, key, KEY_PLAIN);

			ck_assert_int_eq(
				key_place_of_key(fixture.filesystem, key, &place), wanted != NULL);
			if (wanted == NULL)
				continue;
			path = place_path(&place);
			ck_assert_str_eq(path, wanted);
			directory = key_layout_directory(&place.scope, "");
			ck_assert(key_place_of_name(
				fixture.filesystem, &directory, place.name, &again));
			ck_assert(place_same_object(&place, &again));
		}
		key_fixture_finish(&fixture);
	}
}
END_TEST

START_TEST (some_names_are_scratch) {
	static const char *const scratch[] = {".a.swp", "#a#", ".#a", "a~", "sedAb12cd"};
	static const char *const not_scratch[] = {
		"a", "4913", "sedAb12c", "sedAb12cd1", "sed", "used", ".a%=", "a~%=", "a.rejected"};

	for (guint i = 0; i < G_N_ELEMENTS(scratch); i++)
		ck_assert_msg(key_place_is_scratch(scratch[i]), "%s", scratch[i]);
	for (guint i = 0; i < G_N_ELEMENTS(not_scratch); i++)
		ck_assert_msg(!key_place_is_scratch(not_scratch[i]), "%s", not_scratch[i]);
}
END_TEST

static int check(
	struct filesystem *filesystem, const char *key, const char *value, enum source_verb verb)
{
	g_autoptr(GBytes) key_bytes = bytes(key);
	g_autoptr(GBytes) value_bytes =
		g_bytes_new(value != NULL ? value : "", value != NULL ? strlen(value) + 1 : 0);
	const struct etcd_kv kv = {.key = key_bytes, .value = value_bytes};
	struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP =
		key_snapshot_create(&kv, (struct timespec){0});
	g_autoptr(GError) error = NULL;
	int r = key_guard_check(
		filesystem, key_bytes, value != NULL ? snapshot : NULL, verb, &error);

	ck_assert_int_eq(error != NULL, r < 0);
	return r;
}

START_TEST (what_is_of_kubernetes_is_not_written) {
	static const char *const keys[] = {
		"/registry", "/registry/", "/registry/pods/a", "compact_rev_key"};
	static const char *const values[] = {"k8s", "k8s:enc:aescbc:", "{\"apiVersion\":\"v1\""};
	struct key_fixture fixture;

	key_fixture_init(&fixture, "");
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		ck_assert_int_eq(check(fixture.filesystem, keys[i], NULL, SOURCE_CREATE), -EROFS);
	for (guint i = 0; i < G_N_ELEMENTS(values); i++)
		ck_assert_int_eq(check(fixture.filesystem, "/a", values[i], SOURCE_DELETE), -EROFS);
	ck_assert_int_eq(check(fixture.filesystem, "/registry-old", NULL, SOURCE_CREATE), 0);
	ck_assert_int_eq(check(fixture.filesystem, "registry/a", NULL, SOURCE_CREATE), 0);
	ck_assert_int_eq(check(fixture.filesystem, "/a", "k8t", SOURCE_UPDATE), 0);
	fixture.filesystem->etcd_registry_write = TRUE;
	ck_assert_int_eq(check(fixture.filesystem, "/registry/a", "k8s", SOURCE_UPDATE), 0);
	fixture.filesystem->decode = TRUE;
	ck_assert_int_eq(check(fixture.filesystem, "/a", NULL, SOURCE_UPDATE), -EROFS);
	fixture.filesystem->decode = FALSE;
	fixture.filesystem->keys_dry_run = TRUE;
	ck_assert_int_eq(check(fixture.filesystem, "/a", NULL, SOURCE_UPDATE), -EROFS);
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (switches_name_keys) {
	static const struct {
		enum guard_effect effect;
		const char *item;
		int update;
		int delete;
	} cases[] = {
		{GUARD_DENY, "etcd", -EACCES, -EACCES},
		{GUARD_DENY, "etcd/delete", 0, -EACCES},
		{GUARD_DENY, "*/delete", 0, -EACCES},
		{GUARD_DENY, "pods", 0, 0},
		{GUARD_ALLOW, "pods", -EACCES, -EACCES},
		{GUARD_ALLOW, "etcd/update", 0, -EACCES},
		{GUARD_ALLOW, "*", 0, 0},
	};
	struct key_fixture fixture;

	key_fixture_init(&fixture, "");
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct guard *guard = guard_create();

		ck_assert_int_eq(guard_add(guard, cases[i].effect, cases[i].item, NULL), 0);
		fixture.filesystem->guard = guard;
		ck_assert_int_eq(
			check(fixture.filesystem, "/a", "v", SOURCE_UPDATE), cases[i].update);
		ck_assert_int_eq(
			check(fixture.filesystem, "/a", "v", SOURCE_DELETE), cases[i].delete);
		fixture.filesystem->guard = NULL;
		guard_destroy(guard);
	}
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (readings_are_of_a_process) {
	struct key_readings *readings = key_readings_create();
	const pid_t self = getpid();

	key_readings_note(readings, self, "/a", 2, 5);
	key_readings_note(readings, 0, "/b", 2, 6);
	ck_assert_int_eq(key_readings_find(readings, self, "/a", 2), 5);
	ck_assert_int_eq(key_readings_find(readings, self, "/a\0", 3), 0);
	ck_assert_int_eq(key_readings_find(readings, self, "/b", 2), 0);
	ck_assert_int_eq(key_readings_find(readings, getppid(), "/a", 2), 0);
	ck_assert_int_eq(key_readings_find(readings, 0, "/a", 2), 0);
	key_readings_note(readings, self, "/a", 2, 7);
	ck_assert_int_eq(key_readings_find(readings, self, "/a", 2), 7);
	for (int i = 0; i < KEY_READINGS_MAX; i++) {
		g_autofree char *key = g_strdup_printf("/c/%d", i);

		key_readings_note(readings, self, key, strlen(key), i + 1);
	}
	ck_assert_int_eq(key_readings_find(readings, self, "/a", 2), 0);
	ck_assert_int_eq(key_readings_find(readings, self, "/c/0", 4), 1);
	key_readings_destroy(readings);
}
END_TEST

static void *read_in_thread(void *data)
{
	key_readings_note(data, gettid(), "/a", 2, 5);
	return NULL;
}

START_TEST (readings_outlive_their_thread) {
	struct key_readings *readings = key_readings_create();
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, read_in_thread, readings), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(key_readings_find(readings, getpid(), "/a", 2), 5);
	key_readings_forget(readings, getpid(), "/a", 2);
	key_readings_forget(readings, getpid(), "/a", 2);
	ck_assert_int_eq(key_readings_find(readings, getpid(), "/a", 2), 0);
	key_readings_destroy(readings);
}
END_TEST

static void release_file(struct key_fixture *fixture, uint64_t id, struct fuse_file_info *info)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);

	OPERATIONS.release(request, id, info);
	ck_assert_int_eq(fake_request_wait(request), REPLY_ERROR);
	ck_assert_int_eq(request->errnum, 0);
	fake_request_destroy(request);
}

/* Opens it, and lets it go at once. */
static int open_file(struct key_fixture *fixture, uint64_t id, int flags)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);
	struct fuse_file_info info = {.flags = flags};
	int errnum;

	OPERATIONS.open(request, id, &info);
	errnum = fake_request_wait(request) == REPLY_OPEN ? 0 : request->errnum;
	info = request->info;
	fake_request_destroy(request);
	if (errnum == 0)
		release_file(fixture, id, &info);
	return errnum;
}

/* Else it would be taken for a reading of the key that it was. */
START_TEST (moved_node_is_looked_up_again) {
	struct key_fixture fixture;
	struct node *node NODE_CLEANUP = NULL;
	struct node *renewed NODE_CLEANUP = NULL;
	uint64_t id;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/dir/from", "1");
	id = key_fixture_enter(&fixture, key_fixture_enter(&fixture, FUSE_ROOT_ID, "dir"), "from");
	ck_assert_int_eq(open_file(&fixture, id, O_RDONLY), 0);
	node = node_table_get(fixture.filesystem->nodes, id);
	renewed = node_table_renew(fixture.filesystem->nodes, &node->key);
	ck_assert_ptr_eq(renewed, node);
	ck_assert_int_eq(open_file(&fixture, id, O_RDONLY), ESTALE);
	key_fixture_finish(&fixture);
}
END_TEST

/* The kernel looks a name up once more, and no more than that. */
START_TEST (moved_node_is_written_at_its_new_name) {
	struct key_fixture fixture;
	struct node *node NODE_CLEANUP = NULL;
	struct node *renewed NODE_CLEANUP = NULL;
	struct node *found;
	g_autoptr(GBytes) to = bytes("/dir/to");
	uint64_t directory, id;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/dir/from", "1");
	fake_etcd_put(fixture.fake, "/dir/to", "2");
	directory = key_fixture_enter(&fixture, FUSE_ROOT_ID, "dir");
	id = key_fixture_enter(&fixture, directory, "from");
	node = node_table_get(fixture.filesystem->nodes, id);
	renewed = node_table_renew(fixture.filesystem->nodes, &node->key);
	if (_i > 0)
		node_table_move(fixture.filesystem->nodes, node, to);
	ck_assert_int_eq(open_file(&fixture, id, O_WRONLY), ESTALE);
	id = key_fixture_enter(&fixture, directory, _i > 0 ? "to" : "from");
	found = node_table_get(fixture.filesystem->nodes, id);
	ck_assert_int_eq(found->key.kind, NODE_LOCAL);
	node_unref(found);
	ck_assert_int_eq(open_file(&fixture, id, O_WRONLY), 0);
	key_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, names_are_of_keys);
	tcase_add_test(tcase, keys_have_one_place);
	tcase_add_test(tcase, some_names_are_scratch);
	tcase_add_test(tcase, what_is_of_kubernetes_is_not_written);
	tcase_add_test(tcase, switches_name_keys);
	tcase_add_test(tcase, readings_are_of_a_process);
	tcase_add_test(tcase, readings_outlive_their_thread);
	tcase_add_test(tcase, moved_node_is_looked_up_again);
	tcase_add_loop_test(tcase, moved_node_is_written_at_its_new_name, 0, 2);
}

int main(void)
{
	return fixture_run("key_writing", add);
}
