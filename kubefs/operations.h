/*
 * The low-level FUSE operations: thin, each finds its node and hands the work to where it belongs.
 */
#pragma once

#include <fuse_lowlevel.h>

/* userdata of the session is the struct filesystem. */
extern const struct fuse_lowlevel_ops OPERATIONS;
