/* cache/rules.h: what a SelfSubjectRulesReview grants; what is unknown counts as granted. */
#include "cache/rules.h"

#include <string.h>

#include "tests/unit/cache_fixture.h"

static struct rules *parse(const char *json)
{
	struct source_item item = {.json = json, .length = strlen(json)};

	return rules_parse(&item);
}

static void expect(const char *resource_rules, const char *rest, gboolean allowed)
{
	g_autofree char *json =
		g_strdup_printf("{\"status\":{\"resourceRules\":%s%s}}", resource_rules, rest);
	struct resource *resource = fake_resource("apps", "v1", "deployments", "Deployment");
	struct rules *rules = parse(json);

	ck_assert_ptr_nonnull(rules);
	ck_assert_msg(rules_allow(rules, resource, NULL, "update") == allowed, "%s", json);
	rules_free(rules);
	resource_unref(resource);
}

START_TEST (grants_what_a_rule_names) {
	expect("[{\"verbs\":[\"get\",\"update\"],\"apiGroups\":[\"apps\"],"
	       "\"resources\":[\"deployments\"]}]",
		"", TRUE);
	expect("[{\"verbs\":[\"*\"],\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}]", "", TRUE);
	/* Some object of it is enough. */
	expect("[{\"verbs\":[\"update\"],\"apiGroups\":[\"apps\"],"
	       "\"resources\":[\"deployments\"],\"resourceNames\":[\"web\"]}]",
		"", TRUE);
	expect("[{\"verbs\":[\"get\"],\"apiGroups\":[\"apps\"],\"resources\":[\"deployments\"]},"
	       "{\"verbs\":[\"update\"],\"apiGroups\":[\"\",\"apps\"],"
	       "\"resources\":[\"pods\",\"deployments\"]}]",
		"", TRUE);
}
END_TEST

START_TEST (denies_what_no_rule_names) {
	expect("[]", "", FALSE);
	expect("[{\"verbs\":[\"get\"],\"apiGroups\":[\"apps\"],\"resources\":[\"deployments\"]}]",
		"", FALSE);
	expect("[{\"verbs\":[\"update\"],\"apiGroups\":[\"\"],\"resources\":[\"deployments\"]}]",
		"", FALSE);
	expect("[{\"verbs\":[\"update\"],\"apiGroups\":[\"apps\"],"
	       "\"resources\":[\"deployments/status\"]}]",
		"", FALSE);
	expect("[{\"verbs\":[\"update\"],\"apiGroups\":[\"apps\"]}]", "", FALSE);
	expect("[1,null,[],{\"verbs\":\"update\",\"apiGroups\":[\"apps\"],"
	       "\"resources\":[\"deployments\"]}]",
		"", FALSE);
	expect("[{\"verbs\":[1,null,{}],\"apiGroups\":[\"apps\"],\"resources\":[\"*\"]}]", "",
		FALSE);
}
END_TEST

/* The resources of a rule; whether it grants the resource and its scale. */
static const struct {
	const char *resources;
	gboolean of_resource;
	gboolean of_scale;
} SUBRESOURCES[] = {
	{"\"deployments\"", TRUE, FALSE},
	{"\"deployments/scale\"", FALSE, TRUE},
	{"\"deployments/status\"", FALSE, FALSE},
	{"\"*/scale\"", FALSE, TRUE},
	{"\"*\"", TRUE, TRUE},
	{"\"deployments\",\"deployments/scale\"", TRUE, TRUE},
	{"\"replicasets/scale\",\"scale\"", FALSE, FALSE},
};

START_TEST (a_subresource_is_a_right_of_its_own) {
	struct resource *resource = fake_resource("apps", "v1", "deployments", "Deployment");
	g_autofree char *json =
		g_strdup_printf("{\"status\":{\"resourceRules\":[{\"verbs\":[\"update\"],"
				"\"apiGroups\":[\"apps\"],\"resources\":[%s]}]}}",
			SUBRESOURCES[_i].resources);
	struct rules *rules = parse(json);

	ck_assert(rules_allow(rules, resource, NULL, "update") == SUBRESOURCES[_i].of_resource);
	ck_assert(rules_allow(rules, resource, "scale", "update") == SUBRESOURCES[_i].of_scale);
	ck_assert(!rules_allow(rules, resource, "scale", "patch"));
	ck_assert(rules_allow(NULL, resource, "scale", "update"));
	rules_free(rules);
	resource_unref(resource);
}
END_TEST

START_TEST (unknown_counts_as_granted) {
	struct resource *resource = fake_resource("", "v1", "pods", "Pod");

	expect("[]", ",\"incomplete\":true", TRUE);
	expect("[]", ",\"incomplete\":false", FALSE);
	ck_assert(rules_allow(NULL, resource, NULL, "update"));
	resource_unref(resource);
}
END_TEST

START_TEST (compares_by_what_they_say) {
	struct rules *a = parse("{\"status\":{\"resourceRules\":[{\"verbs\":[\"get\"]}]}}");
	struct rules *b = parse("{\"metadata\":{},\"status\":{\"resourceRules\":[{\"verbs\":"
				"[\"get\"]}],\"nonResourceRules\":[]}}");
	struct rules *c = parse("{\"status\":{\"resourceRules\":[{\"verbs\":[\"*\"]}]}}");
	struct rules *d = parse("{\"status\":{\"incomplete\":true,\"resourceRules\":[{\"verbs\":"
				"[\"get\"]}]}}");
	struct rules *e = parse("{\"status\":{}}");

	ck_assert(rules_equal(a, b));
	ck_assert(!rules_equal(a, c));
	ck_assert(!rules_equal(a, d));
	ck_assert(!rules_equal(a, e));
	ck_assert(rules_equal(e, e));
	ck_assert(!rules_equal(a, NULL));
	ck_assert(!rules_equal(NULL, a));
	ck_assert(rules_equal(NULL, NULL));
	rules_free(a);
	rules_free(b);
	rules_free(c);
	rules_free(d);
	rules_free(e);
}
END_TEST

START_TEST (takes_nothing_else_for_a_review) {
	static const char *const wrong[] = {
		"",
		"null",
		"[]",
		"{}",
		"{\"status\":null}",
		"{\"status\":[]}",
		"{\"status\":\"Failure\"}",
		"{\"status\":{",
	};

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
		ck_assert_msg(parse(wrong[i]) == NULL, "%s", wrong[i]);
	rules_free(NULL);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, grants_what_a_rule_names);
	tcase_add_test(tcase, denies_what_no_rule_names);
	tcase_add_loop_test(
		tcase, a_subresource_is_a_right_of_its_own, 0, G_N_ELEMENTS(SUBRESOURCES));
	tcase_add_test(tcase, unknown_counts_as_granted);
	tcase_add_test(tcase, compares_by_what_they_say);
	tcase_add_test(tcase, takes_nothing_else_for_a_review);
}

int main(void)
{
	return fixture_run("rules", add);
}
