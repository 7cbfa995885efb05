#include "kubefs/lineage.h"

#include "client/lock.h"

struct entry {
	struct process *process;
	struct place place;
	struct lineage lineage;
};

struct lineages {
	pthread_mutex_t lock;
	GQueue all; /* of struct entry *, oldest first */
	size_t bytes;
};

struct lineages *lineages_create(void)
{
	struct lineages *lineages = g_new0(struct lineages, 1);

	pthread_mutex_init(&lineages->lock, NULL);
	return lineages;
}

void lineage_finish(struct lineage *lineage)
{
	g_clear_pointer(&lineage->text, g_bytes_unref);
	lineage->stored = snapshot_unref(lineage->stored);
}

static void entry_free(void *pointer)
{
	struct entry *entry = pointer;

	process_unref(entry->process);
	place_finish(&entry->place);
	lineage_finish(&entry->lineage);
	g_free(entry);
}

void lineages_destroy(struct lineages *lineages)
{
	if (lineages == NULL)
		return;
	g_queue_clear_full(&lineages->all, entry_free);
	pthread_mutex_destroy(&lineages->lock);
	g_free(lineages);
}

/* Under the lock. */
static GList *find(
	struct lineages *lineages, const struct process *process, const struct place *place)
{
	for (GList *link = lineages->all.head; link != NULL; link = link->next) {
		const struct entry *entry = link->data;

		if (process_same(entry->process, process) && entry->place.kind == place->kind &&
			place_same_object(&entry->place, place))
			return link;
	}
	return NULL;
}

static size_t bytes_of(const struct entry *entry)
{
	return entry->lineage.text != NULL ? g_bytes_get_size(entry->lineage.text) : 0;
}

/* Under the lock. */
static void drop(struct lineages *lineages, GList *link)
{
	lineages->bytes -= bytes_of(link->data);
	entry_free(link->data);
	g_queue_delete_link(&lineages->all, link);
}

/* Under the lock. */
static void add(struct lineages *lineages, struct process *process, const struct place *place,
	const struct lineage *lineage)
{
	struct entry *entry = g_new0(struct entry, 1);

	entry->process = process_ref(process);
	place_copy(&entry->place, place);
	entry->lineage = *lineage;
	g_queue_push_tail(&lineages->all, entry);
	lineages->bytes += bytes_of(entry);
	while (lineages->all.length > LINEAGES_MAX || lineages->bytes > LINEAGES_BYTES_MAX)
		drop(lineages, lineages->all.head);
}

void lineages_remember(struct lineages *lineages, struct process *process,
	const struct place *place, GBytes *text, struct snapshot *stored)
{
	LOCK_GUARD(&lineages->lock);
	GList *known;

	if (process == NULL)
		return;
	known = find(lineages, process, place);
	if (known != NULL)
		drop(lineages, known);
	add(lineages, process, place,
		&(struct lineage){
			.text = g_bytes_ref(text),
			.stored = stored != NULL ? snapshot_ref(stored) : NULL,
		});
}

void lineages_doubt(struct lineages *lineages, struct process *process, const struct place *place)
{
	LOCK_GUARD(&lineages->lock);
	GList *known;

	if (process == NULL)
		return;
	known = find(lineages, process, place);
	if (known != NULL)
		((struct entry *)known->data)->lineage.uncertain = TRUE;
	else
		add(lineages, process, place, &(struct lineage){.uncertain = TRUE});
}

void lineages_find(struct lineages *lineages, const struct process *process,
	const struct place *place, struct lineage *ret)
{
	LOCK_GUARD(&lineages->lock);
	GList *link = find(lineages, process, place);
	const struct lineage *lineage;

	*ret = (struct lineage){0};
	if (link == NULL)
		return;
	lineage = &((const struct entry *)link->data)->lineage;
	*ret = *lineage;
	if (ret->text != NULL)
		g_bytes_ref(ret->text);
	if (ret->stored != NULL)
		snapshot_ref(ret->stored);
}
