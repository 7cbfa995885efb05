#include "tests/unit/place_fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

pid_t child_start(void)
{
	pid_t child = fork();

	if (child == 0) {
		/* Only what may be called after a fork. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	ck_assert_int_gt(child, 0);
	return child;
}

void child_end(pid_t child)
{
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

void place_fixture_setup(struct place_fixture *fixture)
{
	*fixture = (struct place_fixture){0};
	fixture->context = context_create(&fixture->filesystem, "one", NULL);
	fixture->other = context_create(&fixture->filesystem, "two", NULL);
	fixture->maps = fake_resource("", "v1", "configmaps", "ConfigMap");
	fixture->apps = fake_resource("apps", "v1", "deployments", "Deployment");
	fixture->child = child_start();
	fixture->processes = processes_create();
	ck_assert_ptr_nonnull(fixture->processes);
	fixture->self = processes_get(fixture->processes, getpid());
	fixture->process = processes_get(fixture->processes, fixture->child);
	ck_assert(fixture->self != NULL && fixture->process != NULL);
}

void place_fixture_finish(struct place_fixture *fixture)
{
	process_unref(fixture->self);
	process_unref(fixture->process);
	processes_destroy(fixture->processes);
	child_end(fixture->child);
	resource_unref(fixture->maps);
	resource_unref(fixture->apps);
	context_destroy(fixture->context);
	context_destroy(fixture->other);
}

struct place place_fixture_map(struct place_fixture *fixture, const char *name)
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

GBytes *bytes_of(const char *text)
{
	return g_bytes_new(text, strlen(text));
}

void bytes_expect(GBytes *bytes, const char *text)
{
	g_autofree char *found = NULL;

	ck_assert_ptr_nonnull(bytes);
	/* Of none GLib has no pointer. */
	found = g_strdup_printf(
		"%.*s", (int)g_bytes_get_size(bytes), (const char *)g_bytes_get_data(bytes, NULL));
	ck_assert_str_eq(found, text);
	ck_assert_uint_eq(g_bytes_get_size(bytes), strlen(text));
}
