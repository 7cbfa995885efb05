/*
 * Keys of etcd from the operations to the notifications, on an etcd in memory and a stand-in for
 * libfuse.
 */
#include "kubefs/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kubefs/key_changes.h"
#include "kubefs/key_path.h"
#include "kubefs/layout.h"
#include "kubefs/operations.h"
#include "tests/unit/fake_etcd.h"
#include "tests/unit/fake_fuse.h"

struct fixture {
	struct engine engine;
	struct fake_etcd *fake;
	struct filesystem *filesystem;
	struct lines *lines;
};

static void setup(struct fixture *fixture, const char *prefix)
{
	*fixture = (struct fixture){.fake = fake_etcd_create(), .lines = lines_create()};
	engine_init(&fixture->engine, 3);
	fake_notifications_set(fixture->lines);
	fixture->filesystem = filesystem_create(fixture->engine.loop, fixture->engine.pool);
	fixture->filesystem->keys = g_bytes_new(prefix, strlen(prefix));
	fixture->filesystem->keys_at_root = TRUE;
	filesystem_attach(fixture->filesystem, NULL);
	fixture->filesystem->keyspace = keyspace_create(&(struct keyspace_options){
		.client = fake_etcd_client(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.prefix = fixture->filesystem->keys,
		.handlers = &KEY_CHANGES_HANDLERS,
		.data = fixture->filesystem,
	});
}

static void finish(struct fixture *fixture)
{
	keyspace_stop(fixture->filesystem->keyspace);
	fixture->filesystem->closing = TRUE;
	filesystem_quiesce(fixture->filesystem);
	engine_finish(&fixture->engine);
	filesystem_destroy(fixture->filesystem);
	fake_notifications_set(NULL);
	lines_destroy(fixture->lines);
	fake_etcd_unref(fixture->fake);
}

static struct fuse_entry_param lookup(struct fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);
	struct fuse_entry_param entry;

	OPERATIONS.lookup(request, parent, name);
	ck_assert_int_eq(fake_request_wait(request), REPLY_ENTRY);
	entry = request->entry;
	fake_request_destroy(request);
	return entry;
}

static uint64_t enter(struct fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_entry_param entry = lookup(fixture, parent, name);

	ck_assert_msg(entry.ino != 0, "%s is not there", name);
	return entry.ino;
}

static void expect_content(struct fixture *fixture, uint64_t id, const char *wanted)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);
	size_t length;
	const char *text;

	OPERATIONS.read(request, id, 4096, 0, NULL);
	ck_assert_int_eq(fake_request_wait(request), REPLY_BUFFER);
	text = g_bytes_get_data(request->buffer, &length);
	ck_assert_uint_eq(length, strlen(wanted));
	ck_assert(length == 0 || memcmp(text, wanted, length) == 0);
	fake_request_destroy(request);
}

static void expect_names(struct fixture *fixture, uint64_t id, off_t offset, size_t size,
	gboolean plus, const char *wanted)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);
	g_autofree char *entries = NULL;

	if (plus)
		OPERATIONS.readdirplus(request, id, size, offset, NULL);
	else
		OPERATIONS.readdir(request, id, size, offset, NULL);
	ck_assert_int_eq(fake_request_wait(request), REPLY_BUFFER);
	entries = fake_entries(request->buffer, plus);
	ck_assert_str_eq(entries, wanted);
	fake_request_destroy(request);
}

START_TEST (shows_keys) {
	struct fixture fixture;
	struct fuse_entry_param entry;
	uint64_t pods;

	setup(&fixture, "/registry");
	fake_etcd_put(fixture.fake, "/registry/pods/web", "value");
	fake_etcd_put(fixture.fake, "/registry/pods/empty", "");
	fake_etcd_put(fixture.fake, "/registry/pods", "both");
	fake_etcd_put(fixture.fake, "/registry-old", "apart");
	pods = enter(&fixture, FUSE_ROOT_ID, "pods");
	entry = lookup(&fixture, pods, "web");
	ck_assert_int_eq(entry.attr.st_size, 5);
	ck_assert_uint_eq(entry.attr.st_mode, S_IFREG | 0400);
	ck_assert_double_eq(entry.entry_timeout, LAYOUT_LONG);
	expect_content(&fixture, entry.ino, "value");
	/* The escaped name is the same file. */
	ck_assert_uint_eq(lookup(&fixture, pods, "web%=").ino, entry.ino);
	expect_content(&fixture, enter(&fixture, pods, "empty"), "");
	expect_content(&fixture, enter(&fixture, FUSE_ROOT_ID, "pods%="), "both");
	expect_content(
		&fixture, enter(&fixture, enter(&fixture, FUSE_ROOT_ID, "%."), "-old"), "apart");
	ck_assert_uint_eq(lookup(&fixture, pods, "none").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, pods, "%77eb").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, pods, "%.").ino, 0);
	ck_assert_uint_ne(lookup(&fixture, FUSE_ROOT_ID, ".kubefs").ino, 0);
	finish(&fixture);
}
END_TEST

START_TEST (lists_in_pieces) {
	struct fixture fixture;
	uint64_t leaf;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/leaf/b", "2");
	fake_etcd_put(fixture.fake, "/leaf/b/c", "3");
	fake_etcd_put(fixture.fake, "/leaf/d", "4");
	fake_etcd_put(fixture.fake, "slashless", "5");
	expect_names(&fixture, FUSE_ROOT_ID, 0, 4096, TRUE, ".@1 ..@2 %.@3 leaf@4 ");
	leaf = enter(&fixture, FUSE_ROOT_ID, "leaf");
	expect_names(&fixture, leaf, 0, 4096, FALSE, ".@1 ..@2 a@4 b@6 b%=@7 d@8 ");
	for (int plus = 0; plus <= 1; plus++) {
		/* Room for one name each time. */
		size_t size = plus ? 170 : 35;

		expect_names(&fixture, leaf, 2, size, plus, "a@4 ");
		expect_names(&fixture, leaf, 4, size, plus, "b@6 ");
		expect_names(&fixture, leaf, 6, size, plus, "b%=@7 ");
		expect_names(&fixture, leaf, 7, size, plus, "d@8 ");
		expect_names(&fixture, leaf, 8, size, plus, "");
	}
	finish(&fixture);
}
END_TEST

START_TEST (lists_long_names_in_directories) {
	g_autofree char *head = g_strnfill(200, 'n');
	g_autofree char *tail = g_strnfill(100, 'm');
	g_autofree char *long_key = g_strdup_printf("/leaf/%s%s", head, tail);
	g_autofree char *short_key = g_strdup_printf("/leaf/%s", head);
	g_autofree char *chunk_name = g_strdup_printf("%s%%", head);
	g_autofree char *all = g_strdup_printf(".@1 ..@2 a@4 %s@6 %s%%@8 ", head, head);
	g_autofree char *inside = g_strdup_printf(".@1 ..@2 %s@8 ", tail);
	g_autofree char *escaped = g_strdup_printf("%s%%=", tail);
	struct fixture fixture;
	uint64_t leaf;
	uint64_t chunk;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, short_key, "short");
	fake_etcd_put(fixture.fake, long_key, "long");
	leaf = enter(&fixture, FUSE_ROOT_ID, "leaf");
	expect_names(&fixture, leaf, 0, 8192, TRUE, all);
	expect_names(&fixture, leaf, 8, 8192, TRUE, "");
	chunk = enter(&fixture, leaf, chunk_name);
	expect_names(&fixture, chunk, 0, 8192, TRUE, inside);
	expect_content(&fixture, enter(&fixture, chunk, tail), "long");
	expect_content(&fixture, enter(&fixture, chunk, escaped), "long");
	ck_assert_uint_eq(lookup(&fixture, chunk, "a").ino, 0);
	ck_assert_uint_ne(lookup(&fixture, leaf, chunk_name).attr.st_ino,
		lookup(&fixture, FUSE_ROOT_ID, "leaf").attr.st_ino);
	finish(&fixture);
}
END_TEST

static void expect_line(
	struct fixture *fixture, const char *format, uint64_t id, uint64_t child, const char *name)
{
	g_autofree char *line = NULL;

	if (child != 0)
		line = g_strdup_printf("%s %u %u %s", format, (guint)id, (guint)child, name);
	else
		line = g_strdup_printf("%s %u %s", format, (guint)id, name);
	lines_skip_to(fixture->lines, line);
}

START_TEST (tells_the_kernel_of_changes) {
	struct fixture fixture;
	uint64_t leaf;
	uint64_t key;
	uint64_t changed;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	leaf = enter(&fixture, FUSE_ROOT_ID, "leaf");
	key = enter(&fixture, leaf, "a");
	fake_etcd_put(fixture.fake, "/leaf/a", "2");
	expect_line(&fixture, "entry", leaf, 0, "a");
	changed = enter(&fixture, leaf, "a");
	ck_assert_uint_ne(changed, key);
	expect_content(&fixture, changed, "2");
	expect_content(&fixture, key, "1");
	/* A new one: its negative entry, and the listing. */
	fake_etcd_put(fixture.fake, "/leaf/b", "3");
	expect_line(&fixture, "entry", leaf, 0, "b");
	expect_line(&fixture, "inode", leaf, 0, "0");
	/* Nobody has seen it: of its change nobody is told. */
	fake_etcd_put(fixture.fake, "/leaf/b", "4");
	/* Of one that is gone, by the node that the kernel has. */
	fake_etcd_delete(fixture.fake, "/leaf/a");
	expect_line(&fixture, "delete", leaf, changed, "a");
	expect_line(&fixture, "inode", leaf, 0, "0");
	lines_expect_none(fixture.lines);
	/* A key that becomes a directory: the plain name is another node. */
	key = enter(&fixture, leaf, "b");
	fake_etcd_put(fixture.fake, "/leaf/b/c", "5");
	expect_line(&fixture, "entry", leaf, 0, "b");
	expect_line(&fixture, "inode", leaf, 0, "0");
	ck_assert(S_ISDIR(lookup(&fixture, leaf, "b").attr.st_mode));
	ck_assert_uint_eq(enter(&fixture, leaf, "b%="), key);
	fake_etcd_put(fixture.fake, "/leaf/b", "6");
	expect_line(&fixture, "entry", leaf, 0, "b%=");
	fake_etcd_delete(fixture.fake, "/leaf/b/c");
	expect_line(&fixture, "entry", leaf, 0, "b");
	expect_content(&fixture, enter(&fixture, leaf, "b"), "6");
	finish(&fixture);
}
END_TEST

START_TEST (forgets_what_is_retired) {
	struct fixture fixture;
	uint64_t leaf;
	uint64_t key;
	g_autoptr(GBytes) prefix = g_bytes_new("/leaf/", 6);
	const struct key_scope scope = {.prefix = prefix};
	struct key_directory *directory;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	leaf = enter(&fixture, FUSE_ROOT_ID, "leaf");
	key = enter(&fixture, leaf, "a");
	ck_assert_uint_ne(key, 0);
	directory = keyspace_peek(fixture.filesystem->keyspace, &scope);
	ck_assert_ptr_nonnull(directory);
	KEY_CHANGES_HANDLERS.retiring(fixture.filesystem, fixture.filesystem->keyspace, directory);
	key_directory_unref(directory);
	{
		g_autofree char *of_leaf = g_strdup_printf("entry %u leaf", FUSE_ROOT_ID);
		g_autofree char *of_key = g_strdup_printf("entry %u a", (guint)leaf);
		g_autofree char *listing = g_strdup_printf("inode %u 0", (guint)leaf);
		const char *const wanted[] = {of_leaf, of_key, listing};

		/* In whatever order. */
		for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
			fake_notifications_set(fixture.lines);
			directory = keyspace_peek(fixture.filesystem->keyspace, &scope);
			KEY_CHANGES_HANDLERS.retiring(
				fixture.filesystem, fixture.filesystem->keyspace, directory);
			key_directory_unref(directory);
			lines_skip_to(fixture.lines, wanted[i]);
		}
	}
	finish(&fixture);
}
END_TEST

static int errnum_of(struct fuse_req *request)
{
	int errnum;

	ck_assert_int_eq(fake_request_wait(request), REPLY_ERROR);
	errnum = request->errnum;
	fake_request_destroy(request);
	return errnum;
}

START_TEST (refuses_changes) {
	struct fixture fixture;
	struct fuse_file_info info = {.flags = O_WRONLY};
	struct stat stat = {0};
	struct fuse_req *request;
	uint64_t leaf;
	uint64_t key;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	leaf = enter(&fixture, FUSE_ROOT_ID, "leaf");
	key = enter(&fixture, leaf, "a");
#define REFUSED(operation, ...)                                                                    \
	request = fake_request_create(fixture.filesystem);                                         \
	OPERATIONS.operation(request, __VA_ARGS__);                                                \
	ck_assert_int_eq(errnum_of(request), EROFS)
	REFUSED(open, key, &info);
	REFUSED(create, leaf, "b", 0644, &info);
	REFUSED(unlink, leaf, "a");
	REFUSED(mkdir, leaf, "b", 0755);
	REFUSED(rmdir, FUSE_ROOT_ID, "leaf");
	REFUSED(rename, leaf, "a", leaf, "b", 0);
	REFUSED(link, key, leaf, "b");
	REFUSED(symlink, "a", leaf, "b");
	REFUSED(setattr, key, &stat, FUSE_SET_ATTR_MODE, NULL);
	REFUSED(setattr, key, &stat, FUSE_SET_ATTR_SIZE, NULL);
	REFUSED(setxattr, key, "user.a", "b", 1, 0);
	REFUSED(access, key, W_OK);
	info.flags = O_RDONLY;
	request = fake_request_create(fixture.filesystem);
	OPERATIONS.open(request, key, &info);
	ck_assert_int_eq(fake_request_wait(request), REPLY_OPEN);
	fake_request_destroy(request);
	finish(&fixture);
}
END_TEST

START_TEST (has_attributes) {
	static const struct {
		const char *name;
		const char *value;
	} attributes[] = {
		{"user.kubefs.create_revision", "2"},
		{"user.kubefs.mod_revision", "3"},
		{"user.kubefs.version", "2"},
		{"user.kubefs.lease", "77"},
	};
	g_autoptr(GBytes) name = g_bytes_new("/leaf/a", 7);
	g_autoptr(GBytes) value = g_bytes_new("", 0);
	struct fixture fixture;
	struct fuse_req *request;
	uint64_t key;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put_bytes(fixture.fake, name, value, 77);
	key = enter(&fixture, enter(&fixture, FUSE_ROOT_ID, "leaf"), "a");
	for (guint i = 0; i < G_N_ELEMENTS(attributes); i++) {
		size_t length;
		const char *found;

		request = fake_request_create(fixture.filesystem);
		OPERATIONS.getxattr(request, key, attributes[i].name, 100);
		ck_assert_int_eq(fake_request_wait(request), REPLY_BUFFER);
		found = g_bytes_get_data(request->buffer, &length);
		ck_assert_uint_eq(length, strlen(attributes[i].value));
		ck_assert(memcmp(found, attributes[i].value, length) == 0);
		fake_request_destroy(request);
	}
	request = fake_request_create(fixture.filesystem);
	OPERATIONS.getxattr(request, key, "user.kubefs.uid", 100);
	ck_assert_int_eq(errnum_of(request), ENODATA);
	finish(&fixture);
}
END_TEST

START_TEST (can_be_interrupted) {
	struct fixture fixture;
	struct fuse_req *request;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_hold(fixture.fake, TRUE);
	request = fake_request_create(fixture.filesystem);
	OPERATIONS.lookup(request, FUSE_ROOT_ID, "leaf");
	ck_assert(!fake_request_is_answered(request));
	fake_request_interrupt(request);
	ck_assert_int_eq(errnum_of(request), EINTR);
	fake_etcd_hold(fixture.fake, FALSE);
	ck_assert_uint_ne(lookup(&fixture, FUSE_ROOT_ID, "leaf").ino, 0);
	finish(&fixture);
}
END_TEST

START_TEST (reports_keys_that_are_too_long) {
	g_autofree char *name = g_strnfill(5000, 'n');
	g_autofree char *key = g_strdup_printf("/leaf/%s", name);
	g_autofree char *later = g_strdup_printf("/leaf/m%s", name);
	g_autoptr(GBytes) text = NULL;
	struct fixture fixture;
	uint64_t leaf;

	setup(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, key, "1");
	leaf = enter(&fixture, FUSE_ROOT_ID, "leaf");
	expect_names(&fixture, leaf, 0, 4096, TRUE, ".@1 ..@2 a@4 ");
	fake_etcd_put(fixture.fake, later, "1");
	fake_etcd_put(fixture.fake, "/leaf/z", "1");
	expect_line(&fixture, "entry", leaf, 0, "z");
	text = journal_text(fixture.filesystem->journal);
	ck_assert_ptr_nonnull(g_strstr_len(
		g_bytes_get_data(text, NULL), (gssize)g_bytes_get_size(text), "leaf/nnnn"));
	ck_assert_ptr_nonnull(g_strstr_len(
		g_bytes_get_data(text, NULL), (gssize)g_bytes_get_size(text), "leaf/mnnn"));
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, shows_keys);
	tcase_add_test(tcase, lists_in_pieces);
	tcase_add_test(tcase, lists_long_names_in_directories);
	tcase_add_test(tcase, tells_the_kernel_of_changes);
	tcase_add_test(tcase, forgets_what_is_retired);
	tcase_add_test(tcase, refuses_changes);
	tcase_add_test(tcase, has_attributes);
	tcase_add_test(tcase, can_be_interrupted);
	tcase_add_test(tcase, reports_keys_that_are_too_long);
}

int main(void)
{
	return fixture_run("key_files", add);
}
