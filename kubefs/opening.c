#include "kubefs/opening.h"

#include <string.h>

#include "client/lock.h"
#include "client/loop.h"

struct opening {
	pid_t thread;
	char *directory;
	char *name;
	struct local *local;
	uint64_t begun;
};

struct openings {
	pthread_mutex_t lock;
	GQueue all; /* of struct opening *, oldest first */
	gint count; /* atomic: mostly there are none */
};

struct openings *openings_create(void)
{
	struct openings *openings = g_new0(struct openings, 1);

	pthread_mutex_init(&openings->lock, NULL);
	return openings;
}

static void opening_free(void *pointer)
{
	struct opening *opening = pointer;

	local_unref(opening->local);
	g_free(opening->directory);
	g_free(opening->name);
	g_free(opening);
}

void openings_destroy(struct openings *openings)
{
	if (openings == NULL)
		return;
	g_queue_clear_full(&openings->all, opening_free);
	pthread_mutex_destroy(&openings->lock);
	g_free(openings);
}

/* Under the lock. */
static GList *find(struct openings *openings, pid_t thread)
{
	for (GList *link = openings->all.head; link != NULL; link = link->next) {
		const struct opening *opening = link->data;

		if (opening->thread == thread)
			return link;
	}
	return NULL;
}

/* Under the lock. */
static void drop(struct openings *openings, GList *link)
{
	opening_free(link->data);
	g_queue_delete_link(&openings->all, link);
	g_atomic_int_add(&openings->count, -1);
}

/* Under the lock. Leaves no more than number. */
static void drop_late(struct openings *openings, uint64_t now, guint number)
{
	while (openings->all.head != NULL) {
		const struct opening *oldest = openings->all.head->data;

		if (now - oldest->begun < OPENINGS_MS && openings->all.length <= number)
			return;
		drop(openings, openings->all.head);
	}
}

void openings_begin(struct openings *openings, pid_t thread, const char *directory,
	const char *name, struct local *local)
{
	struct opening *opening = g_new0(struct opening, 1);

	openings_end(openings, thread);
	*opening = (struct opening){
		.thread = thread,
		.directory = g_strdup(directory),
		.name = g_strdup(name),
		.local = local_ref(local),
	};
	LOCK_GUARD(&openings->lock);

	/* Under the lock, so that they stand in the order of their times. */
	opening->begun = loop_now();
	drop_late(openings, opening->begun, OPENINGS_MAX - 1);
	g_queue_push_tail(&openings->all, opening);
	g_atomic_int_inc(&openings->count);
}

gboolean openings_are_none(struct openings *openings)
{
	return g_atomic_int_get(&openings->count) == 0;
}

struct local *openings_find(
	struct openings *openings, pid_t thread, const char *directory, const char *name)
{
	GList *link;
	const struct opening *opening;

	if (openings_are_none(openings))
		return NULL;
	LOCK_GUARD(&openings->lock);

	drop_late(openings, loop_now(), OPENINGS_MAX);
	link = find(openings, thread);
	opening = link != NULL ? link->data : NULL;
	if (opening == NULL || loop_now() - opening->begun >= OPENINGS_MS ||
		strcmp(opening->name, name) != 0 || strcmp(opening->directory, directory) != 0)
		return NULL;
	return local_ref(opening->local);
}

void openings_end(struct openings *openings, pid_t thread)
{
	LOCK_GUARD(&openings->lock);
	GList *link = find(openings, thread);

	if (link != NULL)
		drop(openings, link);
}
