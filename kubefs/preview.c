#include "kubefs/preview.h"

#include "client/lock.h"

struct preview {
	struct place place;
	struct snapshot *snapshot;
};

struct previews {
	pthread_mutex_t lock;
	GQueue all; /* of struct preview *, oldest first */
};

struct previews *previews_create(void)
{
	struct previews *previews = g_new0(struct previews, 1);

	pthread_mutex_init(&previews->lock, NULL);
	return previews;
}

static void preview_free(void *pointer)
{
	struct preview *preview = pointer;

	place_finish(&preview->place);
	snapshot_unref(preview->snapshot);
	g_free(preview);
}

void previews_destroy(struct previews *previews)
{
	if (previews == NULL)
		return;
	g_queue_clear_full(&previews->all, preview_free);
	pthread_mutex_destroy(&previews->lock);
	g_free(previews);
}

/* Under the lock. */
static GList *find(struct previews *previews, const struct place *place)
{
	for (GList *link = previews->all.head; link != NULL; link = link->next) {
		const struct preview *preview = link->data;

		if (place_same_object(&preview->place, place))
			return link;
	}
	return NULL;
}

void previews_put(struct previews *previews, const struct place *place, struct snapshot *snapshot)
{
	struct preview *preview = g_new0(struct preview, 1);
	LOCK_GUARD(&previews->lock);
	GList *old = find(previews, place);

	place_copy(&preview->place, place);
	preview->snapshot = snapshot_ref(snapshot);
	if (old != NULL) {
		preview_free(old->data);
		g_queue_delete_link(&previews->all, old);
	}
	g_queue_push_tail(&previews->all, preview);
	if (previews->all.length > PREVIEWS_MAX)
		preview_free(g_queue_pop_head(&previews->all));
}

struct snapshot *previews_find(struct previews *previews, const struct place *place)
{
	LOCK_GUARD(&previews->lock);
	GList *link = find(previews, place);
	const struct preview *preview = link != NULL ? link->data : NULL;

	return preview != NULL ? snapshot_ref(preview->snapshot) : NULL;
}
