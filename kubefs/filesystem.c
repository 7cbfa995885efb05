#include "kubefs/filesystem.h"

#include <unistd.h>

#include "client/lock.h"
#include "kubefs/key_path.h"
#include "kubefs/listing.h"
#include "kubefs/log.h"

static void destroy_context(void *pointer)
{
	struct context *context = pointer;

	cache_destroy(context->cache);
	context_destroy(context);
}

struct filesystem *filesystem_create(struct loop *loop, struct strand_pool *pool)
{
	struct filesystem *filesystem = g_new0(struct filesystem, 1);

	filesystem->loop = loop;
	filesystem->strand = strand_create(pool);
	filesystem->contexts = g_ptr_array_new_with_free_func(destroy_context);
	filesystem->uid = getuid();
	filesystem->gid = getgid();
	filesystem->mounted = g_get_real_time() / G_USEC_PER_SEC;
	filesystem->journal = journal_create();
	filesystem->parking = parking_create(filesystem);
	filesystem->processes = processes_create();
	filesystem->overlay = overlay_create();
	filesystem->openings = openings_create();
	filesystem->lineages = lineages_create();
	filesystem->backups = backups_create();
	filesystem->removals = removals_create(filesystem);
	filesystem->readings = key_readings_create();
	filesystem->walks = walks_create();
	filesystem->previews = previews_create();
	filesystem->scales = scales_create();
	filesystem->key_texts = key_texts_create();
	pthread_mutex_init(&filesystem->long_keys_lock, NULL);
	filesystem->long_keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	pthread_mutex_init(&filesystem->saves_lock, NULL);
	pthread_cond_init(&filesystem->saves_ended, NULL);
	return filesystem;
}

void filesystem_attach(struct filesystem *filesystem, struct fuse_session *session)
{
	struct node_key root = {.kind = NODE_ROOT};
	struct key_scope keys = {0};

	if (filesystem->keys_at_root) {
		key_path_root(filesystem->keys, &keys);
		root.kind = NODE_KEYS;
		root.prefix = keys.prefix;
	} else if (!filesystem->many) {
		root.kind = NODE_CONTEXT;
		root.context = g_ptr_array_index(filesystem->contexts, 0);
	}
	filesystem->nodes = node_table_create(&root);
	key_scope_finish(&keys);
	filesystem->session = session;
	filesystem->notifier = notifier_create(session);
	filesystem->readahead = readahead_create(filesystem);
	filesystem->listing_ahead = listing_ahead_create(listing_drop);
	filesystem->staleness =
		staleness_create(filesystem->notifier, filesystem->loop, filesystem->strand);
}

void filesystem_saves(struct filesystem *filesystem, int add)
{
	LOCK_GUARD(&filesystem->saves_lock);

	filesystem->saves = (guint)((int)filesystem->saves + add);
	if (filesystem->saves == 0)
		pthread_cond_broadcast(&filesystem->saves_ended);
}

void filesystem_drain(struct filesystem *filesystem, unsigned int milliseconds)
{
	struct timespec deadline;

	removals_flush(filesystem->removals);
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += milliseconds / 1000;
	deadline.tv_nsec += milliseconds % 1000 * 1000000L;
	deadline.tv_sec += deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	LOCK_GUARD(&filesystem->saves_lock);

	while (filesystem->saves > 0 &&
		pthread_cond_clockwait(&filesystem->saves_ended, &filesystem->saves_lock,
			CLOCK_MONOTONIC, &deadline) == 0)
		;
	if (filesystem->saves > 0)
		log_warning("%u changes are still on their way to a server", filesystem->saves);
}

void filesystem_quiesce(struct filesystem *filesystem)
{
	parking_close(filesystem->parking);
	g_clear_pointer(&filesystem->processes, processes_destroy);
	notifier_close(filesystem->notifier);
	readahead_close(filesystem->readahead);
}

void filesystem_destroy(struct filesystem *filesystem)
{
	if (filesystem == NULL)
		return;
	parking_destroy(filesystem->parking);
	staleness_destroy(filesystem->staleness);
	notifier_destroy(filesystem->notifier);
	readahead_destroy(filesystem->readahead);
	listing_ahead_destroy(filesystem->listing_ahead);
	node_table_destroy(filesystem->nodes);
	removals_destroy(filesystem->removals);
	previews_destroy(filesystem->previews);
	scales_destroy(filesystem->scales);
	backups_destroy(filesystem->backups);
	lineages_destroy(filesystem->lineages);
	openings_destroy(filesystem->openings);
	overlay_destroy(filesystem->overlay);
	walks_destroy(filesystem->walks);
	key_readings_destroy(filesystem->readings);
	processes_destroy(filesystem->processes);
	pthread_cond_destroy(&filesystem->saves_ended);
	pthread_mutex_destroy(&filesystem->saves_lock);
	g_ptr_array_unref(filesystem->contexts);
	key_texts_destroy(filesystem->key_texts);
	keyspace_destroy(filesystem->keyspace);
	members_destroy(filesystem->members);
	v2_keys_destroy(filesystem->v2_keys);
	g_clear_pointer(&filesystem->keys, g_bytes_unref);
	g_hash_table_destroy(filesystem->long_keys);
	pthread_mutex_destroy(&filesystem->long_keys_lock);
	journal_destroy(filesystem->journal);
	strand_unref(filesystem->strand);
	g_free(filesystem);
}
