#include "kubefs/operations.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/statvfs.h>

#include "kubefs/attributes.h"
#include "kubefs/filesystem.h"
#include "kubefs/listing.h"
#include "kubefs/log.h"
#include "kubefs/lookup.h"

static struct filesystem *filesystem_of(fuse_req_t fuse)
{
	return fuse_req_userdata(fuse);
}

/* Attributes of a directory of namespaces or resources change when it is first looked into. */
static double attributes_timeout(const struct node *node, const struct stat *stat)
{
	if (node->key.kind == NODE_STATEMENT)
		return 0;
	return node_is_directory(node) && stat->st_nlink == 1 ? LAYOUT_SOON : LAYOUT_LONG;
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
	if (request->node->key.kind != NODE_ALIAS)
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
	if (filesystem_of(fuse)->zero_message_open) {
		/* The kernel asks no more, for any file, and keeps what it cached (fuse.md 1). */
		fuse_reply_err(fuse, ENOSYS);
		return;
	}
	if ((info->flags & O_ACCMODE) != O_RDONLY || (info->flags & O_TRUNC) != 0) {
		fuse_reply_err(fuse, EROFS);
		return;
	}
	info->keep_cache = 1;
	info->noflush = 1;
	fuse_reply_open(fuse, info);
}

static void reply_slice(struct request *request, const char *text, size_t length)
{
	size_t offset = MIN((size_t)request->offset, length);

	fuse_reply_buf(request->fuse, text + offset, MIN(request->size, length - offset));
}

static int read_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct node *node = request->node;
	GBytes *text = node->key.kind == NODE_STATEMENT ? node->key.text : node->text;

	if (node_is_directory(node))
		return -EISDIR;
	if (text != NULL)
		reply_slice(request, g_bytes_get_data(text, NULL), g_bytes_get_size(text));
	else if (node->key.kind == NODE_OBJECT)
		reply_slice(request, node->key.snapshot->yaml, node->key.snapshot->yaml_length);
	else
		return -EINVAL;
	return 0;
}

static void op_read(
	fuse_req_t fuse, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *info)
{
	request_begin(filesystem_of(fuse), fuse, id, NULL, size, offset, read_run);
}

static void op_release(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	fuse_reply_err(fuse, 0);
}

static void op_fsync(fuse_req_t fuse, fuse_ino_t id, int datasync, struct fuse_file_info *info)
{
	fuse_reply_err(fuse, 0);
}

/* A collection that nobody tells changes of is not cached as a listing. */
static int opendir_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct node_key *key = &request->node->key;
	struct fuse_file_info info = {.cache_readdir = 1, .keep_cache = 1};
	struct collection *collection;

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
	fuse_reply_open(request->fuse, &info);
	return 0;
}

static void op_opendir(fuse_req_t fuse, fuse_ino_t id, struct fuse_file_info *info)
{
	if (filesystem_of(fuse)->zero_message_opendir)
		fuse_reply_err(fuse, ENOSYS);
	else
		request_begin(filesystem_of(fuse), fuse, id, NULL, 0, 0, opendir_run);
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
	fuse_reply_statfs(fuse, &statvfs);
}

/*
 * Attributes of other programs are refused as not supported: ENODATA would make ls -l ask three
 * times for each file (writes.md 7).
 */
static int getxattr_run(struct request *request, collection_wait wait, void *data, GError **error)
{
	const struct snapshot *snapshot = request->node->key.snapshot;
	const char *value = NULL;
	size_t length;

	if (!g_str_has_prefix(request->name, "user."))
		return -EOPNOTSUPP;
	if (snapshot != NULL && strcmp(request->name, "user.kubefs.resource_version") == 0)
		value = snapshot->version;
	else if (snapshot != NULL && strcmp(request->name, "user.kubefs.uid") == 0)
		value = snapshot->uid;
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

/* Nothing can be changed through the mount yet. */
static void op_setattr(
	fuse_req_t fuse, fuse_ino_t id, struct stat *stat, int which, struct fuse_file_info *info)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_mknod(
	fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_mkdir(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_remove(fuse_req_t fuse, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_symlink(fuse_req_t fuse, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_rename(fuse_req_t fuse, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	const char *new_name, unsigned int flags)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_link(fuse_req_t fuse, fuse_ino_t id, fuse_ino_t new_parent, const char *new_name)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_create(fuse_req_t fuse, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *info)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_write(fuse_req_t fuse, fuse_ino_t id, const char *bytes, size_t size, off_t offset,
	struct fuse_file_info *info)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_setxattr(
	fuse_req_t fuse, fuse_ino_t id, const char *name, const char *value, size_t size, int flags)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_removexattr(fuse_req_t fuse, fuse_ino_t id, const char *name)
{
	fuse_reply_err(fuse, EROFS);
}

static void op_fallocate(fuse_req_t fuse, fuse_ino_t id, int mode, off_t offset, off_t length,
	struct fuse_file_info *info)
{
	fuse_reply_err(fuse, EROFS);
}

const struct fuse_lowlevel_ops OPERATIONS = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_remove,
	.rmdir = op_remove,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.release = op_release,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.releasedir = op_release,
	.fsyncdir = op_fsync,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.access = op_access,
	.create = op_create,
	.fallocate = op_fallocate,
};
