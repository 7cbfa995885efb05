/* client/exec_plugin.h and client/subprocess.h, with real programs as plugins (protocol.md 25). */
#include "client/exec_plugin.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/subprocess.h"
#include "tests/unit/temporary.h"

#define CANARY "canary-3f9d2c71e8"
#define JWT "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
#define OWNER "user \"x\" in /config"

#define ANSWER(version, status)                                                                    \
	"{\"apiVersion\":\"client.authentication.k8s.io/" version                                  \
	"\",\"kind\":\"ExecCredential\",\"status\":" status "}"
#define TOKEN "{\"token\":\"" CANARY "\"}"
/* Shell: prints an answer. */
#define PRINT(version, status) "cat <<'END'\n" ANSWER(version, status) "\nEND\n"

static char *command;
static struct exec_plugin plugin;
static struct credentials *credentials;
static GError *failure;
static gint64 wall_now;
static gint64 elapsed_now;

static gint64 read_wall(void *data)
{
	return wall_now;
}

static gint64 read_elapsed(void *data)
{
	return elapsed_now;
}

static const struct credential_clock test_clock = {.wall = read_wall, .elapsed = read_elapsed};

static void pass(gint64 seconds)
{
	wall_now += seconds * G_USEC_PER_SEC;
	elapsed_now += seconds * G_USEC_PER_SEC;
}

static void setup(void)
{
	temporary_create();
	g_setenv("KUBEFS_TEST_DIRECTORY", temporary_directory, TRUE);
	wall_now = 1700000000 * (gint64)G_USEC_PER_SEC;
	plugin = (struct exec_plugin){
		.owner = OWNER, .api_version = EXEC_PLUGIN_V1, .timeout = 20000};
}

static void teardown(void)
{
	credentials = credentials_unref(credentials);
	g_clear_error(&failure);
	g_clear_pointer(&command, g_free);
	temporary_destroy();
}

/* Makes a plugin of a shell script. "$D" is the test's directory. */
static void use_script(const char *script)
{
	g_autofree char *text = g_strconcat("#!/bin/sh\nD=$KUBEFS_TEST_DIRECTORY\n", script, NULL);

	g_free(command);
	command = temporary_write("plugin", text, 0700);
	plugin.command = command;
}

static int refresh(void)
{
	int result;

	if (credentials == NULL)
		ck_assert_int_eq(exec_plugin_create(&plugin, &test_clock, &credentials, NULL), 0);
	g_clear_error(&failure);
	result = credentials_refresh(credentials, &failure);
	ck_assert((failure != NULL) == (result < 0));
	if (failure != NULL) {
		ck_assert_int_eq(failure->code, -result);
		ck_assert_ptr_null(strchr(failure->message, '\n'));
		ck_assert_msg(g_str_has_prefix(failure->message, OWNER), "%s", failure->message);
		ck_assert_msg(strstr(failure->message, CANARY) == NULL, "%s", failure->message);
	}
	return result;
}

static void expect_success(void)
{
	int result = refresh();

	ck_assert_msg(result == 0, "%s", failure != NULL ? failure->message : "");
}

static void expect_failure(int errnum, const char *message)
{
	int result = refresh();

	ck_assert_msg(result == -errnum, "%d %s", result, failure != NULL ? failure->message : "");
	ck_assert_msg(strstr(failure->message, message) != NULL, "%s", failure->message);
}

static void expect_header(const char *header)
{
	struct credential *credential;

	ck_assert_int_eq(credentials_get(credentials, &credential), 0);
	ck_assert_pstr_eq(credential->authorization, header);
	credential_unref(credential);
}

/* What the plugin left in a file; the caller frees it. */
static char *left(const char *name)
{
	g_autofree char *path = temporary_path(name);
	char *text = NULL;

	ck_assert(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

START_TEST (test_token) {
	use_script(PRINT("v1", TOKEN));
	expect_success();
	expect_header("Bearer " CANARY);
}
END_TEST

START_TEST (test_v1beta1) {
	plugin.api_version = EXEC_PLUGIN_V1BETA1;
	use_script(PRINT("v1beta1", TOKEN));
	expect_success();
	expect_header("Bearer " CANARY);
}
END_TEST

/* client-go's decoder takes YAML as well. */
START_TEST (test_yaml) {
	use_script("cat <<'END'\napiVersion: client.authentication.k8s.io/v1\n"
		   "kind: ExecCredential\nstatus:\n  token: " CANARY "\nEND\n");
	expect_success();
	expect_header("Bearer " CANARY);
}
END_TEST

START_TEST (test_certificate) {
	struct credential *credential;

	use_script(PRINT("v1",
		"{\"clientCertificateData\":\"-----BEGIN CERTIFICATE-----\\nMIIB\\n"
		"-----END CERTIFICATE-----\\n\",\"clientKeyData\":\"-----BEGIN RSA PRIVATE "
		"KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----\\n\"}"));
	expect_success();
	expect_header(NULL);
	ck_assert_int_eq(credentials_get(credentials, &credential), 0);
	ck_assert_uint_eq(g_bytes_get_size(credential->certificate), 59);
	ck_assert_ptr_nonnull(credential->key);
	credential_unref(credential);
}
END_TEST

/* No shell looks at the arguments, and argv[0] is the command. */
START_TEST (test_arguments) {
	static const char *const arguments[] = {
		"$(touch $KUBEFS_TEST_DIRECTORY/bad)", "a b", "*", "", "; exit 1", NULL};
	g_autofree char *text = NULL;
	g_autofree char *bad = temporary_path("bad");

	plugin.arguments = arguments;
	use_script("for a in \"$@\"; do printf '[%s]' \"$a\" >> $D/arguments; done\n" PRINT(
		"v1", TOKEN));
	expect_success();
	text = left("arguments");
	ck_assert_str_eq(text, "[$(touch $KUBEFS_TEST_DIRECTORY/bad)][a b][*][][; exit 1]");
	ck_assert(!g_file_test(bad, G_FILE_TEST_EXISTS));
}
END_TEST

START_TEST (test_environment) {
	static const char *const environment[] = {
		"ADDED=one=two", "HOME=/nowhere", "KUBERNETES_EXEC_INFO=mine", "ADDED=last", NULL};
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	g_setenv("INHERITED", "yes", TRUE);
	plugin.environment = environment;
	use_script("env > $D/env\n" PRINT("v1", TOKEN));
	expect_success();
	text = left("env");
	lines = g_strsplit(text, "\n", -1);
	ck_assert(g_strv_contains((const char *const *)lines, "INHERITED=yes"));
	ck_assert(g_strv_contains((const char *const *)lines, "ADDED=last"));
	ck_assert(g_strv_contains((const char *const *)lines, "HOME=/nowhere"));
	ck_assert(g_strv_contains((const char *const *)lines,
		"KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":"
		"\"client.authentication.k8s.io/v1\",\"spec\":{\"interactive\":false}}"));
	g_unsetenv("INHERITED");
}
END_TEST

START_TEST (test_cluster_info) {
	g_autofree char *text = NULL;
	cJSON *json, *cluster;

	plugin.cluster = "{\"server\":\"https://a\",\"config\":{\"audience\":\"b\"}}";
	use_script("printf %s \"$KUBERNETES_EXEC_INFO\" > $D/info\n" PRINT("v1", TOKEN));
	expect_success();
	text = left("info");
	json = cJSON_Parse(text);
	cluster = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "spec"), "cluster");
	ck_assert_str_eq(cJSON_GetObjectItem(cluster, "server")->valuestring, "https://a");
	ck_assert_ptr_nonnull(
		cJSON_GetObjectItem(cJSON_GetObjectItem(cluster, "config"), "audience"));
	cJSON_Delete(json);
}
END_TEST

START_TEST (test_stdin_is_empty) {
	g_autofree char *text = NULL;

	use_script("readlink /proc/$$/fd/0 > $D/stdin; cat >> $D/stdin\n" PRINT("v1", TOKEN));
	expect_success();
	text = left("stdin");
	ck_assert_str_eq(text, "/dev/null\n");
}
END_TEST

START_TEST (test_path) {
	g_autofree char *old = g_strdup(g_getenv("PATH"));
	g_autofree char *path = NULL;
	g_autofree char *here = g_get_current_dir();

	use_script(PRINT("v1", TOKEN));
	plugin.command = "plugin";
	/* What is not executable, and what is not absolute, is passed over. */
	temporary_put("first/plugin", "no program");
	path = g_strdup_printf("%s/first:.::%s:%s", temporary_directory, temporary_directory, old);
	ck_assert_int_eq(chdir(temporary_directory), 0);
	g_setenv("PATH", path, TRUE);
	expect_success();
	expect_header("Bearer " CANARY);
	credentials = credentials_unref(credentials);
	g_setenv("PATH", ".:", TRUE);
	expect_failure(ENOENT, "exec plugin plugin not found");
	ck_assert_int_eq(chdir(here), 0);
	g_setenv("PATH", old, TRUE);
}
END_TEST

START_TEST (test_no_such_command) {
	plugin.command = "kubefs-no-such-plugin";
	plugin.install_hint = "Get it:\n  brew install \x1b[1mfoo\n";
	expect_failure(ENOENT,
		"exec plugin kubefs-no-such-plugin not found: Get it:; brew install \\x1B[1mfoo");
	credentials = credentials_unref(credentials);
	plugin.command = "/no/such/plugin";
	expect_failure(ENOENT, "exec plugin /no/such/plugin not found: Get it:");
	credentials = credentials_unref(credentials);
	plugin.command = "/etc/passwd";
	expect_failure(EACCES, "exec plugin /etc/passwd: Permission denied");
}
END_TEST

START_TEST (test_not_a_program) {
	g_autofree char *path = temporary_write("junk", "\x7fjunk", 0700);

	plugin.command = path;
	expect_failure(ENOEXEC, "junk: Exec format error");
}
END_TEST

START_TEST (test_exit_status) {
	use_script("echo 'please run: foo login' >&2; echo >&2; echo ' again' >&2; exit 3");
	expect_failure(EACCES, "plugin failed with exit status 3: please run: foo login; again");
}
END_TEST

START_TEST (test_signal) {
	use_script("kill -9 $$");
	expect_failure(EACCES, "plugin was killed by signal 9 (Killed)");
}
END_TEST

/* What it printed as a credential must not come back by way of its stderr. */
START_TEST (test_redaction) {
	use_script(PRINT("v1", TOKEN) "echo 'got token=" CANARY " from https://idp.example/login "
				      "and " JWT " for client.authentication.k8s.io/v1' >&2\n"
				      "exit 1");
	expect_failure(EACCES, "https://idp.example/login");
	ck_assert_ptr_nonnull(strstr(failure->message, "got [redacted] from"));
	ck_assert_ptr_nonnull(strstr(failure->message, "for client.authentication.k8s.io/v1"));
	ck_assert_ptr_null(strstr(failure->message, "eyJ"));
}
END_TEST

START_TEST (test_redaction_of_a_key) {
	use_script("echo '-----BEGIN PRIVATE KEY-----' >&2\n"
		   "echo 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7' >&2; exit 1");
	expect_failure(EACCES, "[redacted]");
	ck_assert_ptr_null(strstr(failure->message, "MIIE"));
}
END_TEST

START_TEST (test_escapes_in_stderr) {
	use_script("printf 'a\\033[2Jb\\rc\\377' >&2; exit 1");
	expect_failure(EACCES, ": a\\x1B[2Jb\\x0Dc\\xFF");
}
END_TEST

/* TRUE once the process is gone or a zombie that nobody reaps here. */
static gboolean is_gone(const char *pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%s/stat", pid);
	g_autofree char *text = NULL;

	for (int i = 0; i < 500; i++) {
		g_clear_pointer(&text, g_free);
		if (!g_file_get_contents(path, &text, NULL, NULL) || strstr(text, ") Z") != NULL)
			return TRUE;
		g_usleep(10000);
	}
	return FALSE;
}

START_TEST (test_time_out) {
	g_autofree char *pid = NULL;

	plugin.timeout = 1500;
	use_script("sleep 1000 & echo $! > $D/pid\necho 'enter the code ABCD' >&2; wait");
	expect_failure(ETIMEDOUT, "plugin gave no answer within 2 s: enter the code ABCD");
	pid = left("pid");
	ck_assert(is_gone(g_strstrip(pid)));
}
END_TEST

START_TEST (test_output_limit) {
	use_script("exec yes " CANARY);
	expect_failure(EMSGSIZE, "plugin printed more than 1048576 bytes");
}
END_TEST

START_TEST (test_output_up_to_the_limit) {
	use_script("head -c 1000000 /dev/zero | tr '\\0' ' '\n" PRINT("v1", TOKEN));
	expect_success();
	expect_header("Bearer " CANARY);
}
END_TEST

START_TEST (test_much_stderr) {
	use_script("head -c 3000000 /dev/zero >&2\n" PRINT("v1", TOKEN));
	expect_success();
	expect_header("Bearer " CANARY);
}
END_TEST

/* A helper that stays behind and holds the pipes does not hold us. */
START_TEST (test_left_behind) {
	g_autofree char *pid = NULL;
	gint64 start = g_get_monotonic_time();

	use_script("sleep 1000 & echo $! > $D/pid\n" PRINT("v1", TOKEN));
	expect_success();
	ck_assert_int_lt(g_get_monotonic_time() - start, 10 * (gint64)G_USEC_PER_SEC);
	pid = left("pid");
	ck_assert_int_eq(kill((pid_t)atoi(pid), SIGKILL), 0);
}
END_TEST

static const struct {
	const char *output;
	const char *message;
} answers[] = {
	{"", "did not print an ExecCredential of client.authentication.k8s.io/v1"},
	{"  \n", "did not print an ExecCredential"},
	{CANARY, "did not print an ExecCredential"},
	{"{\"token\":\"" CANARY, "did not print an ExecCredential"},
	{ANSWER("v1", TOKEN) "garbage", "did not print an ExecCredential"},
	{"{\"kind\":\"Pod\",\"apiVersion\":\"client.authentication.k8s.io/v1\"}",
		"did not print an ExecCredential"},
	{ANSWER("v1beta1", TOKEN),
		"configured for client.authentication.k8s.io/v1, it answered with "
		"client.authentication.k8s.io/v1beta1"},
	{ANSWER("v1", "null"), "did not return a status"},
	{ANSWER("v1", "{}"), "neither a token nor a certificate"},
	{ANSWER("v1", "{\"token\":\"\"}"), "neither a token nor a certificate"},
	{ANSWER("v1", "{\"token\":12}"), "token is not a string"},
	{ANSWER("v1", "{\"token\":\"" CANARY "\\r\\nX: y\"}"), "holds a control character"},
	{ANSWER("v1", "{\"token\":\"" CANARY "\",\"clientKeyData\":\"x\"}"),
		"only one of certificate and key"},
	{ANSWER("v1", "{\"clientCertificateData\":\"x\"}"), "only one of certificate and key"},
	{ANSWER("v1", "{\"clientCertificateData\":\"" CANARY "\",\"clientKeyData\":\"x\"}"),
		"clientCertificateData: no PEM certificate"},
	{ANSWER("v1", "{\"token\":\"" CANARY "\",\"expirationTimestamp\":\"tomorrow\"}"),
		"expirationTimestamp is not RFC 3339"},
	{ANSWER("v1", "{\"token\":\"" CANARY "\",\"expirationTimestamp\":12}"),
		"expirationTimestamp is not RFC 3339"},
};

START_TEST (test_bad_answer) {
	g_autofree char *script = g_strdup_printf("cat <<'END'\n%s\nEND\n", answers[_i].output);

	use_script(script);
	expect_failure(EINVAL, answers[_i].message);
}
END_TEST

/* Prints another token at each run. */
#define COUNTING(more)                                                                             \
	"n=$(cat $D/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > $D/n\n"                        \
	"echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\","                               \
	"\"kind\":\"ExecCredential\",\"status\":{\"token\":\"'$n'\"" more "}}'\n"

START_TEST (test_kept_until_it_expires) {
	/* 1700000000 is 2023-11-14T22:13:20Z. */
	use_script(COUNTING(",\"expirationTimestamp\":\"2023-11-14T22:23:20Z\""));
	expect_success();
	expect_success();
	expect_header("Bearer 1");
	pass(599);
	ck_assert(!credentials_needs_refresh(credentials));
	pass(1);
	ck_assert(credentials_needs_refresh(credentials));
	expect_success();
	expect_header("Bearer 2");
}
END_TEST

START_TEST (test_refreshed_on_401) {
	struct credential *credential;

	use_script(COUNTING(""));
	expect_success();
	ck_assert_int_eq(credentials_get(credentials, &credential), 0);
	ck_assert(credentials_invalidate(credentials, credential->generation));
	ck_assert(credentials_needs_refresh(credentials));
	expect_success();
	expect_header("Bearer 2");
	/* Another request that had been sent with the first one. */
	ck_assert(credentials_invalidate(credentials, credential->generation));
	expect_header("Bearer 2");
	credential_unref(credential);
}
END_TEST

static void *refresh_thread(void *data)
{
	int *result = data;

	*result = credentials_refresh(credentials, NULL);
	return NULL;
}

START_TEST (test_one_run_at_a_time) {
	pthread_t threads[8];
	int results[8];
	g_autofree char *runs = NULL;

	use_script("sleep 0.2\n" COUNTING(""));
	ck_assert_int_eq(exec_plugin_create(&plugin, NULL, &credentials, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, refresh_thread, &results[i]);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(results[i], 0);
	}
	expect_header("Bearer 1");
	runs = left("n");
	ck_assert_str_eq(runs, "1\n");
}
END_TEST

START_TEST (test_cancel) {
	g_autofree char *fifo = temporary_path("fifo");
	struct pollfd opened = {.events = POLLIN};
	pthread_t thread;
	int result;

	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	opened.fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(opened.fd, 0);
	use_script("echo > $D/fifo; exec sleep 1000");
	ck_assert_int_eq(exec_plugin_create(&plugin, NULL, &credentials, NULL), 0);
	pthread_create(&thread, NULL, refresh_thread, &result);
	ck_assert_int_eq(poll(&opened, 1, 20000), 1);
	credentials_cancel(credentials);
	pthread_join(thread, NULL);
	close(opened.fd);
	ck_assert_int_eq(result, -ECANCELED);
}
END_TEST

START_TEST (test_unknown_version) {
	plugin.command = "x";
	plugin.api_version = "client.authentication.k8s.io/v1alpha1";
	ck_assert_int_eq(exec_plugin_create(&plugin, NULL, &credentials, &failure), -EINVAL);
	ck_assert_ptr_nonnull(strstr(failure->message, "apiVersion must be"));
}
END_TEST

/* Runs a program and returns what it printed; the caller frees it. */
static char *run(const char *const *argv)
{
	static const char *const environment[] = {NULL};
	const struct subprocess subprocess = {.path = argv[0],
		.argv = argv,
		.envp = environment,
		.timeout = 20000,
		.output_limit = 65536,
		.error_limit = 1024,
		.cancel_fd = -1};
	struct subprocess_result result = {0};
	char *text;

	ck_assert_int_eq(subprocess_run(&subprocess, &result), 0);
	ck_assert_int_eq(result.status, 0);
	text = g_strndup(g_bytes_get_data(result.output, NULL), g_bytes_get_size(result.output));
	subprocess_result_finish(&result);
	return text;
}

/* Nothing of ours is open in a child, not even what lacks O_CLOEXEC. */
START_TEST (test_descriptors) {
	static const char *const argv[] = {"/bin/ls", "/proc/self/fd", NULL};
	int leaky = open("/dev/null", O_RDONLY);
	int high = fcntl(leaky, F_DUPFD, 100);
	g_autofree char *text = run(argv);

	close(leaky);
	close(high);
	/* 3 is the directory that ls reads. */
	ck_assert_str_eq(text, "0\n1\n2\n3\n");
}
END_TEST

START_TEST (test_signals) {
	static const char *const argv[] = {
		"/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status", NULL};
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	text = run(argv);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	lines = g_strsplit(text, "\n", 3);
	ck_assert_str_eq(lines[0], "SigBlk:\t0000000000000000");
	ck_assert(g_str_has_prefix(lines[1], "SigIgn:\t"));
	/* glibc leaves two ignored that it keeps for itself, 32 and 33. */
	ck_assert_uint_eq(
		g_ascii_strtoull(lines[1] + 8, NULL, 16) & ~G_GUINT64_CONSTANT(0x180000000), 0);
}
END_TEST

/* Fields of proc(5) stat: 6 is the session, 7 the terminal. */
START_TEST (test_session) {
	static const char *const argv[] = {"/bin/cat", "/proc/self/stat", NULL};
	g_autofree char *text = run(argv);
	g_auto(GStrv) fields = g_strsplit(text, " ", 8);

	ck_assert_str_eq(fields[5], fields[0]);
	ck_assert_str_eq(fields[6], "0");
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, test_token);
	tcase_add_test(tests, test_v1beta1);
	tcase_add_test(tests, test_yaml);
	tcase_add_test(tests, test_certificate);
	tcase_add_test(tests, test_arguments);
	tcase_add_test(tests, test_environment);
	tcase_add_test(tests, test_cluster_info);
	tcase_add_test(tests, test_stdin_is_empty);
	tcase_add_test(tests, test_path);
	tcase_add_test(tests, test_no_such_command);
	tcase_add_test(tests, test_not_a_program);
	tcase_add_test(tests, test_exit_status);
	tcase_add_test(tests, test_signal);
	tcase_add_test(tests, test_redaction);
	tcase_add_test(tests, test_redaction_of_a_key);
	tcase_add_test(tests, test_escapes_in_stderr);
	tcase_add_test(tests, test_time_out);
	tcase_add_test(tests, test_output_limit);
	tcase_add_test(tests, test_output_up_to_the_limit);
	tcase_add_test(tests, test_much_stderr);
	tcase_add_test(tests, test_left_behind);
	tcase_add_loop_test(tests, test_bad_answer, 0, G_N_ELEMENTS(answers));
	tcase_add_test(tests, test_kept_until_it_expires);
	tcase_add_test(tests, test_refreshed_on_401);
	tcase_add_test(tests, test_one_run_at_a_time);
	tcase_add_test(tests, test_cancel);
	tcase_add_test(tests, test_unknown_version);
	tcase_add_test(tests, test_descriptors);
	tcase_add_test(tests, test_signals);
	tcase_add_test(tests, test_session);
}

int main(void)
{
	Suite *suite = suite_create("exec_plugin");
	TCase *tests = tcase_create("exec_plugin");
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
