#include "tests/unit/process_child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

/* All run in the mounted directory. An exit status that is not 0 is a failure. */

static void must(gboolean success, const char *what)
{
	if (success)
		return;
	fprintf(stderr, "child: %s: %s\n", what, strerror(errno));
	_exit(2);
}

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC);

	must(fd >= 0, name);
	return fd;
}

static void write_to(int fd)
{
	must(write(fd, "text\n", 5) == 5, "write");
}

/* execve closes the descriptor, and holds locks that who reads /proc may wait for. */
static void run_execve(void)
{
	write_to(open_file("file", O_WRONLY));
	execl("/bin/true", "true", NULL);
	must(FALSE, "execl");
}

static void run_read_only(void)
{
	int fd = open_file("file", O_WRONLY);
	int reading = open_file("file", O_RDONLY);
	int path = open_file("file", O_PATH);

	write_to(fd);
	close(fd);
	close(reading);
	close(path);
}

static void run_duplicate(void)
{
	int fd = open_file("file", O_RDWR);
	int copy = dup(fd);
	int again = open_file("file", O_WRONLY);

	close(fd);
	close(copy);
	close(again);
}

static void *write_and_close(void *data)
{
	int fd = *(int *)data;

	write_to(fd);
	close(fd);
	return NULL;
}

static void in_thread(void *(*run)(void *data), void *data)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, run, data) == 0, "pthread_create");
	must(pthread_join(thread, NULL) == 0, "pthread_join");
}

/* A thread closes what another one opened, twice. */
static void run_threads(void)
{
	int fd = open_file("file", O_WRONLY);
	int copy = dup(fd);

	in_thread(write_and_close, &fd);
	in_thread(write_and_close, &copy);
}

/* Another process ends with the descriptor that it inherited, before the opener closes it. */
static void lend(int fd)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = {(char[]){"true"}, NULL};
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	errno = posix_spawn(&pid, "/bin/true", &actions, NULL, argv, NULL);
	must(errno == 0, "posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	must(waitpid(pid, NULL, 0) == pid, "waitpid");
}

static void *use_without_leader(void *data)
{
	int fd = open_file("file", O_WRONLY);

	run_duplicate();
	lend(fd);
	close(fd);
	_exit(0);
}

static void run_leaderless(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, use_without_leader, NULL) == 0, "pthread_create");
	/* The process goes on without its leader. */
	syscall(SYS_exit, 0);
}

/* A thread with descriptors of its own closes its copy; the leader has another. */
static void *close_own(void *data)
{
	must(unshare(CLONE_FILES) == 0, "unshare");
	close(*(int *)data);
	return NULL;
}

static void run_own_files(void)
{
	int fd = open_file("file", O_WRONLY);

	in_thread(close_own, &fd);
	close(fd);
}

static void *exit_all(void *data)
{
	char byte;

	/* From the test, once the main thread waits in the kernel. */
	must(read(STDIN_FILENO, &byte, 1) == 0, "read");
	_exit(0);
}

/*
 * Another thread ends the process while this one waits for READ's answer: it is the last to give up
 * the descriptors, and was ended as if by a signal.
 */
static void run_exit_of_another(void)
{
	int gate = open_file("gate", O_RDONLY);
	pthread_t thread;
	char byte;

	write_to(open_file("file", O_WRONLY));
	must(pthread_create(&thread, NULL, exit_all, NULL) == 0, "pthread_create");
	(void)!read(gate, &byte, 1);
	must(FALSE, "read returned");
}

static void use_copies(const char *name)
{
	int fd = open_file(name, O_WRONLY);
	int copy = dup(fd);

	close(fd);
	close(copy);
}

static void new_namespace(void)
{
	must(unshare(CLONE_NEWNS) == 0, "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make private");
}

static void run_namespace(void)
{
	char path[4096];
	int fd = open_file("file", O_WRONLY);
	int copy = dup(fd);

	must(getcwd(path, sizeof(path)) != NULL, "getcwd");
	new_namespace();
	/* Opened in the old one, whose mounts this process does not see any more. */
	close(fd);
	close(copy);
	/* Opened in the new one. */
	must(chdir("/") == 0 && chdir(path) == 0, "chdir");
	use_copies("file");
	/* By another way. */
	must(mount(path, "/mnt", NULL, MS_BIND, NULL) == 0, "bind");
	use_copies("/mnt/file");
	/* Of a mount that nobody can see. */
	fd = open_file("/mnt/file", O_WRONLY);
	copy = dup(fd);
	must(umount2("/mnt", MNT_DETACH) == 0, "umount");
	close(fd);
	close(copy);
}

static const struct {
	const char *name;
	void (*run)(void);
} CHILDREN[] = {
	{"execve", run_execve},
	{"read-only", run_read_only},
	{"duplicate", run_duplicate},
	{"threads", run_threads},
	{"leaderless", run_leaderless},
	{"own-files", run_own_files},
	{"exit-of-another", run_exit_of_another},
	{"namespace", run_namespace},
};

void process_child_main(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "child") != 0)
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(CHILDREN); i++) {
		if (strcmp(CHILDREN[i].name, argv[2]) == 0) {
			CHILDREN[i].run();
			_exit(0);
		}
	}
	_exit(3);
}
