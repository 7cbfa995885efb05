/*
 * What libfuse leaves out of its answer to INIT: 3.14.0 (Debian 12) offers FUSE_CAP_PARALLEL_DIROPS
 * but never sets FUSE_PARALLEL_DIROPS. Without it the kernel sends one LOOKUP or READDIR of a
 * directory at a time, and who waits for their turn cannot even be killed (fuse_lock_inode,
 * fs/fuse/inode.c).
 */
#pragma once

struct filesystem;
struct fuse_session;

/*
 * Once the session is mounted, before its first request: the answer to INIT carries
 * filesystem->init_flags, too. Returns 0 or a negative errno.
 */
int init_reply_attach(struct fuse_session *session);
