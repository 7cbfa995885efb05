#include "tests/unit/commit_fixture.h"

#include <string.h>

static void on_object_changed(void *data, struct cache *cache, struct resource *resource,
	struct snapshot *old, struct snapshot *new)
{
	lines_add(((struct commit_fixture *)data)->lines, "%s %s to %s",
		new != NULL ? new->name : old->name, old != NULL ? old->version : "none",
		new != NULL ? new->version : "none");
}

static void on_catalog_changed(
	void *data, struct cache *cache, struct catalog *old, struct catalog *new)
{
}

static void on_retiring(void *data, struct cache *cache, struct collection *collection)
{
}

static void on_permissions_changed(
	void *data, struct cache *cache, const char *namespace, gboolean again)
{
}

static void on_problem(void *data, struct cache *cache, const char *text)
{
}

static const struct cache_handlers handlers = {
	.object_changed = on_object_changed,
	.catalog_changed = on_catalog_changed,
	.retiring = on_retiring,
	.permissions_changed = on_permissions_changed,
	.problem = on_problem,
};

static void answer_ping(void *data, struct fake_call *call)
{
	fake_done_item(call, "{}");
}

static void answer_discover(void *data, struct fake_call *call)
{
	struct commit_fixture *fixture = data;

	fake_discovered(
		call, fake_catalog(resource_ref(fixture->maps), resource_ref(fixture->apps), NULL));
}

void commit_fixture_setup(struct commit_fixture *fixture)
{
	*fixture = (struct commit_fixture){0};
	engine_init(&fixture->engine, 3);
	fixture->fake = fake_source_create();
	fixture->cluster = fake_cluster_create(fixture->fake);
	fixture->maps = fake_resource("", "v1", "configmaps", "ConfigMap");
	fixture->apps = fake_resource("apps", "v1", "deployments", "Deployment");
	fixture->apps->has_status = fixture->apps->has_scale = TRUE;
	fake_source_answer(fixture->fake, FAKE_PING, answer_ping, fixture);
	fake_source_answer(fixture->fake, FAKE_DISCOVER, answer_discover, fixture);
	fixture->lines = lines_create();
	tally_init(&fixture->woken);
}

void commit_fixture_begin(struct commit_fixture *fixture, uint64_t timeout)
{
	fixture->cache = cache_create(&(struct cache_options){
		.source = fake_source_get(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.handlers = &handlers,
		.data = fixture,
		.commit_timeout = timeout,
	});
}

void commit_fixture_stop(struct commit_fixture *fixture)
{
	cache_stop(fixture->cache);
	ck_assert(fake_source_is_destroyed(fixture->fake));
	engine_finish(&fixture->engine);
	cache_destroy(g_steal_pointer(&fixture->cache));
}

void commit_fixture_finish(struct commit_fixture *fixture)
{
	if (fixture->cache != NULL)
		commit_fixture_stop(fixture);
	fake_cluster_destroy(fixture->cluster);
	fake_source_unref(fixture->fake);
	resource_unref(fixture->maps);
	resource_unref(fixture->apps);
	lines_destroy(fixture->lines);
	tally_finish(&fixture->woken);
}

char *commit_fixture_map(struct commit_fixture *fixture, const char *name)
{
	g_autofree char *json = g_strdup_printf(
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
		"\"namespace\":\"default\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\","
		"\"labels\":{\"app\":\"web\"}},\"data\":{\"a\":\"3\",\"b\":\"x\"}}",
		name);

	return fake_cluster_put(fixture->cluster, json);
}

char *commit_fixture_app(struct commit_fixture *fixture, const char *name)
{
	g_autofree char *json = g_strdup_printf(
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"%s\","
		"\"namespace\":\"default\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\","
		"\"generation\":1},\"spec\":{\"replicas\":3,\"big\":12345678901234567890,\"ratio\":"
		"1.10,"
		"\"template\":{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"one\"}]}}},"
		"\"status\":{\"ready\":1}}",
		name);

	return fake_cluster_put(fixture->cluster, json);
}

void commit_fixture_load(struct commit_fixture *fixture, struct resource *resource)
{
	struct collection *collection = NULL;
	int r;

	for (;;) {
		unsigned int before = tally_get(&fixture->woken);

		r = cache_look(fixture->cache, resource, "default", NULL, tally_add,
			&fixture->woken, &collection, NULL);
		if (r != -EINPROGRESS)
			break;
		tally_reach(&fixture->woken, before + 1);
	}
	ck_assert_int_eq(r, 0);
	collection_unref(collection);
}

char *text_replace(const char *text, const char *old, const char *new)
{
	GString *string = g_string_new(text);

	ck_assert_msg(g_string_replace(string, old, new, 0) > 0, "no %s in %s", old, text);
	return g_string_free(string, FALSE);
}

char *commit_fixture_text(
	struct commit_fixture *fixture, const char *name, const char *old, const char *new)
{
	g_autofree char *json = fake_cluster_json(fixture->cluster, name);
	struct snapshot *snapshot SNAPSHOT_CLEANUP = fixture_snapshot_of(json);

	return old != NULL ? text_replace(snapshot->yaml, old, new) : g_strdup(snapshot->yaml);
}

void outcome_init(struct outcome *outcome, struct commit_fixture *fixture)
{
	*outcome = (struct outcome){.fixture = fixture};
	tally_init(&outcome->done);
}

void outcome_finish(struct outcome *outcome)
{
	g_free(outcome->message);
	g_clear_pointer(&outcome->reasons, g_ptr_array_unref);
	snapshot_unref(outcome->snapshot);
	tally_finish(&outcome->done);
}

void outcome_expect(struct outcome *outcome, int errnum, const char *part)
{
	tally_reach(&outcome->done, 1);
	ck_assert_uint_eq(tally_get(&outcome->done), 1);
	ck_assert_msg(outcome->errnum == errnum, "%d instead of %d: %s", outcome->errnum, errnum,
		outcome->message);
	ck_assert_ptr_nonnull(strstr(outcome->message, part));
	ck_assert_ptr_null(strchr(outcome->message, '\n'));
	if (errnum == 0) {
		ck_assert_str_eq(outcome->message, "");
		ck_assert(!outcome->uncertain);
	} else {
		ck_assert_str_ne(outcome->message, "");
		ck_assert_ptr_null(outcome->snapshot);
		ck_assert(!outcome->unchanged);
	}
	if (outcome->uncertain)
		ck_assert(errnum == EIO || errnum == ETIMEDOUT);
}

static gboolean is_shown(struct commit_fixture *fixture, const struct snapshot *snapshot)
{
	struct resource *resource =
		strstr(snapshot->yaml, "kind: Deployment") != NULL ? fixture->apps : fixture->maps;
	struct snapshot *found SNAPSHOT_CLEANUP = NULL;

	return cache_find(fixture->cache, resource, "default", snapshot->name, NULL, NULL, &found,
		       NULL) == 0 &&
	       strcmp(found->version, snapshot->version) == 0;
}

static void on_done(void *data, const struct commit_outcome *result)
{
	struct outcome *outcome = data;

	outcome->errnum = result->errnum;
	outcome->message = g_strdup(result->message);
	outcome->reasons = g_ptr_array_new_with_free_func(g_free);
	for (guint i = 0; i < result->reasons->len; i++)
		g_ptr_array_add(outcome->reasons, g_strdup(g_ptr_array_index(result->reasons, i)));
	outcome->uncertain = result->uncertain;
	outcome->unchanged = result->unchanged;
	if (result->snapshot != NULL) {
		outcome->snapshot = snapshot_ref(result->snapshot);
		outcome->shown = is_shown(outcome->fixture, result->snapshot);
	}
	tally_add(&outcome->done);
}

struct commit *save_begin(struct commit_fixture *fixture, struct outcome *outcome,
	const struct commit_request *request, const char *text)
{
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
	struct commit_request copy = *request;

	if (copy.resource == NULL)
		copy.resource = fixture->maps;
	copy.namespace = "default";
	copy.text = bytes;
	return commit_save(fixture->cache, &copy, on_done, outcome);
}

void save(struct commit_fixture *fixture, struct outcome *outcome,
	const struct commit_request *request, const char *text)
{
	commit_unref(save_begin(fixture, outcome, request, text));
	tally_reach(&outcome->done, 1);
}

struct commit *delete_begin(struct commit_fixture *fixture, struct outcome *outcome,
	struct snapshot *snapshot, gboolean dry_run)
{
	return commit_delete(fixture->cache, fixture->maps, snapshot, dry_run, on_done, outcome);
}

void save_expect(struct commit_fixture *fixture, const char *name, const char *text, int errnum,
	const char *part)
{
	struct outcome outcome;

	outcome_init(&outcome, fixture);
	save(fixture, &outcome, &(struct commit_request){.name = name}, text);
	outcome_expect(&outcome, errnum, part);
	ck_assert(!outcome.uncertain);
	if (errnum == 0)
		ck_assert(outcome.shown);
	outcome_finish(&outcome);
}

void expect_value(struct commit_fixture *fixture, const char *name, const char *section,
	const char *key, const char *value)
{
	g_autofree char *found = fake_cluster_value(fixture->cluster, name, section, key);

	ck_assert_str_eq(found, value);
}
