#include "kubefs/lineage.h"

#include "client/lock.h"

struct lineage {
	struct process *process;
	struct place place;
	GBytes *text;
	gboolean uncertain;
};

struct lineages {
	pthread_mutex_t lock;
	GQueue all; /* of struct lineage *, oldest first */
	size_t bytes;
};

struct lineages *lineages_create(void)
{
	struct lineages *lineages = g_new0(struct lineages, 1);

	pthread_mutex_init(&lineages->lock, NULL);
	return lineages;
}

static void lineage_free(void *pointer)
{
	struct lineage *lineage = pointer;

	process_unref(lineage->process);
	place_finish(&lineage->place);
	g_bytes_unref(lineage->text);
	g_free(lineage);
}

void lineages_destroy(struct lineages *lineages)
{
	if (lineages == NULL)
		return;
	g_queue_clear_full(&lineages->all, lineage_free);
	pthread_mutex_destroy(&lineages->lock);
	g_free(lineages);
}

/* Under the lock. */
static GList *find(
	struct lineages *lineages, const struct process *process, const struct place *place)
{
	for (GList *link = lineages->all.head; link != NULL; link = link->next) {
		const struct lineage *lineage = link->data;

		if (process_same(lineage->process, process) && lineage->place.kind == place->kind &&
			place_same_object(&lineage->place, place))
			return link;
	}
	return NULL;
}

/* Under the lock. */
static void drop(struct lineages *lineages, GList *link)
{
	struct lineage *lineage = link->data;

	lineages->bytes -= g_bytes_get_size(lineage->text);
	lineage_free(lineage);
	g_queue_delete_link(&lineages->all, link);
}

void lineages_remember(struct lineages *lineages, struct process *process,
	const struct place *place, GBytes *text, gboolean uncertain)
{
	LOCK_GUARD(&lineages->lock);
	struct lineage *lineage;
	GList *known;

	if (process == NULL)
		return;
	known = find(lineages, process, place);
	if (known != NULL)
		drop(lineages, known);
	lineage = g_new0(struct lineage, 1);
	lineage->process = process_ref(process);
	place_copy(&lineage->place, place);
	lineage->text = g_bytes_ref(text);
	lineage->uncertain = uncertain;
	g_queue_push_tail(&lineages->all, lineage);
	lineages->bytes += g_bytes_get_size(text);
	while (lineages->all.length > LINEAGES_MAX || lineages->bytes > LINEAGES_BYTES_MAX)
		drop(lineages, lineages->all.head);
}

GBytes *lineages_find(struct lineages *lineages, const struct process *process,
	const struct place *place, gboolean *ret_uncertain)
{
	LOCK_GUARD(&lineages->lock);
	GList *link = find(lineages, process, place);
	const struct lineage *lineage = link != NULL ? link->data : NULL;

	*ret_uncertain = lineage != NULL && lineage->uncertain;
	return lineage != NULL ? g_bytes_ref(lineage->text) : NULL;
}
