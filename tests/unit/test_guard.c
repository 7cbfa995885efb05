/* kubefs/guard.h: what items mean, which changes they refuse, with and without a catalog. */
#include "kubefs/guard.h"

#include <errno.h>
#include <string.h>

#include "kubefs/log.h"
#include "tests/unit/cache_fixture.h"

struct fixture {
	struct engine engine;
	struct fake_source *fake;
	struct lines *lines;
	struct context *context;
	struct guard *guard;
};

static void on_catalog_changed(
	void *data, struct cache *cache, struct catalog *old, struct catalog *new)
{
	lines_add(((struct fixture *)data)->lines, "catalog");
}

static void on_problem(void *data, struct cache *cache, const char *text)
{
}

static const struct cache_handlers handlers = {
	.catalog_changed = on_catalog_changed,
	.problem = on_problem,
};

static void answer_ping(void *data, struct fake_call *call)
{
	fake_done_item(call, "{}");
}

/* A context whose server has not told yet what it has. */
static void setup_unknown(struct fixture *fixture)
{
	*fixture = (struct fixture){.lines = lines_create(), .guard = guard_create()};
	engine_init(&fixture->engine, 2);
	fixture->fake = fake_source_create();
	fake_source_answer(fixture->fake, FAKE_PING, answer_ping, NULL);
	fixture->context = context_create(NULL, "prod", NULL);
	fixture->context->cache = cache_create(&(struct cache_options){
		.source = fake_source_get(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.handlers = &handlers,
		.data = fixture,
	});
}

static struct resource *with_names(
	struct resource *resource, const char *singular, const char *short_names)
{
	g_free(resource->singular);
	resource->singular = g_strdup(singular);
	g_strfreev(resource->short_names);
	resource->short_names = g_strsplit(short_names, ",", -1);
	return resource;
}

static struct resource *make_deployments(void)
{
	return with_names(
		fake_resource("apps", "v1", "deployments", "Deployment"), "deployment", "deploy");
}

static struct source_catalog *make_catalog(void)
{
	return fake_catalog(with_names(fake_resource("", "v1", "pods", "Pod"), "pod", "po"),
		with_names(fake_resource("", "v1", "secrets", "Secret"), "secret", ""),
		with_names(fake_resource("", "v1", "events", "Event"), "event", "ev"),
		make_deployments(),
		with_names(fake_resource("events.k8s.io", "v1", "events", "Event"), "event", "ev"),
		with_names(fake_resource("example.com", "v1", "secrets", "Secret"), "secret", "po"),
		NULL);
}

static void setup(struct fixture *fixture)
{
	setup_unknown(fixture);
	fake_discovered(fake_take(fixture->fake, FAKE_DISCOVER), make_catalog());
	lines_expect(fixture->lines, "catalog");
}

static void finish(struct fixture *fixture)
{
	cache_stop(fixture->context->cache);
	engine_finish(&fixture->engine);
	cache_destroy(fixture->context->cache);
	context_destroy(fixture->context);
	fake_source_unref(fixture->fake);
	lines_destroy(fixture->lines);
	guard_destroy(fixture->guard);
}

static void add_items(struct fixture *fixture, enum guard_effect effect, const char *list)
{
	g_autoptr(GError) error = NULL;

	ck_assert_msg(guard_add(fixture->guard, effect, list, &error) == 0, "%s",
		error != NULL ? error->message : "no message");
}

static void restart(struct fixture *fixture, enum guard_effect effect, const char *list)
{
	guard_destroy(fixture->guard);
	fixture->guard = guard_create();
	add_items(fixture, effect, list);
}

static int check_one(struct fixture *fixture, const struct resource *resource,
	enum source_verb verb, GError **error)
{
	int r = guard_check(fixture->guard, fixture->context, resource, verb, error);

	ck_assert_int_eq(guard_check(fixture->guard, fixture->context, resource, verb, NULL), r);
	return r;
}

/* The verbs that are let through, "cud" for all of them. */
static void expect_of(struct fixture *fixture, const struct resource *resource, const char *wanted)
{
	char let[4] = {0};
	size_t length = 0;

	for (int verb = SOURCE_CREATE; verb <= SOURCE_DELETE; verb++) {
		g_autoptr(GError) error = NULL;
		int r = check_one(fixture, resource, verb, &error);

		ck_assert((r < 0) == (error != NULL));
		if (r == 0)
			let[length++] = "cud"[verb];
		else
			ck_assert_int_eq(r, -EACCES);
	}
	ck_assert_msg(strcmp(let, wanted) == 0, "%s: \"%s\"", resource->name, let);
}

static void expect(struct fixture *fixture, const char *name, const char *wanted)
{
	struct catalog *catalog = cache_catalog_now(fixture->context->cache);

	expect_of(fixture, catalog_find(catalog, name), wanted);
	catalog_unref(catalog);
}

static void expect_message(struct fixture *fixture, const char *name, enum source_verb verb,
	int errnum, const char *message)
{
	struct catalog *catalog = cache_catalog_now(fixture->context->cache);
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(check_one(fixture, catalog_find(catalog, name), verb, &error), -errnum);
	ck_assert_int_eq(error->code, errnum);
	ck_assert_str_eq(error->message, message);
	catalog_unref(catalog);
}

START_TEST (refuses_nothing_unasked) {
	struct fixture fixture;

	setup(&fixture);
	expect(&fixture, "pods", "cud");
	expect(&fixture, "secrets", "cud");
	g_clear_pointer(&fixture.guard, guard_destroy);
	expect(&fixture, "pods", "cud");
	finish(&fixture);
}
END_TEST

START_TEST (denies_what_is_named) {
	struct fixture fixture;

	setup(&fixture);
	restart(&fixture, GUARD_DENY, "secrets/update");
	expect(&fixture, "secrets", "cd");
	expect(&fixture, "secrets.example.com", "cud");
	expect(&fixture, "pods", "cud");
	add_items(&fixture, GUARD_DENY, "pods:deployments.apps/create:deployments.apps/delete");
	expect(&fixture, "secrets", "cd");
	expect(&fixture, "pods", "");
	expect(&fixture, "deployments.apps", "u");
	restart(&fixture, GUARD_DENY, "pods/*");
	expect(&fixture, "pods", "");
	expect(&fixture, "secrets", "cud");
	finish(&fixture);
}
END_TEST

START_TEST (knows_wildcards) {
	static const char *const deletes[] = {"/delete", "*/delete"};
	static const char *const all[] = {"*", "*/*", "/*"};
	struct fixture fixture;

	setup(&fixture);
	for (guint i = 0; i < G_N_ELEMENTS(deletes); i++) {
		restart(&fixture, GUARD_DENY, deletes[i]);
		expect(&fixture, "pods", "cu");
		expect(&fixture, "secrets.example.com", "cu");
	}
	for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
		restart(&fixture, GUARD_DENY, all[i]);
		expect(&fixture, "pods", "");
		restart(&fixture, GUARD_ALLOW, all[i]);
		expect(&fixture, "pods", "cud");
	}
	finish(&fixture);
}
END_TEST

START_TEST (allows_only_what_is_named) {
	struct fixture fixture;

	setup(&fixture);
	restart(&fixture, GUARD_ALLOW, "deployments.apps/update");
	expect(&fixture, "deployments.apps", "u");
	expect(&fixture, "pods", "");
	add_items(&fixture, GUARD_ALLOW, "pods");
	expect(&fixture, "deployments.apps", "u");
	expect(&fixture, "pods", "cud");
	expect(&fixture, "secrets", "");
	finish(&fixture);
}
END_TEST

START_TEST (deny_wins) {
	struct fixture fixture;

	setup(&fixture);
	restart(&fixture, GUARD_DENY, "secrets:/delete");
	add_items(&fixture, GUARD_ALLOW, "secrets:pods");
	expect(&fixture, "secrets", "");
	expect(&fixture, "pods", "cu");
	expect(&fixture, "deployments.apps", "");
	/* In whatever order they came. */
	add_items(&fixture, GUARD_ALLOW, "*");
	expect(&fixture, "secrets", "");
	expect(&fixture, "pods", "cu");
	expect(&fixture, "deployments.apps", "cu");
	finish(&fixture);
}
END_TEST

START_TEST (takes_kubectls_other_names) {
	static const char *const names[] = {"deploy", "deployment", "deployments", "Deployment",
		"DEPLOYMENTS.apps", "deploy.apps", "deployments.v1.apps", "deployment.v1.apps"};
	struct fixture fixture;

	setup(&fixture);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		restart(&fixture, GUARD_DENY, names[i]);
		expect(&fixture, "deployments.apps", "");
		expect(&fixture, "pods", "cud");
	}
	/* A name that two have means what kubectl takes it for. */
	restart(&fixture, GUARD_DENY, "po:secret");
	expect(&fixture, "pods", "");
	expect(&fixture, "secrets", "");
	expect(&fixture, "secrets.example.com", "cud");
	finish(&fixture);
}
END_TEST

START_TEST (events_have_no_way_around) {
	static const char *const names[] = {"events", "ev", "events.events.k8s.io"};
	struct fixture fixture;

	setup(&fixture);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		restart(&fixture, GUARD_DENY, names[i]);
		expect(&fixture, "events", "");
		expect(&fixture, "events.events.k8s.io", "");
	}
	finish(&fixture);
}
END_TEST

/* What discovery could not ask, or not yet: the resource's own names count. */
START_TEST (holds_without_a_catalog) {
	static const char *const names[] = {"deployments.apps", "deployments", "deployment",
		"deploy", "deploy.apps", "deployments.v1.apps"};
	static const char *const others[] = {"pods", "deployments.example.com", "deploym", "apps",
		"deployments.v2.apps", "deployments.v1", "deployments.v1.app"};
	struct fixture fixture;
	struct resource *deployments = make_deployments();
	struct resource *widgets = fake_resource("example.com", "v1", "widgets", "Widget");

	setup_unknown(&fixture);
	fake_fail(fake_take(fixture.fake, FAKE_DISCOVER), EACCES, 403);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		restart(&fixture, GUARD_DENY, names[i]);
		expect_of(&fixture, deployments, "");
		restart(&fixture, GUARD_ALLOW, names[i]);
		expect_of(&fixture, deployments, "cud");
	}
	for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
		restart(&fixture, GUARD_DENY, others[i]);
		expect_of(&fixture, deployments, "cud");
	}
	finish(&fixture);
	setup(&fixture);
	restart(&fixture, GUARD_DENY, "widgets.example.com/update");
	expect_of(&fixture, widgets, "cd");
	finish(&fixture);
	resource_unref(deployments);
	resource_unref(widgets);
}
END_TEST

START_TEST (says_which_option_refused) {
	struct fixture fixture;

	setup(&fixture);
	restart(&fixture, GUARD_DENY, "pods:Secret/update");
	expect_message(&fixture, "secrets", SOURCE_UPDATE, EACCES,
		"refused by -o deny=Secret/update: secrets may not be updated through this mount");
	expect_message(&fixture, "pods", SOURCE_DELETE, EACCES,
		"refused by -o deny=pods: pods may not be deleted through this mount");
	restart(&fixture, GUARD_ALLOW, "secrets");
	expect_message(&fixture, "deployments.apps", SOURCE_CREATE, EACCES,
		"refused by -o allow, which lacks deployments.apps/create: deployments.apps may "
		"not be created through this mount");
	fixture.context->read_only = TRUE;
	expect_message(&fixture, "secrets", SOURCE_UPDATE, EROFS,
		"refused by -o ro: context \"prod\" is read-only");
	finish(&fixture);
}
END_TEST

static const struct {
	const char *list;
	const char *message;
} WRONG[] = {
	{"", "-o deny: an item is empty"},
	{":", "-o deny: an item is empty"},
	{"pods:", "-o deny: an item is empty"},
	{":pods", "-o deny: an item is empty"},
	{"pods::secrets", "-o deny: an item is empty"},
	{"pods:secrets/patch",
		"-o deny: \"secrets/patch\": the verb is none of create, update, delete and *"},
	{"pods/", "-o deny: \"pods/\": the verb is none of create, update, delete and *"},
	{"/", "-o deny: \"/\": the verb is none of create, update, delete and *"},
	{"pods/Update",
		"-o deny: \"pods/Update\": the verb is none of create, update, delete and *"},
	{"deployments.apps/scale/update",
		"-o deny: \"deployments.apps/scale/update\": the verb is none of create, update, "
		"delete and *"},
	{"*.apps", "-o deny: \"*.apps\" does not begin with the name of a resource or *"},
	{"pods secrets",
		"-o deny: \"pods secrets\" does not begin with the name of a resource or *"},
	{"-pods", "-o deny: \"-pods\" does not begin with the name of a resource or *"},
	{".", "-o deny: \".\" does not begin with the name of a resource or *"},
};

START_TEST (refuses_wrong_items) {
	struct guard *guard = guard_create();
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(guard_add(guard, GUARD_DENY, WRONG[_i].list, &error), -EINVAL);
	ck_assert_int_eq(error->code, EINVAL);
	ck_assert_str_eq(error->message, WRONG[_i].message);
	g_clear_error(&error);
	ck_assert_int_eq(guard_add(guard, GUARD_ALLOW, WRONG[_i].list, &error), -EINVAL);
	ck_assert(g_str_has_prefix(error->message, "-o allow: "));
	guard_destroy(guard);
}
END_TEST

static char *warnings(struct fixture *fixture, guint contexts)
{
	g_autoptr(GPtrArray) array = g_ptr_array_new();
	struct journal *journal = journal_create();
	g_autoptr(GBytes) bytes = NULL;

	for (guint i = 0; i < contexts; i++)
		g_ptr_array_add(array, fixture->context);
	guard_warn(fixture->guard, array, journal);
	bytes = journal_text(journal);
	journal_destroy(journal);
	return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

START_TEST (warns_of_unknown_names) {
	struct fixture fixture;
	g_autofree char *text = NULL;
	g_autofree char *silent = NULL;

	setup(&fixture);
	restart(&fixture, GUARD_DENY, "secerts/update:pods:/delete");
	add_items(&fixture, GUARD_ALLOW, "po:ev:*:widgets.example.com");
	text = warnings(&fixture, 2);
	ck_assert_ptr_nonnull(
		strstr(text, " -o deny=secerts/update: no server has such a resource now\n"));
	ck_assert_ptr_nonnull(
		strstr(text, " -o allow=widgets.example.com: no server has such a resource now\n"));
	ck_assert_msg(g_strrstr(text, "pods") == NULL && strstr(text, "delete") == NULL &&
			      strstr(text, "allow=po") == NULL && strstr(text, "=ev") == NULL,
		"%s", text);
	finish(&fixture);
	/* Who is away may have it. */
	setup_unknown(&fixture);
	fake_fail(fake_take(fixture.fake, FAKE_DISCOVER), EACCES, 403);
	restart(&fixture, GUARD_DENY, "secerts");
	silent = warnings(&fixture, 1);
	ck_assert_str_eq(silent, "");
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, refuses_nothing_unasked);
	tcase_add_test(tcase, denies_what_is_named);
	tcase_add_test(tcase, knows_wildcards);
	tcase_add_test(tcase, allows_only_what_is_named);
	tcase_add_test(tcase, deny_wins);
	tcase_add_test(tcase, takes_kubectls_other_names);
	tcase_add_test(tcase, events_have_no_way_around);
	tcase_add_test(tcase, holds_without_a_catalog);
	tcase_add_test(tcase, says_which_option_refused);
	tcase_add_loop_test(tcase, refuses_wrong_items, 0, G_N_ELEMENTS(WRONG));
	tcase_add_test(tcase, warns_of_unknown_names);
}

int main(void)
{
	return fixture_run("guard", add);
}
