/* kubefs/context.h: places in listings that never move, and namespaces that resolved. */
#include "kubefs/context.h"

#include <string.h>

#include "tests/unit/cache_fixture.h"

/* A catalog of namespaced core resources of these names. */
static struct catalog *catalog_of(const char *first, ...)
{
	struct source_catalog *discovered = fake_catalog(NULL, NULL);
	va_list more;

	va_start(more, first);
	for (const char *name = first; name != NULL; name = va_arg(more, const char *))
		g_ptr_array_add(discovered->resources, fake_resource("", "v1", name, "Thing"));
	va_end(more);
	return catalog_create(discovered);
}

static char *names_after(struct context *context, struct catalog *catalog, uint64_t place)
{
	GString *names = g_string_new(NULL);
	struct resource *resource;

	while ((resource = context_next(context, catalog, TRUE, &place)) != NULL)
		g_string_append_printf(names, "%u:%s ", (unsigned int)place, resource->name);
	return g_string_free(names, FALSE);
}

static void expect(
	struct context *context, struct catalog *catalog, uint64_t place, const char *wanted)
{
	g_autofree char *names = names_after(context, catalog, place);

	ck_assert_str_eq(names, wanted);
}

START_TEST (places_never_move) {
	struct context *context = context_create(NULL, "one", NULL);
	struct catalog *first = catalog_of("b", "a", "c", NULL);
	struct catalog *second = catalog_of("new", "c", "b", NULL);
	struct catalog *third = catalog_of("a", "b", "c", "new", NULL);

	expect(context, first, 0, "");
	context_learn(context, first);
	context_learn(context, first);
	expect(context, first, 0, "1:b 2:a 3:c ");
	expect(context, first, 1, "2:a 3:c ");
	expect(context, first, 3, "");
	expect(context, first, 1000, "");
	/* What is gone keeps its place, what is new gets another. */
	context_learn(context, second);
	expect(context, second, 0, "1:b 3:c 4:new ");
	context_learn(context, third);
	expect(context, third, 0, "1:b 2:a 3:c 4:new ");
	ck_assert_uint_eq(context_count(context, third, TRUE), 4);
	ck_assert_uint_eq(context_count(context, third, FALSE), 0);
	catalog_unref(first);
	catalog_unref(second);
	catalog_unref(third);
	context_destroy(context);
	context_destroy(NULL);
}
END_TEST

START_TEST (lists_what_can_be_listed_once) {
	struct context *context = context_create(NULL, "one", NULL);
	struct resource *hidden = fake_resource("", "v1", "hidden", "Hidden");
	struct resource *nodes = fake_resource("", "v1", "nodes", "Node");
	struct catalog *catalog;

	hidden->can_list = FALSE;
	nodes->namespaced = FALSE;
	catalog = catalog_create(fake_catalog(fake_resource("", "v1", "events", "Event"), hidden,
		nodes, fake_resource("events.k8s.io", "v1", "events", "Event"),
		fake_resource("", "v1", "pods", "Pod"), NULL));
	context_learn(context, catalog);
	expect(context, catalog, 0, "1:events 5:pods ");
	ck_assert_uint_eq(context_count(context, catalog, TRUE), 2);
	ck_assert_uint_eq(context_count(context, catalog, FALSE), 1);
	catalog_unref(catalog);
	context_destroy(context);
}
END_TEST

START_TEST (remembers_namespaces) {
	struct context *context = context_create(NULL, "one", "mine");
	g_autofree char *first = context_namespace_at(context, 0);
	g_autofree char *second = NULL;

	ck_assert_str_eq(first, "mine");
	ck_assert_ptr_null(context_namespace_at(context, 1));
	ck_assert(!context_add_namespace(context, "mine"));
	ck_assert(context_add_namespace(context, "other"));
	ck_assert(!context_add_namespace(context, "other"));
	second = context_namespace_at(context, 1);
	ck_assert_str_eq(second, "other");
	ck_assert_ptr_null(context_namespace_at(context, G_MAXUINT));
	context_destroy(context);
}
END_TEST

START_TEST (bounds_namespaces) {
	struct context *context = context_create(NULL, "one", NULL);

	for (int i = 0; i < CONTEXT_NAMESPACES_MAX; i++) {
		g_autofree char *name = g_strdup_printf("ns-%d", i);

		ck_assert(context_add_namespace(context, name));
	}
	ck_assert(!context_add_namespace(context, "one-more"));
	ck_assert_ptr_null(context_namespace_at(context, CONTEXT_NAMESPACES_MAX));
	context_destroy(context);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, places_never_move);
	tcase_add_test(tcase, lists_what_can_be_listed_once);
	tcase_add_test(tcase, remembers_namespaces);
	tcase_add_test(tcase, bounds_namespaces);
}

int main(void)
{
	return fixture_run("context", add);
}
