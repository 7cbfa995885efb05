/*
 * A real FUSE file system for tests of processes: two files. FLUSH of a writable descriptor of
 * "file" asks kubefs/process_question.h about its caller, and answers the kernel when that has.
 * READ of "gate" waits for the test.
 */
#pragma once

#include "kubefs/process.h"
#include "tests/unit/cache_fixture.h"

#define PROCESS_MOUNT_INODE 0x1d2c3b4a59687766ULL

struct process_mount;

/* Mounts in a directory of its own, with threads; ends the test program where it cannot. */
struct process_mount *process_mount_create(void);
/* Nobody may use it any more. */
void process_mount_destroy(struct process_mount *mount);

const char *process_mount_directory(const struct process_mount *mount);

/*
 * What the FLUSHes since the last call were answered with, in order: "unknown", "holds", "left",
 * "killed" or "killed-held", a space between two. Who has exited has had its answers. The caller
 * owns it.
 */
char *process_mount_take_answers(struct process_mount *mount);
/* Waits until a READ waits. */
void process_mount_reach_gate(struct process_mount *mount);
/* Answers the READ that waits. */
void process_mount_open_gate(struct process_mount *mount);
/* The longest that an answer took since the mount was made, in microseconds. */
gint64 process_mount_longest(struct process_mount *mount);
