/* kubefs/views.h through the operations: whose rights the modes of an object's views follow. */
#include "kubefs/views.h"

#include <errno.h>
#include <unistd.h>

#include "kubefs/log.h"
#include "tests/unit/write_fixture.h"

static int ask_access(struct write_fixture *fixture, uint64_t id)
{
	struct fuse_req *request = request_of(fixture, fixture->pid);

	OPERATIONS.access(request, id, W_OK);
	return request_end(request);
}

static gboolean is_writable(struct write_fixture *fixture, uint64_t directory, const char *name)
{
	struct fuse_entry_param entry = look_in(fixture, fixture->pid, directory, name);
	gboolean writable = (entry.attr.st_mode & 0222) != 0;

	ck_assert_uint_ne(entry.ino, 0);
	ck_assert_int_eq(ask_access(fixture, entry.ino), writable ? 0 : -EACCES);
	return writable;
}

#define RULES(resources, verbs)                                                                    \
	"[{\"verbs\":[" verbs "],\"apiGroups\":[\"apps\"],\"resources\":[" resources "]}]"

/* A rule, and what it makes writable. */
static const struct {
	const char *rules;
	gboolean of_object;
	gboolean of_status;
	gboolean of_scale;
} RIGHTS[] = {
	{RULES("\"deployments\"", "\"update\""), TRUE, FALSE, FALSE},
	{RULES("\"deployments/status\"", "\"update\""), FALSE, TRUE, FALSE},
	{RULES("\"deployments/scale\"", "\"get\",\"update\""), FALSE, FALSE, TRUE},
	{RULES("\"deployments/scale\"", "\"get\",\"patch\""), FALSE, FALSE, FALSE},
	{RULES("\"*\"", "\"*\""), TRUE, TRUE, TRUE},
};

START_TEST (a_view_has_the_mode_of_its_own_right) {
	struct write_fixture fixture;
	uint64_t apps;
	uint64_t views;

	write_fixture_setup(&fixture);
	fixture.rules = RIGHTS[_i].rules;
	put_app(&fixture, "app");
	apps = enter_directory(&fixture, fixture.apps);
	views = look_in(&fixture, fixture.pid, apps, "app@").ino;
	/* Until something is known. */
	while (cache_may(fixture.context->cache, fixture.maps, NULL, "default", "update"))
		g_usleep(1000);
	ck_assert(is_writable(&fixture, apps, "app.yaml") == RIGHTS[_i].of_object);
	ck_assert(is_writable(&fixture, views, "status.yaml") == RIGHTS[_i].of_status);
	ck_assert(is_writable(&fixture, views, "scale") == RIGHTS[_i].of_scale);
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (what_is_no_right_any_more_is_told_of_views) {
	struct write_fixture fixture;
	uint64_t apps;
	uint64_t views;
	uint64_t status;
	g_autofree char *line = NULL;

	write_fixture_setup(&fixture);
	fixture.rules = RULES("\"deployments\"", "\"update\"");
	put_app(&fixture, "app");
	apps = enter_directory(&fixture, fixture.apps);
	views = look_in(&fixture, fixture.pid, apps, "app@").ino;
	status = look_in(&fixture, fixture.pid, views, "status.yaml").ino;
	/* Its attributes alone. */
	line = g_strdup_printf("inode %u -1", (unsigned int)status);
	lines_skip_to(fixture.lines, line);
	ck_assert(!is_writable(&fixture, views, "status.yaml"));
	write_fixture_finish(&fixture);
}
END_TEST

START_TEST (a_preview_is_only_read) {
	struct write_fixture fixture;
	g_autofree char *text = NULL;
	uint64_t views;

	write_fixture_setup_map(&fixture);
	fixture.context->dry_run = TRUE;
	text = text_of(&fixture, "web", "a: \"3\"", "a: \"5\"");
	ck_assert_int_eq(save_text(&fixture, fixture.pid, "web.yaml", text), 0);
	views = look(&fixture, fixture.pid, "web@").ino;
	ck_assert(!is_writable(&fixture, views, "dry_run.yaml"));
	write_fixture_finish(&fixture);
}
END_TEST

static void add(TCase *tcase)
{
	log_start(LOG_LEVEL_ERROR, FALSE);
	tcase_add_loop_test(tcase, a_view_has_the_mode_of_its_own_right, 0, G_N_ELEMENTS(RIGHTS));
	tcase_add_test(tcase, what_is_no_right_any_more_is_told_of_views);
	tcase_add_test(tcase, a_preview_is_only_read);
}

int main(void)
{
	return fixture_run("views", add);
}
