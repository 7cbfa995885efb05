/*
 * kubefs/rename.h through the operations: scratch files that are renamed onto objects, backups by
 * rename (writes.md 1 and 4).
 */
#include "kubefs/rename.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

/* RENAME onto an object */

START_TEST (a_scratch_file_becomes_the_object) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;
	g_autofree char *uid = NULL;
	g_autofree char *now = NULL;

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

/* Enough for what is to be on the wire before. */
#define IMPATIENCE_MS 1000

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
			.timeout = IMPATIENCE_MS,
			.run = rename_run,
			.interrupt = rename_interrupt,
		});
	return request;
}

START_TEST (a_rename_ends_in_bounded_time) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

static void delete_by_another(struct write_fixture *fixture)
{
	ck_assert_int_eq(unlink_name(fixture, fixture->other, "web.yaml"), 0);
	await_value(fixture, "web", "data", "a", "");
	await_saves(fixture);
	expect_file(fixture, "web.yaml", NULL);
}

START_TEST (what_others_have_deleted_is_not_put_back) {
	struct write_fixture fixture;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), 0);
	delete_by_another(&fixture);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml~", "web.yaml", 0), -EBUSY);
	expect_file(&fixture, "web.yaml", NULL);
	expect_file(&fixture, "web.yaml~", "a: \"3\"");
	expect_file(&fixture, "web.yaml.rejected", "was deleted by somebody else meanwhile");
	expect_file(&fixture, "web.yaml.rejected", "a: \"3\"");
	expect_error(&fixture, "EBUSY namespaces/default/configmaps/web.yaml: web.yaml: was");
	expect_value(&fixture, "web", "data", "a", "");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (who_wants_it_back_gets_it_back) {
	struct write_fixture fixture;
	struct writer writer;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), 0);
	delete_by_another(&fixture);
	if (_i == 0) {
		/* Another program, as mv is to vim. */
		ck_assert_int_eq(
			rename_name(&fixture, fixture.other, "web.yaml~", "web.yaml", 0), 0);
	} else {
		/* What was changed is a text of its own. */
		ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml~"), 0);
		ck_assert_int_eq(writer_write(&writer, "#", 0), 0);
		ck_assert_int_eq(writer_write(&writer, "a", 0), 0);
		writer_release(&writer);
		ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml~", "web.yaml", 0), 0);
	}
	expect_value(&fixture, "web", "data", "a", "3");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_refused_text_is_moved_aside_as_well) {
	struct write_fixture fixture;
	uint64_t before;

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, a_scratch_file_becomes_the_object);
	tcase_add_test(tcase, what_the_server_refuses_stays_a_scratch_file);
	tcase_add_test(tcase, nothing_is_not_renamed_onto_an_object);
	tcase_add_test(tcase, an_object_and_a_scratch_file_change_places);
	tcase_add_test(tcase, a_rename_ends_in_bounded_time);
	tcase_add_test(tcase, a_rename_that_waits_for_another_save_is_given_up);
	tcase_add_test(tcase, an_object_that_is_moved_aside_stays);
	tcase_add_test(tcase, a_backup_is_its_makers);
	tcase_add_test(tcase, vim_is_refused);
	tcase_add_test(tcase, what_others_have_deleted_is_not_put_back);
	tcase_add_loop_test(tcase, who_wants_it_back_gets_it_back, 0, 2);
	tcase_add_test(tcase, a_refused_text_is_moved_aside_as_well);
	tcase_add_test(tcase, scratch_files_are_renamed_like_files);
	tcase_add_test(tcase, what_mv_must_copy_is_exdev);
	tcase_add_test(tcase, directories_stay_where_they_are);
}

int main(void)
{
	return fixture_run("rename", add);
}
