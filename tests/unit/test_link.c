/* kubefs/link.h through the operations: links are scratch files. */
#include "kubefs/link.h"

#include <errno.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

START_TEST (links_are_scratch_files) {
	struct write_fixture fixture;
	struct fuse_req *request;
	struct fuse_entry_param entry;

	write_fixture_setup_map(&fixture);
	/* A backup by linking is a copy. */
	ck_assert_int_eq(link_name(&fixture, fixture.pid, "web.yaml", "web.yaml~"), 0);
	expect_file(&fixture, "web.yaml~", "a: \"3\"");
	ck_assert_int_eq(link_name(&fixture, fixture.pid, "web.yaml", "other.yaml"), -EPERM);
	put_scratch(&fixture, "one", "1");
	ck_assert_int_eq(link_name(&fixture, fixture.pid, "one", "two"), 0);
	ck_assert_int_eq(link_name(&fixture, fixture.pid, "one", "two"), -EEXIST);
	entry = look(&fixture, fixture.other, "two");
	ck_assert_uint_eq(entry.ino, look(&fixture, fixture.other, "one").ino);
	ck_assert_uint_eq(entry.attr.st_nlink, 2);
	/* emacs' lock. */
	ck_assert_int_eq(symlink_name(&fixture, fixture.pid, "me@here.1", ".#web.yaml"), 0);
	entry = look(&fixture, fixture.other, ".#web.yaml");
	ck_assert(S_ISLNK(entry.attr.st_mode));
	request = request_of(&fixture, fixture.other);
	OPERATIONS.readlink(request, entry.ino);
	ck_assert_int_eq(fake_request_wait(request), REPLY_LINK);
	ck_assert_str_eq(request->link, "me@here.1");
	fake_request_destroy(request);
	ck_assert_int_eq(symlink_name(&fixture, fixture.pid, "web.yaml", "other.yaml"), -EPERM);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, links_are_scratch_files);
}

int main(void)
{
	return fixture_run("link", add);
}
