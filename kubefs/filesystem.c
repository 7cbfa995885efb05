#include "kubefs/filesystem.h"

#include <unistd.h>

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
	return filesystem;
}

void filesystem_attach(struct filesystem *filesystem, struct fuse_session *session)
{
	struct node_key root = {.kind = NODE_ROOT};

	if (!filesystem->many) {
		root.kind = NODE_CONTEXT;
		root.context = g_ptr_array_index(filesystem->contexts, 0);
	}
	filesystem->nodes = node_table_create(&root);
	filesystem->session = session;
	filesystem->notifier = notifier_create(session);
	filesystem->staleness =
		staleness_create(filesystem->notifier, filesystem->loop, filesystem->strand);
}

void filesystem_quiesce(struct filesystem *filesystem)
{
	parking_close(filesystem->parking);
	notifier_close(filesystem->notifier);
}

void filesystem_destroy(struct filesystem *filesystem)
{
	if (filesystem == NULL)
		return;
	parking_destroy(filesystem->parking);
	staleness_destroy(filesystem->staleness);
	notifier_destroy(filesystem->notifier);
	node_table_destroy(filesystem->nodes);
	g_ptr_array_unref(filesystem->contexts);
	journal_destroy(filesystem->journal);
	strand_unref(filesystem->strand);
	g_free(filesystem);
}
