/*
 * cache/snapshot.h: what is kept of an object, its times (writes.md 7), its JSON view, and what is
 * no object.
 */
#include "cache/snapshot.h"

#include <errno.h>
#include <string.h>

#include "cache/protobuf_table.h"
#include "tests/unit/cache_fixture.h"
#include "tests/unit/protobuf_build.h"

#define HEAD                                                                                       \
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":"    \
	"\"default\",\"uid\":\"u-1\",\"creationTimestamp\":\"2024-01-01T00:00:00Z\","
#define FIELDS(status_second)                                                                      \
	"\"managedFields\":[{\"manager\":\"a\",\"time\":\"2024-01-01T00:00:10Z\"},{\"manager\":"   \
	"\"b\",\"subresource\":\"status\",\"time\":\"2024-01-01T00:00:" status_second "Z\"}],"

static gboolean same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

START_TEST (keeps_key_and_text) {
	struct snapshot *snapshot = fixture_snapshot_of(
		HEAD FIELDS("20") "\"resourceVersion\":\"7\"},\"spec\":{\"a\":1}}");

	ck_assert_str_eq(snapshot->namespace, "default");
	ck_assert_str_eq(snapshot->name, "web");
	ck_assert_str_eq(snapshot->uid, "u-1");
	ck_assert_str_eq(snapshot->version, "7");
	ck_assert_str_eq(snapshot->yaml, "apiVersion: v1\n"
					 "kind: Pod\n"
					 "metadata:\n"
					 "  creationTimestamp: \"2024-01-01T00:00:00Z\"\n"
					 "  name: web\n"
					 "  namespace: default\n"
					 "  resourceVersion: \"7\"\n"
					 "  uid: u-1\n"
					 "spec:\n"
					 "  a: 1\n");
	ck_assert_uint_eq(snapshot->yaml_length, strlen(snapshot->yaml));
	ck_assert(!snapshot->terminating);
	ck_assert_int_eq(snapshot->modified.tv_sec, 1704067210);
	ck_assert_int_eq(snapshot->changed.tv_sec, 1704067220);
	ck_assert_ptr_eq(snapshot_ref(snapshot), snapshot);
	ck_assert_ptr_null(snapshot_unref(snapshot));
	ck_assert_ptr_null(snapshot_unref(snapshot));
	ck_assert_ptr_null(snapshot_unref(NULL));
}
END_TEST

START_TEST (gives_items_their_type) {
	struct snapshot *snapshot = fixture_snapshot_of("{\"metadata\":{\"name\":\"a\"}}");
	struct snapshot *typed = fixture_snapshot_of(
		"{\"kind\":\"B\",\"metadata\":{\"name\":\"a\"},\"apiVersion\":\"c/v1\"}");
	struct source_item bare = {.json = "{\"metadata\":{\"name\":\"a\"}}", .length = 25};
	struct snapshot *untyped = NULL;

	ck_assert_str_eq(snapshot->yaml, "apiVersion: v1\nkind: Thing\nmetadata:\n  name: a\n");
	ck_assert_str_eq(typed->yaml, "apiVersion: c/v1\nkind: B\nmetadata:\n  name: a\n");
	ck_assert_int_eq(snapshot_create(&bare, NULL, NULL, &untyped, NULL), 0);
	ck_assert_str_eq(untyped->yaml, "metadata:\n  name: a\n");
	ck_assert_str_eq(snapshot->namespace, "");
	ck_assert_str_eq(snapshot->uid, "");
	ck_assert_str_eq(snapshot->version, "");
	snapshot_unref(snapshot);
	snapshot_unref(typed);
	snapshot_unref(untyped);
}
END_TEST

START_TEST (a_status_changes_ctime_only) {
	struct snapshot *before = fixture_snapshot_of(HEAD FIELDS(
		"20") "\"resourceVersion\":\"7\"},"
		      "\"spec\":{\"a\":1},\"status\":{\"phase\":\"Pending\"},\"zone\":1}");
	struct snapshot *after = fixture_snapshot_of(
		HEAD FIELDS("21") "\"resourceVersion\":\"8\"},"
				  "\"spec\":{\"a\":1},\"status\":{\"phase\":\"Running\",\"list\":[{"
				  "\"a\":\"b\\n\\nc\"}]},"
				  "\"zone\":1}");
	struct snapshot *none =
		fixture_snapshot_of(HEAD FIELDS("22") "\"resourceVersion\":\"9\"},"
						      "\"spec\":{\"a\":1},\"zone\":1}");

	ck_assert(same_time(before->modified, after->modified));
	ck_assert(same_time(before->modified, none->modified));
	ck_assert_int_ne(before->changed.tv_sec, after->changed.tv_sec);
	snapshot_unref(before);
	snapshot_unref(after);
	snapshot_unref(none);
}
END_TEST

START_TEST (two_status_changes_in_a_second_differ_in_ctime) {
	struct snapshot *a = fixture_snapshot_of(HEAD FIELDS(
		"20") "\"resourceVersion\":\"7\"},\"spec\":{\"a\":1},\"status\":{\"n\":1}}");
	struct snapshot *b = fixture_snapshot_of(HEAD FIELDS(
		"20") "\"resourceVersion\":\"8\"},\"spec\":{\"a\":1},\"status\":{\"n\":2}}");

	ck_assert(same_time(a->modified, b->modified));
	ck_assert(!same_time(a->changed, b->changed));
	snapshot_unref(a);
	snapshot_unref(b);
}
END_TEST

START_TEST (two_changes_in_a_second_differ_in_mtime) {
	struct snapshot *a = fixture_snapshot_of(
		HEAD FIELDS("10") "\"resourceVersion\":\"7\"},\"spec\":{\"a\":1}}");
	struct snapshot *b = fixture_snapshot_of(
		HEAD FIELDS("10") "\"resourceVersion\":\"8\"},\"spec\":{\"a\":2}}");
	/* What follows the status and what stands before the metadata is content as well. */
	struct snapshot *c = fixture_snapshot_of(
		HEAD FIELDS("10") "\"resourceVersion\":\"7\"},\"spec\":{\"a\":1},\"zone\":1}");
	struct snapshot *d = fixture_snapshot_of(HEAD FIELDS(
		"10") "\"resourceVersion\":\"7\"},\"spec\":{\"a\":1},\"data\":{\"b\":\"1\"}}");

	ck_assert_int_eq(a->modified.tv_sec, b->modified.tv_sec);
	ck_assert(!same_time(a->modified, b->modified));
	ck_assert(!same_time(a->modified, c->modified));
	ck_assert(!same_time(a->modified, d->modified));
	ck_assert(same_time(a->modified, a->modified));
	snapshot_unref(a);
	snapshot_unref(b);
	snapshot_unref(c);
	snapshot_unref(d);
}
END_TEST

START_TEST (the_version_alone_is_no_modification) {
	struct snapshot *a = fixture_snapshot_of(
		HEAD FIELDS("10") "\"resourceVersion\":\"7\"},\"spec\":{\"a\":1}}");
	struct snapshot *b = fixture_snapshot_of(
		HEAD FIELDS("10") "\"resourceVersion\":\"123456\"},\"spec\":{\"a\":1}}");

	ck_assert(same_time(a->modified, b->modified));
	ck_assert(!same_time(a->changed, b->changed));
	snapshot_unref(a);
	snapshot_unref(b);
}
END_TEST

/* An Event has an involvedObject.resourceVersion, and anybody may call a key so. */
START_TEST (only_metadatas_own_version_does_not_count) {
	struct snapshot *a = fixture_snapshot_of(HEAD "\"resourceVersion\":\"7\"},"
						      "\"data\":{\"resourceVersion\":\"1\"},"
						      "\"involvedObject\":{\"resourceVersion\":"
						      "\"1\"}}");
	struct snapshot *b = fixture_snapshot_of(HEAD "\"resourceVersion\":\"8\"},"
						      "\"data\":{\"resourceVersion\":\"1\"},"
						      "\"involvedObject\":{\"resourceVersion\":"
						      "\"1\"}}");
	struct snapshot *c = fixture_snapshot_of(HEAD "\"resourceVersion\":\"7\"},"
						      "\"data\":{\"resourceVersion\":\"2\"},"
						      "\"involvedObject\":{\"resourceVersion\":"
						      "\"1\"}}");
	struct snapshot *d = fixture_snapshot_of(HEAD "\"resourceVersion\":\"7\"},"
						      "\"data\":{\"status\":\"2\",\"x\":\"a\\n\\n"
						      "status: b\\n\"}}");
	struct snapshot *e = fixture_snapshot_of(HEAD "\"resourceVersion\":\"7\"},"
						      "\"data\":{\"status\":\"3\",\"x\":\"a\\n\\n"
						      "status: c\\n\"}}");

	ck_assert(same_time(a->modified, b->modified));
	ck_assert(!same_time(a->modified, c->modified));
	ck_assert(!same_time(d->modified, e->modified));
	snapshot_unref(a);
	snapshot_unref(b);
	snapshot_unref(c);
	snapshot_unref(d);
	snapshot_unref(e);
}
END_TEST

START_TEST (ctime_is_never_before_mtime) {
	for (int i = 0; i < 500; i++) {
		g_autofree char *json = g_strdup_printf(
			HEAD "\"resourceVersion\":\"%d\"},\"status\":{\"n\":%d}}", i, i * 7);
		struct snapshot *snapshot = fixture_snapshot_of(json);

		ck_assert_int_eq(snapshot->modified.tv_sec, snapshot->changed.tv_sec);
		ck_assert_int_ge(snapshot->changed.tv_nsec, snapshot->modified.tv_nsec);
		ck_assert_int_lt(snapshot->changed.tv_nsec, 1000000000);
		ck_assert_int_ge(snapshot->modified.tv_nsec, 0);
		snapshot_unref(snapshot);
	}
}
END_TEST

START_TEST (what_tells_no_time_is_as_old_as_when_it_was_seen) {
	time_t before = time(NULL);
	struct snapshot *snapshot = fixture_snapshot_of("{\"metadata\":{\"name\":\"a\"}}");

	ck_assert_int_ge(snapshot->modified.tv_sec, before);
	ck_assert_int_le(snapshot->modified.tv_sec, time(NULL));
	ck_assert_int_eq(snapshot->changed.tv_sec, snapshot->modified.tv_sec);
	snapshot_unref(snapshot);
}
END_TEST

START_TEST (knows_what_is_terminating) {
	struct snapshot *deleted =
		fixture_snapshot_of(HEAD "\"deletionTimestamp\":\"2024-01-01T00:01:00Z\"}}");
	struct snapshot *not_deleted = fixture_snapshot_of(HEAD "\"deletionTimestamp\":null}}");

	ck_assert(deleted->terminating);
	ck_assert_int_eq(deleted->modified.tv_sec, 1704067260);
	ck_assert(!not_deleted->terminating);
	snapshot_unref(deleted);
	snapshot_unref(not_deleted);
}
END_TEST

static gboolean know(void *data, const struct snapshot_key *key)
{
	g_string_append_printf(
		data, "%s/%s %s %s;", key->namespace, key->name, key->uid, key->version);
	return strcmp(key->version, "7") == 0;
}

START_TEST (does_not_render_what_is_known) {
	const char *seven = HEAD "\"resourceVersion\":\"7\"}}";
	const char *eight = HEAD "\"resourceVersion\":\"8\"}}";
	struct source_item item = {.json = seven, .length = strlen(seven)};
	g_autoptr(GString) keys = g_string_new(NULL);
	struct snapshot *snapshot = NULL;

	ck_assert_int_eq(snapshot_create(&item, know, keys, &snapshot, NULL), 0);
	ck_assert_ptr_null(snapshot);
	item.json = eight;
	item.length = strlen(eight);
	ck_assert_int_eq(snapshot_create(&item, know, keys, &snapshot, NULL), 0);
	ck_assert_ptr_nonnull(snapshot);
	ck_assert_str_eq(keys->str, "default/web u-1 7;default/web u-1 8;");
	snapshot_unref(snapshot);
}
END_TEST

START_TEST (refuses_what_is_no_object) {
	static const char *const wrong[] = {
		"",
		"{",
		"null",
		"[]",
		"1",
		"\"metadata\"",
		"{}",
		"{\"metadata\":null}",
		"{\"metadata\":[]}",
		"{\"metadata\":{}}",
		"{\"metadata\":{\"name\":\"\"}}",
		"{\"metadata\":{\"name\":1}}",
		"{\"metadata\":{\"name\":\"a\\u0000b\"}}",
		"{\"metadata\":{\"name\":\"a\"}}}",
		"{\"metadata\":{\"name\":\"a\"}}{}",
	};

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		struct source_item item = {.json = wrong[i], .length = strlen(wrong[i])};
		g_autoptr(GError) error = NULL;
		struct snapshot *untouched = (struct snapshot *)&item;
		struct snapshot *snapshot = untouched;

		ck_assert_int_eq(snapshot_create(&item, NULL, NULL, &snapshot, &error), -EBADMSG);
		ck_assert_ptr_nonnull(error);
		ck_assert_ptr_null(strchr(error->message, '\n'));
		ck_assert_ptr_eq(snapshot, untouched);
	}
}
END_TEST

START_TEST (errors_hold_no_values) {
	const char *json = "{\"metadata\":{\"name\":\"a\"},\"data\":{\"key\":\"SECRET\",}}";
	struct source_item item = {.json = json, .length = strlen(json)};
	g_autoptr(GError) error = NULL;
	struct snapshot *snapshot = NULL;

	ck_assert_int_eq(snapshot_create(&item, NULL, NULL, &snapshot, &error), -EBADMSG);
	ck_assert_ptr_null(strstr(error->message, "SECRET"));
}
END_TEST

START_TEST (shows_json_as_kubectl_does) {
	struct snapshot *snapshot = fixture_snapshot_of(
		HEAD "\"resourceVersion\":\"7\",\"managedFields\":[]},\"b\":9007199254740993,"
		     "\"a\":[\"<\",1.5,null,{}],\"yes\":\"no\",\"t\":\"2024-01-01\"}");
	g_autoptr(GBytes) json = NULL;
	g_autofree char *text = NULL;

	ck_assert_int_eq(snapshot_json(snapshot, &json, NULL), 0);
	text = g_strndup(g_bytes_get_data(json, NULL), g_bytes_get_size(json));
	ck_assert_str_eq(text, "{\n"
			       "    \"a\": [\n"
			       "        \"\\u003c\",\n"
			       "        1.5,\n"
			       "        null,\n"
			       "        {}\n"
			       "    ],\n"
			       "    \"apiVersion\": \"v1\",\n"
			       "    \"b\": 9007199254740993,\n"
			       "    \"kind\": \"Pod\",\n"
			       "    \"metadata\": {\n"
			       "        \"creationTimestamp\": \"2024-01-01T00:00:00Z\",\n"
			       "        \"name\": \"web\",\n"
			       "        \"namespace\": \"default\",\n"
			       "        \"resourceVersion\": \"7\",\n"
			       "        \"uid\": \"u-1\"\n"
			       "    },\n"
			       "    \"t\": \"2024-01-01\",\n"
			       "    \"yes\": \"no\"\n"
			       "}\n");
	snapshot_unref(snapshot);
}
END_TEST

static char *version_of(const char *json)
{
	struct source_item item = {.json = json, .length = strlen(json)};

	return snapshot_version_of(&item);
}

START_TEST (reads_the_version_of_a_bookmark) {
	g_autofree char *version = version_of("{\"metadata\":{\"resourceVersion\":\"12\"}}");

	ck_assert_str_eq(version, "12");
	ck_assert_ptr_null(version_of("{}"));
	ck_assert_ptr_null(version_of("{\"metadata\":{\"resourceVersion\":12}}"));
	ck_assert_ptr_null(version_of("{\"metadata\":\"x\"}"));
	ck_assert_ptr_null(version_of("[]"));
	ck_assert_ptr_null(version_of(""));
}
END_TEST

/* A ConfigMap of one entry, made and changed at these seconds. */
static GByteArray *make_protobuf(unsigned int made, unsigned int changed, const char *extra)
{
	GByteArray *object = g_byte_array_new();
	GByteArray *metadata = g_byte_array_new();
	GByteArray *time = g_byte_array_new();
	GByteArray *entry = g_byte_array_new();
	GByteArray *fields = g_byte_array_new();
	GByteArray *data = g_byte_array_new();

	build_text(metadata, 1, "one");
	build_text(metadata, 3, "default");
	build_text(metadata, 6, "7");
	build_number(time, 1, made);
	build_message(metadata, 8, time);
	build_text(entry, 1, "somebody");
	build_text(entry, 2, "Update");
	time = g_byte_array_new();
	build_number(time, 1, changed);
	build_message(entry, 4, time);
	build_text(fields, 1, "{\"f:data\":{}}");
	build_message(entry, 7, fields);
	build_message(metadata, 17, entry);
	build_message(object, 1, metadata);
	build_text(data, 1, "key");
	build_text(data, 2, "1.0");
	build_message(object, 2, data);
	g_byte_array_append(object, (const guint8 *)extra, (guint)strlen(extra));
	return object;
}

static struct source_item item_of(const GByteArray *object)
{
	return (struct source_item){
		.protobuf = (const char *)object->data,
		.length = object->len,
		.api_version = "v1",
		.kind = "ConfigMap",
	};
}

START_TEST (protobuf_is_shown_as_json_is) {
	GByteArray *object = make_protobuf(1704067200, 1704067210, "");
	const char *json =
		"{\"metadata\":{\"name\":\"one\",\"namespace\":\"default\",\"resourceVersion\":"
		"\"7\",\"creationTimestamp\":\"2024-01-01T00:00:00Z\",\"managedFields\":[{"
		"\"manager\":\"somebody\",\"operation\":\"Update\",\"time\":"
		"\"2024-01-01T00:00:10Z\",\"fieldsV1\":{\"f:data\":{}}}]},\"data\":{\"key\":"
		"\"1.0\"}}";
	struct source_item item = item_of(object);
	const struct source_item same = {
		.json = json,
		.length = strlen(json),
		.api_version = "v1",
		.kind = "ConfigMap",
	};
	g_autofree char *version = snapshot_version_of(&item);
	struct snapshot *got = NULL;
	struct snapshot *wanted = NULL;

	ck_assert_int_eq(snapshot_create(&item, NULL, NULL, &got, NULL), 0);
	ck_assert_int_eq(snapshot_create(&same, NULL, NULL, &wanted, NULL), 0);
	ck_assert_str_eq(got->yaml, wanted->yaml);
	ck_assert_str_eq(got->name, "one");
	ck_assert_str_eq(got->version, "7");
	ck_assert_str_eq(version, "7");
	ck_assert_int_eq(wanted->modified.tv_sec, 1704067210);
	ck_assert(same_time(got->modified, wanted->modified));
	ck_assert(same_time(got->changed, wanted->changed));
	snapshot_unref(got);
	snapshot_unref(wanted);
	g_byte_array_unref(object);
}
END_TEST

START_TEST (protobuf_that_is_not_known_is_not_shown) {
	GByteArray *unknown = make_protobuf(1, 2, BUILD_UNKNOWN_FIELD);
	GByteArray *damaged = make_protobuf(1, 2, "");
	struct source_item item = item_of(unknown);
	g_autoptr(GError) error = NULL;
	struct snapshot *none = NULL;

	ck_assert_int_eq(snapshot_create(&item, NULL, NULL, &none, &error), -EOPNOTSUPP);
	ck_assert_ptr_null(snapshot_version_of(&item));
	g_clear_error(&error);
	item.kind = "Widget";
	ck_assert_int_eq(snapshot_create(&item, NULL, NULL, &none, &error), -EOPNOTSUPP);
	g_clear_error(&error);
	item = item_of(damaged);
	item.length--;
	ck_assert_int_eq(snapshot_create(&item, NULL, NULL, &none, &error), -EBADMSG);
	ck_assert_ptr_null(none);
	g_byte_array_unref(unknown);
	g_byte_array_unref(damaged);
}
END_TEST

static void *create_many(void *data)
{
	for (int i = 0; i < 300; i++) {
		g_autofree char *version = g_strdup_printf("%d", i);
		struct snapshot *snapshot =
			fixture_snapshot("default", "web", version, ",\"spec\":{\"a\":[1,2]}");
		g_autoptr(GBytes) json = NULL;

		ck_assert_str_eq(snapshot->version, version);
		ck_assert_int_eq(snapshot_json(snapshot, &json, NULL), 0);
		snapshot_unref(snapshot);
	}
	return NULL;
}

START_TEST (works_on_several_threads) {
	pthread_t threads[3];

	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_create(&threads[i], NULL, create_many, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, keeps_key_and_text);
	tcase_add_test(tcase, gives_items_their_type);
	tcase_add_test(tcase, a_status_changes_ctime_only);
	tcase_add_test(tcase, two_status_changes_in_a_second_differ_in_ctime);
	tcase_add_test(tcase, two_changes_in_a_second_differ_in_mtime);
	tcase_add_test(tcase, the_version_alone_is_no_modification);
	tcase_add_test(tcase, only_metadatas_own_version_does_not_count);
	tcase_add_test(tcase, ctime_is_never_before_mtime);
	tcase_add_test(tcase, what_tells_no_time_is_as_old_as_when_it_was_seen);
	tcase_add_test(tcase, knows_what_is_terminating);
	tcase_add_test(tcase, does_not_render_what_is_known);
	tcase_add_test(tcase, refuses_what_is_no_object);
	tcase_add_test(tcase, errors_hold_no_values);
	tcase_add_test(tcase, shows_json_as_kubectl_does);
	tcase_add_test(tcase, reads_the_version_of_a_bookmark);
	tcase_add_test(tcase, protobuf_is_shown_as_json_is);
	tcase_add_test(tcase, protobuf_that_is_not_known_is_not_shown);
	tcase_add_test(tcase, works_on_several_threads);
}

int main(void)
{
	return fixture_run("snapshot", add);
}
