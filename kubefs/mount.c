#include "kubefs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/error.h"
#include "kubefs/background.h"
#include "kubefs/connect.h"
#include "kubefs/filesystem.h"
#include "kubefs/init_reply.h"
#include "kubefs/log.h"
#include "kubefs/operations.h"

/* How long changes that are on their way to a server may take when the mount ends. */
#define DRAIN_MS 30000

/* What a mount consists of, in the order in which it is made. */
struct mount {
	struct loop *loop;
	struct strand_pool *pool;
	struct filesystem *filesystem;
	GPtrArray *connections;
	struct fuse_session *session;
	gboolean mounted;
};

/* A comma would begin another option (libfuse's fuse_opt_parse). */
static void append_escaped(GString *text, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == ',' || *value == '\\')
			g_string_append_c(text, '\\');
		g_string_append_c(text, *value);
	}
}

static char *mount_options(const struct mount *mount, const struct options *options)
{
	GString *text = g_string_new(options->mount->str);

	if (mount->filesystem->read_only)
		g_string_append(text, ",ro");
	if (strstr(text->str, "subtype=") == NULL)
		g_string_append(text, ",subtype=kubefs");
	if (strstr(text->str, "fsname=") == NULL) {
		GPtrArray *contexts = mount->filesystem->contexts;
		const char *source = options->source;

		if (source == NULL && contexts->len > 0)
			source = ((const struct context *)g_ptr_array_index(contexts, 0))->name;
		g_string_append(text, ",fsname=");
		append_escaped(text, source != NULL ? source : "kubefs");
	}
	return g_string_free(text, FALSE);
}

static int create_session(struct mount *mount, const struct options *options, GError **error)
{
	g_autofree char *text = mount_options(mount, options);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

	fuse_opt_add_arg(&args, "kubefs");
	fuse_opt_add_arg(&args, "-o");
	fuse_opt_add_arg(&args, text);
	mount->session =
		fuse_session_new(&args, &OPERATIONS, sizeof(OPERATIONS), mount->filesystem);
	fuse_opt_free_args(&args);
	if (mount->session == NULL)
		return error_set(error, EINVAL, "%s: mount options that libfuse does not take: %s",
			options->mountpoint, text);
	return 0;
}

static int mount_prepare(struct mount *mount, const struct options *options, GError **error)
{
	int r;

	mount->loop = loop_create(error);
	if (mount->loop == NULL)
		return -EIO;
	mount->pool = strand_pool_create(0);
	mount->filesystem = filesystem_create(mount->loop, mount->pool);
	if (mount->filesystem->processes == NULL)
		return error_set(
			error, EMFILE, "processes cannot be watched: %s", g_strerror(errno));
	/* Then there is nothing that could be written, and the kernel need not ask. */
	mount->filesystem->read_only =
		options->read_only || (options->etcd.url != NULL && options->decode);
	mount->filesystem->refused = options->refused;
	mount->filesystem->rmdir_namespaces = options->rmdir_namespaces;
	mount->filesystem->decode = options->decode;
	mount->filesystem->guard = options->guard;
	r = connect_load(mount->filesystem, options, mount->connections, error);
	if (r == 0)
		r = create_session(mount, options, error);
	if (r < 0)
		return r;
	filesystem_attach(mount->filesystem, mount->session);
	return connect_start(mount->filesystem, options, mount->connections, mount->pool, error);
}

/* Beside clusters an etcd that is away costs only itself. */
static int mount_connect_etcd(struct mount *mount, GError **error)
{
	struct filesystem *filesystem = mount->filesystem;
	g_autoptr(GError) reason = NULL;
	int r = filesystem->keyspace != NULL ? connect_wait_etcd(filesystem, &reason) : 0;

	if (r == 0)
		return 0;
	if (filesystem->keys_at_root) {
		g_propagate_error(error, g_steal_pointer(&reason));
		return r;
	}
	g_prefix_error(&reason, "etcd: ");
	journal_add(filesystem->journal, -r, reason->message);
	return 0;
}

/* With several contexts one that is away costs only itself; with one there is nothing to show. */
static int mount_connect(struct mount *mount, GError **error)
{
	int r = 0;

	for (guint i = 0; i < mount->filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(mount->filesystem->contexts, i);
		g_autoptr(GError) reason = NULL;

		r = connect_wait(context, &reason);
		if (r == 0)
			continue;
		if (!mount->filesystem->many) {
			g_propagate_error(error, g_steal_pointer(&reason));
			return r;
		}
		g_prefix_error(&reason, "context \"%s\": ", context->name);
		journal_add(mount->filesystem->journal, -r, reason->message);
	}
	r = mount_connect_etcd(mount, error);
	if (r < 0)
		return r;
	guard_warn(
		mount->filesystem->guard, mount->filesystem->contexts, mount->filesystem->journal);
	return 0;
}

static int mount_attach(struct mount *mount, const struct options *options, GError **error)
{
	int r;

	if (fuse_set_signal_handlers(mount->session) < 0)
		return error_set(error, EINVAL, "signals cannot be handled");
	if (fuse_session_mount(mount->session, options->mountpoint) < 0) {
		fuse_remove_signal_handlers(mount->session);
		return error_set(error, EACCES, "%s: cannot be mounted%s", options->mountpoint,
			access("/dev/fuse", R_OK | W_OK) < 0
				? ": /dev/fuse is missing or not accessible"
				: "");
	}
	mount->mounted = TRUE;
	/* Without that, the number of an inode alone tells whether a descriptor is of ours. */
	r = processes_attach(mount->filesystem->processes, options->mountpoint);
	if (r < 0)
		log_info("%s: not found among the mounts: %s", options->mountpoint, g_strerror(-r));
	r = init_reply_attach(mount->session);
	if (r < 0)
		return error_set(error, -r, "libfuse cannot be used: %s", g_strerror(-r));
	return 0;
}

/* Goes on answering while the notifier's threads may wait for a request in the kernel's queue. */
struct drain {
	struct fuse_session *session;
	int stop; /* eventfd */
};

static void *run_drain(void *data)
{
	struct drain *drain = data;
	struct fuse_buf buffer = {0};
	struct pollfd fds[2] = {
		{.fd = fuse_session_fd(drain->session), .events = POLLIN},
		{.fd = drain->stop, .events = POLLIN},
	};

	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[1].revents != 0 || (fds[0].revents & (POLLERR | POLLHUP)) != 0)
			break;
		if (fds[0].revents == 0)
			continue;
		if (fuse_session_receive_buf(drain->session, &buffer) <= 0)
			break;
		fuse_session_process_buf(drain->session, &buffer);
	}
	free(buffer.mem);
	return NULL;
}

static void stop_caches(struct mount *mount)
{
	if (mount->filesystem == NULL)
		return;
	for (guint i = 0; i < mount->filesystem->contexts->len; i++) {
		struct context *context = g_ptr_array_index(mount->filesystem->contexts, i);

		if (context->cache != NULL)
			cache_stop(context->cache);
	}
	if (mount->filesystem->keyspace != NULL)
		keyspace_stop(mount->filesystem->keyspace);
	etcd_client_destroy(g_steal_pointer(&mount->filesystem->etcd));
}

static void mount_detach(struct mount *mount)
{
	struct drain drain = {mount->session, eventfd(0, EFD_CLOEXEC)};
	GThread *thread;

	mount->filesystem->closing = TRUE;
	thread = g_thread_new("drain", run_drain, &drain);
	filesystem_drain(mount->filesystem, DRAIN_MS);
	stop_caches(mount);
	filesystem_quiesce(mount->filesystem);
	(void)eventfd_write(drain.stop, 1);
	g_thread_join(thread);
	close(drain.stop);
	fuse_session_unmount(mount->session);
	fuse_remove_signal_handlers(mount->session);
}

static void mount_finish(struct mount *mount)
{
	/* The jobs that are still queued when its thread ends may cancel timers. */
	struct loop *loop = mount->loop != NULL ? loop_ref(mount->loop) : NULL;

	if (mount->mounted)
		mount_detach(mount);
	else
		stop_caches(mount);
	loop_destroy(mount->loop);
	if (mount->pool != NULL)
		strand_pool_destroy(mount->pool);
	filesystem_destroy(mount->filesystem);
	loop_unref(loop);
	if (mount->session != NULL)
		fuse_session_destroy(mount->session);
	g_ptr_array_unref(mount->connections);
}

static void unref_connection(void *connection)
{
	connection_unref(connection);
}

int mount_run(const struct options *options, int ready, GError **error)
{
	struct mount mount = {
		.connections = g_ptr_array_new_with_free_func(unref_connection),
	};
	int r = mount_prepare(&mount, options, error);

	if (r == 0)
		r = mount_connect(&mount, error);
	if (r == 0)
		r = mount_attach(&mount, options, error);
	if (r == 0) {
		if (ready >= 0)
			background_ready(ready);
		r = fuse_session_loop(mount.session);
		/* A signal ends the loop with its number, an unmount with 0. */
		if (r > 0)
			r = 0;
		else if (r < 0)
			error_set(error, -r, "%s: the connection to the kernel failed: %s",
				options->mountpoint, g_strerror(-r));
	}
	mount_finish(&mount);
	return r;
}
