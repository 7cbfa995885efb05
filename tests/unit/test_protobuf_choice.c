/* cache/protobuf_choice.h */
#include "cache/protobuf_choice.h"

#include "cache/protobuf_table.h"
#include "tests/unit/cache_fixture.h"

static gboolean allows(
	struct protobuf_choice *choice, const char *group, const char *version, const char *kind)
{
	struct resource *resource = fake_resource(group, version, "things", kind);
	gboolean allowed = protobuf_choice_allows(choice, resource);

	resource_unref(resource);
	return allowed;
}

START_TEST (built_in_kinds_of_the_tables_release) {
	struct fake_source *fake = fake_source_create();
	struct source *source = fake_source_get(fake);
	struct protobuf_choice *choice = protobuf_choice_create(source);

	ck_assert(!allows(choice, "", "v1", "Pod"));
	fake_source_set_minor(fake, protobuf_minor);
	ck_assert(allows(choice, "", "v1", "Pod"));
	ck_assert(allows(choice, "apps", "v1", "Deployment"));
	ck_assert(allows(choice, "resource.k8s.io", "v1", "ResourceSlice"));
	ck_assert(!allows(choice, "", "v2", "Pod"));
	ck_assert(!allows(choice, "apps", "v1", "Pod"));
	ck_assert(!allows(choice, "example.com", "v1", "Widget"));
	ck_assert(!allows(NULL, "", "v1", "Pod"));
	protobuf_choice_destroy(choice);
	protobuf_choice_destroy(NULL);
	source->ops->destroy(source);
	fake_source_unref(fake);
}
END_TEST

START_TEST (releases_that_show_objects_alike) {
	struct fake_source *fake = fake_source_create();
	struct source *source = fake_source_get(fake);
	struct protobuf_choice *choice = protobuf_choice_create(source);

	ck_assert_uint_eq(protobuf_minor, 36);
	for (unsigned int minor = 30; minor < 40; minor++) {
		fake_source_set_minor(fake, minor);
		ck_assert_int_eq(allows(choice, "", "v1", "Pod"), minor >= 34 && minor <= 36);
		ck_assert_int_eq(
			allows(choice, "resource.k8s.io", "v1", "ResourceSlice"), minor == 36);
	}
	protobuf_choice_destroy(choice);
	source->ops->destroy(source);
	fake_source_unref(fake);
}
END_TEST

START_TEST (a_refused_kind_stays_refused) {
	struct fake_source *fake = fake_source_create();
	struct source *source = fake_source_get(fake);
	struct protobuf_choice *choice = protobuf_choice_create(source);
	struct resource *pods = fake_resource("", "v1", "pods", "Pod");

	fake_source_set_minor(fake, protobuf_minor);
	ck_assert(protobuf_choice_refuse(choice, pods));
	ck_assert(!protobuf_choice_refuse(choice, pods));
	ck_assert(!protobuf_choice_allows(choice, pods));
	ck_assert(allows(choice, "", "v1", "ConfigMap"));
	resource_unref(pods);
	protobuf_choice_destroy(choice);
	source->ops->destroy(source);
	fake_source_unref(fake);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, built_in_kinds_of_the_tables_release);
	tcase_add_test(tcase, releases_that_show_objects_alike);
	tcase_add_test(tcase, a_refused_kind_stays_refused);
}

int main(void)
{
	return fixture_run("protobuf_choice", add);
}
