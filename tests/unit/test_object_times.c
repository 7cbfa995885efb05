/* cache/object_times.h: mtime and ctime by writes.md 7, and what is no time. */
#include "cache/object_times.h"

#include <string.h>

#include "cache/json_parse.h"
#include "tests/unit/cache_fixture.h"

/* 2024-01-01T00:00:00Z */
#define BASE 1704067200

static struct object_times read_times(const char *json)
{
	struct document *document DOCUMENT_CLEANUP = document_create(0, 1 << 20);
	struct document_node *root = NULL;

	ck_assert_int_eq(json_parse(document, json, strlen(json), &root, NULL), 0);
	return object_times_read(root);
}

static void expect(const char *json, time_t modified, time_t changed)
{
	struct object_times times = read_times(json);

	ck_assert_msg(times.modified == modified && times.changed == changed,
		"%s: modified %ld, changed %ld", json, (long)times.modified, (long)times.changed);
}

START_TEST (creation_is_the_first_change) {
	expect("{\"creationTimestamp\":\"2024-01-01T00:00:00Z\"}", BASE, BASE);
	expect("{}", 0, 0);
	expect("{\"creationTimestamp\":null}", 0, 0);
	expect("[]", 0, 0);
	ck_assert_int_eq(object_times_read(NULL).changed, 0);
}
END_TEST

START_TEST (status_changes_only_ctime) {
	expect("{\"creationTimestamp\":\"2024-01-01T00:00:00Z\",\"managedFields\":["
	       "{\"time\":\"2024-01-01T00:00:10Z\"},"
	       "{\"time\":\"2024-01-01T00:00:20Z\",\"subresource\":\"status\"},"
	       "{\"time\":\"2024-01-01T00:00:05Z\"}]}",
		BASE + 10, BASE + 20);
	/* Any other subresource changes what is wanted. */
	expect("{\"managedFields\":[{\"time\":\"2024-01-01T00:00:20Z\",\"subresource\":"
	       "\"scale\"}]}",
		BASE + 20, BASE + 20);
	expect("{\"managedFields\":[{\"time\":\"2024-01-01T00:00:20Z\",\"subresource\":"
	       "\"statusx\"}]}",
		BASE + 20, BASE + 20);
	expect("{\"managedFields\":[{\"time\":\"2024-01-01T00:00:20Z\",\"subresource\":\"\"}]}",
		BASE + 20, BASE + 20);
}
END_TEST

START_TEST (deletion_counts_from_when_it_was_asked_for) {
	expect("{\"creationTimestamp\":\"2024-01-01T00:00:00Z\","
	       "\"deletionTimestamp\":\"2024-01-01T00:01:00Z\","
	       "\"deletionGracePeriodSeconds\":30}",
		BASE + 30, BASE + 30);
	expect("{\"deletionTimestamp\":\"2024-01-01T00:01:00Z\"}", BASE + 60, BASE + 60);
	expect("{\"deletionTimestamp\":\"2024-01-01T00:01:00Z\","
	       "\"deletionGracePeriodSeconds\":-5}",
		BASE + 60, BASE + 60);
	expect("{\"deletionTimestamp\":\"2024-01-01T00:01:00Z\","
	       "\"deletionGracePeriodSeconds\":9223372036854775807}",
		0, 0);
	expect("{\"deletionTimestamp\":\"2024-01-01T00:01:00Z\","
	       "\"deletionGracePeriodSeconds\":\"30\"}",
		BASE + 60, BASE + 60);
	expect("{\"deletionTimestamp\":\"2024-01-01T00:01:00Z\","
	       "\"deletionGracePeriodSeconds\":1e1}",
		BASE + 60, BASE + 60);
}
END_TEST

START_TEST (fractions_are_cut) {
	expect("{\"creationTimestamp\":\"2024-01-01T00:00:00.999999Z\"}", BASE, BASE);
	expect("{\"creationTimestamp\":\"2024-02-29T12:00:00Z\"}", 1709208000, 1709208000);
}
END_TEST

START_TEST (what_is_no_time_does_not_count) {
	static const char *const wrong[] = {
		"\"\"",
		"\"2024\"",
		"\"2024-01-01\"",
		"\"2024-01-01T00:00:00\"",
		"\"2024-01-01 00:00:00Z\"",
		"\"2024-13-01T00:00:00Z\"",
		"\"2024-00-01T00:00:00Z\"",
		"\"2023-02-29T00:00:00Z\"",
		"\"2024-01-32T00:00:00Z\"",
		"\"2024-01-00T00:00:00Z\"",
		"\"2024-01-01T24:00:01Z\"",
		"\"2024-01-01T00:60:00Z\"",
		"\"2024-01-01T00:00:61Z\"",
		"\"20x4-01-01T00:00:00Z\"",
		"\"2024-01-01T00:00:0\\u0000Z\"",
		"\"0001-01-01T00:00:00Z\"",
		"1704067200",
		"{}",
		"[\"2024-01-01T00:00:00Z\"]",
		"true",
	};

	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *creation = g_strdup_printf("{\"creationTimestamp\":%s}", wrong[i]);
		g_autofree char *fields =
			g_strdup_printf("{\"managedFields\":[{\"time\":%s}]}", wrong[i]);

		expect(creation, 0, 0);
		expect(fields, 0, 0);
	}
	expect("{\"managedFields\":[null,1,\"x\",[],{\"time\":\"2024-01-01T00:00:00Z\"}]}", BASE,
		BASE);
	expect("{\"managedFields\":{\"time\":\"2024-01-01T00:00:00Z\"}}", 0, 0);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, creation_is_the_first_change);
	tcase_add_test(tcase, status_changes_only_ctime);
	tcase_add_test(tcase, deletion_counts_from_when_it_was_asked_for);
	tcase_add_test(tcase, fractions_are_cut);
	tcase_add_test(tcase, what_is_no_time_does_not_count);
}

int main(void)
{
	return fixture_run("object_times", add);
}
