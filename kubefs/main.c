#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "client/escape.h"
#include "kubefs/background.h"
#include "kubefs/mount.h"
#include "kubefs/options.h"
#include "kubefs/prompt.h"

#define DESCRIPTORS 65536

/* Memory holds credentials and Secrets: nobody may dump or trace it (design.md Safety). */
static void protect_memory(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
	/* LeakSanitizer has to trace the process it is in. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/*
 * Each process that uses the mount is watched by a descriptor. Not more than that, since what is
 * started by us may close all that it could have.
 */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = MIN(limit.rlim_max, DESCRIPTORS);
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Decoding threads come and go with big blocks: few arenas keep the heap compact. */
static void limit_arenas(void)
{
	mallopt(M_ARENA_MAX, 2);
}

static int ask_password(struct options *options, GError **error)
{
	g_autofree char *user = escape_text(options->etcd.user, -1);
	g_autofree char *question = g_strdup_printf("Password of %s", user);
	int r = prompt_secret(question, ETCD_PASSWORD_LIMIT, &options->etcd.password, error);

	if (r == -ENXIO)
		g_prefix_error(error,
			"--user %s: its password is missing (--password-file or "
			"ETCDCTL_PASSWORD), and ",
			user);
	return r;
}

static int run(struct options *options, GError **error)
{
	int ready = -1;

	if (options->ask_password) {
		int r = ask_password(options, error);

		if (r < 0)
			return r;
	}
	if (!options->foreground) {
		ready = background_fork(options->mountpoint);
		if (ready < 0) {
			g_set_error_literal(error, G_FILE_ERROR, 0, g_strerror(-ready));
			return ready;
		}
	}
	log_start(options->log_level, options->use_syslog);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		g_set_error_literal(error, G_FILE_ERROR, 0, "libcurl cannot be initialised");
		return -EIO;
	}
	return mount_run(options, ready, error);
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	struct options options;
	int r;

	setlocale(LC_CTYPE, "");
	protect_memory();
	raise_descriptor_limit();
	limit_arenas();
	r = options_parse(argc, argv, &options, &error);
	if (r == 0 && options.help)
		fputs(OPTIONS_HELP, stdout);
	else if (r == 0 && options.version)
		printf("kubefs %s\n", KUBEFS_VERSION);
	else if (r == 0)
		r = run(&options, &error);
	if (r < 0)
		fprintf(stderr, "kubefs: %s\n", error != NULL ? error->message : g_strerror(-r));
	options_finish(&options);
	curl_global_cleanup();
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
