/*
 * The keys of an etcd in memory as a file system, with a stand-in for libfuse.
 */
#pragma once

#include "kubefs/filesystem.h"
#include "kubefs/operations.h"
#include "tests/unit/fake_etcd.h"
#include "tests/unit/fake_fuse.h"

struct key_fixture {
	struct engine engine;
	struct fake_etcd *fake;
	struct filesystem *filesystem;
	struct lines *lines;
};

/* The keys that begin with prefix are mounted; what the kernel is told becomes lines. */
void key_fixture_init(struct key_fixture *fixture, const char *prefix);
void key_fixture_finish(struct key_fixture *fixture);

/* LOOKUP; ino is 0 when there is none of that name. */
struct fuse_entry_param key_fixture_lookup(
	struct key_fixture *fixture, uint64_t parent, const char *name);
/* The errno that it fails with. */
int key_fixture_lookup_fails(struct key_fixture *fixture, uint64_t parent, const char *name);
/* The node of a name that is there. */
uint64_t key_fixture_enter(struct key_fixture *fixture, uint64_t parent, const char *name);
void key_fixture_expect_content(struct key_fixture *fixture, uint64_t id, const char *wanted);
/* What READDIR or READDIRPLUS gives from that offset on (fake_entries). */
void key_fixture_expect_names(struct key_fixture *fixture, uint64_t id, off_t offset, size_t size,
	gboolean plus, const char *wanted);
