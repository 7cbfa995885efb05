/* kubefs/walks.h: who has listed what lately, and what lies below. */
#include "kubefs/walks.h"

#include "tests/unit/fake_clock.h"
#include "tests/unit/place_fixture.h"

struct fixture {
	struct place_fixture base;
	struct walks *walks;
};

static void setup(struct fixture *fixture)
{
	place_fixture_setup(&fixture->base);
	fixture->walks = walks_create();
	walks_destroy(NULL);
}

static void finish(struct fixture *fixture)
{
	walks_destroy(fixture->walks);
	place_fixture_finish(&fixture->base);
}

static void note(struct fixture *fixture, struct process *process, const struct node_key *key)
{
	const struct node directory = {.key = *key};

	walks_note(fixture->walks, process, &directory);
}

/* A ConfigMap of the namespace, "" for one of the cluster. */
static gboolean is_recent(
	struct fixture *fixture, const struct process *process, const char *namespace)
{
	struct place place = place_fixture_map(&fixture->base, "a");

	place.namespace = (char *)namespace;
	return walks_are_recent(fixture->walks, process, &place);
}

START_TEST (each_process_walks_alone) {
	struct fixture fixture;

	setup(&fixture);
	note(&fixture, fixture.base.self,
		&(struct node_key){.kind = NODE_NAMESPACE,
			.context = fixture.base.context,
			.namespace = "default"});
	note(&fixture, NULL, &(struct node_key){.kind = NODE_ROOT});
	ck_assert(is_recent(&fixture, fixture.base.self, "default"));
	ck_assert(!is_recent(&fixture, fixture.base.process, "default"));
	ck_assert(!is_recent(&fixture, NULL, "default"));
	finish(&fixture);
}
END_TEST

/* What is listed; whether ConfigMaps of namespaces default and other, and of the cluster, are
 * below. */
static const struct {
	enum node_kind kind;
	const char *namespace;
	gboolean of_resource;
	gboolean of_other;
	gboolean is_above[3];
} DIRECTORIES[] = {
	{NODE_CONTEXT, NULL, FALSE, FALSE, {TRUE, TRUE, TRUE}},
	{NODE_CONTEXT, NULL, FALSE, TRUE, {FALSE, FALSE, FALSE}},
	{NODE_NAMESPACES, NULL, FALSE, FALSE, {TRUE, TRUE, FALSE}},
	{NODE_CLUSTER, "", FALSE, FALSE, {FALSE, FALSE, TRUE}},
	{NODE_NAMESPACE, "default", FALSE, FALSE, {TRUE, FALSE, FALSE}},
	{NODE_NAMESPACE, "default", FALSE, TRUE, {FALSE, FALSE, FALSE}},
	{NODE_RESOURCE, "default", TRUE, FALSE, {TRUE, FALSE, FALSE}},
	{NODE_RESOURCE, "", TRUE, FALSE, {FALSE, FALSE, TRUE}},
	{NODE_CHUNK, "other", TRUE, FALSE, {FALSE, TRUE, FALSE}},
	/* These are no way to what is deleted. */
	{NODE_VIEWS, "default", TRUE, FALSE, {FALSE, FALSE, FALSE}},
	{NODE_CONTROL, NULL, FALSE, FALSE, {FALSE, FALSE, FALSE}},
};

START_TEST (a_directory_is_above_what_is_in_it) {
	static const char *const namespaces[] = {"default", "other", ""};
	struct fixture fixture;

	setup(&fixture);
	note(&fixture, fixture.base.self,
		&(struct node_key){
			.kind = DIRECTORIES[_i].kind,
			.context = DIRECTORIES[_i].of_other ? fixture.base.other
							    : fixture.base.context,
			.namespace = DIRECTORIES[_i].namespace,
			.resource = DIRECTORIES[_i].of_resource ? fixture.base.maps : NULL,
		});
	for (guint i = 0; i < G_N_ELEMENTS(namespaces); i++)
		ck_assert(is_recent(&fixture, fixture.base.self, namespaces[i]) ==
			  DIRECTORIES[_i].is_above[i]);
	finish(&fixture);
}
END_TEST

START_TEST (the_root_of_several_contexts_is_above_all) {
	struct fixture fixture;

	setup(&fixture);
	note(&fixture, fixture.base.self, &(struct node_key){.kind = NODE_ROOT});
	ck_assert(is_recent(&fixture, fixture.base.self, "default"));
	ck_assert(is_recent(&fixture, fixture.base.self, ""));
	finish(&fixture);
}
END_TEST

START_TEST (another_resource_is_no_way) {
	struct fixture fixture;

	setup(&fixture);
	note(&fixture, fixture.base.self,
		&(struct node_key){.kind = NODE_RESOURCE,
			.context = fixture.base.context,
			.namespace = "default",
			.resource = fixture.base.apps});
	ck_assert(!is_recent(&fixture, fixture.base.self, "default"));
	finish(&fixture);
}
END_TEST

START_TEST (it_is_forgotten) {
	struct fixture fixture;
	const struct node_key root = {.kind = NODE_ROOT};

	setup(&fixture);
	note(&fixture, fixture.base.self, &root);
	fake_clock_pass(WALK_MS / 2);
	ck_assert(is_recent(&fixture, fixture.base.self, "default"));
	note(&fixture, fixture.base.process, &root);
	fake_clock_pass(WALK_MS / 2);
	ck_assert(!is_recent(&fixture, fixture.base.self, "default"));
	ck_assert(is_recent(&fixture, fixture.base.process, "default"));
	fake_clock_pass(WALK_MS / 2);
	ck_assert(!is_recent(&fixture, fixture.base.process, "default"));
	finish(&fixture);
}
END_TEST

START_TEST (there_are_only_so_many) {
	struct fixture fixture;
	const struct node_key root = {.kind = NODE_ROOT};

	setup(&fixture);
	note(&fixture, fixture.base.process, &root);
	for (guint i = 0; i < WALKS_MAX; i++)
		note(&fixture, fixture.base.self, &root);
	ck_assert(!is_recent(&fixture, fixture.base.process, "default"));
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, each_process_walks_alone);
	tcase_add_loop_test(
		tcase, a_directory_is_above_what_is_in_it, 0, G_N_ELEMENTS(DIRECTORIES));
	tcase_add_test(tcase, the_root_of_several_contexts_is_above_all);
	tcase_add_test(tcase, another_resource_is_no_way);
	tcase_add_test(tcase, it_is_forgotten);
	tcase_add_test(tcase, there_are_only_so_many);
}

int main(void)
{
	return fixture_run("walks", add);
}
