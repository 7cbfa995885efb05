/*
 * kubefs/process.h with real processes: who holds a file, who is who, and what happens when one
 * exits.
 */
#include "kubefs/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/cache_fixture.h"
#include "tests/unit/temporary.h"

#define LONG_MS 600000U

static struct processes *processes;
static struct lines *lines;

static void setup(void)
{
	processes = processes_create();
	ck_assert_ptr_nonnull(processes);
	lines = lines_create();
}

static void teardown(void)
{
	g_clear_pointer(&processes, processes_destroy);
	lines_expect_none(lines);
	g_clear_pointer(&lines, lines_destroy);
}

/* A process that waits to be told to exit. */
struct child {
	pid_t pid;
	int input;
};

static struct child child_of(pid_t pid, const int ends[2])
{
	if (pid == 0) {
		char byte;

		/* Only what may be called after a fork. */
		close(ends[1]);
		(void)!read(ends[0], &byte, 1);
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	close(ends[0]);
	return (struct child){pid, ends[1]};
}

static struct child start(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	return child_of(fork(), ends);
}

/* Not by closing its input: other children have that open, too. */
static void let_exit(struct child *child)
{
	ck_assert_int_eq(write(child->input, "x", 1), 1);
	close(child->input);
}

static void end(struct child *child)
{
	let_exit(child);
	ck_assert_int_eq(waitpid(child->pid, NULL, 0), child->pid);
}

/* Exited, but its pid is still taken. */
static void end_as_zombie(struct child *child)
{
	siginfo_t info;

	let_exit(child);
	ck_assert_int_eq(waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOWAIT), 0);
}

static void say_job(void *data)
{
	lines_add(lines, "%s", (const char *)data);
}

static guint64 after(struct process *process, unsigned int milliseconds, const char *name)
{
	return processes_after(processes, process, milliseconds, say_job, (void *)(uintptr_t)name);
}

START_TEST (groups_of_threads) {
	pid_t thread = (pid_t)syscall(SYS_gettid);

	ck_assert_int_eq(process_group(thread), getpid());
	ck_assert_int_eq(process_group(0), 0);
	ck_assert_int_eq(process_group(-1), 0);
	ck_assert_int_eq(process_group(1000000007), 0);
}
END_TEST

START_TEST (a_process_is_itself) {
	struct child child = start();
	struct process *own = processes_get(processes, getpid());
	struct process *first = processes_get(processes, child.pid);
	struct process *second = processes_get(processes, child.pid);
	struct process *third = process_ref(first);

	ck_assert(process_same(first, second));
	ck_assert(process_same(first, third));
	ck_assert(!process_same(first, own));
	ck_assert(!process_same(NULL, NULL));
	ck_assert(!process_same(first, NULL));
	ck_assert(!process_same(NULL, first));
	process_unref(second);
	process_unref(third);
	end_as_zombie(&child);
	ck_assert_ptr_null(processes_get(processes, child.pid));
	waitpid(child.pid, NULL, 0);
	ck_assert_ptr_null(processes_get(processes, child.pid));
	ck_assert_ptr_null(processes_get(processes, 0));
	ck_assert(process_same(first, first));
	process_unref(first);
	/* References may outlive it. */
	g_clear_pointer(&processes, processes_destroy);
	ck_assert_ptr_null(process_unref(own));
	ck_assert_ptr_null(process_unref(NULL));
}
END_TEST

/* A child of that pid; its pid is 0 where only root may choose. */
static struct child start_with_pid(pid_t pid)
{
	struct clone_args arguments = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	gint64 patience = g_get_monotonic_time() + FIXTURE_PATIENCE_MS * 1000;
	int ends[2];
	long r;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	/* Another process may have it for a moment. */
	do
		r = syscall(SYS_clone3, &arguments, sizeof(arguments));
	while (r < 0 && errno == EEXIST && g_get_monotonic_time() < patience);
	if (r < 0 && (errno == EPERM || errno == ENOSYS)) {
		close(ends[0]);
		close(ends[1]);
		return (struct child){0, -1};
	}
	return child_of((pid_t)r, ends);
}

START_TEST (a_pid_used_again_is_another_process) {
	struct child child = start();
	struct process *first = processes_get(processes, child.pid);
	struct process *second;

	end(&child);
	child = start_with_pid(child.pid);
	if (child.pid == 0) {
		g_printerr("SKIPPED, since only root may: a_pid_used_again_is_another_process\n");
		process_unref(first);
		return;
	}
	second = processes_get(processes, child.pid);
	ck_assert_ptr_nonnull(second);
	ck_assert(!process_same(first, second));
	/* The one has exited, the other has not. */
	after(second, LONG_MS, "second");
	after(first, LONG_MS, "first");
	lines_expect(lines, "first");
	lines_expect_none(lines);
	end(&child);
	lines_expect(lines, "second");
	process_unref(first);
	process_unref(second);
}
END_TEST

struct reply {
	struct tally answered;
	enum process_answer answer;
};

static void on_end(void *data, enum process_answer answer)
{
	struct reply *reply = data;

	reply->answer = answer;
	tally_add(&reply->answered);
}

/* On a busy machine the deadline may pass: asks again then. */
static enum process_answer ask_end(struct process *process)
{
	gint64 patience = g_get_monotonic_time() + FIXTURE_PATIENCE_MS * 1000;
	struct reply reply;

	do {
		tally_init(&reply.answered);
		processes_ask_end(processes, process, on_end, &reply);
		tally_reach(&reply.answered, 1);
		tally_finish(&reply.answered);
	} while (reply.answer == PROCESS_UNKNOWN && g_get_monotonic_time() < patience);
	return reply.answer;
}

/* Linux 6.15 tells of those that were collected, too. */
static gboolean tells_of_collected(void)
{
	struct utsname name;
	int major, minor;

	ck_assert_int_eq(uname(&name), 0);
	ck_assert_int_eq(sscanf(name.release, "%d.%d", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 15);
}

START_TEST (tells_who_was_killed) {
	gboolean killed = _i % 2 == 0;
	enum process_answer wanted = killed ? PROCESS_KILLED : PROCESS_LEFT;
	struct child child = start();
	struct process *process = processes_get(processes, child.pid);
	siginfo_t info;

	ck_assert_int_eq(ask_end(process), PROCESS_LEFT);
	if (killed)
		ck_assert_int_eq(kill(child.pid, SIGKILL), 0);
	else
		ck_assert_int_eq(write(child.input, "x", 1), 1);
	close(child.input);
	ck_assert_int_eq(
		waitid(P_PID, (id_t)child.pid, &info, WEXITED | (_i < 2 ? WNOWAIT : 0)), 0);
	if (_i < 2 || tells_of_collected())
		ck_assert_int_eq(ask_end(process), wanted);
	if (_i < 2)
		waitpid(child.pid, NULL, 0);
	/* That is known for good. */
	if (_i < 2 || tells_of_collected())
		ck_assert_int_eq(ask_end(process), wanted);
	process_unref(process);
}
END_TEST

START_TEST (jobs_run_at_exit) {
	struct child child = start();
	struct child other = start();
	struct process *process = processes_get(processes, child.pid);
	struct process *survivor = processes_get(processes, other.pid);

	after(process, LONG_MS, "a");
	after(survivor, LONG_MS, "other");
	after(process, LONG_MS - 1, "b");
	/* The job has a reference. */
	process = process_unref(process);
	lines_expect_none(lines);
	end_as_zombie(&child);
	lines_expect(lines, "a");
	lines_expect(lines, "b");
	waitpid(child.pid, NULL, 0);
	lines_expect_none(lines);
	end(&other);
	lines_expect(lines, "other");
	/* It is known to be gone. */
	after(survivor, LONG_MS, "at once");
	lines_expect(lines, "at once");
	process_unref(survivor);
}
END_TEST

START_TEST (jobs_run_at_the_timeout) {
	struct child child = start();
	struct process *process = processes_get(processes, child.pid);
	gint64 begin = g_get_monotonic_time();

	after(NULL, LONG_MS, "never");
	after(process, 0, "at once");
	lines_expect(lines, "at once");
	/* Far enough apart for who is slow to say so. */
	after(process, 1000, "second");
	after(NULL, 30, "first");
	lines_expect(lines, "first");
	ck_assert_int_ge(g_get_monotonic_time() - begin, 30 * 1000);
	lines_expect(lines, "second");
	ck_assert_int_ge(g_get_monotonic_time() - begin, 1000 * 1000);
	end(&child);
	lines_expect_none(lines);
	process_unref(process);
	/* What waits is done at the end. */
	g_clear_pointer(&processes, processes_destroy);
	lines_expect(lines, "never");
}
END_TEST

START_TEST (jobs_can_be_forgotten) {
	struct child child = start();
	struct process *process = processes_get(processes, child.pid);
	guint64 id = after(process, LONG_MS, "forgotten");
	guint64 other = after(process, LONG_MS, "kept");

	ck_assert_uint_ne(id, 0);
	ck_assert(processes_forget(processes, id));
	ck_assert(!processes_forget(processes, id));
	ck_assert(!processes_forget(processes, 0));
	end(&child);
	lines_expect(lines, "kept");
	ck_assert(!processes_forget(processes, other));
	process_unref(process);
}
END_TEST

START_TEST (too_many_jobs_are_due_at_once) {
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint64));

	for (int i = 0; i < PROCESS_JOBS_MAX; i++) {
		guint64 id = after(NULL, LONG_MS, "waits");

		g_array_append_val(ids, id);
	}
	lines_expect_none(lines);
	after(NULL, LONG_MS, "one more");
	lines_expect(lines, "one more");
	for (guint i = 0; i < ids->len; i++)
		ck_assert(processes_forget(processes, g_array_index(ids, guint64, i)));
	g_array_unref(ids);
}
END_TEST

/* It cannot be watched, and is nobody that is known. */
static void check_unwatched(struct child *child)
{
	struct process *process = processes_get(processes, child->pid);
	struct process *again = processes_get(processes, child->pid);

	ck_assert_ptr_nonnull(process);
	ck_assert(process_same(process, process));
	ck_assert(!process_same(process, again));
	ck_assert(!process_is_watched(process));
	after(process, 30, "time-out");
	end(child);
	lines_expect(lines, "time-out");
	ck_assert_ptr_null(processes_get(processes, child->pid));
	process_unref(process);
	process_unref(again);
}

START_TEST (without_descriptors_there_is_the_timeout) {
	struct child child = start();
	struct rlimit old, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	check_unwatched(&child);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}
END_TEST

#define DESCRIPTORS 128
#define WATCHED (DESCRIPTORS / 2)

/* As if there were only so many descriptors. */
static void restart_small(void)
{
	struct rlimit old, small;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	small = old;
	small.rlim_cur = DESCRIPTORS;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &small), 0);
	processes_destroy(processes);
	processes = processes_create();
	ck_assert_ptr_nonnull(processes);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
}

START_TEST (at_most_so_many_are_watched) {
	struct process *watched[WATCHED];
	struct child children[WATCHED];
	struct child child = start();

	restart_small();
	for (int i = 0; i < WATCHED; i++) {
		children[i] = start();
		watched[i] = processes_get(processes, children[i].pid);
		ck_assert(process_is_watched(watched[i]));
	}
	check_unwatched(&child);
	/* One that exits makes room, though there is a reference. */
	after(watched[0], LONG_MS, "exit");
	end(&children[0]);
	lines_expect(lines, "exit");
	ck_assert(process_is_watched(watched[0]));
	child = start();
	process_unref(watched[0]);
	watched[0] = processes_get(processes, child.pid);
	after(watched[0], LONG_MS, "watched");
	end(&child);
	lines_expect(lines, "watched");
	process_unref(watched[0]);
	for (int i = 1; i < WATCHED; i++) {
		end(&children[i]);
		process_unref(watched[i]);
	}
}
END_TEST

#define THREADS 4
#define ROUNDS 300

static void add_to(void *data)
{
	tally_add(data);
}

static void *use_much(void *data)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct process *process = processes_get(processes, getpid());
		guint64 id =
			processes_after(processes, process, i % 2 == 0 ? 0 : LONG_MS, add_to, data);

		ck_assert(process_same(process, process));
		if (i % 3 == 0 && processes_forget(processes, id))
			tally_add(data);
		process_unref(process);
	}
	return NULL;
}

START_TEST (many_threads) {
	pthread_t threads[THREADS];
	struct tally jobs;

	tally_init(&jobs);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use_much, &jobs), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	g_clear_pointer(&processes, processes_destroy);
	ck_assert_uint_eq(tally_get(&jobs), THREADS * ROUNDS);
	tally_finish(&jobs);
}
END_TEST

/* Who holds a file: on a file system of the test's own as root, else on that of its directory. */

static char *file;
static ino_t inode;
static gboolean mounted;

static char *own_mount_point(void)
{
	char *directory = realpath(temporary_directory, NULL);
	struct stat status, above;

	ck_assert_int_eq(stat(directory, &status), 0);
	for (;;) {
		g_autofree char *parent = g_path_get_dirname(directory);

		ck_assert_int_eq(stat(parent, &above), 0);
		if (above.st_dev != status.st_dev || strcmp(parent, directory) == 0)
			return directory;
		free(directory);
		directory = strdup(parent);
	}
}

static void setup_file(void)
{
	struct stat status;
	char *point;

	setup();
	temporary_create();
	mounted = mount("test", temporary_directory, "tmpfs", 0, NULL) == 0;
	point = own_mount_point();
	ck_assert_int_eq(processes_attach(processes, point), 0);
	free(point);
	ck_assert_int_eq(processes_attach(processes, "/no mount point"), -ENOENT);
	file = temporary_write("file", "text\n", 0600);
	ck_assert_int_eq(stat(file, &status), 0);
	inode = status.st_ino;
}

static void teardown_file(void)
{
	g_clear_pointer(&file, g_free);
	if (mounted)
		ck_assert_int_eq(umount2(temporary_directory, MNT_DETACH), 0);
	temporary_destroy();
	teardown();
}

static const char *const ANSWERS[] = {"unknown", "holds", "left", "killed", "killed-held"};

static void on_answer(void *data, enum process_answer answer)
{
	enum process_answer *ret = data;

	*ret = answer;
	lines_add(lines, "answered");
}

/* On a busy machine the deadline may pass: asks again then. */
static void check(pid_t flusher, pid_t opener, const char *answer)
{
	gint64 patience = g_get_monotonic_time() + FIXTURE_PATIENCE_MS * 1000;
	enum process_answer given;

	do {
		processes_ask(processes, flusher, opener, inode, on_answer, &given);
		lines_expect(lines, "answered");
	} while (given == PROCESS_UNKNOWN && strcmp(answer, "unknown") != 0 &&
		 g_get_monotonic_time() < patience);
	ck_assert_str_eq(ANSWERS[given], answer);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void check_open(int flags, const char *answer)
{
	int fd = open_file(file, flags);

	check(getpid(), getpid(), answer);
	close(fd);
	check(getpid(), getpid(), "left");
}

START_TEST (holds_what_it_can_write) {
	g_autofree char *other = temporary_write("other", "text\n", 0600);
	int fd, copy;

	check(getpid(), getpid(), "left");
	check_open(O_WRONLY, "holds");
	check_open(O_RDWR, "holds");
	check_open(O_WRONLY | O_APPEND, "holds");
	check_open(O_RDONLY, "left");
	check_open(O_PATH, "left");
	fd = open_file(other, O_RDWR);
	check(getpid(), 0, "left");
	close(fd);
	fd = open_file(file, O_RDWR);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 500);
	close(fd);
	check(getpid(), 0, "holds");
	close(copy);
	check(getpid(), 0, "left");
}
END_TEST

START_TEST (holds_what_it_inherited) {
	int fd = open_file(file, O_WRONLY);
	struct child child = start();

	check(getpid(), child.pid, "holds");
	close(fd);
	check(getpid(), child.pid, "holds");
	check(child.pid, getpid(), "holds");
	check(getpid(), getpid(), "left");
	end_as_zombie(&child);
	check(getpid(), child.pid, "left");
	check(child.pid, 0, "left");
	waitpid(child.pid, NULL, 0);
	check(getpid(), child.pid, "left");
	check(child.pid, getpid(), "unknown");
}
END_TEST

/* Writes files until one has the number: on a tmpfs they count. Returns its path. */
static char *create_with_inode(const char *directory)
{
	for (int i = 0; i < 1000; i++) {
		g_autofree char *path = g_strdup_printf("%s/%d", directory, i);
		int fd = open_file(path, O_WRONLY | O_CREAT);
		struct stat status;

		ck_assert_int_eq(fstat(fd, &status), 0);
		close(fd);
		if (status.st_ino == inode)
			return g_steal_pointer(&path);
	}
	ck_abort_msg("no file has that inode number");
	return NULL;
}

/* Another file system's file with the same inode number. */
START_TEST (tells_file_systems_apart) {
	g_autofree char *directory = temporary_path("mount");
	g_autofree char *same = g_build_filename(directory, "file", NULL);
	g_autofree char *name = NULL;
	int fd;

	if (!mounted) {
		g_printerr("SKIPPED, since only root may: tells_file_systems_apart\n");
		return;
	}
	ck_assert_int_eq(g_mkdir(directory, 0700), 0);
	ck_assert_int_eq(mount("other", directory, "tmpfs", 0, NULL), 0);
	name = create_with_inode(directory);
	fd = open_file(name, O_WRONLY);
	check(getpid(), 0, "left");
	close(fd);
	ck_assert_int_eq(umount(directory), 0);
	/* The same file by another mount. */
	ck_assert_int_eq(mount(temporary_directory, directory, NULL, MS_BIND, NULL), 0);
	fd = open_file(same, O_WRONLY);
	check(getpid(), 0, "holds");
	ck_assert_int_eq(umount2(directory, MNT_DETACH), 0);
	check(getpid(), 0, "holds");
	close(fd);
}
END_TEST

START_TEST (many_descriptors_take_their_time) {
	gint64 begin;
	int fds[200];

	for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
		fds[i] = open_file(file, O_RDONLY);
	begin = g_get_monotonic_time();
	check(getpid(), 0, "left");
	g_print("%d descriptors: %d us\n", (int)G_N_ELEMENTS(fds),
		(int)(g_get_monotonic_time() - begin));
	for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
		close(fds[i]);
}
END_TEST

static void add_identity(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, groups_of_threads);
	tcase_add_test(tcase, a_process_is_itself);
	tcase_add_test(tcase, a_pid_used_again_is_another_process);
	tcase_add_loop_test(tcase, tells_who_was_killed, 0, 4);
	tcase_add_test(tcase, jobs_run_at_exit);
	tcase_add_test(tcase, jobs_run_at_the_timeout);
	tcase_add_test(tcase, jobs_can_be_forgotten);
	tcase_add_test(tcase, too_many_jobs_are_due_at_once);
	tcase_add_test(tcase, without_descriptors_there_is_the_timeout);
	tcase_add_test(tcase, at_most_so_many_are_watched);
	tcase_add_test(tcase, many_threads);
}

static void add_files(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup_file, teardown_file);
	tcase_add_test(tcase, holds_what_it_can_write);
	tcase_add_test(tcase, holds_what_it_inherited);
	tcase_add_test(tcase, tells_file_systems_apart);
	tcase_add_test(tcase, many_descriptors_take_their_time);
}

int main(void)
{
	int identity = fixture_run("process", add_identity);
	int files = fixture_run("process_files", add_files);

	return identity != EXIT_SUCCESS ? identity : files;
}
