/* kubefs/mountinfo.h: escapes, covered mounts, long ones, nonsense, and this machine's. */
#include "kubefs/mountinfo.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/temporary.h"

static const char MOUNTS[] =
	"21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
	"22 21 0:5 / /proc rw,nosuid - proc proc rw\n"
	"90 21 0:50 / /mnt/a rw,nosuid - fuse.kubefs first rw\n"
	"91 90 0:51 / /mnt/a rw,nosuid shared:7 master:2 - fuse.kubefs second rw\n"
	"92 21 0:51 /sub\\040dir /mnt/with\\040space\\011tab\\134back\\012line rw - fuse x rw\n"
	"93 21 259:1048575 / /mnt/ab rw - fuse x rw\n"
	"nonsense\n"
	"94 21 0:53 /only-a-root\n"
	"95 21 0:54 / /mnt/\\04 rw - fuse x rw\n"
	"96 21 0:55 / /last";

static void check_point(const char *path, const char *point, int id, dev_t device)
{
	struct mountinfo_entry entry = {0};

	ck_assert_int_eq(mountinfo_find_point(path, point, &entry), 0);
	ck_assert_int_eq(entry.id, id);
	ck_assert_uint_eq(entry.device, device);
}

static void check_no_point(const char *path, const char *point)
{
	struct mountinfo_entry entry = {.id = 7};

	ck_assert_int_eq(mountinfo_find_point(path, point, &entry), -ENOENT);
	ck_assert_int_eq(entry.id, 7);
}

START_TEST (finds_by_mount_point) {
	g_autofree char *path = temporary_write("mountinfo", MOUNTS, 0600);

	check_point(path, "/", 21, makedev(8, 1));
	/* What covers it. */
	check_point(path, "/mnt/a", 91, makedev(0, 51));
	check_point(path, "/mnt/with space\ttab\\back\nline", 92, makedev(0, 51));
	check_point(path, "/mnt/ab", 93, makedev(259, 1048575));
	check_point(path, "/mnt/\\04", 95, makedev(0, 54));
	check_point(path, "/last", 96, makedev(0, 55));
	check_no_point(path, "/mnt");
	check_no_point(path, "/mnt/abc");
	check_no_point(path, "/mnt/with\\040space\\011tab\\134back\\012line");
	check_no_point(path, "/only-a-root");
	check_no_point(path, "");
}
END_TEST

START_TEST (finds_by_id) {
	g_autofree char *path = temporary_write("mountinfo", MOUNTS, 0600);
	struct mountinfo_entry entry = {.id = 7};

	ck_assert_int_eq(mountinfo_find_id(path, 92, &entry), 0);
	ck_assert_uint_eq(entry.device, makedev(0, 51));
	entry.id = 7;
	ck_assert_int_eq(mountinfo_find_id(path, 9, &entry), -ENOENT);
	ck_assert_int_eq(mountinfo_find_id(path, 94, &entry), -ENOENT);
	ck_assert_int_eq(entry.id, 7);
	ck_assert_int_eq(mountinfo_find_id("/nowhere", 92, &entry), -ENOENT);
}
END_TEST

static char *write_many(const char *name, size_t bytes)
{
	GString *text = g_string_new(NULL);
	char *path;

	for (int i = 100; text->len < bytes; i++)
		g_string_append_printf(text, "%d 21 0:%d / /mnt/%d rw - fuse x rw\n", i, i, i);
	g_string_append(text, "99 21 0:99 / /end rw - fuse x rw\n");
	path = temporary_write(name, text->str, 0600);
	g_string_free(text, TRUE);
	return path;
}

START_TEST (reads_long_ones_up_to_a_limit) {
	g_autofree char *path = write_many("long", MOUNTINFO_LIMIT / 2);
	g_autofree char *more = write_many("longer", MOUNTINFO_LIMIT);
	struct mountinfo_entry entry;

	check_point(path, "/end", 99, makedev(0, 99));
	ck_assert_int_eq(mountinfo_find_point(more, "/end", &entry), -EFBIG);
}
END_TEST

START_TEST (reads_this_machines) {
	struct mountinfo_entry entry, same;

	ck_assert_int_eq(mountinfo_find_point("/proc/self/mountinfo", "/proc", &entry), 0);
	ck_assert_int_eq(mountinfo_find_id("/proc/self/mountinfo", entry.id, &same), 0);
	ck_assert_uint_eq(entry.device, same.device);
}
END_TEST

static void add_all(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, temporary_create, temporary_destroy);
	tcase_add_test(tcase, finds_by_mount_point);
	tcase_add_test(tcase, finds_by_id);
	tcase_add_test(tcase, reads_long_ones_up_to_a_limit);
	tcase_add_test(tcase, reads_this_machines);
}

int main(void)
{
	return fixture_run("mountinfo", add_all);
}
