/*
 * What stands beside keys of etcd, on an etcd in memory and a stand-in for libfuse.
 */
#include "tests/unit/key_fixture.h"

#include <errno.h>
#include <string.h>

#include "kubefs/layout.h"

#define OBJECT                                                                                     \
	"{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\","      \
	"\"creationTimestamp\":\"2020-01-02T03:04:05Z\",\"managedFields\":[]},\"size\":1.50}\n"
#define YAML                                                                                       \
	"apiVersion: example.com/v1\nkind: Thing\nmetadata:\n"                                     \
	"  creationTimestamp: \"2020-01-02T03:04:05Z\"\n  name: a\n  resourceVersion: \"%s\"\n"    \
	"size: 1.5\n"

/* A Lease of the API server: metadata with a name; more holds what follows in the envelope. */
static int64_t put_protobuf(struct key_fixture *fixture, const char *key, const char *message)
{
	g_autoptr(GByteArray) value = g_byte_array_new();
	g_autoptr(GBytes) key_bytes = g_bytes_new(key, strlen(key));
	g_autoptr(GBytes) bytes = NULL;
	const char type[] = "\x0a\x1f\x0a\x16"
			    "coordination.k8s.io/v1\x12\x05Lease";
	const guint8 head[] = {0x12, (guint8)strlen(message)};

	g_byte_array_append(value, (const guint8 *)"k8s", 4);
	g_byte_array_append(value, (const guint8 *)type, sizeof(type) - 1);
	g_byte_array_append(value, head, sizeof(head));
	g_byte_array_append(value, (const guint8 *)message, (guint)strlen(message));
	bytes = g_byte_array_free_to_bytes(g_steal_pointer(&value));
	return fake_etcd_put_bytes(fixture->fake, key_bytes, bytes, 0);
}

static gboolean errors_hold(struct key_fixture *fixture, const char *text)
{
	g_autoptr(GBytes) errors = journal_text(fixture->filesystem->journal);
	size_t length;
	const char *bytes = g_bytes_get_data(errors, &length);

	return g_strstr_len(bytes, (gssize)length, text) != NULL;
}

static void expect_yaml(struct key_fixture *fixture, uint64_t id, int64_t revision)
{
	g_autofree char *version = g_strdup_printf("%" G_GINT64_FORMAT, (gint64)revision);
	g_auto(GStrv) parts = g_strsplit(YAML, "%s", 2);
	g_autofree char *wanted = g_strconcat(parts[0], version, parts[1], NULL);

	key_fixture_expect_content(fixture, id, wanted);
}

START_TEST (shows_objects_decoded) {
	struct key_fixture fixture;
	struct fuse_entry_param entry;
	int64_t revision;
	uint64_t leaf;
	uint64_t views;

	key_fixture_init(&fixture, "");
	revision = fake_etcd_put(fixture.fake, "/leaf/a", OBJECT);
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	entry = key_fixture_lookup(&fixture, leaf, "a@");
	views = entry.ino;
	ck_assert_uint_eq(entry.attr.st_mode, S_IFDIR | 0500);
	ck_assert_double_le(entry.entry_timeout, LAYOUT_SOON);
	for (int plus = 0; plus <= 1; plus++)
		key_fixture_expect_names(&fixture, views, 0, 4096, plus,
			".@1 ..@2 json@3 raw@4 yaml@5 revisions@6 ");
	key_fixture_expect_names(&fixture, views, 4, 4096, TRUE, "yaml@5 revisions@6 ");
	entry = key_fixture_lookup(&fixture, views, "yaml");
	ck_assert_uint_eq(entry.attr.st_mode, S_IFREG | 0400);
	ck_assert_double_eq(entry.entry_timeout, 0);
	ck_assert_int_eq(entry.attr.st_size, strlen(YAML) - 2 + 1);
	ck_assert_int_eq(entry.attr.st_mtim.tv_sec, 1577934245);
	ck_assert_int_eq(entry.attr.st_mtim.tv_nsec, revision);
	expect_yaml(&fixture, entry.ino, revision);
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, views, "raw"), OBJECT);
	/* Both names of a key have views, and they are the same ones. */
	ck_assert_uint_eq(key_fixture_enter(&fixture, leaf, "a%=@"), views);
	ck_assert_uint_eq(key_fixture_lookup(&fixture, leaf, "b@").ino, 0);
	ck_assert_uint_eq(key_fixture_lookup(&fixture, FUSE_ROOT_ID, "leaf@").ino, 0);
	ck_assert_uint_eq(key_fixture_lookup(&fixture, views, "status").ino, 0);
	/* What follows is another version; the old one stays as it was. */
	revision = fake_etcd_put(fixture.fake, "/leaf/a", OBJECT);
	while (key_fixture_enter(&fixture, views, "yaml") == entry.ino)
		g_usleep(1000);
	expect_yaml(&fixture, key_fixture_enter(&fixture, views, "yaml"), revision);
	expect_yaml(&fixture, entry.ino, revision - 1);
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (reads_protobuf) {
	struct key_fixture fixture;
	uint64_t views;

	key_fixture_init(&fixture, "");
	/* ObjectMeta with a name. */
	put_protobuf(&fixture, "/a", "\x0a\x03\x0a\x01z");
	put_protobuf(&fixture, "/b", "\x0a\x03\x0a\x01z\x7a\x01y");
	put_protobuf(&fixture, "/c", "\x0a\x09\x0a\x01z");
	views = key_fixture_enter(&fixture, FUSE_ROOT_ID, "a@");
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, views, "json"),
		"{\n    \"apiVersion\": \"coordination.k8s.io/v1\",\n    \"kind\": \"Lease\",\n"
		"    \"metadata\": {\n        \"name\": \"z\",\n"
		"        \"resourceVersion\": \"2\"\n    },\n    \"spec\": {}\n}\n");
	/* A member that this release does not know: nothing is shown rather than all but that. */
	views = key_fixture_enter(&fixture, FUSE_ROOT_ID, "b@");
	ck_assert_int_eq(key_fixture_lookup_fails(&fixture, views, "yaml"), EOPNOTSUPP);
	ck_assert(errors_hold(&fixture, ": b: "));
	/* Cut off. */
	views = key_fixture_enter(&fixture, FUSE_ROOT_ID, "c@");
	ck_assert_int_eq(key_fixture_lookup_fails(&fixture, views, "json"), EBADMSG);
	key_fixture_expect_names(&fixture, views, 0, 4096, TRUE, ".@1 ..@2 raw@4 revisions@6 ");
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (says_what_cannot_be_read) {
	static const struct {
		const char *value;
		int errnum; /* 0: there is no such file */
		const char *reason;
	} cases[] = {
		{"", 0, NULL},
		{"text", 0, NULL},
		{"{}", 0, NULL},
		{"{\"kind\":\"Thing\"}", 0, NULL},
		{"{\"kind\":", EBADMSG, "a: JSON ends early"},
		{"\xd9\xd9\xf7\xa0", EOPNOTSUPP, "CBOR"},
		{"k8s:enc:aescbc:v1:key1:secret", ENOKEY, "encrypted (aescbc)"},
		{"k8s:enc:\033[1m", ENOKEY, "encrypted (\\x1B[1m)"},
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct key_fixture fixture;
		uint64_t views;

		key_fixture_init(&fixture, "/leaf");
		fake_etcd_put(fixture.fake, "/leaf/a", cases[i].value);
		views = key_fixture_enter(&fixture, FUSE_ROOT_ID, "a@");
		key_fixture_expect_names(
			&fixture, views, 0, 4096, FALSE, ".@1 ..@2 raw@4 revisions@6 ");
		key_fixture_expect_content(
			&fixture, key_fixture_enter(&fixture, views, "raw"), cases[i].value);
		if (cases[i].errnum == 0)
			ck_assert_uint_eq(key_fixture_lookup(&fixture, views, "yaml").ino, 0);
		else
			ck_assert_int_eq(
				key_fixture_lookup_fails(&fixture, views, "yaml"), cases[i].errnum);
		ck_assert(cases[i].reason == NULL || errors_hold(&fixture, cases[i].reason));
		ck_assert(!errors_hold(&fixture, "secret"));
		key_fixture_finish(&fixture);
	}
}
END_TEST

START_TEST (keys_win_over_views) {
	struct key_fixture fixture;
	uint64_t leaf;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/leaf/a@", "2");
	fake_etcd_put(fixture.fake, "/leaf/b", "3");
	fake_etcd_put(fixture.fake, "/leaf/b@/raw", "4");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, leaf, "a@"), "2");
	key_fixture_expect_content(&fixture,
		key_fixture_enter(&fixture, key_fixture_enter(&fixture, leaf, "b@"), "raw"), "4");
	/* The escaped name always is a key's, and so are its views. */
	key_fixture_expect_content(&fixture,
		key_fixture_enter(&fixture, key_fixture_enter(&fixture, leaf, "a%=@"), "raw"), "1");
	key_fixture_expect_content(&fixture,
		key_fixture_enter(&fixture, key_fixture_enter(&fixture, leaf, "a@@"), "raw"), "2");
	key_fixture_expect_content(&fixture,
		key_fixture_enter(&fixture, key_fixture_enter(&fixture, leaf, "b%=@"), "raw"), "3");
	key_fixture_finish(&fixture);
}
END_TEST

/* A name that just fits has views that do not. */
START_TEST (long_names_have_views) {
	struct key_fixture fixture;
	g_autofree char *name = g_strnfill(255, 'n');
	g_autofree char *key = g_strdup_printf("/leaf/%s", name);
	g_autofree char *chunk = g_strdup_printf("%.200s%%", name);
	g_autofree char *views = g_strdup_printf("%s@", name + 200);
	g_autofree char *listed = g_strdup_printf(".@1 ..@2 %s@4 ", name);
	uint64_t leaf;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, key, "1");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_names(&fixture, leaf, 0, 4096, TRUE, listed);
	leaf = key_fixture_enter(&fixture, leaf, chunk);
	key_fixture_expect_names(&fixture, leaf, 0, 4096, TRUE, ".@1 ..@2 ");
	leaf = key_fixture_enter(&fixture, leaf, views);
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, leaf, "raw"), "1");
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (slashless_keys_have_views) {
	struct key_fixture fixture;
	uint64_t apart;

	key_fixture_init(&fixture, "/leaf");
	fake_etcd_put(fixture.fake, "/leaf", "1");
	fake_etcd_put(fixture.fake, "/leaf-b", "2");
	apart = key_fixture_enter(&fixture, FUSE_ROOT_ID, "%.");
	key_fixture_expect_content(&fixture,
		key_fixture_enter(&fixture, key_fixture_enter(&fixture, apart, "%-@"), "raw"), "1");
	key_fixture_expect_content(&fixture,
		key_fixture_enter(&fixture, key_fixture_enter(&fixture, apart, "-b@"), "raw"), "2");
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (lists_objects_decoded) {
	struct key_fixture fixture;
	struct fuse_entry_param entry;
	int64_t revision;
	uint64_t leaf;
	uint64_t views;
	g_autofree char *line = NULL;

	key_fixture_init(&fixture, "");
	fixture.filesystem->decode = TRUE;
	revision = fake_etcd_put(fixture.fake, "/leaf/a", OBJECT);
	fake_etcd_put(fixture.fake, "/leaf/b", "k8s:enc:kms:");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_names(&fixture, leaf, 0, 4096, TRUE, ".@1 ..@2 a@4 b@6 ");
	entry = key_fixture_lookup(&fixture, leaf, "a");
	ck_assert_int_eq(entry.attr.st_size, strlen(YAML) - 2 + 1);
	ck_assert_double_eq(entry.entry_timeout, LAYOUT_LONG);
	expect_yaml(&fixture, entry.ino, revision);
	key_fixture_expect_content(
		&fixture, key_fixture_enter(&fixture, leaf, "b"), "k8s:enc:kms:");
	views = key_fixture_enter(&fixture, leaf, "a@");
	ck_assert_uint_eq(key_fixture_enter(&fixture, views, "yaml"), entry.ino);
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, views, "raw"), OBJECT);
	/* The kernel is told of its changes all the same. */
	fake_etcd_put(fixture.fake, "/leaf/a", "no object any more");
	line = g_strdup_printf("entry %u a", (guint)leaf);
	lines_skip_to(fixture.lines, line);
	key_fixture_expect_content(
		&fixture, key_fixture_enter(&fixture, leaf, "a"), "no object any more");
	expect_yaml(&fixture, entry.ino, revision);
	key_fixture_finish(&fixture);
}
END_TEST

/* More than is kept: what was dropped is made again. */
START_TEST (texts_are_kept_within_bounds) {
	struct key_texts *texts = key_texts_create();
	g_autofree char *big = g_strnfill(KEY_TEXTS_MAX / 8, 'x');
	g_autofree char *value =
		g_strdup_printf("{\"apiVersion\":\"v1\",\"kind\":\"Thing\",\"data\":\"%s\"}", big);
	g_autoptr(GBytes) key = g_bytes_new_static("a", 1);
	g_autoptr(GBytes) bytes = g_bytes_new(value, strlen(value));
	struct key_snapshot *snapshots[10];
	struct stored_object first;
	struct stored_object again;

	for (guint i = 0; i < G_N_ELEMENTS(snapshots); i++) {
		const struct etcd_kv kv = {.key = key, .value = bytes, .mod_revision = i + 1};
		struct stored_object object STORED_OBJECT_CLEANUP = {0};

		snapshots[i] = key_snapshot_create(&kv, (struct timespec){.tv_sec = 1});
		ck_assert_int_eq(key_texts_get(texts, snapshots[i], NODE_YAML, &object, NULL), 0);
		ck_assert_int_eq(object.modified.tv_sec, 1);
	}
	/* The last one is shared, the first one was dropped: nobody else holds its snapshot. */
	ck_assert_int_eq(g_atomic_int_get(&snapshots[0]->references), 1);
	ck_assert_int_eq(g_atomic_int_get(&snapshots[9]->references), 2);
	ck_assert_int_eq(key_texts_get(texts, snapshots[9], NODE_YAML, &first, NULL), 0);
	ck_assert_int_eq(key_texts_get(texts, snapshots[9], NODE_YAML, &again, NULL), 0);
	ck_assert_ptr_eq(first.text, again.text);
	stored_object_finish(&first);
	stored_object_finish(&again);
	ck_assert_int_eq(key_texts_get(texts, snapshots[9], NODE_JSON, &again, NULL), 0);
	ck_assert_int_eq(((const char *)g_bytes_get_data(again.text, NULL))[0], '{');
	stored_object_finish(&again);
	key_texts_destroy(texts);
	for (guint i = 0; i < G_N_ELEMENTS(snapshots); i++)
		key_snapshot_unref(snapshots[i]);
}
END_TEST

START_TEST (shows_the_past) {
	struct key_fixture fixture;
	struct fake_etcd_count count;
	int64_t revision;
	g_autofree char *name = NULL;
	uint64_t revisions;
	uint64_t past;
	uint64_t leaf;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/.revisions/a", "key");
	revision = fake_etcd_put(fixture.fake, "/leaf/b", "2");
	fake_etcd_put(fixture.fake, "/leaf/a", "3");
	fake_etcd_delete(fixture.fake, "/leaf/b");
	name = g_strdup_printf("%" G_GINT64_FORMAT, (gint64)revision);
	revisions = key_fixture_enter(&fixture, FUSE_ROOT_ID, ".revisions");
	key_fixture_expect_names(&fixture, revisions, 0, 4096, TRUE, ".@1 ..@2 ");
	past = key_fixture_enter(&fixture, revisions, name);
	ck_assert_uint_eq(key_fixture_lookup(&fixture, past, ".revisions").ino, 0);
	leaf = key_fixture_enter(&fixture, past, "leaf");
	key_fixture_expect_names(&fixture, leaf, 0, 4096, TRUE, ".@1 ..@2 a@4 b@6 ");
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, leaf, "a"), "1");
	key_fixture_expect_content(&fixture,
		key_fixture_enter(&fixture, key_fixture_enter(&fixture, leaf, "b@"), "raw"), "2");
	ck_assert_double_eq(key_fixture_lookup(&fixture, leaf, "a").entry_timeout, LAYOUT_LONG);
	fake_etcd_get_count(fixture.fake, &count);
	ck_assert_uint_eq(count.watches, 0);
	/* The present is another directory, and other files. */
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, leaf, "a"), "3");
	ck_assert_uint_eq(key_fixture_lookup(&fixture, leaf, "b").ino, 0);
	key_fixture_expect_content(&fixture,
		key_fixture_enter(
			&fixture, key_fixture_enter(&fixture, FUSE_ROOT_ID, "%2Erevisions"), "a"),
		"key");
	for (guint i = 0; i < 5; i++) {
		static const char *const none[] = {"0", "-1", "02", "x", "999999"};

		ck_assert_uint_eq(key_fixture_lookup(&fixture, revisions, none[i]).ino, 0);
	}
	fake_etcd_compact(fixture.fake, revision + 1);
	ck_assert_int_eq(key_fixture_lookup_fails(&fixture, revisions, "2"), ESTALE);
	ck_assert(errors_hold(&fixture, ".revisions/2: "));
	key_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, shows_objects_decoded);
	tcase_add_test(tcase, reads_protobuf);
	tcase_add_test(tcase, says_what_cannot_be_read);
	tcase_add_test(tcase, keys_win_over_views);
	tcase_add_test(tcase, long_names_have_views);
	tcase_add_test(tcase, slashless_keys_have_views);
	tcase_add_test(tcase, lists_objects_decoded);
	tcase_add_test(tcase, shows_the_past);
	tcase_add_test(tcase, texts_are_kept_within_bounds);
}

int main(void)
{
	return fixture_run("key_views", add);
}
