/*
 * Runs a program to its end and takes what it prints. No shell; stdin is /dev/null; the child has
 * a session of its own (no controlling terminal), default signals and none of our descriptors.
 */
#pragma once

#include <glib.h>

struct subprocess {
	const char *path; /* the program's file, with a '/' in it */
	const char *const *argv; /* NULL-terminated, argv[0] included */
	const char *const *envp; /* NULL-terminated */
	unsigned int timeout; /* milliseconds; then its session's process group is killed */
	size_t output_limit; /* bytes of stdout; more is -EMSGSIZE */
	size_t error_limit; /* bytes of stderr; only the last so many are kept */
	int cancel_fd; /* readable: killed, -ECANCELED; -1: none */
};

struct subprocess_result {
	GBytes *output; /* stdout, wiped when freed */
	GBytes *errors; /* stderr, likewise */
	int status; /* as from waitpid */
};

/*
 * Blocks. Returns 0 when the program ran to its end, however that was. -ETIMEDOUT, -ECANCELED,
 * -EMSGSIZE, or what posix_spawn gave; no message. *ret_result is set in every case but the last
 * (with what there was until then) and is the caller's to finish. Any thread. Once the program
 * has ended, what it left running is not waited for.
 */
int subprocess_run(const struct subprocess *subprocess, struct subprocess_result *ret_result);
void subprocess_result_finish(struct subprocess_result *result);
