/* kubefs/connect.h: the switches of contexts, once it is known which are mounted. */
#include "kubefs/connect.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/temporary.h"

#define CLUSTER(name) "- name: " name "\n  context: {cluster: k, user: u}\n"
#define ARN "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
#define OPENSHIFT "default/api-example-com:6443/admin"
#define CONFIG                                                                                     \
	"apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts:\n" CLUSTER("a") CLUSTER("b")  \
		CLUSTER("a:b") CLUSTER(ARN) CLUSTER(OPENSHIFT) "clusters: [{name: k, cluster: "    \
							       "{server: \"http://10.0.0.1\"}}]\n" \
							       "users: [{name: u, user: {}}]\n"

struct fixture {
	struct engine engine;
	struct filesystem *filesystem;
	GPtrArray *connections;
	struct options options;
};

static void unref_connection(void *connection)
{
	connection_unref(connection);
}

/* Loads the contexts as with these words on the command line. */
static int load(struct fixture *fixture, const char *words, GError **error)
{
	g_autofree char *config = temporary_write("config", CONFIG, 0600);
	g_autofree char *line = g_strdup_printf("kubefs --kubeconfig %s %s /tmp", config, words);
	g_auto(GStrv) argv = g_strsplit(line, " ", -1);
	int r = options_parse((int)g_strv_length(argv), argv, &fixture->options, error);

	engine_init(&fixture->engine, 1);
	fixture->filesystem = filesystem_create(fixture->engine.loop, fixture->engine.pool);
	fixture->connections = g_ptr_array_new_with_free_func(unref_connection);
	if (r == 0)
		r = connect_load(
			fixture->filesystem, &fixture->options, fixture->connections, error);
	return r;
}

static void unload(struct fixture *fixture)
{
	engine_finish(&fixture->engine);
	filesystem_destroy(fixture->filesystem);
	g_ptr_array_unref(fixture->connections);
	options_finish(&fixture->options);
}

/* "a b=ro,dry ..." in the order of the mount. */
static void expect(const char *words, const char *wanted)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	struct fixture fixture;

	ck_assert_msg(load(&fixture, words, &error) == 0, "%s: %s", words,
		error != NULL ? error->message : "no message");
	for (guint i = 0; i < fixture.filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(fixture.filesystem->contexts, i);

		g_string_append_printf(text, "%s%s%s%s", i > 0 ? " " : "", context->name,
			context->read_only ? "=ro" : "", context->dry_run ? "=dry" : "");
	}
	ck_assert_msg(strcmp(text->str, wanted) == 0, "%s: %s", words, text->str);
	unload(&fixture);
}

static void expect_error(const char *words, const char *message)
{
	g_autoptr(GError) error = NULL;
	struct fixture fixture;

	ck_assert_int_eq(load(&fixture, words, &error), -EINVAL);
	ck_assert_int_eq(error->code, EINVAL);
	ck_assert_str_eq(error->message, message);
	unload(&fixture);
}

START_TEST (switches_the_named_contexts) {
	expect("a,b", "a b");
	expect("a,b -o ro=b", "a b=ro");
	expect("a,b -o dry_run=a", "a=dry b");
	expect("a,b -o ro=a:b", "a=ro b=ro");
	expect("a,b -o ro=a,ro=b -o dry_run=b:b", "a=ro b=ro=dry");
	expect("a,b -o dry_run", "a=dry b=dry");
	expect("a,b -o dry_run,dry_run=b", "a=dry b=dry");
	expect("a,b -o ro", "a=ro b=ro");
	/* Of the whole mount alone. */
	expect("a,b -o ro,ro=a,rw", "a=ro b");
	expect("b -o ro=b", "b=ro");
	/* The current one has a name, too. */
	expect("-o dry_run=a", "a=dry");
}
END_TEST

START_TEST (the_mount_stays_writable) {
	struct fixture fixture;

	ck_assert_int_eq(load(&fixture, "a,b -o ro=a:b", NULL), 0);
	ck_assert(!fixture.options.read_only);
	unload(&fixture);
}
END_TEST

START_TEST (names_may_hold_colons) {
	expect("a," ARN " -o ro=" ARN, "a " ARN "=ro");
	expect("a," ARN "," OPENSHIFT " -o ro=" ARN ",ro=" OPENSHIFT ",dry_run=a",
		"a=dry " ARN "=ro " OPENSHIFT "=ro");
	/* A whole name comes first. */
	expect("a,b,a:b -o ro=a:b", "a b a:b=ro");
	expect("a,b -o ro=a:b", "a=ro b=ro");
	expect("all -o dry_run=" OPENSHIFT, "a a:b " ARN " b " OPENSHIFT "=dry");
}
END_TEST

START_TEST (refuses_what_is_not_mounted) {
	expect_error("a -o ro=b", "-o ro=b: context \"b\" is not mounted");
	expect_error("a -o ro=a:b", "-o ro=a:b: context \"b\" is not mounted");
	expect_error("a,b -o read_only=c", "-o ro=c: context \"c\" is not mounted");
	expect_error("a -o dry_run=typo", "-o dry_run=typo: context \"typo\" is not mounted");
	expect_error("a -o ro=a:", "-o ro=a:: context \"\" is not mounted");
	expect_error("a -o ro=" ARN, "-o ro=" ARN ": context \"arn\" is not mounted");
	expect_error("a -o ro=", "-o ro: a context is missing");
	expect_error("a -o dry_run=", "-o dry_run: a context is missing");
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, temporary_create, temporary_destroy);
	tcase_add_test(tcase, switches_the_named_contexts);
	tcase_add_test(tcase, the_mount_stays_writable);
	tcase_add_test(tcase, names_may_hold_colons);
	tcase_add_test(tcase, refuses_what_is_not_mounted);
}

int main(void)
{
	return fixture_run("connect", add);
}
