#include "kubefs/local.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <string.h>

#include "client/lock.h"
#include "kubefs/draft.h"

/* Above what hashes of objects are likely to be, and distinct. */
static ino_t next_inode(void)
{
	static gint64 last = 1;

	return (ino_t)__atomic_add_fetch(&last, 1, __ATOMIC_RELAXED) | (1ULL << 62);
}

static struct local *create(struct local_usage *usage, mode_t type, gboolean reserved)
{
	int limit = LOCAL_FILES_MAX + (reserved ? LOCAL_FILES_RESERVE : 0);
	struct local *local;

	if (g_atomic_int_add(&usage->files, 1) >= limit) {
		g_atomic_int_add(&usage->files, -1);
		return NULL;
	}
	local = g_new0(struct local, 1);
	local->references = 1;
	local->usage = usage;
	local->type = type;
	local->reserved = reserved;
	pthread_mutex_init(&local->lock, NULL);
	clock_gettime(CLOCK_REALTIME, &local->modified);
	local->changed = local->modified;
	return local;
}

static struct local *create_file(
	struct local_usage *usage, mode_t mode, size_t limit, ino_t inode, gboolean reserved)
{
	struct local *local = create(usage, S_IFREG, reserved);

	if (local == NULL)
		return NULL;
	buffer_init(&local->content, limit);
	local->mode = mode & 07777;
	local->inode = inode;
	return local;
}

struct local *local_create(struct local_usage *usage, mode_t mode, mode_t mask)
{
	struct local *local = create_file(usage, mode & mask, LOCAL_FILE_MAX, next_inode(), FALSE);

	if (local != NULL)
		local->mask = mask;
	return local;
}

struct local *local_create_reserved(
	struct local_usage *usage, mode_t mode, size_t limit, ino_t inode)
{
	return create_file(usage, mode, limit, inode, TRUE);
}

struct local *local_create_link(struct local_usage *usage, const char *target)
{
	struct local *local = create(usage, S_IFLNK, FALSE);

	if (local == NULL)
		return NULL;
	local->target = g_strdup(target);
	local->mode = 0777;
	local->inode = next_inode();
	return local;
}

struct local *local_create_directory(struct local_usage *usage)
{
	struct local *local = create(usage, S_IFDIR, FALSE);

	if (local != NULL)
		local->inode = next_inode();
	return local;
}

struct local *local_ref(struct local *local)
{
	g_atomic_int_inc(&local->references);
	return local;
}

struct local *local_unref(struct local *local)
{
	if (local == NULL || !g_atomic_int_dec_and_test(&local->references))
		return NULL;
	draft_free(local->draft);
	__atomic_sub_fetch(&local->usage->bytes, (gint64)local->content.size, __ATOMIC_RELAXED);
	g_atomic_int_add(&local->usage->files, -1);
	/* Drafts of Secrets pass through here. */
	if (local->content.data != NULL)
		explicit_bzero(local->content.data, local->content.size);
	buffer_finish(&local->content);
	pthread_mutex_destroy(&local->lock);
	g_free(local->target);
	g_free(local);
	return NULL;
}

/* Room for length bytes in all, charged to the mount. Under the lock. */
static int reserve(struct local *local, size_t length)
{
	size_t before = local->content.size;
	size_t limit = LOCAL_BYTES_MAX + (local->reserved ? LOCAL_BYTES_RESERVE : 0);
	gint64 more;

	if (length > local->content.limit)
		return -EFBIG;
	if (length <= local->content.length)
		return 0;
	if (__atomic_load_n(&local->usage->bytes, __ATOMIC_RELAXED) + (gint64)length >
		(gint64)(limit + local->content.length))
		return -ENOSPC;
	if (!buffer_reserve(&local->content, length - local->content.length))
		return -EFBIG;
	more = (gint64)(local->content.size - before);
	__atomic_add_fetch(&local->usage->bytes, more, __ATOMIC_RELAXED);
	return 0;
}

/* Under the lock; zeros fill what lies between. */
static int set_length(struct local *local, uint64_t length)
{
	int r = length > local->content.limit ? -EFBIG : reserve(local, (size_t)length);

	if (r < 0)
		return r;
	if (length > local->content.length)
		memset(local->content.data + local->content.length, 0,
			(size_t)length - local->content.length);
	local->content.length = (size_t)length;
	return 0;
}

static void touch(struct local *local)
{
	local->generation++;
	clock_gettime(CLOCK_REALTIME, &local->modified);
	local->changed = local->modified;
}

/* A change that had no room. Under the lock. */
static int spoil(struct local *local, int r)
{
	local->spoiled = -r;
	local->generation++;
	return r;
}

int local_write(struct local *local, const char *bytes, size_t length, uint64_t offset)
{
	LOCK_GUARD(&local->lock);
	int r = 0;

	if (length == 0)
		return 0;
	if (offset > local->content.limit || length > local->content.limit - offset)
		r = -EFBIG;
	else if (offset + length > local->content.length)
		r = set_length(local, offset + length);
	if (r < 0)
		return spoil(local, r);
	memcpy(local->content.data + offset, bytes, length);
	touch(local);
	return 0;
}

int local_truncate(struct local *local, uint64_t length)
{
	LOCK_GUARD(&local->lock);
	int r = set_length(local, length);

	if (r < 0)
		return spoil(local, r);
	if (length == 0)
		local->spoiled = 0;
	touch(local);
	return 0;
}

int local_extend(struct local *local, uint64_t length)
{
	LOCK_GUARD(&local->lock);
	int r;

	if (length <= local->content.length)
		return 0;
	r = set_length(local, length);
	if (r < 0)
		return spoil(local, r);
	touch(local);
	return 0;
}

int local_fill(struct local *local, const char *bytes, size_t length)
{
	LOCK_GUARD(&local->lock);
	int r = set_length(local, length);

	if (r == 0 && length > 0)
		memcpy(local->content.data, bytes, length);
	return r;
}

gboolean local_is_spoiled(struct local *local)
{
	LOCK_GUARD(&local->lock);

	return local->spoiled != 0;
}

GBytes *local_bytes(struct local *local)
{
	LOCK_GUARD(&local->lock);

	return g_bytes_new(local->content.data, local->content.length);
}

size_t local_length(struct local *local)
{
	LOCK_GUARD(&local->lock);

	return local->content.length;
}

void local_set_attributes(
	struct local *local, int which, mode_t mode, const struct timespec *modified)
{
	LOCK_GUARD(&local->lock);

	if ((which & FUSE_SET_ATTR_MODE) != 0)
		local->mode = mode & local->mask;
	if ((which & FUSE_SET_ATTR_MTIME_NOW) != 0)
		clock_gettime(CLOCK_REALTIME, &local->modified);
	else if ((which & FUSE_SET_ATTR_MTIME) != 0)
		local->modified = *modified;
	clock_gettime(CLOCK_REALTIME, &local->changed);
}

void local_names_add(struct local *local, int number)
{
	LOCK_GUARD(&local->lock);

	local->links = (guint)((int)local->links + number);
}
