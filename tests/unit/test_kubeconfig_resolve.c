/* client/kubeconfig.h: what clusters and users resolve to (protocol.md 24, 25). */
#include "client/kubeconfig.h"

#include "tests/unit/kubeconfig_fixture.h"

/* A literal where a char * is asked for. */
#define T(text) ((char *)(text))

static void expect_certificate(void)
{
	struct credential *credential;

	ck_assert_int_eq(credentials_get(connection->credentials, &credential), 0);
	ck_assert_mem_eq(
		g_bytes_get_data(credential->certificate, NULL), CERTIFICATE, strlen(CERTIFICATE));
	ck_assert_mem_eq(g_bytes_get_data(credential->key, NULL), KEY, strlen(KEY));
	credential_unref(credential);
}

/* Clusters */

static const struct {
	const char *server;
	const char *url; /* NULL: an error */
} servers[] = {
	{"https://10.0.0.1:6443", "https://10.0.0.1:6443"},
	{"https://a.example/", "https://a.example"},
	{"https://a.example/k8s/clusters/c-1/", "https://a.example/k8s/clusters/c-1"},
	{"https://a.example/p?q#f", "https://a.example/p"},
	{"https://[fd00::1]:6443", "https://[fd00::1]:6443"},
	{"http://a.example", "http://a.example"},
	{"10.0.0.1:6443", "http://10.0.0.1:6443"},
	{"localhost:8080", "http://localhost:8080"},
	{"localhost", "http://localhost"},
	{"a.example/path", NULL},
	{"ftp://a.example", NULL},
	{"unix:///x", NULL},
	{"https://", NULL},
	{"https://a b", NULL},
	{"https://me:" CANARY "@a.example", NULL},
	{"https://a.example:port", NULL},
};

START_TEST (test_server) {
	g_autofree char *line = g_strdup_printf("    server: '%s'\n", servers[_i].server);
	g_autofree char *text = g_strdup_printf(CONFIG("%s", "    {}\n"), line);
	int result = use(text);

	if (servers[_i].url == NULL) {
		ck_assert_int_lt(result, 0);
		ck_assert_ptr_nonnull(strstr(failure->message, "cluster \"k\" in /"));
		ck_assert_ptr_nonnull(strstr(failure->message, "server"));
		return;
	}
	ck_assert_msg(result == 0, "%s", failure != NULL ? failure->message : "");
	ck_assert_uint_eq(connection->servers->len, 1);
	ck_assert_str_eq(server(), servers[_i].url);
}
END_TEST

START_TEST (test_cluster_options) {
	g_autofree char *text = g_strdup_printf(
		CONFIG(SERVER "    tls-server-name: name\n    certificate-authority-data: %s\n"
			      "    proxy-url: socks5://me:" CANARY "@proxy:1080\n"
			      "    disable-compression: true\n",
			"    {}\n"),
		certificate_base64);

	expect_used(text);
	ck_assert_str_eq(connection->tls_server_name, "name");
	ck_assert_mem_eq(g_bytes_get_data(connection->ca, NULL), CERTIFICATE, strlen(CERTIFICATE));
	ck_assert(!connection->insecure_skip_tls_verify);
	ck_assert(connection->disable_compression);
	/* Go leaves the resolving of names to the proxy. */
	ck_assert_str_eq(connection->proxy_url, "socks5h://me:" CANARY "@proxy:1080");
	expect_used(CONFIG(SERVER "    insecure-skip-tls-verify: yes\n"
				  "    proxy-url: http://proxy\n    extensions: [{name: x}]\n",
		"    {}\n"));
	ck_assert(connection->insecure_skip_tls_verify);
	ck_assert_ptr_null(connection->ca);
	ck_assert_ptr_null(connection->tls_server_name);
	ck_assert(!connection->disable_compression);
	ck_assert_str_eq(connection->proxy_url, "http://proxy");
}
END_TEST

static const struct {
	const char *options;
	int errnum;
	const char *message;
} bad_clusters[] = {
	{"    {}\n", EINVAL, "it has no server"},
	{"    server: 12\n", EINVAL, "config:10: server of cluster \"k\" must be a string"},
	{SERVER "    insecure-skip-tls-verify: 'true'\n", EINVAL,
		"config:11: insecure-skip-tls-verify of cluster \"k\" must be true or false"},
	{SERVER "    certificate-authority: missing.crt\n", ENOENT, "missing.crt: No such file"},
	{SERVER "    certificate-authority: config\n", EINVAL,
		"certificate-authority: no PEM certificate"},
	{SERVER "    certificate-authority-data: '" CANARY "!'\n", EINVAL,
		"config:11: certificate-authority-data of cluster \"k\" must be base64"},
	{SERVER "    certificate-authority-data: Zm9v\n", EINVAL,
		"certificate-authority-data: no PEM certificate"},
	{SERVER "    certificate-authority: a\n    certificate-authority-data: Zm9v\n", EINVAL,
		"exclude each other"},
	{SERVER "    certificate-authority: ca.crt\n    insecure-skip-tls-verify: true\n", EINVAL,
		"exclude each other"},
	{SERVER "    proxy-url: proxy:8080\n", EINVAL, "proxy-url must begin with"},
	{SERVER "    proxy-url: ftp://" CANARY "@proxy\n", EINVAL, "proxy-url must begin with"},
	{SERVER "    proxy-url: 'http://'\n", EINVAL, "proxy-url has no host"},
	{SERVER "    proxy-url: 'http:// " CANARY "'\n", EINVAL, "proxy-url is not a URL"},
	{SERVER "    insecure-skip-tls-verfy: true\n", ENOTSUP,
		"option insecure-skip-tls-verfy is not supported"},
};

START_TEST (test_bad_cluster) {
	g_autofree char *text = g_strdup_printf(CONFIG("%s", "    {}\n"), bad_clusters[_i].options);

	temporary_put("ca.crt", CERTIFICATE);
	expect_message(use(text), bad_clusters[_i].errnum, bad_clusters[_i].message);
	ck_assert_ptr_nonnull(strstr(failure->message, "cluster \"k\""));
	ck_assert_ptr_nonnull(strstr(failure->message, path));
}
END_TEST

/* Users */

static const struct {
	const char *user;
	const char *header;
} users[] = {
	{"    {}\n", NULL},
	{"    token: abc\n", "Bearer abc"},
	{"    token: abc\n    tokenFile: /no/such/file\n", "Bearer abc"},
	{"    tokenFile: token\n", "Bearer from-file"},
	{"    token: ''\n    tokenFile: token\n", "Bearer from-file"},
	{"    username: Aladdin\n    password: open sesame\n",
		"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
	{"    username: a\n", "Basic YTo="},
	{"    token: abc\n    exec: {command: /no/such, apiVersion: x}\n", "Bearer abc"},
	{"    token: abc\n    auth-provider: null\n    nonsense: null\n", "Bearer abc"},
};

START_TEST (test_user) {
	g_autofree char *text = g_strdup_printf(CONFIG(SERVER, "%s"), users[_i].user);

	temporary_put("token", "from-file\n");
	expect_used(text);
	expect_header(users[_i].header);
}
END_TEST

/* The names below a directory, to see that nothing appears. */
static unsigned int count_files(void)
{
	GDir *directory = g_dir_open(temporary_directory, 0, NULL);
	unsigned int count = 0;

	while (g_dir_read_name(directory) != NULL)
		count++;
	g_dir_close(directory);
	return count;
}

START_TEST (test_client_certificate) {
	g_autofree char *inline_data =
		g_strdup_printf(CONFIG(SERVER, "    client-certificate-data: %s\n"
					       "    client-key-data: %s\n    token: abc\n"),
			certificate_base64, key_base64);

	expect_used(inline_data);
	expect_certificate();
	expect_header("Bearer abc");
	ck_assert_uint_eq(count_files(), 1);
	temporary_put("tls.crt", CERTIFICATE);
	temporary_put("tls.key", KEY);
	expect_used(CONFIG(SERVER, "    client-certificate: tls.crt\n    client-key: tls.key\n"));
	expect_certificate();
	expect_header(NULL);
}
END_TEST

static const struct {
	const char *options;
	int errnum;
	const char *message;
} bad_users[] = {
	{"    auth-provider: {name: gcp, config: {access-token: " CANARY "}}\n", ENOTSUP,
		"auth-provider \"gcp\" is not supported"},
	{"    token: abc\n    auth-provider: {name: oidc}\n", ENOTSUP, "auth-provider \"oidc\""},
	{"    password-file: x\n", ENOTSUP, "option password-file is not supported"},
	{"    token: 123\n", EINVAL, "config:14: token of user \"u\" must be a string"},
	{"    token: \"" CANARY "\\n\"\n", EINVAL, "token holds a control character"},
	{"    token: abc\n    username: x\n", EINVAL, "exclude each other"},
	{"    tokenFile: token\n    password: " CANARY "\n", EINVAL, "exclude each other"},
	{"    tokenFile: missing\n", ENOENT, "missing: No such file"},
	{"    tokenFile: empty\n", EINVAL, "empty: no token in it"},
	{"    username: 'a:b'\n", EINVAL, "username or password cannot be sent"},
	{"    client-certificate: tls.crt\n", EINVAL, "client-certificate needs a client-key"},
	{"    client-key: tls.key\n", EINVAL, "client-key needs a client-certificate"},
	{"    client-certificate: missing\n    client-key: tls.key\n", ENOENT,
		"client-certificate /"},
	{"    client-certificate: tls.crt\n    client-key: missing\n", ENOENT, "client-key /"},
	{"    client-certificate: tls.key\n    client-key: tls.key\n", EINVAL,
		"tls.key: no PEM certificate"},
	{"    client-certificate: tls.crt\n    client-certificate-data: Zm9v\n", EINVAL,
		"client-certificate and client-certificate-data exclude each other"},
	{"    client-key: tls.crt\n    client-key-data: Zm9v\n", EINVAL,
		"client-key and client-key-data exclude each other"},
	{"    client-key-data: '" CANARY "'\n", EINVAL,
		"client-key-data of user \"u\" must be base64"},
	{"    exec: " CANARY "\n", EINVAL, "config:14: exec of user \"u\" must be a mapping"},
	{"    as-uid: '12'\n", EINVAL, "need a user to impersonate (as)"},
	{"    as-groups: [a]\n", EINVAL, "need a user to impersonate (as)"},
	{"    as-user-extra: {a: [b]}\n", EINVAL, "need a user to impersonate (as)"},
	{"    as: a\n    as-groups: b\n", EINVAL, "as-groups of user \"u\" must be a sequence"},
	{"    as: a\n    as-groups: [[b]]\n", EINVAL,
		"as-groups of user \"u\" must be a sequence of strings"},
	{"    as: a\n    as-user-extra: {\"b\\e\": c}\n", EINVAL,
		"b\\x1B of user \"u\" must be a sequence"},
	{"    as: \"a\\nX: y\"\n", EINVAL, "a control character in what is to be impersonated"},
};

START_TEST (test_bad_user) {
	g_autofree char *text = g_strdup_printf(CONFIG(SERVER, "%s"), bad_users[_i].options);

	temporary_put("tls.crt", CERTIFICATE);
	temporary_put("tls.key", KEY);
	temporary_put("token", CANARY);
	temporary_put("empty", "\n");
	expect_message(use(text), bad_users[_i].errnum, bad_users[_i].message);
	ck_assert_ptr_nonnull(strstr(failure->message, "user \"u\""));
	ck_assert_ptr_nonnull(strstr(failure->message, path));
}
END_TEST

/* client-go sends no credentials without TLS; impersonation it does. */
START_TEST (test_no_credentials_without_tls) {
	expect_used(CONFIG("    server: http://localhost:8001\n", "    token: " CANARY "\n"
								  "    as: someone\n"));
	expect_header(NULL);
	ck_assert_str_eq(connection->impersonation.user, "someone");
}
END_TEST

static const struct connection_extra *extra(unsigned int index)
{
	ck_assert_uint_lt(index, connection->impersonation.extras->len);
	return connection->impersonation.extras->pdata[index];
}

START_TEST (test_impersonation) {
	char *groups[] = {T("g3"), NULL};
	char *extras[] = {T("scopes=c=d"), T("new=e"), T("scopes=f"), NULL};
	const struct kubeconfig_overrides none = {0};
	const struct kubeconfig_overrides user = {.as = "other"};
	const struct kubeconfig_overrides all = {
		.as = "other", .as_uid = "9", .as_groups = groups, .as_user_extra = extras};

	expect_used(CONFIG(SERVER, "    as: someone\n    as-uid: '7'\n    as-groups: [g1, g2]\n"
				   "    as-user-extra: {scopes: [a, b], Reason: [x]}\n"));
	expect_resolved(NULL, &none);
	ck_assert_str_eq(connection->impersonation.user, "someone");
	ck_assert_str_eq(connection->impersonation.uid, "7");
	ck_assert_str_eq(connection->impersonation.groups[0], "g1");
	ck_assert_str_eq(connection->impersonation.groups[1], "g2");
	ck_assert_ptr_null(connection->impersonation.groups[2]);
	ck_assert_uint_eq(connection->impersonation.extras->len, 3);
	ck_assert_str_eq(extra(1)->key, "scopes");
	ck_assert_str_eq(extra(1)->value, "b");
	ck_assert_str_eq(extra(2)->key, "Reason");
	/* The command line's fields win one by one, as kubectl's do. */
	expect_resolved(NULL, &user);
	ck_assert_str_eq(connection->impersonation.user, "other");
	ck_assert_str_eq(connection->impersonation.groups[0], "g1");
	expect_resolved(NULL, &all);
	ck_assert_str_eq(connection->impersonation.uid, "9");
	ck_assert_str_eq(connection->impersonation.groups[0], "g3");
	ck_assert_ptr_null(connection->impersonation.groups[1]);
	ck_assert_uint_eq(connection->impersonation.extras->len, 4);
	ck_assert_str_eq(extra(0)->key, "Reason");
	ck_assert_str_eq(extra(1)->value, "c=d");
	ck_assert_str_eq(extra(2)->key, "new");
	ck_assert_str_eq(extra(3)->value, "f");
}
END_TEST

START_TEST (test_bad_overrides) {
	char *groups[] = {T("g"), NULL};
	char *extras[] = {T("novalue"), NULL};
	char *urls[] = {T("https://a"), T("nonsense://b"), NULL};
	const struct kubeconfig_overrides lonely = {.as_groups = groups};
	const struct kubeconfig_overrides extra_form = {.as = "a", .as_user_extra = extras};
	const struct kubeconfig_overrides control = {.as = "a\nb"};
	const struct kubeconfig_overrides url = {.servers = urls};

	expect_used(CONFIG(SERVER, "    token: " CANARY "\n"));
	expect_message(resolve(NULL, &lonely), EINVAL, "need a user to impersonate");
	expect_message(resolve(NULL, &extra_form), EINVAL, "--as-user-extra: it must be KEY=VALUE");
	expect_message(resolve(NULL, &control), EINVAL, "a control character");
	expect_message(resolve(NULL, &url), EINVAL, "the command line: server");
}
END_TEST

START_TEST (test_server_overrides) {
	char *urls[] = {T("https://a:1/"), T("https://b:2"), NULL};
	const struct kubeconfig_overrides other = {.servers = urls};
	const struct kubeconfig_overrides named = {.servers = urls, .tls_server_name = "there"};

	expect_used(CONFIG(SERVER "    tls-server-name: here\n", "    token: abc\n"));
	expect_resolved(NULL, &other);
	ck_assert_uint_eq(connection->servers->len, 2);
	ck_assert_str_eq(connection->servers->pdata[0], "https://a:1");
	ck_assert_str_eq(connection->servers->pdata[1], "https://b:2");
	/* kubectl: a --server makes the file's name void. */
	ck_assert_ptr_null(connection->tls_server_name);
	expect_header("Bearer abc");
	expect_resolved(NULL, &named);
	ck_assert_str_eq(connection->tls_server_name, "there");
	/* One that would show the token to the network. */
	urls[1] = T("http://b:2");
	expect_resolved(NULL, &other);
	expect_header(NULL);
}
END_TEST

/* Plugins */

static const struct {
	const char *exec; /* a flow mapping */
	int errnum;
	const char *message;
} bad_plugins[] = {
	{"{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}", EINVAL,
		"exec: command must be given"},
	{"{command: x}", EINVAL, "exec: apiVersion must be given"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1alpha1}", ENOTSUP,
		"apiVersion client.authentication.k8s.io/v1alpha1 is not supported"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1}", EINVAL,
		"interactiveMode must be given"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Maybe}",
		EINVAL, "unknown interactiveMode \"Maybe\""},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}",
		ENOTSUP, "interactiveMode Always: the plugin needs a terminal"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1beta1, interactiveMode: Always}",
		ENOTSUP, "interactiveMode Always"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1beta1, env: [{value: " CANARY
	 "}]}",
		EINVAL, "an env without a usable name"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1beta1, env: {a: b}}", EINVAL,
		"config:14: env of user \"u\" must be a sequence"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1beta1, args: [1]}", EINVAL,
		"args of user \"u\" must be a sequence of strings"},
	{"{command: x, apiVersion: client.authentication.k8s.io/v1beta1, shell: true}", ENOTSUP,
		"option shell is not supported"},
};

START_TEST (test_bad_plugin) {
	g_autofree char *text =
		g_strdup_printf(CONFIG(SERVER, "    exec: %s\n"), bad_plugins[_i].exec);

	expect_message(use(text), bad_plugins[_i].errnum, bad_plugins[_i].message);
	ck_assert_ptr_nonnull(strstr(failure->message, "user \"u\""));
	ck_assert_ptr_nonnull(strstr(failure->message, path));
}
END_TEST

/* A plugin beside its kubeconfig, and what it is told of the cluster. */
START_TEST (test_plugin) {
	g_autofree char *info = temporary_path("info");
	g_autofree char *text = g_strdup_printf(
		CONFIG(SERVER "    tls-server-name: name\n    certificate-authority: ca.crt\n"
			      "    proxy-url: socks5://proxy\n    disable-compression: true\n"
			      "    extensions:\n"
			      "    - {name: other, extension: {a: b}}\n"
			      "    - name: client.authentication.k8s.io/exec\n"
			      "      extension: {audience: [x, 9007199254740993, yes]}\n",
			"    exec:\n      command: bin/plugin\n      args: ['%s']\n"
			"      env: [{name: NAME, value: abc}]\n      provideClusterInfo: true\n"
			"      apiVersion: client.authentication.k8s.io/v1\n"
			"      interactiveMode: IfAvailable\n"),
		info);
	g_autofree char *expected = g_strdup_printf(
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
		"\"spec\":{\"cluster\":{\"server\":\"https://10.0.0.1:6443\","
		"\"tls-server-name\":\"name\",\"certificate-authority-data\":\"%s\","
		"\"proxy-url\":\"socks5://proxy\",\"disable-compression\":true,"
		"\"config\":{\"audience\":[\"x\",9007199254740993,true]}},\"interactive\":false}}",
		certificate_base64);
	g_autofree char *told = NULL;

	g_free(temporary_write("bin/plugin",
		"#!/bin/sh\nprintf %s \"$KUBERNETES_EXEC_INFO\" > \"$1\"\n"
		"echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\","
		"\"kind\":\"ExecCredential\",\"status\":{\"token\":\"'$NAME'\"}}'\n",
		0700));
	temporary_put("ca.crt", CERTIFICATE);
	expect_used(text);
	ck_assert(credentials_needs_refresh(connection->credentials));
	ck_assert_int_eq(credentials_refresh(connection->credentials, NULL), 0);
	expect_header("Bearer abc");
	ck_assert(g_file_get_contents(info, &told, NULL, NULL));
	ck_assert_str_eq(told, expected);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_loop_test(tests, test_server, 0, G_N_ELEMENTS(servers));
	tcase_add_test(tests, test_cluster_options);
	tcase_add_loop_test(tests, test_bad_cluster, 0, G_N_ELEMENTS(bad_clusters));
	tcase_add_loop_test(tests, test_user, 0, G_N_ELEMENTS(users));
	tcase_add_test(tests, test_client_certificate);
	tcase_add_loop_test(tests, test_bad_user, 0, G_N_ELEMENTS(bad_users));
	tcase_add_test(tests, test_no_credentials_without_tls);
	tcase_add_test(tests, test_impersonation);
	tcase_add_test(tests, test_bad_overrides);
	tcase_add_test(tests, test_server_overrides);
	tcase_add_loop_test(tests, test_bad_plugin, 0, G_N_ELEMENTS(bad_plugins));
	tcase_add_test(tests, test_plugin);
}

int main(void)
{
	Suite *suite = suite_create("kubeconfig_resolve");
	TCase *tests = tcase_create("kubeconfig_resolve");
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
