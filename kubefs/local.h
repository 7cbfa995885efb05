/*
 * Files in the mount's own memory: drafts of what will be saved (kubefs/draft.h), and the scratch
 * files that editors and tools leave beside a file, which never reach a server. Bounded per mount,
 * gone at unmount.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cache/buffer.h"

struct draft;

/* Bytes of one scratch file, of all files together, and how many files there may be. */
#define LOCAL_FILE_MAX (64UL << 20)
#define LOCAL_BYTES_MAX (256UL << 20)
#define LOCAL_FILES_MAX 10000
/* What drafts of objects may take beyond that: scratch files must not keep anybody from saving. */
#define LOCAL_BYTES_RESERVE (64UL << 20)
#define LOCAL_FILES_RESERVE 1000

/* What the files of one mount take together. Zeroed to begin with; atomic. */
struct local_usage {
	gint64 bytes;
	gint files;
};

struct local {
	gint references;
	struct local_usage *usage;
	mode_t type; /* S_IFREG, S_IFLNK, or S_IFDIR (kubefs/key_directories.h); fixed */
	ino_t inode; /* fixed */
	gboolean reserved; /* may use the reserve; fixed */
	char *target; /* of a symbolic link; fixed */
	gint64 until; /* of a directory; g_get_monotonic_time, 0: for good; fixed */
	struct draft *draft; /* owned; NULL for a scratch file; fixed before it is visible */
	pthread_mutex_t lock; /* guards all below, and what the draft says that it does */
	struct buffer content;
	mode_t mode; /* permissions */
	mode_t mask; /* those that it can have at most */
	struct timespec modified;
	struct timespec changed;
	guint links; /* names that it has */
	uint64_t generation; /* grows with each change of the content; 0: never changed */
	int spoiled; /* errno of a change that had no room: the content is not what was meant */
};

/* A scratch file, with no more permissions than mask, ever. NULL when there are too many files
 * already. */
struct local *local_create(struct local_usage *usage, mode_t mode, mode_t mask);
/* A file for a draft: it may use the reserve. limit: bytes of content. NULL likewise. */
struct local *local_create_reserved(
	struct local_usage *usage, mode_t mode, size_t limit, ino_t inode);
struct local *local_create_link(struct local_usage *usage, const char *target);
struct local *local_create_directory(struct local_usage *usage);
struct local *local_ref(struct local *local);
struct local *local_unref(struct local *local); /* returns NULL; NULL is fine */

/* 0, -EFBIG over the file's limit, -ENOSPC over the mount's. Any thread. */
int local_write(struct local *local, const char *bytes, size_t length, uint64_t offset);
int local_truncate(struct local *local, uint64_t length);
/* Whether a change had no room, so that the content is not what was meant. */
gboolean local_is_spoiled(struct local *local);
/* Makes the file at least that long. */
int local_extend(struct local *local, uint64_t length);
/* Sets the content before anybody sees the file: not a change. */
int local_fill(struct local *local, const char *bytes, size_t length);
/* A copy of the content. */
GBytes *local_bytes(struct local *local);
size_t local_length(struct local *local);

/* Sets what FUSE_SET_ATTR_* in which says of a scratch file. */
void local_set_attributes(
	struct local *local, int which, mode_t mode, const struct timespec *modified);
void local_names_add(struct local *local, int number);
