/*
 * Files of /proc, which have no size before they are read.
 */
#pragma once

#include "cache/buffer.h"

/*
 * Reads the whole file into buffer, which is empty and has a limit, and puts a NUL behind it that
 * length does not count. 0 or a negative errno, -EFBIG above the limit.
 */
int proc_file_read(struct buffer *buffer, const char *path);
