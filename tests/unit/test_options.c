/* kubefs/options.h: every option in each of its forms; errors of one line that name the option. */
#include "kubefs/options.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cache_fixture.h"

#define MOUNTPOINT "/tmp"

static int parse(const char *line, struct options *options, GError **error)
{
	g_auto(GStrv) argv = g_strsplit(line, " ", -1);

	return options_parse((int)g_strv_length(argv), argv, options, error);
}

static void must_parse(const char *line, struct options *options)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *whole = g_strdup_printf("kubefs %s", line);

	ck_assert_msg(parse(whole, options, &error) == 0, "%s: %s", line,
		error != NULL ? error->message : "no error");
	ck_assert_ptr_null(error);
}

/* A one-line error that holds wanted. */
static void must_fail(const char *line, const char *wanted)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *whole = g_strdup_printf("kubefs%s%s", line[0] != '\0' ? " " : "", line);
	struct options options;
	int r = parse(whole, &options, &error);

	ck_assert_msg(r < 0, "%s was taken", line);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->code, -r);
	ck_assert_ptr_null(strchr(error->message, '\n'));
	ck_assert_msg(strstr(error->message, wanted) != NULL, "%s: %s", line, error->message);
	options_finish(&options);
}

START_TEST (has_defaults) {
	struct options options;

	must_parse(MOUNTPOINT, &options);
	ck_assert_str_eq(options.mountpoint, MOUNTPOINT);
	ck_assert_ptr_null(options.source);
	ck_assert_ptr_null(options.contexts[0]);
	ck_assert(!options.all && !options.read_only && !options.foreground && !options.help &&
		  !options.version && !options.use_syslog);
	ck_assert_int_eq(options.log_level, LOG_LEVEL_WARNING);
	ck_assert_ptr_null(options.kubeconfig);
	ck_assert_ptr_null(options.namespace);
	ck_assert_ptr_null(options.as);
	ck_assert_ptr_null(options.as_uid);
	ck_assert_uint_eq(options.as_groups->len, 1);
	ck_assert_uint_eq(options.servers->len, 1);
	ck_assert_uint_eq(options.idle, 0);
	ck_assert_uint_eq(options.refused, 0);
	ck_assert(!options.dry_run && !options.rmdir_namespaces && !options.decode);
	ck_assert_uint_eq(options.read_only_contexts->len, 0);
	ck_assert_uint_eq(options.dry_run_contexts->len, 0);
	ck_assert_ptr_nonnull(options.guard);
	ck_assert_str_eq(options.mount->str, "nosuid,nodev");
	options_finish(&options);
}
END_TEST

START_TEST (takes_sources) {
	struct options options;

	must_parse("prod " MOUNTPOINT, &options);
	ck_assert_str_eq(options.source, "prod");
	ck_assert_str_eq(options.contexts[0], "prod");
	ck_assert_ptr_null(options.contexts[1]);
	options_finish(&options);
	must_parse("prod,staging " MOUNTPOINT, &options);
	ck_assert_str_eq(options.source, "prod,staging");
	ck_assert_str_eq(options.contexts[0], "prod");
	ck_assert_str_eq(options.contexts[1], "staging");
	ck_assert_ptr_null(options.contexts[2]);
	options_finish(&options);
	must_parse("all " MOUNTPOINT, &options);
	ck_assert(options.all);
	ck_assert_ptr_null(options.contexts[0]);
	options_finish(&options);
	must_parse("none " MOUNTPOINT, &options);
	ck_assert_ptr_null(options.source);
	options_finish(&options);
	must_parse("--context prod none " MOUNTPOINT, &options);
	ck_assert_str_eq(options.contexts[0], "prod");
	options_finish(&options);
	must_parse("-- -dash " MOUNTPOINT, &options);
	ck_assert_str_eq(options.contexts[0], "-dash");
	options_finish(&options);
	must_fail("a,,b " MOUNTPOINT, "a,,b");
	must_fail(", " MOUNTPOINT, "\",\"");
	must_fail("a,b,a " MOUNTPOINT, "\"a\" is named twice");
	must_fail("", "mount point");
	must_fail("a b c", "c");
}
END_TEST

START_TEST (checks_the_mount_point) {
	struct options options;

	must_fail("/nonexistent/mount", "/nonexistent/mount");
	must_fail("/etc/passwd", "/etc/passwd");
	must_parse("/tmp/../tmp/.", &options);
	ck_assert_str_eq(options.mountpoint, "/tmp");
	options_finish(&options);
}
END_TEST

/* Each with a value, in its three forms. */
static const struct {
	const char *name;
	size_t offset;
} STRINGS[] = {
	{"kubeconfig", offsetof(struct options, kubeconfig)},
	{"context", offsetof(struct options, source)},
	{"namespace", offsetof(struct options, namespace)},
	{"as", offsetof(struct options, as)},
	{"as-uid", offsetof(struct options, as_uid)},
};

START_TEST (takes_strings) {
	const char *name = STRINGS[_i].name;
	g_autofree char *apart = g_strdup_printf("--%s value " MOUNTPOINT, name);
	g_autofree char *joined = g_strdup_printf("--%s=value " MOUNTPOINT, name);
	g_autofree char *in_mount = g_strdup_printf(MOUNTPOINT " -o ro,%s=value,noatime", name);
	g_autofree char *last_wins =
		g_strdup_printf("--%s=first --%s=value " MOUNTPOINT, name, name);
	g_autofree char *without = g_strdup_printf(MOUNTPOINT " --%s", name);
	g_autofree char *bare = g_strdup_printf(MOUNTPOINT " -o %s", name);
	const char *const lines[] = {apart, joined, in_mount, last_wins};

	for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
		struct options options;

		must_parse(lines[i], &options);
		ck_assert_str_eq(*(char **)((char *)&options + STRINGS[_i].offset), "value");
		options_finish(&options);
	}
	must_fail(without, name);
	must_fail(bare, name);
}
END_TEST

START_TEST (takes_the_short_namespace) {
	struct options options;

	must_parse("-n web " MOUNTPOINT, &options);
	ck_assert_str_eq(options.namespace, "web");
	options_finish(&options);
	must_parse("-fnweb " MOUNTPOINT, &options);
	ck_assert_str_eq(options.namespace, "web");
	ck_assert(options.foreground);
	options_finish(&options);
	must_fail(MOUNTPOINT " -n", "-n");
}
END_TEST

START_TEST (takes_lists) {
	struct options options;

	must_parse("--as-group a --as-group=b,c -o as-group=d " MOUNTPOINT, &options);
	ck_assert_uint_eq(options.as_groups->len, 4);
	ck_assert_str_eq(g_ptr_array_index(options.as_groups, 1), "b,c");
	ck_assert_str_eq(g_ptr_array_index(options.as_groups, 2), "d");
	ck_assert_ptr_null(g_ptr_array_index(options.as_groups, 3));
	options_finish(&options);
	must_parse("--server https://a:1,https://b:2 --server https://c " MOUNTPOINT, &options);
	ck_assert_uint_eq(options.servers->len, 4);
	ck_assert_str_eq(g_ptr_array_index(options.servers, 0), "https://a:1");
	ck_assert_str_eq(g_ptr_array_index(options.servers, 1), "https://b:2");
	ck_assert_str_eq(g_ptr_array_index(options.servers, 2), "https://c");
	ck_assert_ptr_null(g_ptr_array_index(options.servers, 3));
	options_finish(&options);
	must_fail("--server= " MOUNTPOINT, "--server");
	must_fail("--server https://a,,https://b " MOUNTPOINT, "--server");
	must_fail("--server https://a, " MOUNTPOINT, "--server");
}
END_TEST

START_TEST (takes_flags) {
	struct options options;

	must_parse("-f " MOUNTPOINT, &options);
	ck_assert(options.foreground);
	options_finish(&options);
	must_parse("--foreground " MOUNTPOINT, &options);
	ck_assert(options.foreground);
	options_finish(&options);
	must_parse("-d " MOUNTPOINT, &options);
	ck_assert(options.foreground && options.log_level == LOG_LEVEL_DEBUG);
	options_finish(&options);
	must_parse("--debug " MOUNTPOINT, &options);
	ck_assert(options.foreground && options.log_level == LOG_LEVEL_DEBUG);
	options_finish(&options);
	must_parse("--syslog " MOUNTPOINT, &options);
	ck_assert(options.use_syslog);
	options_finish(&options);
	must_parse("-r " MOUNTPOINT, &options);
	ck_assert(options.read_only);
	options_finish(&options);
	/* As mount(8) calls its helpers. */
	must_parse(
		"prod " MOUNTPOINT " -sv -o rw,noauto,user,x-systemd.automount,_netdev", &options);
	ck_assert(!options.read_only);
	ck_assert_str_eq(options.mount->str, "nosuid,nodev");
	options_finish(&options);
	must_fail("-x " MOUNTPOINT, "-x");
	must_fail("--frobnicate " MOUNTPOINT, "--frobnicate");
	must_fail("--frobnicate=1 " MOUNTPOINT, "--frobnicate");
	must_fail("--foreground=1 " MOUNTPOINT, "--foreground");
	must_fail("--kube x " MOUNTPOINT, "--kube");
}
END_TEST

START_TEST (help_and_version_need_no_mount_point) {
	struct options options;
	guint lines = 0;
	guint width = 0;

	must_parse("--help", &options);
	ck_assert(options.help);
	options_finish(&options);
	must_parse("-h", &options);
	ck_assert(options.help);
	options_finish(&options);
	must_parse("-V", &options);
	ck_assert(options.version);
	options_finish(&options);
	must_parse("--version", &options);
	ck_assert(options.version);
	options_finish(&options);
	/* The help fits a screen. */
	for (const char *p = OPTIONS_HELP; *p != '\0'; p++) {
		width = *p == '\n' ? 0 : width + 1;
		ck_assert_uint_le(width, 80);
		lines += *p == '\n';
	}
	ck_assert_uint_le(lines, 24);
}
END_TEST

START_TEST (takes_log_levels) {
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	struct options options;

	for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
		g_autofree char *line = g_strdup_printf("--log-level %s " MOUNTPOINT, levels[i]);

		must_parse(line, &options);
		ck_assert_int_eq(options.log_level, i);
		options_finish(&options);
	}
	must_fail("--log-level loud " MOUNTPOINT, "--log-level");
	must_fail("--log-level= " MOUNTPOINT, "--log-level");
}
END_TEST

START_TEST (takes_idle_times) {
	struct options options;

	must_parse("-o idle=90 " MOUNTPOINT, &options);
	ck_assert_uint_eq(options.idle, 90);
	options_finish(&options);
	must_fail("-o idle=0 " MOUNTPOINT, "idle");
	must_fail("-o idle=-1 " MOUNTPOINT, "idle");
	must_fail("-o idle=1s " MOUNTPOINT, "idle");
	must_fail("-o idle= " MOUNTPOINT, "idle");
	must_fail("-o idle=99999999999999999999 " MOUNTPOINT, "idle");
	must_fail("-o idle " MOUNTPOINT, "idle");
}
END_TEST

START_TEST (takes_mount_options) {
	struct options options;

	must_parse(MOUNTPOINT " -o ro", &options);
	ck_assert(options.read_only);
	options_finish(&options);
	must_parse(MOUNTPOINT " -oro,rw", &options);
	ck_assert(!options.read_only);
	options_finish(&options);
	must_parse(MOUNTPOINT " -o rw -o ro", &options);
	ck_assert(options.read_only);
	options_finish(&options);
	/* Whoever is let in is held to the mode bits. */
	must_parse(MOUNTPOINT " --options allow_other", &options);
	ck_assert_str_eq(options.mount->str, "nosuid,nodev,allow_other,default_permissions");
	options_finish(&options);
	must_parse(
		MOUNTPOINT " -o noatime,,fsname=x,subtype=y,auto_unmount,max_read=4096", &options);
	ck_assert_str_eq(options.mount->str,
		"nosuid,nodev,noatime,fsname=x,subtype=y,auto_unmount,max_read=4096");
	options_finish(&options);
	must_fail(MOUNTPOINT " -o frobnicate", "frobnicate");
	must_fail(MOUNTPOINT " -o ro,frobnicate=3,noatime", "frobnicate=3");
	must_fail(MOUNTPOINT " -o", "-o");
	/* A pass for passwords on a command line there is not. */
	must_fail(MOUNTPOINT " --token=x", "--token");
}
END_TEST

START_TEST (does_without_features) {
	struct options options;

	must_parse(MOUNTPOINT " -o without=readdirplus+no_open", &options);
	ck_assert_uint_eq(options.refused, FUSE_CAP_READDIRPLUS | FUSE_CAP_NO_OPEN_SUPPORT);
	ck_assert(!options.json);
	options_finish(&options);
	must_parse(MOUNTPOINT " -o without=protobuf+no_open", &options);
	ck_assert_uint_eq(options.refused, FUSE_CAP_NO_OPEN_SUPPORT);
	ck_assert(options.json);
	options_finish(&options);
	must_fail(MOUNTPOINT " -o without=gravity", "gravity");
	must_fail(MOUNTPOINT " -o without=", "without");
}
END_TEST

START_TEST (takes_safety_switches) {
	struct options options;

	must_parse(MOUNTPOINT " -o dry_run,decode,rmdir_namespaces,etcd_registry_write", &options);
	ck_assert(options.dry_run && options.rmdir_namespaces && !options.read_only);
	ck_assert(options.decode && options.etcd_registry_write);
	ck_assert_str_eq(options.mount->str, "nosuid,nodev");
	options_finish(&options);
	/* As given: only the contexts tell where to split. */
	must_parse(MOUNTPOINT " -o ro=a:b,ro=arn:c -o read_only=d,dry_run=e", &options);
	ck_assert(!options.dry_run && !options.read_only);
	ck_assert_uint_eq(options.read_only_contexts->len, 3);
	ck_assert_str_eq(g_ptr_array_index(options.read_only_contexts, 0), "a:b");
	ck_assert_str_eq(g_ptr_array_index(options.read_only_contexts, 1), "arn:c");
	ck_assert_str_eq(g_ptr_array_index(options.read_only_contexts, 2), "d");
	ck_assert_uint_eq(options.dry_run_contexts->len, 1);
	ck_assert_str_eq(g_ptr_array_index(options.dry_run_contexts, 0), "e");
	ck_assert_str_eq(options.mount->str, "nosuid,nodev");
	options_finish(&options);
	must_parse(MOUNTPOINT " -o ro=a,ro", &options);
	ck_assert(options.read_only);
	options_finish(&options);
	must_parse(MOUNTPOINT " -o allow=pods:deploy/update,deny=/delete -o deny=*", &options);
	options_finish(&options);
	must_fail(MOUNTPOINT " -o ro=", "-o ro");
	must_fail(MOUNTPOINT " -o read_only", "read_only");
	must_fail(MOUNTPOINT " -o dry_run=", "-o dry_run");
	must_fail(MOUNTPOINT " -o rmdir_namespaces=yes", "rmdir_namespaces=yes");
	must_fail(MOUNTPOINT " -o decode=yaml", "decode=yaml");
	must_fail(MOUNTPOINT " -o allow", "allow");
	must_fail(MOUNTPOINT " -o allow=", "-o allow");
	must_fail(MOUNTPOINT " -o allow=pods::secrets", "-o allow");
	must_fail(MOUNTPOINT " -o deny=pods/patch", "-o deny");
	/* What is behind a comma is another option. */
	must_fail(MOUNTPOINT " -o deny=pods,secrets", "\"secrets\"");
	/* In -o alone. */
	must_fail(MOUNTPOINT " --dry_run=a", "--dry_run");
	must_fail(MOUNTPOINT " --deny pods", "--deny");
}
END_TEST

START_TEST (takes_an_etcd) {
	struct options options;

	must_parse("etcd://10.0.0.1:2379,10.0.0.2/registry " MOUNTPOINT, &options);
	ck_assert_str_eq(options.etcd.url, "etcd://10.0.0.1:2379,10.0.0.2/registry");
	ck_assert_str_eq(options.source, options.etcd.url);
	ck_assert_ptr_null(options.contexts[0]);
	options_finish(&options);
	must_parse("--endpoints a:1,b:2 --cacert=ca --cert c --key k prod " MOUNTPOINT, &options);
	ck_assert_ptr_null(options.etcd.url);
	ck_assert_str_eq(options.etcd.endpoints, "a:1,b:2");
	ck_assert_str_eq(options.etcd.cacert, "ca");
	ck_assert_str_eq(options.etcd.cert, "c");
	ck_assert_str_eq(options.etcd.key, "k");
	ck_assert_str_eq(options.contexts[0], "prod");
	options_finish(&options);
	/* A password would be there for everybody to read. */
	must_fail("--user me:secret etcd://a " MOUNTPOINT, "--password-file");
	must_parse("--user me etcd://a " MOUNTPOINT, &options);
	ck_assert(options.ask_password);
	options_finish(&options);
	must_fail("--password-file /nonexistent etcd://a " MOUNTPOINT, "/nonexistent");
	/* The user of an etcd that is not asked for. */
	must_parse("--user me " MOUNTPOINT, &options);
	options_finish(&options);
}
END_TEST

START_TEST (takes_an_etcd_from_the_environment) {
	struct options options;

	g_setenv("ETCDCTL_ENDPOINTS", "a:1", TRUE);
	g_setenv("ETCDCTL_USER", "me:secret", TRUE);
	must_parse(MOUNTPOINT, &options);
	ck_assert_str_eq(options.etcd.endpoints, "a:1");
	ck_assert_str_eq(options.etcd.user, "me");
	ck_assert_str_eq(options.etcd.password, "secret");
	options_finish(&options);
	must_parse("--endpoints b:1 " MOUNTPOINT, &options);
	ck_assert_str_eq(options.etcd.endpoints, "b:1");
	options_finish(&options);
	must_parse("etcd://c " MOUNTPOINT, &options);
	ck_assert_ptr_null(options.etcd.endpoints);
	options_finish(&options);
	g_unsetenv("ETCDCTL_ENDPOINTS");
	g_unsetenv("ETCDCTL_USER");
}
END_TEST

static void add(TCase *tcase)
{
	tcase_add_test(tcase, has_defaults);
	tcase_add_test(tcase, takes_sources);
	tcase_add_test(tcase, checks_the_mount_point);
	tcase_add_loop_test(tcase, takes_strings, 0, G_N_ELEMENTS(STRINGS));
	tcase_add_test(tcase, takes_the_short_namespace);
	tcase_add_test(tcase, takes_lists);
	tcase_add_test(tcase, takes_flags);
	tcase_add_test(tcase, help_and_version_need_no_mount_point);
	tcase_add_test(tcase, takes_log_levels);
	tcase_add_test(tcase, takes_idle_times);
	tcase_add_test(tcase, takes_mount_options);
	tcase_add_test(tcase, does_without_features);
	tcase_add_test(tcase, takes_safety_switches);
	tcase_add_test(tcase, takes_an_etcd);
	tcase_add_test(tcase, takes_an_etcd_from_the_environment);
}

int main(void)
{
	return fixture_run("options", add);
}
