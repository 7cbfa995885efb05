/*
 * Stands in for libfuse's replies and notifications: the kernel's side of the file system, seen by
 * a test. A second reply to a request aborts the test.
 */
#pragma once

#include <fuse_lowlevel.h>
#include <glib.h>

#include "tests/unit/cache_fixture.h"

enum fake_answer {
	REPLY_NONE, /* not yet */
	REPLY_ERROR, /* errnum, 0 for success */
	REPLY_ENTRY,
	REPLY_ATTR,
	REPLY_BUFFER,
	REPLY_OPEN,
	REPLY_LINK,
	REPLY_XATTR, /* its size */
	REPLY_CREATE, /* entry and info */
	REPLY_WRITE, /* its size */
	REPLY_OTHER,
};

/* What libfuse calls a request. The test owns it; zeroed but for filesystem before it begins. */
struct fuse_req {
	void *userdata;
	struct fuse_ctx context; /* root's, of this process, unless the test says otherwise */
	pthread_mutex_t lock;
	pthread_cond_t replied;
	enum fake_answer reply;
	int errnum;
	struct fuse_entry_param entry;
	struct stat stat;
	struct fuse_file_info info;
	GBytes *buffer;
	char *link;
	size_t size;
	int send_fails; /* what the reply function returns */
	gboolean interrupted; /* before somebody asked to be told */
	fuse_interrupt_func_t interrupt;
	void *interrupt_data;
};

struct fuse_req *fake_request_create(void *userdata);
void fake_request_destroy(struct fuse_req *request);
/* Waits for the reply. */
enum fake_answer fake_request_wait(struct fuse_req *request);
gboolean fake_request_is_answered(struct fuse_req *request);
/* As the kernel's INTERRUPT; may come at any time, also after the reply. */
void fake_request_interrupt(struct fuse_req *request);

/* The names in a READDIR's or READDIRPLUS's buffer, "name@offset " each. */
char *fake_entries(GBytes *buffer, gboolean plus);

/* Notifications as lines: "entry 3 name", "delete 3 7 name", "inode 3 0". */
void fake_notifications_set(struct lines *lines);
/* Notifications of entries in this directory block until it is 0 again. */
void fake_notifications_block(uint64_t directory);
