#include "kubefs/process_status.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kubefs/proc_file.h"

/* A process may be in 65536 groups, and they all stand there. */
#define STATUS_LIMIT ((size_t)1 << 20)

/* include/linux/sched.h; proc_pid_stat(5) refers to it. */
#define PF_EXITING 0x4U
#define PF_SIGNALED 0x400U

/* Fields of stat, counted from 1. */
enum {
	FIELD_STATE = 3, /* the first one behind the name */
	FIELD_FLAGS = 9,
	FIELD_EXIT_CODE = 52,
};

static int read_of(struct buffer *buffer, const char *proc, pid_t thread, const char *name)
{
	g_autofree char *path = g_strdup_printf("%s/%d/%s", proc, (int)thread, name);
	int r = proc_file_read(buffer, path);

	/* It ended between open and read. */
	return r == -ESRCH ? -ENOENT : r;
}

static uint64_t read_mask(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line != NULL ? g_ascii_strtoull(line + strlen(name), NULL, 16) : 0;
}

int process_status_read(const char *proc, pid_t thread, struct process_status *ret_status)
{
	BUFFER_CLEANUP struct buffer text;
	const char *line;
	int r, group;

	buffer_init(&text, STATUS_LIMIT);
	r = read_of(&text, proc, thread, "status");
	if (r < 0)
		return r;
	/* The name on the first line has no newline of its own. */
	line = strstr(text.data, "\nTgid:");
	if (line == NULL || sscanf(line, "\nTgid: %d", &group) != 1 || group <= 0)
		return -EBADMSG;
	ret_status->group = group;
	ret_status->pending = read_mask(line, "\nSigPnd:") | read_mask(line, "\nShdPnd:");
	ret_status->ending = strstr(line, "\nVmSize:") == NULL;
	return 0;
}

/* From the field on, or NULL. */
static const char *find_field(const char *stat, int wanted)
{
	/* The name before it may hold anything. */
	const char *field = strrchr(stat, ')');

	for (int i = FIELD_STATE; field != NULL && i <= wanted; i++) {
		field = strchr(field, ' ');
		if (field != NULL)
			field++;
	}
	return field;
}

static gboolean is_visible(const char *proc, pid_t thread)
{
	g_autofree char *path = g_strdup_printf("%s/%d/fdinfo", proc, (int)thread);
	DIR *directory = opendir(path);

	if (directory != NULL)
		closedir(directory);
	return directory != NULL;
}

gboolean process_status_killed(const char *proc, pid_t thread)
{
	BUFFER_CLEANUP struct buffer text;
	const char *field;
	unsigned long flags;
	unsigned long code = 0;

	buffer_init(&text, STATUS_LIMIT);
	if (read_of(&text, proc, thread, "stat") < 0)
		return FALSE;
	field = find_field(text.data, FIELD_FLAGS);
	flags = field != NULL ? strtoul(field, NULL, 10) : 0;
	if ((flags & PF_EXITING) == 0 || (flags & PF_SIGNALED) == 0)
		return FALSE;
	if (!is_visible(proc, thread))
		return TRUE; /* the exit code reads as 0 */
	/*
	 * The kernel ends the other threads of one that calls exit_group(2) as if by a signal. What
	 * they exit with is the process's: a signal in the low bits, as for wait(2), or none.
	 */
	field = find_field(text.data, FIELD_EXIT_CODE);
	if (field != NULL)
		code = strtoul(field, NULL, 10);
	return (code & 0x7f) != 0;
}
