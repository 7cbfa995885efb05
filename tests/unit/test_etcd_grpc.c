/*
 * client/etcd_range_reader.h and client/etcd_grpc.h, and what becomes of a range where no gRPC is
 * spoken. (That it is spoken is for the tests on real servers.)
 */
#include <errno.h>
#include <string.h>

#include "client/etcd_grpc.h"
#include "client/etcd_range_reader.h"
#include "tests/unit/etcd_fixture.h"
#include "tests/unit/protobuf_build.h"

#define KV_MAX 1000

static GByteArray *build_kv(const char *key, uint64_t revision, const char *value)
{
	GByteArray *kv = g_byte_array_new();

	build_text(kv, 1, key);
	build_number(kv, 2, revision);
	build_number(kv, 3, revision);
	build_number(kv, 4, 1);
	if (value != NULL)
		build_text(kv, 5, value);
	build_number(kv, 6, 42);
	return kv;
}

static GByteArray *build_header(uint64_t revision)
{
	GByteArray *header = g_byte_array_new();

	build_number(header, 1, G_MAXUINT64);
	build_number(header, 3, revision);
	return header;
}

static GByteArray *build_answer(void)
{
	g_autofree char *value = g_strnfill(300, 'v');
	GByteArray *answer = g_byte_array_new();

	build_message(answer, 1, build_header(70));
	build_message(answer, 2, build_kv("a", 3, "x"));
	build_message(answer, 2, build_kv("b", 4, NULL));
	build_message(answer, 2, build_kv("c", 5, value));
	/* Of a later version. */
	build_text(answer, 99, "later");
	build_number(answer, 98, 7);
	build_number(answer, 3, 1);
	build_number(answer, 4, 300);
	return answer;
}

static gboolean note_kv(void *data, struct etcd_kv *kv)
{
	g_string_append_printf(data, "%.*s=%zu %d %d\n", (int)g_bytes_get_size(kv->key),
		(const char *)g_bytes_get_data(kv->key, NULL),
		kv->value != NULL ? g_bytes_get_size(kv->value) : 0, (int)kv->mod_revision,
		(int)kv->lease);
	return TRUE;
}

static const struct etcd_range_reader_handlers noting = {note_kv};

/* In two pieces; the result is the first failure's. */
static int read_cut(const GByteArray *answer, size_t at, GString *notes,
	struct etcd_range_numbers *ret_numbers, GError **error)
{
	struct etcd_range_reader *reader = etcd_range_reader_create(KV_MAX, &noting, notes);
	g_autofree char *first = g_memdup2(answer->data, at);
	g_autofree char *second = g_memdup2(answer->data + at, answer->len - at);
	int r = etcd_range_reader_feed(reader, first, at, error);

	if (r == 0)
		r = etcd_range_reader_feed(reader, second, answer->len - at, error);
	if (r == 0)
		r = etcd_range_reader_end(reader, error);
	if (r == 0)
		*ret_numbers = etcd_range_reader_numbers(reader);
	etcd_range_reader_free(reader);
	return r;
}

START_TEST (an_answer_cut_anywhere_is_the_same) {
	g_autoptr(GByteArray) answer = build_answer();

	for (size_t at = 0; at <= answer->len; at++) {
		g_autoptr(GString) notes = g_string_new(NULL);
		struct etcd_range_numbers numbers = {0};

		ck_assert_int_eq(read_cut(answer, at, notes, &numbers, NULL), 0);
		ck_assert_str_eq(notes->str, "a=1 3 42\nb=0 4 42\nc=300 5 42\n");
		ck_assert(numbers.revision == 70 && numbers.count == 300 && numbers.more);
	}
}
END_TEST

START_TEST (an_answer_that_ends_early_is_none) {
	g_autoptr(GByteArray) answer = g_byte_array_new();

	build_message(answer, 1, build_header(70));
	build_message(answer, 2, build_kv("abc", 3, "x"));
	for (guint length = 1; length < answer->len; length++) {
		g_autoptr(GString) notes = g_string_new(NULL);
		g_autoptr(GByteArray) cut = g_byte_array_new();
		struct etcd_range_numbers numbers = {0};
		g_autoptr(GError) error = NULL;

		g_byte_array_append(cut, answer->data, length);
		if (read_cut(cut, 0, notes, &numbers, &error) == 0)
			ck_assert_msg(notes->len == 0, "%u: %s", length, notes->str);
		else
			ck_assert_int_eq(error->code, EPROTO);
	}
}
END_TEST

static void expect_refused(GByteArray *answer, int errnum, const char *words)
{
	g_autoptr(GString) notes = g_string_new(NULL);
	struct etcd_range_numbers numbers = {0};
	g_autoptr(GError) error = NULL;

	ck_assert_int_eq(read_cut(answer, answer->len / 2, notes, &numbers, &error), -errnum);
	ck_assert_msg(strstr(error->message, words) != NULL, "%s", error->message);
	g_byte_array_unref(answer);
}

static GByteArray *build_raw(const char *bytes, size_t length)
{
	GByteArray *answer = g_byte_array_new();

	g_byte_array_append(answer, (const guint8 *)bytes, (guint)length);
	return answer;
}

START_TEST (what_makes_no_sense_is_refused) {
	g_autofree char *long_value = g_strnfill(KV_MAX, 'v');
	GByteArray *answer = g_byte_array_new();

	build_message(answer, 2, build_kv("a", 1, long_value));
	expect_refused(answer, EMSGSIZE, "longer than any key");
	answer = g_byte_array_new();
	build_message(answer, 2, build_kv("", 1, "x"));
	expect_refused(answer, EPROTO, "without its name");
	answer = g_byte_array_new();
	build_message(answer, 2, build_kv("a", 0, "x"));
	expect_refused(answer, EPROTO, "impossible revision");
	answer = g_byte_array_new();
	build_number(answer, 2, 1);
	expect_refused(answer, EPROTO, "in place of a message");
	answer = g_byte_array_new();
	build_text(answer, 2, "\x0a\x7f");
	expect_refused(answer, EPROTO, "malformed");
	answer = g_byte_array_new();
	build_text(answer, 1, "\x1a\x01x");
	expect_refused(answer, EPROTO, "header that cannot be read");
	/* Field 0; a group; a tag without end. */
	expect_refused(build_raw("\0\0", 2), EPROTO, "malformed");
	expect_refused(build_raw("\x9b\x01\x01", 3), EPROTO, "malformed");
	expect_refused(build_raw("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
				 "\xff\xff\xff\xff\xff\xff",
			       21),
		EPROTO, "malformed");
}
END_TEST

static gboolean stop_at_kv(void *data, struct etcd_kv *kv)
{
	note_kv(data, kv);
	return FALSE;
}

START_TEST (nothing_is_read_behind_a_stop) {
	const struct etcd_range_reader_handlers handlers = {stop_at_kv};
	g_autoptr(GByteArray) answer = build_answer();
	g_autoptr(GString) notes = g_string_new(NULL);
	struct etcd_range_reader *reader = etcd_range_reader_create(KV_MAX, &handlers, notes);

	ck_assert_int_eq(
		etcd_range_reader_feed(reader, (const char *)answer->data, answer->len, NULL), 0);
	ck_assert_str_eq(notes->str, "a=1 3 42\n");
	etcd_range_reader_free(reader);
}
END_TEST

START_TEST (a_frame_cut_anywhere_is_the_same) {
	g_autoptr(GByteArray) message = build_raw("message", 7);
	g_autoptr(GBytes) framed = etcd_grpc_wrap(message);
	gsize length;
	const char *bytes = g_bytes_get_data(framed, &length);

	ck_assert_uint_eq(length, 12);
	ck_assert_mem_eq(bytes, "\0\0\0\0\7message", 12);
	for (size_t at = 0; at <= length; at++) {
		struct etcd_grpc_frame frame = {0};
		g_autoptr(GString) whole = g_string_new(NULL);
		struct protobuf_input piece;

		ck_assert_int_eq(etcd_grpc_unwrap(&frame, bytes, at, &piece, NULL), 0);
		g_string_append_len(whole, piece.at, (gssize)protobuf_length(&piece));
		ck_assert_int_eq(etcd_grpc_end(&frame, NULL), at == length ? 0 : -EPROTO);
		ck_assert_int_eq(
			etcd_grpc_unwrap(&frame, bytes + at, length - at, &piece, NULL), 0);
		g_string_append_len(whole, piece.at, (gssize)protobuf_length(&piece));
		ck_assert_int_eq(etcd_grpc_end(&frame, NULL), 0);
		ck_assert_str_eq(whole->str, "message");
	}
}
END_TEST

START_TEST (other_frames_are_refused) {
	struct etcd_grpc_frame frame = {0};
	struct protobuf_input piece;
	g_autoptr(GError) compressed = NULL;
	g_autoptr(GError) more = NULL;

	ck_assert_int_eq(etcd_grpc_unwrap(&frame, "\1\0\0\0\1x", 6, &piece, &compressed), -EPROTO);
	ck_assert_str_eq(compressed->message, "the answer is compressed");
	frame = (struct etcd_grpc_frame){0};
	ck_assert_int_eq(etcd_grpc_unwrap(&frame, "\0\0\0\0\1xy", 7, &piece, &more), -EPROTO);
	ck_assert_str_eq(more->message, "more than one answer");
}
END_TEST

static void expect_status(
	const char *status, const char *encoded, gboolean spoken, int errnum, const char *words)
{
	const struct http_result http = {.grpc_status = status, .grpc_message = encoded};
	struct etcd_failure failure = {0};

	ck_assert_int_eq(etcd_grpc_read_status(&http, &failure), spoken);
	ck_assert_int_eq(failure.errnum, errnum);
	ck_assert_pstr_eq(failure.words, words);
	etcd_failure_clear(&failure);
}

START_TEST (trailers_say_how_it_ended) {
	expect_status("0", "", TRUE, 0, NULL);
	expect_status("0", NULL, TRUE, 0, NULL);
	expect_status("11", "etcdserver: mvcc: required revision has been compacted", TRUE, ESTALE,
		"etcdserver: mvcc: required revision has been compacted");
	expect_status("7", "100%25 denied%", TRUE, EACCES, "100% denied%");
	expect_status("2", NULL, TRUE, EIO, "refused with gRPC code 2");
	expect_status("12", "unknown service", FALSE, EOPNOTSUPP, "unknown service");
	expect_status(NULL, NULL, FALSE, EPROTO, "the answer ends without its status");
	expect_status("-1", NULL, FALSE, EPROTO, "the answer ends without its status");
}
END_TEST

#define ANSWER                                                                                     \
	"{" ETCD_HEADER ",\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"3\"}],\"count\":\"1\"}"

static struct etcd_fixture etcd;

static void setup(void)
{
	etcd_fixture_init(&etcd, NULL, NULL);
	etcd_client_use_grpc(etcd.client);
}

static void teardown(void)
{
	etcd_fixture_finish(&etcd);
}

static void refuse_http2(enum scripted_end end)
{
	scripted_server_add(
		etcd.http.server, &(struct scripted_answer){
					  .bytes = "HTTP/1.1 505 HTTP Version Not Supported\r\n"
						   "Content-Length: 0\r\nConnection: close\r\n\r\n",
					  .end = end,
					  .request = "PRI ",
				  });
}

static void expect_range(void)
{
	etcd_begin_all(&etcd);
	etcd_expect_success(&etcd);
	etcd_expect_notes(&etcd, "kv a= 0/3/0/0\n");
}

START_TEST (where_no_http2_is_spoken_the_gateway_is_asked) {
	const enum scripted_end ends[] = {SCRIPTED_CLOSE, SCRIPTED_RESET};

	refuse_http2(ends[_i]);
	for (int i = 0; i < 3; i++)
		etcd_respond(&etcd, "/v3/kv/range", "200 OK", ANSWER);
	expect_range();
	ck_assert(etcd_request_holds(&etcd, 0, "PRI * HTTP/2.0"));
	/* Asked once for all. */
	expect_range();
	expect_range();
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 4);
}
END_TEST

START_TEST (nothing_is_learned_from_a_gateway_that_fails) {
	refuse_http2(SCRIPTED_CLOSE);
	etcd_respond(&etcd, "/v3/kv/range", "404 Not Found", "no etcd");
	etcd_begin_all(&etcd);
	etcd_expect_failure(&etcd, EOPNOTSUPP, 0, "404");
	refuse_http2(SCRIPTED_CLOSE);
	etcd_respond(&etcd, "/v3/kv/range", "200 OK", ANSWER);
	expect_range();
	ck_assert_uint_eq(scripted_server_requests(etcd.http.server), 4);
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("etcd_grpc");
	TCase *readers = tcase_create("readers");
	TCase *calls = tcase_create("calls");

	tcase_set_timeout(readers, 60);
	tcase_add_test(readers, an_answer_cut_anywhere_is_the_same);
	tcase_add_test(readers, an_answer_that_ends_early_is_none);
	tcase_add_test(readers, what_makes_no_sense_is_refused);
	tcase_add_test(readers, nothing_is_read_behind_a_stop);
	tcase_add_test(readers, a_frame_cut_anywhere_is_the_same);
	tcase_add_test(readers, other_frames_are_refused);
	tcase_add_test(readers, trailers_say_how_it_ended);
	suite_add_tcase(suite, readers);
	tcase_set_timeout(calls, 60);
	tcase_add_checked_fixture(calls, setup, teardown);
	tcase_add_loop_test(calls, where_no_http2_is_spoken_the_gateway_is_asked, 0, 2);
	tcase_add_test(calls, nothing_is_learned_from_a_gateway_that_fails);
	suite_add_tcase(suite, calls);
	return suite;
}

int main(void)
{
	return fixture_run_suite(make_suite());
}
