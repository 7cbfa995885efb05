#include "tests/unit/write_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/lock.h"
#include "kubefs/changes.h"
#include "kubefs/process_question.h"
#include "tests/unit/fake_clock.h"

#define DRAIN_MS 5000
#define READ_MAX (1U << 24)

static gint removals_are_delayed; /* atomic */

/* Names that the linker gives (ld's --wrap). */
struct process_questions *__real_process_questions_create(
	const char *proc, unsigned int milliseconds);
struct process_questions *__wrap_process_questions_create(
	const char *proc, unsigned int milliseconds);
guint64 __real_processes_after(struct processes *processes, struct process *process,
	unsigned int milliseconds, void (*job)(void *data), void *data);
guint64 __wrap_processes_after(struct processes *processes, struct process *process,
	unsigned int milliseconds, void (*job)(void *data), void *data);

/* With more patience: a FLUSH that nobody looked into in time would save nothing. */
struct process_questions *__wrap_process_questions_create(
	const char *proc, unsigned int milliseconds)
{
	return __real_process_questions_create(proc, FIXTURE_PATIENCE_MS);
}

guint64 __wrap_processes_after(struct processes *processes, struct process *process,
	unsigned int milliseconds, void (*job)(void *data), void *data)
{
	if (g_atomic_int_get(&removals_are_delayed))
		milliseconds = DELAYED_REMOVAL_MS;
	return __real_processes_after(processes, process, milliseconds, job, data);
}

void delay_removals(void)
{
	g_atomic_int_set(&removals_are_delayed, TRUE);
}

static void answer_ping(void *data, struct fake_call *call)
{
	fake_done_item(call, "{}");
}

static void answer_rules(void *data, struct fake_call *call)
{
	const struct write_fixture *fixture = data;
	g_autofree char *json = NULL;

	if (fixture->rules == NULL) {
		fake_fail(call, EACCES, 403);
		return;
	}
	json = g_strdup_printf("{\"status\":{\"resourceRules\":%s}}", fixture->rules);
	fake_done_item(call, json);
}

static void answer_discover(void *data, struct fake_call *call)
{
	struct write_fixture *fixture = data;

	fake_discovered(
		call, fake_catalog(resource_ref(fixture->maps), resource_ref(fixture->apps), NULL));
}

uint64_t enter_directory(struct write_fixture *fixture, struct resource *resource)
{
	const struct node_key key = {
		.kind = NODE_RESOURCE,
		.context = fixture->context,
		.namespace = "default",
		.resource = resource,
	};
	struct node *node NODE_CLEANUP = node_table_enter(fixture->filesystem->nodes, &key, NULL);

	return node->id;
}

void write_fixture_setup(struct write_fixture *fixture)
{
	fake_clock_stop();
	g_atomic_int_set(&removals_are_delayed, FALSE);
	*fixture = (struct write_fixture){.pid = getpid(), .other = child_start()};
	engine_init(&fixture->engine, 3);
	fixture->fake = fake_source_create();
	fixture->cluster = fake_cluster_create(fixture->fake);
	fixture->maps = fake_resource("", "v1", "configmaps", "ConfigMap");
	fixture->apps = fake_resource("apps", "v1", "deployments", "Deployment");
	fixture->apps->has_status = fixture->apps->has_scale = TRUE;
	fake_source_answer(fixture->fake, FAKE_PING, answer_ping, fixture);
	fake_source_answer(fixture->fake, FAKE_RULES, answer_rules, fixture);
	fake_source_answer(fixture->fake, FAKE_DISCOVER, answer_discover, fixture);
	fixture->lines = lines_create();
	fake_notifications_set(fixture->lines);
	fixture->filesystem = filesystem_create(fixture->engine.loop, fixture->engine.pool);
	fixture->context = context_create(fixture->filesystem, "one", NULL);
	g_ptr_array_add(fixture->filesystem->contexts, fixture->context);
	filesystem_attach(fixture->filesystem, NULL);
	fixture->context->cache = cache_create(&(struct cache_options){
		.source = fake_source_get(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.handlers = &CHANGES_HANDLERS,
		.data = fixture->context,
	});
	fixture->directory = enter_directory(fixture, fixture->maps);
}

void write_fixture_setup_map(struct write_fixture *fixture)
{
	write_fixture_setup(fixture);
	put_map(fixture, "web");
}

void write_fixture_stop(struct write_fixture *fixture)
{
	fixture->filesystem->closing = TRUE;
	filesystem_drain(fixture->filesystem, DRAIN_MS);
	cache_stop(fixture->context->cache);
	filesystem_quiesce(fixture->filesystem);
}

void write_fixture_destroy(struct write_fixture *fixture)
{
	engine_finish(&fixture->engine);
	/* Nothing that was opened is left behind. */
	filesystem_destroy(fixture->filesystem);
	fake_cluster_destroy(fixture->cluster);
	fake_source_unref(fixture->fake);
	fake_notifications_set(NULL);
	lines_destroy(fixture->lines);
	resource_unref(fixture->maps);
	resource_unref(fixture->apps);
	child_end(fixture->other);
}

void write_fixture_finish(struct write_fixture *fixture)
{
	write_fixture_stop(fixture);
	write_fixture_destroy(fixture);
}

void put_map(struct write_fixture *fixture, const char *name)
{
	g_autofree char *json = g_strdup_printf(
		"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
		"\"namespace\":\"default\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},"
		"\"data\":{\"a\":\"3\",\"b\":\"x\"}}",
		name);

	g_free(fake_cluster_put(fixture->cluster, json));
}

void put_app(struct write_fixture *fixture, const char *name)
{
	g_autofree char *json = g_strdup_printf(
		"{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"%s\","
		"\"namespace\":\"default\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},"
		"\"spec\":{\"replicas\":3},\"status\":{\"ready\":1}}",
		name);

	g_free(fake_cluster_put(fixture->cluster, json));
}

char *uid_of(struct write_fixture *fixture, const char *name)
{
	return fake_cluster_value(fixture->cluster, name, "metadata", "uid");
}

struct place map_place(struct write_fixture *fixture, const char *name)
{
	return (struct place){
		.kind = PLACE_OBJECT,
		.format = NODE_YAML,
		.context = fixture->context,
		.resource = fixture->maps,
		.namespace = (char *)"default",
		.name = (char *)name,
	};
}

char *text_of(struct write_fixture *fixture, const char *name, const char *old, const char *new)
{
	g_autofree char *json = fake_cluster_json(fixture->cluster, name);
	struct snapshot *snapshot SNAPSHOT_CLEANUP = fixture_snapshot_of(json);
	GString *text = g_string_new(snapshot->yaml);

	if (old != NULL)
		ck_assert_msg(g_string_replace(text, old, new, 0) > 0, "no %s in %s", old,
			snapshot->yaml);
	return g_string_free(text, FALSE);
}

void expect_value(struct write_fixture *fixture, const char *name, const char *section,
	const char *key, const char *value)
{
	g_autofree char *found = fake_cluster_value(fixture->cluster, name, section, key);

	ck_assert_str_eq(found, value);
}

void await_value(struct write_fixture *fixture, const char *name, const char *section,
	const char *key, const char *value)
{
	for (int i = 0; i < FIXTURE_PATIENCE_MS; i++) {
		g_autofree char *found = fake_cluster_value(fixture->cluster, name, section, key);

		if (strcmp(found, value) == 0)
			return;
		g_usleep(1000);
	}
	expect_value(fixture, name, section, key, value);
}

void await_saves(struct write_fixture *fixture)
{
	struct filesystem *filesystem = fixture->filesystem;
	struct timespec deadline;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += FIXTURE_PATIENCE_MS / 1000;
	LOCK_GUARD(&filesystem->saves_lock);

	while (filesystem->saves > 0 && r == 0)
		r = pthread_cond_clockwait(&filesystem->saves_ended, &filesystem->saves_lock,
			CLOCK_MONOTONIC, &deadline);
	ck_assert_uint_eq(filesystem->saves, 0);
}

void expect_changes(struct write_fixture *fixture, unsigned int count)
{
	ck_assert_uint_eq(fake_count(fixture->fake, FAKE_CHANGE), count);
}

struct fuse_req *request_of(struct write_fixture *fixture, pid_t pid)
{
	struct fuse_req *request = fake_request_create(fixture->filesystem);

	request->context.pid = pid;
	return request;
}

int request_end(struct fuse_req *request)
{
	int r = fake_request_wait(request) == REPLY_ERROR ? -request->errnum : 0;

	fake_request_destroy(request);
	return r;
}

struct fuse_entry_param look_in(
	struct write_fixture *fixture, pid_t pid, uint64_t directory, const char *name)
{
	struct fuse_req *request = request_of(fixture, pid);
	struct fuse_entry_param entry;

	OPERATIONS.lookup(request, directory, name);
	ck_assert_int_eq(fake_request_wait(request), REPLY_ENTRY);
	entry = request->entry;
	fake_request_destroy(request);
	return entry;
}

struct fuse_entry_param look(struct write_fixture *fixture, pid_t pid, const char *name)
{
	return look_in(fixture, pid, fixture->directory, name);
}

void expect_text(struct write_fixture *fixture, uint64_t id, const char *part)
{
	struct fuse_req *request = request_of(fixture, fixture->other);
	g_autofree char *text = NULL;

	OPERATIONS.read(request, id, READ_MAX, 0, NULL);
	ck_assert_int_eq(fake_request_wait(request), REPLY_BUFFER);
	text = g_strdup_printf("%.*s", (int)g_bytes_get_size(request->buffer),
		(const char *)g_bytes_get_data(request->buffer, NULL));
	ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in %s", part, text);
	fake_request_destroy(request);
}

void expect_file(struct write_fixture *fixture, const char *name, const char *part)
{
	struct fuse_entry_param entry = look(fixture, fixture->other, name);

	ck_assert_msg((entry.ino != 0) == (part != NULL), "%s", name);
	if (part != NULL)
		expect_text(fixture, entry.ino, part);
}

void expect_error(struct write_fixture *fixture, const char *part)
{
	g_autofree char *text = NULL;

	for (int i = 0; i < FIXTURE_PATIENCE_MS; i++) {
		g_autoptr(GBytes) bytes = journal_text(fixture->filesystem->journal);

		g_free(text);
		text = g_strdup_printf("%.*s", (int)g_bytes_get_size(bytes),
			(const char *)g_bytes_get_data(bytes, NULL));
		if (strstr(text, part) != NULL)
			return;
		g_usleep(1000);
	}
	ck_abort_msg("no \"%s\" in %s", part, text);
}

int unlink_name(struct write_fixture *fixture, pid_t pid, const char *name)
{
	struct fuse_req *request = request_of(fixture, pid);

	OPERATIONS.unlink(request, fixture->directory, name);
	return request_end(request);
}

int rename_name(struct write_fixture *fixture, pid_t pid, const char *from, const char *to,
	unsigned int flags)
{
	struct fuse_req *request = request_of(fixture, pid);

	OPERATIONS.rename(request, fixture->directory, from, fixture->directory, to, flags);
	return request_end(request);
}

int link_name(struct write_fixture *fixture, pid_t pid, const char *from, const char *to)
{
	struct fuse_req *request = request_of(fixture, pid);

	OPERATIONS.link(request, look(fixture, pid, from).ino, fixture->directory, to);
	return request_end(request);
}

int symlink_name(struct write_fixture *fixture, pid_t pid, const char *target, const char *name)
{
	struct fuse_req *request = request_of(fixture, pid);

	OPERATIONS.symlink(request, target, fixture->directory, name);
	return request_end(request);
}

int rmdir_name(struct write_fixture *fixture, pid_t pid, uint64_t directory, const char *name)
{
	struct fuse_req *request = request_of(fixture, pid);

	OPERATIONS.rmdir(request, directory, name);
	return request_end(request);
}

int truncate_name(struct write_fixture *fixture, pid_t pid, const char *name, off_t length)
{
	struct stat stat = {.st_size = length};

	for (int i = 0;; i++) {
		uint64_t id = look(fixture, pid, name).ino;
		struct fuse_req *request = request_of(fixture, pid);
		int r;

		OPERATIONS.setattr(request, id, &stat, FUSE_SET_ATTR_SIZE, NULL);
		r = request_end(request);
		if (r != -ESTALE || i > 0)
			return r;
	}
}

void walk_directory(struct write_fixture *fixture, pid_t pid)
{
	struct fuse_req *request = request_of(fixture, pid);
	struct fuse_file_info info = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW};

	OPERATIONS.opendir(request, fixture->directory, &info);
	ck_assert_int_eq(request_end(request), 0);
}

int writer_open_node(
	struct writer *writer, struct write_fixture *fixture, pid_t pid, uint64_t id, int flags)
{
	struct fuse_req *request = request_of(fixture, pid);

	*writer =
		(struct writer){.fixture = fixture, .pid = pid, .id = id, .info = {.flags = flags}};
	OPERATIONS.open(request, id, &writer->info);
	if (fake_request_wait(request) == REPLY_OPEN)
		writer->info = request->info;
	return request_end(request);
}

int writer_open_in(struct writer *writer, struct write_fixture *fixture, pid_t pid,
	uint64_t directory, const char *name, int flags)
{
	uint64_t id = look_in(fixture, pid, directory, name).ino;
	int r;

	if (id == 0)
		return -ENOENT;
	r = writer_open_node(writer, fixture, pid, id, flags);
	if (r != -ESTALE)
		return r;
	/* The kernel looks twice. */
	look_in(fixture, pid, directory, name);
	id = look_in(fixture, pid, directory, name).ino;
	return writer_open_node(writer, fixture, pid, id, flags);
}

int writer_open(struct writer *writer, struct write_fixture *fixture, pid_t pid, const char *name)
{
	return writer_open_in(writer, fixture, pid, fixture->directory, name, O_WRONLY);
}

int writer_create(struct writer *writer, struct write_fixture *fixture, pid_t pid, const char *name,
	int flags)
{
	struct fuse_req *request = request_of(fixture, pid);

	*writer = (struct writer){
		.fixture = fixture, .pid = pid, .info = {.flags = O_WRONLY | O_CREAT | flags}};
	OPERATIONS.create(request, fixture->directory, name, S_IFREG | 0644, &writer->info);
	if (fake_request_wait(request) == REPLY_CREATE) {
		writer->info = request->info;
		writer->id = request->entry.ino;
	}
	return request_end(request);
}

int writer_write(struct writer *writer, const char *text, off_t offset)
{
	struct fuse_req *request = request_of(writer->fixture, writer->pid);

	OPERATIONS.write(request, writer->id, text, strlen(text), offset, &writer->info);
	if (fake_request_wait(request) == REPLY_WRITE)
		ck_assert_uint_eq(request->size, strlen(text));
	return request_end(request);
}

int writer_truncate(struct writer *writer, off_t length)
{
	struct fuse_req *request = request_of(writer->fixture, writer->pid);
	struct stat stat = {.st_size = length};

	OPERATIONS.setattr(request, writer->id, &stat, FUSE_SET_ATTR_SIZE, &writer->info);
	return request_end(request);
}

void writer_set(struct writer *writer, const char *text)
{
	ck_assert_int_eq(writer_truncate(writer, 0), 0);
	ck_assert_int_eq(writer_write(writer, text, 0), 0);
}

struct fuse_req *writer_begin_flush(struct writer *writer)
{
	struct fuse_req *request = request_of(writer->fixture, writer->pid);

	OPERATIONS.flush(request, writer->id, &writer->info);
	return request;
}

struct fuse_req *writer_begin_fsync(struct writer *writer)
{
	struct fuse_req *request = request_of(writer->fixture, writer->pid);

	OPERATIONS.fsync(request, writer->id, 0, &writer->info);
	return request;
}

int writer_flush(struct writer *writer)
{
	return request_end(writer_begin_flush(writer));
}

int writer_fsync(struct writer *writer)
{
	return request_end(writer_begin_fsync(writer));
}

void writer_release(struct writer *writer)
{
	struct fuse_req *request = request_of(writer->fixture, writer->pid);

	OPERATIONS.release(request, writer->id, &writer->info);
	ck_assert_int_eq(request_end(request), 0);
}

int save_text(struct write_fixture *fixture, pid_t pid, const char *name, const char *text)
{
	struct writer writer;
	int r = writer_open(&writer, fixture, pid, name);

	ck_assert_int_eq(r, 0);
	writer_set(&writer, text);
	r = writer_flush(&writer);
	writer_release(&writer);
	return r;
}

void put_scratch(struct write_fixture *fixture, const char *name, const char *text)
{
	struct writer writer;

	ck_assert_int_eq(writer_create(&writer, fixture, fixture->pid, name, O_EXCL), 0);
	ck_assert_int_eq(writer_write(&writer, text, 0), 0);
	writer_release(&writer);
}
