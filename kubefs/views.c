#include "kubefs/views.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	enum place_kind kind;
} PLACES[] = {
	{VIEWS_SCALE, PLACE_SCALE},
	{VIEWS_STATUS, PLACE_STATUS},
};

static gboolean has_place(const struct resource *resource, enum place_kind kind)
{
	return kind == PLACE_STATUS ? resource->has_status : resource->has_scale;
}

static gboolean make_place(
	const struct node_key *key, const char *object, const char *name, struct place *ret)
{
	for (guint i = 0; i < G_N_ELEMENTS(PLACES); i++) {
		if (strcmp(PLACES[i].name, name) != 0 || !has_place(key->resource, PLACES[i].kind))
			continue;
		*ret = (struct place){
			.kind = PLACES[i].kind,
			.context = key->context,
			.resource = resource_ref(key->resource),
			.namespace = g_strdup(key->namespace),
			.name = g_strdup(object),
		};
		return TRUE;
	}
	return FALSE;
}

gboolean views_name_place(const struct node_key *directory, const char *name, struct place *ret)
{
	return make_place(directory, directory->name, name, ret);
}

gboolean views_place(const struct node_key *view, struct place *ret)
{
	return make_place(view, view->snapshot->name, view->name, ret);
}

const char *views_subresource(const struct node_key *view)
{
	for (guint i = 0; i < G_N_ELEMENTS(PLACES); i++) {
		const struct place place = {.kind = PLACES[i].kind};

		if (strcmp(PLACES[i].name, view->name) == 0)
			return place_subresource(&place);
	}
	return NULL;
}

/* What the last dry run of the object showed, or NULL. */
static struct snapshot *find_preview(
	struct filesystem *filesystem, const struct node_key *key, const char *object)
{
	const struct place place = {
		.context = key->context,
		.resource = key->resource,
		.namespace = (char *)key->namespace,
		.name = (char *)object,
	};

	return previews_find(filesystem->previews, &place);
}

gboolean views_have_preview(
	struct filesystem *filesystem, const struct node_key *directory, const char *object)
{
	struct snapshot *preview SNAPSHOT_CLEANUP = find_preview(filesystem, directory, object);

	return preview != NULL;
}

static void found_view(const struct node_key *directory, const char *name,
	struct snapshot *snapshot, struct layout_entry *ret)
{
	*ret = (struct layout_entry){
		.found = TRUE,
		.key =
			{
				.kind = NODE_VIEW,
				.context = directory->context,
				.namespace = g_strdup(directory->namespace),
				.resource = resource_ref(directory->resource),
				.name = g_strdup(name),
				.snapshot = snapshot,
			},
	};
}

int views_resolve(struct filesystem *filesystem, const struct node *directory, const char *name,
	collection_wait wait, void *data, struct layout_entry *ret, GError **error)
{
	const struct node_key *key = &directory->key;
	struct place place PLACE_CLEANUP = {0};
	g_autoptr(GBytes) text = NULL;
	struct snapshot *snapshot = NULL;
	int r;

	if (strcmp(name, VIEWS_DRY_RUN) == 0) {
		snapshot = find_preview(filesystem, key, key->name);
		if (snapshot != NULL)
			found_view(key, name, snapshot, ret);
		return 0;
	}
	if (!views_name_place(key, name, &place))
		return 0;
	r = cache_find(key->context->cache, key->resource, key->namespace, key->name, wait, data,
		&snapshot, error);
	if (r == -ENOENT) {
		g_clear_error(error);
		return 0;
	}
	if (r == 0 && place.kind == PLACE_SCALE)
		r = scales_look(filesystem->scales, &place, wait, data, &text, error);
	if (r == 0) {
		found_view(key, name, snapshot, ret);
		ret->key.text = g_steal_pointer(&text);
	} else {
		snapshot_unref(snapshot);
	}
	return r;
}

const char *views_name_at(
	struct filesystem *filesystem, const struct node *directory, uint64_t *index)
{
	while (*index <= G_N_ELEMENTS(PLACES)) {
		uint64_t at = (*index)++;
		struct snapshot *preview SNAPSHOT_CLEANUP = NULL;

		if (at < G_N_ELEMENTS(PLACES)) {
			if (has_place(directory->key.resource, PLACES[at].kind))
				return PLACES[at].name;
			continue;
		}
		preview = find_preview(filesystem, &directory->key, directory->key.name);
		if (preview != NULL)
			return VIEWS_DRY_RUN;
	}
	return NULL;
}
