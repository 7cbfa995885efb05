#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/api_discovery.h"
#include "client/kubernetes_url.h"

static const char aggregated_core[] =
	"{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/"
	"v2\",\"metadata\":{},"
	"\"items\":[{\"metadata\":{\"creationTimestamp\":null},\"versions\":[{\"version\":\"v1\","
	"\"resources\":[{\"resource\":\"pods\",\"responseKind\":{\"group\":\"\",\"version\":\"\","
	"\"kind\":\"Pod\"},\"scope\":\"Namespaced\",\"singularResource\":\"pod\",\"verbs\":["
	"\"create\","
	"\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],"
	"\"shortNames\":[\"po\"],\"categories\":[\"all\"],\"subresources\":[{\"subresource\":"
	"\"log\","
	"\"responseKind\":{\"kind\":\"Pod\"},\"verbs\":[\"get\"]},{\"subresource\":\"status\","
	"\"responseKind\":{\"kind\":\"Pod\"},\"verbs\":[\"get\"]}]},"
	"{\"resource\":\"componentstatuses\",\"responseKind\":{\"kind\":\"ComponentStatus\"},"
	"\"scope\":\"Cluster\",\"singularResource\":\"componentstatus\",\"verbs\":[\"get\","
	"\"list\"]},"
	"{\"resource\":\"bindings\",\"responseKind\":{\"kind\":\"Binding\"},\"scope\":"
	"\"Namespaced\","
	"\"singularResource\":\"binding\",\"verbs\":[\"create\"]}],\"freshness\":\"Current\"}]}]}";

static const char aggregated_groups[] =
	"{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"items\":["
	"{\"metadata\":{\"name\":\"apps\"},\"versions\":["
	"{\"version\":\"v1\",\"freshness\":\"Current\",\"resources\":[{\"resource\":"
	"\"deployments\","
	"\"responseKind\":{\"kind\":\"Deployment\"},\"scope\":\"Namespaced\",\"verbs\":[\"list\"],"
	"\"subresources\":[{\"subresource\":\"scale\",\"responseKind\":{\"group\":\"autoscaling\","
	"\"version\":\"v1\",\"kind\":\"Scale\"},\"verbs\":[\"get\"]}]}]},"
	"{\"version\":\"v1beta1\",\"freshness\":\"Current\",\"resources\":["
	"{\"resource\":\"deployments\",\"responseKind\":{\"kind\":\"OldDeployment\"},\"verbs\":"
	"[\"list\"]},{\"resource\":\"rollbacks\",\"responseKind\":{\"kind\":\"Rollback\"},"
	"\"scope\":"
	"\"Namespaced\",\"verbs\":[\"create\"]},{\"resource\":\"verbless\",\"responseKind\":{"
	"\"kind\":"
	"\"Verbless\"},\"verbs\":[]},{\"resource\":\"parents\",\"verbs\":[\"get\"]},"
	"{\"resource\":\"kindless\",\"responseKind\":null,\"verbs\":[\"get\"]}]}]},"
	"{\"metadata\":{\"name\":\"metrics.k8s.io\"},\"versions\":[{\"version\":\"v1beta1\","
	"\"freshness\":\"Stale\",\"resources\":[{\"resource\":\"nodes\",\"responseKind\":{\"kind\":"
	"\"NodeMetrics\"},\"verbs\":[\"list\"]}]}]},"
	"{\"metadata\":{\"name\":\"evil/../group\"},\"versions\":[{\"version\":\"v1\"}]},"
	"{\"metadata\":{\"name\":\"odd.io\"},\"versions\":[{\"version\":\"v1\",\"resources\":["
	"{\"resource\":\"..\",\"responseKind\":{\"kind\":\"X\"},\"verbs\":[\"get\"]},"
	"{\"resource\":\"fine\",\"responseKind\":{\"kind\":\"Fine\"},\"verbs\":[\"get\"]}]}]}]}";

static void add(struct api_discovery *discovery,
	int (*reader)(struct api_discovery *, const char *, size_t, GError **), const char *json)
{
	g_autoptr(GError) error = NULL;
	int r = reader(discovery, json, strlen(json), &error);

	ck_assert_msg(r == 0, "%s", error != NULL ? error->message : "no message");
}

static const struct resource *find(const struct source_catalog *catalog, const char *name)
{
	const struct resource *found = NULL;

	for (guint i = 0; i < catalog->resources->len; i++) {
		const struct resource *resource = g_ptr_array_index(catalog->resources, i);

		if (!g_str_equal(resource->name, name))
			continue;
		ck_assert_ptr_null(found);
		found = resource;
	}
	return found;
}

/* All names, in order, with a blank behind each. */
static char *names_of(const struct source_catalog *catalog)
{
	GString *names = g_string_new(NULL);

	for (guint i = 0; i < catalog->resources->len; i++) {
		const struct resource *resource = g_ptr_array_index(catalog->resources, i);

		g_string_append_printf(names, "%s ", resource->name);
	}
	return g_string_free(names, FALSE);
}

static void expect_pods(const struct resource *pods)
{
	ck_assert_ptr_nonnull(pods);
	ck_assert_str_eq(pods->group, "");
	ck_assert_str_eq(pods->version, "v1");
	ck_assert_str_eq(pods->plural, "pods");
	ck_assert_str_eq(pods->singular, "pod");
	ck_assert_str_eq(pods->kind, "Pod");
	ck_assert_str_eq(pods->short_names[0], "po");
	ck_assert_ptr_null(pods->short_names[1]);
	ck_assert_str_eq(pods->categories[0], "all");
	ck_assert(pods->namespaced && pods->can_list && pods->can_watch && pods->can_get);
	ck_assert(pods->can_update && pods->can_create && pods->can_delete);
	ck_assert(pods->has_status && !pods->has_scale);
}

START_TEST (aggregated_documents_become_a_catalog) {
	struct api_discovery *discovery = api_discovery_create();
	struct source_catalog *catalog;
	const struct resource *resource;
	char *names;

	/* The core group stands first, whichever answer comes first. */
	add(discovery, api_discovery_add_aggregated, aggregated_groups);
	add(discovery, api_discovery_add_aggregated, aggregated_core);
	ck_assert_ptr_null(api_discovery_next_wanted(discovery));
	catalog = api_discovery_finish(discovery);

	names = names_of(catalog);
	ck_assert_str_eq(names,
		"pods componentstatuses bindings deployments.apps rollbacks.apps fine.odd.io ");
	g_free(names);
	expect_pods(find(catalog, "pods"));
	resource = find(catalog, "componentstatuses");
	ck_assert(!resource->namespaced && resource->can_list && !resource->can_watch);
	ck_assert(!find(catalog, "bindings")->can_list && find(catalog, "bindings")->can_create);
	resource = find(catalog, "deployments.apps");
	ck_assert_str_eq(resource->version, "v1");
	ck_assert_str_eq(resource->kind, "Deployment");
	ck_assert_str_eq(resource->singular, "");
	ck_assert(resource->has_scale && !resource->has_status);
	ck_assert_str_eq(find(catalog, "rollbacks.apps")->version, "v1beta1");

	ck_assert_uint_eq(catalog->partial->len, 3);
	ck_assert_str_eq(g_ptr_array_index(catalog->partial, 0),
		"metrics.k8s.io/v1beta1: stale: its API server does not answer");
	ck_assert_str_eq(g_ptr_array_index(catalog->partial, 1),
		"evil/../group/v1: not a name that a path can hold");
	ck_assert_str_eq(g_ptr_array_index(catalog->partial, 2),
		"odd.io/v1: a resource whose name no path can hold");
	source_catalog_free(catalog);
}
END_TEST

static const char plain_core[] =
	"{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":["
	"{\"name\":\"pods/"
	"status\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"Pod\",\"verbs\":"
	"[\"get\"]},{\"name\":\"pods\",\"singularName\":\"pod\",\"namespaced\":true,\"kind\":"
	"\"Pod\","
	"\"verbs\":[\"create\",\"delete\",\"get\",\"list\",\"update\",\"watch\"],\"shortNames\":["
	"\"po\"],"
	"\"categories\":[\"all\"]},{\"name\":\"ghosts/"
	"scale\",\"kind\":\"Scale\",\"verbs\":[\"get\"]}]}";

static const char plain_apps_v1[] =
	"{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"apps/"
	"v1\",\"resources\":["
	"{\"name\":\"deployments\",\"singularName\":\"deployment\",\"namespaced\":true,\"kind\":"
	"\"Deployment\",\"verbs\":[\"list\"]},{\"name\":\"deployments/"
	"scale\",\"group\":\"autoscaling\","
	"\"version\":\"v1\",\"kind\":\"Scale\",\"verbs\":[\"get\"]}]}";

static const char plain_apps_v1beta1[] =
	"{\"kind\":\"APIResourceList\",\"groupVersion\":\"apps/v1beta1\",\"resources\":["
	"{\"name\":\"deployments\",\"namespaced\":true,\"kind\":\"OldDeployment\",\"verbs\":["
	"\"list\"]},"
	"{\"name\":\"rollbacks\",\"namespaced\":true,\"kind\":\"Rollback\",\"verbs\":[\"create\"]}]"
	"}";

static struct api_version *want(struct api_discovery *discovery, const char *name)
{
	struct api_version *version = api_discovery_next_wanted(discovery);
	g_autofree char *found = NULL;

	ck_assert_ptr_nonnull(version);
	found = api_discovery_version_name(version);
	ck_assert_str_eq(found, name);
	return version;
}

static void answer(struct api_discovery *discovery, struct api_version *version, const char *json)
{
	ck_assert_int_eq(
		api_discovery_add_resources(discovery, version, json, strlen(json), NULL), 0);
}

START_TEST (plain_documents_become_a_catalog) {
	struct api_discovery *discovery = api_discovery_create();
	struct api_version *v1, *v1beta1, *core;
	struct source_catalog *catalog;
	char *names;

	add(discovery, api_discovery_add_groups,
		"{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[{\"name\":\"apps\","
		"\"versions\":[{\"groupVersion\":\"apps/v1beta1\",\"version\":\"v1beta1\"},"
		"{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}],\"preferredVersion\":"
		"{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}},{\"name\":\"metrics.k8s.io\","
		"\"versions\":[{\"version\":\"v1beta1\"}]}]}");
	add(discovery, api_discovery_add_groups,
		"{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[]"
		"}");
	v1 = want(discovery, "apps/v1");
	v1beta1 = want(discovery, "apps/v1beta1");
	want(discovery, "metrics.k8s.io/v1beta1");
	core = want(discovery, "v1");
	ck_assert_ptr_null(api_discovery_next_wanted(discovery));

	/* Answers may come in any order. */
	answer(discovery, v1beta1, plain_apps_v1beta1);
	answer(discovery, core, plain_core);
	answer(discovery, v1, plain_apps_v1);
	api_discovery_add_failure(
		discovery, "metrics.k8s.io/v1beta1", "503 \x1b[31mService Unavailable");
	catalog = api_discovery_finish(discovery);

	names = names_of(catalog);
	ck_assert_str_eq(names, "pods deployments.apps rollbacks.apps ");
	g_free(names);
	expect_pods(find(catalog, "pods"));
	ck_assert_str_eq(find(catalog, "deployments.apps")->kind, "Deployment");
	ck_assert(find(catalog, "deployments.apps")->has_scale);
	ck_assert_str_eq(find(catalog, "rollbacks.apps")->version, "v1beta1");
	ck_assert_uint_eq(catalog->partial->len, 1);
	ck_assert_str_eq(g_ptr_array_index(catalog->partial, 0),
		"metrics.k8s.io/v1beta1: 503 \\x1B[31mService Unavailable");
	source_catalog_free(catalog);
}
END_TEST

START_TEST (content_types) {
	ck_assert(api_discovery_is_aggregated(
		"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"));
	ck_assert(api_discovery_is_aggregated(
		"application/json; as=APIGroupDiscoveryList; v=v2beta1; g=apidiscovery.k8s.io"));
	ck_assert(!api_discovery_is_aggregated("application/json"));
	ck_assert(!api_discovery_is_aggregated("application/json;charset=utf-8"));
	ck_assert(!api_discovery_is_aggregated(""));
}
END_TEST

START_TEST (garbage_is_refused) {
	static const char *const documents[] = {
		"",
		"nonsense",
		"[]",
		"{}",
		"null",
		"{\"kind\":7}",
		"{\"kind\":\"Status\",\"message\":\"no\"}",
	};
	struct api_discovery *discovery = api_discovery_create();
	struct api_version *version;
	struct source_catalog *catalog;

	add(discovery, api_discovery_add_groups,
		"{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}");
	version = want(discovery, "v1");
	for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
		const char *json = documents[i];

		ck_assert_int_eq(
			api_discovery_add_aggregated(discovery, json, strlen(json), NULL), -EPROTO);
		ck_assert_int_eq(
			api_discovery_add_groups(discovery, json, strlen(json), NULL), -EPROTO);
		ck_assert_int_eq(
			api_discovery_add_resources(discovery, version, json, strlen(json), NULL),
			-EPROTO);
	}
	/* Of the right kind, but with members of wrong types: nothing is found in them. */
	add(discovery, api_discovery_add_aggregated,
		"{\"kind\":\"APIGroupDiscoveryList\",\"items\":{\"a\":3,\"b\":[],\"c\":{"
		"\"versions\":[7,"
		"{\"version\":{}},{\"version\":\"v1\",\"resources\":[null,{\"resource\":[],"
		"\"responseKind\":\"x\",\"verbs\":\"get\"}]}]}}}");
	add(discovery, api_discovery_add_groups,
		"{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":1,\"versions\":7},[]]}");
	answer(discovery, version,
		"{\"kind\":\"APIResourceList\",\"resources\":[1,{\"name\":{}}]}");
	catalog = api_discovery_finish(discovery);
	ck_assert_uint_eq(catalog->resources->len, 0);
	source_catalog_free(catalog);
}
END_TEST

START_TEST (urls_are_escaped) {
	struct resource roles = {
		.group = (char *)"rbac.authorization.k8s.io",
		.version = (char *)"v1",
		.plural = (char *)"roles",
		.namespaced = TRUE,
	};
	struct source_scope scope = {&roles, "kube-system", "system:a b?#&\xc3\xa9"};
	g_autoptr(GError) error = NULL;
	char *url = kubernetes_url_object(&scope, NULL);
	GString *query = g_string_new("/api/v1/pods");

	ck_assert_str_eq(url, "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles/"
			      "system%3Aa%20b%3F%23%26%C3%A9");
	g_free(url);
	url = kubernetes_url_collection(&scope, NULL);
	ck_assert_str_eq(url, "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles");
	g_free(url);
	scope.namespace = NULL;
	url = kubernetes_url_collection(&scope, NULL);
	ck_assert_str_eq(url, "/apis/rbac.authorization.k8s.io/v1/roles");
	g_free(url);

	kubernetes_url_add(query, "watch", "true");
	kubernetes_url_add_name(query, "a=b,c\\d");
	ck_assert_str_eq(query->str,
		"/api/v1/pods?watch=true&fieldSelector=metadata.name%3Da%5C%3Db%5C%2Cc%5C%5Cd");
	g_string_free(query, TRUE);

	/* A slash would reach another object or a subresource. */
	scope.name = "a/status";
	ck_assert_ptr_null(kubernetes_url_object(&scope, &error));
	ck_assert_int_eq(error->code, ENOENT);
	ck_assert_str_eq(error->message, "there can be no object named \"a/status\"");
	scope.name = "a";
	scope.namespace = "..";
	ck_assert_ptr_null(kubernetes_url_collection(&scope, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_discovery");
	TCase *tests = tcase_create("api_discovery");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, aggregated_documents_become_a_catalog);
	tcase_add_test(tests, plain_documents_become_a_catalog);
	tcase_add_test(tests, content_types);
	tcase_add_test(tests, garbage_is_refused);
	tcase_add_test(tests, urls_are_escaped);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
