/*
 * kubefs/removal.h with real processes: when what was unlinked is deleted, and when it is not
 * deleted at all.
 */
#include "kubefs/removal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

struct fixture {
	struct write_fixture base;
	struct removals *removals;
	struct place place;
	struct snapshot *snapshot;
	struct process *self;
	struct process *other;
};

static void setup(struct fixture *fixture)
{
	write_fixture_setup_map(&fixture->base);
	/* Read once, as whoever unlinks it did. */
	ck_assert_uint_ne(look(&fixture->base, fixture->base.pid, "web.yaml").ino, 0);
	fixture->removals = fixture->base.filesystem->removals;
	fixture->place = map_place(&fixture->base, "web");
	fixture->snapshot =
		cache_peek(fixture->base.context->cache, fixture->base.maps, "default", "web");
	ck_assert_ptr_nonnull(fixture->snapshot);
	fixture->self = processes_get(fixture->base.filesystem->processes, fixture->base.pid);
	fixture->other = processes_get(fixture->base.filesystem->processes, fixture->base.other);
}

static void finish(struct fixture *fixture)
{
	process_unref(fixture->self);
	process_unref(fixture->other);
	snapshot_unref(fixture->snapshot);
	write_fixture_finish(&fixture->base);
}

static void add_of(struct fixture *fixture, struct process *process)
{
	removals_add(fixture->removals, &fixture->place, fixture->snapshot, process);
}

static gboolean is_hidden(struct fixture *fixture)
{
	return removals_hide(
		fixture->removals, fixture->base.context, fixture->base.maps, fixture->snapshot);
}

static void await_deleted(struct fixture *fixture)
{
	await_value(&fixture->base, "web", "data", "a", "");
	await_saves(&fixture->base);
	for (int i = 0; is_hidden(fixture) && i < FIXTURE_PATIENCE_MS; i++)
		g_usleep(1000);
	ck_assert(!is_hidden(fixture));
	expect_changes(&fixture->base, 1);
	ck_assert_str_eq(fake_change(fixture->base.fake, 0)->uid, fixture->snapshot->uid);
}

START_TEST (hides_that_object_alone) {
	struct fixture fixture;
	struct snapshot *others[3];

	setup(&fixture);
	delay_removals();
	ck_assert(!is_hidden(&fixture));
	add_of(&fixture, fixture.self);
	ck_assert(is_hidden(&fixture));
	others[0] = fixture_snapshot("default", "web", "5", "");
	others[1] = fixture_snapshot("default", "db", "5", "");
	others[2] = fixture_snapshot("other", "web", "5", "");
	for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
		ck_assert(!removals_hide(
			fixture.removals, fixture.base.context, fixture.base.maps, others[i]));
		snapshot_unref(others[i]);
	}
	ck_assert(!removals_hide(
		fixture.removals, fixture.base.context, fixture.base.apps, fixture.snapshot));
	finish(&fixture);
}
END_TEST

START_TEST (deletes_after_a_moment) {
	struct fixture fixture;
	gint64 began = g_get_monotonic_time();

	setup(&fixture);
	add_of(&fixture, fixture.self);
	await_deleted(&fixture);
	ck_assert_int_ge(g_get_monotonic_time() - began, REMOVAL_DELAY_MS * 1000LL);
	finish(&fixture);
}
END_TEST

/* Microseconds from the UNLINK of a process that exits to the DELETE. */
static gint64 time_after_exit(void)
{
	struct fixture fixture;
	struct process *process;
	pid_t child;
	gint64 time;

	setup(&fixture);
	fake_cluster_fault(fixture.base.cluster, FAULT_HELD);
	child = child_start();
	process = processes_get(fixture.base.filesystem->processes, child);
	time = g_get_monotonic_time();
	add_of(&fixture, process);
	child_end(child);
	fake_cluster_await_held(fixture.base.cluster);
	time = g_get_monotonic_time() - time;
	fake_cluster_release(fixture.base.cluster);
	await_deleted(&fixture);
	process_unref(process);
	finish(&fixture);
	return time;
}

START_TEST (deletes_when_its_process_exits) {
	gint64 time = G_MAXINT64;

	/* On a machine that is busy it may take as long as by time alone. */
	for (int i = 0; i < 10 && time >= REMOVAL_DELAY_MS * 1000LL; i++)
		time = time_after_exit();
	ck_assert_int_lt(time, REMOVAL_DELAY_MS * 1000LL);
}
END_TEST

START_TEST (of_nobody_it_is_deleted_at_once) {
	struct fixture fixture;

	setup(&fixture);
	fake_cluster_fault(fixture.base.cluster, FAULT_HELD);
	add_of(&fixture, NULL);
	fake_cluster_await_held(fixture.base.cluster);
	ck_assert(is_hidden(&fixture));
	/* It is too late to be an update. */
	ck_assert(!removals_take(fixture.removals, &fixture.place, fixture.self));
	fake_cluster_release(fixture.base.cluster);
	await_deleted(&fixture);
	finish(&fixture);
}
END_TEST

START_TEST (the_same_process_takes_it_back) {
	struct fixture fixture;
	struct place json;

	setup(&fixture);
	delay_removals();
	ck_assert(!removals_take(fixture.removals, &fixture.place, fixture.self));
	add_of(&fixture, fixture.self);
	json = fixture.place;
	json.format = NODE_JSON;
	ck_assert(removals_take(fixture.removals, &json, fixture.self));
	ck_assert(!is_hidden(&fixture));
	ck_assert(!removals_take(fixture.removals, &fixture.place, fixture.self));
	g_usleep((gulong)DELAYED_REMOVAL_MS * 1500);
	expect_changes(&fixture.base, 0);
	finish(&fixture);
}
END_TEST

START_TEST (another_ones_creation_deletes_now) {
	struct fixture fixture;

	setup(&fixture);
	fake_cluster_fault(fixture.base.cluster, FAULT_HELD);
	add_of(&fixture, fixture.other);
	ck_assert(!removals_take(fixture.removals, &fixture.place, _i == 0 ? fixture.self : NULL));
	fake_cluster_await_held(fixture.base.cluster);
	ck_assert(is_hidden(&fixture));
	fake_cluster_release(fixture.base.cluster);
	await_deleted(&fixture);
	finish(&fixture);
}
END_TEST

START_TEST (what_fails_comes_back) {
	struct fixture fixture;

	setup(&fixture);
	fake_cluster_fault(fixture.base.cluster, FAULT_REFUSED);
	add_of(&fixture, NULL);
	expect_error(&fixture.base,
		"EINVAL namespaces/default/configmaps/web.yaml: not deleted: it is invalid");
	for (int i = 0; is_hidden(&fixture) && i < FIXTURE_PATIENCE_MS; i++)
		g_usleep(1000);
	expect_file(&fixture.base, "web.yaml", "a: \"3\"");
	finish(&fixture);
}
END_TEST

START_TEST (what_is_gone_already_is_no_failure) {
	struct fixture fixture;
	g_autoptr(GBytes) text = NULL;

	setup(&fixture);
	fake_cluster_delete(fixture.base.cluster, "web");
	add_of(&fixture, NULL);
	await_saves(&fixture.base);
	for (int i = 0; is_hidden(&fixture) && i < FIXTURE_PATIENCE_MS; i++)
		g_usleep(1000);
	text = journal_text(fixture.base.filesystem->journal);
	ck_assert_uint_eq(g_bytes_get_size(text), 0);
	finish(&fixture);
}
END_TEST

START_TEST (the_end_deletes_what_waits_and_nothing_later) {
	struct fixture fixture;

	setup(&fixture);
	add_of(&fixture, fixture.self);
	removals_flush(fixture.removals);
	await_deleted(&fixture);
	put_map(&fixture.base, "web");
	add_of(&fixture, fixture.self);
	ck_assert(!is_hidden(&fixture));
	add_of(&fixture, NULL);
	await_saves(&fixture.base);
	expect_changes(&fixture.base, 1);
	removals_flush(fixture.removals);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, hides_that_object_alone);
	tcase_add_test(tcase, deletes_after_a_moment);
	tcase_add_test(tcase, deletes_when_its_process_exits);
	tcase_add_test(tcase, of_nobody_it_is_deleted_at_once);
	tcase_add_test(tcase, the_same_process_takes_it_back);
	tcase_add_loop_test(tcase, another_ones_creation_deletes_now, 0, 2);
	tcase_add_test(tcase, what_fails_comes_back);
	tcase_add_test(tcase, what_is_gone_already_is_no_failure);
	tcase_add_test(tcase, the_end_deletes_what_waits_and_nothing_later);
}

int main(void)
{
	return fixture_run("removal", add);
}
