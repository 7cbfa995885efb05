/* cache/catalog.h: resources under every name that kubectl accepts. */
#include "cache/catalog.h"

#include "tests/unit/cache_fixture.h"

static struct resource *with_short_names(struct resource *resource, const char *names)
{
	g_strfreev(resource->short_names);
	resource->short_names = g_strsplit(names, ",", -1);
	return resource;
}

static struct resource *with_singular(struct resource *resource, const char *singular)
{
	g_free(resource->singular);
	resource->singular = g_strdup(singular);
	return resource;
}

static void expect(struct catalog *catalog, const char *alias, const char *name)
{
	struct resource *resource = catalog_find_alias(catalog, alias);

	if (name == NULL)
		ck_assert_msg(resource == NULL, "%s: %s", alias, resource->name);
	else
		ck_assert_msg(resource != NULL && g_str_equal(resource->name, name), "%s: %s",
			alias, resource != NULL ? resource->name : "none");
}

static struct catalog *sample(void)
{
	return catalog_create(fake_catalog(
		with_short_names(fake_resource("", "v1", "pods", "Pod"), "po"),
		with_short_names(fake_resource("", "v1", "services", "Service"), "svc"),
		with_short_names(fake_resource("", "v1", "events", "Event"), "ev"),
		with_short_names(
			fake_resource("apps", "v1", "deployments", "Deployment"), "deploy"),
		with_short_names(fake_resource("events.k8s.io", "v1", "events", "Event"), "ev"),
		with_short_names(
			fake_resource("example.com", "v1beta1", "deployments", "Deployment"), "d"),
		with_short_names(with_singular(fake_resource("example.com", "v1", "gateways",
						       "GatewayConfig"),
					 ""),
			"po,services,gw"),
		NULL));
}

START_TEST (finds_by_the_one_spelling) {
	struct catalog *catalog = sample();

	ck_assert_str_eq(catalog_find(catalog, "pods")->kind, "Pod");
	ck_assert_str_eq(catalog_find(catalog, "deployments.apps")->version, "v1");
	ck_assert_str_eq(catalog_find(catalog, "deployments.example.com")->version, "v1beta1");
	ck_assert_str_eq(catalog_find(catalog, "events.events.k8s.io")->group, "events.k8s.io");
	ck_assert_ptr_null(catalog_find(catalog, "deployments"));
	ck_assert_ptr_null(catalog_find(catalog, "pod"));
	ck_assert_ptr_null(catalog_find(catalog, ""));
	ck_assert_ptr_null(catalog_find(catalog, "pods."));
	ck_assert_uint_eq(catalog_count(catalog), 7);
	ck_assert_str_eq(catalog_at(catalog, 1)->name, "services");
	catalog_unref(catalog);
}
END_TEST

START_TEST (finds_by_kubectls_other_names) {
	struct catalog *catalog = sample();

	expect(catalog, "pod", "pods");
	expect(catalog, "po", "pods");
	expect(catalog, "deployment", "deployments.apps");
	expect(catalog, "deploy", "deployments.apps");
	expect(catalog, "deploy.apps", "deployments.apps");
	expect(catalog, "deployments", "deployments.apps");
	expect(catalog, "deployment.apps", "deployments.apps");
	expect(catalog, "deployments.v1.apps", "deployments.apps");
	expect(catalog, "deployment.v1.apps", "deployments.apps");
	expect(catalog, "deployments.v1beta1.example.com", "deployments.example.com");
	expect(catalog, "gatewayconfig", "gateways.example.com");
	expect(catalog, "gatewayconfig.example.com", "gateways.example.com");
	expect(catalog, "gw", "gateways.example.com");
	expect(catalog, "", NULL);
	expect(catalog, ".", NULL);
	expect(catalog, "Deployment", NULL);
	expect(catalog, "deployments.v2.apps", NULL);
	expect(catalog, "none", NULL);
	catalog_unref(catalog);
}
END_TEST

START_TEST (first_comes_first) {
	struct catalog *catalog = sample();

	/* Core events before those of events.k8s.io; apps before a CRD of the same plural. */
	expect(catalog, "event", "events");
	expect(catalog, "ev", "events");
	expect(catalog, "ev.events.k8s.io", "events.events.k8s.io");
	expect(catalog, "event.v1.events.k8s.io", "events.events.k8s.io");
	/* A short name of somebody else's hides neither a short name nor a plural. */
	expect(catalog, "po.example.com", "gateways.example.com");
	expect(catalog, "services", "services");
	catalog_unref(catalog);
}
END_TEST

START_TEST (compares_by_properties) {
	struct catalog *a = sample();
	struct catalog *b = sample();
	struct catalog *shorter =
		catalog_create(fake_catalog(fake_resource("", "v1", "pods", "Pod"), NULL));
	struct catalog *empty = catalog_create(fake_catalog(NULL, NULL));

	ck_assert(catalog_equal(a, b));
	ck_assert(catalog_equal(a, a));
	ck_assert(!catalog_equal(a, shorter));
	ck_assert(!catalog_equal(shorter, a));
	ck_assert(!catalog_equal(empty, shorter));
	ck_assert(catalog_equal(empty, empty));
	catalog_at(b, 3)->can_update = FALSE;
	ck_assert(!catalog_equal(a, b));
	catalog_at(b, 3)->can_update = TRUE;
	g_free(catalog_at(b, 3)->version);
	catalog_at(b, 3)->version = g_strdup("v2");
	ck_assert(!catalog_equal(a, b));
	ck_assert_uint_eq(catalog_partial(a)->len, 0);
	ck_assert_ptr_eq(catalog_ref(a), a);
	catalog_unref(a);
	catalog_unref(a);
	catalog_unref(b);
	catalog_unref(shorter);
	catalog_unref(empty);
	ck_assert_ptr_null(catalog_unref(NULL));
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, finds_by_the_one_spelling);
	tcase_add_test(tcase, finds_by_kubectls_other_names);
	tcase_add_test(tcase, first_comes_first);
	tcase_add_test(tcase, compares_by_properties);
}

int main(void)
{
	return fixture_run("catalog", add);
}
