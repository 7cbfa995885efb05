/*
 * Gives the kernel the content of files before it asks. A walk (grep -r, diff -r) reads one file
 * after another in the order in which they were listed, and so of their nodeids, and each first
 * READ of a small file costs it more than all else. Once two files in a row were read, those that
 * follow are put into the page cache, more and more of them while they are read, as the kernel
 * itself does within a large file (mm/readahead.c).
 *
 * Likewise with directories of keys, each of which is loaded when somebody looks into it. Once two
 * siblings in a row were listed (find, ls -R), those that follow are loaded while they are walked
 * through. Who stops there has had READAHEAD_DIRECTORIES loaded in vain, which are let go as any
 * that nobody looks into.
 *
 * What a node shows never changes (fuse.md 6), so nothing that is stored can become stale, and as
 * the kernel knows its size, storing it leaves the attributes alone (fs/fuse/dev.c).
 */
#pragma once

#include "kubefs/node.h"

struct filesystem;
struct readahead;

/* Files or directories that are read one after another at the same time, by several programs. */
#define READAHEAD_STREAMS_MAX 8
/* What is stored at a time: files, at the beginning and at most; and bytes. */
#define READAHEAD_FILES_MIN 16
#define READAHEAD_FILES_MAX 2048
#define READAHEAD_BYTES_MAX (4UL << 20)
/* Siblings that are loaded ahead. */
#define READAHEAD_DIRECTORIES 2

/* Of a file system that has a session and nodes. */
struct readahead *readahead_create(struct filesystem *filesystem);
/* Waits for what is under way; nothing is stored from then on. */
void readahead_close(struct readahead *readahead);
void readahead_destroy(struct readahead *readahead); /* NULL is fine; closes it if need be */

/* A READ of that node has been answered. Any thread; never blocks. */
void readahead_note_read(struct readahead *readahead, const struct node *node);
/* A READDIR of the node from its beginning has been. Likewise. */
void readahead_note_listing(struct readahead *readahead, const struct node *node);
