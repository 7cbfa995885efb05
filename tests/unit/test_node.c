/* kubefs/node.h: nodes by id and by key, lookups and forgetting, ids that are never used twice. */
#include "kubefs/node.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"

struct fixture {
	struct context *context;
	struct context *other;
	struct resource *pods;
	struct node_table *table;
};

static void setup(struct fixture *fixture)
{
	fixture->context = context_create(NULL, "one", NULL);
	fixture->other = context_create(NULL, "two", NULL);
	fixture->pods = fake_resource("", "v1", "pods", "Pod");
	fixture->table = node_table_create(&(struct node_key){.kind = NODE_ROOT});
}

static void finish(struct fixture *fixture)
{
	node_table_destroy(fixture->table);
	node_table_destroy(NULL);
	context_destroy(fixture->context);
	context_destroy(fixture->other);
	resource_unref(fixture->pods);
}

static struct node_key directory(struct fixture *fixture, const char *namespace)
{
	return (struct node_key){
		.kind = NODE_RESOURCE,
		.context = fixture->context,
		.namespace = namespace,
		.resource = fixture->pods,
	};
}

static struct node_key object(struct fixture *fixture, struct snapshot *snapshot)
{
	return (struct node_key){
		.kind = NODE_OBJECT,
		.context = fixture->context,
		.resource = fixture->pods,
		.snapshot = snapshot,
	};
}

/* Enters and gives the reference back; the kernel's lookup stays. */
static uint64_t enter(struct fixture *fixture, const struct node_key *key)
{
	struct node *node NODE_CLEANUP = node_table_enter(fixture->table, key, NULL);

	return node->id;
}

static gboolean has(struct fixture *fixture, uint64_t id)
{
	struct node *node NODE_CLEANUP = node_table_get(fixture->table, id);

	return node != NULL;
}

START_TEST (the_root_stays) {
	struct fixture fixture;
	struct node *root;

	setup(&fixture);
	root = node_table_get(fixture.table, 1);
	ck_assert_ptr_nonnull(root);
	ck_assert_int_eq(root->key.kind, NODE_ROOT);
	ck_assert(node_is_directory(root));
	node_unref(root);
	node_table_forget(fixture.table, 1, 1000);
	ck_assert(has(&fixture, 1));
	ck_assert(!has(&fixture, 2));
	node_table_forget(fixture.table, 2, 1);
	finish(&fixture);
}
END_TEST

START_TEST (enters_a_key_once) {
	struct fixture fixture;
	char namespace[] = "default";
	struct node_key key;
	struct node *first;
	struct node *second;

	setup(&fixture);
	key = directory(&fixture, namespace);
	first = node_table_enter(fixture.table, &key, NULL);
	/* The key is the node's own. */
	memcpy(namespace, "changed", sizeof(namespace));
	ck_assert_str_eq(first->key.namespace, "default");
	key = directory(&fixture, "default");
	second = node_table_enter(fixture.table, &key, NULL);
	ck_assert_ptr_eq(first, second);
	ck_assert_uint_eq(first->lookups, 2);
	node_table_forget(fixture.table, first->id, 1);
	ck_assert(has(&fixture, first->id));
	node_table_forget(fixture.table, first->id, 1);
	ck_assert(!has(&fixture, first->id));
	/* Whoever works with it keeps it. */
	ck_assert_str_eq(first->key.namespace, "default");
	node_unref(first);
	node_unref(second);
	ck_assert_ptr_null(node_table_find(fixture.table, &key));
	ck_assert_ptr_null(node_unref(NULL));
	finish(&fixture);
}
END_TEST

START_TEST (forgets_no_more_than_there_is) {
	struct fixture fixture;
	struct node_key key;
	uint64_t id;

	setup(&fixture);
	key = directory(&fixture, "default");
	id = enter(&fixture, &key);
	node_table_forget(fixture.table, id, UINT64_MAX);
	ck_assert(!has(&fixture, id));
	node_table_forget(fixture.table, id, 1);
	finish(&fixture);
}
END_TEST

START_TEST (ids_are_never_used_twice) {
	struct fixture fixture;
	struct node_key key;
	uint64_t last = 1;

	setup(&fixture);
	key = directory(&fixture, "default");
	for (int i = 0; i < 1000; i++) {
		uint64_t id = enter(&fixture, &key);

		ck_assert_uint_gt(id, last);
		last = id;
		node_table_forget(fixture.table, id, 1);
	}
	finish(&fixture);
}
END_TEST

START_TEST (each_part_of_a_key_counts) {
	struct fixture fixture;
	struct snapshot *old;
	struct snapshot *new;
	struct resource *same;
	struct resource *newer;
	struct node_key keys[10];
	uint64_t ids[G_N_ELEMENTS(keys)];
	g_autoptr(GBytes) text = g_bytes_new("a", 1);
	g_autoptr(GBytes) same_text = g_bytes_new("a", 1);

	setup(&fixture);
	old = fixture_snapshot("default", "web", "1", "");
	new = fixture_snapshot("default", "web", "2", "");
	same = fake_resource("", "v1", "pods", "Pod");
	newer = fake_resource("", "v2", "pods", "Pod");
	keys[0] = directory(&fixture, "default");
	keys[1] = directory(&fixture, "other");
	keys[2] = directory(&fixture, "");
	keys[3] = directory(&fixture, "default");
	keys[3].context = fixture.other;
	keys[4] = directory(&fixture, "default");
	keys[4].resource = newer;
	keys[5] = object(&fixture, old);
	keys[6] = object(&fixture, new);
	keys[7] = object(&fixture, new);
	keys[7].format = NODE_JSON;
	keys[8] = (struct node_key){.kind = NODE_STATEMENT, .name = "status", .text = text};
	keys[9] = (struct node_key){.kind = NODE_STATEMENT, .name = "status", .text = same_text};
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		ids[i] = enter(&fixture, &keys[i]);
		for (guint j = 0; j < i; j++)
			ck_assert_uint_ne(ids[i], ids[j]);
	}
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		ck_assert_uint_eq(enter(&fixture, &keys[i]), ids[i]);
	/* An equal resource is the same, wherever it lies. */
	keys[0].resource = same;
	ck_assert_uint_eq(enter(&fixture, &keys[0]), ids[0]);
	snapshot_unref(old);
	snapshot_unref(new);
	resource_unref(same);
	resource_unref(newer);
	finish(&fixture);
}
END_TEST

START_TEST (keeps_the_text_of_the_first) {
	struct fixture fixture;
	struct snapshot *snapshot;
	struct node_key key;
	struct node *node;
	GBytes *first = g_bytes_new("1", 1);

	setup(&fixture);
	snapshot = fixture_snapshot("default", "web", "1", "");
	key = object(&fixture, snapshot);
	key.format = NODE_JSON;
	node = node_table_enter(fixture.table, &key, first);
	ck_assert_ptr_eq(node->text, first);
	node_unref(node);
	node = node_table_enter(fixture.table, &key, g_bytes_new("2", 1));
	ck_assert_ptr_eq(node->text, first);
	ck_assert(!node_is_directory(node));
	node_unref(node);
	snapshot_unref(snapshot);
	finish(&fixture);
}
END_TEST

static gboolean is_in(const struct node *node, const void *data)
{
	return node->key.kind == NODE_RESOURCE && g_strcmp0(node->key.namespace, data) == 0;
}

START_TEST (selects_references) {
	struct fixture fixture;
	struct node_key a;
	struct node_key b;
	uint64_t id;
	g_autoptr(GPtrArray) selected = NULL;

	setup(&fixture);
	a = directory(&fixture, "a");
	b = directory(&fixture, "b");
	id = enter(&fixture, &a);
	enter(&fixture, &b);
	selected = node_table_select(fixture.table, is_in, "a");
	ck_assert_uint_eq(selected->len, 1);
	node_table_forget(fixture.table, id, 1);
	ck_assert_uint_eq(((struct node *)g_ptr_array_index(selected, 0))->id, id);
	finish(&fixture);
}
END_TEST

START_TEST (a_renewed_key_gets_another_node) {
	struct fixture fixture;
	struct node_key key;
	uint64_t old;
	uint64_t new;

	setup(&fixture);
	key = directory(&fixture, "default");
	/* Of what the kernel does not know there is nothing to renew. */
	node_unref(node_table_renew(fixture.table, &key));
	old = enter(&fixture, &key);
	node_unref(node_table_renew(fixture.table, &key));
	ck_assert(has(&fixture, old));
	ck_assert_ptr_null(node_table_find(fixture.table, &key));
	new = enter(&fixture, &key);
	ck_assert_uint_ne(new, old);
	ck_assert_uint_eq(enter(&fixture, &key), new);
	/* Both are told of: the kernel holds both. */
	{
		g_autoptr(GPtrArray) both = NULL;

		both = node_table_select(fixture.table, is_in, "default");
		ck_assert_uint_eq(both->len, 2);
	}
	if (_i == 0) {
		/* The old one goes and leaves the key to the new one. */
		node_table_forget(fixture.table, old, 1);
		ck_assert(!has(&fixture, old));
		ck_assert_uint_eq(enter(&fixture, &key), new);
		node_table_forget(fixture.table, new, 3);
		ck_assert(!has(&fixture, new));
	} else {
		/* The new one goes first; the old one does not come back. */
		node_table_forget(fixture.table, new, 2);
		ck_assert(!has(&fixture, new));
		ck_assert(has(&fixture, old));
		ck_assert_ptr_null(node_table_find(fixture.table, &key));
		ck_assert_uint_ne(enter(&fixture, &key), old);
		node_table_forget(fixture.table, old, 1);
		ck_assert(!has(&fixture, old));
	}
	finish(&fixture);
}
END_TEST

START_TEST (a_key_can_be_renewed_again) {
	struct fixture fixture;
	struct node_key key;
	uint64_t ids[3];

	setup(&fixture);
	key = directory(&fixture, "default");
	for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
		ids[i] = enter(&fixture, &key);
		node_unref(node_table_renew(fixture.table, &key));
	}
	for (guint i = 0; i < G_N_ELEMENTS(ids); i++)
		ck_assert(has(&fixture, ids[i]));
	for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
		node_table_forget(fixture.table, ids[i], 1);
		ck_assert(!has(&fixture, ids[i]));
	}
	finish(&fixture);
}
END_TEST

#define THREADS 4

static void *enter_and_forget(void *data)
{
	struct fixture *fixture = data;

	for (int i = 0; i < 3000; i++) {
		g_autofree char *namespace = g_strdup_printf("ns-%d", i % 7);
		struct node_key key = directory(fixture, namespace);
		struct node *node NODE_CLEANUP = node_table_enter(fixture->table, &key, NULL);
		struct node *again NODE_CLEANUP = node_table_get(fixture->table, node->id);

		ck_assert_ptr_eq(node, again);
		if (i % 50 == 0)
			g_ptr_array_unref(node_table_select(fixture->table, is_in, namespace));
		node_table_forget(fixture->table, node->id, 1);
	}
	return NULL;
}

START_TEST (works_on_several_threads) {
	struct fixture fixture;
	pthread_t threads[THREADS];

	setup(&fixture);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, enter_and_forget, &fixture);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 7; i++) {
		g_autofree char *namespace = g_strdup_printf("ns-%d", i);
		struct node_key key = directory(&fixture, namespace);

		ck_assert_ptr_null(node_table_find(fixture.table, &key));
	}
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, the_root_stays);
	tcase_add_test(tcase, enters_a_key_once);
	tcase_add_test(tcase, forgets_no_more_than_there_is);
	tcase_add_test(tcase, ids_are_never_used_twice);
	tcase_add_test(tcase, each_part_of_a_key_counts);
	tcase_add_test(tcase, keeps_the_text_of_the_first);
	tcase_add_test(tcase, selects_references);
	tcase_add_loop_test(tcase, a_renewed_key_gets_another_node, 0, 2);
	tcase_add_test(tcase, a_key_can_be_renewed_again);
	tcase_add_test(tcase, works_on_several_threads);
}

int main(void)
{
	return fixture_run("node", add);
}
