#include "kubefs/mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "kubefs/proc_file.h"

static gboolean is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Whether a field, which ends with a space and has \ooo for what would end it, means text. */
static gboolean field_is(const char *field, const char *text)
{
	while (*field != '\0' && *field != ' ' && *field != '\n') {
		char c = *field;

		if (c == '\\' && is_octal(field[1]) && is_octal(field[2]) && is_octal(field[3])) {
			c = (char)((field[1] - '0') * 64 + (field[2] - '0') * 8 + field[3] - '0');
			field += 3;
		}
		field++;
		if (c != *text++)
			return FALSE;
	}
	return *text == '\0';
}

/* "ID PARENT MAJOR:MINOR ROOT POINT ..." Returns where the mount point begins, or NULL. */
static const char *parse_line(const char *line, struct mountinfo_entry *ret_entry)
{
	unsigned int major, minor;
	int id, length = -1;

	if (sscanf(line, "%d %*d %u:%u %n", &id, &major, &minor, &length) < 3 || length < 0)
		return NULL;
	line += length;
	line += strcspn(line, " \n");
	if (*line != ' ')
		return NULL;
	*ret_entry = (struct mountinfo_entry){id, makedev(major, minor)};
	return line + 1;
}

/* The last entry that has the mount point or, where that is NULL, the id. */
static int find(const char *path, const char *mountpoint, int id, struct mountinfo_entry *ret_entry)
{
	BUFFER_CLEANUP struct buffer text;
	int r;

	buffer_init(&text, MOUNTINFO_LIMIT);
	r = proc_file_read(&text, path);
	if (r < 0)
		return r;
	r = -ENOENT;
	for (char *line = text.data, *next; *line != '\0'; line = next) {
		struct mountinfo_entry entry;
		const char *point;

		/* sscanf takes the length of its whole text: give it a line. */
		next = line + strcspn(line, "\n");
		if (*next != '\0')
			*next++ = '\0';
		point = parse_line(line, &entry);
		if (point == NULL ||
			!(mountpoint != NULL ? field_is(point, mountpoint) : entry.id == id))
			continue;
		*ret_entry = entry;
		r = 0;
	}
	return r;
}

int mountinfo_find_point(
	const char *path, const char *mountpoint, struct mountinfo_entry *ret_entry)
{
	return find(path, mountpoint, -1, ret_entry);
}

int mountinfo_find_id(const char *path, int id, struct mountinfo_entry *ret_entry)
{
	return find(path, NULL, id, ret_entry);
}
