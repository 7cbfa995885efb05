/*
 * Keys of etcd from the operations to the notifications, on an etcd in memory and a stand-in for
 * libfuse.
 */
#include "tests/unit/key_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "kubefs/key_changes.h"
#include "kubefs/key_path.h"
#include "kubefs/layout.h"

START_TEST (shows_keys) {
	struct key_fixture fixture;
	struct fuse_entry_param entry;
	uint64_t pods;

	key_fixture_init(&fixture, "/registry");
	fake_etcd_put(fixture.fake, "/registry/pods/web", "value");
	fake_etcd_put(fixture.fake, "/registry/pods/empty", "");
	fake_etcd_put(fixture.fake, "/registry/pods", "both");
	fake_etcd_put(fixture.fake, "/registry-old", "apart");
	pods = key_fixture_enter(&fixture, FUSE_ROOT_ID, "pods");
	entry = key_fixture_lookup(&fixture, pods, "web");
	ck_assert_int_eq(entry.attr.st_size, 5);
	ck_assert_uint_eq(entry.attr.st_mode, S_IFREG | 0400);
	ck_assert_double_eq(entry.entry_timeout, LAYOUT_LONG);
	key_fixture_expect_content(&fixture, entry.ino, "value");
	/* The escaped name is the same file. */
	ck_assert_uint_eq(key_fixture_lookup(&fixture, pods, "web%=").ino, entry.ino);
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, pods, "empty"), "");
	key_fixture_expect_content(
		&fixture, key_fixture_enter(&fixture, FUSE_ROOT_ID, "pods%="), "both");
	key_fixture_expect_content(&fixture,
		key_fixture_enter(
			&fixture, key_fixture_enter(&fixture, FUSE_ROOT_ID, "%."), "-old"),
		"apart");
	ck_assert_uint_eq(key_fixture_lookup(&fixture, pods, "none").ino, 0);
	ck_assert_uint_eq(key_fixture_lookup(&fixture, pods, "%77eb").ino, 0);
	ck_assert_uint_eq(key_fixture_lookup(&fixture, pods, "%.").ino, 0);
	ck_assert_uint_ne(key_fixture_lookup(&fixture, FUSE_ROOT_ID, ".kubefs").ino, 0);
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (lists_in_pieces) {
	struct key_fixture fixture;
	uint64_t leaf;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/leaf/b", "2");
	fake_etcd_put(fixture.fake, "/leaf/b/c", "3");
	fake_etcd_put(fixture.fake, "/leaf/d", "4");
	fake_etcd_put(fixture.fake, "slashless", "5");
	key_fixture_expect_names(&fixture, FUSE_ROOT_ID, 0, 4096, TRUE, ".@1 ..@2 %.@3 leaf@4 ");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_names(&fixture, leaf, 0, 4096, FALSE, ".@1 ..@2 a@4 b@6 b%=@7 d@8 ");
	for (int plus = 0; plus <= 1; plus++) {
		/* Room for one name each time. */
		size_t size = plus ? 170 : 35;

		key_fixture_expect_names(&fixture, leaf, 2, size, plus, "a@4 ");
		key_fixture_expect_names(&fixture, leaf, 4, size, plus, "b@6 ");
		key_fixture_expect_names(&fixture, leaf, 6, size, plus, "b%=@7 ");
		key_fixture_expect_names(&fixture, leaf, 7, size, plus, "d@8 ");
		key_fixture_expect_names(&fixture, leaf, 8, size, plus, "");
	}
	key_fixture_finish(&fixture);
}
END_TEST

static gboolean is_loaded(struct key_fixture *fixture, const char *prefix)
{
	g_autoptr(GBytes) bytes = g_bytes_new(prefix, strlen(prefix));
	const struct key_scope scope = {.prefix = bytes};
	struct key_directory *directory = keyspace_peek(fixture->filesystem->keyspace, &scope);

	key_directory_unref(directory);
	return directory != NULL;
}

/*
 * The directory of that name, which holds "key". It is loaded before: what lists it then notes it
 * in this thread, and not after the reply in another, which others that follow may overtake.
 */
static void list_loaded(struct key_fixture *fixture, uint64_t parent, const char *name)
{
	uint64_t id = key_fixture_enter(fixture, parent, name);

	key_fixture_enter(fixture, id, "key");
	key_fixture_expect_names(fixture, id, 0, 4096, TRUE, ".@1 ..@2 key@4 ");
}

START_TEST (loads_the_siblings_that_a_walk_comes_to) {
	static const char names[] = "abcdef";
	struct key_fixture fixture;
	uint64_t tree;

	key_fixture_init(&fixture, "");
	for (size_t i = 0; i < strlen(names); i++) {
		g_autofree char *key = g_strdup_printf("/tree/%c/key", names[i]);

		fake_etcd_put(fixture.fake, key, "value");
	}
	tree = key_fixture_enter(&fixture, FUSE_ROOT_ID, "tree");
	key_fixture_expect_names(
		&fixture, tree, 0, 4096, TRUE, ".@1 ..@2 a@4 b@6 c@8 d@10 e@12 f@14 ");
	list_loaded(&fixture, tree, "a");
	/* The first one alone means nothing, nor does one that was passed over. */
	list_loaded(&fixture, tree, "c");
	ck_assert(!is_loaded(&fixture, "/tree/b/") && !is_loaded(&fixture, "/tree/d/"));
	list_loaded(&fixture, tree, "d");
	while (!is_loaded(&fixture, "/tree/e/") || !is_loaded(&fixture, "/tree/f/"))
		g_usleep(1000);
	ck_assert(!is_loaded(&fixture, "/tree/b/"));
	key_fixture_finish(&fixture);
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
	struct key_fixture fixture;
	uint64_t leaf;
	uint64_t chunk;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, short_key, "short");
	fake_etcd_put(fixture.fake, long_key, "long");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_names(&fixture, leaf, 0, 8192, TRUE, all);
	key_fixture_expect_names(&fixture, leaf, 8, 8192, TRUE, "");
	chunk = key_fixture_enter(&fixture, leaf, chunk_name);
	key_fixture_expect_names(&fixture, chunk, 0, 8192, TRUE, inside);
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, chunk, tail), "long");
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, chunk, escaped), "long");
	ck_assert_uint_eq(key_fixture_lookup(&fixture, chunk, "a").ino, 0);
	ck_assert_uint_ne(key_fixture_lookup(&fixture, leaf, chunk_name).attr.st_ino,
		key_fixture_lookup(&fixture, FUSE_ROOT_ID, "leaf").attr.st_ino);
	key_fixture_finish(&fixture);
}
END_TEST

static char *make_line(const char *format, uint64_t id, uint64_t child, const char *name)
{
	if (child != 0)
		return g_strdup_printf("%s %u %u %s", format, (guint)id, (guint)child, name);
	return g_strdup_printf("%s %u %s", format, (guint)id, name);
}

static void expect_line(struct key_fixture *fixture, const char *format, uint64_t id,
	uint64_t child, const char *name)
{
	g_autofree char *line = make_line(format, id, child, name);

	lines_skip_to(fixture->lines, line);
}

/* The name and the listing of its directory; inodes are queued behind no entry. */
static void expect_listed(struct key_fixture *fixture, const char *format, uint64_t directory,
	uint64_t child, const char *name)
{
	g_autofree char *entry = make_line(format, directory, child, name);
	g_autofree char *listing = make_line("inode", directory, 0, "0");

	lines_skip_to_both(fixture->lines, entry, listing);
}

START_TEST (tells_the_kernel_of_changes) {
	struct key_fixture fixture;
	uint64_t leaf;
	uint64_t key;
	uint64_t changed;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key = key_fixture_enter(&fixture, leaf, "a");
	fake_etcd_put(fixture.fake, "/leaf/a", "2");
	expect_line(&fixture, "entry", leaf, 0, "a");
	changed = key_fixture_enter(&fixture, leaf, "a");
	ck_assert_uint_ne(changed, key);
	key_fixture_expect_content(&fixture, changed, "2");
	key_fixture_expect_content(&fixture, key, "1");
	/* A new one: its negative entry, and the listing. */
	fake_etcd_put(fixture.fake, "/leaf/b", "3");
	expect_listed(&fixture, "entry", leaf, 0, "b");
	/* Nobody has seen it: of its change nobody is told. */
	fake_etcd_put(fixture.fake, "/leaf/b", "4");
	/* Of one that is gone, by the node that the kernel has. */
	fake_etcd_delete(fixture.fake, "/leaf/a");
	expect_listed(&fixture, "delete", leaf, changed, "a");
	lines_expect_none(fixture.lines);
	/* A key that becomes a directory: the plain name is another node. */
	key = key_fixture_enter(&fixture, leaf, "b");
	fake_etcd_put(fixture.fake, "/leaf/b/c", "5");
	expect_listed(&fixture, "entry", leaf, 0, "b");
	ck_assert(S_ISDIR(key_fixture_lookup(&fixture, leaf, "b").attr.st_mode));
	ck_assert_uint_eq(key_fixture_enter(&fixture, leaf, "b%="), key);
	fake_etcd_put(fixture.fake, "/leaf/b", "6");
	expect_line(&fixture, "entry", leaf, 0, "b%=");
	fake_etcd_delete(fixture.fake, "/leaf/b/c");
	expect_line(&fixture, "entry", leaf, 0, "b");
	key_fixture_expect_content(&fixture, key_fixture_enter(&fixture, leaf, "b"), "6");
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (makes_the_next_piece_ready) {
	struct key_fixture fixture;
	uint64_t leaf;
	uint64_t key;

	key_fixture_init(&fixture, "");
	/* As with -o ro. */
	fixture.filesystem->zero_message_open = TRUE;
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, "/leaf/b", "2");
	fake_etcd_put(fixture.fake, "/leaf/c", "3");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_names(&fixture, leaf, 2, 170, TRUE, "a@4 ");
	key_fixture_expect_names(&fixture, leaf, 4, 170, TRUE, "b@6 ");
	/* What it does not know yet is told of after the reply. */
	key = key_fixture_enter(&fixture, leaf, "c");
	fake_etcd_delete(fixture.fake, "/leaf/c");
	expect_listed(&fixture, "delete", leaf, key, "c");
	lines_expect_none(fixture.lines);
	key_fixture_expect_names(&fixture, leaf, 6, 170, TRUE, "c@8 ");
	expect_line(&fixture, "entry", leaf, 0, "c");
	key_fixture_expect_names(&fixture, leaf, 6, 170, TRUE, "");
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (forgets_what_is_retired) {
	struct key_fixture fixture;
	uint64_t leaf;
	uint64_t key;
	g_autoptr(GBytes) prefix = g_bytes_new("/leaf/", 6);
	const struct key_scope scope = {.prefix = prefix};
	struct key_directory *directory;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key = key_fixture_enter(&fixture, leaf, "a");
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
	key_fixture_finish(&fixture);
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
	struct key_fixture fixture;
	struct fuse_file_info info = {.flags = O_WRONLY};
	struct stat stat = {0};
	struct fuse_req *request;
	uint64_t leaf;
	uint64_t key;

	key_fixture_init(&fixture, "");
	fixture.filesystem->keys_read_only = TRUE;
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key = key_fixture_enter(&fixture, leaf, "a");
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
	key_fixture_finish(&fixture);
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
	struct key_fixture fixture;
	struct fuse_req *request;
	uint64_t key;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put_bytes(fixture.fake, name, value, 77);
	key = key_fixture_enter(&fixture, key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf"), "a");
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
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (can_be_interrupted) {
	struct key_fixture fixture;
	struct fuse_req *request;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_hold(fixture.fake, TRUE);
	request = fake_request_create(fixture.filesystem);
	OPERATIONS.lookup(request, FUSE_ROOT_ID, "leaf");
	ck_assert(!fake_request_is_answered(request));
	fake_request_interrupt(request);
	ck_assert_int_eq(errnum_of(request), EINTR);
	fake_etcd_hold(fixture.fake, FALSE);
	ck_assert_uint_ne(key_fixture_lookup(&fixture, FUSE_ROOT_ID, "leaf").ino, 0);
	key_fixture_finish(&fixture);
}
END_TEST

START_TEST (reports_keys_that_are_too_long) {
	g_autofree char *name = g_strnfill(5000, 'n');
	g_autofree char *key = g_strdup_printf("/leaf/%s", name);
	g_autofree char *later = g_strdup_printf("/leaf/m%s", name);
	g_autoptr(GBytes) text = NULL;
	struct key_fixture fixture;
	uint64_t leaf;

	key_fixture_init(&fixture, "");
	fake_etcd_put(fixture.fake, "/leaf/a", "1");
	fake_etcd_put(fixture.fake, key, "1");
	leaf = key_fixture_enter(&fixture, FUSE_ROOT_ID, "leaf");
	key_fixture_expect_names(&fixture, leaf, 0, 4096, TRUE, ".@1 ..@2 a@4 ");
	fake_etcd_put(fixture.fake, later, "1");
	fake_etcd_put(fixture.fake, "/leaf/z", "1");
	expect_line(&fixture, "entry", leaf, 0, "z");
	text = journal_text(fixture.filesystem->journal);
	ck_assert_ptr_nonnull(g_strstr_len(
		g_bytes_get_data(text, NULL), (gssize)g_bytes_get_size(text), "leaf/nnnn"));
	ck_assert_ptr_nonnull(g_strstr_len(
		g_bytes_get_data(text, NULL), (gssize)g_bytes_get_size(text), "leaf/mnnn"));
	key_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, shows_keys);
	tcase_add_test(tcase, lists_in_pieces);
	tcase_add_test(tcase, loads_the_siblings_that_a_walk_comes_to);
	tcase_add_test(tcase, lists_long_names_in_directories);
	tcase_add_test(tcase, tells_the_kernel_of_changes);
	tcase_add_test(tcase, makes_the_next_piece_ready);
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
