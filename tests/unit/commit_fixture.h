/* What the tests of cache/commit.h share: a cache on a fake cluster, and outcomes to look at. */
#pragma once

#include "cache/commit.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/fake_cluster.h"

struct commit_fixture {
	struct engine engine;
	struct fake_source *fake;
	struct fake_cluster *cluster;
	struct cache *cache;
	struct lines *lines; /* changes that the cache told of: "web 101 to 102" */
	struct resource *maps; /* configmaps */
	struct resource *apps; /* deployments.apps, with status and scale */
	struct tally woken;
};

/* An outcome that stays. */
struct outcome {
	struct tally done;
	struct commit_fixture *fixture;
	char *message;
	GPtrArray *reasons;
	struct snapshot *snapshot;
	int errnum;
	gboolean uncertain;
	gboolean unchanged;
	gboolean shown; /* the cache showed the snapshot when done was called */
};

void commit_fixture_setup(struct commit_fixture *fixture);
void commit_fixture_begin(struct commit_fixture *fixture, uint64_t timeout);
/* Ends the cache only: every outcome must be there afterwards. */
void commit_fixture_stop(struct commit_fixture *fixture);
void commit_fixture_finish(struct commit_fixture *fixture);

/* ConfigMap with data.a = "3", Deployment with one container and three replicas. Version; g_free.
 */
char *commit_fixture_map(struct commit_fixture *fixture, const char *name);
char *commit_fixture_app(struct commit_fixture *fixture, const char *name);

/* The cache has listed the resource. */
void commit_fixture_load(struct commit_fixture *fixture, struct resource *resource);
/* The YAML of the object as the server has it, with old replaced by new (NULL: as it is). g_free.
 */
char *commit_fixture_text(
	struct commit_fixture *fixture, const char *name, const char *old, const char *new);
char *text_replace(const char *text, const char *old, const char *new);

void outcome_init(struct outcome *outcome, struct commit_fixture *fixture);
void outcome_finish(struct outcome *outcome);
/* Waits for it. errnum and part of the message ("" for success) must be these. */
void outcome_expect(struct outcome *outcome, int errnum, const char *part);

/* Begins; with request's text from text, namespace default. */
struct commit *save_begin(struct commit_fixture *fixture, struct outcome *outcome,
	const struct commit_request *request, const char *text);
/* And waits. */
void save(struct commit_fixture *fixture, struct outcome *outcome,
	const struct commit_request *request, const char *text);
struct commit *delete_begin(struct commit_fixture *fixture, struct outcome *outcome,
	struct snapshot *snapshot, gboolean dry_run);
/* A plain save of name: succeeds, or fails with that. */
void save_expect(struct commit_fixture *fixture, const char *name, const char *text, int errnum,
	const char *part);
/* section.key of the object as the server has it. */
void expect_value(struct commit_fixture *fixture, const char *name, const char *section,
	const char *key, const char *value);
