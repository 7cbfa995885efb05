/*
 * kubefs/saving.h and kubefs/draft.h through the operations: a writer's private draft, when it is
 * sent, and what FLUSH, FSYNC and RELEASE say of it (writes.md 2 and 3).
 */
#include "kubefs/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/manifest.h"
#include "kubefs/draft.h"
#include "kubefs/log.h"
#include "tests/unit/temporary.h"
#include "tests/unit/write_fixture.h"

START_TEST (a_draft_is_its_writers_alone) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_entry_param snapshot;
	struct fuse_entry_param draft;

	write_fixture_setup_map(&fixture);
	snapshot = look(&fixture, fixture.pid, "web.yaml");
	ck_assert_uint_ne(snapshot.ino, 0);
	ck_assert_double_gt(snapshot.entry_timeout, 60);
	ck_assert_int_eq(
		writer_open_node(&writer, &fixture, fixture.pid, snapshot.ino, O_RDWR), -ESTALE);
	for (int i = 0; i < 2; i++) {
		draft = look(&fixture, fixture.pid, "web.yaml");
		ck_assert_uint_ne(draft.ino, snapshot.ino);
		ck_assert_double_eq(draft.entry_timeout, 0);
		ck_assert_double_eq(draft.attr_timeout, 0);
		ck_assert_uint_eq(draft.attr.st_ino, snapshot.attr.st_ino);
		ck_assert_int_eq(draft.attr.st_size, snapshot.attr.st_size);
		ck_assert_uint_eq(look(&fixture, fixture.other, "web.yaml").ino, snapshot.ino);
	}
	ck_assert_int_eq(writer_open_node(&writer, &fixture, fixture.pid, draft.ino, O_RDWR), 0);
	ck_assert(!writer.info.noflush);
	/* While it is open, the name is asked for each time, and shows the truth to all. */
	ck_assert_uint_eq(look(&fixture, fixture.pid, "web.yaml").ino, snapshot.ino);
	ck_assert_double_eq(look(&fixture, fixture.other, "web.yaml").entry_timeout, 0);
	ck_assert_int_eq(writer_write(&writer, "# mine", 0), 0);
	expect_text(&fixture, draft.ino, "# mine");
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	ck_assert_int_eq(writer_truncate(&writer, 0), 0);
	writer_release(&writer);
	ck_assert_double_gt(look(&fixture, fixture.other, "web.yaml").entry_timeout, 60);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (reading_makes_no_draft) {
	struct write_fixture fixture;
	struct writer reader;
	uint64_t id;

	write_fixture_setup_map(&fixture);
	id = look(&fixture, fixture.pid, "web.yaml").ino;
	ck_assert_int_eq(writer_open_node(&reader, &fixture, fixture.pid, id, O_RDONLY), 0);
	ck_assert(reader.info.noflush);
	ck_assert(reader.info.keep_cache);
	ck_assert_int_eq(writer_flush(&reader), 0);
	writer_release(&reader);
	/* O_TRUNC alone changes it. */
	ck_assert_int_eq(
		writer_open_node(&reader, &fixture, fixture.pid, id, O_RDONLY | O_TRUNC), -ESTALE);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_flush_saves_once) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	expect_changes(&fixture, 0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	/* It is there for all before the answer. */
	expect_value(&fixture, "web", "data", "a", "5");
	expect_file(&fixture, "web.yaml", "a: \"5\"");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(writer_flush(&writer), 0);
		ck_assert_int_eq(writer_fsync(&writer), 0);
	}
	writer_release(&writer);
	await_saves(&fixture);
	expect_changes(&fixture, 1);
	expect_file(&fixture, "web.yaml.rejected", NULL);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (nothing_new_is_not_sent) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	ck_assert_int_eq(writer_fsync(&writer), 0);
	writer_release(&writer);
	text = text_of(&fixture, "web", NULL, NULL);
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", text), 0);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (one_content_has_one_outcome) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *request;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: wrong");
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	ck_assert_int_eq(writer_fsync(&writer), -EINVAL);
	ck_assert_int_eq(writer_flush(&writer), -EINVAL);
	ck_assert_int_eq(writer_fsync(&writer), -EINVAL);
	expect_changes(&fixture, 1);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_file(&fixture, "web.yaml.rejected", "spec.a: Invalid value: it is wrong");
	expect_file(&fixture, "web.yaml.rejected", "a: wrong");
	expect_error(&fixture, "EINVAL namespaces/default/configmaps/web.yaml: ");
	request = request_of(&fixture, fixture.other);
	OPERATIONS.getxattr(
		request, look(&fixture, fixture.other, "web.yaml").ino, "user.kubefs.error", 1000);
	ck_assert_int_eq(fake_request_wait(request), REPLY_BUFFER);
	fake_request_destroy(request);
	/* Another content has an outcome of its own. */
	g_free(text);
	text = text_of(&fixture, "web", "a: \"3\"", "a: right");
	writer_set(&writer, text);
	ck_assert_int_eq(writer_flush(&writer), 0);
	expect_value(&fixture, "web", "data", "a", "right");
	expect_file(&fixture, "web.yaml.rejected", NULL);
	writer_release(&writer);
	expect_changes(&fixture, 2);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (nothing_never_replaces_an_object) {
	struct write_fixture fixture;
	struct writer writer;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(writer_open_in(&writer, &fixture, fixture.pid, fixture.directory,
				 "web.yaml", O_WRONLY | O_TRUNC),
		0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	ck_assert_int_eq(writer_fsync(&writer), 0);
	writer_release(&writer);
	await_saves(&fixture);
	expect_changes(&fixture, 0);
	expect_value(&fixture, "web", "data", "a", "3");
	expect_error(&fixture, "web.yaml: left empty by its writer");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_shell_closes_what_it_only_truncated) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(writer_open_in(&writer, &fixture, fixture.pid, fixture.directory,
				 "web.yaml", O_WRONLY | O_TRUNC),
		0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	expect_changes(&fixture, 0);
	ck_assert_int_eq(writer_write(&writer, text, 0), 0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	writer_release(&writer);
	expect_value(&fixture, "web", "data", "a", "5");
	expect_changes(&fixture, 1);
	write_fixture_finish(&fixture);
}
END_TEST

/* This process holds another descriptor of the draft: one of a file whose number it gets. */
static int hold_descriptor(struct writer *writer)
{
	struct node *node NODE_CLEANUP =
		node_table_get(writer->fixture->filesystem->nodes, writer->id);
	g_autofree char *path = NULL;
	struct stat stat;
	int fd;

	temporary_create();
	path = temporary_write("held", "", 0600);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &stat), 0);
	node->key.local->inode = stat.st_ino;
	return fd;
}

START_TEST (what_somebody_may_still_write_to_waits) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *half = NULL;
	g_autofree char *text = NULL;
	int fd;

	write_fixture_setup_map(&fixture);
	half = text_of(&fixture, "web", "a: \"3\"", "a: half");
	text = text_of(&fixture, "web", "a: \"3\"", "a: whole");
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	fd = hold_descriptor(&writer);
	writer_set(&writer, half);
	ck_assert_int_eq(writer_flush(&writer), 0);
	expect_changes(&fixture, 0);
	/* Who flushes is another one, but the opener still has it. */
	writer.pid = fixture.other;
	ck_assert_int_eq(writer_flush(&writer), 0);
	expect_changes(&fixture, 0);
	writer.pid = fixture.pid;
	writer_set(&writer, text);
	if (_i == 0) {
		writer_release(&writer);
		await_value(&fixture, "web", "data", "a", "whole");
	} else if (_i == 1) {
		ck_assert_int_eq(writer_fsync(&writer), 0);
		expect_value(&fixture, "web", "data", "a", "whole");
		writer_release(&writer);
	} else {
		close(fd);
		ck_assert_int_eq(writer_flush(&writer), 0);
		expect_value(&fixture, "web", "data", "a", "whole");
		writer_release(&writer);
	}
	await_saves(&fixture);
	expect_changes(&fixture, 1);
	if (_i != 2)
		close(fd);
	temporary_destroy();
	write_fixture_finish(&fixture);
}
END_TEST

/* Of which FLUSH comes while it is being ended; not reaped yet. */
static pid_t start_killed(void)
{
	pid_t child = child_start();
	siginfo_t info;

	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	return child;
}

START_TEST (what_a_killed_writer_leaves_is_kept_and_not_sent) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *text = NULL;
	pid_t killed;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: half");
	killed = start_killed();
	ck_assert_int_eq(writer_open(&writer, &fixture, killed, "web.yaml"), 0);
	writer_set(&writer, text);
	ck_assert_int_eq(writer_flush(&writer), -EINTR);
	writer_release(&writer);
	await_saves(&fixture);
	expect_changes(&fixture, 0);
	expect_file(&fixture, "web.yaml.rejected", "its writer was killed");
	expect_file(&fixture, "web.yaml.rejected", "a: half");
	ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_comes_after_the_last_flush_is_not_sent_for_a_killed_one_either) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *text = NULL;
	pid_t child = child_start();
	siginfo_t info;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: half");
	ck_assert_int_eq(writer_open(&writer, &fixture, child, "web.yaml"), 0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	/* Stores through a mapping. */
	writer_set(&writer, text);
	if (_i == 0) {
		ck_assert_int_eq(kill(child, SIGKILL), 0);
		ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	}
	writer_release(&writer);
	await_saves(&fixture);
	if (_i == 0) {
		expect_changes(&fixture, 0);
		expect_file(&fixture, "web.yaml.rejected", "its writer was killed");
		expect_file(&fixture, "web.yaml.rejected", "a: half");
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
	} else {
		/* It lives, and has only unmapped it. */
		expect_value(&fixture, "web", "data", "a", "half");
		expect_file(&fixture, "web.yaml.rejected", NULL);
		child_end(child);
	}
	ck_assert_double_gt(look(&fixture, fixture.other, "web.yaml").entry_timeout, 60);
	write_fixture_finish(&fixture);
}
END_TEST

/* Ctrl-C: main has blocked it, and so it stays pending; of this process until it is taken back. */
static void press_ctrl_c(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGINT), 0);
}

static void take_ctrl_c_back(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	ck_assert_int_eq(sigwaitinfo(&set, NULL), SIGINT);
}

START_TEST (a_signal_that_gives_nothing_up_is_no_interrupt) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *request;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	request = request_of(&fixture, fixture.pid);
	fake_request_interrupt(request);
	OPERATIONS.flush(request, writer.id, &writer.info);
	ck_assert_int_eq(request_end(request), 0);
	writer_release(&writer);
	expect_value(&fixture, "web", "data", "a", "5");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (an_interrupt_before_anything_is_sent_keeps_the_text) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *request;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	request = request_of(&fixture, fixture.pid);
	press_ctrl_c(fixture.pid);
	fake_request_interrupt(request);
	OPERATIONS.flush(request, writer.id, &writer.info);
	ck_assert_int_eq(request_end(request), -EINTR);
	take_ctrl_c_back();
	ck_assert_int_eq(writer_flush(&writer), -EINTR);
	writer_release(&writer);
	await_saves(&fixture);
	expect_changes(&fixture, 0);
	expect_file(&fixture, "web.yaml.rejected", "interrupted before it was sent");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (an_interrupt_of_what_waits_for_another_save_keeps_the_text) {
	struct write_fixture fixture;
	struct writer first;
	struct writer second;
	struct fuse_req *held;
	struct fuse_req *waiting;
	g_autofree char *one = NULL;
	g_autofree char *two = NULL;

	write_fixture_setup_map(&fixture);
	one = text_of(&fixture, "web", "a: \"3\"", "a: one");
	two = text_of(&fixture, "web", "b: x", "b: two");
	ck_assert_int_eq(writer_open(&first, &fixture, fixture.pid, "web.yaml"), 0);
	ck_assert_int_eq(writer_open(&second, &fixture, fixture.other, "web.yaml"), 0);
	writer_set(&first, one);
	writer_set(&second, two);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	held = writer_begin_flush(&first);
	fake_cluster_await_held(fixture.cluster);
	waiting = writer_begin_fsync(&second);
	press_ctrl_c(fixture.other);
	fake_request_interrupt(waiting);
	ck_assert_int_eq(request_end(waiting), -EINTR);
	expect_changes(&fixture, 1);
	expect_file(&fixture, "web.yaml.rejected", "b: two");
	fake_cluster_release(fixture.cluster);
	ck_assert_int_eq(request_end(held), 0);
	writer_release(&first);
	writer_release(&second);
	expect_value(&fixture, "web", "data", "b", "x");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_is_on_the_wire_has_its_true_outcome) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *request;
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	request = writer_begin_flush(&writer);
	fake_cluster_await_held(fixture.cluster);
	fake_request_interrupt(request);
	g_usleep(20000);
	ck_assert(!fake_request_is_answered(request));
	fake_cluster_release(fixture.cluster);
	ck_assert_int_eq(request_end(request), 0);
	expect_value(&fixture, "web", "data", "a", "5");
	expect_file(&fixture, "web.yaml.rejected", NULL);
	writer_release(&writer);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (who_flushes_while_it_is_sent_waits_for_it) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *requests[3];
	g_autofree char *text = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	requests[0] = writer_begin_flush(&writer);
	fake_cluster_await_held(fixture.cluster);
	requests[1] = writer_begin_fsync(&writer);
	requests[2] = writer_begin_flush(&writer);
	for (guint i = 0; i < G_N_ELEMENTS(requests); i++)
		ck_assert(!fake_request_is_answered(requests[i]));
	fake_cluster_release(fixture.cluster);
	for (guint i = 0; i < G_N_ELEMENTS(requests); i++)
		ck_assert_int_eq(request_end(requests[i]), 0);
	expect_changes(&fixture, 1);
	writer_release(&writer);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_is_written_while_it_is_sent_is_sent_next) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *first;
	struct fuse_req *second;
	g_autofree char *text = NULL;
	g_autofree char *more = NULL;

	write_fixture_setup_map(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	more = text_of(&fixture, "web", "a: \"3\"", "a: \"7\"");
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	first = writer_begin_fsync(&writer);
	fake_cluster_await_held(fixture.cluster);
	writer_set(&writer, more);
	second = writer_begin_fsync(&writer);
	fake_cluster_release(fixture.cluster);
	ck_assert_int_eq(request_end(first), 0);
	ck_assert_int_eq(request_end(second), 0);
	expect_value(&fixture, "web", "data", "a", "7");
	expect_changes(&fixture, 2);
	writer_release(&writer);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_is_too_large_is_refused_and_kept) {
	struct write_fixture fixture;
	struct writer writer;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, "# begin\n");
	ck_assert_int_eq(writer_write(&writer, "x", MANIFEST_TEXT_MAX), -EFBIG);
	ck_assert_int_eq(writer_flush(&writer), -EFBIG);
	ck_assert_int_eq(writer_fsync(&writer), -EFBIG);
	writer_release(&writer);
	expect_changes(&fixture, 0);
	expect_file(&fixture, "web.yaml.rejected", "had no room");
	expect_file(&fixture, "web.yaml.rejected", "# begin");
	write_fixture_finish(&fixture);
}
END_TEST

static const char NEW_MAP[] = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: new\n";

START_TEST (a_new_object_stands_under_its_name_until_it_is_saved) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_entry_param entry;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "new.yaml", O_EXCL), 0);
	entry = look(&fixture, fixture.other, "new.yaml");
	ck_assert_uint_eq(entry.ino, writer.id);
	ck_assert_double_eq(entry.entry_timeout, 0);
	ck_assert_int_eq(writer_write(&writer, NEW_MAP, 0), 0);
	expect_file(&fixture, "new.yaml", "a: new");
	ck_assert_int_eq(writer_flush(&writer), 0);
	expect_value(&fixture, "new", "data", "a", "new");
	entry = look(&fixture, fixture.other, "new.yaml");
	ck_assert_uint_ne(entry.ino, writer.id);
	expect_text(&fixture, entry.ino, "uid: ");
	writer_release(&writer);
	expect_changes(&fixture, 1);
	ck_assert(overlay_is_unused(fixture.filesystem->overlay));
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_is_there_is_not_created) {
	struct write_fixture fixture;
	struct writer writer;
	struct writer first;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(
		writer_create(&writer, &fixture, fixture.pid, "web.yaml", O_EXCL), -EEXIST);
	/* Who does not insist looks again. */
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "web.yaml", 0), -ESTALE);
	ck_assert_int_eq(writer_create(&first, &fixture, fixture.pid, "new.yaml", 0), 0);
	ck_assert_int_eq(
		writer_create(&writer, &fixture, fixture.other, "new.yaml", O_EXCL), -EEXIST);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.other, "new.yaml", 0), -ESTALE);
	writer_release(&first);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (one_that_came_first_is_not_replaced) {
	struct write_fixture fixture;
	struct writer writer;

	write_fixture_setup_map(&fixture);
	look(&fixture, fixture.pid, "web.yaml");
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "new.yaml", O_EXCL), 0);
	ck_assert_int_eq(writer_write(&writer, NEW_MAP, 0), 0);
	put_map(&fixture, "new");
	ck_assert_int_eq(writer_flush(&writer), -EEXIST);
	writer_release(&writer);
	expect_value(&fixture, "new", "data", "a", "3");
	expect_file(&fixture, "new.yaml.rejected", "a: new");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (scratch_files_reach_no_server) {
	static const char *const names[] = {".web.yaml.swp", "web.yaml~", "#web.yaml#", "4913"};
	struct write_fixture fixture;

	write_fixture_setup_map(&fixture);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		struct writer writer;
		struct fuse_entry_param entry;

		ck_assert_int_eq(
			writer_create(&writer, &fixture, fixture.pid, names[i], O_EXCL), 0);
		ck_assert_int_eq(writer_write(&writer, "scratch", 0), 0);
		ck_assert_int_eq(writer_flush(&writer), 0);
		ck_assert_int_eq(writer_fsync(&writer), 0);
		writer_release(&writer);
		entry = look(&fixture, fixture.other, names[i]);
		ck_assert_uint_eq(entry.ino, writer.id);
		ck_assert_double_eq(entry.entry_timeout, 0);
		expect_text(&fixture, entry.ino, "scratch");
		ck_assert_int_eq(writer_open(&writer, &fixture, fixture.other, names[i]), 0);
		ck_assert_int_eq(writer_write(&writer, "S", 0), 0);
		writer_release(&writer);
		expect_file(&fixture, names[i], "Scratch");
		ck_assert_int_eq(unlink_name(&fixture, fixture.pid, names[i]), 0);
		expect_file(&fixture, names[i], NULL);
	}
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_is_released_while_another_save_is_under_way_is_sent_next) {
	struct write_fixture fixture;
	struct writer first;
	struct writer second;

	write_fixture_setup_map(&fixture);
	look(&fixture, fixture.pid, "web.yaml");
	ck_assert_int_eq(writer_create(&first, &fixture, fixture.pid, "new.yaml", 0), 0);
	ck_assert_int_eq(writer_open_node(&second, &fixture, fixture.other, first.id, O_WRONLY), 0);
	ck_assert_int_eq(writer_write(&first, NEW_MAP, 0), 0);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	writer_release(&first);
	fake_cluster_await_held(fixture.cluster);
	writer_set(&second, "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: newer\n");
	writer_release(&second);
	fake_cluster_release(fixture.cluster);
	await_value(&fixture, "new", "data", "a", "newer");
	await_saves(&fixture);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_killed_writer_leaves_its_text_also_while_a_save_is_under_way) {
	struct write_fixture fixture;
	struct writer first;
	struct writer second;
	pid_t killed;

	write_fixture_setup_map(&fixture);
	look(&fixture, fixture.pid, "web.yaml");
	killed = start_killed();
	ck_assert_int_eq(writer_create(&first, &fixture, fixture.pid, "new.yaml", 0), 0);
	ck_assert_int_eq(writer_open_node(&second, &fixture, killed, first.id, O_WRONLY), 0);
	ck_assert_int_eq(writer_write(&first, NEW_MAP, 0), 0);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	writer_release(&first);
	fake_cluster_await_held(fixture.cluster);
	writer_set(&second, "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: half\n");
	ck_assert_int_eq(writer_flush(&second), -EINTR);
	writer_release(&second);
	fake_cluster_release(fixture.cluster);
	await_value(&fixture, "new", "data", "a", "new");
	await_saves(&fixture);
	expect_changes(&fixture, 1);
	expect_file(&fixture, "new.yaml.rejected", "a: half");
	ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_path_is_truncated_and_saved) {
	struct write_fixture fixture;
	off_t length;

	write_fixture_setup_map(&fixture);
	length = look(&fixture, fixture.pid, "web.yaml").attr.st_size;
	ck_assert_int_eq(truncate_name(&fixture, fixture.pid, "web.yaml", 0), -EINVAL);
	expect_changes(&fixture, 0);
	ck_assert_int_eq(truncate_name(&fixture, fixture.pid, "web.yaml", length), 0);
	expect_changes(&fixture, 0);
	expect_value(&fixture, "web", "data", "a", "3");
	/* Half of it is no object. */
	ck_assert_int_eq(truncate_name(&fixture, fixture.pid, "web.yaml", 10), -EINVAL);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (one_buffer_is_saved_again_and_again) {
	struct write_fixture fixture;
	g_autofree char *three = NULL;
	g_autofree char *five = NULL;
	g_autofree char *six = NULL;
	g_autofree char *seven = NULL;

	write_fixture_setup_map(&fixture);
	three = text_of(&fixture, "web", NULL, NULL);
	five = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	six = text_of(&fixture, "web", "a: \"3\"", "a: \"6\"");
	seven = text_of(&fixture, "web", "a: \"3\"", "a: \"7\"");
	/* The version that it names is that of its first read. */
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", five), 0);
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", seven), 0);
	expect_value(&fixture, "web", "data", "a", "7");
	/* Another one, who read 3 as well, does not overwrite that. */
	ck_assert_int_eq(save_text(&fixture, fixture.other, "web.yaml", six), -EBUSY);
	expect_file(&fixture, "web.yaml.rejected", "a: \"6\"");
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", three), 0);
	expect_value(&fixture, "web", "data", "a", "3");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_refused_text_is_mended_where_it_lies) {
	struct write_fixture fixture;
	struct writer writer;
	g_autofree char *wrong = NULL;
	g_autofree char *right = NULL;
	g_autofree char *kept = NULL;

	write_fixture_setup_map(&fixture);
	wrong = text_of(&fixture, "web", "a: \"3\"", "a: wrong");
	right = text_of(&fixture, "web", "a: \"3\"", "a: right");
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", wrong), -EINVAL);
	/* As an editor does, with the comments on top of it. */
	kept = g_strdup_printf(
		"# kubefs: not saved: EINVAL\n#   it is\n# kubefs: the text follows\n%s", right);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml.rejected"), 0);
	writer_set(&writer, kept);
	ck_assert_int_eq(writer_flush(&writer), 0);
	writer_release(&writer);
	expect_value(&fixture, "web", "data", "a", "right");
	expect_file(&fixture, "web.yaml.rejected", NULL);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (views_are_saved) {
	struct write_fixture fixture;
	struct writer writer;
	uint64_t apps;
	uint64_t views;

	write_fixture_setup_map(&fixture);
	put_app(&fixture, "app");
	apps = enter_directory(&fixture, fixture.apps);
	views = look_in(&fixture, fixture.pid, apps, "app@").ino;
	ck_assert_uint_ne(views, 0);
	expect_text(&fixture, look_in(&fixture, fixture.pid, views, "scale").ino, "3\n");
	ck_assert_int_eq(
		writer_open_in(&writer, &fixture, fixture.pid, views, "scale", O_WRONLY | O_TRUNC),
		0);
	ck_assert_int_eq(writer_write(&writer, "5\n", 0), 0);
	ck_assert_int_eq(writer_flush(&writer), 0);
	writer_release(&writer);
	expect_value(&fixture, "app", "spec", "replicas", "5");
	expect_text(&fixture, look_in(&fixture, fixture.pid, views, "scale").ino, "5\n");
	ck_assert_int_eq(
		writer_open_in(&writer, &fixture, fixture.pid, views, "scale", O_WRONLY | O_TRUNC),
		0);
	ck_assert_int_eq(writer_write(&writer, "many\n", 0), 0);
	ck_assert_int_eq(writer_flush(&writer), -EINVAL);
	writer_release(&writer);
	expect_text(&fixture, look_in(&fixture, fixture.pid, views, "scale.rejected").ino, "many");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_dry_run_shows_what_it_would_make) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;
	uint64_t views;

	write_fixture_setup_map(&fixture);
	fixture.context->dry_run = TRUE;
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	views = look(&fixture, fixture.pid, "web@").ino;
	ck_assert_uint_eq(look_in(&fixture, fixture.pid, views, "dry_run.yaml").ino, 0);
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", text), 0);
	expect_value(&fixture, "web", "data", "a", "3");
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	ck_assert(fake_change(fixture.fake, 0)->dry_run);
	expect_text(
		&fixture, look_in(&fixture, fixture.pid, views, "dry_run.yaml").ino, "a: \"5\"");
	/* And nothing is deleted: it is there again soon. */
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	while (look(&fixture, fixture.other, "web.yaml").ino == 0)
		g_usleep(1000);
	expect_file(&fixture, "web.yaml", "a: \"3\"");
	expect_changes(&fixture, 2);
	ck_assert(fake_change(fixture.fake, 1)->dry_run);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_read_only_context_is_left_alone) {
	struct write_fixture fixture;
	struct writer writer;

	write_fixture_setup_map(&fixture);
	fixture.context->read_only = TRUE;
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), -EROFS);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "new.yaml", 0), -EROFS);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, ".new", 0), -EROFS);
	ck_assert_int_eq(truncate_name(&fixture, fixture.pid, "web.yaml", 1), -EROFS);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), -EROFS);
	ck_assert_int_eq(rename_name(&fixture, fixture.pid, "web.yaml", "web.yaml~", 0), -EROFS);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_an_option_denies_is_not_even_drafted) {
	struct write_fixture fixture;
	struct guard *guard = guard_create();
	struct writer writer;

	write_fixture_setup_map(&fixture);
	ck_assert_int_eq(guard_add(guard, GUARD_DENY, "configmaps", NULL), 0);
	fixture.filesystem->guard = guard;
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), -EACCES);
	ck_assert_int_eq(writer_create(&writer, &fixture, fixture.pid, "new.yaml", 0), -EACCES);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), -EACCES);
	expect_changes(&fixture, 0);
	write_fixture_finish(&fixture);
	guard_destroy(guard);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, a_draft_is_its_writers_alone);
	tcase_add_test(tcase, reading_makes_no_draft);
	tcase_add_test(tcase, a_flush_saves_once);
	tcase_add_test(tcase, nothing_new_is_not_sent);
	tcase_add_test(tcase, one_content_has_one_outcome);
	tcase_add_test(tcase, nothing_never_replaces_an_object);
	tcase_add_test(tcase, a_shell_closes_what_it_only_truncated);
	tcase_add_loop_test(tcase, what_somebody_may_still_write_to_waits, 0, 3);
	tcase_add_test(tcase, what_a_killed_writer_leaves_is_kept_and_not_sent);
	tcase_add_loop_test(
		tcase, what_comes_after_the_last_flush_is_not_sent_for_a_killed_one_either, 0, 2);
	tcase_add_test(tcase, a_signal_that_gives_nothing_up_is_no_interrupt);
	tcase_add_test(tcase, an_interrupt_before_anything_is_sent_keeps_the_text);
	tcase_add_test(tcase, an_interrupt_of_what_waits_for_another_save_keeps_the_text);
	tcase_add_test(tcase, what_is_on_the_wire_has_its_true_outcome);
	tcase_add_test(tcase, who_flushes_while_it_is_sent_waits_for_it);
	tcase_add_test(tcase, what_is_written_while_it_is_sent_is_sent_next);
	tcase_add_test(tcase, what_is_too_large_is_refused_and_kept);
	tcase_add_test(tcase, a_new_object_stands_under_its_name_until_it_is_saved);
	tcase_add_test(tcase, what_is_there_is_not_created);
	tcase_add_test(tcase, one_that_came_first_is_not_replaced);
	tcase_add_test(tcase, scratch_files_reach_no_server);
	tcase_add_test(tcase, what_is_released_while_another_save_is_under_way_is_sent_next);
	tcase_add_test(tcase, a_killed_writer_leaves_its_text_also_while_a_save_is_under_way);
	tcase_add_test(tcase, a_path_is_truncated_and_saved);
	tcase_add_test(tcase, one_buffer_is_saved_again_and_again);
	tcase_add_test(tcase, a_refused_text_is_mended_where_it_lies);
	tcase_add_test(tcase, views_are_saved);
	tcase_add_test(tcase, a_dry_run_shows_what_it_would_make);
	tcase_add_test(tcase, a_read_only_context_is_left_alone);
	tcase_add_test(tcase, what_an_option_denies_is_not_even_drafted);
}

int main(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return fixture_run("saving", add);
}
