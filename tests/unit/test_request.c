/*
 * kubefs/request.h: each request is answered exactly once, whatever comes first: its run, news, an
 * interrupt, or the end.
 */
#include "kubefs/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/error.h"
#include "kubefs/filesystem.h"
#include "kubefs/log.h"
#include "tests/unit/fake_fuse.h"

struct fixture {
	struct engine engine;
	struct filesystem *filesystem;
};

/* What a run does, and what it was given; the request's name points to it. */
struct script {
	pthread_mutex_t lock;
	struct fuse_req *interrupts; /* before it returns */
	collection_wait wait;
	void *data;
	int waits; /* how often it says -EINPROGRESS before result */
	int result; /* 0: replies */
	gboolean wakes; /* calls wait before it returns */
	gboolean begins; /* what is not given up */
	gint begun; /* such a thing */
	unsigned int runs;
};

/* A name is copied as text: the scripts of a test are found by their number. */
static struct script scripts[64];

static int run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct script *script = &scripts[atoi(request->name)];
	int result;
	gboolean wakes;

	pthread_mutex_lock(&script->lock);
	script->runs++;
	result = script->result;
	wakes = script->wakes;
	if (script->interrupts != NULL)
		fake_request_interrupt(script->interrupts);
	if (script->begins && wait != NULL)
		g_atomic_int_set(&script->begun, TRUE);
	if (script->waits > 0) {
		/* The first run is only a try. */
		if (wait != NULL)
			script->waits--;
		/* Each wait is called once: here, or by wake. */
		script->wait = wakes ? NULL : wait;
		script->data = data;
		result = -EINPROGRESS;
	}
	pthread_mutex_unlock(&script->lock);
	if (result == -EINPROGRESS && wait != NULL && wakes)
		wait(data);
	if (result == 0)
		fuse_reply_err(request->fuse, 0);
	else if (result != -EINPROGRESS)
		error_set(error, -result, "it went wrong");
	return result;
}

/* Of a request that changes something. */
static gboolean interrupt(struct request *request, gboolean timed_out)
{
	return g_atomic_int_get(&scripts[atoi(request->name)].begun);
}

/* The cache has news. */
static void wake(struct script *script)
{
	collection_wait wait;
	void *data;

	pthread_mutex_lock(&script->lock);
	wait = script->wait;
	data = script->data;
	script->wait = NULL;
	pthread_mutex_unlock(&script->lock);
	if (wait != NULL)
		wait(data);
}

static void setup(struct fixture *fixture)
{
	engine_init(&fixture->engine, 2);
	fixture->filesystem = filesystem_create(fixture->engine.loop, fixture->engine.pool);
	fixture->filesystem->nodes = node_table_create(&(struct node_key){.kind = NODE_ROOT});
	for (guint i = 0; i < G_N_ELEMENTS(scripts); i++) {
		scripts[i] = (struct script){0};
		pthread_mutex_init(&scripts[i].lock, NULL);
	}
}

static void finish(struct fixture *fixture)
{
	parking_close(fixture->filesystem->parking);
	/* Whoever waits is called at the cache's end, however late that is. */
	for (guint i = 0; i < G_N_ELEMENTS(scripts); i++)
		wake(&scripts[i]);
	engine_finish(&fixture->engine);
	filesystem_destroy(fixture->filesystem);
}

static void begin_as(struct fixture *fixture, struct fuse_req *request, const char *name)
{
	char copy[16];

	g_strlcpy(copy, name, sizeof(copy));
	request_begin(fixture->filesystem, request, FUSE_ROOT_ID, copy, 0, 0, run);
	/* The name is only the caller's. */
	memset(copy, '9', sizeof(copy));
}

static struct fuse_req *begin(struct fixture *fixture)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);

	begin_as(fixture, request, "0");
	return request;
}

static void expect_error(struct fuse_req *request, int errnum)
{
	ck_assert_int_eq(fake_request_wait(request), REPLY_ERROR);
	ck_assert_int_eq(request->errnum, errnum);
	fake_request_destroy(request);
}

static char *journal_of(struct fixture *fixture)
{
	g_autoptr(GBytes) text = journal_text(fixture->filesystem->journal);

	return g_strndup(g_bytes_get_data(text, NULL), g_bytes_get_size(text));
}

START_TEST (answers_at_once_what_is_known) {
	struct fixture fixture;
	g_autofree char *journal = NULL;
	g_autofree char *after = NULL;

	setup(&fixture);
	expect_error(begin(&fixture), 0);
	ck_assert_uint_eq(scripts[0].runs, 1);
	scripts[0].result = -ENOENT;
	expect_error(begin(&fixture), ENOENT);
	/* That something is not there is no news. */
	journal = journal_of(&fixture);
	ck_assert_str_eq(journal, "");
	scripts[0].result = -EACCES;
	expect_error(begin(&fixture), EACCES);
	after = journal_of(&fixture);
	ck_assert_ptr_nonnull(strstr(after, "EACCES it went wrong"));
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 0);
	finish(&fixture);
}
END_TEST

START_TEST (refuses_unknown_inodes) {
	struct fixture fixture;
	struct fuse_req *request;

	setup(&fixture);
	request = fake_request_create(fixture.filesystem);
	request_begin(fixture.filesystem, request, 4711, "0", 0, 0, run);
	expect_error(request, ESTALE);
	ck_assert_uint_eq(scripts[0].runs, 0);
	finish(&fixture);
}
END_TEST

START_TEST (parks_until_there_is_news) {
	struct fixture fixture;
	struct fuse_req *request;

	setup(&fixture);
	scripts[0].waits = 3;
	request = begin(&fixture);
	for (int i = 0; i < 2; i++) {
		ck_assert(!fake_request_is_answered(request));
		ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 1);
		wake(&scripts[0]);
	}
	wake(&scripts[0]);
	expect_error(request, 0);
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 0);
	ck_assert_uint_eq(scripts[0].runs, 5);
	finish(&fixture);
}
END_TEST

START_TEST (runs_again_when_there_is_news_meanwhile) {
	struct fixture fixture;

	setup(&fixture);
	scripts[0].waits = 5;
	scripts[0].wakes = TRUE;
	expect_error(begin(&fixture), 0);
	ck_assert_uint_eq(scripts[0].runs, 7);
	scripts[0].wait = NULL;
	finish(&fixture);
}
END_TEST

START_TEST (an_interrupt_ends_it_at_once) {
	struct fixture fixture;
	struct fuse_req *request;
	g_autofree char *journal = NULL;

	setup(&fixture);
	scripts[0].waits = 10;
	request = begin(&fixture);
	fake_request_interrupt(request);
	ck_assert(fake_request_is_answered(request));
	/* Twice, and after the reply. */
	fake_request_interrupt(request);
	expect_error(request, EINTR);
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 0);
	/* News for who is gone. */
	wake(&scripts[0]);
	ck_assert_uint_eq(scripts[0].runs, 2);
	journal = journal_of(&fixture);
	ck_assert_str_eq(journal, "");
	finish(&fixture);
}
END_TEST

START_TEST (an_interrupt_may_come_first) {
	struct fixture fixture;
	struct fuse_req *request;

	setup(&fixture);
	scripts[0].waits = 10;
	request = fake_request_create(fixture.filesystem);
	fake_request_interrupt(request);
	begin_as(&fixture, request, "0");
	expect_error(request, EINTR);
	/* What is known is told all the same. */
	scripts[1].waits = 0;
	request = fake_request_create(fixture.filesystem);
	fake_request_interrupt(request);
	begin_as(&fixture, request, "1");
	expect_error(request, 0);
	finish(&fixture);
}
END_TEST

START_TEST (an_interrupt_while_it_runs_waits_for_the_run) {
	struct fixture fixture;
	struct fuse_req *request;

	setup(&fixture);
	/* It would wait on. */
	scripts[0].waits = 10;
	request = fake_request_create(fixture.filesystem);
	scripts[0].interrupts = request;
	begin_as(&fixture, request, "0");
	expect_error(request, EINTR);
	scripts[0].interrupts = NULL;
	/* It has its answer. */
	scripts[1].waits = 1;
	request = fake_request_create(fixture.filesystem);
	begin_as(&fixture, request, "1");
	scripts[1].interrupts = request;
	wake(&scripts[1]);
	scripts[1].interrupts = NULL;
	expect_error(request, 0);
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 0);
	finish(&fixture);
}
END_TEST

START_TEST (what_was_begun_meanwhile_is_not_interrupted) {
	char name[] = "0";
	struct fixture fixture;
	struct fuse_req *request;
	const struct request description = {.name = name, .run = run, .interrupt = interrupt};

	setup(&fixture);
	scripts[0].waits = 3;
	request = fake_request_create(fixture.filesystem);
	request_begin_full(fixture.filesystem, request, FUSE_ROOT_ID, &description);
	/* The signal comes when the run has begun, and before the change has. */
	scripts[0].interrupts = request;
	scripts[0].begins = TRUE;
	wake(&scripts[0]);
	scripts[0].interrupts = NULL;
	ck_assert(!fake_request_is_answered(request));
	fake_request_interrupt(request);
	ck_assert(!fake_request_is_answered(request));
	wake(&scripts[0]);
	wake(&scripts[0]);
	expect_error(request, 0);
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 0);
	finish(&fixture);
}
END_TEST

START_TEST (the_end_answers_all) {
	struct fixture fixture;
	struct fuse_req *first;
	struct fuse_req *second;

	setup(&fixture);
	scripts[0].waits = scripts[1].waits = scripts[2].waits = 10;
	first = begin(&fixture);
	second = fake_request_create(fixture.filesystem);
	begin_as(&fixture, second, "1");
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 2);
	parking_close(fixture.filesystem->parking);
	expect_error(first, ENODEV);
	expect_error(second, ENODEV);
	/* And nobody waits afterwards. */
	first = fake_request_create(fixture.filesystem);
	begin_as(&fixture, first, "2");
	expect_error(first, ENODEV);
	fixture.filesystem->closing = TRUE;
	expect_error(begin(&fixture), ENODEV);
	finish(&fixture);
}
END_TEST

START_TEST (a_failed_run_is_told_after_it_waited) {
	struct fixture fixture;
	struct fuse_req *request;
	g_autofree char *journal = NULL;

	setup(&fixture);
	scripts[0].waits = 1;
	scripts[0].result = -EIO;
	request = begin(&fixture);
	wake(&scripts[0]);
	expect_error(request, EIO);
	journal = journal_of(&fixture);
	ck_assert_ptr_nonnull(strstr(journal, "EIO it went wrong"));
	finish(&fixture);
}
END_TEST

START_TEST (not_too_many_wait) {
	struct fixture fixture;
	struct fuse_req **requests = g_new(struct fuse_req *, REQUEST_PARKED_MAX);
	GPtrArray *tickets = g_ptr_array_new();
	struct fuse_req *last;

	setup(&fixture);
	for (int i = 0; i < REQUEST_PARKED_MAX; i++) {
		scripts[0].waits = 10;
		requests[i] = begin(&fixture);
		g_ptr_array_add(tickets, scripts[0].data);
	}
	last = begin(&fixture);
	expect_error(last, EAGAIN);
	for (int i = 0; i < REQUEST_PARKED_MAX; i++) {
		fake_request_interrupt(requests[i]);
		expect_error(requests[i], EINTR);
		g_free(g_ptr_array_index(tickets, (guint)i));
	}
	scripts[0].wait = NULL;
	g_ptr_array_unref(tickets);
	g_free(requests);
	finish(&fixture);
}
END_TEST

/* News, interrupts and the end from several threads at once. */

#define STORM 60

struct storm {
	struct fuse_req *requests[STORM];
	gint stop;
};

static void *wake_much(void *data)
{
	struct storm *storm = data;

	while (!g_atomic_int_get(&storm->stop))
		for (int i = 0; i < STORM; i++)
			wake(&scripts[i]);
	return NULL;
}

static void *interrupt_much(void *data)
{
	struct storm *storm = data;

	for (int i = STORM - 1; i >= 0; i -= 2)
		fake_request_interrupt(storm->requests[i]);
	return NULL;
}

START_TEST (a_storm_answers_each_once) {
	struct fixture fixture;
	struct storm storm = {.stop = 0};
	pthread_t wakers[2];
	pthread_t interrupter;

	setup(&fixture);
	for (int i = 0; i < STORM; i++) {
		g_autofree char *name = g_strdup_printf("%d", i);

		scripts[i].waits = i % 5 == 0 ? 1000000 : 1 + i % 7;
		scripts[i].wakes = i % 11 == 3;
		storm.requests[i] = fake_request_create(fixture.filesystem);
		begin_as(&fixture, storm.requests[i], name);
	}
	for (guint i = 0; i < G_N_ELEMENTS(wakers); i++)
		pthread_create(&wakers[i], NULL, wake_much, &storm);
	pthread_create(&interrupter, NULL, interrupt_much, &storm);
	pthread_join(interrupter, NULL);
	g_usleep(2000);
	parking_close(fixture.filesystem->parking);
	for (int i = 0; i < STORM; i++)
		fake_request_wait(storm.requests[i]);
	g_atomic_int_set(&storm.stop, 1);
	for (guint i = 0; i < G_N_ELEMENTS(wakers); i++)
		pthread_join(wakers[i], NULL);
	ck_assert_uint_eq(parking_count(fixture.filesystem->parking), 0);
	for (int i = 0; i < STORM; i++)
		fake_request_destroy(storm.requests[i]);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, answers_at_once_what_is_known);
	tcase_add_test(tcase, refuses_unknown_inodes);
	tcase_add_test(tcase, parks_until_there_is_news);
	tcase_add_test(tcase, runs_again_when_there_is_news_meanwhile);
	tcase_add_test(tcase, an_interrupt_ends_it_at_once);
	tcase_add_test(tcase, an_interrupt_may_come_first);
	tcase_add_test(tcase, an_interrupt_while_it_runs_waits_for_the_run);
	tcase_add_test(tcase, what_was_begun_meanwhile_is_not_interrupted);
	tcase_add_test(tcase, the_end_answers_all);
	tcase_add_test(tcase, a_failed_run_is_told_after_it_waited);
	tcase_add_test(tcase, not_too_many_wait);
	tcase_add_loop_test(tcase, a_storm_answers_each_once, 0, 20);
}

int main(void)
{
	return fixture_run("request", add);
}
