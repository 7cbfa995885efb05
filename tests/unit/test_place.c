/* kubefs/place.h: what files stand for, where they stand, and by what paths messages name them. */
#include "kubefs/place.h"

#include <string.h>

#include "tests/unit/place_fixture.h"

static void expect_path(const struct place *place, const char *wanted)
{
	g_autofree char *path = place_path(place);

	ck_assert_str_eq(path, wanted);
}

START_TEST (copies_are_their_own) {
	struct place_fixture fixture;
	char name[] = "web";
	struct place from;
	struct place copy PLACE_CLEANUP = {0};

	place_fixture_setup(&fixture);
	from = place_fixture_map(&fixture, name);
	from.kind = PLACE_STATUS;
	from.format = NODE_JSON;
	place_copy(&copy, &from);
	name[0] = 'X';
	ck_assert_str_eq(copy.name, "web");
	ck_assert_int_eq(copy.kind, PLACE_STATUS);
	ck_assert_int_eq(copy.format, NODE_JSON);
	ck_assert_ptr_eq(copy.context, fixture.context);
	place_finish(&copy);
	ck_assert_ptr_null(copy.name);
	place_fixture_finish(&fixture);
}
END_TEST

START_TEST (knows_files_of_one_object) {
	struct place_fixture fixture;
	struct place web;
	struct place same;
	struct place others[4];

	place_fixture_setup(&fixture);
	web = place_fixture_map(&fixture, "web");
	same = web;
	same.kind = PLACE_SCALE;
	same.format = NODE_JSON;
	ck_assert(place_same_object(&web, &same));
	for (guint i = 0; i < G_N_ELEMENTS(others); i++)
		others[i] = web;
	others[0].context = fixture.other;
	others[1].name = (char *)"db";
	others[2].namespace = (char *)"other";
	others[3].resource = fixture.apps;
	for (guint i = 0; i < G_N_ELEMENTS(others); i++)
		ck_assert(!place_same_object(&web, &others[i]));
	place_fixture_finish(&fixture);
}
END_TEST

START_TEST (names_paths) {
	struct place_fixture fixture;
	g_autofree char *long_name = g_strnfill(253, 'n');
	g_autofree char *long_path = NULL;
	struct place place;

	place_fixture_setup(&fixture);
	place = place_fixture_map(&fixture, "web");
	expect_path(&place, "namespaces/default/configmaps/web.yaml");
	place.format = NODE_JSON;
	expect_path(&place, "namespaces/default/configmaps/web.json");
	place.name = (char *)"a/b";
	expect_path(&place, "namespaces/default/configmaps/a%2Fb.json");
	place = place_fixture_map(&fixture, "web");
	place.resource = fixture.apps;
	place.kind = PLACE_STATUS;
	ck_assert_str_eq(place_subresource(&place), "status");
	expect_path(&place, "namespaces/default/deployments.apps/web@/status.yaml");
	place.kind = PLACE_SCALE;
	ck_assert_str_eq(place_subresource(&place), "scale");
	expect_path(&place, "namespaces/default/deployments.apps/web@/scale");
	place = place_fixture_map(&fixture, "web");
	ck_assert_ptr_null(place_subresource(&place));
	place.namespace = (char *)"";
	expect_path(&place, "cluster/configmaps/web.yaml");
	fixture.filesystem.many = TRUE;
	expect_path(&place, "one/cluster/configmaps/web.yaml");
	fixture.filesystem.many = FALSE;
	place = place_fixture_map(&fixture, long_name);
	long_path = g_strdup_printf(
		"namespaces/default/configmaps/%.200s%%/%s.yaml", long_name, long_name + 200);
	expect_path(&place, long_path);
	place_fixture_finish(&fixture);
}
END_TEST

static char *directory_of(const struct place *place, const char *wanted_name)
{
	g_autofree char *name = NULL;
	char *directory = place_directory_of(place, &name);

	ck_assert_str_eq(name, wanted_name);
	return directory;
}

START_TEST (directories_are_told_apart) {
	struct place_fixture fixture;
	g_autofree char *long_name = g_strnfill(253, 'n');
	g_autofree char *long_rest = g_strdup_printf("%s.yaml", long_name + 200);
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autofree char *json = NULL;
	g_autofree char *views = NULL;
	struct place place;

	place_fixture_setup(&fixture);
	place = place_fixture_map(&fixture, "web");
	ck_assert(g_hash_table_add(seen, directory_of(&place, "web.yaml")));
	place.format = NODE_JSON;
	json = directory_of(&place, "web.json");
	ck_assert(g_hash_table_contains(seen, json));
	place.kind = PLACE_STATUS;
	views = directory_of(&place, "status.yaml");
	ck_assert(g_hash_table_add(seen, g_strdup(views)));
	place.kind = PLACE_SCALE;
	ck_assert(!g_hash_table_add(seen, directory_of(&place, "scale")));
	place.name = (char *)"db";
	ck_assert(g_hash_table_add(seen, directory_of(&place, "scale")));
	place = place_fixture_map(&fixture, "web");
	place.context = fixture.other;
	ck_assert(g_hash_table_add(seen, directory_of(&place, "web.yaml")));
	place = place_fixture_map(&fixture, "web");
	place.namespace = (char *)"";
	ck_assert(g_hash_table_add(seen, directory_of(&place, "web.yaml")));
	place = place_fixture_map(&fixture, "web");
	place.resource = fixture.apps;
	ck_assert(g_hash_table_add(seen, directory_of(&place, "web.yaml")));
	place = place_fixture_map(&fixture, long_name);
	ck_assert(g_hash_table_add(seen, directory_of(&place, long_rest)));
	place_fixture_finish(&fixture);
}
END_TEST

START_TEST (finds_the_kernels_directory) {
	struct place_fixture fixture;
	struct node_table *table;
	struct place place;
	struct node_key key;
	g_autofree char *directory = NULL;
	g_autofree char *of_key = NULL;
	g_autofree char *name = NULL;
	uint64_t id;

	place_fixture_setup(&fixture);
	table = node_table_create(&(struct node_key){.kind = NODE_ROOT});
	place = place_fixture_map(&fixture, "web");
	key = (struct node_key){
		.kind = NODE_RESOURCE,
		.context = fixture.context,
		.namespace = "default",
		.resource = fixture.maps,
	};
	directory = place_directory_of(&place, &name);
	of_key = place_directory(&key);
	ck_assert_str_eq(directory, of_key);
	ck_assert_uint_eq(place_directory_id(table, &place), 0);
	{
		struct node *node NODE_CLEANUP = node_table_enter(table, &key, NULL);

		id = node->id;
	}
	ck_assert_uint_eq(place_directory_id(table, &place), id);
	place.kind = PLACE_STATUS;
	ck_assert_uint_eq(place_directory_id(table, &place), 0);
	place.kind = PLACE_OBJECT;
	node_table_forget(table, id, 1);
	ck_assert_uint_eq(place_directory_id(table, &place), 0);
	node_table_destroy(table);
	place_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, copies_are_their_own);
	tcase_add_test(tcase, knows_files_of_one_object);
	tcase_add_test(tcase, names_paths);
	tcase_add_test(tcase, directories_are_told_apart);
	tcase_add_test(tcase, finds_the_kernels_directory);
}

int main(void)
{
	return fixture_run("place", add);
}
