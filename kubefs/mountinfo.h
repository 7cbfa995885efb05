/*
 * /proc/PID/mountinfo (proc_pid_mountinfo(5)): which mounts a process can see.
 *
 * A mount's id is unique in the whole system as long as anything refers to it, an open file for
 * one; which mounts a mountinfo shows depends on the process's mount namespace and root.
 */
#pragma once

#include <sys/types.h>

/* Bytes of a mountinfo that are read. */
#define MOUNTINFO_LIMIT ((size_t)16 << 20)

struct mountinfo_entry {
	int id; /* fdinfo calls it mnt_id */
	dev_t device; /* of the superblock: all its mounts have it in common */
};

/*
 * The last entry whose mount point is the given absolute path: what covers the others. 0, -ENOENT,
 * or what reading gave (-EFBIG above the limit). Any thread.
 */
int mountinfo_find_point(
	const char *path, const char *mountpoint, struct mountinfo_entry *ret_entry);
/* The same by a mount's id. */
int mountinfo_find_id(const char *path, int id, struct mountinfo_entry *ret_entry);
