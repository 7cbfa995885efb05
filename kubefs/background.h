/*
 * Going into the background, no sooner than it is known that the mount answers.
 */
#pragma once

#include <glib.h>

/*
 * Forks. In the child, returns a descriptor for background_ready. The parent never returns: it
 * exits 0 once the child is ready and the mount point answers, else with the child's status.
 * Before there are threads. Returns a negative errno when no process can be made.
 */
int background_fork(const char *mountpoint);

/* In the child: lets the parent go, and leaves the terminal. */
void background_ready(int descriptor);
