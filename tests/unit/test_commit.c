/*
 * cache/commit.h against a fake cluster: what is sent for which text, and what is told of it. Lost
 * answers, cancellation and the end are test_commit_doubt.c's.
 */
#include "cache/commit.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/commit_fixture.h"

#define SCHEMA                                                                                     \
	"{\"openapi\":\"3.0.0\",\"components\":{\"schemas\":{\"Deployment\":{\"type\":\"object\"," \
	"\"x-kubernetes-group-version-kind\":[{\"group\":\"apps\",\"kind\":\"Deployment\","        \
	"\"version\":\"v1\"}],\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{"      \
	"\"template\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","         \
	"\"properties\":{\"containers\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","   \
	"\"x-kubernetes-list-map-keys\":[\"name\"],\"items\":{\"type\":\"object\","                \
	"\"properties\":{\"name\":{\"type\":\"string\"},\"image\":{\"type\":\"string\"}}}}}}}}}}"  \
	"}}}}}"

static void setup(struct commit_fixture *fixture)
{
	commit_fixture_setup(fixture);
	commit_fixture_begin(fixture, 0);
}

/* ConfigMap web is stored and its collection loaded; its text. */
static char *setup_map(struct commit_fixture *fixture)
{
	setup(fixture);
	g_free(commit_fixture_map(fixture, "web"));
	commit_fixture_load(fixture, fixture->maps);
	return commit_fixture_text(fixture, "web", NULL, NULL);
}

static char *setup_app(struct commit_fixture *fixture)
{
	setup(fixture);
	fake_cluster_schema(fixture->cluster, SCHEMA);
	g_free(commit_fixture_app(fixture, "web"));
	commit_fixture_load(fixture, fixture->apps);
	return commit_fixture_text(fixture, "web", NULL, NULL);
}

static unsigned int changes(struct commit_fixture *fixture)
{
	return fake_count(fixture->fake, FAKE_CHANGE);
}

START_TEST (an_edit_is_one_guarded_put_and_shows_at_once) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct outcome outcome;
	const struct fake_call *change;

	outcome_init(&outcome, &fixture);
	save(&fixture, &outcome, &(struct commit_request){.name = "web"}, edited);
	outcome_expect(&outcome, 0, "");
	ck_assert(outcome.shown);
	ck_assert(!outcome.unchanged);
	ck_assert_str_eq(outcome.snapshot->version, "102");
	lines_expect(fixture.lines, "web 101 to 102");
	ck_assert_uint_eq(changes(&fixture), 1);
	change = fake_change(fixture.fake, 0);
	ck_assert_int_eq(change->verb, SOURCE_UPDATE);
	ck_assert_str_eq(change->name, "web");
	ck_assert_str_eq(change->namespace, "default");
	ck_assert_ptr_null(change->subresource);
	ck_assert(!change->dry_run);
	ck_assert_ptr_nonnull(strstr(change->body, "\"resourceVersion\":\"101\""));
	/* The cache knew what is there: nothing else was asked. */
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET), 0);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_SCHEMA), 0);
	expect_value(&fixture, "web", "data", "a", "5");
	expect_value(&fixture, "web", "data", "b", "x");
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_did_not_change_is_not_sent) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *commented = g_strconcat("# mine\n", text, NULL);
	struct outcome outcome;

	outcome_init(&outcome, &fixture);
	save(&fixture, &outcome, &(struct commit_request){.name = "web"}, commented);
	outcome_expect(&outcome, 0, "");
	ck_assert(outcome.unchanged);
	ck_assert_str_eq(outcome.snapshot->version, "101");
	ck_assert_uint_eq(changes(&fixture), 0);
	/* Also when others changed it. */
	g_free(fake_cluster_set(fixture.cluster, "web", "data", "b", "\"y\""));
	save_expect(&fixture, "web", text, 0, "");
	ck_assert_uint_eq(changes(&fixture), 0);
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_is_wrong_in_itself_is_not_sent) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *kind = text_replace(text, "kind: ConfigMap", "kind: Secret");
	g_autofree char *name = text_replace(text, "name: web", "name: other");
	g_autofree char *owned = text_replace(text, "2026-01-01", "2025-01-01");

	save_expect(&fixture, "web", "a: [", EINVAL, "line ");
	save_expect(&fixture, "web", "", EINVAL, "");
	save_expect(&fixture, "web", kind, EINVAL, "kind");
	save_expect(&fixture, "web", name, EINVAL, "name");
	save_expect(&fixture, "web", owned, EINVAL, "creationTimestamp");
	/* Also where the cache knows nothing. */
	save_expect(&fixture, "new", "a: [", EINVAL, "line ");
	ck_assert_uint_eq(changes(&fixture), 0);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET), 0);
	lines_expect_none(fixture.lines);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (numbers_survive) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_app(&fixture);
	g_autofree char *edited = text_replace(text, "replicas: 3", "replicas: 4");
	struct outcome outcome;

	outcome_init(&outcome, &fixture);
	save(&fixture, &outcome, &(struct commit_request){.name = "web", .resource = fixture.apps},
		edited);
	outcome_expect(&outcome, 0, "");
	expect_value(&fixture, "web", "spec", "replicas", "4");
	expect_value(&fixture, "web", "spec", "ratio", "1.1");
	ck_assert_ptr_nonnull(
		strstr(fake_change(fixture.fake, 0)->body, "\"big\":12345678901234567"));
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

/* One buffer, saved again and again; stored is given, or not. */
static void save_series(const char *first, const char *second, gboolean with_stored)
{
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	const char *values[] = {first, second};
	struct snapshot *stored SNAPSHOT_CLEANUP = NULL;
	g_autoptr(GBytes) lineage = NULL;

	for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autofree char *line = g_strdup_printf("a: \"%s\"", values[i]);
		g_autofree char *edited = text_replace(text, "a: \"3\"", line);
		struct outcome outcome;

		outcome_init(&outcome, &fixture);
		save(&fixture, &outcome,
			&(struct commit_request){.name = "web",
				.lineage = lineage,
				.stored = with_stored ? stored : NULL},
			edited);
		outcome_expect(&outcome, 0, "");
		ck_assert(!outcome.unchanged);
		expect_value(&fixture, "web", "data", "a", values[i]);
		if (lineage != NULL)
			g_bytes_unref(lineage);
		lineage = g_bytes_new(edited, strlen(edited));
		snapshot_unref(stored);
		stored = snapshot_ref(outcome.snapshot);
		outcome_finish(&outcome);
	}
	ck_assert_uint_eq(changes(&fixture), 2);
	commit_fixture_finish(&fixture);
}

START_TEST (one_buffer_is_saved_again) {
	save_series("5", "7", FALSE);
	save_series("5", "3", FALSE);
	save_series("5", "7", TRUE);
	save_series("5", "3", TRUE);
}
END_TEST

/* The controller moves the version between, and the server made something of the text. */
START_TEST (a_lineage_knows_its_own_from_others) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_app(&fixture);
	g_autofree char *one = text_replace(text, "image: one", "image: two");
	g_autofree char *two = text_replace(text, "image: one", "image: three");
	g_autoptr(GBytes) lineage = g_bytes_new(one, strlen(one));
	struct commit_request request = {.name = "web", .resource = fixture.apps};
	struct outcome outcomes[3];

	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_init(&outcomes[i], &fixture);
	save(&fixture, &outcomes[0], &request, one);
	outcome_expect(&outcomes[0], 0, "");
	g_free(fake_cluster_set(fixture.cluster, "web", "status", "ready", "3"));
	request.lineage = lineage;
	request.stored = outcomes[0].snapshot;
	save(&fixture, &outcomes[1], &request, two);
	outcome_expect(&outcomes[1], 0, "");
	ck_assert_ptr_nonnull(strstr(outcomes[1].snapshot->yaml, "image: three"));
	expect_value(&fixture, "web", "status", "ready", "3");
	/* Another one who makes it four before us is a conflict, lineage or not. */
	g_free(fake_cluster_set(fixture.cluster, "web", "spec", "replicas", "4"));
	g_bytes_unref(g_steal_pointer(&lineage));
	request.lineage = lineage = g_bytes_new(two, strlen(two));
	request.stored = outcomes[1].snapshot;
	{
		g_autofree char *three = text_replace(two, "replicas: 3", "replicas: 4");

		save(&fixture, &outcomes[2], &request, three);
	}
	outcome_expect(&outcomes[2], EBUSY, "replicas");
	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_finish(&outcomes[i]);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (of_two_equal_changes_one_is_a_conflict) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"6\"");

	save_expect(&fixture, "web", edited, 0, "");
	save_expect(&fixture, "web", edited, EBUSY, "data.a");
	ck_assert_uint_eq(changes(&fixture), 1);
	/* And so is what another one did without our cache knowing: the server says no first. */
	g_free(fake_cluster_set(fixture.cluster, "web", "data", "a", "\"8\""));
	{
		g_autofree char *now = text_replace(text, "\"101\"", "\"102\"");
		g_autofree char *again = text_replace(now, "a: \"3\"", "a: \"7\"");
		g_autofree char *seen = text_replace(again, "a: \"7\"", "a: \"8\"");

		save_expect(&fixture, "web", seen, EBUSY, "data.a");
	}
	expect_value(&fixture, "web", "data", "a", "8");
	commit_fixture_finish(&fixture);
}
END_TEST

/* After a save whose end nobody knows, what is there may be ours. */
START_TEST (a_save_after_an_uncertain_one_agrees_with_it) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"6\"");
	struct outcome outcome;

	g_free(fake_cluster_set(fixture.cluster, "web", "data", "a", "\"6\""));
	outcome_init(&outcome, &fixture);
	save(&fixture, &outcome, &(struct commit_request){.name = "web", .uncertain = TRUE},
		edited);
	outcome_expect(&outcome, 0, "");
	ck_assert(outcome.unchanged);
	ck_assert_uint_eq(changes(&fixture), 0);
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (disjoint_changes_merge) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *one = text_replace(text, "a: \"3\"", "a: \"5\"");
	g_autofree char *two = text_replace(text, "b: x", "b: \"y\"");

	save_expect(&fixture, "web", one, 0, "");
	save_expect(&fixture, "web", two, 0, "");
	expect_value(&fixture, "web", "data", "a", "5");
	expect_value(&fixture, "web", "data", "b", "y");
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET_AT), 1);
	commit_fixture_finish(&fixture);
}
END_TEST

/* Another one adds a container. */
static void add_container(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "spec", "template",
		"{\"spec\":{\"containers\":[{\"name\":\"side\",\"image\":\"car\"},{\"name\":"
		"\"web\",\"image\":\"one\"}]}}"));
}

START_TEST (lists_merge_by_the_schema_which_is_fetched_once) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_app(&fixture);
	g_autofree char *edited = text_replace(text, "image: one", "image: two");
	struct commit_request request = {.name = "web", .resource = fixture.apps};
	struct outcome outcome;

	add_container(fixture.cluster);
	outcome_init(&outcome, &fixture);
	save(&fixture, &outcome, &request, edited);
	outcome_expect(&outcome, 0, "");
	ck_assert_ptr_nonnull(strstr(outcome.snapshot->yaml, "image: two"));
	ck_assert_ptr_nonnull(strstr(outcome.snapshot->yaml, "image: car"));
	outcome_finish(&outcome);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_SCHEMA), 1);
	{
		g_autofree char *again = text_replace(text, "replicas: 3", "replicas: 7");

		outcome_init(&outcome, &fixture);
		save(&fixture, &outcome, &request, again);
		outcome_expect(&outcome, 0, "");
		outcome_finish(&outcome);
	}
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_SCHEMA), 1);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (without_a_schema_lists_are_whole) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_app(&fixture);
	g_autofree char *edited = text_replace(text, "image: one", "image: two");
	struct outcome outcome;

	fake_cluster_schema(fixture.cluster, NULL);
	add_container(fixture.cluster);
	outcome_init(&outcome, &fixture);
	save(&fixture, &outcome, &(struct commit_request){.name = "web", .resource = fixture.apps},
		edited);
	outcome_expect(&outcome, EBUSY, "containers");
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

static void change_b(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "data", "b", "\"theirs\""));
}

START_TEST (a_version_that_moved_is_merged_and_sent_again) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");

	fake_cluster_before_change(fixture.cluster, change_b);
	save_expect(&fixture, "web", edited, 0, "");
	ck_assert_uint_eq(changes(&fixture), 2);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET), 1);
	expect_value(&fixture, "web", "data", "a", "5");
	expect_value(&fixture, "web", "data", "b", "theirs");
	/* Unless it is a true conflict: nothing more is sent. */
	{
		g_autofree char *now = commit_fixture_text(&fixture, "web", "b: theirs", "b: mine");

		fake_cluster_before_change(fixture.cluster, change_b);
		save_expect(&fixture, "web", now, 0, "");
	}
	ck_assert_uint_eq(changes(&fixture), 4);
	expect_value(&fixture, "web", "data", "b", "mine");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_version_that_moves_on_and_on_is_busy) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");

	for (int i = 0; i < COMMIT_TRIES_MAX; i++)
		fake_cluster_fault(fixture.cluster, FAULT_MOVED);
	save_expect(&fixture, "web", edited, EBUSY, "");
	ck_assert_uint_eq(changes(&fixture), COMMIT_TRIES_MAX);
	expect_value(&fixture, "web", "data", "a", "3");
	for (int i = 0; i < COMMIT_TRIES_MAX - 1; i++)
		fake_cluster_fault(fixture.cluster, FAULT_MOVED);
	save_expect(&fixture, "web", edited, 0, "");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_conflict_of_another_kind_is_tried_again) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");

	fake_cluster_fault(fixture.cluster, FAULT_CONFLICT);
	save_expect(&fixture, "web", edited, 0, "");
	ck_assert_uint_eq(changes(&fixture), 2);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_base_that_is_not_known_is_busy) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *one = text_replace(text, "a: \"3\"", "a: \"5\"");
	g_autofree char *two = text_replace(text, "b: x", "b: \"y\"");

	save_expect(&fixture, "web", one, 0, "");
	fake_cluster_compact(fixture.cluster);
	save_expect(&fixture, "web", two, EBUSY, "is no longer known");
	fake_cluster_forbid_old(fixture.cluster);
	save_expect(&fixture, "web", two, EBUSY, "cannot be read");
	ck_assert_uint_eq(changes(&fixture), 1);
	expect_value(&fixture, "web", "data", "b", "x");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_text_that_is_ahead_of_the_cache_is_believed) {
	struct commit_fixture fixture;

	g_free(setup_map(&fixture));
	change_b(fixture.cluster);
	{
		g_autofree char *now = commit_fixture_text(&fixture, "web", "a: \"3\"", "a: \"5\"");

		save_expect(&fixture, "web", now, 0, "");
	}
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET), 1);
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET_AT), 0);
	expect_value(&fixture, "web", "data", "b", "theirs");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_another_object_says_replaces) {
	struct commit_fixture fixture;
	g_autofree char *other = NULL;
	g_autofree char *uid = NULL;

	g_free(setup_map(&fixture));
	uid = fake_cluster_value(fixture.cluster, "web", "metadata", "uid");
	g_free(commit_fixture_map(&fixture, "other"));
	g_free(fake_cluster_set(fixture.cluster, "other", "data", "a", "\"copied\""));
	other = commit_fixture_text(&fixture, "other", NULL, NULL);
	save_expect(&fixture, "web", other, 0, "");
	expect_value(&fixture, "web", "data", "a", "copied");
	expect_value(&fixture, "web", "metadata", "uid", uid);
	/* A copy with nothing there is a new one. */
	save_expect(&fixture, "third", other, 0, "");
	expect_value(&fixture, "third", "data", "a", "copied");
	ck_assert_int_eq(fake_change(fixture.fake, 1)->verb, SOURCE_CREATE);
	ck_assert_ptr_null(strstr(fake_change(fixture.fake, 1)->body, "uid"));
	ck_assert_ptr_null(strstr(fake_change(fixture.fake, 1)->body, "resourceVersion"));
	commit_fixture_finish(&fixture);
}
END_TEST

static void recreate(struct fake_cluster *cluster)
{
	g_autofree char *json = fake_cluster_json(cluster, "web");

	fake_cluster_delete(cluster, "web");
	g_free(fake_cluster_put(cluster, json));
}

START_TEST (a_recreated_object_is_busy) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct outcome outcome;

	/* The cache does not know yet: the server says so, and it is not tried again. */
	recreate(fixture.cluster);
	save_expect(&fixture, "web", edited, EBUSY, "another one created");
	ck_assert_uint_eq(changes(&fixture), 1);
	/* And so is text of a manifest, from a writer who had opened the other one. */
	outcome_init(&outcome, &fixture);
	save(&fixture, &outcome, &(struct commit_request){.name = "web", .uid = "else"},
		"apiVersion: v1\nkind: ConfigMap\n");
	outcome_expect(&outcome, EBUSY, "another one created");
	ck_assert_uint_eq(changes(&fixture), 1);
	expect_value(&fixture, "web", "data", "a", "3");
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_deleted_object_is_not_risen) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	g_autofree char *uid = fake_cluster_value(fixture.cluster, "web", "metadata", "uid");
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;
	struct outcome outcomes[2];

	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_init(&outcomes[i], &fixture);
	fake_cluster_delete(fixture.cluster, "web");
	save_expect(&fixture, "web", edited, ENOENT, "deleted meanwhile");
	/* Once the cache knows. */
	ck_assert_int_eq(cache_find(fixture.cache, fixture.maps, "default", "web", NULL, NULL,
				 &snapshot, NULL),
		0);
	cache_apply(fixture.cache, fixture.maps, snapshot, TRUE, tally_add, &outcomes[1].done);
	tally_reach(&outcomes[1].done, 1);
	outcomes[1].done.count = 0;
	save(&fixture, &outcomes[0], &(struct commit_request){.name = "web", .uid = uid}, edited);
	outcome_expect(&outcomes[0], ENOENT, "deleted meanwhile");
	expect_value(&fixture, "web", "data", "a", "");
	/* A writer who created the name made a copy. */
	save(&fixture, &outcomes[1], &(struct commit_request){.name = "web"}, edited);
	outcome_expect(&outcomes[1], 0, "");
	expect_value(&fixture, "web", "data", "a", "5");
	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_finish(&outcomes[i]);
	commit_fixture_finish(&fixture);
}
END_TEST

#define MANIFEST "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: \"9\"\n"

static void create_new(struct fake_cluster *cluster)
{
	g_free(fake_cluster_put(cluster,
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"new\","
		"\"namespace\":\"default\"},\"data\":{\"a\":\"first\"}}"));
}

START_TEST (a_manifest_creates) {
	struct commit_fixture fixture;
	struct outcome outcomes[3];
	const struct commit_request exclusive = {.name = "new", .exclusive = TRUE};

	g_free(setup_map(&fixture));
	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_init(&outcomes[i], &fixture);
	/* Somebody else is first. */
	fake_cluster_before_change(fixture.cluster, create_new);
	save(&fixture, &outcomes[0], &exclusive, MANIFEST);
	outcome_expect(&outcomes[0], EEXIST, "");
	fake_cluster_delete(fixture.cluster, "new");
	fake_cluster_before_change(fixture.cluster, create_new);
	save_expect(&fixture, "new", MANIFEST, EBUSY, "meanwhile");
	expect_value(&fixture, "new", "data", "a", "first");
	fake_cluster_delete(fixture.cluster, "new");
	save(&fixture, &outcomes[1], &exclusive, MANIFEST);
	outcome_expect(&outcomes[1], 0, "");
	ck_assert(outcomes[1].shown);
	expect_value(&fixture, "new", "data", "a", "9");
	ck_assert_uint_eq(changes(&fixture), 3);
	/* It is there now: nothing is sent. */
	save(&fixture, &outcomes[2], &exclusive, MANIFEST);
	outcome_expect(&outcomes[2], EEXIST, "already exists");
	ck_assert_uint_eq(changes(&fixture), 3);
	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_finish(&outcomes[i]);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_manifest_replaces_but_for_metadata) {
	struct commit_fixture fixture;
	const struct fake_call *change;

	g_free(setup_map(&fixture));
	save_expect(&fixture, "web", MANIFEST, 0, "");
	change = fake_change(fixture.fake, 0);
	ck_assert_int_eq(change->verb, SOURCE_UPDATE);
	ck_assert_ptr_nonnull(strstr(change->body, "\"labels\":{\"app\":\"web\"}"));
	ck_assert_ptr_nonnull(strstr(change->body, "\"resourceVersion\":\"101\""));
	expect_value(&fixture, "web", "data", "a", "9");
	expect_value(&fixture, "web", "data", "b", "");
	/* Others' changes meanwhile are not overwritten unseen. */
	fake_cluster_before_change(fixture.cluster, change_b);
	save_expect(
		&fixture, "web", "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: \"10\"\n", 0, "");
	expect_value(&fixture, "web", "data", "a", "10");
	expect_value(&fixture, "web", "data", "b", "theirs");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_manifest_of_a_version_replaces_only_that) {
	struct commit_fixture fixture;

	g_free(setup_map(&fixture));
	save_expect(&fixture, "web",
		"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  resourceVersion: \"99\"\n", EBUSY,
		"version 99");
	fake_cluster_before_change(fixture.cluster, change_b);
	save_expect(&fixture, "web",
		"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  resourceVersion: \"101\"\n", EBUSY,
		"version 101");
	expect_value(&fixture, "web", "data", "a", "3");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_the_cache_does_not_know_is_fetched) {
	struct commit_fixture fixture;
	g_autofree char *edited = NULL;

	setup(&fixture);
	fake_source_answer(fixture.fake, FAKE_LIST, NULL, NULL);
	g_free(commit_fixture_map(&fixture, "web"));
	edited = commit_fixture_text(&fixture, "web", "a: \"3\"", "a: \"5\"");
	{
		struct outcome outcome;

		outcome_init(&outcome, &fixture);
		save(&fixture, &outcome, &(struct commit_request){.name = "web"}, edited);
		outcome_expect(&outcome, 0, "");
		ck_assert_str_eq(outcome.snapshot->version, "102");
		outcome_finish(&outcome);
	}
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET), 1);
	expect_value(&fixture, "web", "data", "a", "5");
	commit_fixture_finish(&fixture);
}
END_TEST

/* Without get, the cache is waited for. */
START_TEST (who_may_not_get_waits_for_the_list) {
	struct commit_fixture fixture;
	g_autofree char *edited = NULL;

	setup(&fixture);
	fixture.maps->can_get = FALSE;
	g_free(commit_fixture_map(&fixture, "web"));
	edited = commit_fixture_text(&fixture, "web", "a: \"3\"", "a: \"5\"");
	save_expect(&fixture, "web", edited, 0, "");
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET), 0);
	expect_value(&fixture, "web", "data", "a", "5");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (status_is_a_file_of_its_own) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_app(&fixture);
	g_autofree char *edited = text_replace(text, "ready: 1", "ready: 2");
	g_autofree char *both = text_replace(edited, "replicas: 3", "replicas: 4");
	struct commit_request request = {.name = "web", .resource = fixture.apps};
	struct outcome outcomes[4];

	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_init(&outcomes[i], &fixture);
	save(&fixture, &outcomes[0], &request, edited);
	outcome_expect(&outcomes[0], EINVAL, "status");
	request.subresource = "status";
	save(&fixture, &outcomes[1], &request, both);
	outcome_expect(&outcomes[1], EINVAL, "only status");
	ck_assert_uint_eq(changes(&fixture), 0);
	save(&fixture, &outcomes[2], &request, edited);
	outcome_expect(&outcomes[2], 0, "");
	ck_assert(outcomes[2].shown);
	ck_assert_str_eq(fake_change(fixture.fake, 0)->subresource, "status");
	expect_value(&fixture, "web", "status", "ready", "2");
	expect_value(&fixture, "web", "spec", "replicas", "3");
	save(&fixture, &outcomes[3], &request, "apiVersion: apps/v1\nkind: Deployment\n");
	outcome_expect(&outcomes[3], EINVAL, "uid");
	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_finish(&outcomes[i]);
	commit_fixture_finish(&fixture);
}
END_TEST

static void scale_by_another(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "spec", "replicas", "8"));
}

static void move_status(struct fake_cluster *cluster)
{
	g_free(fake_cluster_set(cluster, "web", "status", "ready", "9"));
}

static void scale_expect(
	struct commit_fixture *fixture, const char *text, int errnum, const char *part)
{
	struct outcome outcome;

	outcome_init(&outcome, fixture);
	save(fixture, &outcome,
		&(struct commit_request){
			.name = "web", .resource = fixture->apps, .subresource = "scale"},
		text);
	outcome_expect(&outcome, errnum, part);
	if (errnum == 0)
		ck_assert(outcome.shown);
	outcome_finish(&outcome);
}

START_TEST (scale_is_a_number) {
	static const char *const wrong[] = {
		"", "\n", "-1", "+1", "5\n\n", " 5", "5 ", "1.0", "five", "2147483648", "0x10"};
	struct commit_fixture fixture;

	g_free(setup_app(&fixture));
	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
		scale_expect(&fixture, wrong[i], EINVAL, "replicas");
	ck_assert_uint_eq(fake_count(fixture.fake, FAKE_GET), 0);
	scale_expect(&fixture, "5\n", 0, "");
	expect_value(&fixture, "web", "spec", "replicas", "5");
	ck_assert_str_eq(fake_change(fixture.fake, 0)->subresource, "scale");
	ck_assert_ptr_nonnull(
		strstr(fake_change(fixture.fake, 0)->body, "\"resourceVersion\":\"101\""));
	scale_expect(&fixture, "5", 0, "");
	ck_assert_uint_eq(changes(&fixture), 1);
	scale_expect(&fixture, "0", 0, "");
	expect_value(&fixture, "web", "spec", "replicas", "0");
	/* The version moved, but not the number: again. Else it is a conflict. */
	fake_cluster_before_change(fixture.cluster, move_status);
	scale_expect(&fixture, "6", 0, "");
	fake_cluster_before_change(fixture.cluster, scale_by_another);
	scale_expect(&fixture, "7", EBUSY, "from 6 to 8");
	expect_value(&fixture, "web", "spec", "replicas", "8");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_dry_run_changes_nothing) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;
	struct outcome outcomes[4];

	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_init(&outcomes[i], &fixture);
	save(&fixture, &outcomes[0], &(struct commit_request){.name = "web", .dry_run = TRUE},
		edited);
	outcome_expect(&outcomes[0], 0, "");
	ck_assert_ptr_nonnull(strstr(outcomes[0].snapshot->yaml, "a: \"5\""));
	save(&fixture, &outcomes[1], &(struct commit_request){.name = "new", .dry_run = TRUE},
		MANIFEST);
	outcome_expect(&outcomes[1], 0, "");
	ck_assert_ptr_nonnull(strstr(outcomes[1].snapshot->yaml, "a: \"9\""));
	cache_find(fixture.cache, fixture.maps, "default", "web", NULL, NULL, &snapshot, NULL);
	commit_unref(delete_begin(&fixture, &outcomes[2], snapshot, TRUE));
	outcome_expect(&outcomes[2], 0, "");
	/* One whose answer is lost did nothing either. */
	fake_cluster_fault(fixture.cluster, FAULT_LOST);
	save(&fixture, &outcomes[3], &(struct commit_request){.name = "web", .dry_run = TRUE},
		edited);
	outcome_expect(&outcomes[3], EIO, "");
	ck_assert(!outcomes[3].uncertain);
	for (guint i = 0; i < 4; i++)
		ck_assert(fake_change(fixture.fake, i)->dry_run);
	lines_expect_none(fixture.lines);
	expect_value(&fixture, "web", "data", "a", "3");
	expect_value(&fixture, "new", "data", "a", "");
	for (guint i = 0; i < G_N_ELEMENTS(outcomes); i++)
		outcome_finish(&outcomes[i]);
	commit_fixture_finish(&fixture);
}
END_TEST

static void delete_expect(
	struct commit_fixture *fixture, struct snapshot *snapshot, int errnum, const char *part)
{
	struct outcome outcome;

	outcome_init(&outcome, fixture);
	commit_unref(delete_begin(fixture, &outcome, snapshot, FALSE));
	outcome_expect(&outcome, errnum, part);
	outcome_finish(&outcome);
}

START_TEST (deletes_that_very_object) {
	struct commit_fixture fixture;
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;

	g_free(setup_map(&fixture));
	cache_find(fixture.cache, fixture.maps, "default", "web", NULL, NULL, &snapshot, NULL);
	/* However busy it is. */
	change_b(fixture.cluster);
	delete_expect(&fixture, snapshot, 0, "");
	lines_expect(fixture.lines, "web 101 to none");
	ck_assert_str_eq(fake_change(fixture.fake, 0)->uid, snapshot->uid);
	delete_expect(&fixture, snapshot, ENOENT, "gone already");
	g_free(commit_fixture_map(&fixture, "web"));
	delete_expect(&fixture, snapshot, EBUSY, "another object");
	expect_value(&fixture, "web", "data", "a", "3");
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (finalizers_keep_what_is_deleted) {
	struct commit_fixture fixture;
	struct snapshot *snapshot SNAPSHOT_CLEANUP = NULL;
	struct outcome outcome;

	setup(&fixture);
	g_free(commit_fixture_map(&fixture, "web"));
	g_free(fake_cluster_set(fixture.cluster, "web", "metadata", "finalizers", "[\"a/b\"]"));
	commit_fixture_load(&fixture, fixture.maps);
	cache_find(fixture.cache, fixture.maps, "default", "web", NULL, NULL, &snapshot, NULL);
	outcome_init(&outcome, &fixture);
	commit_unref(delete_begin(&fixture, &outcome, snapshot, FALSE));
	outcome_expect(&outcome, 0, "");
	ck_assert(outcome.snapshot->terminating);
	ck_assert(outcome.shown);
	outcome_finish(&outcome);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (the_reason_comes_field_by_field) {
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");
	struct outcome outcome;

	outcome_init(&outcome, &fixture);
	fake_cluster_fault(fixture.cluster, FAULT_REFUSED);
	save(&fixture, &outcome, &(struct commit_request){.name = "web"}, edited);
	outcome_expect(&outcome, EINVAL, "it is invalid");
	ck_assert_uint_eq(outcome.reasons->len, 2);
	ck_assert_str_eq(g_ptr_array_index(outcome.reasons, 1), "spec.b: bad");
	outcome_finish(&outcome);
	fake_cluster_fault(fixture.cluster, FAULT_BUSY);
	save_expect(&fixture, "web", edited, EAGAIN, "busy");
	ck_assert_uint_eq(changes(&fixture), 2);
	commit_fixture_finish(&fixture);
}
END_TEST

START_TEST (failures_have_their_errno) {
	static const struct {
		int errnum;
		int status;
		int expected;
	} cases[] = {
		{EINVAL, 400, EINVAL},
		{EINVAL, 422, EINVAL},
		{EACCES, 401, EACCES},
		{EACCES, 403, EACCES},
		{EFBIG, 413, EFBIG},
		{EAGAIN, 429, EAGAIN},
		{EAGAIN, 503, EAGAIN},
		{EIO, 500, EIO},
		{ESTALE, 410, EBUSY},
		{ECONNREFUSED, 0, EIO},
		{ETIMEDOUT, 0, ETIMEDOUT},
		{EACCES, 0, EACCES},
	};
	struct commit_fixture fixture;
	g_autofree char *text = setup_map(&fixture);
	g_autofree char *edited = text_replace(text, "a: \"3\"", "a: \"5\"");

	fake_source_answer(fixture.fake, FAKE_CHANGE, NULL, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		fake_source_reply(fixture.fake, &(struct fake_reply){.errnum = cases[i].errnum,
							.status = cases[i].status,
							.message = "because"});
		save_expect(&fixture, "web", edited, cases[i].expected, "because");
	}
	commit_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, an_edit_is_one_guarded_put_and_shows_at_once);
	tcase_add_test(tcase, what_did_not_change_is_not_sent);
	tcase_add_test(tcase, what_is_wrong_in_itself_is_not_sent);
	tcase_add_test(tcase, numbers_survive);
	tcase_add_test(tcase, one_buffer_is_saved_again);
	tcase_add_test(tcase, a_lineage_knows_its_own_from_others);
	tcase_add_test(tcase, of_two_equal_changes_one_is_a_conflict);
	tcase_add_test(tcase, a_save_after_an_uncertain_one_agrees_with_it);
	tcase_add_test(tcase, disjoint_changes_merge);
	tcase_add_test(tcase, lists_merge_by_the_schema_which_is_fetched_once);
	tcase_add_test(tcase, without_a_schema_lists_are_whole);
	tcase_add_test(tcase, a_version_that_moved_is_merged_and_sent_again);
	tcase_add_test(tcase, a_version_that_moves_on_and_on_is_busy);
	tcase_add_test(tcase, a_conflict_of_another_kind_is_tried_again);
	tcase_add_test(tcase, a_base_that_is_not_known_is_busy);
	tcase_add_test(tcase, a_text_that_is_ahead_of_the_cache_is_believed);
	tcase_add_test(tcase, what_another_object_says_replaces);
	tcase_add_test(tcase, a_recreated_object_is_busy);
	tcase_add_test(tcase, a_deleted_object_is_not_risen);
	tcase_add_test(tcase, a_manifest_creates);
	tcase_add_test(tcase, a_manifest_replaces_but_for_metadata);
	tcase_add_test(tcase, a_manifest_of_a_version_replaces_only_that);
	tcase_add_test(tcase, what_the_cache_does_not_know_is_fetched);
	tcase_add_test(tcase, who_may_not_get_waits_for_the_list);
	tcase_add_test(tcase, status_is_a_file_of_its_own);
	tcase_add_test(tcase, scale_is_a_number);
	tcase_add_test(tcase, a_dry_run_changes_nothing);
	tcase_add_test(tcase, deletes_that_very_object);
	tcase_add_test(tcase, finalizers_keep_what_is_deleted);
	tcase_add_test(tcase, the_reason_comes_field_by_field);
	tcase_add_test(tcase, failures_have_their_errno);
}

int main(void)
{
	return fixture_run("commit", add);
}
