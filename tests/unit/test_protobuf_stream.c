/* client/protobuf_stream.h and client/protobuf_envelope.h */
#include "client/protobuf_stream.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "client/protobuf_envelope.h"
#include "tests/unit/protobuf_build.h"

#define OBJECT_MAX 1000

static void note(GString *notes, const char *what, const struct protobuf_input *text)
{
	g_string_append_printf(notes, "%s ", what);
	g_string_append_len(notes, text->at, (gssize)protobuf_length(text));
	g_string_append_c(notes, '\n');
}

static void note_type(
	void *data, const struct protobuf_input *api_version, const struct protobuf_input *kind)
{
	note(data, "version", api_version);
	note(data, "kind", kind);
}

static void note_metadata(void *data, const struct protobuf_input *resource_version,
	const struct protobuf_input *continue_token)
{
	note(data, "at", resource_version);
	note(data, "continue", continue_token);
}

static void note_item(void *data, const struct protobuf_input *message)
{
	note(data, "item", message);
}

static void note_event(
	void *data, const struct protobuf_input *type, const struct protobuf_input *envelope)
{
	note(data, "event", type);
	note(data, "object", envelope);
}

static const struct protobuf_stream_handlers handlers = {
	note_type, note_metadata, note_item, note_event};

/* Feeds step bytes at a time, each in a block of its own. Returns the first error. */
static int run(enum protobuf_stream_mode mode, const GByteArray *bytes, size_t step, GString *notes)
{
	struct protobuf_stream *stream = protobuf_stream_create(mode, OBJECT_MAX, &handlers, notes);
	g_autoptr(GError) error = NULL;
	int result = 0;

	for (size_t at = 0; at < bytes->len && result == 0; at += step) {
		size_t length = MIN(step, bytes->len - at);
		g_autofree char *piece = g_memdup2(bytes->data + at, length);

		result = protobuf_stream_feed(stream, piece, length, &error);
	}
	if (result == 0)
		result = protobuf_stream_end(stream, &error);
	ck_assert_int_eq(result, error == NULL ? 0 : -error->code);
	if (result < 0) {
		ck_assert_ptr_null(strchr(error->message, '\n'));
		ck_assert_int_lt(protobuf_stream_feed(stream, "x", 1, NULL), 0);
	}
	protobuf_stream_free(stream);
	return result;
}

/* Frees bytes. */
static void expect(enum protobuf_stream_mode mode, GByteArray *bytes, const char *wanted)
{
	for (size_t step = 1; step <= bytes->len + 1; step++) {
		g_autoptr(GString) notes = g_string_new(NULL);

		ck_assert_int_eq(run(mode, bytes, step, notes), 0);
		ck_assert_str_eq(notes->str, wanted);
	}
	g_byte_array_unref(bytes);
}

static void refuse(enum protobuf_stream_mode mode, GByteArray *bytes, int errnum)
{
	for (size_t step = 1; step <= bytes->len + 1; step++) {
		g_autoptr(GString) notes = g_string_new(NULL);
		int result = run(mode, bytes, step, notes);

		ck_assert_msg(result == -errnum, "step %zu: %d", step, result);
	}
	g_byte_array_unref(bytes);
}

static GByteArray *new_list(const char *version, const char *continue_token)
{
	GByteArray *list = g_byte_array_new();
	GByteArray *metadata = g_byte_array_new();

	build_text(metadata, 1, "");
	build_text(metadata, 2, version);
	build_text(metadata, 3, continue_token);
	build_number(metadata, 4, 300);
	build_message(list, 1, metadata);
	return list;
}

static GByteArray *envelope_of(GByteArray *list)
{
	GByteArray *envelope = build_envelope("v1", "PodList", list->data, list->len);

	g_byte_array_unref(list);
	return envelope;
}

START_TEST (lists) {
	GByteArray *list = new_list("203", "next");
	g_autofree char *long_item = g_strnfill(OBJECT_MAX, 'x');
	g_autofree char *wanted = g_strdup_printf(
		"version v1\nkind PodList\nat 203\ncontinue next\nitem first\nitem \nitem %s\n",
		long_item);

	build_text(list, 2, "first");
	build_text(list, 2, "");
	build_text(list, 2, long_item);
	expect(PROTOBUF_STREAM_LIST, envelope_of(list), wanted);
	expect(PROTOBUF_STREAM_LIST, envelope_of(new_list("1", "")),
		"version v1\nkind PodList\nat 1\ncontinue \n");
	expect(PROTOBUF_STREAM_LIST, envelope_of(g_byte_array_new()), "version v1\nkind PodList\n");
}
END_TEST

START_TEST (in_place) {
	GByteArray *list = new_list("203", "");
	g_autoptr(GByteArray) bytes = NULL;
	g_autoptr(GString) notes = g_string_new(NULL);
	struct protobuf_stream *stream =
		protobuf_stream_create(PROTOBUF_STREAM_LIST, OBJECT_MAX, &handlers, notes);

	build_text(list, 2, "first");
	build_text(list, 2, "second");
	bytes = envelope_of(list);
	ck_assert_int_eq(protobuf_stream_end(stream, NULL), -EPROTO);
	protobuf_stream_free(stream);
	stream = protobuf_stream_create(PROTOBUF_STREAM_LIST, OBJECT_MAX, &handlers, notes);
	/* Without the last item's end. */
	ck_assert_int_eq(
		protobuf_stream_feed(stream, (const char *)bytes->data, bytes->len - 5, NULL), 0);
	ck_assert_uint_eq(protobuf_stream_count(stream), 1);
	protobuf_stream_free(stream);
	protobuf_stream_free(NULL);
}
END_TEST

START_TEST (bad_lists) {
	GByteArray *list = new_list("203", "");
	GByteArray *bytes = build_envelope("v1", "PodList", "", 0);
	g_autofree char *long_item = g_strnfill(OBJECT_MAX + 1, 'x');

	/* No list, another field, another wire type, twice. */
	g_byte_array_set_size(bytes, bytes->len - 6);
	refuse(PROTOBUF_STREAM_LIST, bytes, EPROTO);
	bytes = build_envelope("v1", "PodList", "", 0);
	build_text(bytes, 5, "");
	refuse(PROTOBUF_STREAM_LIST, bytes, EOPNOTSUPP);
	bytes = build_envelope("v1", "PodList", "", 0);
	build_number(bytes, 3, 1);
	refuse(PROTOBUF_STREAM_LIST, bytes, EOPNOTSUPP);
	bytes = build_envelope("v1", "PodList", "", 0);
	build_text(bytes, 2, "");
	refuse(PROTOBUF_STREAM_LIST, bytes, EOPNOTSUPP);
	bytes = build_envelope("v1", "PodList", "", 0);
	build_text(bytes, 3, "gzip");
	refuse(PROTOBUF_STREAM_LIST, bytes, EOPNOTSUPP);
	build_text(list, 3, "");
	refuse(PROTOBUF_STREAM_LIST, envelope_of(list), EOPNOTSUPP);
	list = new_list("203", "");
	build_text(list, 2, long_item);
	refuse(PROTOBUF_STREAM_LIST, envelope_of(list), EMSGSIZE);
	/* An item that is longer than its list, a header that the list ends in, JSON. */
	bytes = build_envelope("v1", "PodList", "\x12\x05", 2);
	refuse(PROTOBUF_STREAM_LIST, bytes, EPROTO);
	bytes = build_envelope("v1", "PodList", "\x12", 1);
	refuse(PROTOBUF_STREAM_LIST, bytes, EPROTO);
	bytes = g_byte_array_new();
	g_byte_array_append(bytes, (const guint8 *)"{\"kind\":", 8);
	refuse(PROTOBUF_STREAM_LIST, bytes, EPROTO);
}
END_TEST

START_TEST (lists_cut_short) {
	GByteArray *list = new_list("203", "");
	g_autoptr(GByteArray) bytes = NULL;

	build_text(list, 2, "first");
	bytes = envelope_of(list);
	/* The last two fields are empty, of two bytes each, and may be missing. */
	for (guint length = 0; length < bytes->len; length++) {
		g_autoptr(GByteArray) part = g_byte_array_new();
		g_autoptr(GString) notes = g_string_new(NULL);
		bool whole = length == bytes->len - 2 || length == bytes->len - 4;

		g_byte_array_append(part, bytes->data, length);
		ck_assert_int_eq(run(PROTOBUF_STREAM_LIST, part, 7, notes), whole ? 0 : -EPROTO);
	}
}
END_TEST

static void add_frame(GByteArray *to, const char *type, const char *object)
{
	GByteArray *raw = g_byte_array_new();
	GByteArray *event = g_byte_array_new();
	guint32 length;

	build_text(raw, 1, object);
	build_text(event, 1, type);
	build_message(event, 2, raw);
	length = GUINT32_TO_BE(event->len);
	g_byte_array_append(to, (const guint8 *)&length, sizeof(length));
	g_byte_array_append(to, event->data, event->len);
	g_byte_array_unref(event);
}

START_TEST (frames) {
	GByteArray *bytes = g_byte_array_new();

	add_frame(bytes, "ADDED", "one");
	add_frame(bytes, "BOOKMARK", "two");
	expect(PROTOBUF_STREAM_FRAMES, bytes,
		"event ADDED\nobject one\nevent BOOKMARK\nobject two\n");
	expect(PROTOBUF_STREAM_FRAMES, g_byte_array_new(), "");
}
END_TEST

START_TEST (bad_frames) {
	GByteArray *bytes = g_byte_array_new();

	add_frame(bytes, "ADDED", "one");
	g_byte_array_set_size(bytes, bytes->len - 1);
	refuse(PROTOBUF_STREAM_FRAMES, bytes, EPROTO);
	bytes = g_byte_array_new();
	g_byte_array_append(bytes, (const guint8 *)"\0\0", 2);
	refuse(PROTOBUF_STREAM_FRAMES, bytes, EPROTO);
	bytes = g_byte_array_new();
	g_byte_array_append(bytes, (const guint8 *)"\xff\xff\xff\xff", 4);
	refuse(PROTOBUF_STREAM_FRAMES, bytes, EMSGSIZE);
	bytes = g_byte_array_new();
	g_byte_array_append(bytes, (const guint8 *)"\0\0\0\2\x1a\0", 6);
	refuse(PROTOBUF_STREAM_FRAMES, bytes, EOPNOTSUPP);
	bytes = g_byte_array_new();
	g_byte_array_append(bytes, (const guint8 *)"\0\0\0\2\x0a\5", 6);
	refuse(PROTOBUF_STREAM_FRAMES, bytes, EPROTO);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protobuf_stream");
	TCase *tcase = tcase_create("protobuf_stream");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, lists);
	tcase_add_test(tcase, in_place);
	tcase_add_test(tcase, bad_lists);
	tcase_add_test(tcase, lists_cut_short);
	tcase_add_test(tcase, frames);
	tcase_add_test(tcase, bad_frames);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
