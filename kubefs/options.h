/*
 * The command line: mount(8)'s and sshfs's form with kubectl's and etcdctl's names.
 */
#pragma once

#include <glib.h>

#include "client/etcd_connection.h"
#include "kubefs/guard.h"
#include "kubefs/log.h"

struct options {
	gboolean help;
	gboolean version;
	gboolean foreground;
	gboolean read_only; /* the whole mount */
	gboolean dry_run; /* every context */
	gboolean rmdir_namespaces;
	gboolean etcd_registry_write;
	gboolean use_syslog;
	enum log_level log_level;
	char *mountpoint; /* absolute, exists */
	char *source; /* as given, for the mount table */
	char **contexts; /* NULL-terminated; empty: the current one */
	gboolean all; /* every context */
	char *kubeconfig;
	char *namespace;
	char *as;
	char *as_uid;
	GPtrArray *as_groups; /* of char * and a last NULL */
	GPtrArray *servers; /* likewise */
	gboolean decode; /* keys of etcd as YAML */
	/* etcd.url: the source is an etcd's, and there are no contexts. */
	struct etcd_options etcd;
	gboolean ask_password; /* the etcd user's */
	/* Of char *, as given: names joined with ':', unless it is one name (kubefs/connect.c). */
	GPtrArray *read_only_contexts;
	GPtrArray *dry_run_contexts;
	struct guard *guard;
	GString *mount; /* options for libfuse, joined with commas */
	guint64 idle; /* seconds, 0: the default */
	gboolean json; /* ask API servers for no protobuf */
	guint refused; /* FUSE_CAP_* */
};

/*
 * Fills *ret; options_finish it in any case. Returns 0 or -EINVAL with a one-line message that
 * names the option, or what was wrong with the mount point. argv is left alone.
 */
int options_parse(int argc, char **argv, struct options *ret, GError **error);
void options_finish(struct options *options);

extern const char OPTIONS_HELP[];
