#include "kubefs/operations.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/statvfs.h>

#include "client/lock.h"
#include "kubefs/attributes.h"
#include "kubefs/directories.h"
#include "kubefs/draft.h"
#include "kubefs/filesystem.h"
#include "kubefs/key_directories.h"
#include "kubefs/key_guard.h"
#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/link.h"
#include "kubefs/listing.h"
#include "kubefs/log.h"
#include "kubefs/lookup.h"
#include "kubefs/rejection.h"
#include "kubefs/rename.h"
#include "kubefs/saving.h"
#include "kubefs/unlink.h"

static struct filesystem *filesystem_of(fuse_req_t fuse)
{
	return fuse_req_userdata(fuse);
}

/* Attributes of a directory of namespaces or resources change when it is first looked into. */
static double attributes_timeout(const struct node *node, const struct stat *stat)
{
	if (node->key.kind == NODE_STATEMENT || node->key.kind == NODE_LOCAL)
		return 0;
	if (node->key.kind == NODE_KEYS)
		return LAYOUT_LONG;
	if (node->key.kind == NODE_V2_DIRECTORY)
		return LAYOUT_POLLED;
	return node_is_directory(node) && stat->st_nlink == 1 ? LAYOUT_SOON : LAYOUT_LONG;
}

static void tell_fixed(
	struct filesystem *filesystem, const struct node *node, const char *name, const char *why)
{
	g_autoptr(GBytes) key = NULL;
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;

	if (name == NULL && node->key.value != NULL && node->key.kind != NODE_V2_KEY) {
		key = g_bytes_new_static(node->key.value->key, node->key.value->key_length);
		path = key_path_of_key(filesystem->keys, key, KEY_PLAIN);
		name = path;
	}
	text = name != NULL ? g_strdup_printf("%s: %s", name, why) : g_strdup(why);
	journal_add(filesystem->journal, EROFS, text);
}

/* name: of what would be changed in it, or NULL for itself. */
static gboolean is_fixed(struct filesystem *filesystem, const struct node *node, const char *name)
{
	const char *why = NULL;

	if (node_is_of_etcd(node))
		why = key_guard_why_fixed(filesystem, &node->key);
	if (why != NULL)
		tell_fixed(filesystem, node, name, why);
	return why != NULL;
}

/* Where nothing can be changed, whatever it is. */
static gboolean is_read_only(struct filesystem *filesystem, fuse_ino_t id, const char *name)
{
	struct node *node NODE_CLEANUP = NULL;

	if (filesystem->read_only)
		return TRUE;
	if (filesystem->keyspace == NULL)
		return FALSE;
	node = node_table_get(filesystem->nodes, id);
	return node != NULL && is_fixed(filesystem, node, name);
}

static void op_init(void *userdata, struct fuse_conn_info *connection)
{
	struct filesystem *filesystem = userdata;
	const unsigned int wanted = FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_READDIRPLUS |
				    FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ |
				    FUSE_CAP_SPLICE_WRITE | FUSE_CAP_CACHE_SYMLINKS;
	const unsigned int unwanted =
		FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_WRITEBACK_CACHE;

	connection->capable &= ~filesystem->refused;
	connection->want |= wanted & connection->capable;
	connection->want &= ~(unwanted | filesystem->refused);
	if ((connection->want & FUSE_CAP_PARALLEL_DIROPS) != 0)
		filesystem->init_flags = FUSE_PARALLEL_DIROPS;
	log_debug("kernel %u.%u offers capabilities %#x, uses %#x", connection->proto_major,
		connection->proto_minor, connection->capable, connection->want);
	filesystem->zero_message_open =
		filesystem->read_only && (connection->capable & FUSE_CAP_NO_OPEN_SUPPORT);
	filesystem->zero_message_opendir =
		filesystem->read_only && (connection->capable & FUSE_CAP_NO_OPENDIR_SUPPORT);
}

static void op_lookup(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	request_begin(filesystem_of(fuse), fuse, parent, name, 0, 0, lookup_run);
}

static void op_forget(fuse_req_t fuse, fuse_ino_t id, uint64_t lookups)
{
	node_table_forget(filesystem_of(fuse)->nodes, id, lookups);
	fuse_reply_none(fuse);
}

static void op_forget_multi(fuse_req_t fuse, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		node_table_forget(filesystem_of(fuse)->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(fuse);
}

static int getattr_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct stat stat;

	attributes_fill(request->filesystem, request->node, &stat);
	fuse_reply_attr(request->fuse, &stat, attributes_timeout(request->node, &stat));
	return 0;
}

static void op_getattr(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	request_begin(filesystem_of(fuse), fuse, id, NULL, 0, 0, getattr_run);
}

static int readlink_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct node_key *key = &request->node->key;

	if (key->kind == NODE_LOCAL && key->local->target != NULL) {
		fuse_reply_readlink(request->fuse, key->local->target);
		return 0;
	}
	if (key->kind != NODE_ALIAS)
		return -EINVAL;
	fuse_reply_readlink(request->fuse, request->node->key.resource->name);
	return 0;
}

static void op_readlink(fuse_req_t fuse, fuse_ino_t id)
{
	request_begin(filesystem_of(fuse), fuse, id, NULL, 0, 0, readlink_run);
}

static void op_open(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	const struct request open = {
		.flags = (unsigned int)info->flags,
		.run = saving_open_run,
	};

	/* The kernel asks no more, for any file, and keeps what it cached (fuse.md 1). */
	if (filesystem_of(fuse)->zero_message_open)
		fuse_reply_err(fuse, ENOSYS);
	else if (((info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0) &&
		 is_read_only(filesystem_of(fuse), id, NULL))
		fuse_reply_err(fuse, EROFS);
	else
		request_begin_full(filesystem_of(fuse), fuse, id, &open);
}

static void reply_slice(struct request *request, const char *text, size_t length)
{
	size_t offset = MIN((size_t)request->offset, length);

	fuse_reply_buf(request->fuse, text + offset, MIN(request->size, length - offset));
}

static void reply_local(struct request *request, struct local *local)
{
	LOCK_GUARD(&local->lock);

	reply_slice(request, local->content.data, local->content.length);
}

/* The decoded text of a key, which may have to be made again. */
static int read_text(struct request *request, GError **error)
{
	const struct node_key *key = &request->node->key;
	struct stored_object object STORED_OBJECT_CLEANUP = {0};
	int r = key_texts_get(
		request->filesystem->key_texts, key->value, key->format, &object, error);

	if (r == 0)
		reply_slice(request, g_bytes_get_data(object.text, NULL),
			g_bytes_get_size(object.text));
	return r;
}

static int read_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct node *node = request->node;
	const char *text;
	size_t length;

	if (node_is_directory(node))
		return -EISDIR;
	if (node->key.kind == NODE_LOCAL) {
		if (node->key.local->draft != NULL)
			draft_read(node->key.local->draft);
		reply_local(request, node->key.local);
		return 0;
	}
	if (node->key.kind == NODE_KEY_VIEW && node->key.format != NODE_RAW)
		return read_text(request, error);
	text = node_text(node, &length);
	if (text == NULL)
		return -EINVAL;
	reply_slice(request, text, length);
	readahead_note_read(request->filesystem->readahead, node);
	return 0;
}

static void op_read(
	fuse_req_t fuse, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *info)
{
	request_begin(filesystem_of(fuse), fuse, id, NULL, size, offset, read_run);
}

static void op_release(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	if (info->fh != 0)
		saving_release(filesystem_of(fuse), info->fh);
	fuse_reply_err(fuse, 0);
}

static void op_releasedir(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	fuse_reply_err(fuse, 0);
}

static void op_flush(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	const struct request flush = {
		.handle = info->fh,
		.run = saving_flush_run,
		.interrupt = saving_interrupt,
	};

	/* The kernel asks no more, for any file: nothing is open for writing. */
	if (filesystem_of(fuse)->zero_message_open)
		fuse_reply_err(fuse, ENOSYS);
	else if (info->fh == 0)
		fuse_reply_err(fuse, 0);
	else
		request_begin_full(filesystem_of(fuse), fuse, id, &flush);
}

static void op_fsync(fuse_req_t fuse, fuse_ino_t id, int datasync, struct fuse_file_info *info)
{
	const struct request fsync = {
		.handle = info->fh,
		.run = saving_fsync_run,
		.interrupt = saving_interrupt,
	};

	request_begin_full(filesystem_of(fuse), fuse, id, &fsync);
}

static void op_fsyncdir(fuse_req_t fuse, fuse_ino_t id, int datasync, struct fuse_file_info *info)
{
	fuse_reply_err(fuse, 0);
}

/*
 * For rm -r and the like (kubefs/walks.h). They open what they are about to empty with O_NOFOLLOW
 * (fts(3)), while tar, file managers and rsync, which are at home in a resource's directory, do
 * not.
 */
static void note_walk(struct request *request)
{
	struct process *process;

	if (request->node->key.kind > NODE_CHUNK ||
		(request->node->key.kind > NODE_NAMESPACE && (request->flags & O_NOFOLLOW) == 0))
		return;
	process = request_process(request);
	walks_note(request->filesystem->walks, process, request->node);
	process_unref(process);
}

/* Whether nobody tells of changes in the directory of keys. */
static int is_polled(
	struct request *request, collection_wait wait, void *data, gboolean *ret, GError **error)
{
	const struct key_scope scope = key_layout_scope(&request->node->key);
	struct key_directory *directory;
	int r = keyspace_look(request->filesystem->keyspace, &scope, wait, data, &directory, error);

	if (r < 0)
		return r;
	*ret = key_directory_must_poll(directory);
	key_directory_unref(directory);
	return 0;
}

/* A collection that nobody tells changes of is not cached as a listing. */
static int opendir_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct node_key *key = &request->node->key;
	struct fuse_file_info info = {.cache_readdir = 1, .keep_cache = 1};
	struct collection *collection;
	gboolean polled;

	if (!node_is_directory(request->node))
		return -ENOTDIR;
	if (key->kind == NODE_RESOURCE || key->kind == NODE_CHUNK) {
		int r = cache_look(key->context->cache, key->resource, key->namespace, NULL, wait,
			data, &collection, error);

		if (r < 0)
			return r;
		if (collection_must_poll(collection))
			info.cache_readdir = info.keep_cache = 0;
		collection_unref(collection);
	}
	if (key->kind == NODE_KEYS) {
		int r = is_polled(request, wait, data, &polled, error);

		if (r < 0)
			return r;
		if (polled)
			info.cache_readdir = info.keep_cache = 0;
	}
	if (key->kind == NODE_KEY_VIEWS || key->kind == NODE_KEY_VERSIONS ||
		key->kind == NODE_V2_DIRECTORY)
		info.cache_readdir = info.keep_cache = 0;
	if (layout_holds_files(request->node) &&
		(key->kind == NODE_VIEWS || !overlay_is_unused(request->filesystem->overlay)))
		info.cache_readdir = info.keep_cache = 0;
	note_walk(request);
	fuse_reply_open(request->fuse, &info);
	return 0;
}

static void op_opendir(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	const struct request opendir = {
		.flags = (unsigned int)info->flags,
		.run = opendir_run,
	};

	if (filesystem_of(fuse)->zero_message_opendir)
		fuse_reply_err(fuse, ENOSYS);
	else
		request_begin_full(filesystem_of(fuse), fuse, id, &opendir);
}

static void op_readdir(
	fuse_req_t fuse, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *info)
{
	request_begin(filesystem_of(fuse), fuse, id, NULL, size, offset, listing_run);
}

static void op_readdirplus(
	fuse_req_t fuse, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *info)
{
	request_begin(filesystem_of(fuse), fuse, id, NULL, size, offset, listing_run_plus);
}

static void add_keys(struct filesystem *filesystem, struct statvfs *statvfs)
{
	struct keyspace_status status;

	if (filesystem->keyspace == NULL)
		return;
	keyspace_describe(filesystem->keyspace, &status);
	statvfs->f_files += status.keys;
	statvfs->f_blocks += (status.bytes + 4095) / 4096;
}

static void op_statfs(fuse_req_t fuse, fuse_ino_t id)
{
	struct statvfs statvfs = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_namemax = 255,
		.f_flag = ST_NOSUID | ST_NODEV,
	};
	GPtrArray *contexts = filesystem_of(fuse)->contexts;

	for (guint i = 0; i < contexts->len; i++) {
		struct context *context = g_ptr_array_index(contexts, i);
		g_autoptr(GPtrArray) collections = cache_collections(context->cache);

		for (guint j = 0; j < collections->len; j++) {
			struct collection_status status;

			collection_describe(g_ptr_array_index(collections, j), &status);
			statvfs.f_files += status.objects;
			statvfs.f_blocks += (status.bytes + 4095) / 4096;
		}
	}
	add_keys(filesystem_of(fuse), &statvfs);
	fuse_reply_statfs(fuse, &statvfs);
}

/* Why the file could not be saved last time, or NULL; g_free. */
static char *find_reason(struct request *request)
{
	struct rejected *rejected = NULL;
	struct place place PLACE_CLEANUP = {0};
	char *reason;

	if (!saving_place(request->filesystem, request->node, &place))
		return NULL;
	rejected = rejection_find(request->filesystem, &place);
	reason = rejected != NULL ? g_strdup(rejected->reason) : NULL;
	rejected_unref(rejected);
	return reason;
}

/* Of a key; NULL: there is no such attribute. g_free. */
static char *key_attribute(const struct key_snapshot *snapshot, const char *name)
{
	const struct {
		const char *name;
		int64_t value;
	} attributes[] = {
		{"user.kubefs.create_revision", snapshot->create_revision},
		{"user.kubefs.mod_revision", snapshot->mod_revision},
		{"user.kubefs.version", snapshot->version},
		{"user.kubefs.lease", snapshot->lease},
	};

	for (guint i = 0; i < G_N_ELEMENTS(attributes); i++)
		if (strcmp(attributes[i].name, name) == 0)
			return g_strdup_printf("%" G_GINT64_FORMAT, (gint64)attributes[i].value);
	return NULL;
}

/*
 * Attributes of other programs are refused as not supported: ENODATA would make ls -l ask three
 * times for each file (writes.md 7).
 */
static int getxattr_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct snapshot *snapshot = request->node->key.snapshot;
	g_autofree char *text = NULL;
	const char *value = NULL;
	size_t length;

	if (!g_str_has_prefix(request->name, "user."))
		return -EOPNOTSUPP;
	if (snapshot != NULL && strcmp(request->name, "user.kubefs.resource_version") == 0)
		value = snapshot->version;
	else if (snapshot != NULL && strcmp(request->name, "user.kubefs.uid") == 0)
		value = snapshot->uid;
	else if (strcmp(request->name, "user.kubefs.error") == 0)
		value = text = find_reason(request);
	else if (request->node->key.value != NULL)
		value = text = key_attribute(request->node->key.value, request->name);
	if (value == NULL || value[0] == '\0')
		return -ENODATA;
	length = strlen(value);
	if (request->size == 0)
		fuse_reply_xattr(request->fuse, length);
	else if (request->size < length)
		return -ERANGE;
	else
		fuse_reply_buf(request->fuse, value, length);
	return 0;
}

static void op_getxattr(fuse_req_t fuse, fuse_ino_t id, const char *name, size_t size)
{
	request_begin(filesystem_of(fuse), fuse, id, name, size, 0, getxattr_run);
}

/* None are listed, or mv and cp -a would try to carry them along. */
static void op_listxattr(fuse_req_t fuse, fuse_ino_t id, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(fuse, 0);
	else
		fuse_reply_buf(fuse, NULL, 0);
}

/* offset carries the mask. */
static int access_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct stat stat;

	attributes_fill(request->filesystem, request->node, &stat);
	if ((request->offset & W_OK) != 0 && node_is_of_etcd(request->node) &&
		!attributes_key_may(request->filesystem, &request->node->key))
		return -EROFS;
	if ((request->offset & W_OK) != 0 && (stat.st_mode & 0200) == 0)
		return -EACCES;
	if ((request->offset & X_OK) != 0 && (stat.st_mode & 0100) == 0)
		return -EACCES;
	fuse_reply_err(request->fuse, 0);
	return 0;
}

static void op_access(fuse_req_t fuse, fuse_ino_t id, int mask)
{
	request_begin(filesystem_of(fuse), fuse, id, NULL, 0, mask, access_run);
}

/* Of objects, modes, owners and times are what the server's state makes them: ignored. */
static int setattr_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	struct local *local =
		request->node->key.kind == NODE_LOCAL ? request->node->key.local : NULL;

	if (request->node->key.context != NULL && request->node->key.context->read_only)
		return -EROFS;
	if (local != NULL && local->draft == NULL)
		local_set_attributes(local, (int)request->flags, request->mode, &request->modified);
	return getattr_run(request, wait, data, error);
}

static void op_setattr(
	fuse_req_t fuse, fuse_ino_t id, struct stat *stat, int which, struct fuse_file_info *info)
{
	struct filesystem *filesystem = filesystem_of(fuse);
	const struct request setattr = {
		.flags = (unsigned int)which,
		.mode = stat->st_mode,
		.modified = stat->st_mtim,
		.run = setattr_run,
	};
	const struct request truncate = {
		.size = (size_t)stat->st_size,
		.run = saving_truncate_run,
		.interrupt = saving_interrupt,
	};

	if (is_read_only(filesystem, id, NULL))
		fuse_reply_err(fuse, EROFS);
	else if ((which & FUSE_SET_ATTR_SIZE) != 0)
		request_begin_full(filesystem, fuse, id, &truncate);
	else
		request_begin_full(filesystem, fuse, id, &setattr);
}

/* What changes a name, unless nothing may change. */
static void begin_change(fuse_req_t fuse, fuse_ino_t id, const struct request *description)
{
	struct request change = *description;

	change.timeout = SAVING_DIRECTORY_MS;
	if (is_read_only(filesystem_of(fuse), id, change.name) ||
		(change.target != NULL &&
			is_fixed(filesystem_of(fuse), change.target, change.target_name)))
		fuse_reply_err(fuse, EROFS);
	else
		request_begin_full(filesystem_of(fuse), fuse, id, &change);
}

static void op_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct request mkdir = {
		.name = (char *)name,
		.run = directories_make_run,
		.interrupt = directories_interrupt,
	};

	begin_change(fuse, parent, &mkdir);
}

static void op_rmdir(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	const struct request rmdir = {
		.name = (char *)name,
		.run = directories_remove_run,
		.interrupt = directories_interrupt,
	};

	begin_change(fuse, parent, &rmdir);
}

static void op_unlink(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	const struct request unlink = {
		.name = (char *)name,
		.run = unlink_run,
		.interrupt = unlink_interrupt,
	};

	begin_change(fuse, parent, &unlink);
}

static void op_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
	const struct request symlink = {
		.name = (char *)name,
		.target_name = (char *)target,
		.run = link_symbolic_run,
	};

	begin_change(fuse, parent, &symlink);
}

static void op_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags)
{
	struct node *target NODE_CLEANUP = node_table_get(filesystem_of(fuse)->nodes, new_parent);
	const struct request rename = {
		.name = (char *)name,
		.target = target,
		.target_name = (char *)new_name,
		.flags = flags,
		.run = rename_run,
		.interrupt = rename_interrupt,
	};

	if (target == NULL)
		fuse_reply_err(fuse, ESTALE);
	else
		begin_change(fuse, parent, &rename);
}

static void op_link(fuse_req_t fuse, fuse_ino_t id, fuse_ino_t new_parent, const char *new_name)
{
	struct node *target NODE_CLEANUP = node_table_get(filesystem_of(fuse)->nodes, new_parent);
	const struct request link = {
		.target = target,
		.target_name = (char *)new_name,
		.run = link_hard_run,
	};

	if (target == NULL)
		fuse_reply_err(fuse, ESTALE);
	else
		begin_change(fuse, id, &link);
}

static void op_create(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *info)
{
	const struct request create = {
		.name = (char *)name,
		.mode = mode,
		.flags = (unsigned int)info->flags,
		.run = saving_create_run,
	};

	begin_change(fuse, parent, &create);
}

static void op_write(fuse_req_t fuse, fuse_ino_t id, const char *bytes, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	struct node *node NODE_CLEANUP = node_table_get(filesystem_of(fuse)->nodes, id);
	struct local *local = node != NULL && node->key.kind == NODE_LOCAL ? node->key.local : NULL;
	int r = -EBADF;

	if (local != NULL && local->draft != NULL)
		draft_written_by(local->draft, fuse_req_ctx(fuse)->pid);
	if (local != NULL)
		r = local_write(local, bytes, size, (uint64_t)offset);
	if (r < 0)
		fuse_reply_err(fuse, -r);
	else
		fuse_reply_write(fuse, size);
}

/* There is nothing to attach one to that would keep it. */
static void op_setxattr(
	fuse_req_t fuse, fuse_ino_t id, const char *name, const char *value, size_t size, int flags)
{
	fuse_reply_err(fuse, is_read_only(filesystem_of(fuse), id, NULL) ? EROFS : EOPNOTSUPP);
}

static void op_removexattr(fuse_req_t fuse, fuse_ino_t id, const char *name)
{
	fuse_reply_err(fuse, is_read_only(filesystem_of(fuse), id, NULL) ? EROFS : EOPNOTSUPP);
}

static void op_fallocate(fuse_req_t fuse, fuse_ino_t id, int mode, off_t offset, off_t length,
	struct fuse_file_info *info)
{
	struct node *node NODE_CLEANUP = node_table_get(filesystem_of(fuse)->nodes, id);
	int r = 0;

	if (node == NULL || node->key.kind != NODE_LOCAL)
		r = -EBADF;
	else if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0)
		r = -EOPNOTSUPP;
	else if (mode == 0)
		r = local_extend(node->key.local, (uint64_t)offset + (uint64_t)length);
	fuse_reply_err(fuse, -r);
}

const struct fuse_lowlevel_ops OPERATIONS = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_releasedir,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.access = op_access,
	.create = op_create,
	.fallocate = op_fallocate,
};
