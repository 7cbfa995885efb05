/*
 * kubefs/unlink.h through the operations: UNLINK that may yet become an update, or is none at all
 * (writes.md 1 and 4).
 */
#include "kubefs/unlink.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

/* Of which half may watch processes. */
#define DESCRIPTORS 64

START_TEST (what_is_unlinked_is_asked_hidden_and_deleted) {
	struct write_fixture fixture;

	write_fixture_setup_map(&fixture);
	delay_removals();
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
	delay_removals();
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
	g_usleep((gulong)DELAYED_REMOVAL_MS * 1500);
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

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
	walk_directory(&fixture, fixture.pid);
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

START_TEST (who_is_not_known_again_deletes_nothing) {
	struct write_fixture fixture;
	struct process *watched[DESCRIPTORS / 2];
	pid_t children[DESCRIPTORS / 2];
	struct rlimit old, small;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = old;
	small.rlim_cur = DESCRIPTORS;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	for (guint i = 0; i < G_N_ELEMENTS(children); i++) {
		children[i] = child_start();
		watched[i] = processes_get(fixture.filesystem->processes, children[i]);
	}
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), -EAGAIN);
	expect_error(&fixture, "EAGAIN web.yaml: not removed: too many processes");
	ck_assert_int_eq(unlink_name(&fixture, 0, "web.yaml"), -EOPNOTSUPP);
	expect_changes(&fixture, 0);
	for (guint i = 0; i < G_N_ELEMENTS(children); i++) {
		child_end(children[i]);
		process_unref(watched[i]);
	}
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_was_never_saved_is_only_forgotten) {
	struct write_fixture fixture;
	struct writer writer;

	write_fixture_setup_map(&fixture);
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

START_TEST (what_its_backups_maker_is_writing_is_given_up) {
	struct write_fixture fixture;
	struct writer mine;
	struct writer theirs;
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;

	write_fixture_setup_map(&fixture);
	one = text_of(&fixture, "web", "a: \"3\"", "a: mine");
	two = text_of(&fixture, "web", "b: x", "b: theirs");
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), 0);
	ck_assert_int_eq(writer_open(&mine, &fixture, fixture.pid, "web.yaml"), 0);
	ck_assert_int_eq(writer_open(&theirs, &fixture, fixture.other, "web.yaml"), 0);
	writer_set(&mine, one);
	writer_set(&theirs, two);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	if (_i == 0) {
		ck_assert_int_eq(writer_flush(&mine), 0);
		ck_assert_int_eq(writer_fsync(&mine), 0);
	}
	writer_release(&mine);
	await_saves(&fixture);
	expect_changes(&fixture, 0);
	expect_file(&fixture, "web.yaml.rejected", NULL);
	/* Of others it is no business. */
	ck_assert_int_eq(writer_flush(&theirs), 0);
	writer_release(&theirs);
	expect_value(&fixture, "web", "data", "a", "3");
	expect_value(&fixture, "web", "data", "b", "theirs");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_was_refused_before_it_is_given_up_stays) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: wrong");
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), 0);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	ck_assert_int_eq(writer_fsync(&writer), -EINVAL);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	/* Its outcome is what it was. */
	ck_assert_int_eq(writer_flush(&writer), -EINVAL);
	writer_release(&writer);
	expect_changes(&fixture, 1);
	expect_file(&fixture, "web.yaml.rejected", "a: wrong");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_refused_text_can_be_given_up) {
	struct write_fixture fixture;

	write_fixture_setup_map(&fixture);
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

	write_fixture_setup_map(&fixture);
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

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, what_is_unlinked_is_asked_hidden_and_deleted);
	tcase_add_test(tcase, a_server_that_would_refuse_is_heard);
	tcase_add_test(tcase, what_cannot_be_deleted_comes_back);
	tcase_add_test(tcase, unlinked_and_created_by_one_process_is_one_update);
	tcase_add_test(tcase, unlinked_and_created_by_two_is_another_object);
	tcase_add_loop_test(tcase, who_has_listed_what_is_above_deletes_nothing, 0, 2);
	tcase_add_test(tcase, who_is_not_known_again_deletes_nothing);
	tcase_add_test(tcase, what_was_never_saved_is_only_forgotten);
	tcase_add_loop_test(tcase, what_its_backups_maker_is_writing_is_given_up, 0, 2);
	tcase_add_test(tcase, what_was_refused_before_it_is_given_up_stays);
	tcase_add_test(tcase, a_refused_text_can_be_given_up);
	tcase_add_test(tcase, an_unlink_can_be_interrupted);
}

int main(void)
{
	return fixture_run("unlink", add);
}
