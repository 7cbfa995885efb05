/* The pure parts under client/http.h: header values, proxies' exceptions, statuses, gzip, URLs. */
#include <check.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "client/http_inflate.h"
#include "client/http_proxy.h"
#include "client/http_retry.h"
#include "client/http_server.h"
#include "client/status.h"

START_TEST (retry_after_values) {
	const time_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */

	ck_assert_uint_eq(http_retry_after("1", now), 1000);
	ck_assert_uint_eq(http_retry_after(" 120 ", now), 120000);
	ck_assert_uint_eq(http_retry_after("0", now), 1);
	ck_assert_uint_eq(http_retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now), 3000);
	ck_assert_uint_eq(http_retry_after("Sun, 06 Nov 1994 08:49:30 GMT", now), 1);
	ck_assert_uint_eq(http_retry_after("99999999999999999999", now), G_MAXINT / 1000 * 1000);
	ck_assert_uint_eq(http_retry_after("", now), 0);
	ck_assert_uint_eq(http_retry_after("-1", now), 0);
	ck_assert_uint_eq(http_retry_after("soon", now), 0);
	ck_assert_uint_eq(http_retry_after("1.5", now), 0);
}
END_TEST

static void assert_warnings(const char *value, const char *joined)
{
	g_autoptr(GPtrArray) warnings = http_warnings(value);
	g_autofree char *text = NULL;

	g_ptr_array_add(warnings, NULL);
	text = g_strjoinv("|", (char **)warnings->pdata);
	ck_assert_str_eq(text, joined);
}

START_TEST (warning_values) {
	assert_warnings("299 - \"one\"", "one");
	assert_warnings(
		"299 - \"one\", 299 agent \"two\" \"Sat, 25 Aug 2012\",299 - \"3\"", "one|two|3");
	assert_warnings("299 - \"a \\\"b\\\" \\\\ c\"", "a \"b\" \\ c");
	assert_warnings("199 - \"other\", 299 - \"ours\"", "ours");
	assert_warnings("299 - \"tab\there\"", "tab\\x09here");
	assert_warnings("299 - \"open", "");
	assert_warnings("299 - none", "");
	assert_warnings("29 - \"x\"", "");
	assert_warnings("2999 - \"x\"", "");
	assert_warnings("299", "");
	assert_warnings("299 ", "");
	assert_warnings("299 -", "");
	assert_warnings("299 - \"\\", "");
	assert_warnings("", "");
	assert_warnings(",,,", "");
}
END_TEST

START_TEST (proxy_exceptions) {
	ck_assert(http_proxy_is_excluded("*", "a.b", "443"));
	ck_assert(http_proxy_is_excluded("x, example.com", "example.com", "443"));
	ck_assert(http_proxy_is_excluded("EXAMPLE.com", "api.example.COM", "443"));
	ck_assert(!http_proxy_is_excluded("example.com", "badexample.com", "443"));
	ck_assert(!http_proxy_is_excluded(".example.com", "example.com", "443"));
	ck_assert(http_proxy_is_excluded(".example.com", "a.example.com", "443"));
	ck_assert(http_proxy_is_excluded("*.example.com", "a.example.com", "443"));
	ck_assert(http_proxy_is_excluded("example.com:6443", "example.com", "6443"));
	ck_assert(!http_proxy_is_excluded("example.com:6443", "example.com", "443"));
	ck_assert(http_proxy_is_excluded("10.0.0.0/8", "10.200.3.4", "443"));
	ck_assert(!http_proxy_is_excluded("10.0.0.0/8", "11.0.0.1", "443"));
	ck_assert(http_proxy_is_excluded("192.168.128.0/17", "192.168.200.1", "443"));
	ck_assert(!http_proxy_is_excluded("192.168.128.0/17", "192.168.100.1", "443"));
	ck_assert(http_proxy_is_excluded("0.0.0.0/0", "8.8.8.8", "443"));
	ck_assert(!http_proxy_is_excluded("0.0.0.0/0", "::8", "443"));
	ck_assert(!http_proxy_is_excluded("10.0.0.0/33", "10.0.0.1", "443"));
	ck_assert(!http_proxy_is_excluded("10.0.0.0/x", "10.0.0.1", "443"));
	ck_assert(http_proxy_is_excluded("fd00::/8", "fd12::1", "443"));
	ck_assert(http_proxy_is_excluded("10.1.2.3", "10.1.2.3", "443"));
	ck_assert(http_proxy_is_excluded("10.1.2.3:443", "10.1.2.3", "443"));
	ck_assert(!http_proxy_is_excluded("10.1.2.3:444", "10.1.2.3", "443"));
	ck_assert(http_proxy_is_excluded("::2", "0:0::2", "443"));
	ck_assert(http_proxy_is_excluded("[::2]:443", "::2", "443"));
	ck_assert(!http_proxy_is_excluded("[::2]:444", "::2", "443"));
	ck_assert(!http_proxy_is_excluded("", "a", "443"));
	ck_assert(!http_proxy_is_excluded(", ,.", "a.", "443"));
	ck_assert(!http_proxy_is_excluded(NULL, "a", "443"));
}
END_TEST

START_TEST (proxy_of_the_environment) {
	g_autofree char *https = NULL, *http = NULL, *lower = NULL;

	g_setenv("HTTPS_PROXY", "proxy:3128", TRUE);
	g_setenv("http_proxy", "socks5://proxy:1080", TRUE);
	g_setenv("NO_PROXY", ".internal", TRUE);
	https = http_proxy_from_environment("https", "example.com", "443");
	ck_assert_str_eq(https, "http://proxy:3128");
	http = http_proxy_from_environment("http", "example.com", "80");
	ck_assert_str_eq(http, "socks5://proxy:1080");
	ck_assert_ptr_null(http_proxy_from_environment("https", "a.internal", "443"));
	ck_assert_ptr_null(http_proxy_from_environment("https", "localhost", "443"));
	ck_assert_ptr_null(http_proxy_from_environment("https", "127.1.2.3", "443"));
	ck_assert_ptr_null(http_proxy_from_environment("https", "::1", "443"));
	g_setenv("HTTPS_PROXY", "", TRUE);
	g_setenv("https_proxy", "http://lower:1", TRUE);
	lower = http_proxy_from_environment("https", "example.com", "443");
	ck_assert_str_eq(lower, "http://lower:1");
	g_unsetenv("https_proxy");
	g_unsetenv("HTTPS_PROXY");
	ck_assert_ptr_null(http_proxy_from_environment("https", "example.com", "443"));
	g_unsetenv("http_proxy");
	g_unsetenv("NO_PROXY");
}
END_TEST

START_TEST (status_numbers) {
	ck_assert_int_eq(status_errnum(200, NULL), 0);
	ck_assert_int_eq(status_errnum(204, ""), 0);
	ck_assert_int_eq(status_errnum(304, ""), EPROTO);
	ck_assert_int_eq(status_errnum(400, ""), EINVAL);
	ck_assert_int_eq(status_errnum(422, "Invalid"), EINVAL);
	ck_assert_int_eq(status_errnum(401, ""), EACCES);
	ck_assert_int_eq(status_errnum(403, ""), EACCES);
	ck_assert_int_eq(status_errnum(404, ""), ENOENT);
	ck_assert_int_eq(status_errnum(405, ""), EOPNOTSUPP);
	ck_assert_int_eq(status_errnum(409, "Conflict"), EBUSY);
	ck_assert_int_eq(status_errnum(409, NULL), EBUSY);
	ck_assert_int_eq(status_errnum(409, "AlreadyExists"), EEXIST);
	ck_assert_int_eq(status_errnum(410, "Expired"), ESTALE);
	ck_assert_int_eq(status_errnum(413, ""), EFBIG);
	ck_assert_int_eq(status_errnum(429, ""), EAGAIN);
	ck_assert_int_eq(status_errnum(500, ""), EIO);
	ck_assert_int_eq(status_errnum(503, ""), EAGAIN);
	ck_assert_int_eq(status_errnum(504, "Timeout"), EAGAIN);
	ck_assert_int_eq(status_errnum(999, ""), EIO);
}
END_TEST

static gboolean read_text(const char *text, struct status *status)
{
	cJSON *object = cJSON_Parse(text);
	gboolean is_status = status_read(object, status);

	cJSON_Delete(object);
	return is_status;
}

START_TEST (status_objects) {
	struct status status = {.code = 7};

	ck_assert(!read_text("{\"kind\":\"Pod\"}", &status));
	ck_assert(!read_text("[\"Status\"]", &status));
	ck_assert(!read_text("nonsense", &status));
	ck_assert_int_eq(status.code, 7);
	ck_assert(read_text("{\"kind\":\"Status\",\"code\":410,\"reason\":7,\"message\":null,"
			    "\"details\":{\"retryAfterSeconds\":3}}",
		&status));
	ck_assert_int_eq(status.code, 410);
	ck_assert_uint_eq(status.retry_after, 3000);
	ck_assert(read_text(
		"{\"kind\":\"Status\",\"code\":\"x\",\"details\":[],\"message\":\"\"}", &status));
	ck_assert_int_eq(status.code, 0);
	ck_assert_uint_eq(status.retry_after, 0);
	ck_assert(read_text(
		"{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":1e99}}", &status));
	ck_assert(
		read_text("{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":-5}}", &status));
	ck_assert_uint_eq(status.retry_after, 0);
}
END_TEST

static GByteArray *gzip_zeros(size_t length)
{
	GByteArray *out = g_byte_array_new();
	g_autofree unsigned char *zeros = g_malloc0(length);
	z_stream stream = {.next_in = zeros, .avail_in = (unsigned int)length};

	ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
	g_byte_array_set_size(out, (guint)deflateBound(&stream, length));
	stream.next_out = out->data;
	stream.avail_out = out->len;
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	g_byte_array_set_size(out, (guint)stream.total_out);
	deflateEnd(&stream);
	return out;
}

static void assert_inflated(const GByteArray *packed, size_t limit, gssize length)
{
	g_autoptr(GByteArray) plain = http_inflate_all(packed, limit);

	ck_assert_int_eq(plain != NULL ? (gssize)plain->len : -1, length);
}

START_TEST (inflating_is_bounded) {
	g_autoptr(GByteArray) packed = gzip_zeros(1000000);
	g_autoptr(GByteArray) more = gzip_zeros(5);

	assert_inflated(packed, 1000000, 1000000);
	assert_inflated(packed, 999999, -1);
	g_byte_array_append(packed, more->data, more->len); /* members one after another */
	assert_inflated(packed, 2000000, 1000005);
	g_byte_array_set_size(packed, packed->len - 1);
	assert_inflated(packed, 2000000, -1);
}
END_TEST

static struct http_server *take_apart(const char *url, const char *name, const char *proxy)
{
	struct connection *connection = connection_create("test");
	struct http_server *server = NULL;

	connection->tls_server_name = g_strdup(name);
	connection->proxy_url = g_strdup(proxy);
	http_server_create(connection, url, &server, NULL);
	connection_unref(connection);
	return server;
}

START_TEST (server_urls) {
	struct http_server *server = take_apart("https://joe:pw@h:6443/base/", NULL, NULL);

	ck_assert_str_eq(server->name, "https://h:6443/base");
	ck_assert_str_eq(server->url, "https://joe:pw@h:6443/base");
	ck_assert_ptr_null(server->connect_to);
	ck_assert_str_eq(server->proxy, "");
	ck_assert(!server->loopback);
	http_server_free(server);
	server = take_apart("https://[::1]:6443", "kubernetes.default", "http://u:p@proxy:1");
	ck_assert_str_eq(server->name, "https://[::1]:6443");
	ck_assert_str_eq(server->url, "https://kubernetes.default:6443");
	ck_assert_str_eq(server->host, "[::1]:6443");
	ck_assert_str_eq(server->connect_to->data, "kubernetes.default:6443:[::1]:6443");
	ck_assert_str_eq(server->proxy_name, "http://proxy:1");
	ck_assert(server->loopback);
	http_server_free(server);
	server = take_apart("https://h", "name", NULL);
	ck_assert_str_eq(server->host, "h");
	ck_assert_str_eq(server->connect_to->data, "name:443:h:443");
	http_server_free(server);
	server = take_apart("http://h", "name", NULL);
	ck_assert_ptr_null(server->connect_to);
	http_server_free(server);
	ck_assert_ptr_null(take_apart("ftp://h", NULL, NULL));
	ck_assert_ptr_null(take_apart("h", NULL, NULL));
	ck_assert_ptr_null(take_apart("", NULL, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http_values");
	TCase *all = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(all, retry_after_values);
	tcase_add_test(all, warning_values);
	tcase_add_test(all, proxy_exceptions);
	tcase_add_test(all, proxy_of_the_environment);
	tcase_add_test(all, status_numbers);
	tcase_add_test(all, status_objects);
	tcase_add_test(all, inflating_is_bounded);
	tcase_add_test(all, server_urls);
	suite_add_tcase(suite, all);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
