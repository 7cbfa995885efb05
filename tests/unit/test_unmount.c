/*
 * kubefs/filesystem.h at the end of a mount: what is on its way may arrive, what was unlinked is
 * deleted, whoever waits is answered.
 */
#include "kubefs/filesystem.h"

#include <errno.h>
#include <fcntl.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

static void setup(struct write_fixture *fixture)
{
	write_fixture_setup_map(fixture);
	put_map(fixture, "db");
}

static void *drain(void *data)
{
	struct write_fixture *fixture = data;

	fixture->filesystem->closing = TRUE;
	filesystem_drain(fixture->filesystem, 10000);
	return NULL;
}

static void release_when_closing(struct writer *writer)
{
	struct fuse_req *request = request_of(writer->fixture, writer->pid);

	OPERATIONS.release(request, writer->id, &writer->info);
	ck_assert_int_eq(request_end(request), 0);
}

START_TEST (a_save_under_way_arrives) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *flush;
	pthread_t thread;
	g_autofree char *text = NULL;

	setup(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	flush = writer_begin_flush(&writer);
	fake_cluster_await_held(fixture.cluster);
	pthread_create(&thread, NULL, drain, &fixture);
	g_usleep(20000);
	ck_assert(!fake_request_is_answered(flush));
	fake_cluster_release(fixture.cluster);
	pthread_join(thread, NULL);
	ck_assert_int_eq(request_end(flush), 0);
	expect_value(&fixture, "web", "data", "a", "5");
	release_when_closing(&writer);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_was_released_last_arrives) {
	struct write_fixture fixture;
	struct writer writer;
	pthread_t thread;
	g_autofree char *text = NULL;

	setup(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	writer_release(&writer);
	fake_cluster_await_held(fixture.cluster);
	pthread_create(&thread, NULL, drain, &fixture);
	g_usleep(20000);
	fake_cluster_release(fixture.cluster);
	pthread_join(thread, NULL);
	expect_value(&fixture, "web", "data", "a", "5");
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_was_unlinked_is_deleted) {
	struct write_fixture fixture;

	setup(&fixture);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), 0);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "db.yaml"), 0);
	write_fixture_stop(&fixture);
	expect_value(&fixture, "web", "data", "a", "");
	expect_value(&fixture, "db", "data", "a", "");
	expect_changes(&fixture, 4);
	write_fixture_destroy(&fixture);
}
END_TEST

START_TEST (nobody_waits_for_ever) {
	struct write_fixture fixture;
	struct writer writer;
	struct fuse_req *flush;
	struct fuse_req *unlink;
	gint64 began;
	g_autofree char *text = NULL;

	setup(&fixture);
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	writer_set(&writer, text);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	flush = writer_begin_flush(&writer);
	fake_cluster_await_held(fixture.cluster);
	unlink = request_of(&fixture, fixture.other);
	OPERATIONS.unlink(unlink, fixture.directory, "web.yaml");
	ck_assert(!fake_request_is_answered(unlink));
	fixture.filesystem->closing = TRUE;
	began = g_get_monotonic_time();
	/* One second, and no answer comes. */
	filesystem_drain(fixture.filesystem, _i == 0 ? 1000 : 50);
	if (_i == 0)
		ck_assert_int_ge(g_get_monotonic_time() - began, 900000);
	else
		ck_assert_int_ge(g_get_monotonic_time() - began, 40000);
	cache_stop(fixture.context->cache);
	filesystem_quiesce(fixture.filesystem);
	/* The server never said: that, or that the mount has ended. */
	ck_assert_int_lt(request_end(flush), 0);
	ck_assert_int_lt(request_end(unlink), 0);
	release_when_closing(&writer);
	expect_value(&fixture, "web", "data", "a", "3");
	write_fixture_destroy(&fixture);
}
END_TEST

START_TEST (what_comes_late_is_refused) {
	struct write_fixture fixture;
	struct writer writer;
	struct writer late;

	setup(&fixture);
	ck_assert_int_eq(writer_open(&writer, &fixture, fixture.pid, "web.yaml"), 0);
	fixture.filesystem->closing = TRUE;
	ck_assert_int_eq(
		writer_open_node(&late, &fixture, fixture.pid, writer.id, O_WRONLY), -ENODEV);
	ck_assert_int_eq(writer_flush(&writer), -ENODEV);
	ck_assert_int_eq(unlink_name(&fixture, fixture.pid, "web.yaml"), -ENODEV);
	release_when_closing(&writer);
	write_fixture_finish(&fixture);
}
END_TEST

/* Programs that save, create, remove and rename until the end; then the end. */

struct storm {
	struct write_fixture *fixture;
	pid_t pid;
	guint number;
	gint *stop;
};

static void write_once(struct storm *storm, int i)
{
	struct write_fixture *fixture = storm->fixture;
	g_autofree char *name = g_strdup_printf("map-%d", i % 4);
	g_autofree char *file = g_strdup_printf("%s.yaml", name);
	g_autofree char *backup = g_strdup_printf("%s.yaml~", name);
	g_autofree char *text = g_strdup_printf(
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  a: \"%u-%d\"\n", storm->number, i);
	struct writer writer;
	int r = writer_create(&writer, fixture, storm->pid, file, 0);

	if (r == -ESTALE)
		r = writer_open_in(
			&writer, fixture, storm->pid, fixture->directory, file, O_WRONLY | O_TRUNC);
	if (r == 0) {
		struct fuse_req *flush;

		writer_write(&writer, text, 0);
		flush = i % 3 == 0 ? writer_begin_fsync(&writer) : writer_begin_flush(&writer);
		if (i % 5 == 0)
			fake_request_interrupt(flush);
		request_end(flush);
		writer_release(&writer);
	}
	if (i % 7 == 0)
		rename_name(fixture, storm->pid, file, backup, 0);
	if (i % 6 == 0)
		unlink_name(fixture, storm->pid, file);
	if (i % 4 == 0)
		rename_name(fixture, storm->pid, backup, file, 0);
}

static void *write_much(void *data)
{
	struct storm *storm = data;

	for (int i = 0; !g_atomic_int_get(storm->stop); i++)
		write_once(storm, i + (int)storm->number * 2);
	return NULL;
}

START_TEST (a_storm_ends_well) {
	struct write_fixture fixture;
	gint stop = 0;
	struct storm storms[3];
	pthread_t threads[G_N_ELEMENTS(storms)];

	setup(&fixture);
	fake_notifications_set(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(storms); i++) {
		storms[i] =
			(struct storm){&fixture, i == 0 ? fixture.pid : fixture.other, i, &stop};
		pthread_create(&threads[i], NULL, write_much, &storms[i]);
	}
	g_usleep(1500000);
	for (int i = 0; i < 20; i++)
		fake_cluster_fault(fixture.cluster, i % 2 == 0 ? FAULT_REFUSED : FAULT_UNANSWERED);
	g_usleep(500000);
	g_atomic_int_set(&stop, 1);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	write_fixture_stop(&fixture);
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 0);
	ck_assert_uint_eq(fixture.filesystem->saves, 0);
	write_fixture_destroy(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, a_save_under_way_arrives);
	tcase_add_test(tcase, what_was_released_last_arrives);
	tcase_add_test(tcase, what_was_unlinked_is_deleted);
	tcase_add_loop_test(tcase, nobody_waits_for_ever, 0, 2);
	tcase_add_test(tcase, what_comes_late_is_refused);
	tcase_add_test(tcase, a_storm_ends_well);
}

int main(void)
{
	return fixture_run("unmount", add);
}
