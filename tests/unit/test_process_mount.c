/*
 * kubefs/process.h on a real FUSE mount: what real programs' closes look like from inside FLUSH
 * (writes.md 1 and 3).
 */
#include "kubefs/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/process_child.h"
#include "tests/unit/process_mount.h"

struct child {
	pid_t pid;
	int input; /* its standard input's other end */
};

static struct process_mount *mount;

static void setup(void)
{
	mount = process_mount_create();
}

static void teardown(void)
{
	g_print("longest answer: %d us\n", (int)process_mount_longest(mount));
	g_clear_pointer(&mount, process_mount_destroy);
}

static struct child start(const char *const *argv)
{
	struct child child;
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	child.pid = fork();
	ck_assert_int_ge(child.pid, 0);
	if (child.pid == 0) {
		if (dup2(ends[0], STDIN_FILENO) != STDIN_FILENO ||
			chdir(process_mount_directory(mount)) < 0)
			_exit(126);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(ends[0]);
	child.input = ends[1];
	return child;
}

static struct child start_child(const char *name)
{
	return start((const char *[]){"/proc/self/exe", "child", name, NULL});
}

static int end(struct child *child)
{
	int status;

	close(child->input);
	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	return status;
}

static void expect(const char *answers)
{
	g_autofree char *given = process_mount_take_answers(mount);

	ck_assert_str_eq(given, answers);
}

/* How often a shell moves a descriptor about is its own affair: pattern is a regular expression. */
static void check_shells(const char *commands, const char *pattern)
{
	static const char *const SHELLS[] = {"/bin/dash", "/bin/bash"};

	for (size_t i = 0; i < G_N_ELEMENTS(SHELLS); i++) {
		struct child child = start((const char *[]){SHELLS[i], "-c", commands, NULL});
		g_autofree char *whole = g_strdup_printf("^%s$", pattern);
		g_autofree char *given = NULL;

		end(&child);
		given = process_mount_take_answers(mount);
		ck_assert_msg(g_regex_match_simple(whole, given, 0, 0), "%s -c '%s': %s", SHELLS[i],
			commands, given);
	}
}

static void check_child(const char *name, const char *answers)
{
	struct child child = start_child(name);

	ck_assert_int_eq(end(&child), 0);
	expect(answers);
}

/* Every FLUSH but the last one comes too early. */
#define ONE_COMMIT "(holds )*left"

START_TEST (redirections_are_left_once) {
	check_shells("cat /dev/null > file", ONE_COMMIT);
	check_shells("cat /proc/self/stat > file", ONE_COMMIT);
	check_shells("{ /bin/echo a; /bin/echo b; } > file", "(holds )+left");
	check_shells("{ echo a; echo $(/bin/echo b); } > file", "(holds )+left");
	check_shells("exec 3> file; echo a >&3; /bin/echo b >&3; exec 3>&-", "(holds )+left");
	check_shells("exec 3>> file; echo a >&3; exit 1", "(holds )+left");
	check_shells("(/bin/echo a; /bin/echo b) > file", "(holds )+left");
	check_shells("/bin/echo a | tee file > /dev/null", "left");
	check_shells("dd if=/dev/zero of=file count=1 2> /dev/null", ONE_COMMIT);
}
END_TEST

START_TEST (a_killed_writer_is_told) {
	check_shells("exec 3> file; echo a >&3; kill -9 $$", "(holds )*killed");
	check_shells("exec 3> file; echo a >&3; kill -TERM $$", "(holds )*killed");
	check_shells("ulimit -c 0; exec 3> file; echo a >&3; kill -ABRT $$", "(holds )*killed");
	check_shells("/bin/sh -c 'echo a; kill -9 $$' > file; true",
		"(holds )*(killed|killed-held left)");
	check_shells("exec sh -c 'echo a; kill -PIPE $$' > file", "(holds )*killed");
}
END_TEST

/* What inherited the descriptor need not be the writer. */
START_TEST (a_killed_helper_is_told_apart) {
#define HELD_ONCE "(holds )*killed-held (holds )*left"
	check_shells("exec 3> file; yes | head -n 1 >&3; exec 3>&-", HELD_ONCE);
	check_shells("exec 3> file; sh -c 'kill -9 $$'; echo a >&3; exec 3>&-", HELD_ONCE);
	check_shells("{ sh -c 'echo a; kill -9 $$'; /bin/echo b; } > file", HELD_ONCE);
}
END_TEST

/* Reading stat inside this FLUSH waits for its end. */
START_TEST (execve_is_answered_in_time) {
	for (int i = 0; i < 20; i++)
		check_child("execve", "left");
}
END_TEST

START_TEST (descriptors_of_a_process) {
	check_child("read-only", "left");
	check_child("duplicate", "holds holds left");
}
END_TEST

START_TEST (descriptors_of_threads) {
	check_child("threads", "holds left");
	/* Three by itself; execve and exit of another process, which asks for the opener. */
	check_child("leaderless", "holds holds holds holds holds left");
	check_child("own-files", "holds left");
}
END_TEST

/* Where no thread but the main one is left: it waits in READ, and cannot end. */
static void reach_last_thread(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)pid);
	gint64 patience = g_get_monotonic_time() + FIXTURE_PATIENCE_MS * 1000;
	guint count = 0;

	while (count != 1) {
		g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);

		ck_assert(directory != NULL && g_get_monotonic_time() < patience);
		for (count = 0; g_dir_read_name(directory) != NULL; count++)
			;
		sched_yield();
	}
}

START_TEST (exit_by_another_thread_is_no_kill) {
	struct child child = start_child("exit-of-another");

	process_mount_reach_gate(mount);
	close(child.input);
	child.input = -1;
	reach_last_thread(child.pid);
	process_mount_open_gate(mount);
	ck_assert_int_eq(end(&child), 0);
	expect("left");
}
END_TEST

START_TEST (a_kill_of_all_threads_is_one) {
	struct child child = start_child("exit-of-another");

	process_mount_reach_gate(mount);
	kill(child.pid, SIGKILL);
	reach_last_thread(child.pid);
	process_mount_open_gate(mount);
	ck_assert(WIFSIGNALED(end(&child)));
	expect("killed");
}
END_TEST

START_TEST (other_mount_namespaces) {
	if (geteuid() != 0) {
		g_printerr("SKIPPED, since only root may: other_mount_namespaces\n");
		return;
	}
	/* An old mount, the new one, a bind mount, a detached one. */
	check_child("namespace", "holds left holds left holds left holds left");
}
END_TEST

static void add_all(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, redirections_are_left_once);
	tcase_add_test(tcase, a_killed_writer_is_told);
	tcase_add_test(tcase, a_killed_helper_is_told_apart);
	tcase_add_test(tcase, execve_is_answered_in_time);
	tcase_add_test(tcase, descriptors_of_a_process);
	tcase_add_test(tcase, descriptors_of_threads);
	tcase_add_test(tcase, exit_by_another_thread_is_no_kill);
	tcase_add_test(tcase, a_kill_of_all_threads_is_one);
	tcase_add_test(tcase, other_mount_namespaces);
}

int main(int argc, char **argv)
{
	process_child_main(argc, argv);
	return fixture_run("process_mount", add_all);
}
