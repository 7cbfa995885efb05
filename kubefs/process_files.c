#include "kubefs/process_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kubefs/process_status.h"

/* Of a table of descriptors, or of all tables of a process. */
enum table {
	TABLE_EMPTY, /* none at all: its thread has ended, or it has everything closed */
	TABLE_LEFT,
	TABLE_HOLDS,
	TABLE_GONE, /* no such thread, or it may not be seen */
	TABLE_UNKNOWN,
};

struct descriptor {
	unsigned long flags;
	int mount;
	ino_t inode;
};

static void close_directory(DIR *const *directory)
{
	if (*directory != NULL)
		closedir(*directory);
}

#define DIRECTORY_CLEANUP __attribute__((cleanup(close_directory)))

static DIR *open_directory(const struct process_files *files, pid_t thread, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/%d/%s", files->proc, (int)thread, name);

	return opendir(path);
}

/* The number behind a name at the start of a line. */
static gboolean find_number(const char *text, const char *name, int base, unsigned long *ret)
{
	size_t length = strlen(name);

	for (; text != NULL; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, name, length) == 0) {
			*ret = strtoul(text + length, NULL, base);
			return TRUE;
		}
	}
	return FALSE;
}

/* 0, -ENOENT when it was closed meanwhile, or another negative errno. */
static int read_descriptor(int directory, const char *name, struct descriptor *ret)
{
	/* What every file has stands first: four lines with a number each. */
	char text[256];
	unsigned long mount, inode;
	ssize_t length;
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	length = read(fd, text, sizeof(text) - 1);
	if (length < 0)
		length = -errno;
	close(fd);
	if (length < 0)
		return (int)length;
	text[length] = '\0';
	/* Linux 5.14 has the inode. */
	if (!find_number(text, "flags:", 8, &ret->flags) ||
		!find_number(text, "mnt_id:", 10, &mount) || !find_number(text, "ino:", 10, &inode))
		return -EBADMSG;
	ret->mount = (int)mount;
	ret->inode = inode;
	return 0;
}

static gboolean is_writable(unsigned long flags)
{
	unsigned long access = flags & O_ACCMODE;

	return (flags & O_PATH) == 0 && (access == O_WRONLY || access == O_RDWR);
}

static int find_mount(const struct process_files *files, const char *who, int id, dev_t *ret)
{
	g_autofree char *path = g_strdup_printf("%s/%s/mountinfo", files->proc, who);
	struct mountinfo_entry entry;
	int r = mountinfo_find_id(path, id, &entry);

	if (r == 0)
		*ret = entry.device;
	return r;
}

/*
 * Whether a mount is one of our file system's. The descriptor may have come from another mount
 * namespace or from under a mount that is detached: then nobody shows it. Since the inode, a hash
 * of 64 bits, agrees, it is taken for ours.
 */
static gboolean is_ours(const struct process_files *files, pid_t thread, int id)
{
	g_autofree char *who = g_strdup_printf("%d", (int)thread);
	dev_t device;

	if (id == files->mount.id || files->mount.id == 0)
		return TRUE;
	if (find_mount(files, who, id, &device) == 0 || find_mount(files, "self", id, &device) == 0)
		return device == files->mount.device;
	return TRUE;
}

/* Reads one thread's table, which it normally shares with its process. */
static enum table read_table(const struct process_files *files, pid_t thread)
{
	DIRECTORY_CLEANUP DIR *directory = open_directory(files, thread, "fdinfo");
	enum table table = TABLE_EMPTY;
	const struct dirent *entry;

	if (directory == NULL)
		return errno == ENOENT || errno == ESRCH ? TABLE_GONE : TABLE_UNKNOWN;
	for (errno = 0; (entry = readdir(directory)) != NULL; errno = 0) {
		struct descriptor descriptor = {0};
		int r;

		if (!g_ascii_isdigit(entry->d_name[0]))
			continue;
		if (g_atomic_int_get(files->abandoned) != 0)
			return TABLE_UNKNOWN;
		table = TABLE_LEFT;
		r = read_descriptor(dirfd(directory), entry->d_name, &descriptor);
		if (r < 0 && r != -ENOENT && r != -ESRCH)
			return TABLE_UNKNOWN;
		if (r == 0 && descriptor.inode == files->inode && is_writable(descriptor.flags) &&
			is_ours(files, thread, descriptor.mount))
			return TABLE_HOLDS;
	}
	/* ENOENT: the thread ended meanwhile. */
	return errno == 0 || errno == ENOENT ? table : TABLE_UNKNOWN;
}

static gboolean share_table(pid_t a, pid_t b)
{
	return syscall(SYS_kcmp, a, b, KCMP_FILES, 0, 0) == 0;
}

/* Of the first thread that has a table. The group's leader may have ended before the others. */
static enum table read_other_tables(const struct process_files *files, pid_t group)
{
	DIRECTORY_CLEANUP DIR *directory = open_directory(files, group, "task");
	const struct dirent *entry;

	if (directory == NULL)
		return errno == ENOENT || errno == ESRCH ? TABLE_EMPTY : TABLE_UNKNOWN;
	while ((entry = readdir(directory)) != NULL) {
		pid_t thread = atoi(entry->d_name);
		enum table table;

		if (thread <= 0 || thread == group)
			continue;
		if (g_atomic_int_get(files->abandoned) != 0)
			return TABLE_UNKNOWN;
		table = read_table(files, thread);
		if (table != TABLE_EMPTY && table != TABLE_GONE)
			return table;
	}
	return TABLE_EMPTY;
}

/* Whether a process that shows nothing has gone, and is not hidden from us (proc's hidepid). */
static gboolean is_gone(pid_t group)
{
	return kill(group, 0) < 0 && errno == ESRCH;
}

/*
 * Of a process: the thread's table and, where it has one of its own (clone(2) without CLONE_FILES,
 * or it has ended), that of its group.
 */
static enum table read_tables(const struct process_files *files, pid_t group, pid_t thread)
{
	enum table table = TABLE_EMPTY;
	enum table leader;

	if (thread != group) {
		table = read_table(files, thread);
		if (table == TABLE_HOLDS || table == TABLE_UNKNOWN ||
			(table == TABLE_LEFT && share_table(thread, group)))
			return table;
	}
	leader = read_table(files, group);
	if (leader == TABLE_EMPTY)
		leader = read_other_tables(files, group);
	if (leader == TABLE_GONE)
		return is_gone(group) ? table : TABLE_UNKNOWN;
	return leader;
}

static gboolean is_killed(const struct process_files *files, const struct process_status *status)
{
	return status->ending && process_status_killed(files->proc, files->flusher);
}

/* 0 is nobody. */
static enum table read_opener(const struct process_files *files, pid_t flusher_group)
{
	struct process_status status;
	int r;

	if (files->opener <= 0 || files->opener == flusher_group)
		return TABLE_LEFT;
	r = process_status_read(files->proc, files->opener, &status);
	if (r == -ENOENT && is_gone(files->opener))
		return TABLE_LEFT;
	if (r < 0)
		return TABLE_UNKNOWN;
	if (status.group == flusher_group)
		return TABLE_LEFT;
	return read_tables(files, status.group, status.group);
}

enum process_answer process_files_inspect(const struct process_files *files)
{
	struct process_status flusher = {0};
	gboolean known = files->flusher > 0 &&
			 process_status_read(files->proc, files->flusher, &flusher) == 0;
	enum table opener = read_opener(files, flusher.group);
	enum table table;

	if (known && is_killed(files, &flusher))
		return opener == TABLE_HOLDS ? PROCESS_KILLED_HELD : PROCESS_KILLED;
	if (opener == TABLE_HOLDS)
		return PROCESS_HOLDS;
	if (!known)
		return PROCESS_UNKNOWN;
	table = read_tables(files, flusher.group, files->flusher);
	if (table == TABLE_HOLDS)
		return PROCESS_HOLDS;
	return table == TABLE_UNKNOWN || opener == TABLE_UNKNOWN ? PROCESS_UNKNOWN : PROCESS_LEFT;
}

enum process_answer process_files_inspect_end(const struct process_files *files)
{
	struct process_status status;

	if (process_status_read(files->proc, files->flusher, &status) < 0)
		return PROCESS_UNKNOWN;
	return is_killed(files, &status) ? PROCESS_KILLED : PROCESS_LEFT;
}
