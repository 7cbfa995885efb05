#include "tests/unit/key_fixture.h"

#include <string.h>

#include "kubefs/key_changes.h"
#include "tests/unit/fake_clock.h"

void key_fixture_init(struct key_fixture *fixture, const char *prefix)
{
	fake_clock_stop();
	*fixture = (struct key_fixture){.fake = fake_etcd_create(), .lines = lines_create()};
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

void key_fixture_finish(struct key_fixture *fixture)
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

struct fuse_entry_param key_fixture_lookup(
	struct key_fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);
	struct fuse_entry_param entry;

	OPERATIONS.lookup(request, parent, name);
	ck_assert_int_eq(fake_request_wait(request), REPLY_ENTRY);
	entry = request->entry;
	fake_request_destroy(request);
	return entry;
}

uint64_t key_fixture_enter(struct key_fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_entry_param entry = key_fixture_lookup(fixture, parent, name);

	ck_assert_msg(entry.ino != 0, "%s is not there", name);
	return entry.ino;
}

void key_fixture_expect_content(struct key_fixture *fixture, uint64_t id, const char *wanted)
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

void key_fixture_expect_names(struct key_fixture *fixture, uint64_t id, off_t offset, size_t size,
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

int key_fixture_lookup_fails(struct key_fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);
	int errnum;

	OPERATIONS.lookup(request, parent, name);
	ck_assert_int_eq(fake_request_wait(request), REPLY_ERROR);
	errnum = request->errnum;
	fake_request_destroy(request);
	return errnum;
}
