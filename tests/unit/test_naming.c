/*
 * kubefs/naming.h through the operations: UNLINK that may yet become an update, backups by rename,
 * scratch files that are renamed onto objects (writes.md 1 and 4).
 */
#include "kubefs/naming.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

static void setup(struct write_fixture *fixture)
{
	write_fixture_setup(fixture);
	put_map(fixture, "web");
}

static char *uid_of(struct write_fixture *fixture, const char *name)
{
	return fake_cluster_value(fixture->cluster, name, "metadata", "uid");
}

static void put_scratch(struct write_fixture *fixture, const char *name, const char *text)
{
	struct writer writer;

	ck_assert_int_eq(writer_create(&writer, fixture, fixture->pid, name, O_EXCL), 0);
	ck_assert_int_eq(writer_write(&writer, text, 0), 0);
	writer_release(&writer);
}

/* UNLINK */

START_TEST (what_is_unlinked_is_asked_hidden_and_deleted) {
	struct write_fixture fixture;

	setup(&fixture);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	ck_assert(fake_change(fixture.fake, 0)->dry_run);
	ck_assert_int_eq(fake_change(fixture.fake, 0)->verb, SOURCE_DELETE);
	ck_assert_ptr_nonnull(fake_change(fixture.fake, 0)->uid);
	/* Gone from the tree in every form, while it is still there. */
	expect_file(&fixture, "web.yaml", NULL);
	expect_file(&fixture, "web.json", NULL);
	expect_value(&fixture, "web", "data", "a", "3");
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), -ENOENT);
	await_value(&fixture, "web", "data", "a", "");
	await_saves(&fixture);
	expect_file(&fixture, "web.yaml", NULL);
	expect_changes(&fixture, 2);
	ck_assert(!fake_change(fixture.fake, 1)->dry_run);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_server_that_would_refuse_is_heard) {
	struct write_fixture fixture;

	setup(&fixture);
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), -EINVAL);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_changes(&fixture, 1);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "none.yaml"), -ENOENT);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_cannot_be_deleted_comes_back) {
	struct write_fixture fixture;

	setup(&fixture);
	fake_cluster_fault(fixture.cluster, FAULT_NONE);
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	for (int i = 0; fake_count(fixture.fake, FAKE_CHANGE) < 2 && i < FIXTURE_PATIENCE_MS; i++)
		g_usleep(1000);
	await_saves(&fixture);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_error(&fixture, "web.yaml: not deleted: it is invalid");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (unlinked_and_created_by_one_process_is_one_update) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *uid = NULL;
	g_autofree char *now = NULL;

	setup(&fixture);
	uid = uid_of(&fixture, "web");
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "web.yaml", O_EXCL), 0);
	/* Nobody misses it meanwhile. */
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	ck_assert_int_eq(
		writer_write(&writer, "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: new\n", 0), 0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	writer_release(&writer);
	now = uid_of(&fixture, "web");
	ck_assert_str_eq(now, uid);
	expect_value(&fixture, "web", "data", "a", "new");
	ck_assert_int_eq(fake_change(fixture.fake, 1)->verb, SOURCE_UPDATE);
	g_usleep((gulong)REMOVAL_DELAY_MS * 1500);
	expect_changes(&fixture, 2);
	expect_file(&fixture, "web.yaml", "a: new");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (unlinked_and_created_by_two_is_another_object) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *uid = NULL;
	g_autofree char *now = NULL;

	setup(&fixture);
	uid = uid_of(&fixture, "web");
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.other, "web.yaml", O_EXCL), 0);
	await_value(&fixture, "web", "data", "a", "");
	await_saves(&fixture);
	ck_assert_int_eq(
		writer_write(&writer, "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: new\n", 0), 0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	writer_release(&writer);
	now = uid_of(&fixture, "web");
	ck_assert_str_ne(now, uid);
	expect_value(&fixture, "web", "data", "a", "new");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (who_has_listed_what_is_above_deletes_nothing) {
	struct write_fixture fixture;
	struct fuse_req *request;
	struct fuse_file_info info = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW};

	setup(&fixture);
	request = request_of(&fixture, fixture.pid);
	OPERATIONS.opendir(request, fixture.directory, &info);
	ck_assert_int_eq(request_end(request), 0);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), -EPERM);
	expect_error(&fixture, "web: not deleted for a program that has just listed");
	expect_changes(&fixture, 0);
	if (_i == 0) {
		ck_assert_int_eq(unlink_name(&fixture, fixture.other, "web.yaml"), 0);
	} else {
		fixture.filesystem->rmdir_namespaces = TRUE;
		ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	}
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_was_never_saved_is_only_forgotten) {
	struct write_fixture fixture;
	struct writer writer;

	setup(&fixture);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "new.yaml", O_EXCL), 0);
	ck_assert_int_eq(
		writer_write(&writer, "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: new\n", 0), 0);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "new.yaml"), 0);
	expect_file(&fixture, "new.yaml", NULL);
	ck_assert_int_eq(writer_flush(&writer), 0);
	ck_assert_int_eq(writer_fsync(&writer), 0);
	writer_release(&writer);
	await_saves(&fixture);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_refused_text_can_be_given_up) {
	struct write_fixture fixture;

	setup(&fixture);
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", "a: ["), -EINVAL);
	expect_file(&fixture, "web.yaml.rejected", "a: [");
	ck_assert_int_eq(unlink_name(&fixture, fixture.other, "web.yaml.rejected"), 0);
	expect_file(&fixture, "web.yaml.rejected", NULL);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (an_unlink_can_be_interrupted) {
	struct write_fixture fixture;
	struct fuse_req *request;

	setup(&fixture);
	look(&fixture, fixture.pid, "web.yaml");
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	request = request_of(&fixture, fixture.pid);
	OPERATIONS.unlink(request, fixture.directory, "web.yaml");
	fake_cluster_await_held(fixture.cluster);
	fake_request_interrupt(request);
	g_usleep(20000);
	/* What is on the wire is waited for. */
	ck_assert(!fake_request_is_answered(request));
	fake_cluster_release(fixture.cluster);
	ck_assert_int_eq(request_end(request), 0);
	write_fixture_finish(&fixture);
}
END_TEST

/* RENAME onto an object */

START_TEST (a_scratch_file_becomes_the_object) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;
	g_autofree char *uid = NULL;
	g_autofree char *now = NULL;

	setup(&fixture);
	uid = uid_of(&fixture, "web");
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	put_scratch(&fixture, "sedXYZ", text);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "sedXYZ", "web.yaml", RENAME_NOREPLACE),
		-EEXIST);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "sedXYZ", "web.yaml", 0), 0);
	expect_value(&fixture, "web", "data", "a", "5");
	expect_file(&fixture, "web.yaml", "a: \"5\"");
	expect_file(&fixture, "sedXYZ", NULL);
	now = uid_of(&fixture, "web");
	ck_assert_str_eq(now, uid);
	expect_changes(&fixture, 1);
	/* Or one that was not there. */
	put_scratch(&fixture, "tmp", "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: new\n");
	ck_assert_int_eq(
		rename_name(&fixture, fixture.pid, "tmp", "new.yaml", RENAME_NOREPLACE), 0);
	expect_value(&fixture, "new", "data", "a", "new");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_the_server_refuses_stays_a_scratch_file) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;

	setup(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: wrong");
	put_scratch(&fixture, "sedXYZ", text);
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "sedXYZ", "web.yaml", 0), -EINVAL);
	expect_file(&fixture, "sedXYZ", "a: wrong");
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_file(&fixture, "web.yaml.rejected", "a: wrong");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (nothing_is_not_renamed_onto_an_object) {
	struct write_fixture fixture;

	setup(&fixture);
	put_scratch(&fixture, "empty", "");
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "empty", "web.yaml", 0), -EINVAL);
	expect_value(&fixture, "web", "data", "a", "3");
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (an_object_and_a_scratch_file_change_places) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;

	setup(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	put_scratch(&fixture, "tmp", text);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "tmp", "web.yaml", RENAME_EXCHANGE), 0);
	expect_value(&fixture, "web", "data", "a", "5");
	expect_file(&fixture, "tmp", "a: \"3\"");
	ck_assert_int_eq(
		rename_name(&fixture, fixture.pid, "tmp", "none.yaml", RENAME_EXCHANGE), -ENOENT);
	write_fixture_finish(&fixture);
}
END_TEST

/* As op_rename, with less patience. */
static struct fuse_req *begin_impatient_rename(
	struct write_fixture *fixture, const char *from, const char *to)
{
	struct fuse_req *request = request_of(fixture, fixture->pid);
	struct node *directory NODE_CLEANUP =
		node_table_get(fixture->filesystem->nodes, fixture->directory);

	request_begin_full(fixture->filesystem, request, fixture->directory,
		&(struct request){
			.name = (char *)from,
			.target = directory,
			.target_name = (char *)to,
			.timeout = 100,
			.run = naming_rename_run,
			.interrupt = naming_interrupt,
		});
	return request;
}

START_TEST (a_rename_ends_in_bounded_time) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;

	setup(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	put_scratch(&fixture, "tmp", text);
	look(&fixture, fixture.pid, "web.yaml");
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	ck_assert_int_eq(
		request_end(begin_impatient_rename(&fixture, "tmp", "web.yaml")), -ETIMEDOUT);
	expect_error(&fixture, "ETIMEDOUT");
	/* What was on the wire goes on, and the text is not lost if it fails. */
	expect_file(&fixture, "tmp", "a: \"5\"");
	fake_cluster_release(fixture.cluster);
	await_value(&fixture, "web", "data", "a", "5");
	await_saves(&fixture);
	expect_file(&fixture, "web.yaml", "a: \"5\"");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_rename_that_waits_for_another_save_is_given_up) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *flush;
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;

	setup(&fixture);
	one = text_of(&fixture, "web", "a: \"3\"", "a: one");
	two = text_of(&fixture, "web", "b: x", "b: two");
	put_scratch(&fixture, "tmp", two);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.other, "web.yaml"), 0);
	writer_set(&writer, one);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	flush = writer_begin_flush(&writer);
	fake_cluster_await_held(fixture.cluster);
	ck_assert_int_eq(
		request_end(begin_impatient_rename(&fixture, "tmp", "web.yaml")), -ETIMEDOUT);
	fake_cluster_release(fixture.cluster);
	ck_assert_int_eq(request_end(flush), 0);
	writer_release(&writer);
	await_saves(&fixture);
	/* It was told not to be: it is not sent later. */
	expect_changes(&fixture, 1);
	expect_value(&fixture, "web", "data", "b", "x");
	expect_file(&fixture, "tmp", "b: two");
	write_fixture_finish(&fixture);
}
END_TEST

/* Backups */

START_TEST (an_object_that_is_moved_aside_stays) {
	struct write_fixture fixture;
	uint64_t before;
	uint64_t copy;

	setup(&fixture);
	before = look(&fixture, fixture.pid, "web.yaml").ino;
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), 0);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_file(&fixture, "web.yaml~", "a: \"3\"");
	/* The kernel gives the new name the old inode: the old name must have another one. */
	ck_assert_uint_ne(look(&fixture, fixture.pid, "web.yaml").ino, before);
	copy = look(&fixture, fixture.pid, "web.yaml~").ino;
	ck_assert_uint_ne(copy, before);
	/* While the backup exists, who made it removes no more than its own draft. */
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_changes(&fixture, 0);
	/* Back again, unchanged: nothing to send. */
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml~", "web.yaml", 0), 0);
	expect_changes(&fixture, 0);
	expect_file(&fixture, "web.yaml~", NULL);
	/* Without it, an UNLINK is one. */
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	expect_file(&fixture, "web.yaml", NULL);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_backup_is_its_makers) {
	struct write_fixture fixture;

	setup(&fixture);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), 0);
	ck_assert_int_eq(unlink_name(&fixture, fixture.other, "web.yaml"), 0);
	expect_file(&fixture, "web.yaml", NULL);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (vim_is_refused) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *text = NULL;

	setup(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: wrong");
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), 0);
	/* The kernel looks, finds it, and opens what it finds. */
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "web.yaml", 0), -ESTALE);
	ck_assert_int_eq(writer_open_in(&writer, &fixture, fixture.pid, fixture.directory,
				 "web.yaml", O_WRONLY | O_CREAT | O_TRUNC),
		0);
	ck_assert_int_eq(writer_write(&writer, text, 0), 0);
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	ck_assert_int_eq(writer_fsync(&writer), -EINVAL);
	ck_assert_int_eq(writer_flush(&writer), -EINVAL);
	writer_release(&writer);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml~", "web.yaml", 0), 0);
	expect_changes(&fixture, 1);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_file(&fixture, "web.yaml.rejected", "a: wrong");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_refused_text_is_moved_aside_as_well) {
	struct write_fixture fixture;
	uint64_t before;

	setup(&fixture);
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", "a: ["), -EINVAL);
	before = look(&fixture, fixture.pid, "web.yaml.rejected").ino;
	ck_assert_int_eq(
		rename_name(&fixture, fixture.pid, "web.yaml.rejected", "web.yaml.rejected~", 0),
		0);
	expect_file(&fixture, "web.yaml.rejected", "a: [");
	expect_file(&fixture, "web.yaml.rejected~", "a: [");
	ck_assert_uint_ne(look(&fixture, fixture.pid, "web.yaml.rejected").ino, before);
	/* Renamed to the object, it is saved again. */
	ck_assert_int_eq(
		rename_name(&fixture, fixture.pid, "web.yaml.rejected", "web.yaml", 0), -EINVAL);
	write_fixture_finish(&fixture);
}
END_TEST

/* The rest */

START_TEST (scratch_files_are_renamed_like_files) {
	struct write_fixture fixture;

	setup(&fixture);
	put_scratch(&fixture, "one", "1");
	put_scratch(&fixture, "two", "2");
	ck_assert_int_eq(
		rename_name(&fixture, fixture.pid, "one", "two", RENAME_NOREPLACE), -EEXIST);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "one", "two", RENAME_EXCHANGE), 0);
	expect_file(&fixture, "one", "2");
	expect_file(&fixture, "two", "1");
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "one", "two", 0), 0);
	expect_file(&fixture, "one", NULL);
	expect_file(&fixture, "two", "2");
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "two", "three", RENAME_NOREPLACE), 0);
	expect_file(&fixture, "three", "2");
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "none", "two", 0), -ENOENT);
	ck_assert_int_eq(
		rename_name(&fixture, fixture.pid, "three", "two", RENAME_WHITEOUT), -EINVAL);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_mv_must_copy_is_exdev) {
	struct write_fixture fixture;
	struct writer writer;

	setup(&fixture);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "other.yaml", 0), -EXDEV);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "new.yaml", O_EXCL), 0);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "new.yaml", "scratch", 0), -EXDEV);
	writer_release(&writer);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (directories_stay_where_they_are) {
	struct write_fixture fixture;
	struct fuse_req *request;
	const struct node_key key = {.kind = NODE_NAMESPACES};
	struct node_key namespaces = key;
	uint64_t id;

	setup(&fixture);
	namespaces.context = fixture.context;
	{
		struct node *node NODE_CLEANUP =
			node_table_enter(fixture.filesystem->nodes, &namespaces, NULL);

		id = node->id;
	}
	request = request_of(&fixture, fixture.pid);
	OPERATIONS.rename(request, id, "default", id, "other", 0);
	ck_assert_int_eq(request_end(request), -EPERM);
	request = request_of(&fixture, fixture.pid);
	OPERATIONS.unlink(request, id, "default");
	ck_assert_int_eq(request_end(request), -EPERM);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

static int link_to(struct write_fixture *fixture, const char *from, const char *to)
{
	struct fuse_req *request = request_of(fixture, fixture->pid);

	OPERATIONS.link(request, look(fixture, fixture->pid, from).ino, fixture->directory, to);
	return request_end(request);
}

START_TEST (links_are_scratch_files) {
	struct write_fixture fixture;
	struct fuse_req *request;
	struct fuse_entry_param entry;

	setup(&fixture);
	/* A backup by linking is a copy. */
	ck_assert_int_eq(link_to(&fixture, "web.yaml", "web.yaml~"), 0);
	expect_file(&fixture, "web.yaml~", "a: \"3\"");
	ck_assert_int_eq(link_to(&fixture, "web.yaml", "other.yaml"), -EPERM);
	put_scratch(&fixture, "one", "1");
	ck_assert_int_eq(link_to(&fixture, "one", "two"), 0);
	ck_assert_int_eq(link_to(&fixture, "one", "two"), -EEXIST);
	entry = look(&fixture, fixture.other, "two");
	ck_assert_uint_eq(entry.ino, look(&fixture, fixture.other, "one").ino);
	ck_assert_uint_eq(entry.attr.st_nlink, 2);
	/* emacs' lock. */
	request = request_of(&fixture, fixture.pid);
	OPERATIONS.symlink(request, "me@here.1", fixture.directory, ".#web.yaml");
	ck_assert_int_eq(request_end(request), 0);
	entry = look(&fixture, fixture.other, ".#web.yaml");
	ck_assert(S_ISLNK(entry.attr.st_mode));
	request = request_of(&fixture, fixture.other);
	OPERATIONS.readlink(request, entry.ino);
	ck_assert_int_eq(fake_request_wait(request), REPLY_LINK);
	ck_assert_str_eq(request->link, "me@here.1");
	fake_request_destroy(request);
	request = request_of(&fixture, fixture.pid);
	OPERATIONS.symlink(request, "web.yaml", fixture.directory, "other.yaml");
	ck_assert_int_eq(request_end(request), -EPERM);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, what_is_unlinked_is_asked_hidden_and_deleted);
	tcase_add_test(tcase, a_server_that_would_refuse_is_heard);
	tcase_add_test(tcase, what_cannot_be_deleted_comes_back);
	tcase_add_test(tcase, unlinked_and_created_by_one_process_is_one_update);
	tcase_add_test(tcase, unlinked_and_created_by_two_is_another_object);
	tcase_add_loop_test(tcase, who_has_listed_what_is_above_deletes_nothing, 0, 2);
	tcase_add_test(tcase, what_was_never_saved_is_only_forgotten);
	tcase_add_test(tcase, a_refused_text_can_be_given_up);
	tcase_add_test(tcase, an_unlink_can_be_interrupted);
	tcase_add_test(tcase, a_scratch_file_becomes_the_object);
	tcase_add_test(tcase, what_the_server_refuses_stays_a_scratch_file);
	tcase_add_test(tcase, nothing_is_not_renamed_onto_an_object);
	tcase_add_test(tcase, an_object_and_a_scratch_file_change_places);
	tcase_add_test(tcase, a_rename_ends_in_bounded_time);
	tcase_add_test(tcase, a_rename_that_waits_for_another_save_is_given_up);
	tcase_add_test(tcase, an_object_that_is_moved_aside_stays);
	tcase_add_test(tcase, a_backup_is_its_makers);
	tcase_add_test(tcase, vim_is_refused);
	tcase_add_test(tcase, a_refused_text_is_moved_aside_as_well);
	tcase_add_test(tcase, scratch_files_are_renamed_like_files);
	tcase_add_test(tcase, what_mv_must_copy_is_exdev);
	tcase_add_test(tcase, directories_stay_where_they_are);
	tcase_add_test(tcase, links_are_scratch_files);
}

int main(void)
{
	return fixture_run("naming", add);
}
