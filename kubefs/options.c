#include "kubefs/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <fuse_lowlevel.h>

#include "client/error.h"
#include "client/etcd_url.h"

const char OPTIONS_HELP[] =
	"usage: kubefs [options] [CONTEXT[,CONTEXT...] | all] MOUNTPOINT\n"
	"       kubefs [options] etcd[s]://HOST[:PORT][,HOST...][/PREFIX] MOUNTPOINT\n"
	"Mounts the API resources of Kubernetes clusters, or the keys of etcd, as files.\n"
	"  --kubeconfig FILE       instead of $KUBECONFIG or ~/.kube/config\n"
	"  --context NAME          the same as CONTEXT\n"
	"  -n, --namespace NAME    listed where namespaces cannot be\n"
	"  --as USER, --as-uid UID, --as-group GROUP       impersonate\n"
	"  --server URL[,URL...]   instead of the kubeconfig's, tried in turn\n"
	"  --endpoints HOST[:PORT][,...]  adds that etcd's keys as etcd/; with --cacert,\n"
	"                          --cert, --key, --user, --password-file\n"
	"  -o OPTION[,OPTION...]   ro, allow_other, idle=SECONDS, and mount(8)'s;\n"
	"     dry_run              have each change validated, change nothing\n"
	"     ro=, dry_run=        CONTEXT[:CONTEXT...]: these contexts alone\n"
	"     allow=, deny=        [RESOURCE][/(create|update|delete)][:...]: changes\n"
	"     decode               keys of etcd that hold an object as its YAML\n"
	"     rmdir_namespaces     let rmdir delete a namespace and all in it\n"
	"     etcd_registry_write  let keys of a Kubernetes be written in etcd\n"
	"  -f, --foreground        stay in the foreground\n"
	"  -d, --debug             -f --log-level=debug\n"
	"  --log-level LEVEL       error, warning, info or debug\n"
	"  --syslog                log to syslog instead of standard error\n"
	"  -h, --help              this text\n"
	"  -V, --version           the version\n"
	"Unmount with: fusermount3 -u MOUNTPOINT        See kubefs(1).\n";

/* What fstab and mount(8) say that is not for us. */
static gboolean is_ignored(const char *option)
{
	static const char *const ignored[] = {"defaults", "auto", "noauto", "user", "nouser",
		"users", "owner", "group", "nofail", "_netdev", "nosuid", "nodev", "suid", "dev",
		"exec", "atime", "relatime", "norelatime", "async", NULL};

	return g_strv_contains(ignored, option) || g_str_has_prefix(option, "x-") ||
	       g_str_has_prefix(option, "comment=");
}

/* What libfuse or the kernel understands. */
static gboolean is_for_libfuse(const char *option)
{
	static const char *const known[] = {"noexec", "noatime", "nodiratime", "sync", "dirsync",
		"auto_unmount", "default_permissions", "allow_root", NULL};

	return g_strv_contains(known, option) || g_str_has_prefix(option, "max_read=") ||
	       g_str_has_prefix(option, "fsname=") || g_str_has_prefix(option, "subtype=");
}

static void add_mount(struct options *options, const char *option)
{
	g_string_append_printf(options->mount, "%s%s", options->mount->len > 0 ? "," : "", option);
}

static void set(char **field, const char *value)
{
	g_free(*field);
	*field = g_strdup(value);
}

/* An array that always ends in NULL. */
static void add_string(GPtrArray *array, const char *value)
{
	g_ptr_array_insert(array, (gint)array->len - 1, g_strdup(value));
}

static void add_list(GPtrArray *array, const char *list)
{
	g_auto(GStrv) values = g_strsplit(list, ",", -1);

	for (char **value = values; *value != NULL; value++)
		add_string(array, *value);
}

static int set_log_level(struct options *options, const char *value, GError **error)
{
	if (!log_parse_level(value, &options->log_level))
		return error_set(error, EINVAL,
			"--log-level: \"%s\" is none of error, warning, info and debug", value);
	return 0;
}

static int set_idle(struct options *options, const char *value, GError **error)
{
	if (!g_ascii_string_to_unsigned(value, 10, 1, 365UL * 86400, &options->idle, NULL))
		return error_set(
			error, EINVAL, "-o idle: \"%s\" is not a number of seconds", value);
	return 0;
}

static int set_without_one(struct options *options, const char *name, GError **error)
{
	static const struct {
		const char *name;
		guint capability;
	} features[] = {
		{"readdirplus", FUSE_CAP_READDIRPLUS},
		{"no_open", FUSE_CAP_NO_OPEN_SUPPORT},
		{"no_opendir", FUSE_CAP_NO_OPENDIR_SUPPORT},
		{"explicit_inval_data", FUSE_CAP_EXPLICIT_INVAL_DATA},
		{"parallel_dirops", FUSE_CAP_PARALLEL_DIROPS},
		{"cache_symlinks", FUSE_CAP_CACHE_SYMLINKS},
		{"splice_write", FUSE_CAP_SPLICE_WRITE},
	};

	if (strcmp(name, "protobuf") == 0) {
		options->json = TRUE;
		return 0;
	}
	for (guint i = 0; i < G_N_ELEMENTS(features); i++) {
		if (strcmp(features[i].name, name) == 0) {
			options->refused |= features[i].capability;
			return 0;
		}
	}
	return error_set(error, EINVAL, "-o without: no such feature \"%s\"", name);
}

/*
 * Features of the kernel or the server to do without, joined with '+': so that the ways around them
 * can be tested.
 */
static int set_without(struct options *options, const char *value, GError **error)
{
	g_auto(GStrv) names = g_strsplit(value, "+", -1);

	if (names[0] == NULL)
		return error_set(error, EINVAL, "-o without: a feature is missing");
	for (char **name = names; *name != NULL; name++) {
		int r = set_without_one(options, *name, error);

		if (r < 0)
			return r;
	}
	return 0;
}

typedef int (*setter)(struct options *options, const char *value, GError **error);

static int set_kubeconfig(struct options *options, const char *value, GError **error)
{
	set(&options->kubeconfig, value);
	return 0;
}

static int set_context(struct options *options, const char *value, GError **error)
{
	set(&options->source, value);
	return 0;
}

static int set_namespace(struct options *options, const char *value, GError **error)
{
	set(&options->namespace, value);
	return 0;
}

static int set_as(struct options *options, const char *value, GError **error)
{
	set(&options->as, value);
	return 0;
}

static int set_as_uid(struct options *options, const char *value, GError **error)
{
	set(&options->as_uid, value);
	return 0;
}

static int set_as_group(struct options *options, const char *value, GError **error)
{
	add_string(options->as_groups, value);
	return 0;
}

static int set_server(struct options *options, const char *value, GError **error)
{
	if (value[0] == '\0' || value[0] == ',' || g_str_has_suffix(value, ",") ||
		strstr(value, ",,") != NULL)
		return error_set(error, EINVAL, "--server: a URL is empty in \"%s\"", value);
	add_list(options->servers, value);
	return 0;
}

static int set_endpoints(struct options *options, const char *value, GError **error)
{
	set(&options->etcd.endpoints, value);
	return 0;
}

static int set_cacert(struct options *options, const char *value, GError **error)
{
	set(&options->etcd.cacert, value);
	return 0;
}

static int set_cert(struct options *options, const char *value, GError **error)
{
	set(&options->etcd.cert, value);
	return 0;
}

static int set_key(struct options *options, const char *value, GError **error)
{
	set(&options->etcd.key, value);
	return 0;
}

/* Everybody can read a command line. */
static int set_user(struct options *options, const char *value, GError **error)
{
	if (strchr(value, ':') != NULL)
		return error_set(error, EINVAL,
			"--user: a password is not taken from the command line; use "
			"--password-file or ETCDCTL_PASSWORD, or be asked for it");
	set(&options->etcd.user, value);
	return 0;
}

static int set_password_file(struct options *options, const char *value, GError **error)
{
	return etcd_options_read_password(&options->etcd, value, error);
}

static int add_contexts(GPtrArray *contexts, const char *option, const char *value, GError **error)
{
	if (value[0] == '\0')
		return error_set(error, EINVAL, "-o %s: a context is missing", option);
	g_ptr_array_add(contexts, g_strdup(value));
	return 0;
}

static int set_read_only_contexts(struct options *options, const char *value, GError **error)
{
	return add_contexts(options->read_only_contexts, "ro", value, error);
}

static int set_dry_run_contexts(struct options *options, const char *value, GError **error)
{
	return add_contexts(options->dry_run_contexts, "dry_run", value, error);
}

static int add_allowed(struct options *options, const char *value, GError **error)
{
	return guard_add(options->guard, GUARD_ALLOW, value, error);
}

static int add_denied(struct options *options, const char *value, GError **error)
{
	return guard_add(options->guard, GUARD_DENY, value, error);
}

static int set_mount(struct options *options, const char *list, GError **error);

/* Where an option with a value may stand. */
enum place {
	ALONE = 1, /* --NAME VALUE, --NAME=VALUE, -L VALUE, -LVALUE */
	IN_MOUNT = 2, /* -o NAME=VALUE */
	ANYWHERE = ALONE | IN_MOUNT,
};

static const struct {
	const char *name;
	char letter;
	enum place place;
	setter set;
} VALUED[] = {
	{"kubeconfig", 0, ANYWHERE, set_kubeconfig},
	{"context", 0, ANYWHERE, set_context},
	{"namespace", 'n', ANYWHERE, set_namespace},
	{"as", 0, ANYWHERE, set_as},
	{"as-uid", 0, ANYWHERE, set_as_uid},
	{"as-group", 0, ANYWHERE, set_as_group},
	{"server", 0, ANYWHERE, set_server},
	{"endpoints", 0, ALONE, set_endpoints}, /* they hold commas */
	{"cacert", 0, ANYWHERE, set_cacert},
	{"cert", 0, ANYWHERE, set_cert},
	{"key", 0, ANYWHERE, set_key},
	{"user", 0, ALONE, set_user}, /* mount(8) has a user of its own */
	{"password-file", 0, ANYWHERE, set_password_file},
	{"log-level", 0, ANYWHERE, set_log_level},
	{"idle", 0, ANYWHERE, set_idle},
	{"without", 0, ANYWHERE, set_without},
	{"ro", 0, IN_MOUNT, set_read_only_contexts},
	/* mount(8) makes a plain ro of ro= whatever its value (libmount's option map). */
	{"read_only", 0, IN_MOUNT, set_read_only_contexts},
	{"dry_run", 0, IN_MOUNT, set_dry_run_contexts},
	{"allow", 0, IN_MOUNT, add_allowed},
	{"deny", 0, IN_MOUNT, add_denied},
	{"options", 'o', ALONE, set_mount},
};

static int set_mount_option(struct options *options, const char *option, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(VALUED); i++) {
		size_t length = strlen(VALUED[i].name);

		if ((VALUED[i].place & IN_MOUNT) != 0 &&
			strncmp(option, VALUED[i].name, length) == 0 && option[length] == '=')
			return VALUED[i].set(options, option + length + 1, error);
	}
	if (strcmp(option, "ro") == 0 || strcmp(option, "rw") == 0) {
		/* The last one counts, as for mount(8). */
		options->read_only = option[1] == 'o';
	} else if (strcmp(option, "dry_run") == 0) {
		options->dry_run = TRUE;
	} else if (strcmp(option, "decode") == 0) {
		options->decode = TRUE;
	} else if (strcmp(option, "rmdir_namespaces") == 0) {
		options->rmdir_namespaces = TRUE;
	} else if (strcmp(option, "etcd_registry_write") == 0) {
		options->etcd_registry_write = TRUE;
	} else if (strcmp(option, "allow_other") == 0) {
		/* Whoever is let in is held to the mode bits. */
		add_mount(options, "allow_other,default_permissions");
	} else if (is_for_libfuse(option)) {
		add_mount(options, option);
	} else if (!is_ignored(option)) {
		return error_set(error, EINVAL, "-o: unknown option \"%s\"", option);
	}
	return 0;
}

static int set_mount(struct options *options, const char *list, GError **error)
{
	g_auto(GStrv) names = g_strsplit(list, ",", -1);

	for (char **name = names; *name != NULL; name++) {
		int r = (*name)[0] != '\0' ? set_mount_option(options, *name, error) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static gboolean set_flag(struct options *options, const char *name, char letter)
{
	if (letter == 'h' || g_strcmp0(name, "help") == 0) {
		options->help = TRUE;
	} else if (letter == 'V' || g_strcmp0(name, "version") == 0) {
		options->version = TRUE;
	} else if (letter == 'f' || g_strcmp0(name, "foreground") == 0) {
		options->foreground = TRUE;
	} else if (letter == 'd' || g_strcmp0(name, "debug") == 0) {
		options->foreground = TRUE;
		options->log_level = LOG_LEVEL_DEBUG;
	} else if (letter == 'r') {
		options->read_only = TRUE;
	} else if (g_strcmp0(name, "syslog") == 0) {
		options->use_syslog = TRUE;
	} else {
		/* mount(8) hands these to its helpers: sloppy, verbose, write. */
		return letter != 0 && strchr("svw", letter) != NULL;
	}
	return TRUE;
}

/* One "--name", "--name=value" or "--name value"; *index is moved over a value. */
static int parse_long(struct options *options, int argc, char **argv, int *index, GError **error)
{
	const char *name = argv[*index] + 2;
	const char *equals = strchrnul(name, '=');

	for (guint i = 0; i < G_N_ELEMENTS(VALUED); i++) {
		size_t length = strlen(VALUED[i].name);

		if ((VALUED[i].place & ALONE) == 0 || length != (size_t)(equals - name) ||
			strncmp(VALUED[i].name, name, length) != 0)
			continue;
		if (*equals == '=')
			return VALUED[i].set(options, equals + 1, error);
		if (*index + 1 >= argc)
			return error_set(error, EINVAL, "--%s: a value is missing", name);
		return VALUED[i].set(options, argv[++*index], error);
	}
	if (*equals == '=' || !set_flag(options, name, 0))
		return error_set(
			error, EINVAL, "unknown option \"%s\"; see kubefs --help", argv[*index]);
	return 0;
}

/* One "-abc", "-ovalue" or "-o value". */
static int parse_short(struct options *options, int argc, char **argv, int *index, GError **error)
{
	for (const char *p = argv[*index] + 1; *p != '\0'; p++) {
		for (guint i = 0; i < G_N_ELEMENTS(VALUED); i++) {
			if (VALUED[i].letter != *p)
				continue;
			if (p[1] != '\0')
				return VALUED[i].set(options, p + 1, error);
			if (*index + 1 >= argc)
				return error_set(error, EINVAL, "-%c: a value is missing", *p);
			return VALUED[i].set(options, argv[++*index], error);
		}
		if (!set_flag(options, NULL, *p))
			return error_set(
				error, EINVAL, "unknown option \"-%c\"; see kubefs --help", *p);
	}
	return 0;
}

static int set_mountpoint(struct options *options, const char *path, GError **error)
{
	g_autofree char *absolute = realpath(path, NULL);
	struct stat stat_buffer;

	if (absolute == NULL || stat(absolute, &stat_buffer) < 0)
		return error_set(error, errno, "%s: %s", path, g_strerror(errno));
	if (!S_ISDIR(stat_buffer.st_mode))
		return error_set(error, ENOTDIR, "%s: %s", path, g_strerror(ENOTDIR));
	set(&options->mountpoint, absolute);
	return 0;
}

static int set_source(struct options *options, GError **error)
{
	gboolean is_etcd = options->source != NULL && etcd_url_is(options->source);

	if (is_etcd)
		options->etcd.url = g_strdup(options->source);
	etcd_options_take_environment(&options->etcd);
	options->ask_password = (is_etcd || options->etcd.endpoints != NULL) &&
				options->etcd.user != NULL && options->etcd.password == NULL;
	options->all = g_strcmp0(options->source, "all") == 0;
	options->contexts = options->source == NULL || options->all || is_etcd
				    ? g_new0(char *, 1)
				    : g_strsplit(options->source, ",", -1);
	for (char **name = options->contexts; *name != NULL; name++) {
		if ((*name)[0] == '\0')
			return error_set(
				error, EINVAL, "\"%s\": a context name is empty", options->source);
		if (g_strv_contains((const char *const *)name + 1, *name))
			return error_set(error, EINVAL, "\"%s\": context \"%s\" is named twice",
				options->source, *name);
	}
	return 0;
}

static int set_positionals(struct options *options, GPtrArray *positionals, GError **error)
{
	int r;

	if (positionals->len == 0)
		return error_set(error, EINVAL, "a mount point is missing; see kubefs --help");
	if (positionals->len > 2)
		return error_set(error, EINVAL, "one argument too many: \"%s\"",
			(char *)g_ptr_array_index(positionals, 2));
	if (positionals->len == 2) {
		const char *source = g_ptr_array_index(positionals, 0);

		/* fstab has to say something there. */
		if (strcmp(source, "none") != 0 && source[0] != '\0')
			set(&options->source, source);
	}
	r = set_source(options, error);
	if (r < 0)
		return r;
	return set_mountpoint(options, g_ptr_array_index(positionals, positionals->len - 1), error);
}

int options_parse(int argc, char **argv, struct options *ret, GError **error)
{
	g_autoptr(GPtrArray) positionals = g_ptr_array_new();
	gboolean only_positionals = FALSE;

	*ret = (struct options){
		.log_level = LOG_LEVEL_WARNING,
		.as_groups = g_ptr_array_new_with_free_func(g_free),
		.servers = g_ptr_array_new_with_free_func(g_free),
		.read_only_contexts = g_ptr_array_new_with_free_func(g_free),
		.dry_run_contexts = g_ptr_array_new_with_free_func(g_free),
		.guard = guard_create(),
		.mount = g_string_new("nosuid,nodev"),
	};
	g_ptr_array_add(ret->as_groups, NULL);
	g_ptr_array_add(ret->servers, NULL);
	for (int i = 1; i < argc; i++) {
		int r = 0;

		if (only_positionals || argv[i][0] != '-' || argv[i][1] == '\0')
			g_ptr_array_add(positionals, argv[i]);
		else if (strcmp(argv[i], "--") == 0)
			only_positionals = TRUE;
		else if (argv[i][1] == '-')
			r = parse_long(ret, argc, argv, &i, error);
		else
			r = parse_short(ret, argc, argv, &i, error);
		if (r < 0)
			return r;
	}
	if (ret->help || ret->version)
		return 0;
	return set_positionals(ret, positionals, error);
}

void options_finish(struct options *options)
{
	g_free(options->mountpoint);
	g_free(options->source);
	g_strfreev(options->contexts);
	g_free(options->kubeconfig);
	g_free(options->namespace);
	g_free(options->as);
	g_free(options->as_uid);
	g_ptr_array_unref(options->as_groups);
	g_ptr_array_unref(options->servers);
	g_ptr_array_unref(options->read_only_contexts);
	g_ptr_array_unref(options->dry_run_contexts);
	etcd_options_clear(&options->etcd);
	guard_destroy(options->guard);
	g_string_free(options->mount, TRUE);
}
