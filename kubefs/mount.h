/*
 * A mounted file system from its command line to its end.
 */
#pragma once

#include "kubefs/options.h"

/*
 * Connects, mounts, serves until it is unmounted or told to end, and takes everything down. ready:
 * background_fork's descriptor, or -1. Returns 0 or a negative errno with a one-line message
 * (nothing is mounted then).
 */
int mount_run(const struct options *options, int ready, GError **error);
