#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/etcd_connection.h"
#include "client/etcd_url.h"

/* The servers and the prefix, with blanks between. */
static void expect_url(const char *text, const char *wanted)
{
	g_autoptr(GString) found = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	struct etcd_url url = {0};
	gsize length;
	const char *prefix;

	ck_assert_msg(etcd_url_parse(text, &url, &error) == 0, "%s: %s", text,
		error != NULL ? error->message : "");
	for (guint i = 0; i < url.servers->len; i++)
		g_string_append_printf(
			found, "%s ", (const char *)g_ptr_array_index(url.servers, i));
	prefix = g_bytes_get_data(url.prefix, &length);
	g_string_append_len(found, length > 0 ? prefix : "", (gssize)length);
	ck_assert_str_eq(found->str, wanted);
	etcd_url_clear(&url);
}

static void expect_refusal(const char *text, const char *words)
{
	g_autoptr(GError) error = NULL;
	struct etcd_url url = {0};

	ck_assert_msg(etcd_url_parse(text, &url, &error) == -EINVAL, "%s", text);
	ck_assert_int_eq(error->code, EINVAL);
	ck_assert_msg(strstr(error->message, words) != NULL, "%s: %s", text, error->message);
	ck_assert_ptr_null(url.servers);
}

START_TEST (urls_are_taken_apart) {
	expect_url("etcd://h", "http://h:2379 ");
	expect_url("etcd://h:1", "http://h:1 ");
	expect_url("ETCDS://h.example.org:65535/", "https://h.example.org:65535 /");
	expect_url("etcd://a,b:2,10.0.0.3", "http://a:2379 http://b:2 http://10.0.0.3:2379 ");
	expect_url("etcds://[::1],[fe80::1:2]:7/x", "https://[::1]:2379 https://[fe80::1:2]:7 /x");
}
END_TEST

START_TEST (the_prefix_is_literal) {
	expect_url("etcd://h/registry/pods", "http://h:2379 /registry/pods");
	expect_url("etcd://h//a/", "http://h:2379 //a/");
	expect_url("etcd://h/%2F?x=1#y@z,etcd://", "http://h:2379 /%2F?x=1#y@z,etcd://");
	expect_url("etcd://h/\xff\x01", "http://h:2379 /\xff\x01");
}
END_TEST

START_TEST (what_is_wrong_is_named) {
	expect_refusal("", "no etcd:// or etcds:// URL");
	expect_refusal("http://h", "no etcd:// or etcds:// URL");
	expect_refusal("etcd:/h", "no etcd:// or etcds:// URL");
	expect_refusal("etcd://", "names no server");
	expect_refusal("etcd:///registry", "names no server");
	expect_refusal("etcd://,h", "missing before or behind a comma");
	expect_refusal("etcd://h,", "missing before or behind a comma");
	expect_refusal("etcd://h,,g", "missing before or behind a comma");
	expect_refusal("etcd://h:", "\"h:\": the port is not a number");
	expect_refusal("etcd://h:0", "the port is not a number from 1 to 65535");
	expect_refusal("etcd://h:65536", "the port is not a number from 1 to 65535");
	expect_refusal("etcd://h:123456", "the port is not a number from 1 to 65535");
	expect_refusal("etcd://h:+1", "the port is not a number from 1 to 65535");
	expect_refusal("etcd://h:2379x/a", "the port is not a number from 1 to 65535");
	expect_refusal("etcd://:2379", "the host is missing");
	expect_refusal("etcd://::1", "an IPv6 address belongs into brackets");
	expect_refusal("etcd://[::1", "the bracket is not closed");
	expect_refusal("etcd://[1.2.3.4]", "no IPv6 address");
	expect_refusal("etcd://[]", "no IPv6 address");
	expect_refusal("etcd://[::1]x", "something stands behind the bracket");
	expect_refusal("etcd://h h", "neither a name nor an address");
	expect_refusal("etcd://h\n", "neither a name nor an address");
	expect_refusal("etcd://h?x", "neither a name nor an address");
}
END_TEST

START_TEST (a_password_is_not_repeated) {
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);
	struct etcd_url url = {0};

	ck_assert_int_eq(etcd_url_parse("etcd://root:geheim@h:1/x", &url, &error), -EINVAL);
	ck_assert_ptr_null(strstr(error->message, "geheim"));
	ck_assert_ptr_nonnull(strstr(error->message, "--user"));
	g_clear_error(&error);
	ck_assert_int_eq(
		etcd_endpoints_parse("http://root:geheim@h:1", FALSE, servers, &error), -EINVAL);
	ck_assert_ptr_null(strstr(error->message, "geheim"));
}
END_TEST

static void expect_endpoints(const char *text, gboolean tls, const char *wanted)
{
	g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *found = NULL;

	if (etcd_endpoints_parse(text, tls, servers, NULL) < 0) {
		ck_assert_ptr_null(wanted);
		ck_assert_uint_eq(servers->len, 0);
		return;
	}
	g_ptr_array_add(servers, NULL);
	found = g_strjoinv(" ", (char **)servers->pdata);
	ck_assert_str_eq(found, wanted);
}

START_TEST (endpoints_are_etcdctls) {
	expect_endpoints("h", FALSE, "http://h:2379");
	expect_endpoints(
		"h:1,https://g:2/,HTTP://[::1]", TRUE, "https://h:1 https://g:2 http://[::1]:2379");
	expect_endpoints("h,http://", FALSE, NULL);
	expect_endpoints("http://h/path", FALSE, NULL);
	expect_endpoints("unix://h", FALSE, NULL);
	expect_endpoints("", FALSE, NULL);
}
END_TEST

static void set_environment(const char *name, const char *value)
{
	if (value != NULL)
		g_setenv(name, value, TRUE);
	else
		g_unsetenv(name);
}

START_TEST (the_environment_fills_in) {
	struct etcd_options options = {.cacert = g_strdup("mine")};

	set_environment("ETCDCTL_ENDPOINTS", "e:1");
	set_environment("ETCDCTL_CACERT", "theirs");
	set_environment("ETCDCTL_CERT", "");
	set_environment("ETCDCTL_KEY", "key");
	set_environment("ETCDCTL_INSECURE_SKIP_TLS_VERIFY", "true");
	set_environment("ETCDCTL_USER", "root:a:b");
	etcd_options_take_environment(&options);
	ck_assert_str_eq(options.endpoints, "e:1");
	ck_assert_str_eq(options.cacert, "mine");
	ck_assert_ptr_null(options.cert);
	ck_assert_str_eq(options.key, "key");
	ck_assert(options.insecure_skip_tls_verify);
	ck_assert_str_eq(options.user, "root");
	ck_assert_str_eq(options.password, "a:b");
	etcd_options_clear(&options);

	options.url = g_strdup("etcd://h");
	etcd_options_set_user(&options, "other");
	set_environment("ETCDCTL_PASSWORD", "p");
	etcd_options_take_environment(&options);
	ck_assert_ptr_null(options.endpoints);
	ck_assert_str_eq(options.user, "other");
	ck_assert_str_eq(options.password, "p");
	etcd_options_clear(&options);
}
END_TEST

static char *write_file(const char *text)
{
	char *path = NULL;
	int fd = g_file_open_tmp("kubefs-etcd-XXXXXX", &path, NULL);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

START_TEST (a_password_file_has_one_line) {
	g_autofree char *path = write_file("ge heim\r\nmore\n");
	g_autoptr(GError) error = NULL;
	struct etcd_options options = {0};

	ck_assert_int_eq(etcd_options_read_password(&options, path, NULL), 0);
	ck_assert_str_eq(options.password, "ge heim");
	g_unlink(path);
	ck_assert_int_eq(etcd_options_read_password(&options, path, &error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error->message, path));
	etcd_options_clear(&options);
}
END_TEST

/* words NULL: it can be made. */
static void expect_connection(const struct etcd_options *options, const char *words)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) prefix = NULL;
	struct connection *connection = NULL;
	int r = etcd_connection_create(options, &connection, &prefix, &error);

	if (words == NULL) {
		ck_assert_msg(r == 0, "%s", error != NULL ? error->message : "");
		ck_assert_ptr_nonnull(prefix);
		ck_assert_ptr_nonnull(connection->credentials);
	} else {
		ck_assert_int_lt(r, 0);
		ck_assert_msg(strstr(error->message, words) != NULL, "%s", error->message);
	}
	connection_unref(connection);
}

START_TEST (options_must_make_sense) {
	g_autofree char *pem = write_file("-----BEGIN CERTIFICATE-----\n");
	char url[] = "etcds://h", plain[] = "etcd://h", endpoints[] = "h", missing[] = "/nowhere";

	expect_connection(&(struct etcd_options){.url = url}, NULL);
	expect_connection(&(struct etcd_options){.endpoints = endpoints, .cacert = pem}, NULL);
	expect_connection(&(struct etcd_options){0}, "no etcd endpoints");
	expect_connection(
		&(struct etcd_options){.url = url, .cert = pem}, "--cert is given without");
	expect_connection(&(struct etcd_options){.url = url, .key = pem}, "--key is given without");
	expect_connection(&(struct etcd_options){.url = plain, .cacert = pem}, "over TLS");
	expect_connection(&(struct etcd_options){.url = url, .cacert = missing}, missing);
	expect_connection(
		&(struct etcd_options){.url = url, .cert = pem, .key = pem}, "no PEM private key");
	expect_connection(
		&(struct etcd_options){.url = url, .cacert = pem, .insecure_skip_tls_verify = TRUE},
		"exclude each other");
	g_unlink(pem);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_url");
	TCase *tests = tcase_create("etcd_url");

	tcase_add_test(tests, urls_are_taken_apart);
	tcase_add_test(tests, the_prefix_is_literal);
	tcase_add_test(tests, what_is_wrong_is_named);
	tcase_add_test(tests, a_password_is_not_repeated);
	tcase_add_test(tests, endpoints_are_etcdctls);
	tcase_add_test(tests, the_environment_fills_in);
	tcase_add_test(tests, a_password_file_has_one_line);
	tcase_add_test(tests, options_must_make_sense);
	suite_add_tcase(suite, tests);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
