/*
 * What the tests of writing share: a file system on a cluster that a test lets go wrong, a stand-in
 * for libfuse, and programs that open, write and close as the kernel passes it on.
 */
#pragma once

#include "kubefs/filesystem.h"
#include "kubefs/operations.h"
#include "tests/unit/fake_cluster.h"
#include "tests/unit/fake_fuse.h"
#include "tests/unit/place_fixture.h"

struct write_fixture {
	struct engine engine;
	struct fake_source *fake;
	struct fake_cluster *cluster;
	struct filesystem *filesystem;
	struct context *context;
	struct lines *lines; /* notifications */
	struct resource *maps; /* configmaps */
	struct resource *apps; /* deployments.apps, with status and scale */
	uint64_t directory; /* namespaces/default/configmaps */
	const char *rules; /* of a SelfSubjectRulesReview; NULL: what the user may do is unknown */
	pid_t pid; /* this process */
	pid_t other; /* another one */
};

void write_fixture_setup(struct write_fixture *fixture);
/* The same, with the ConfigMap "web". */
void write_fixture_setup_map(struct write_fixture *fixture);
/* As the program does it; every handle must be released. */
void write_fixture_finish(struct write_fixture *fixture);
/* The same in two: what the mount's end waits for, and the rest. */
void write_fixture_stop(struct write_fixture *fixture);
void write_fixture_destroy(struct write_fixture *fixture);

/* A ConfigMap with data.a = "3" and data.b = "x"; a Deployment with three replicas. */
void put_map(struct write_fixture *fixture, const char *name);
void put_app(struct write_fixture *fixture, const char *name);
struct place map_place(struct write_fixture *fixture, const char *name);
/* The nodeid of namespaces/default/RESOURCE, as if the kernel had walked there. */
uint64_t enter_directory(struct write_fixture *fixture, struct resource *resource);
char *uid_of(struct write_fixture *fixture, const char *name); /* g_free */
/* The YAML of the object as the server has it, with old replaced by new (NULL: as it is). g_free.
 */
char *text_of(struct write_fixture *fixture, const char *name, const char *old, const char *new);
/* As the server has it now; await: once it is so. */
void expect_value(struct write_fixture *fixture, const char *name, const char *section,
	const char *key, const char *value);
void await_value(struct write_fixture *fixture, const char *name, const char *section,
	const char *key, const char *value);
/* Waits until nothing is on its way to the server. */
void await_saves(struct write_fixture *fixture);
/* How many changes the server was asked for. */
void expect_changes(struct write_fixture *fixture, unsigned int count);

/* A request of that process; and its end: 0 or -errno. */
struct fuse_req *request_of(struct write_fixture *fixture, pid_t pid);
int request_end(struct fuse_req *request);

/* In the ConfigMaps' directory. The entry's ino is 0 when there is none. */
struct fuse_entry_param look(struct write_fixture *fixture, pid_t pid, const char *name);
struct fuse_entry_param look_in(
	struct write_fixture *fixture, pid_t pid, uint64_t directory, const char *name);
/* What any process finds there; NULL: nothing. part: of the text. */
void expect_file(struct write_fixture *fixture, const char *name, const char *part);
void expect_text(struct write_fixture *fixture, uint64_t id, const char *part);
/* .kubefs/errors says that, at once or soon. */
void expect_error(struct write_fixture *fixture, const char *part);

/* What is unlinked from now on waits for so long, in a test that does more meanwhile. */
#define DELAYED_REMOVAL_MS 1000
void delay_removals(void);

int unlink_name(struct write_fixture *fixture, pid_t pid, const char *name);
int rename_name(struct write_fixture *fixture, pid_t pid, const char *from, const char *to,
	unsigned int flags);

int link_name(struct write_fixture *fixture, pid_t pid, const char *from, const char *to);
int symlink_name(struct write_fixture *fixture, pid_t pid, const char *target, const char *name);
int rmdir_name(struct write_fixture *fixture, pid_t pid, uint64_t directory, const char *name);
/* truncate(2): looks again after ESTALE. */
int truncate_name(struct write_fixture *fixture, pid_t pid, const char *name, off_t length);
/* OPENDIR of the ConfigMaps, as rm -r does it. */
void walk_directory(struct write_fixture *fixture, pid_t pid);
/* A scratch file, written by this process. */
void put_scratch(struct write_fixture *fixture, const char *name, const char *text);

/* One open file of one process. */
struct writer {
	struct write_fixture *fixture;
	pid_t pid;
	uint64_t id;
	struct fuse_file_info info;
};

/* All return 0 or -errno. With O_WRONLY; with more flags. */
int writer_open(struct writer *writer, struct write_fixture *fixture, pid_t pid, const char *name);
int writer_open_in(struct writer *writer, struct write_fixture *fixture, pid_t pid,
	uint64_t directory, const char *name, int flags);
int writer_create(struct writer *writer, struct write_fixture *fixture, pid_t pid, const char *name,
	int flags);
/* OPEN of a node that the kernel knows, without retrying. */
int writer_open_node(
	struct writer *writer, struct write_fixture *fixture, pid_t pid, uint64_t id, int flags);
int writer_write(struct writer *writer, const char *text, off_t offset);
/* From its begin, and what is behind it goes. */
void writer_set(struct writer *writer, const char *text);
struct fuse_req *writer_begin_flush(struct writer *writer);
struct fuse_req *writer_begin_fsync(struct writer *writer);
int writer_flush(struct writer *writer);
int writer_fsync(struct writer *writer);
int writer_truncate(struct writer *writer, off_t length);
void writer_release(struct writer *writer);

/* Opens, writes text, flushes, releases: what came of FLUSH. */
int save_text(struct write_fixture *fixture, pid_t pid, const char *name, const char *text);
