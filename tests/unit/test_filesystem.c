/*
 * The file system from its operations to its notifications, on a scripted source and a stand-in for
 * libfuse: lookups, listings in pieces, what changes tell the kernel, and answers that a change
 * overtakes (fuse.md 8).
 */
#include "kubefs/filesystem.h"

#include <errno.h>
#include <string.h>

#include "kubefs/changes.h"
#include "kubefs/log.h"
#include "kubefs/lookup.h"
#include "kubefs/operations.h"
#include "tests/unit/fake_clock.h"
#include "tests/unit/fake_fuse.h"

#define BUFFER 4096

struct fixture {
	struct engine engine;
	struct fake_source *fake;
	struct filesystem *filesystem;
	struct context *context;
	struct lines *lines;
	guint64 idle;
	/* Of the tree, once it was walked. */
	uint64_t namespaces;
	uint64_t namespace;
	uint64_t pods;
	struct fake_call *watch; /* of pods */
};

static void answer_ping(void *data, struct fake_call *call)
{
	fake_done_item(call, "{}");
}

/* What the user may do is never known in these tests. */
static void answer_rules(void *data, struct fake_call *call)
{
	fake_fail(call, EACCES, 403);
}

static struct resource *make_namespaces(void)
{
	struct resource *resource = fake_resource("", "v1", "namespaces", "Namespace");

	resource->namespaced = FALSE;
	return resource;
}

static struct resource *make_crds(void)
{
	struct resource *resource = fake_resource("apiextensions.k8s.io", "v1",
		"customresourcedefinitions", "CustomResourceDefinition");

	resource->namespaced = FALSE;
	return resource;
}

static struct resource *make_pods(void)
{
	struct resource *resource = fake_resource("", "v1", "pods", "Pod");

	g_strfreev(resource->short_names);
	resource->short_names = g_strsplit("po", ",", -1);
	return resource;
}

static void setup_empty(struct fixture *fixture)
{
	fake_clock_stop();
	*fixture = (struct fixture){0};
	engine_init(&fixture->engine, 3);
	fixture->fake = fake_source_create();
	fake_source_answer(fixture->fake, FAKE_PING, answer_ping, NULL);
	fake_source_answer(fixture->fake, FAKE_RULES, answer_rules, NULL);
	fixture->lines = lines_create();
	fake_notifications_set(fixture->lines);
	fixture->filesystem = filesystem_create(fixture->engine.loop, fixture->engine.pool);
	fixture->context = context_create(fixture->filesystem, "one", "mine");
	g_ptr_array_add(fixture->filesystem->contexts, fixture->context);
	filesystem_attach(fixture->filesystem, NULL);
}

static void connect(struct fixture *fixture)
{
	fixture->context->cache = cache_create(&(struct cache_options){
		.source = fake_source_get(fixture->fake),
		.loop = fixture->engine.loop,
		.pool = fixture->engine.pool,
		.handlers = &CHANGES_HANDLERS,
		.data = fixture->context,
		.idle = fixture->idle,
	});
}

static void setup(struct fixture *fixture)
{
	setup_empty(fixture);
	connect(fixture);
	fake_discovered(fake_take(fixture->fake, FAKE_DISCOVER),
		fake_catalog(make_pods(), fake_resource("", "v1", "secrets", "Secret"),
			make_namespaces(), NULL));
}

/* As the program does it. */
static void finish(struct fixture *fixture)
{
	if (fixture->watch != NULL)
		fake_drop(fixture->watch);
	cache_stop(fixture->context->cache);
	fixture->filesystem->closing = TRUE;
	filesystem_quiesce(fixture->filesystem);
	engine_finish(&fixture->engine);
	filesystem_destroy(fixture->filesystem);
	fake_source_unref(fixture->fake);
	fake_notifications_set(NULL);
	lines_destroy(fixture->lines);
}

static struct fuse_req *new_request(struct fixture *fixture)
{
	return fake_request_create(fixture->filesystem);
}

static struct fuse_req *begin_lookup(struct fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_req *request = new_request(fixture);

	OPERATIONS.lookup(request, parent, name);
	return request;
}

/* The entry, whose ino is 0 when there is none; or -errno. */
static int end_lookup(struct fuse_req *request, struct fuse_entry_param *ret)
{
	int r = 0;

	if (fake_request_wait(request) == REPLY_ERROR)
		r = -request->errnum;
	else
		*ret = request->entry;
	fake_request_destroy(request);
	return r;
}

static struct fuse_entry_param lookup(struct fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_entry_param entry = {0};

	ck_assert_int_eq(end_lookup(begin_lookup(fixture, parent, name), &entry), 0);
	return entry;
}

static uint64_t enter(struct fixture *fixture, uint64_t parent, const char *name)
{
	struct fuse_entry_param entry = lookup(fixture, parent, name);

	ck_assert_msg(entry.ino != 0, "%s is not there", name);
	return entry.ino;
}

static void send_item(struct fake_call *call, const char *name, const char *version)
{
	g_autofree char *json = fake_object("default", name, version, "");

	fake_item(call, json);
}

/* Puts the event through to the end of what it causes in the cache. */
static void send_event(struct fixture *fixture, enum source_event event, const char *name,
	const char *version, const char *extra)
{
	g_autofree char *json = fake_object("default", name, version, extra);

	fake_event(fixture->watch, event, json);
	fixture_drain(fixture->watch->strand);
}

static struct fake_call *take_list(struct fixture *fixture, const char *resource)
{
	struct fake_call *list = fake_take(fixture->fake, FAKE_LIST);

	ck_assert_str_eq(list->resource, resource);
	return list;
}

/* namespaces/default/pods with web and db in it. */
static void walk(struct fixture *fixture)
{
	struct fuse_req *request;
	struct fuse_entry_param entry = {0};
	struct fake_call *list;

	setup(fixture);
	fixture->namespaces = enter(fixture, FUSE_ROOT_ID, "namespaces");
	request = begin_lookup(fixture, fixture->namespaces, "default");
	list = take_list(fixture, "namespaces");
	fake_item(list, "{\"metadata\":{\"name\":\"default\",\"uid\":\"u\",\"resourceVersion\":"
			"\"1\"}}");
	fake_done(list, "10");
	ck_assert_int_eq(end_lookup(request, &entry), 0);
	fixture->namespace = entry.ino;
	ck_assert_uint_ne(fixture->namespace, 0);
	fake_drop(fake_take(fixture->fake, FAKE_WATCH));
	fixture->pods = enter(fixture, fixture->namespace, "pods");
	request = begin_lookup(fixture, fixture->pods, "none.yaml");
	list = take_list(fixture, "pods");
	send_item(list, "web", "5");
	send_item(list, "db", "6");
	fake_done(list, "10");
	ck_assert_int_eq(end_lookup(request, &entry), 0);
	ck_assert_uint_eq(entry.ino, 0);
	fixture->watch = fake_take(fixture->fake, FAKE_WATCH);
}

static GBytes *read_whole(struct fixture *fixture, uint64_t id)
{
	struct fuse_req *request = new_request(fixture);
	GBytes *bytes;

	OPERATIONS.read(request, id, 1 << 20, 0, NULL);
	ck_assert_int_eq(fake_request_wait(request), REPLY_BUFFER);
	bytes = g_steal_pointer(&request->buffer);
	fake_request_destroy(request);
	return bytes;
}

static void expect_text(struct fixture *fixture, uint64_t id, const char *part)
{
	g_autoptr(GBytes) bytes = read_whole(fixture, id);
	g_autofree char *text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));

	ck_assert_msg(strstr(text, part) != NULL, "%s", text);
}

/* From the offset, in a buffer of that size; NULL for an error, which is then in *ret_errnum. */
static char *list_from(struct fixture *fixture, uint64_t id, off_t offset, size_t size,
	gboolean plus, int *ret_errnum)
{
	struct fuse_req *request = new_request(fixture);
	char *names = NULL;

	if (plus)
		OPERATIONS.readdirplus(request, id, size, offset, NULL);
	else
		OPERATIONS.readdir(request, id, size, offset, NULL);
	*ret_errnum = 0;
	if (fake_request_wait(request) == REPLY_ERROR)
		*ret_errnum = request->errnum;
	else
		names = fake_entries(request->buffer, plus);
	fake_request_destroy(request);
	return names;
}

static void expect_listing(struct fixture *fixture, uint64_t id, off_t offset, const char *wanted)
{
	int errnum;
	g_autofree char *names = list_from(fixture, id, offset, BUFFER, FALSE, &errnum);
	g_autofree char *plus = list_from(fixture, id, offset, BUFFER, TRUE, &errnum);

	ck_assert_str_eq(names, wanted);
	ck_assert_str_eq(plus, wanted);
}

START_TEST (shows_the_tree) {
	struct fixture fixture;
	struct fuse_entry_param web;
	struct fuse_entry_param json;
	struct fuse_entry_param alias;
	struct fuse_req *request;

	walk(&fixture);
	web = lookup(&fixture, fixture.pods, "web.yaml");
	ck_assert(S_ISREG(web.attr.st_mode));
	ck_assert_float_ge(web.entry_timeout, 3600);
	expect_text(&fixture, web.ino, "  name: web\n");
	{
		g_autoptr(GBytes) text = read_whole(&fixture, web.ino);

		ck_assert_uint_eq(g_bytes_get_size(text), (gsize)web.attr.st_size);
	}
	json = lookup(&fixture, fixture.pods, "web.json");
	expect_text(&fixture, json.ino, "        \"name\": \"web\",\n");
	ck_assert_uint_ne(json.ino, web.ino);
	ck_assert_uint_ne(json.attr.st_ino, web.attr.st_ino);
	alias = lookup(&fixture, fixture.namespace, "po");
	ck_assert(S_ISLNK(alias.attr.st_mode));
	request = new_request(&fixture);
	OPERATIONS.readlink(request, alias.ino);
	ck_assert_int_eq(fake_request_wait(request), REPLY_LINK);
	ck_assert_str_eq(request->link, "pods");
	fake_request_destroy(request);
	ck_assert_uint_eq(lookup(&fixture, fixture.namespace, "nodes").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, fixture.namespaces, "other").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, FUSE_ROOT_ID, "etc").ino, 0);
	/* Spellings of the same name that are not its one path. */
	ck_assert_uint_eq(lookup(&fixture, fixture.pods, "w%65b.yaml").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, fixture.pods, "%").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, fixture.pods, "web%").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, fixture.pods, ".yaml").ino, 0);
	finish(&fixture);
}
END_TEST

static char *xattr_of(struct fixture *fixture, uint64_t id, const char *name)
{
	struct fuse_req *request = new_request(fixture);
	char *value = NULL;

	OPERATIONS.getxattr(request, id, name, 100);
	if (fake_request_wait(request) == REPLY_BUFFER)
		value = g_strndup(
			g_bytes_get_data(request->buffer, NULL), g_bytes_get_size(request->buffer));
	fake_request_destroy(request);
	return value;
}

START_TEST (a_nodeid_is_one_version) {
	struct fixture fixture;
	struct fuse_entry_param old;
	struct fuse_entry_param new;
	g_autofree char *old_version = NULL;
	g_autofree char *new_version = NULL;
	g_autofree char *line = NULL;

	walk(&fixture);
	old = lookup(&fixture, fixture.pods, "web.yaml");
	ck_assert_uint_eq(enter(&fixture, fixture.pods, "web.yaml"), old.ino);
	send_event(&fixture, SOURCE_MODIFIED, "web", "11", ",\"spec\":{\"new\":1}");
	line = g_strdup_printf("entry %u web.yaml", (unsigned int)fixture.pods);
	lines_expect(fixture.lines, line);
	lines_expect_none(fixture.lines);
	new = lookup(&fixture, fixture.pods, "web.yaml");
	ck_assert_uint_ne(new.ino, old.ino);
	ck_assert_uint_eq(new.attr.st_ino, old.attr.st_ino);
	expect_text(&fixture, new.ino, "new: 1");
	/* Who has it open reads on in the old one. */
	expect_text(&fixture, old.ino, "resourceVersion: \"5\"");
	old_version = xattr_of(&fixture, old.ino, "user.kubefs.resource_version");
	new_version = xattr_of(&fixture, new.ino, "user.kubefs.resource_version");
	ck_assert_str_eq(old_version, "5");
	ck_assert_str_eq(new_version, "11");
	ck_assert_ptr_null(xattr_of(&fixture, new.ino, "security.selinux"));
	ck_assert_ptr_null(xattr_of(&fixture, new.ino, "user.other"));
	finish(&fixture);
}
END_TEST

START_TEST (tells_the_kernel_what_it_holds) {
	struct fixture fixture;
	struct fuse_entry_param web;
	g_autofree char *json = NULL;
	g_autofree char *deleted = NULL;

	walk(&fixture);
	/* Of db the kernel knows nothing. */
	send_event(&fixture, SOURCE_MODIFIED, "db", "11", "");
	/* Of a new object it may know that it is not there, in both forms. */
	send_event(&fixture, SOURCE_ADDED, "new", "12", "");
	json = g_strdup_printf("entry %u new.json", (unsigned int)fixture.pods);
	lines_skip_to(fixture.lines, json);
	web = lookup(&fixture, fixture.pods, "web.yaml");
	send_event(&fixture, SOURCE_DELETED, "web", "13", "");
	deleted = g_strdup_printf(
		"delete %u %u web.yaml", (unsigned int)fixture.pods, (unsigned int)web.ino);
	lines_skip_to(fixture.lines, deleted);
	ck_assert_uint_eq(lookup(&fixture, fixture.pods, "web.yaml").ino, 0);
	expect_text(&fixture, web.ino, "  name: web\n");
	finish(&fixture);
}
END_TEST

/* What layout_resolve saw before the change and lookup_verify after it. */
static struct layout_entry resolve(struct fixture *fixture, uint64_t directory, const char *name)
{
	struct node *node NODE_CLEANUP = node_table_get(fixture->filesystem->nodes, directory);
	struct layout_entry entry;

	ck_assert_int_eq(
		layout_resolve(fixture->filesystem, node, name, NULL, NULL, &entry, NULL), 0);
	return entry;
}

static void verify(struct fixture *fixture, uint64_t directory, const char *name,
	struct layout_entry *entry, gboolean notified)
{
	struct node *node NODE_CLEANUP = node_table_get(fixture->filesystem->nodes, directory);
	g_autofree char *line = g_strdup_printf("entry %u %s", (unsigned int)directory, name);
	struct tally through;

	lookup_verify(fixture->filesystem, node, name, entry);
	tally_init(&through);
	notifier_after(fixture->filesystem->notifier, directory, tally_add, &through);
	tally_reach(&through, 1);
	tally_finish(&through);
	if (notified)
		lines_skip_to(fixture->lines, line);
	else
		lines_expect_none(fixture->lines);
	layout_entry_finish(entry);
}

START_TEST (an_answer_that_was_overtaken_is_taken_back) {
	struct fixture fixture;
	struct layout_entry there;
	struct layout_entry unchanged;
	struct layout_entry missing;
	struct layout_entry gone;

	walk(&fixture);
	there = resolve(&fixture, fixture.pods, "web.yaml");
	unchanged = resolve(&fixture, fixture.pods, "db.yaml");
	missing = resolve(&fixture, fixture.pods, "new.json");
	send_event(&fixture, SOURCE_MODIFIED, "web", "11", "");
	/* The node of the old version was not there yet: nobody was told. */
	verify(&fixture, fixture.pods, "db.yaml", &unchanged, FALSE);
	verify(&fixture, fixture.pods, "web.yaml", &there, TRUE);
	send_event(&fixture, SOURCE_ADDED, "new", "12", "");
	verify(&fixture, fixture.pods, "new.json", &missing, TRUE);
	gone = resolve(&fixture, fixture.pods, "db.yaml");
	send_event(&fixture, SOURCE_DELETED, "db", "13", "");
	verify(&fixture, fixture.pods, "db.yaml", &gone, TRUE);
	finish(&fixture);
}
END_TEST

START_TEST (a_promise_that_no_longer_holds_is_taken_back) {
	struct fixture fixture;
	struct layout_entry there;
	struct layout_entry missing;

	walk(&fixture);
	there = resolve(&fixture, fixture.pods, "web.yaml");
	missing = resolve(&fixture, fixture.pods, "none.yaml");
	ck_assert_float_ge(there.entry_timeout, 3600);
	ck_assert_float_ge(missing.entry_timeout, 3600);
	/* From now on nobody tells of changes. */
	fake_fail(g_steal_pointer(&fixture.watch), EACCES, 403);
	{
		/* The directory's own name is forgotten, and with it all below. */
		g_autofree char *line =
			g_strdup_printf("entry %u pods", (unsigned int)fixture.namespace);

		lines_skip_to(fixture.lines, line);
	}
	verify(&fixture, fixture.pods, "web.yaml", &there, TRUE);
	verify(&fixture, fixture.pods, "none.yaml", &missing, TRUE);
	ck_assert_float_le(lookup(&fixture, fixture.pods, "web.yaml").entry_timeout, LAYOUT_POLLED);
	finish(&fixture);
}
END_TEST

START_TEST (lists_with_offsets_that_stay) {
	struct fixture fixture;
	int errnum;
	g_autofree char *first = NULL;
	g_autofree char *rest = NULL;

	walk(&fixture);
	expect_listing(&fixture, FUSE_ROOT_ID, 0, ".@1 ..@2 cluster@3 namespaces@4 ");
	expect_listing(&fixture, FUSE_ROOT_ID, 3, "namespaces@4 ");
	expect_listing(&fixture, fixture.namespaces, 0, ".@1 ..@2 default@3 ");
	expect_listing(&fixture, fixture.namespace, 0, ".@1 ..@2 pods@3 secrets@4 ");
	expect_listing(&fixture, fixture.pods, 0, ".@1 ..@2 web.yaml@3 db.yaml@4 ");
	expect_listing(&fixture, fixture.pods, 1, "..@2 web.yaml@3 db.yaml@4 ");
	/* A buffer for three entries. */
	first = list_from(&fixture, fixture.pods, 0, 100, FALSE, &errnum);
	ck_assert_str_eq(first, ".@1 ..@2 web.yaml@3 ");
	send_event(&fixture, SOURCE_DELETED, "web", "11", "");
	send_event(&fixture, SOURCE_ADDED, "new", "12", "");
	send_event(&fixture, SOURCE_ADDED, "web", "13", "");
	rest = list_from(&fixture, fixture.pods, 3, BUFFER, FALSE, &errnum);
	ck_assert_str_eq(rest, "db.yaml@4 new.yaml@5 web.yaml@6 ");
	expect_listing(&fixture, fixture.pods, 6, "");
	ck_assert_ptr_null(list_from(
		&fixture, enter(&fixture, fixture.pods, "db.yaml"), 0, BUFFER, FALSE, &errnum));
	ck_assert_int_eq(errnum, ENOTDIR);
	finish(&fixture);
}
END_TEST

static gboolean is_any(const struct node *node, const void *data)
{
	return TRUE;
}

static guint count_nodes(struct fixture *fixture)
{
	g_autoptr(GPtrArray) all = node_table_select(fixture->filesystem->nodes, is_any, NULL);

	return all->len;
}

/* The kernel counts a lookup for each entry of a READDIRPLUS, but not if it never arrives. */
START_TEST (a_listing_that_does_not_arrive_is_forgotten) {
	struct fixture fixture;
	struct fuse_req *request;
	struct fuse_forget_data forgets[2];
	guint before;

	walk(&fixture);
	before = count_nodes(&fixture);
	request = new_request(&fixture);
	request->send_fails = -ENOENT;
	OPERATIONS.readdirplus(request, fixture.pods, BUFFER, 0, NULL);
	fake_request_wait(request);
	fake_request_destroy(request);
	ck_assert_uint_eq(count_nodes(&fixture), before);
	request = new_request(&fixture);
	OPERATIONS.readdirplus(request, fixture.pods, BUFFER, 0, NULL);
	fake_request_wait(request);
	fake_request_destroy(request);
	ck_assert_uint_eq(count_nodes(&fixture), before + 2);
	/* The same nodes, with a second lookup each. */
	forgets[0] = (struct fuse_forget_data){enter(&fixture, fixture.pods, "web.yaml"), 2};
	forgets[1] = (struct fuse_forget_data){enter(&fixture, fixture.pods, "db.yaml"), 2};
	request = new_request(&fixture);
	OPERATIONS.forget_multi(request, 2, forgets);
	fake_request_destroy(request);
	ck_assert_uint_eq(count_nodes(&fixture), before);
	request = new_request(&fixture);
	request->send_fails = -ENOENT;
	OPERATIONS.lookup(request, fixture.pods, "web.yaml");
	fake_request_wait(request);
	fake_request_destroy(request);
	ck_assert_uint_eq(count_nodes(&fixture), before);
	finish(&fixture);
}
END_TEST

START_TEST (a_waiting_lookup_can_be_interrupted) {
	struct fixture fixture;
	struct fuse_req *request;
	struct fuse_entry_param entry = {0};
	uint64_t secrets;

	walk(&fixture);
	secrets = enter(&fixture, fixture.namespace, "secrets");
	request = begin_lookup(&fixture, secrets, "token.yaml");
	ck_assert(!fake_request_is_answered(request));
	fake_request_interrupt(request);
	ck_assert_int_eq(end_lookup(request, &entry), -EINTR);
	finish(&fixture);
}
END_TEST

START_TEST (a_denied_directory_is_eacces) {
	struct fixture fixture;
	struct fuse_req *request;
	struct fuse_entry_param entry = {0};
	g_autofree char *names = NULL;
	uint64_t secrets;
	uint64_t control;
	int errnum;

	walk(&fixture);
	secrets = enter(&fixture, fixture.namespace, "secrets");
	request = new_request(&fixture);
	OPERATIONS.opendir(request, secrets, &(struct fuse_file_info){0});
	fake_fail(take_list(&fixture, "secrets"), EACCES, 403);
	fake_fail(take_list(&fixture, "secrets"), EACCES, 403);
	ck_assert_int_eq(fake_request_wait(request), REPLY_ERROR);
	ck_assert_int_eq(request->errnum, EACCES);
	fake_request_destroy(request);
	names = list_from(&fixture, secrets, 0, BUFFER, TRUE, &errnum);
	ck_assert_int_eq(errnum, EACCES);
	/* A single one may be allowed. */
	request = begin_lookup(&fixture, secrets, "token.yaml");
	{
		struct fake_call *list = take_list(&fixture, "secrets");

		ck_assert_str_eq(list->name, "token");
		send_item(list, "token", "7");
		fake_done(list, "10");
	}
	ck_assert_int_eq(end_lookup(request, &entry), 0);
	ck_assert_int_eq(entry.attr.st_mode & 0777, 0600);
	control = enter(&fixture, FUSE_ROOT_ID, ".kubefs");
	expect_text(&fixture, enter(&fixture, control, "errors"), "EACCES");
	expect_text(&fixture, enter(&fixture, control, "status"), "name: token");
	ck_assert_uint_eq(lookup(&fixture, control, "none").ino, 0);
	expect_listing(&fixture, control, 0, ".@1 ..@2 errors@3 status@4 version@5 ");
	finish(&fixture);
}
END_TEST

static mode_t mode_of(struct fixture *fixture, uint64_t parent, const char *name)
{
	return lookup(fixture, parent, name).attr.st_mode & 0777;
}

START_TEST (modes_show_what_is_refused) {
	struct guard *guard = guard_create();
	struct fixture fixture;
	uint64_t control;

	walk(&fixture);
	ck_assert_int_eq(mode_of(&fixture, fixture.pods, "web.yaml"), 0644);
	ck_assert_int_eq(guard_add(guard, GUARD_DENY, "po/delete", NULL), 0);
	fixture.filesystem->guard = guard;
	ck_assert_int_eq(mode_of(&fixture, fixture.pods, "web.yaml"), 0644);
	ck_assert_int_eq(guard_add(guard, GUARD_DENY, "po/update", NULL), 0);
	ck_assert_int_eq(mode_of(&fixture, fixture.pods, "web.yaml"), 0444);
	ck_assert_int_eq(mode_of(&fixture, fixture.namespace, "pods"), 0755);
	fixture.filesystem->guard = NULL;
	fixture.context->read_only = TRUE;
	ck_assert_int_eq(mode_of(&fixture, fixture.pods, "web.yaml"), 0444);
	ck_assert_int_eq(mode_of(&fixture, fixture.namespace, "pods"), 0555);
	ck_assert_int_eq(mode_of(&fixture, FUSE_ROOT_ID, "cluster"), 0555);
	fixture.context->dry_run = TRUE;
	control = enter(&fixture, FUSE_ROOT_ID, ".kubefs");
	expect_text(
		&fixture, enter(&fixture, control, "status"), "  readOnly: true\n  dryRun: true\n");
	finish(&fixture);
	guard_destroy(guard);
}
END_TEST

START_TEST (namespaces_resolve_where_they_cannot_be_listed) {
	struct fixture fixture;
	struct fuse_req *request;
	struct fuse_entry_param entry = {0};

	setup(&fixture);
	fixture.namespaces = enter(&fixture, FUSE_ROOT_ID, "namespaces");
	request = begin_lookup(&fixture, fixture.namespaces, "web");
	fake_fail(take_list(&fixture, "namespaces"), EACCES, 403);
	fake_fail(take_list(&fixture, "namespaces"), EACCES, 403);
	fake_fail(fake_take(fixture.fake, FAKE_GET), EACCES, 403);
	ck_assert_int_eq(end_lookup(request, &entry), 0);
	ck_assert_uint_ne(entry.ino, 0);
	expect_listing(&fixture, fixture.namespaces, 0, ".@1 ..@2 mine@3 web@4 ");
	/* What git and shells look for is no namespace. */
	request = begin_lookup(&fixture, fixture.namespaces, ".git");
	fake_fail(take_list(&fixture, "namespaces"), EACCES, 403);
	fake_fail(fake_take(fixture.fake, FAKE_GET), EACCES, 403);
	ck_assert_int_eq(end_lookup(request, &entry), 0);
	ck_assert_uint_eq(entry.ino, 0);
	expect_listing(&fixture, fixture.namespaces, 0, ".@1 ..@2 mine@3 web@4 ");
	finish(&fixture);
}
END_TEST

START_TEST (long_names_stand_in_directories) {
	struct fixture fixture;
	g_autofree char *name = g_strnfill(253, 'n');
	g_autofree char *chunk = g_strdup_printf("%.200s%%", name);
	g_autofree char *rest = g_strdup_printf("%s.yaml", name + 200);
	g_autofree char *wanted = NULL;
	g_autofree char *inside = g_strdup_printf(".@1 ..@2 %s@5 ", rest);
	uint64_t directory;
	uint64_t file;

	walk(&fixture);
	send_event(&fixture, SOURCE_ADDED, name, "11", "");
	wanted = g_strdup_printf(".@1 ..@2 web.yaml@3 db.yaml@4 %s@5 ", chunk);
	expect_listing(&fixture, fixture.pods, 0, wanted);
	directory = enter(&fixture, fixture.pods, chunk);
	expect_listing(&fixture, directory, 0, inside);
	file = enter(&fixture, directory, rest);
	expect_text(&fixture, file, "nnnnnnnn");
	/* Into it by no other way, and out of it to nothing else. */
	ck_assert_uint_eq(lookup(&fixture, directory, "%").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, directory, "web.yaml").ino, 0);
	ck_assert_uint_eq(lookup(&fixture, fixture.pods, rest).ino, 0);
	ck_assert_uint_eq(lookup(&fixture, fixture.pods, "nnn%").ino, 0);
	finish(&fixture);
}
END_TEST

START_TEST (a_new_resource_appears) {
	struct fixture fixture;
	struct fake_call *announcer;
	g_autofree char *line = NULL;
	uint64_t cluster;

	setup_empty(&fixture);
	connect(&fixture);
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER),
		fake_catalog(make_pods(), make_crds(), NULL));
	announcer = fake_take(fixture.fake, FAKE_WATCH);
	cluster = enter(&fixture, FUSE_ROOT_ID, "cluster");
	expect_listing(
		&fixture, cluster, 0, ".@1 ..@2 customresourcedefinitions.apiextensions.k8s.io@4 ");
	ck_assert_uint_eq(lookup(&fixture, cluster, "things.example.com").ino, 0);
	fake_event(announcer, SOURCE_ADDED, "{\"metadata\":{\"name\":\"a\"}}");
	{
		struct resource *things = fake_resource("example.com", "v1", "things", "Thing");

		things->namespaced = FALSE;
		fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER),
			fake_catalog(make_pods(), things, make_crds(), NULL));
	}
	line = g_strdup_printf("entry %u things.example.com", (unsigned int)cluster);
	lines_skip_to(fixture.lines, line);
	ck_assert_uint_ne(lookup(&fixture, cluster, "things.example.com").ino, 0);
	expect_listing(&fixture, cluster, 0,
		".@1 ..@2 customresourcedefinitions.apiextensions.k8s.io@4 "
		"things.example.com@5 ");
	fake_drop(announcer);
	finish(&fixture);
}
END_TEST

static guint count_collections(struct fixture *fixture)
{
	g_autoptr(GPtrArray) all = cache_collections(fixture->context->cache);

	return all->len;
}

START_TEST (an_idle_collection_is_forgotten_before_it_goes) {
	struct fixture fixture;
	g_autofree char *line = NULL;
	struct fuse_req *request;
	struct fuse_entry_param entry = {0};
	struct fake_call *list;

	setup_empty(&fixture);
	fixture.idle = 300;
	connect(&fixture);
	fake_discovered(fake_take(fixture.fake, FAKE_DISCOVER), fake_catalog(make_crds(), NULL));
	fixture.namespaces = enter(&fixture, FUSE_ROOT_ID, "cluster");
	fixture.pods = enter(
		&fixture, fixture.namespaces, "customresourcedefinitions.apiextensions.k8s.io");
	request = begin_lookup(&fixture, fixture.pods, "web.yaml");
	list = fake_take(fixture.fake, FAKE_LIST);
	fake_done(list, "10");
	ck_assert_int_eq(end_lookup(request, &entry), 0);
	line = g_strdup_printf("entry %u customresourcedefinitions.apiextensions.k8s.io",
		(unsigned int)fixture.namespaces);
	fake_clock_pass(fixture.idle);
	lines_skip_to(fixture.lines, line);
	/* Then it goes, and is made anew by the next who looks. */
	while (count_collections(&fixture) > 0)
		g_usleep(1000);
	request = begin_lookup(&fixture, fixture.pods, "web.yaml");
	list = fake_take(fixture.fake, FAKE_LIST);
	fake_item(list, "{\"metadata\":{\"name\":\"web\",\"resourceVersion\":\"1\"}}");
	fake_done(list, "10");
	ck_assert_int_eq(end_lookup(request, &entry), 0);
	ck_assert_uint_ne(entry.ino, 0);
	/* What is open outlives its directory in the kernel: it is forgotten by its own name. */
	g_free(line);
	line = g_strdup_printf("entry %u web.yaml", (unsigned int)fixture.pods);
	fake_clock_pass(fixture.idle);
	lines_skip_to(fixture.lines, line);
	finish(&fixture);
}
END_TEST

START_TEST (nothing_can_be_written_read_only) {
	struct fixture fixture;
	struct fuse_file_info info = {.flags = O_RDWR};
	struct fuse_req *requests[5];

	walk(&fixture);
	fixture.filesystem->read_only = TRUE;
	for (guint i = 0; i < G_N_ELEMENTS(requests); i++)
		requests[i] = new_request(&fixture);
	OPERATIONS.open(requests[0], enter(&fixture, fixture.pods, "web.yaml"), &info);
	OPERATIONS.unlink(requests[1], fixture.pods, "web.yaml");
	OPERATIONS.create(requests[2], fixture.pods, "a.yaml", 0644, &info);
	OPERATIONS.mkdir(requests[3], fixture.namespaces, "a", 0755);
	OPERATIONS.rename(requests[4], fixture.pods, "a", fixture.pods, "b", 0);
	for (guint i = 0; i < G_N_ELEMENTS(requests); i++) {
		ck_assert_int_eq(fake_request_wait(requests[i]), REPLY_ERROR);
		ck_assert_int_eq(requests[i]->errnum, EROFS);
		fake_request_destroy(requests[i]);
	}
	finish(&fixture);
}
END_TEST

START_TEST (reads_in_pieces) {
	struct fixture fixture;
	struct fuse_entry_param web;
	g_autoptr(GBytes) whole = NULL;
	g_autoptr(GByteArray) pieces = g_byte_array_new();

	walk(&fixture);
	web = lookup(&fixture, fixture.pods, "web.yaml");
	whole = read_whole(&fixture, web.ino);
	for (off_t offset = 0; offset <= web.attr.st_size + 20; offset += 7) {
		struct fuse_req *request = new_request(&fixture);
		size_t size;
		const guint8 *bytes;

		OPERATIONS.read(request, web.ino, 7, offset, NULL);
		ck_assert_int_eq(fake_request_wait(request), REPLY_BUFFER);
		bytes = g_bytes_get_data(request->buffer, &size);
		g_byte_array_append(pieces, bytes, (guint)size);
		fake_request_destroy(request);
	}
	ck_assert_uint_eq(pieces->len, g_bytes_get_size(whole));
	ck_assert_int_eq(memcmp(pieces->data, g_bytes_get_data(whole, NULL), pieces->len), 0);
	finish(&fixture);
}
END_TEST

/* A kernel that looks up, lists and forgets while objects come and go; then the end. */

struct storm {
	struct fixture *fixture;
	gint stop;
};

static void *read_much(void *data)
{
	struct storm *storm = data;
	struct fixture *fixture = storm->fixture;

	for (int i = 0; !g_atomic_int_get(&storm->stop); i++) {
		g_autofree char *name =
			g_strdup_printf("pod-%d.%s", i % 10, i % 3 == 0 ? "json" : "yaml");
		struct fuse_req *request = begin_lookup(fixture, fixture->pods, name);
		struct fuse_entry_param entry = {0};
		g_autofree char *names = NULL;
		int errnum;

		if (i % 5 == 0)
			fake_request_interrupt(request);
		if (end_lookup(request, &entry) == 0 && entry.ino != 0) {
			g_bytes_unref(read_whole(fixture, entry.ino));
			node_table_forget(fixture->filesystem->nodes, entry.ino, 1);
		}
		names = list_from(fixture, fixture->pods, i % 7, BUFFER, i % 2 == 0, &errnum);
	}
	return NULL;
}

START_TEST (a_storm_ends_well) {
	struct fixture fixture;
	struct storm storm = {.fixture = &fixture};
	pthread_t threads[3];

	walk(&fixture);
	fake_notifications_set(NULL);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_create(&threads[i], NULL, read_much, &storm);
	for (int i = 0; i < 1500; i++) {
		g_autofree char *name = g_strdup_printf("pod-%d", i % 10);
		g_autofree char *version = g_strdup_printf("%d", 100 + i);

		send_event(
			&fixture, i % 3 == 2 ? SOURCE_DELETED : SOURCE_MODIFIED, name, version, "");
	}
	g_atomic_int_set(&storm.stop, 1);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_test(tcase, shows_the_tree);
	tcase_add_test(tcase, a_nodeid_is_one_version);
	tcase_add_test(tcase, tells_the_kernel_what_it_holds);
	tcase_add_test(tcase, an_answer_that_was_overtaken_is_taken_back);
	tcase_add_test(tcase, a_promise_that_no_longer_holds_is_taken_back);
	tcase_add_test(tcase, lists_with_offsets_that_stay);
	tcase_add_test(tcase, a_listing_that_does_not_arrive_is_forgotten);
	tcase_add_test(tcase, a_waiting_lookup_can_be_interrupted);
	tcase_add_test(tcase, a_denied_directory_is_eacces);
	tcase_add_test(tcase, modes_show_what_is_refused);
	tcase_add_test(tcase, namespaces_resolve_where_they_cannot_be_listed);
	tcase_add_test(tcase, long_names_stand_in_directories);
	tcase_add_test(tcase, a_new_resource_appears);
	tcase_add_test(tcase, an_idle_collection_is_forgotten_before_it_goes);
	tcase_add_test(tcase, nothing_can_be_written_read_only);
	tcase_add_test(tcase, reads_in_pieces);
	tcase_add_test(tcase, a_storm_ends_well);
}

int main(void)
{
	return fixture_run("filesystem", add);
}
