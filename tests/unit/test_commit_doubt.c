/*
 * cache/commit.h when things go wrong: answers that are lost, several commits of one object,
 * cancellation, time, and the end of the cache at each point.
 */
#include <errno.h>
#include <string.h>

#include "cache/commit.h"
#include "tests/unit/commit_fixture.h"

static char *setup_map(struct commit_fixture *fixture, uint64_t timeout)
{
	commit_fixture_setup(fixture);
	g_free(commit_fixture_map(fixture, "web"));
	commit_fixture_begin(fixture, timeout);
	commit_fixture_load(fixture, fixture->maps);
	return commit_fixture_text(fixture, "web", NULL, NULL);
}

static unsigned int changes(struct commit_fixture *fixture)
{
	return fake_count(fixture->fake, FAKE_CHANGE);
}

static void touch_status(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "status", "seen", "true"));
}

static void change_b(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "data", "b", "\"theirs\""));
}

static void change_a(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "data", "a", "\"theirs\""));
}

static void revert_a(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "data", "a", "\"3\""));
}

/* What happens when the first change's answer is lost, and this happens before anybody looks. */
struct loss {
	enum fake_fault fault;
	void (*meanwhile)(struct fake_cluster *cluster);
	unsigned int failing_gets;
	int errnum;
	gboolean uncertain;
	unsigned int changes; /* sent altogether */
	const char *a;
	const char *b;
};

static const struct loss losses[] = {
	/* It arrived. */
	{FAULT_UNANSWERED, NULL, 0, 0, FALSE, 1, "5", "x"},
	{FAULT_UNANSWERED, NULL, 3, 0, FALSE, 1, "5", "x"},
	{FAULT_UNANSWERED, touch_status, 0, 0, FALSE, 1, "5", "x"},
	{FAULT_UNANSWERED, change_b, 0, 0, FALSE, 1, "5", "theirs"},
	/* And somebody undid it, or did something else there: that stays. */
	{FAULT_UNANSWERED, change_a, 0, EIO, TRUE, 1, "theirs", "x"},
	{FAULT_UNANSWERED, revert_a, 0, EIO, TRUE, 1, "3", "x"},
	/* It did not. */
	{FAULT_LOST, NULL, 0, 0, FALSE, 2, "5", "x"},
	{FAULT_LOST, NULL, 2, 0, FALSE, 2, "5", "x"},
	{FAULT_LOST, change_a, 0, EIO, TRUE, 1, "theirs", "x"},
	/* For all we know it may have, and another one's change come on top of it. */
	{FAULT_LOST, change_b, 0, EIO, TRUE, 1, "3", "theirs"},
	{FAULT_LOST, touch_status, 0, EIO, TRUE, 1, "3", "x"},
	/* Nobody can be asked any more. */
	{FAULT_LOST, NULL, 1000, ETIMEDOUT, TRUE, 1, "3", "x"},
};

/* Of the gets: before the first of them the rest of the story happens. */
struct story {
	struct commit_fixture *fixture;
	void (*meanwhile)(struct fake_cluster *cluster);
	unsigned int failing;
};

static void tell_story(void *data, struct fake_call *call)
{
	struct story *story = data;
	g_autofree char *json = NULL;

	if (story->meanwhile != NULL)
		story->meanwhile(story->fixture->cluster);
	story->meanwhile = NULL;
	json = fake_cluster_json(story->fixture->cluster, call->name);
	if (story->failing > 0) {
		story->failing--;
		fake_fail(call, ECONNREFUSED, 0);
	} else if (json == NULL) {
		fake_fail(call, ENOENT, 404);
	} else {
		fake_done_item(call, json);
	}
}

START_TEST (what_became_of_an_update_is_found_out) {
	const struct loss *loss = &losses[_i];
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, loss->failing_gets > 10 ? 1500 : 0);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct story story = {&fixture, loss->meanwhile, loss->failing_gets};
	struct outcome outcome;

	outcome_init(&outcome, &fixture);
	fake_source_answer(fixture.fake, FAKE_GET, tell_story, &story);
	fake_cluster_fault(fixture.cluster, loss->fault);
	save(&fixture, &outcome, &(struct commit_request){.name = "web"}, edited);
	outcome_expect(&outcome, loss->errnum, "");
	ck_assert_int_eq(outcome.uncertain, loss->uncertain);
	if (loss->errnum == 0)
		ck_assert(outcome.shown);
	else
		ck_assert_ptr_nonnull(strstr(outcome.message, "not known"));
	if (loss->errnum == ETIMEDOUT)
		ck_assert_ptr_nonnull(
			strstr(outcome.message, "in time; the last try ended with: "));
	ck_assert_uint_eq(changes(&fixture), loss->changes);
	expect_value(&fixture, "web", "data", "a", loss->a);
	expect_value(&fixture, "web", "data", "b", loss->b);
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

static void undo_spec(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "spec", "replicas", "3"));
	g_free(fake_cluster_set(cluster, "web", "metadata", "generation", "3"));
}

/* Where there is a generation, it tells whether only the status moved. */
START_TEST (a_generation_leaves_no_doubt) {
	static const struct {
		enum fake_fault fault;
		int errnum;
		void (*meanwhile)(struct fake_cluster *cluster);
		const char *old;
		const char *new;
		const char *replicas;
	} cases[] = {
		{FAULT_LOST, 0, touch_status, "replicas: 3", "replicas: 5", "5"},
		{FAULT_UNANSWERED, EIO, undo_spec, "replicas: 3", "replicas: 5", "3"},
		{FAULT_LOST, EIO, undo_spec, "replicas: 3", "replicas: 5", "3"},
		/* It does not count labels. */
		{FAULT_LOST, EIO, touch_status, "  generation: 1\n",
			"  generation: 1\n  labels: {a: b}\n", "3"},
	};
	struct commit_fixture fixture;
	g_autofree char *edited = NULL;
	struct story story = {&fixture, cases[_i].meanwhile, 0};
	struct outcome outcome;

	g_free(setup_map(&fixture, 0));
	fake_cluster_delete(fixture.cluster, "web");
	g_free(commit_fixture_app(&fixture, "web"));
	commit_fixture_load(&fixture, fixture.apps);
	edited = commit_fixture_text(&fixture, "web", cases[_i].old, cases[_i].new);
	fake_source_answer(fixture.fake, FAKE_GET, tell_story, &story);
	outcome_init(&outcome, &fixture);
	fake_cluster_fault(fixture.cluster, cases[_i].fault);
	save(&fixture, &outcome, &(struct commit_request){.name = "web", .resource = fixture.apps},
		edited);
	outcome_expect(&outcome, cases[_i].errnum, "");
	ck_assert_int_eq(outcome.uncertain, cases[_i].errnum != 0);
	expect_value(&fixture, "web", "spec", "replicas", cases[_i].replicas);
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

static void delete_web(struct fake_cluster *cluster)
{
	fake_cluster_delete(cluster, "web");
}

static void recreate_web(struct fake_cluster *cluster)
{
	g_autofree char *json = fake_cluster_json(cluster, "web");

	fake_cluster_delete(cluster, "web");
	g_free(fake_cluster_put(cluster, json));
}

START_TEST (an_object_that_went_meanwhile_is_no_doubt) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 0);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct story story = {&fixture, _i == 0 ? delete_web : recreate_web, 0};

	fake_source_answer(fixture.fake, FAKE_GET, tell_story, &story);
	fake_cluster_fault(fixture.cluster, FAULT_LOST);
	save_expect(&fixture, "web", edited, _i == 0 ? ENOENT : EBUSY, "deleted meanwhile");
	ck_assert_uint_eq(changes(&fixture), 1);
	commit_fixture_finish(&fixture);
}
END_TEST

/* It arrives late, after it was sent again: the guard lets one of them in. */
START_TEST (a_change_that_arrives_late_is_not_applied_twice) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 0);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");

	/* The second one finds the first one's work. */
	fake_cluster_fault(fixture.cluster, FAULT_LOST);
	fake_cluster_fault(fixture.cluster, FAULT_UNANSWERED);
	save_expect(&fixture, "web", edited, 0, "");
	ck_assert_uint_eq(changes(&fixture), 2);
	expect_value(&fixture, "web", "data", "a", "5");
	expect_value(&fixture, "web", "metadata", "resourceVersion", "102");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (an_update_that_never_arrives_ends) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 0);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct outcome outcome;

	outcome_init(&outcome, &fixture);
	for (int i = 0; i < 2 * COMMIT_TRIES_MAX; i++)
		fake_cluster_fault(fixture.cluster, FAULT_LOST);
	save(&fixture, &outcome, &(struct commit_request){.name = "web"}, edited);
	outcome_expect(&outcome, EIO, "not known");
	ck_assert(outcome.uncertain);
	ck_assert_uint_eq(changes(&fixture), COMMIT_TRIES_MAX);
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

#define MANIFEST "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: \"9\"\n"

static void create_other(struct fake_cluster *cluster)
{
	g_free(fake_cluster_put(cluster,
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"new\","
		"\"namespace\":\"default\"},\"data\":{\"a\":\"else\"}}"));
}

START_TEST (what_became_of_a_creation_is_found_out) {
	static const struct {
		void (*meanwhile)(struct fake_cluster *cluster);
		enum fake_fault fault;
		int errnum;
		const char *a;
		unsigned int changes;
	} cases[] = {
		{NULL, FAULT_UNANSWERED, 0, "9", 1},
		{NULL, FAULT_LOST, 0, "9", 2},
		{create_other, FAULT_LOST, EIO, "else", 1},
	};
	struct commit_fixture fixture;
	struct story story = {&fixture, cases[_i].meanwhile, 1};
	struct outcome outcome;

	g_free(setup_map(&fixture, 0));
	outcome_init(&outcome, &fixture);
	fake_source_answer(fixture.fake, FAKE_GET, tell_story, &story);
	fake_cluster_fault(fixture.cluster, cases[_i].fault);
	save(&fixture, &outcome, &(struct commit_request){.name = "new", .exclusive = TRUE},
		MANIFEST);
	outcome_expect(&outcome, cases[_i].errnum, "");
	ck_assert_int_eq(outcome.uncertain, cases[_i].errnum != 0);
	ck_assert_uint_eq(changes(&fixture), cases[_i].changes);
	expect_value(&fixture, "new", "data", "a", cases[_i].a);
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_became_of_a_deletion_is_found_out) {
	static const struct {
		enum fake_fault fault;
		unsigned int changes;
		void (*meanwhile)(struct fake_cluster *cluster);
		const char *a;
	} cases[] = {
		{FAULT_UNANSWERED, 1, NULL, ""},
		{FAULT_LOST, 2, NULL, ""},
		{FAULT_LOST, 1, delete_web, ""},
		{FAULT_LOST, 1, recreate_web, "3"},
	};
	struct commit_fixture fixture;
	struct story story = {&fixture, cases[_i].meanwhile, 1};
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;
	struct outcome outcome;

	g_free(setup_map(&fixture, 0));
	outcome_init(&outcome, &fixture);
	fake_source_answer(fixture.fake, FAKE_GET, tell_story, &story);
	cache_find(fixture.cache, fixture.maps, "default", "web", NULL, NULL, &snapshot, NULL);
	/* One pause ends with another deletion, the other with another look. */
	story.failing = 0;
	fake_cluster_fault(fixture.cluster, cases[_i].fault);
	commit_unref(delete_begin(&fixture, &outcome, snapshot, FALSE));
	outcome_expect(&outcome, 0, "");
	ck_assert_uint_eq(changes(&fixture), cases[_i].changes);
	expect_value(&fixture, "web", "data", "a", cases[_i].a);
	lines_expect(fixture.lines, "web 101 to none");
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_became_of_a_scale_is_found_out) {
	struct commit_fixture fixture;
	struct outcome outcome;

	commit_fixture_setup(&fixture);
	commit_fixture_begin(&fixture, 0);
	g_free(commit_fixture_app(&fixture, "web"));
	outcome_init(&outcome, &fixture);
	fake_cluster_fault(fixture.cluster, _i == 0 ? FAULT_UNANSWERED : FAULT_LOST);
	save(&fixture, &outcome,
		&(struct commit_request){
			.name = "web", .resource = fixture.apps, .subresource = "scale"},
		"5\n");
	outcome_expect(&outcome, 0, "");
	ck_assert(!outcome.unchanged);
	ck_assert_uint_eq(changes(&fixture), _i == 0 ? 1 : 2);
	expect_value(&fixture, "web", "spec", "replicas", "5");
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

/* Several at a time. */

START_TEST (commits_of_one_object_take_turns) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 0);
	g_autofree char *one = text_replace(text, "a: \"3\"", "a: \"5\"");
	g_autofree char *two = text_replace(text, "b: x", "b: \"y\"");
	struct outcome outcomes[3];

	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_init(&outcomes[i], &fixture);
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	commit_unref(
		save_begin(&fixture, &outcomes[0], &(struct commit_request){.name = "web"}, one));
	fake_cluster_await_held(fixture.cluster);
	commit_unref(
		save_begin(&fixture, &outcomes[1], &(struct commit_request){.name = "web"}, two));
	/* Another object does not wait. */
	save(&fixture, &outcomes[2], &(struct commit_request){.name = "new"}, MANIFEST);
	outcome_expect(&outcomes[2], 0, "");
	ck_assert_uint_eq(tally_get(&outcomes[1].done), 0);
	ck_assert_uint_eq(changes(&fixture), 2);
	fake_cluster_release(fixture.cluster);
	outcome_expect(&outcomes[0], 0, "");
	outcome_expect(&outcomes[1], 0, "");
	/* Each saw the other's. */
	expect_value(&fixture, "web", "data", "a", "5");
	expect_value(&fixture, "web", "data", "b", "y");
	ck_assert_uint_eq(changes(&fixture), 3);
	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_finish(&outcomes[i]);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (there_is_an_end_to_how_many) {
	struct commit_fixture fixture;
	g_autofree struct outcome *outcomes = g_new0(struct outcome, COMMIT_MAX + 1);
	unsigned int refused = 0;

	g_free(setup_map(&fixture, 0));
	fake_cluster_fault(fixture.cluster, FAULT_HELD);
	for (int i = 0; i <= COMMIT_MAX; i++) {
		outcome_init(&outcomes[i], &fixture);
		commit_unref(save_begin(
			&fixture, &outcomes[i], &(struct commit_request){.name = "web"}, MANIFEST));
	}
	outcome_expect(&outcomes[COMMIT_MAX], EAGAIN, "under way");
	fake_cluster_release(fixture.cluster);
	for (int i = 0; i < COMMIT_MAX; i++) {
		tally_reach(&outcomes[i].done, 1);
		refused += outcomes[i].errnum != 0;
	}
	ck_assert_uint_eq(refused, 0);
	/* The rest found it done. */
	ck_assert_uint_eq(changes(&fixture), 1);
	for (int i = 0; i <= COMMIT_MAX; i++)
		outcome_finish(&outcomes[i]);
	commit_fixture_finish(&fixture);
}
END_TEST

#define WRITERS 50

static void *count_up(void *data)
{
	struct commit_fixture *fixture = data;

	for (;;) {
		g_autofree char *value =
			fake_cluster_value(fixture->cluster, "web", "data", "count");
		g_autofree char *old = g_strdup_printf("count: \"%s\"", value);
		g_autofree char *new =
			g_strdup_printf("count: \"%d\"", (int)g_ascii_strtoll(value, NULL, 10) + 1);
		g_autofree char *text = commit_fixture_text(fixture, "web", NULL, NULL);
		g_autofree char *edited = NULL;
		struct outcome outcome;
		int errnum;

		/* It moved between the two looks. */
		if (strstr(text, old) == NULL)
			continue;
		edited = text_replace(text, old, new);
		outcome_init(&outcome, fixture);
		save(fixture, &outcome, &(struct commit_request){.name = "web"}, edited);
		errnum = outcome.errnum;
		outcome_finish(&outcome);
		if (errnum == 0)
			return NULL;
		ck_assert_int_eq(errnum, EBUSY);
	}
}

START_TEST (a_counter_of_many_writers_is_exact) {
	struct commit_fixture fixture;
	pthread_t threads[WRITERS];

	g_free(setup_map(&fixture, 0));
	g_free(fake_cluster_set(fixture.cluster, "web", "data", "count", "\"0\""));
	/* Some of it goes wrong; what is not known cannot be counted, so it arrives or is lost. */
	for (int i = 0; i < 5; i++) {
		fake_cluster_fault(fixture.cluster, FAULT_NONE);
		fake_cluster_fault(fixture.cluster, FAULT_CONFLICT);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, count_up, &fixture);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	expect_value(&fixture, "web", "data", "count", G_STRINGIFY(WRITERS));
	commit_fixture_finish(&fixture);
}
END_TEST

static void *set_field(void *data)
{
	struct outcome *outcome = data;
	g_autofree char *line = g_strdup_printf("data:\n  k%d: \"1\"\n", (int)outcome->errnum);
	g_autofree char *text = g_strdup(outcome->message);
	g_autofree char *edited = text_replace(text, "data:\n", line);

	g_clear_pointer(&outcome->message, g_free);
	save(outcome->fixture, outcome, &(struct commit_request){.name = "web"}, edited);
	return NULL;
}

START_TEST (disjoint_changes_of_many_writers_are_all_there) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 0);
	struct outcome outcomes[WRITERS];
	pthread_t threads[WRITERS];

	for (int i = 0; i < WRITERS; i++) {
		outcome_init(&outcomes[i], &fixture);
		outcomes[i].errnum = i;
		outcomes[i].message = g_strdup(text);
		pthread_create(&threads[i], NULL, set_field, &outcomes[i]);
	}
	for (int i = 0; i < WRITERS; i++) {
		g_autofree char *key = g_strdup_printf("k%d", i);

		pthread_join(threads[i], NULL);
		outcome_expect(&outcomes[i], 0, "");
		expect_value(&fixture, "web", "data", key, "1");
		outcome_finish(&outcomes[i]);
	}
	commit_fixture_finish(&fixture);
}
END_TEST

/* Giving up. */

enum point {
	POINT_QUEUED,
	POINT_LOOKING,
	POINT_GETTING,
	POINT_SENT,
	POINT_DOUBTING,
	POINTS,
};

/* Brings a commit to that point; another one that it waits for is in blocker. */
static struct commit *reach(struct commit_fixture *fixture, enum point point, const char *edited,
	struct outcome *outcome, struct outcome *blocker)
{
	struct commit_request request = {.name = "web"};
	struct commit *commit;

	if (point == POINT_QUEUED || point == POINT_SENT)
		fake_cluster_fault(fixture->cluster, FAULT_HELD);
	if (point == POINT_DOUBTING)
		fake_cluster_fault(fixture->cluster, FAULT_UNANSWERED);
	if (point == POINT_DOUBTING || point == POINT_GETTING)
		fake_cluster_hold_gets(fixture->cluster);
	/* A fresh look. */
	request.uncertain = point == POINT_GETTING;
	if (point == POINT_LOOKING) {
		fixture->apps->can_get = FALSE;
		fake_source_answer(fixture->fake, FAKE_LIST, NULL, NULL);
		request.resource = fixture->apps;
	}
	if (point == POINT_QUEUED) {
		commit_unref(save_begin(fixture, blocker, &request, edited));
		fake_cluster_await_held(fixture->cluster);
	}
	commit = save_begin(fixture, outcome, &request, edited);
	if (point == POINT_LOOKING)
		fake_drop(fake_take(fixture->fake, FAKE_LIST));
	else
		fake_cluster_await_held(fixture->cluster);
	return commit;
}

START_TEST (cancels_what_is_not_on_the_wire) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 0);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct outcome outcome;
	struct outcome blocker;
	struct commit *commit;
	gboolean sent = _i == POINT_SENT || _i == POINT_DOUBTING;

	outcome_init(&outcome, &fixture);
	outcome_init(&blocker, &fixture);
	commit = reach(&fixture, _i, edited, &outcome, &blocker);
	commit_cancel(commit);
	commit_cancel(commit);
	if (sent) {
		g_usleep(50 * 1000);
		ck_assert_uint_eq(tally_get(&outcome.done), 0);
		fake_cluster_release(fixture.cluster);
	}
	outcome_expect(&outcome, sent ? 0 : EINTR, "");
	expect_value(&fixture, "web", "data", "a", sent ? "5" : "3");
	if (_i == POINT_QUEUED) {
		/* Whoever comes next has its turn after the first. */
		fake_cluster_release(fixture.cluster);
		outcome_expect(&blocker, 0, "");
		save_expect(&fixture, "web", MANIFEST, 0, "");
	}
	/* Too late. */
	commit_cancel(commit);
	outcome_finish(&outcome);
	outcome_finish(&blocker);
	commit_fixture_finish(&fixture);
	commit_cancel(commit);
	commit_unref(commit);
}
END_TEST

START_TEST (takes_no_longer_than_it_may) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 1000);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	gboolean sent = _i == POINT_SENT || _i == POINT_DOUBTING;
	struct outcome outcome;
	struct outcome blocker;

	outcome_init(&outcome, &fixture);
	outcome_init(&blocker, &fixture);
	/* The one before it ends first, and it may get its turn yet. */
	if (_i == POINT_QUEUED)
		fake_cluster_fault(fixture.cluster, FAULT_HELD);
	commit_unref(reach(&fixture, _i, edited, &outcome, &blocker));
	outcome_expect(&outcome, ETIMEDOUT, "in time");
	if (_i != POINT_QUEUED)
		ck_assert_int_eq(outcome.uncertain, sent);
	commit_fixture_finish(&fixture);
	outcome_finish(&outcome);
	outcome_finish(&blocker);
}
END_TEST

START_TEST (ends_with_the_cache) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture, 0);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	gboolean sent = _i == POINT_SENT || _i == POINT_DOUBTING;
	struct outcome outcome;
	struct outcome blocker;
	struct commit *commit;

	outcome_init(&outcome, &fixture);
	outcome_init(&blocker, &fixture);
	commit = reach(&fixture, _i, edited, &outcome, &blocker);
	commit_fixture_stop(&fixture);
	ck_assert_uint_eq(tally_get(&outcome.done), 1);
	outcome_expect(&outcome, sent ? EIO : ESHUTDOWN, "no longer served");
	ck_assert_int_eq(outcome.uncertain, sent);
	if (_i == POINT_QUEUED) {
		ck_assert_uint_eq(tally_get(&blocker.done), 1);
		outcome_expect(&blocker, EIO, "no longer served");
	}
	commit_cancel(commit);
	commit_unref(commit);
	outcome_finish(&outcome);
	outcome_finish(&blocker);
	commit_fixture_finish(&fixture);
}
END_TEST

/* Everything at once, for the sanitizers. */

#define STORM_COMMITS 200

START_TEST (a_storm_ends_well) {
	struct commit_fixture fixture;
	g_autofree struct outcome *outcomes = g_new0(struct outcome, STORM_COMMITS);
	static const char *const names[] = {"web", "one", "two", "three"};

	g_free(setup_map(&fixture, 0));
	for (int i = 0; i < STORM_COMMITS; i++)
		fake_cluster_fault(
			fixture.cluster, (enum fake_fault)(i * 7 % (FAULT_CONFLICT + 1)));
	for (int i = 0; i < STORM_COMMITS; i++) {
		g_autofree char *edited =
			g_strdup_printf("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: \"%d\"\n", i);
		struct commit *commit;

		outcome_init(&outcomes[i], &fixture);
		commit = save_begin(&fixture, &outcomes[i],
			&(struct commit_request){.name = names[i % 4]}, edited);
		if (i % 5 == 0)
			commit_cancel(commit);
		commit_unref(commit);
	}
	g_usleep(300 * 1000);
	commit_fixture_stop(&fixture);
	for (int i = 0; i < STORM_COMMITS; i++) {
		ck_assert_uint_eq(tally_get(&outcomes[i].done), 1);
		outcome_finish(&outcomes[i]);
	}
	commit_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_loop_test(
		tcase, what_became_of_an_update_is_found_out, 0, (int)G_N_ELEMENTS(losses));
	tcase_add_loop_test(tcase, a_generation_leaves_no_doubt, 0, 4);
	tcase_add_loop_test(tcase, an_object_that_went_meanwhile_is_no_doubt, 0, 2);
	tcase_add_test(tcase, a_change_that_arrives_late_is_not_applied_twice);
	tcase_add_test(tcase, an_update_that_never_arrives_ends);
	tcase_add_loop_test(tcase, what_became_of_a_creation_is_found_out, 0, 3);
	tcase_add_loop_test(tcase, what_became_of_a_deletion_is_found_out, 0, 4);
	tcase_add_loop_test(tcase, what_became_of_a_scale_is_found_out, 0, 2);
	tcase_add_test(tcase, commits_of_one_object_take_turns);
	tcase_add_test(tcase, there_is_an_end_to_how_many);
	tcase_add_test(tcase, a_counter_of_many_writers_is_exact);
	tcase_add_test(tcase, disjoint_changes_of_many_writers_are_all_there);
	tcase_add_loop_test(tcase, cancels_what_is_not_on_the_wire, 0, POINTS);
	tcase_add_loop_test(tcase, takes_no_longer_than_it_may, 0, POINTS);
	tcase_add_loop_test(tcase, ends_with_the_cache, 0, POINTS);
	tcase_add_loop_test(tcase, a_storm_ends_well, 0, 3);
}

int main(void)
{
	return fixture_run("commit_doubt", add);
}
