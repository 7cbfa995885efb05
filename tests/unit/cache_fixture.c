#include "tests/unit/cache_fixture.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct snapshot *fixture_snapshot_of(const char *json)
{
	struct source_item item = {
		.json = json, .length = strlen(json), .api_version = "v1", .kind = "Thing"};
	g_autoptr(GError) error = NULL;
	struct snapshot *snapshot = NULL;

	if (snapshot_create(&item, NULL, NULL, &snapshot, &error) < 0)
		g_error("%s: %s", json, error->message);
	return snapshot;
}

struct snapshot *fixture_snapshot(
	const char *namespace, const char *name, const char *version, const char *extra)
{
	g_autofree char *json = fake_object(namespace, name, version, extra);

	return fixture_snapshot_of(json);
}

struct lines {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	GQueue queue; /* of char * */
};

static void init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

static struct timespec patience(void)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += FIXTURE_PATIENCE_MS / 1000;
	return deadline;
}

struct lines *lines_create(void)
{
	struct lines *lines = g_new0(struct lines, 1);

	pthread_mutex_init(&lines->lock, NULL);
	init_condition(&lines->changed);
	g_queue_init(&lines->queue);
	return lines;
}

void lines_destroy(struct lines *lines)
{
	g_queue_clear_full(&lines->queue, g_free);
	pthread_mutex_destroy(&lines->lock);
	pthread_cond_destroy(&lines->changed);
	g_free(lines);
}

void lines_add(struct lines *lines, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	pthread_mutex_lock(&lines->lock);
	g_queue_push_tail(&lines->queue, g_strdup_vprintf(format, arguments));
	pthread_cond_broadcast(&lines->changed);
	pthread_mutex_unlock(&lines->lock);
	va_end(arguments);
}

static char *next_line(struct lines *lines, const char *wanted)
{
	struct timespec deadline = patience();
	char *line;
	int r = 0;

	pthread_mutex_lock(&lines->lock);
	while ((line = g_queue_pop_head(&lines->queue)) == NULL && r == 0)
		r = pthread_cond_timedwait(&lines->changed, &lines->lock, &deadline);
	pthread_mutex_unlock(&lines->lock);
	if (line == NULL)
		g_error("waited in vain for \"%s\"", wanted);
	return line;
}

void lines_expect(struct lines *lines, const char *line)
{
	g_autofree char *next = next_line(lines, line);

	ck_assert_str_eq(next, line);
}

void lines_skip_to(struct lines *lines, const char *line)
{
	for (;;) {
		g_autofree char *next = next_line(lines, line);

		if (strcmp(next, line) == 0)
			return;
	}
}

void lines_skip_to_both(struct lines *lines, const char *one, const char *other)
{
	for (;;) {
		g_autofree char *next = next_line(lines, one);

		if (strcmp(next, one) == 0) {
			lines_skip_to(lines, other);
			return;
		}
		if (strcmp(next, other) == 0) {
			lines_skip_to(lines, one);
			return;
		}
	}
}

void lines_expect_none(struct lines *lines)
{
	g_autofree char *line = NULL;

	pthread_mutex_lock(&lines->lock);
	line = g_strdup(g_queue_peek_head(&lines->queue));
	pthread_mutex_unlock(&lines->lock);
	ck_assert_msg(line == NULL, "unexpected: %s", line);
}

void tally_init(struct tally *tally)
{
	pthread_mutex_init(&tally->lock, NULL);
	init_condition(&tally->changed);
	tally->count = 0;
}

void tally_finish(struct tally *tally)
{
	pthread_mutex_destroy(&tally->lock);
	pthread_cond_destroy(&tally->changed);
}

void tally_add(void *data)
{
	struct tally *tally = data;

	pthread_mutex_lock(&tally->lock);
	tally->count++;
	pthread_cond_broadcast(&tally->changed);
	pthread_mutex_unlock(&tally->lock);
}

unsigned int tally_get(struct tally *tally)
{
	unsigned int count;

	pthread_mutex_lock(&tally->lock);
	count = tally->count;
	pthread_mutex_unlock(&tally->lock);
	return count;
}

void tally_reach(struct tally *tally, unsigned int count)
{
	struct timespec deadline = patience();
	int r = 0;

	pthread_mutex_lock(&tally->lock);
	while (tally->count < count && r == 0)
		r = pthread_cond_timedwait(&tally->changed, &tally->lock, &deadline);
	if (tally->count < count)
		g_error("%u things happened, not %u", tally->count, count);
	pthread_mutex_unlock(&tally->lock);
}

void fixture_drain(struct strand *strand)
{
	struct tally tally;

	tally_init(&tally);
	strand_post(strand, tally_add, &tally);
	tally_reach(&tally, 1);
	tally_finish(&tally);
}

void engine_init(struct engine *engine, unsigned int threads)
{
	g_autoptr(GError) error = NULL;

	engine->loop = loop_create(&error);
	if (engine->loop == NULL)
		g_error("%s", error->message);
	engine->pool = strand_pool_create(threads);
}

void engine_finish(struct engine *engine)
{
	loop_ref(engine->loop);
	loop_destroy(engine->loop);
	strand_pool_destroy(engine->pool);
	loop_unref(engine->loop);
}

int fixture_run(const char *name, void (*add)(TCase *tcase))
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	tcase_set_timeout(tcase, 120);
	add(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	curl_global_cleanup();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
