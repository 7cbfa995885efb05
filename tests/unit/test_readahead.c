/*
 * kubefs/readahead.h: what is stored ahead of whom, how much of it, and of what not.
 */
#include "kubefs/readahead.h"

#include <string.h>

#include "kubefs/filesystem.h"
#include "tests/unit/fake_fuse.h"

struct fixture {
	struct lines *lines;
	struct filesystem filesystem; /* its nodes alone */
	struct readahead *readahead;
	guint files;
};

static void setup(struct fixture *fixture)
{
	const struct node_key root = {.kind = NODE_ROOT};

	fixture->lines = lines_create();
	fake_notifications_set(fixture->lines);
	fixture->filesystem.nodes = node_table_create(&root);
	fixture->readahead = readahead_create(&fixture->filesystem);
	fixture->files = 0;
}

/* What is on its way is done; there is nothing more. */
static void finish(struct fixture *fixture)
{
	readahead_destroy(fixture->readahead);
	lines_expect_none(fixture->lines);
	node_table_destroy(fixture->filesystem.nodes);
	fake_notifications_set(NULL);
	lines_destroy(fixture->lines);
}

/* Nodes of keys, with ids in their order. Returns the first one's. */
static uint64_t add_files(struct fixture *fixture, guint count, size_t length)
{
	uint64_t first = 0;

	for (guint i = 0; i < count; i++) {
		g_autofree char *name = g_strdup_printf("/key%u", fixture->files++);
		g_autofree char *text = g_strnfill(length, 'x');
		g_autoptr(GBytes) key = g_bytes_new(name, strlen(name));
		g_autoptr(GBytes) value = g_bytes_new(text, length);
		const struct etcd_kv kv = {.key = key, .value = value, .mod_revision = 1};
		struct key_snapshot *snapshot KEY_SNAPSHOT_CLEANUP =
			key_snapshot_create(&kv, (struct timespec){0});
		const struct node_key node_key = {.kind = NODE_KEY, .value = snapshot};
		struct node *node NODE_CLEANUP =
			node_table_enter(fixture->filesystem.nodes, &node_key, NULL);

		if (i == 0)
			first = node->id;
		ck_assert_uint_eq(node->id, first + i);
	}
	return first;
}

static void read_file(struct fixture *fixture, uint64_t id)
{
	struct node *node NODE_CLEANUP = node_table_get(fixture->filesystem.nodes, id);

	readahead_note_read(fixture->readahead, node);
}

static void expect_stored(struct fixture *fixture, uint64_t first, guint count, size_t length)
{
	for (guint i = 0; i < count; i++) {
		g_autofree char *line =
			g_strdup_printf("store %u %zu", (unsigned int)first + i, length);

		lines_expect(fixture->lines, line);
	}
}

START_TEST (what_follows_two_files_is_stored) {
	struct fixture fixture;
	uint64_t first;

	setup(&fixture);
	first = add_files(&fixture, 200, 10);
	read_file(&fixture, first);
	read_file(&fixture, first + 1);
	expect_stored(&fixture, first + 2, READAHEAD_FILES_MIN, 10);
	/* Who reads faster than it is stored. */
	read_file(&fixture, first + 2);
	read_file(&fixture, first + 1 + READAHEAD_FILES_MIN);
	/* Twice as many. */
	read_file(&fixture, first + 2 + READAHEAD_FILES_MIN);
	expect_stored(
		&fixture, first + 3 + READAHEAD_FILES_MIN, 2 * (guint)READAHEAD_FILES_MIN, 10);
	finish(&fixture);
}
END_TEST

START_TEST (single_files_are_left_alone) {
	struct fixture fixture;
	uint64_t first;

	setup(&fixture);
	first = add_files(&fixture, 200, 10);
	for (guint i = 0; i < 60; i++)
		read_file(&fixture, first + 2 * i * 7 % 200);
	read_file(&fixture, first);
	read_file(&fixture, first);
	finish(&fixture);
}
END_TEST

START_TEST (several_readers_are_told_apart) {
	struct fixture fixture;
	uint64_t first;

	setup(&fixture);
	first = add_files(&fixture, READAHEAD_STREAMS_MAX * 100, 1);
	for (guint i = 0; i < READAHEAD_STREAMS_MAX; i++)
		read_file(&fixture, first + 100 * (uint64_t)i);
	for (guint i = 0; i < READAHEAD_STREAMS_MAX; i++) {
		read_file(&fixture, first + 100 * (uint64_t)i + 1);
		expect_stored(&fixture, first + 100 * (uint64_t)i + 2, READAHEAD_FILES_MIN, 1);
	}
	finish(&fixture);
}
END_TEST

/* Of a directory that is listed next, while the one before it is read to its end. */
START_TEST (goes_on_where_the_nodes_ended) {
	struct fixture fixture;
	uint64_t first;

	setup(&fixture);
	first = add_files(&fixture, 100, 10);
	read_file(&fixture, first + 95);
	read_file(&fixture, first + 96);
	expect_stored(&fixture, first + 97, 3, 10);
	/* There is one worker: what it did before is over. */
	read_file(&fixture, first);
	read_file(&fixture, first + 1);
	expect_stored(&fixture, first + 2, READAHEAD_FILES_MIN, 10);
	add_files(&fixture, 10, 10);
	read_file(&fixture, first + 100);
	expect_stored(&fixture, first + 101, 9, 10);
	finish(&fixture);
}
END_TEST

START_TEST (no_more_bytes_than_allowed) {
	const size_t length = READAHEAD_BYTES_MAX / 4;
	struct fixture fixture;
	uint64_t first;

	setup(&fixture);
	first = add_files(&fixture, 20, length);
	read_file(&fixture, first);
	read_file(&fixture, first + 1);
	expect_stored(&fixture, first + 2, 4, length);
	finish(&fixture);
}
END_TEST

START_TEST (empty_and_large_ones_are_left_out) {
	struct fixture fixture;
	uint64_t first;

	setup(&fixture);
	first = add_files(&fixture, 3, 10);
	add_files(&fixture, 1, 0);
	add_files(&fixture, 1, READAHEAD_BYTES_MAX + 1);
	add_files(&fixture, 1, 20);
	read_file(&fixture, first);
	read_file(&fixture, first + 1);
	expect_stored(&fixture, first + 2, 1, 10);
	expect_stored(&fixture, first + 5, 1, 20);
	finish(&fixture);
}
END_TEST

START_TEST (nothing_after_the_end) {
	struct fixture fixture;
	uint64_t first;

	setup(&fixture);
	first = add_files(&fixture, 200, 10);
	readahead_close(fixture.readahead);
	read_file(&fixture, first);
	read_file(&fixture, first + 1);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, what_follows_two_files_is_stored);
	tcase_add_test(tcase, single_files_are_left_alone);
	tcase_add_test(tcase, several_readers_are_told_apart);
	tcase_add_test(tcase, goes_on_where_the_nodes_ended);
	tcase_add_test(tcase, no_more_bytes_than_allowed);
	tcase_add_test(tcase, empty_and_large_ones_are_left_out);
	tcase_add_test(tcase, nothing_after_the_end);
}

int main(void)
{
	return fixture_run("readahead", add);
}
