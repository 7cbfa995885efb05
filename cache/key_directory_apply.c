#include "cache/key_directory_internal.h"

#include <string.h>

/* A change of ours that is to show. */
struct application {
	struct key_directory *directory;
	GBytes *key;
	struct key_snapshot *snapshot; /* NULL: it is gone */
	int64_t revision;
	void (*done)(void *data);
	void *data;
};

static void application_end(struct application *application)
{
	application->done(application->data);
	g_bytes_unref(application->key);
	key_snapshot_unref(application->snapshot);
	key_directory_unref(application->directory);
	g_free(application);
}

void key_directory_end_unsure(struct key_directory *directory)
{
	g_autoptr(GPtrArray) unsure = NULL;

	if (directory->unsure->len == 0)
		return;
	unsure = g_steal_pointer(&directory->unsure);
	directory->unsure = g_ptr_array_new();
	for (guint i = 0; i < unsure->len; i++)
		application_end(g_ptr_array_index(unsure, i));
}

static void apply_here(struct key_directory *directory, struct application *application,
	const struct key_part *part)
{
	struct key_snapshot *old KEY_SNAPSHOT_CLEANUP = NULL;
	gboolean is_directory;

	old = key_directory_get_child(directory, part->name, part->length, &is_directory);
	if (old == NULL || old->mod_revision < application->revision) {
		key_applied_put(
			directory->applied, part->name, part->length, application->revision);
		key_directory_set_child(directory, part->name, part->length,
			g_steal_pointer(&application->snapshot), is_directory);
	}
	application_end(application);
}

static void apply_below(struct key_directory *directory, struct application *application,
	const struct key_part *part)
{
	/* A name holds no '/': as a directory it is apart from the key of that name. */
	g_autofree char *below = g_malloc(part->length + 1);

	if (application->snapshot == NULL) {
		g_ptr_array_add(directory->unsure, application);
		key_directory_check(directory, part->name, part->length);
		return;
	}
	key_directory_check_put(directory, part->name, part->length, application->revision);
	memcpy(below, part->name, part->length);
	below[part->length] = '/';
	key_applied_put(directory->applied, below, part->length + 1, application->revision);
	key_directory_set_below(directory, part->name, part->length, TRUE);
	application_end(application);
}

static void run_apply(void *data)
{
	struct application *application = data;
	struct key_directory *directory = application->directory;
	struct key_part part;
	gboolean is_known;

	pthread_mutex_lock(&directory->lock);
	is_known = directory->state == KEY_DIRECTORY_READY ||
		   directory->state == KEY_DIRECTORY_LOADING;
	pthread_mutex_unlock(&directory->lock);
	if (directory->ended || !is_known ||
		!key_scope_find(&directory->scope, application->key, &part))
		application_end(application);
	else if (part.deeper)
		apply_below(directory, application, &part);
	else
		apply_here(directory, application, &part);
}

void key_directory_apply(struct key_directory *directory, GBytes *key,
	struct key_snapshot *snapshot, int64_t revision, void (*done)(void *data), void *data)
{
	struct application *application = g_new(struct application, 1);

	*application = (struct application){
		.directory = key_directory_ref(directory),
		.key = g_bytes_ref(key),
		.snapshot = snapshot != NULL ? key_snapshot_ref(snapshot) : NULL,
		.revision = revision,
		.done = done,
		.data = data,
	};
	strand_post(directory->strand, run_apply, application);
}
