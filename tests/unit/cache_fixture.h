/* What the tests of cache/ share. */
#pragma once

#include <check.h>
#include <pthread.h>

#include "cache/collection.h"
#include "tests/unit/fake_source.h"

#define FIXTURE_PATIENCE_MS 30000

/* A snapshot of fake_object, which must be well-formed. */
struct snapshot *fixture_snapshot(
	const char *namespace, const char *name, const char *version, const char *extra);
struct snapshot *fixture_snapshot_of(const char *json);

/* A thread-safe list of lines that something wrote and a test reads in order. */
struct lines;

struct lines *lines_create(void);
void lines_destroy(struct lines *lines);
void lines_add(struct lines *lines, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Waits for the next line, which must be this one. */
void lines_expect(struct lines *lines, const char *line);
/* Waits for this line and drops those before it. */
void lines_skip_to(struct lines *lines, const char *line);
/* Both, in any order. */
void lines_skip_to_both(struct lines *lines, const char *one, const char *other);
/* No line is there now. */
void lines_expect_none(struct lines *lines);

/* Counts, for whoever waits until a number of things have happened. */
struct tally {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int count;
};

void tally_init(struct tally *tally);
void tally_finish(struct tally *tally);
void tally_add(void *tally); /* a collection_wait */
unsigned int tally_get(struct tally *tally);
/* Waits until it is at least count. */
void tally_reach(struct tally *tally, unsigned int count);

/* Returns once all that strand has to do now is done. */
void fixture_drain(struct strand *strand);

/* A loop and a pool, as every test with a source needs them. */
struct engine {
	struct loop *loop;
	struct strand_pool *pool;
};

void engine_init(struct engine *engine, unsigned int threads);
/* The loop's end, then the pool's, as the program does it. */
void engine_finish(struct engine *engine);

/* Runs the cases of a suite; returns what main returns. */
int fixture_run(const char *name, void (*add)(TCase *tcase));
