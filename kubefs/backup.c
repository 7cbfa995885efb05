#include "kubefs/backup.h"

#include <string.h>

#include "client/lock.h"

struct backup {
	struct process *process;
	struct place place;
	char *directory;
	char *name;
};

struct backups {
	pthread_mutex_t lock;
	GQueue all; /* of struct backup *, newest first */
};

struct backups *backups_create(void)
{
	struct backups *backups = g_new0(struct backups, 1);

	pthread_mutex_init(&backups->lock, NULL);
	return backups;
}

static void backup_free(void *pointer)
{
	struct backup *backup = pointer;

	process_unref(backup->process);
	place_finish(&backup->place);
	g_free(backup->directory);
	g_free(backup->name);
	g_free(backup);
}

void backups_destroy(struct backups *backups)
{
	if (backups == NULL)
		return;
	g_queue_clear_full(&backups->all, backup_free);
	pthread_mutex_destroy(&backups->lock);
	g_free(backups);
}

void backups_add(struct backups *backups, struct process *process, const struct place *place,
	const char *directory, const char *name)
{
	LOCK_GUARD(&backups->lock);
	struct backup *backup;

	if (process == NULL)
		return;
	backup = g_new0(struct backup, 1);
	backup->process = process_ref(process);
	place_copy(&backup->place, place);
	backup->directory = g_strdup(directory);
	backup->name = g_strdup(name);
	g_queue_push_head(&backups->all, backup);
	if (backups->all.length > BACKUPS_MAX)
		backup_free(g_queue_pop_tail(&backups->all));
}

void backups_forget(
	struct backups *backups, const struct process *process, const struct place *place)
{
	LOCK_GUARD(&backups->lock);
	GList *next;

	for (GList *link = backups->all.head; link != NULL; link = next) {
		struct backup *backup = link->data;

		next = link->next;
		if (!process_same(backup->process, process) ||
			!place_same_object(&backup->place, place))
			continue;
		backup_free(backup);
		g_queue_delete_link(&backups->all, link);
	}
}

gboolean backups_find(struct backups *backups, const struct process *process,
	const struct place *place, char **ret_directory, char **ret_name)
{
	LOCK_GUARD(&backups->lock);

	for (GList *link = backups->all.head; link != NULL; link = link->next) {
		const struct backup *backup = link->data;

		if (!process_same(backup->process, process) ||
			!place_same_object(&backup->place, place))
			continue;
		*ret_directory = g_strdup(backup->directory);
		*ret_name = g_strdup(backup->name);
		return TRUE;
	}
	return FALSE;
}

gboolean backups_is_one(struct backups *backups, const struct process *process,
	const struct place *place, const char *directory, const char *name)
{
	LOCK_GUARD(&backups->lock);

	for (GList *link = backups->all.head; link != NULL; link = link->next) {
		const struct backup *backup = link->data;

		if (process_same(backup->process, process) &&
			place_same_object(&backup->place, place) &&
			strcmp(backup->directory, directory) == 0 &&
			strcmp(backup->name, name) == 0)
			return TRUE;
	}
	return FALSE;
}
