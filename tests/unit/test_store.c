/*
 * cache/store.h: what it finds and counts, relists as a diff, and the offsets of listings that are
 * read in pieces while objects come and go.
 */
#include "cache/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"

static void put(struct store *store, const char *namespace, const char *name, const char *version)
{
	struct snapshot *old = NULL;

	store_put(store, fixture_snapshot(namespace, name, version, ""), &old);
	snapshot_unref(old);
}

static gboolean append_name(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	g_string_append_printf(data, "%s ", snapshot->name);
	return TRUE;
}

static char *names_after(struct store *store, const char *namespace, uint64_t after)
{
	GString *names = g_string_new(NULL);

	store_each(store, namespace, after, append_name, names);
	return g_string_free(names, FALSE);
}

static void expect_names(struct store *store, const char *namespace, const char *expected)
{
	g_autofree char *names = names_after(store, namespace, 0);

	ck_assert_str_eq(names, expected);
}

START_TEST (finds_what_was_put) {
	struct store *store = store_create();
	struct snapshot *old = NULL;
	struct snapshot *first = fixture_snapshot("default", "web", "1", "");
	struct snapshot *second = fixture_snapshot("default", "web", "2", ",\"spec\":{\"a\":1}");
	struct snapshot *removed;

	ck_assert_ptr_null(store_find(store, "default", "web"));
	ck_assert_uint_eq(store_count(store, "default"), 0);
	store_put(store, first, &old);
	ck_assert_ptr_null(old);
	ck_assert_ptr_eq(store_find(store, "default", "web"), first);
	ck_assert_ptr_null(store_find(store, "default", "we"));
	ck_assert_ptr_null(store_find(store, "", "web"));
	ck_assert_uint_eq(store_bytes(store), first->yaml_length);
	store_put(store, second, &old);
	ck_assert_ptr_eq(old, first);
	snapshot_unref(old);
	/* The key of the table must not point into what is gone. */
	ck_assert_ptr_eq(store_find(store, "default", "web"), second);
	ck_assert_uint_eq(store_count(store, NULL), 1);
	ck_assert_uint_eq(store_bytes(store), second->yaml_length);
	removed = store_remove(store, "default", "web");
	ck_assert_ptr_eq(removed, second);
	snapshot_unref(removed);
	ck_assert_ptr_null(store_remove(store, "default", "web"));
	ck_assert_ptr_null(store_remove(store, "other", "web"));
	ck_assert_uint_eq(store_bytes(store), 0);
	ck_assert_uint_eq(store_count(store, NULL), 0);
	store_destroy(store);
	store_destroy(NULL);
}
END_TEST

START_TEST (keeps_the_order_of_arrival) {
	struct store *store = store_create();

	put(store, "a", "z", "1");
	put(store, "b", "other", "1");
	put(store, "a", "m", "1");
	put(store, "a", "b", "1");
	put(store, "a", "z", "2");
	expect_names(store, "a", "z m b ");
	snapshot_unref(store_remove(store, "a", "m"));
	put(store, "a", "m", "3");
	expect_names(store, "a", "z b m ");
	expect_names(store, "b", "other ");
	expect_names(store, "none", "");
	store_destroy(store);
}
END_TEST

START_TEST (sweeps_what_a_list_did_not_name) {
	struct store *store = store_create();
	g_autoptr(GPtrArray) gone = NULL;

	store_sweep_begin(store);
	put(store, "a", "kept", "1");
	put(store, "a", "vanished", "1");
	put(store, "b", "vanished", "1");
	put(store, "a", "changed", "1");
	gone = store_sweep_end(store);
	ck_assert_uint_eq(gone->len, 0);
	/* A list that failed half-way marks nothing for good. */
	store_sweep_begin(store);
	store_sweep_mark(store, "a", "vanished");
	store_sweep_mark(store, "a", "unknown");
	store_sweep_begin(store);
	store_sweep_mark(store, "a", "kept");
	put(store, "a", "changed", "2");
	put(store, "a", "new", "1");
	g_ptr_array_unref(g_steal_pointer(&gone));
	gone = store_sweep_end(store);
	ck_assert_uint_eq(gone->len, 2);
	for (guint i = 0; i < gone->len; i++) {
		const struct snapshot *snapshot = g_ptr_array_index(gone, i);

		ck_assert_str_eq(snapshot->name, "vanished");
	}
	expect_names(store, "a", "kept changed new ");
	expect_names(store, "b", "");
	ck_assert_uint_eq(store_count(store, NULL), 3);
	store_destroy(store);
}
END_TEST

START_TEST (tells_when_a_namespace_changed) {
	struct store *store = store_create();
	struct timespec before;
	struct timespec changed;

	store_sweep_begin(store);
	put(store, "a", "first", "1");
	g_ptr_array_unref(store_sweep_end(store));
	/* What the first list finds was there before. */
	ck_assert_int_eq(store_changed(store, "a").tv_sec, 0);
	ck_assert_int_eq(store_changed(store, "none").tv_sec, 0);
	clock_gettime(CLOCK_REALTIME, &before);
	put(store, "a", "first", "2");
	ck_assert_int_eq(store_changed(store, "a").tv_sec, 0);
	snapshot_unref(store_remove(store, "a", "first"));
	changed = store_changed(store, "a");
	ck_assert_int_ge(changed.tv_sec, before.tv_sec);
	put(store, "b", "second", "3");
	ck_assert_int_ge(store_changed(store, "b").tv_sec, before.tv_sec);
	store_destroy(store);
}
END_TEST

START_TEST (remembers_long_names) {
	struct store *store = store_create();
	char name[STORE_LONG_NAME + 2];

	memset(name, 'n', sizeof(name));
	name[STORE_LONG_NAME] = '\0';
	put(store, "a", name, "1");
	ck_assert(!store_has_long_names(store));
	name[STORE_LONG_NAME] = 'n';
	name[STORE_LONG_NAME + 1] = '\0';
	put(store, "a", name, "1");
	ck_assert(store_has_long_names(store));
	store_destroy(store);
}
END_TEST

/* The model: what should be there, by namespace and name, and a listing that is being read. */
#define NAMESPACES 3
#define NAMES 60
#define OPERATIONS 20000

struct model {
	GRand *random;
	struct store *store;
	unsigned int version[NAMESPACES][NAMES]; /* 0: not there */
	unsigned int next_version;
	/* One listing of each namespace, read in pieces. */
	uint64_t offset[NAMESPACES];
	gboolean seen[NAMESPACES][NAMES];
	/* There since the listing began, without a pause. */
	gboolean throughout[NAMESPACES][NAMES];
	unsigned int listings;
};

static void model_put(struct model *model, int namespace, int name)
{
	g_autofree char *namespace_text = g_strdup_printf("ns-%d", namespace);
	g_autofree char *name_text = g_strdup_printf("name-%d", name);
	g_autofree char *version = g_strdup_printf("%u", ++model->next_version);
	g_autofree char *expected = g_strdup_printf("%u", model->version[namespace][name]);
	struct snapshot *old = NULL;

	store_put(model->store, fixture_snapshot(namespace_text, name_text, version, ""), &old);
	ck_assert_int_eq(old != NULL, model->version[namespace][name] != 0);
	if (old != NULL)
		ck_assert_str_eq(old->version, expected);
	snapshot_unref(old);
	model->version[namespace][name] = model->next_version;
}

static void model_remove(struct model *model, int namespace, int name)
{
	g_autofree char *namespace_text = g_strdup_printf("ns-%d", namespace);
	g_autofree char *name_text = g_strdup_printf("name-%d", name);
	struct snapshot *old = store_remove(model->store, namespace_text, name_text);

	ck_assert_int_eq(old != NULL, model->version[namespace][name] != 0);
	snapshot_unref(old);
	model->version[namespace][name] = 0;
	model->throughout[namespace][name] = FALSE;
}

/* A relist that names about four of five objects, some changed, and some that are new. */
static void model_relist(struct model *model)
{
	g_autoptr(GPtrArray) gone = NULL;
	unsigned int expected = 0;

	store_sweep_begin(model->store);
	for (int i = 0; i < NAMESPACES; i++)
		for (int j = 0; j < NAMES; j++) {
			g_autofree char *namespace = g_strdup_printf("ns-%d", i);
			g_autofree char *name = g_strdup_printf("name-%d", j);
			int dice = g_rand_int_range(model->random, 0, 10);

			if (dice < 2 || (dice < 8 && model->version[i][j] == 0)) {
				expected += model->version[i][j] != 0;
				model->version[i][j] = 0;
				model->throughout[i][j] = FALSE;
			} else if (dice < 8) {
				store_sweep_mark(model->store, namespace, name);
			} else {
				model_put(model, i, j);
			}
		}
	gone = store_sweep_end(model->store);
	ck_assert_uint_eq(gone->len, expected);
}

static void model_check(struct model *model)
{
	size_t total = 0;

	for (int i = 0; i < NAMESPACES; i++) {
		g_autofree char *namespace = g_strdup_printf("ns-%d", i);
		size_t count = 0;

		for (int j = 0; j < NAMES; j++) {
			g_autofree char *name = g_strdup_printf("name-%d", j);
			const struct snapshot *found = store_find(model->store, namespace, name);

			ck_assert_int_eq(found != NULL, model->version[i][j] != 0);
			if (found == NULL)
				continue;
			ck_assert_uint_eq(atoi(found->version), model->version[i][j]);
			count++;
		}
		ck_assert_uint_eq(store_count(model->store, namespace), count);
		total += count;
	}
	ck_assert_uint_eq(store_count(model->store, NULL), total);
}

struct page {
	struct model *model;
	int namespace;
	int left;
	gboolean ended;
};

static gboolean visit(void *data, uint64_t sequence, struct snapshot *snapshot)
{
	struct page *page = data;
	struct model *model = page->model;
	int name = atoi(snapshot->name + strlen("name-"));

	if (page->left-- == 0) {
		page->ended = FALSE;
		return FALSE;
	}
	ck_assert_uint_gt(sequence, model->offset[page->namespace]);
	/* Once a listing, unless it was removed and came again. */
	if (model->throughout[page->namespace][name])
		ck_assert(!model->seen[page->namespace][name]);
	model->seen[page->namespace][name] = TRUE;
	model->offset[page->namespace] = sequence;
	return TRUE;
}

static void model_read(struct model *model, int namespace)
{
	g_autofree char *text = g_strdup_printf("ns-%d", namespace);
	struct page page = {model, namespace, g_rand_int_range(model->random, 1, 9), TRUE};

	store_each(model->store, text, model->offset[namespace], visit, &page);
	if (!page.ended)
		return;
	/* What was there all the time has been shown. */
	for (int i = 0; i < NAMES; i++)
		ck_assert(!model->throughout[namespace][i] || model->seen[namespace][i]);
	model->listings++;
	model->offset[namespace] = 0;
	for (int i = 0; i < NAMES; i++) {
		model->seen[namespace][i] = FALSE;
		model->throughout[namespace][i] = model->version[namespace][i] != 0;
	}
}

START_TEST (offsets_survive_insertions_and_deletions) {
	guint32 seed = g_random_int();
	struct model model = {.random = g_rand_new_with_seed(seed), .store = store_create()};

	printf("seed %u\n", seed);
	for (int i = 0; i < OPERATIONS; i++) {
		int dice = g_rand_int_range(model.random, 0, 1000);
		int namespace = g_rand_int_range(model.random, 0, NAMESPACES);
		int name = g_rand_int_range(model.random, 0, NAMES);

		if (dice < 5)
			model_relist(&model);
		else if (dice < 350)
			model_put(&model, namespace, name);
		else if (dice < 600)
			model_remove(&model, namespace, name);
		else
			model_read(&model, namespace);
		if (i % 500 == 0)
			model_check(&model);
	}
	model_check(&model);
	ck_assert_uint_gt(model.listings, 100);
	store_destroy(model.store);
	g_rand_free(model.random);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, finds_what_was_put);
	tcase_add_test(tcase, keeps_the_order_of_arrival);
	tcase_add_test(tcase, sweeps_what_a_list_did_not_name);
	tcase_add_test(tcase, tells_when_a_namespace_changed);
	tcase_add_test(tcase, remembers_long_names);
	tcase_add_test(tcase, offsets_survive_insertions_and_deletions);
}

int main(void)
{
	return fixture_run("store", add);
}
