/* kubefs/local.h: content at any offset, what it may take, and what is left when there is no room.
 */
#include "kubefs/local.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <string.h>

#include "tests/unit/place_fixture.h"

#define MIB (1UL << 20)

static void expect_text(struct local *local, const char *text)
{
	g_autoptr(GBytes) bytes = local_bytes(local);

	bytes_expect(bytes, text);
	ck_assert_uint_eq(local_length(local), strlen(text));
}

static void expect_unused(const struct local_usage *usage)
{
	ck_assert_int_eq(usage->files, 0);
	ck_assert_int_eq(usage->bytes, 0);
}

START_TEST (writes_anywhere) {
	struct local_usage usage = {0};
	struct local *local = local_create(&usage, 0100640, 07777);

	ck_assert_int_eq(local->type, S_IFREG);
	ck_assert_int_eq(local->mode, 0640);
	expect_text(local, "");
	ck_assert_int_eq(local_write(local, "abcdef", 6, 0), 0);
	ck_assert_int_eq(local_write(local, "XY", 2, 2), 0);
	expect_text(local, "abXYef");
	ck_assert_int_eq(local_write(local, "gh", 2, 5), 0);
	expect_text(local, "abXYegh");
	ck_assert_uint_eq(local->generation, 3);
	local_unref(local);
	expect_unused(&usage);
	ck_assert_ptr_null(local_unref(NULL));
}
END_TEST

START_TEST (fills_holes_with_zeros) {
	struct local_usage usage = {0};
	struct local *local = local_create(&usage, 0644, 07777);
	g_autoptr(GBytes) bytes = NULL;

	ck_assert_int_eq(local_write(local, "secret", 6, 0), 0);
	ck_assert_int_eq(local_truncate(local, 2), 0);
	ck_assert_int_eq(local_write(local, "x", 1, 6), 0);
	bytes = local_bytes(local);
	ck_assert_uint_eq(g_bytes_get_size(bytes), 7);
	ck_assert_int_eq(memcmp(g_bytes_get_data(bytes, NULL), "se\0\0\0\0x", 7), 0);
	local_unref(local);
	expect_unused(&usage);
}
END_TEST

START_TEST (extends_and_truncates) {
	struct local_usage usage = {0};
	struct local *local = local_create(&usage, 0644, 07777);

	ck_assert_int_eq(local_write(local, "abc", 3, 0), 0);
	ck_assert_int_eq(local_extend(local, 2), 0);
	ck_assert_uint_eq(local_length(local), 3);
	ck_assert_uint_eq(local->generation, 1);
	ck_assert_int_eq(local_extend(local, 5), 0);
	ck_assert_uint_eq(local_length(local), 5);
	ck_assert_int_eq(local_truncate(local, 1), 0);
	expect_text(local, "a");
	ck_assert_uint_eq(local->generation, 3);
	local_unref(local);
}
END_TEST

START_TEST (what_is_there_first_is_no_change) {
	struct local_usage usage = {0};
	struct local *local = local_create_reserved(&usage, 0600, MIB, 4711);

	ck_assert_uint_eq(local->inode, 4711);
	ck_assert_int_eq(local_fill(local, "abc", 3), 0);
	expect_text(local, "abc");
	ck_assert_uint_eq(local->generation, 0);
	/* Nothing is written. */
	ck_assert_int_eq(local_write(local, "", 0, 100), 0);
	ck_assert_uint_eq(local->generation, 0);
	expect_text(local, "abc");
	local_unref(local);
}
END_TEST

START_TEST (what_had_no_room_is_remembered) {
	struct local_usage usage = {0};
	struct local *local = local_create_reserved(&usage, 0644, 10, 1);

	ck_assert_int_eq(local_write(local, "0123456789", 10, 0), 0);
	ck_assert_int_eq(local_write(local, "x", 1, 10), -EFBIG);
	ck_assert_int_eq(local->spoiled, EFBIG);
	expect_text(local, "0123456789");
	ck_assert_uint_eq(local->generation, 2);
	/* What fits does not make it whole again. */
	ck_assert_int_eq(local_write(local, "y", 1, 0), 0);
	ck_assert_int_eq(local->spoiled, EFBIG);
	ck_assert_int_eq(local_truncate(local, 0), 0);
	ck_assert_int_eq(local->spoiled, 0);
	ck_assert_int_eq(local_truncate(local, 11), -EFBIG);
	ck_assert_int_eq(local_extend(local, UINT64_MAX), -EFBIG);
	ck_assert_int_eq(local_write(local, "z", 1, UINT64_MAX), -EFBIG);
	ck_assert_int_eq(local->spoiled, EFBIG);
	local_unref(local);
	expect_unused(&usage);
}
END_TEST

START_TEST (drafts_have_room_that_scratch_files_have_not) {
	struct local_usage usage = {0};
	struct local *scratch = local_create(&usage, 0644, 07777);
	struct local *draft = local_create_reserved(&usage, 0644, LOCAL_BYTES_MAX, 1);
	gint64 filled;

	/* As if others had taken nearly all. */
	__atomic_add_fetch(&usage.bytes, (gint64)(LOCAL_BYTES_MAX - MIB), __ATOMIC_RELAXED);
	filled = usage.bytes;
	ck_assert_int_eq(local_truncate(scratch, 2 * MIB), -ENOSPC);
	ck_assert_int_eq(scratch->spoiled, ENOSPC);
	ck_assert_int_eq(usage.bytes, filled);
	ck_assert_int_eq(local_truncate(draft, 2 * MIB), 0);
	ck_assert_int_ge(usage.bytes, filled + (gint64)(2 * MIB));
	ck_assert_int_eq(local_truncate(draft, LOCAL_BYTES_RESERVE + 2 * MIB), -ENOSPC);
	local_unref(draft);
	ck_assert_int_eq(usage.bytes, filled);
	ck_assert_int_eq(local_truncate(scratch, MIB / 2), 0);
	local_unref(scratch);
	ck_assert_int_eq(usage.bytes, filled);
}
END_TEST

START_TEST (a_scratch_file_has_a_limit_of_its_own) {
	struct local_usage usage = {0};
	struct local *local = local_create(&usage, 0644, 07777);

	ck_assert_int_eq(local_truncate(local, LOCAL_FILE_MAX + 1), -EFBIG);
	ck_assert_int_eq(local_write(local, "x", 1, LOCAL_FILE_MAX), -EFBIG);
	ck_assert_uint_eq(local_length(local), 0);
	local_unref(local);
	expect_unused(&usage);
}
END_TEST

START_TEST (there_are_only_so_many) {
	struct local_usage usage = {.files = LOCAL_FILES_MAX - 1};
	struct local *last = local_create(&usage, 0644, 07777);
	struct local *draft;

	ck_assert_ptr_nonnull(last);
	ck_assert_ptr_null(local_create(&usage, 0644, 07777));
	ck_assert_ptr_null(local_create_link(&usage, "a"));
	ck_assert_int_eq(usage.files, LOCAL_FILES_MAX);
	draft = local_create_reserved(&usage, 0644, 10, 1);
	ck_assert_ptr_nonnull(draft);
	usage.files += LOCAL_FILES_RESERVE - 1;
	ck_assert_ptr_null(local_create_reserved(&usage, 0644, 10, 1));
	local_unref(draft);
	local_unref(last);
	ck_assert_int_eq(usage.files, LOCAL_FILES_MAX + LOCAL_FILES_RESERVE - 2);
}
END_TEST

START_TEST (a_link_has_a_target) {
	struct local_usage usage = {0};
	char target[] = "somewhere";
	struct local *link = local_create_link(&usage, target);
	struct local *file = local_create(&usage, 0644, 07777);

	target[0] = 'X';
	ck_assert_str_eq(link->target, "somewhere");
	ck_assert_int_eq(link->type, S_IFLNK);
	ck_assert_uint_ne(link->inode, file->inode);
	ck_assert_uint_gt(link->inode, 1);
	local_unref(link);
	local_unref(file);
	expect_unused(&usage);
}
END_TEST

START_TEST (attributes_are_set_as_asked) {
	struct local_usage usage = {0};
	struct local *local = local_create(&usage, 0644, 07777);
	const struct timespec then = {.tv_sec = 1000, .tv_nsec = 7};

	local_set_attributes(local, FUSE_SET_ATTR_MODE, S_IFREG | 0400, &then);
	ck_assert_int_eq(local->mode, 0400);
	ck_assert_int_ne(local->modified.tv_sec, 1000);
	local_set_attributes(local, FUSE_SET_ATTR_MTIME, 0, &then);
	ck_assert_int_eq(local->mode, 0400);
	ck_assert_int_eq(local->modified.tv_sec, 1000);
	ck_assert_int_eq(local->modified.tv_nsec, 7);
	ck_assert_int_gt(local->changed.tv_sec, 1000);
	local_set_attributes(local, FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW, 0, &then);
	ck_assert_int_gt(local->modified.tv_sec, 1000);
	ck_assert_uint_eq(local->generation, 0);
	local_names_add(local, 2);
	local_names_add(local, -1);
	ck_assert_uint_eq(local->links, 1);
	local_unref(local);
}
END_TEST

static void *write_much(void *data)
{
	for (int i = 0; i < 2000; i++) {
		local_write(data, "x", 1, (uint64_t)i);
		g_bytes_unref(local_bytes(data));
	}
	return NULL;
}

START_TEST (works_on_several_threads) {
	struct local_usage usage = {0};
	struct local *local = local_create(&usage, 0644, 07777);
	pthread_t threads[3];

	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_create(&threads[i], NULL, write_much, local);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(local_length(local), 2000);
	ck_assert_uint_eq(local->generation, 2000 * G_N_ELEMENTS(threads));
	local_unref(local);
	expect_unused(&usage);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, writes_anywhere);
	tcase_add_test(tcase, fills_holes_with_zeros);
	tcase_add_test(tcase, extends_and_truncates);
	tcase_add_test(tcase, what_is_there_first_is_no_change);
	tcase_add_test(tcase, what_had_no_room_is_remembered);
	tcase_add_test(tcase, drafts_have_room_that_scratch_files_have_not);
	tcase_add_test(tcase, a_scratch_file_has_a_limit_of_its_own);
	tcase_add_test(tcase, there_are_only_so_many);
	tcase_add_test(tcase, a_link_has_a_target);
	tcase_add_test(tcase, attributes_are_set_as_asked);
	tcase_add_test(tcase, works_on_several_threads);
}

int main(void)
{
	return fixture_run("local", add);
}
