/* client/kubeconfig.h: finding and merging files, contexts, pods (protocol.md 23, 26). */
#include "client/kubeconfig.h"

#include <unistd.h>

#include "tests/unit/kubeconfig_fixture.h"

/* Finding and merging */

START_TEST (test_explicit_path) {
	g_autofree char *other = temporary_write(
		"other", "contexts: [{name: o, context: {}}]\ncurrent-context: o\n", 0600);

	expect_used(CONFIG(SERVER, "    token: " CANARY "\n"));
	/* That file alone. */
	places.list = other;
	expect_loaded();
	ck_assert_str_eq(kubeconfig_contexts(config)[0], "c");
	ck_assert_ptr_null(kubeconfig_contexts(config)[1]);
	places.explicit_path = "/no/such/file";
	expect_message(load(), ENOENT, "kubeconfig /no/such/file: No such file or directory");
	places.explicit_path = temporary_directory;
	expect_message(load(), EISDIR, "Is a directory");
}
END_TEST

START_TEST (test_home) {
	g_autofree char *file = temporary_path(".kube/config");

	expect_message(load(), ENOENT, file);
	expect_message(load(), ENOENT, "and this is not a pod");
	temporary_put(".kube/config", CONFIG(SERVER, "    {}\n"));
	expect_loaded();
	ck_assert_str_eq(kubeconfig_current_context(config), "c");
	/* An empty $KUBECONFIG is none. */
	places.list = "";
	expect_loaded();
	ck_assert_str_eq(kubeconfig_current_context(config), "c");
	places.list = "/no/such/file";
	expect_message(load(), ENOENT, "none in /no/such/file");
}
END_TEST

START_TEST (test_environment) {
	g_autofree char *file = temporary_write("f", CONFIG(SERVER, "    {}\n"), 0600);
	g_autofree char *old = g_strdup(g_getenv("KUBECONFIG"));

	g_setenv("KUBECONFIG", file, TRUE);
	ck_assert_int_eq(kubeconfig_load(NULL, &config, NULL), 0);
	ck_assert_str_eq(kubeconfig_current_context(config), "c");
	g_unsetenv("KUBECONFIG");
	if (old != NULL)
		g_setenv("KUBECONFIG", old, TRUE);
}
END_TEST

static const char first[] = "current-context: ''\n"
			    "contexts:\n"
			    "- {name: both, context: {cluster: both, user: both}}\n"
			    "- {name: one, context: {cluster: two, user: one, namespace: n1}}\n"
			    "clusters:\n"
			    "- {name: both, cluster: {server: 'https://first'}}\n"
			    "users:\n"
			    "- {name: both, user: {token: first}}\n"
			    "- {name: one, user: {}}\n";
static const char second[] =
	"current-context: both\n"
	"contexts:\n"
	"- {name: both, context: {cluster: two, user: both, namespace: n2}}\n"
	"- {name: two, context: {cluster: two, user: two}}\n"
	"clusters:\n"
	"- {name: both, cluster: {server: 'https://x', tls-server-name: second}}\n"
	"- {name: two, cluster: {server: 'https://second'}}\n"
	"users:\n"
	"- {name: both, user: {username: a, password: b}}\n"
	"- {name: two, user: {token: second}}\n";
static const char third[] = "current-context: two\n"
			    "users: [{name: one, user: {token: third}}]\n";

/* $KUBECONFIG of the three, among what does not count. */
static char *make_list(void)
{
	g_autofree char *a = temporary_write("a/config", first, 0600);
	g_autofree char *b = temporary_write("b/config", second, 0600);
	g_autofree char *c = temporary_write("c/config", third, 0600);
	g_autofree char *empty = temporary_write("empty", "", 0600);
	g_autofree char *comments = temporary_write("comments", "# nothing\n", 0600);

	return g_strdup_printf(":/no/such/file:%s:%s::%s:%s:%s:%s:", empty, a, b, a, comments, c);
}

START_TEST (test_merge) {
	g_autofree char *list = make_list();

	places.list = list;
	expect_loaded();
	ck_assert_str_eq(kubeconfig_contexts(config)[0], "both");
	ck_assert_str_eq(kubeconfig_contexts(config)[1], "one");
	ck_assert_str_eq(kubeconfig_contexts(config)[2], "two");
	ck_assert_ptr_null(kubeconfig_contexts(config)[3]);
	/* The first file that sets it. */
	ck_assert_str_eq(kubeconfig_current_context(config), "both");
	/* The first definer wins whole: nothing of the second shines through. */
	expect_resolved(NULL, NULL);
	ck_assert_str_eq(connection->name, "both");
	ck_assert_str_eq(server(), "https://first");
	ck_assert_ptr_null(connection->tls_server_name);
	ck_assert_str_eq(connection->namespace, "default");
	expect_header("Bearer first");
	/* References go across files. */
	expect_resolved("one", NULL);
	ck_assert_str_eq(server(), "https://second");
	ck_assert_str_eq(connection->namespace, "n1");
	ck_assert_str_eq(kubeconfig_namespace(config, "one"), "n1");
	ck_assert_str_eq(kubeconfig_namespace(config, NULL), "default");
	expect_header(NULL);
	expect_resolved("two", NULL);
	expect_header("Bearer second");
}
END_TEST

START_TEST (test_bad_file_in_list) {
	g_autofree char *list = make_list();
	g_autofree char *bad = temporary_write("bad", "a: [}\n", 0600);
	g_autofree char *with_bad = g_strconcat(list, ":", bad, NULL);
	g_autofree char *where = g_strconcat(bad, ":1: ", NULL);

	places.list = with_bad;
	expect_message(load(), EINVAL, where);
	g_clear_pointer(&with_bad, g_free);
	with_bad = g_strconcat(temporary_directory, ":", list, NULL);
	places.list = with_bad;
	expect_message(load(), EISDIR, temporary_directory);
}
END_TEST

/* Relative paths are relative to the file that holds them, not to where we are. */
START_TEST (test_relative_paths) {
	g_autofree char *here = g_get_current_dir();
	struct credential *credential;

	temporary_put("a/config",
		"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
		"clusters:\n- name: k\n  cluster: {server: 'https://a', "
		"certificate-authority: ca.crt}\n");
	temporary_put("a/ca.crt", CERTIFICATE "a");
	temporary_put("b/c/config", "users:\n- name: u\n  user: {client-certificate: ../tls.crt, "
				    "client-key: ./tls.key, tokenFile: c/token}\n");
	temporary_put("b/tls.crt", CERTIFICATE "b");
	temporary_put("b/c/tls.key", KEY);
	temporary_put("b/c/c/token", "token\n");
	ck_assert_int_eq(chdir(temporary_directory), 0);
	places.list = "a/config:b/c/config";
	expect_loaded();
	ck_assert_int_eq(chdir(here), 0);
	expect_resolved(NULL, NULL);
	ck_assert_mem_eq(
		g_bytes_get_data(connection->ca, NULL), CERTIFICATE "a", strlen(CERTIFICATE "a"));
	ck_assert_int_eq(credentials_get(connection->credentials, &credential), 0);
	ck_assert_mem_eq(g_bytes_get_data(credential->certificate, NULL), CERTIFICATE "b",
		strlen(CERTIFICATE "b"));
	ck_assert_str_eq(credential->authorization, "Bearer token");
	credential_unref(credential);
}
END_TEST

/* What is wrong with a file, and how it is told. */
static const struct {
	const char *text;
	const char *message;
} bad_files[] = {
	{"a: [1\nb: 2\n", "config:2: "},
	{"a: b: " CANARY "\n", "config:1: "},
	{"\ttabs: no\n", "config:1: "},
	{CANARY, "config:1: a kubeconfig must be a mapping"},
	{"- " CANARY "\n", "config:1: a kubeconfig must be a mapping"},
	{"apiVersion: v2\n", "kind and apiVersion must be Config and v1"},
	{"kind: Pod\napiVersion: v1\n", "kind and apiVersion must be Config and v1"},
	{"kind: 1\n", "config:1: kind must be a string"},
	{"\ncurrent-context: 12\n", "config:2: current-context must be a string"},
	{"users:\n  u: {token: " CANARY "}\n", "config:2: users must be a sequence"},
	{"users:\n- " CANARY "\n", "config:2: an item of users must be a mapping"},
	{"users:\n- name: 1\n", "config:2: the name of a user must be a string"},
	{"users:\n- name: a\n  user: " CANARY "\n", "config:2: user must be a mapping"},
	{"users:\n- name: a\n- name: b\n- name: a\n", "config:4: a second user \"a\""},
	{"contexts: []\n", "no kubeconfig context: none in /"},
	{"", "no kubeconfig context: none in /"},
};

START_TEST (test_bad_file) {
	ck_assert_int_lt(use(bad_files[_i].text), 0);
	ck_assert_msg(
		strstr(failure->message, bad_files[_i].message) != NULL, "%s", failure->message);
	ck_assert_ptr_nonnull(strstr(failure->message, path));
}
END_TEST

/* Contexts */

START_TEST (test_missing_references) {
	expect_message(use("contexts: [{name: a, context: {}}, {name: b}]\n"), ENOENT,
		"no current-context in /");
	ck_assert_ptr_nonnull(strstr(failure->message, "choose one of: a, b"));
	ck_assert_ptr_null(kubeconfig_current_context(config));
	expect_message(resolve("x\x1b", NULL), ENOENT, "no context \"x\\x1B\" in /");
	expect_message(resolve("a", NULL), ENOENT, "context \"a\" in /");
	ck_assert_ptr_nonnull(strstr(failure->message, "it names no cluster"));
	expect_message(resolve("b", NULL), ENOENT, "it names no cluster");
	expect_message(use("current-context: gone\ncontexts: [{name: a}]\n"), ENOENT,
		"no context \"gone\" in /");
	expect_message(use("current-context: a\ncontexts: [{name: a, context: {cluster: k}}]\n"),
		ENOENT, "there is no cluster \"k\"");
	expect_message(use("current-context: a\ncontexts: [{name: a, context: {cluster: k, user: "
			   "u}}]\nclusters: [{name: k, cluster: {server: 'https://a'}}]\n"),
		ENOENT, "there is no user \"u\"");
	ck_assert_ptr_nonnull(strstr(failure->message, path));
	/* A context without a user is anonymous. */
	expect_used("current-context: a\ncontexts: [{name: a, context: {cluster: k}}]\n"
		    "clusters: [{name: k, cluster: {server: 'https://a'}}]\n");
	expect_header(NULL);
}
END_TEST

START_TEST (test_namespace) {
	const struct kubeconfig_overrides overrides = {.namespace = "other"};
	const struct kubeconfig_overrides bad = {.namespace = "../x"};

	expect_used("current-context: a\n"
		    "contexts: [{name: a, context: {cluster: k, namespace: mine}},"
		    "{name: b, context: {cluster: k, namespace: A_B}},"
		    "{name: d, context: {cluster: k, namespace: n}}]\n"
		    "clusters: [{name: k, cluster: {server: 'https://a'}}]\n");
	ck_assert_str_eq(connection->namespace, "mine");
	expect_resolved(NULL, &overrides);
	ck_assert_str_eq(connection->namespace, "other");
	expect_message(resolve(NULL, &bad), EINVAL, "namespace \"../x\"");
	expect_message(resolve("b", NULL), EINVAL, "namespace \"A_B\"");
	expect_resolved("b", &overrides);
	/* YAML 1.1's false. */
	expect_message(resolve("d", NULL), EINVAL,
		"config:2: namespace of context \"d\" must be a string");
}
END_TEST

/* In a pod */

static void make_pod(void)
{
	temporary_put("token", "pod-token\n");
	temporary_put("ca.crt", CERTIFICATE);
	temporary_put("namespace", "pod-namespace\n");
	places.pod.host = "10.0.0.1";
	places.pod.port = "443";
}

START_TEST (test_in_cluster) {
	const struct kubeconfig_overrides overrides = {.as = "someone"};

	make_pod();
	expect_loaded();
	ck_assert_str_eq(kubeconfig_contexts(config)[0], KUBECONFIG_IN_CLUSTER);
	ck_assert_ptr_null(kubeconfig_contexts(config)[1]);
	ck_assert_str_eq(kubeconfig_current_context(config), KUBECONFIG_IN_CLUSTER);
	expect_resolved(NULL, &overrides);
	ck_assert_str_eq(server(), "https://10.0.0.1:443");
	ck_assert_str_eq(connection->namespace, "pod-namespace");
	ck_assert_str_eq(connection->impersonation.user, "someone");
	ck_assert_ptr_nonnull(connection->ca);
	expect_header("Bearer pod-token");
	places.pod.host = "fd00::1";
	places.pod.namespace = "set";
	expect_loaded();
	expect_resolved(KUBECONFIG_IN_CLUSTER, NULL);
	ck_assert_str_eq(server(), "https://[fd00::1]:443");
	ck_assert_str_eq(connection->namespace, "set");
}
END_TEST

/* A file that chooses a context comes first; its contexts take the pod's namespace. */
START_TEST (test_file_in_a_pod) {
	make_pod();
	temporary_put(".kube/config", CONFIG(SERVER, "    {}\n"));
	expect_loaded();
	ck_assert_str_eq(kubeconfig_current_context(config), "c");
	ck_assert_ptr_null(kubeconfig_contexts(config)[1]);
	expect_resolved(NULL, NULL);
	ck_assert_str_eq(server(), "https://10.0.0.1:6443");
	ck_assert_str_eq(connection->namespace, "pod-namespace");
	/* One that does not choose leaves the pod's as the current one. */
	temporary_put(".kube/config", "contexts: [{name: x}]\n");
	expect_loaded();
	ck_assert_str_eq(kubeconfig_contexts(config)[0], KUBECONFIG_IN_CLUSTER);
	ck_assert_str_eq(kubeconfig_contexts(config)[1], "x");
	ck_assert_str_eq(kubeconfig_current_context(config), KUBECONFIG_IN_CLUSTER);
	expect_resolved(NULL, NULL);
	/* --kubeconfig is that file alone. */
	expect_message(use("{}"), ENOENT, "no kubeconfig context");
}
END_TEST

START_TEST (test_broken_pod) {
	g_autofree char *ca = NULL;
	g_autofree char *token = NULL;

	make_pod();
	ca = temporary_path("ca.crt");
	token = temporary_path("token");
	expect_loaded();
	ck_assert_int_eq(unlink(ca), 0);
	expect_message(resolve(NULL, NULL), ENOENT, "ca.crt: No such file");
	temporary_put("ca.crt", CERTIFICATE);
	temporary_put("token", "\n");
	expect_message(resolve(NULL, NULL), EINVAL, "token: no token in it");
	ck_assert_int_eq(unlink(token), 0);
	expect_message(load(), ENOENT, "this is not a pod");
	temporary_put("token", "x");
	places.pod.port = "";
	expect_message(load(), ENOENT, "this is not a pod");
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, test_explicit_path);
	tcase_add_test(tests, test_home);
	tcase_add_test(tests, test_environment);
	tcase_add_test(tests, test_merge);
	tcase_add_test(tests, test_bad_file_in_list);
	tcase_add_test(tests, test_relative_paths);
	tcase_add_loop_test(tests, test_bad_file, 0, G_N_ELEMENTS(bad_files));
	tcase_add_test(tests, test_missing_references);
	tcase_add_test(tests, test_namespace);
	tcase_add_test(tests, test_in_cluster);
	tcase_add_test(tests, test_file_in_a_pod);
	tcase_add_test(tests, test_broken_pod);
}

int main(void)
{
	Suite *suite = suite_create("kubeconfig");
	TCase *tests = tcase_create("kubeconfig");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	add_tests(tests);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
