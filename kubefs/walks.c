#include "kubefs/walks.h"

#include <string.h>

#include "client/lock.h"
#include "client/loop.h"

struct walk {
	struct process *process;
	struct context *context; /* NULL: above all of them */
	gboolean of_namespaces; /* what belongs to the cluster is not below */
	char *namespace; /* NULL: above all of them; "": the cluster's */
	struct resource *resource; /* NULL: above all of them */
	uint64_t time;
};

struct walks {
	pthread_mutex_t lock;
	GQueue all; /* of struct walk *, oldest first */
};

struct walks *walks_create(void)
{
	struct walks *walks = g_new0(struct walks, 1);

	pthread_mutex_init(&walks->lock, NULL);
	return walks;
}

static void walk_free(void *pointer)
{
	struct walk *walk = pointer;

	process_unref(walk->process);
	g_free(walk->namespace);
	resource_unref(walk->resource);
	g_free(walk);
}

void walks_destroy(struct walks *walks)
{
	if (walks == NULL)
		return;
	g_queue_clear_full(&walks->all, walk_free);
	pthread_mutex_destroy(&walks->lock);
	g_free(walks);
}

/* Under the lock. */
static void drop_old(struct walks *walks, uint64_t now)
{
	while (walks->all.head != NULL) {
		const struct walk *oldest = walks->all.head->data;

		if (now - oldest->time < WALK_MS && walks->all.length < WALKS_MAX)
			return;
		walk_free(g_queue_pop_head(&walks->all));
	}
}

void walks_note(struct walks *walks, struct process *process, const struct node *directory)
{
	const struct node_key *key = &directory->key;
	struct walk *walk;

	if (process == NULL || key->kind > NODE_CHUNK)
		return;
	walk = g_new0(struct walk, 1);
	walk->process = process_ref(process);
	walk->context = key->context;
	walk->of_namespaces = key->kind == NODE_NAMESPACES;
	walk->namespace = g_strdup(key->namespace);
	walk->resource = key->resource != NULL ? resource_ref(key->resource) : NULL;
	LOCK_GUARD(&walks->lock);

	/* Under the lock, so that they stand in the order of their times. */
	walk->time = loop_now();
	drop_old(walks, walk->time);
	g_queue_push_tail(&walks->all, walk);
}

static gboolean is_above(const struct walk *walk, const struct place *place)
{
	if (walk->context != NULL && walk->context != place->context)
		return FALSE;
	if (walk->of_namespaces && place->namespace[0] == '\0')
		return FALSE;
	if (walk->namespace != NULL && strcmp(walk->namespace, place->namespace) != 0)
		return FALSE;
	return walk->resource == NULL || strcmp(walk->resource->name, place->resource->name) == 0;
}

gboolean walks_are_recent(
	struct walks *walks, const struct process *process, const struct place *place)
{
	LOCK_GUARD(&walks->lock);

	drop_old(walks, loop_now());
	for (GList *link = walks->all.head; link != NULL; link = link->next) {
		const struct walk *walk = link->data;

		if (process_same(walk->process, process) && is_above(walk, place))
			return TRUE;
	}
	return FALSE;
}
