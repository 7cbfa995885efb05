/* client/credentials.h: when to refresh, who shares a run, what a 401 does; and files. */
#include "client/credentials.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/credential_files.h"
#include "client/escape.h"
#include "client/rfc3339.h"
#include "client/secret.h"
#include "tests/unit/temporary.h"

#define CERTIFICATE "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#define CERTIFICATE_2 "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"
#define KEY_2 "-----BEGIN EC PRIVATE KEY-----\nMIIF\n-----END EC PRIVATE KEY-----\n"
#define SECOND ((gint64)G_USEC_PER_SEC)

/* The time that the credentials see, in microseconds. */
static gint64 elapsed_now;
static gint64 wall_now;

static gint64 read_elapsed(void *data)
{
	return elapsed_now;
}

static gint64 read_wall(void *data)
{
	return wall_now;
}

static const struct credential_clock test_clock = {.elapsed = read_elapsed, .wall = read_wall};

static void pass(gint64 seconds)
{
	elapsed_now += seconds * SECOND;
	wall_now += seconds * SECOND;
}

/* A source whose answers the test writes. */
struct fake {
	struct credential_source base;
	const char *token; /* NULL: fails */
	gint64 expires;
	int fetches;
	int entered; /* an eventfd, written when a fetch begins; -1: none */
	int released; /* an eventfd that a fetch waits for; -1: none */
};

static gboolean wait_readable(int fd, int cancel_fd)
{
	struct pollfd polled[] = {
		{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};

	ck_assert_int_gt(poll(polled, 2, 10000), 0);
	return polled[1].revents == 0;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

static int fake_fetch(struct credential_source *base, int cancel_fd,
	struct credential_content *ret_content, GError **error)
{
	struct fake *fake = (struct fake *)base;

	fake->fetches++;
	if (fake->entered >= 0)
		signal_fd(fake->entered);
	if (fake->released >= 0 && !wait_readable(fake->released, cancel_fd)) {
		g_set_error(error, g_quark_from_static_string("test"), ECANCELED, "stopped");
		return -ECANCELED;
	}
	if (fake->token == NULL) {
		g_set_error(error, g_quark_from_static_string("test"), EACCES, "no token today");
		return -EACCES;
	}
	credential_bearer(fake->token, &ret_content->authorization);
	ret_content->expires = fake->expires;
	return 0;
}

static void fake_destroy(struct credential_source *base)
{
	struct fake *fake = (struct fake *)base;

	if (fake->entered >= 0)
		close(fake->entered);
	if (fake->released >= 0)
		close(fake->released);
	g_free(fake);
}

static const struct credential_source_ops fake_ops = {
	.fetch = fake_fetch,
	.destroy = fake_destroy,
};

static struct fake *fake;
static struct credentials *credentials;

static void setup(void)
{
	temporary_create();
	elapsed_now = 1000 * SECOND;
	wall_now = 1700000000 * SECOND;
	fake = g_new0(struct fake, 1);
	fake->base.ops = &fake_ops;
	fake->token = "first";
	fake->entered = fake->released = -1;
	ck_assert_int_eq(credentials_create(&fake->base, NULL, &test_clock, &credentials, NULL), 0);
}

static void teardown(void)
{
	credentials = credentials_unref(credentials);
	temporary_destroy();
}

/* Nothing to send yet, or no longer. */
static void expect_stale(void)
{
	struct credential *credential = NULL;

	ck_assert_int_eq(credentials_get(credentials, &credential), -EAGAIN);
	ck_assert_ptr_null(credential);
	ck_assert(credentials_needs_refresh(credentials));
}

/* Returns the generation. */
static uint64_t expect_header(const char *header)
{
	struct credential *credential = NULL;
	uint64_t generation;

	ck_assert_int_eq(credentials_get(credentials, &credential), 0);
	ck_assert(!credentials_needs_refresh(credentials));
	ck_assert_pstr_eq(credential->authorization, header);
	generation = credential->generation;
	credential_unref(credential);
	return generation;
}

static void expect_refresh(int expected)
{
	GError *error = NULL;
	int result = credentials_refresh(credentials, &error);

	ck_assert_msg(result == expected, "%d: %s", result, error != NULL ? error->message : "");
	ck_assert((error != NULL) == (expected < 0));
	if (error != NULL)
		ck_assert_int_eq(error->code, -expected);
	g_clear_error(&error);
}

START_TEST (test_first_use) {
	expect_stale();
	expect_refresh(0);
	ck_assert_uint_ne(expect_header("Bearer first"), 0);
	ck_assert_int_eq(fake->fetches, 1);
	/* Kept in memory: without an expiry for ever. */
	pass(1000000);
	expect_header("Bearer first");
	expect_refresh(0);
	ck_assert_int_eq(fake->fetches, 1);
}
END_TEST

START_TEST (test_expiry) {
	uint64_t generation;

	fake->expires = wall_now + 600 * SECOND;
	expect_refresh(0);
	generation = expect_header("Bearer first");
	pass(599);
	expect_header("Bearer first");
	pass(1);
	expect_stale();
	fake->token = "second";
	fake->expires = wall_now + 600 * SECOND;
	expect_refresh(0);
	ck_assert_uint_ne(expect_header("Bearer second"), generation);
	ck_assert_int_eq(fake->fetches, 2);
}
END_TEST

/* Sent all the same, as client-go does; and no storm of runs. */
START_TEST (test_born_expired) {
	fake->expires = wall_now - 600 * SECOND;
	expect_refresh(0);
	expect_header("Bearer first");
	expect_refresh(0);
	ck_assert_int_eq(fake->fetches, 1);
	pass(CREDENTIALS_RETRY_SECONDS);
	expect_stale();
	expect_refresh(0);
	ck_assert_int_eq(fake->fetches, 2);
}
END_TEST

START_TEST (test_failure) {
	fake->token = NULL;
	expect_refresh(-EACCES);
	expect_stale();
	/* The same answer for a moment, then another try. */
	expect_refresh(-EACCES);
	ck_assert_int_eq(fake->fetches, 1);
	pass(CREDENTIALS_RETRY_SECONDS);
	fake->token = "first";
	expect_refresh(0);
	expect_header("Bearer first");
	ck_assert_int_eq(fake->fetches, 2);
}
END_TEST

START_TEST (test_refused) {
	uint64_t first, second;

	expect_refresh(0);
	first = expect_header("Bearer first");
	fake->token = "second";
	ck_assert(credentials_invalidate(credentials, first));
	expect_stale();
	expect_refresh(0);
	second = expect_header("Bearer second");
	ck_assert_uint_ne(first, second);
	/* A request that was sent before the refresh and is refused after it. */
	ck_assert(credentials_invalidate(credentials, first));
	ck_assert_uint_eq(expect_header("Bearer second"), second);
	ck_assert_int_eq(fake->fetches, 2);
}
END_TEST

/* A plugin that sticks to its token: one run for a burst of refusals. */
START_TEST (test_refused_in_vain) {
	uint64_t generation;

	expect_refresh(0);
	generation = expect_header("Bearer first");
	ck_assert(credentials_invalidate(credentials, generation));
	expect_refresh(0);
	ck_assert_uint_eq(expect_header("Bearer first"), generation);
	ck_assert(!credentials_invalidate(credentials, generation));
	expect_header("Bearer first");
	ck_assert_int_eq(fake->fetches, 2);
	pass(CREDENTIALS_RETRY_SECONDS);
	ck_assert(credentials_invalidate(credentials, generation));
	expect_stale();
}
END_TEST

/* client-go goes on with the old credential. */
START_TEST (test_refused_and_failing) {
	uint64_t generation;

	expect_refresh(0);
	generation = expect_header("Bearer first");
	fake->token = NULL;
	ck_assert(credentials_invalidate(credentials, generation));
	expect_refresh(-EACCES);
	ck_assert_uint_eq(expect_header("Bearer first"), generation);
}
END_TEST

START_TEST (test_old_content_is_kept) {
	fake->base.keeps_content = TRUE;
	fake->base.lifetime = 60;
	expect_refresh(0);
	fake->token = NULL;
	pass(59);
	expect_header("Bearer first");
	pass(1);
	expect_stale();
	expect_refresh(0);
	expect_header("Bearer first");
	pass(CREDENTIALS_RETRY_SECONDS);
	expect_stale();
	fake->token = "second";
	expect_refresh(0);
	expect_header("Bearer second");
	ck_assert_int_eq(fake->fetches, 3);
}
END_TEST

START_TEST (test_lifetime_of_an_hour_and_more) {
	fake->base.lifetime = 2 * 3600;
	expect_refresh(0);
	pass(2 * 3600 - 1);
	expect_header("Bearer first");
	pass(1);
	expect_stale();
}
END_TEST

static void *refresh_thread(void *data)
{
	int *result = data;

	*result = credentials_refresh(credentials, NULL);
	return NULL;
}

static void make_fake_wait(void)
{
	fake->entered = eventfd(0, EFD_CLOEXEC);
	fake->released = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(fake->entered, 0);
	ck_assert_int_ge(fake->released, 0);
}

#define CALLERS 8

START_TEST (test_callers_share_a_run) {
	pthread_t threads[CALLERS];
	int results[CALLERS];

	make_fake_wait();
	for (int i = 0; i < CALLERS; i++)
		pthread_create(&threads[i], NULL, refresh_thread, &results[i]);
	wait_readable(fake->entered, -1);
	/* Never blocks, while a run is under way. */
	expect_stale();
	signal_fd(fake->released);
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(results[i], 0);
	}
	expect_header("Bearer first");
	ck_assert_int_eq(fake->fetches, 1);
}
END_TEST

START_TEST (test_callers_share_a_failure) {
	pthread_t threads[CALLERS];
	int results[CALLERS];

	make_fake_wait();
	fake->token = NULL;
	for (int i = 0; i < CALLERS; i++)
		pthread_create(&threads[i], NULL, refresh_thread, &results[i]);
	wait_readable(fake->entered, -1);
	signal_fd(fake->released);
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(results[i], -EACCES);
	}
	ck_assert_int_eq(fake->fetches, 1);
}
END_TEST

START_TEST (test_cancel) {
	pthread_t thread;
	int result;

	make_fake_wait();
	pthread_create(&thread, NULL, refresh_thread, &result);
	wait_readable(fake->entered, -1);
	credentials_cancel(credentials);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, -ECANCELED);
	expect_refresh(-ECANCELED);
	ck_assert_int_eq(fake->fetches, 1);
}
END_TEST

static void *use_thread(void *data)
{
	for (int i = 0; i < 2000; i++) {
		struct credential *credential;

		if (credentials_get(credentials, &credential) == 0) {
			ck_assert_uint_gt(strlen(credential->authorization), 0);
			if (i % 3 == 0)
				credentials_invalidate(credentials, credential->generation);
			credential_unref(credential);
		} else {
			credentials_refresh(credentials, NULL);
		}
	}
	return NULL;
}

/* For ThreadSanitizer. */
START_TEST (test_threads) {
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, use_thread, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_gt(fake->fetches, 0);
}
END_TEST

/* Puts credentials from files in place of the fake ones. */
static int use_files(const struct credential_files *files, GError **error)
{
	struct credentials *made;
	int result = credential_files_create(files, &test_clock, &made, error);

	if (result == 0) {
		credentials_unref(credentials);
		credentials = made;
	}
	return result;
}

START_TEST (test_fixed) {
	g_autoptr(GBytes) certificate = secret_bytes_new(CERTIFICATE, strlen(CERTIFICATE));
	g_autoptr(GBytes) key = secret_bytes_new(KEY, strlen(KEY));
	const struct credential_files files = {.owner = "test",
		.authorization = "Basic Zm9v",
		.certificate = certificate,
		.key = key};
	struct credential *credential;
	uint64_t generation;

	ck_assert_int_eq(use_files(&files, NULL), 0);
	generation = expect_header("Basic Zm9v");
	ck_assert_int_eq(credentials_get(credentials, &credential), 0);
	ck_assert(g_bytes_equal(credential->certificate, certificate));
	ck_assert(g_bytes_equal(credential->key, key));
	credential_unref(credential);
	ck_assert(!credentials_invalidate(credentials, generation));
	pass(1000000);
	expect_header("Basic Zm9v");
	expect_refresh(0);
	credentials_cancel(credentials);
}
END_TEST

START_TEST (test_nothing) {
	credentials_unref(credentials);
	ck_assert_int_eq(credentials_create(NULL, NULL, NULL, &credentials, NULL), 0);
	expect_header(NULL);
}
END_TEST

START_TEST (test_token_file) {
	g_autofree char *path = temporary_write("token", " one \n", 0600);
	const struct credential_files files = {.owner = "test", .token_path = path};
	uint64_t generation;

	ck_assert_int_eq(use_files(&files, NULL), 0);
	generation = expect_header("Bearer one");
	temporary_put("token", "two\n");
	pass(CREDENTIALS_TOKEN_SECONDS - 1);
	expect_header("Bearer one");
	pass(1);
	expect_stale();
	expect_refresh(0);
	ck_assert_uint_ne(expect_header("Bearer two"), generation);
	/* The same text: the same generation. */
	pass(CREDENTIALS_TOKEN_SECONDS);
	generation = generation + 1;
	expect_refresh(0);
	ck_assert_uint_eq(expect_header("Bearer two"), generation);
}
END_TEST

START_TEST (test_token_file_after_refusal) {
	g_autofree char *path = temporary_write("token", "one", 0600);
	const struct credential_files files = {.owner = "test", .token_path = path};

	ck_assert_int_eq(use_files(&files, NULL), 0);
	temporary_put("token", "two");
	ck_assert(credentials_invalidate(credentials, expect_header("Bearer one")));
	expect_stale();
	expect_refresh(0);
	expect_header("Bearer two");
}
END_TEST

static const char *const bad_tokens[] = {"", " \n", "a\nb", "a\x01"};

START_TEST (test_token_file_that_goes_bad) {
	g_autofree char *path = temporary_write("token", "one", 0600);
	const struct credential_files files = {.owner = "test", .token_path = path};

	ck_assert_int_eq(use_files(&files, NULL), 0);
	temporary_put("token", bad_tokens[_i]);
	pass(CREDENTIALS_TOKEN_SECONDS);
	expect_stale();
	expect_refresh(0);
	expect_header("Bearer one");
	ck_assert_int_eq(unlink(path), 0);
	pass(CREDENTIALS_TOKEN_SECONDS);
	expect_refresh(0);
	expect_header("Bearer one");
}
END_TEST

START_TEST (test_certificate_files) {
	g_autofree char *certificate = temporary_write("tls.crt", CERTIFICATE, 0600);
	g_autofree char *key = temporary_write("tls.key", KEY, 0600);
	const struct credential_files files = {.owner = "test",
		.authorization = "Bearer x",
		.certificate_path = certificate,
		.key_path = key};
	struct credential *old, *new;

	ck_assert_int_eq(use_files(&files, NULL), 0);
	ck_assert_int_eq(credentials_get(credentials, &old), 0);
	temporary_put("tls.crt", CERTIFICATE_2);
	temporary_put("tls.key", KEY_2);
	pass(CREDENTIALS_CERTIFICATE_SECONDS);
	expect_stale();
	expect_refresh(0);
	ck_assert_int_eq(credentials_get(credentials, &new), 0);
	ck_assert_uint_ne(old->certificate_generation, new->certificate_generation);
	ck_assert_mem_eq(
		g_bytes_get_data(old->certificate, NULL), CERTIFICATE, strlen(CERTIFICATE));
	ck_assert_mem_eq(g_bytes_get_data(new->key, NULL), KEY_2, strlen(KEY_2));
	credential_unref(old);
	credential_unref(new);
}
END_TEST

/* A new token does not make connections of the old certificate useless. */
START_TEST (test_generations_are_apart) {
	g_autofree char *certificate = temporary_write("tls.crt", CERTIFICATE, 0600);
	g_autofree char *key = temporary_write("tls.key", KEY, 0600);
	g_autofree char *token = temporary_write("token", "one", 0600);
	const struct credential_files files = {.owner = "test",
		.token_path = token,
		.certificate_path = certificate,
		.key_path = key};
	struct credential *old, *new;

	ck_assert_int_eq(use_files(&files, NULL), 0);
	ck_assert_int_eq(credentials_get(credentials, &old), 0);
	temporary_put("token", "two");
	pass(CREDENTIALS_TOKEN_SECONDS);
	expect_refresh(0);
	ck_assert_int_eq(credentials_get(credentials, &new), 0);
	ck_assert_uint_ne(old->generation, new->generation);
	ck_assert_uint_eq(old->certificate_generation, new->certificate_generation);
	credential_unref(old);
	credential_unref(new);
}
END_TEST

static void expect_files_error(
	const struct credential_files *files, int errnum, const char *message)
{
	GError *error = NULL;

	ck_assert_int_eq(use_files(files, &error), -errnum);
	ck_assert_int_eq(error->code, errnum);
	ck_assert_msg(strstr(error->message, message) != NULL, "%s", error->message);
	ck_assert_ptr_nonnull(strstr(error->message, "user \"x\""));
	g_error_free(error);
}

START_TEST (test_file_errors) {
	g_autofree char *good = temporary_write("good.crt", CERTIFICATE, 0600);
	g_autofree char *bad = temporary_write("bad", "nothing", 0600);
	g_autofree char *missing = temporary_path("missing");
	g_autofree char *encrypted = temporary_write("enc",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE "
		"KEY-----\n",
		0600);
	struct credential_files files = {.owner = "user \"x\""};

	files.token_path = missing;
	expect_files_error(&files, ENOENT, "tokenFile /");
	files.token_path = temporary_directory;
	expect_files_error(&files, EISDIR, "tokenFile /");
	files.token_path = NULL;
	files.certificate_path = missing;
	files.key_path = bad;
	expect_files_error(&files, ENOENT, "client-certificate /");
	files.certificate_path = bad;
	expect_files_error(&files, EINVAL, "bad: no PEM certificate in it");
	files.certificate_path = good;
	expect_files_error(&files, EINVAL, "bad: no PEM private key in it");
	files.key_path = encrypted;
	expect_files_error(&files, ENOTSUP, "enc: an encrypted private key is not supported");
	files.key_path = "/dev/zero";
	expect_files_error(&files, EFBIG, "client-key /dev/zero: larger than 1048576 bytes");
}
END_TEST

START_TEST (test_headers) {
	char *header = NULL;

	ck_assert_int_eq(credential_basic("Aladdin", "open sesame", &header), 0);
	ck_assert_str_eq(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
	secret_clear(&header);
	ck_assert_int_eq(credential_basic("a:b", "c", &header), -EINVAL);
	ck_assert_int_eq(credential_basic("a", "c\r\n", &header), -EINVAL);
	ck_assert_int_eq(credential_bearer("a\r\nX: y", &header), -EINVAL);
	ck_assert_int_eq(credential_bearer("", &header), -EINVAL);
	ck_assert_ptr_null(header);
}
END_TEST

static const struct {
	const char *text;
	const char *bytes; /* NULL: an error */
} encoded[] = {
	{"", ""},
	{"Zm9v", "foo"},
	{"Zm9vYg==", "foob"},
	{"Zm9vYmE=", "fooba"},
	{"Zm9v\nYmE=\r\n", "fooba"},
	{"Zm9vYmE", NULL},
	{"Zm9vYmE==", NULL},
	{"Zm9vY===", NULL},
	{"Zm=v", NULL},
	{"Zm9v====", NULL},
	{"Zm9vYg==Zm9v", NULL},
	{"Zm 9v", NULL},
	{"Zm9-", NULL},
	{"=", NULL},
};

START_TEST (test_base64) {
	g_autoptr(GBytes) bytes = NULL;
	int result = secret_base64_decode(encoded[_i].text, &bytes);

	if (encoded[_i].bytes == NULL) {
		ck_assert_int_eq(result, -EINVAL);
		ck_assert_ptr_null(bytes);
		return;
	}
	ck_assert_int_eq(result, 0);
	ck_assert_uint_eq(g_bytes_get_size(bytes), strlen(encoded[_i].bytes));
	ck_assert_mem_eq(
		g_bytes_get_data(bytes, NULL), encoded[_i].bytes, strlen(encoded[_i].bytes));
}
END_TEST

static const struct {
	const char *text;
	gint64 microseconds; /* -1: an error */
} timestamps[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"2024-02-29T12:34:56Z", 1709210096000000},
	{"2024-02-29T12:34:56.789Z", 1709210096789000},
	{"2024-02-29T12:34:56.123456789Z", 1709210096123456},
	{"2024-02-29T14:34:56+02:00", 1709210096000000},
	{"2024-02-29T07:04:56-05:30", 1709210096000000},
	{"2023-02-29T12:34:56Z", -1},
	{"2024-13-01T00:00:00Z", -1},
	{"2024-01-01T24:00:00Z", -1},
	{"2024-01-01 00:00:00Z", -1},
	{"2024-01-01T00:00:00", -1},
	{"2024-01-01T00:00Z", -1},
	{"2024-01-01T00:00:00.Z", -1},
	{"2024-01-01T00:00:00Zx", -1},
	{"2024-01-01T00:00:00+0200", -1},
	{"2024-01-01", -1},
	{"", -1},
};

START_TEST (test_timestamp) {
	gint64 microseconds = -1;
	int result = rfc3339_parse(timestamps[_i].text, &microseconds);

	ck_assert_int_eq(result, timestamps[_i].microseconds < 0 ? -EINVAL : 0);
	ck_assert_int_eq(microseconds, timestamps[_i].microseconds);
}
END_TEST

START_TEST (test_escape) {
	g_autofree char *text =
		escape_text("a\\b\x1b[1m\r\n\x7f\xc2\x85\xff\xe2\x80\xae\xc3\xa4", -1);
	g_autofree char *nul = escape_text("a\0b", 3);
	g_autofree char *lines = escape_lines(" one\n\n  two \n");

	ck_assert_str_eq(text, "a\\b\\x1B[1m\\x0D\\x0A\\x7F\\x85\\xFF\\u{202E}\xc3\xa4");
	ck_assert_str_eq(nul, "a\\x00b");
	ck_assert_str_eq(lines, "one; two");
}
END_TEST

START_TEST (test_escape_start) {
	g_autofree char *whole = escape_start("a\nb", 3, 3);
	g_autofree char *cut = escape_start("a\nbc", 4, 2);
	g_autofree char *between = escape_start("a\xe4\xb8\x96", 4, 3);
	g_autofree char *none = escape_start("\xc3\xa4", 2, 1);

	ck_assert_str_eq(whole, "a\\x0Ab");
	ck_assert_str_eq(cut, "a\\x0A...");
	ck_assert_str_eq(between, "a...");
	ck_assert_str_eq(none, "...");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("credentials");
	TCase *tests = tcase_create("credentials");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_first_use);
	tcase_add_test(tests, test_expiry);
	tcase_add_test(tests, test_born_expired);
	tcase_add_test(tests, test_failure);
	tcase_add_test(tests, test_refused);
	tcase_add_test(tests, test_refused_in_vain);
	tcase_add_test(tests, test_refused_and_failing);
	tcase_add_test(tests, test_old_content_is_kept);
	tcase_add_test(tests, test_lifetime_of_an_hour_and_more);
	tcase_add_test(tests, test_callers_share_a_run);
	tcase_add_test(tests, test_callers_share_a_failure);
	tcase_add_test(tests, test_cancel);
	tcase_add_test(tests, test_threads);
	tcase_add_test(tests, test_fixed);
	tcase_add_test(tests, test_nothing);
	tcase_add_test(tests, test_token_file);
	tcase_add_test(tests, test_token_file_after_refusal);
	tcase_add_loop_test(tests, test_token_file_that_goes_bad, 0, G_N_ELEMENTS(bad_tokens));
	tcase_add_test(tests, test_certificate_files);
	tcase_add_test(tests, test_generations_are_apart);
	tcase_add_test(tests, test_file_errors);
	tcase_add_test(tests, test_headers);
	tcase_add_loop_test(tests, test_base64, 0, G_N_ELEMENTS(encoded));
	tcase_add_loop_test(tests, test_timestamp, 0, G_N_ELEMENTS(timestamps));
	tcase_add_test(tests, test_escape);
	tcase_add_test(tests, test_escape_start);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
