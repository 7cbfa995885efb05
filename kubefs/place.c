#include "kubefs/place.h"

#include <string.h>

#include "kubefs/key_layout.h"
#include "kubefs/key_path.h"
#include "kubefs/layout.h"
#include "kubefs/views.h"

void place_copy(struct place *to, const struct place *from)
{
	*to = *from;
	if (to->resource != NULL)
		resource_ref(to->resource);
	to->namespace = g_strdup(from->namespace);
	to->name = g_strdup(from->name);
	if (to->kind != PLACE_KEY)
		return;
	key_scope_copy(&to->scope, &from->scope);
	g_bytes_ref(to->key);
}

void place_finish(struct place *place)
{
	resource_unref(place->resource);
	g_free(place->namespace);
	g_free(place->name);
	if (place->kind == PLACE_KEY) {
		key_scope_finish(&place->scope);
		g_bytes_unref(place->key);
	}
	*place = (struct place){0};
}

gboolean place_same_object(const struct place *a, const struct place *b)
{
	if (a->kind == PLACE_KEY || b->kind == PLACE_KEY)
		return a->kind == b->kind && g_bytes_equal(a->key, b->key);
	return a->context == b->context && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->namespace, b->namespace) == 0 &&
	       strcmp(a->resource->name, b->resource->name) == 0;
}

const char *place_subresource(const struct place *place)
{
	switch (place->kind) {
	case PLACE_STATUS:
		return "status";
	case PLACE_SCALE:
		return "scale";
	case PLACE_OBJECT:
	case PLACE_KEY:
		break;
	}
	return NULL;
}

/* The key of the directory, which borrows from place and from *ret_chunk; the name is g_free's. */
static char *locate(const struct place *place, struct node_key *ret_directory, char **ret_chunk)
{
	*ret_chunk = NULL;
	if (place->kind == PLACE_KEY) {
		*ret_chunk = key_path_chunk(place->name);
		*ret_directory = key_layout_directory(&place->scope, *ret_chunk);
		return g_strdup(place->name + strlen(*ret_chunk));
	}
	if (place->kind == PLACE_OBJECT)
		return layout_place(place->context, place->resource, place->namespace, place->name,
			place->format, ret_directory, ret_chunk);
	*ret_directory = (struct node_key){
		.kind = NODE_VIEWS,
		.context = place->context,
		.namespace = place->namespace,
		.resource = place->resource,
		.name = place->name,
	};
	return g_strdup(place->kind == PLACE_STATUS ? VIEWS_STATUS : VIEWS_SCALE);
}

static char *key_path(const struct place *place)
{
	const struct filesystem *filesystem = place->filesystem;
	g_autofree char *path = key_path_of_key(filesystem->keys, place->key, KEY_PLAIN);

	return g_strconcat(filesystem->keys_at_root ? "" : KEY_LAYOUT_TOP "/", path, NULL);
}

static char *object_path(const struct place *place)
{
	GString *path = g_string_new(NULL);
	struct node_key directory;
	g_autofree char *chunk = NULL;
	g_autofree char *name = locate(place, &directory, &chunk);

	if (place->context->filesystem->many)
		g_string_append_printf(path, "%s/", place->context->name);
	if (place->namespace[0] != '\0')
		g_string_append_printf(path, "namespaces/%s/", place->namespace);
	else
		g_string_append(path, "cluster/");
	g_string_append_printf(path, "%s/", place->resource->name);
	if (directory.kind == NODE_VIEWS)
		g_string_append_printf(path, "%s@/", place->name);
	if (chunk != NULL)
		g_string_append_printf(path, "%s%%/", chunk);
	g_string_append(path, name);
	return g_string_free(path, FALSE);
}

char *place_path(const struct place *place)
{
	return place->kind == PLACE_KEY ? key_path(place) : object_path(place);
}

char *place_directory(const struct node_key *directory)
{
	g_autofree char *prefix = NULL;

	if (directory->kind == NODE_KEYS) {
		size_t length;
		const guchar *bytes = g_bytes_get_data(directory->prefix, &length);

		prefix = g_base64_encode(bytes, length);
		return g_strdup_printf("%d\x1f%s\x1f%d\x1f%s", (int)directory->kind, prefix,
			(int)directory->slashless, key_layout_chunk(directory));
	}
	/* None of these holds a control character that a path could not be told by. */
	return g_strdup_printf("%d\x1f%s\x1f%s\x1f%s\x1f%s", (int)directory->kind,
		directory->context != NULL ? directory->context->name : "",
		directory->namespace != NULL ? directory->namespace : "",
		directory->resource != NULL ? directory->resource->name : "",
		directory->name != NULL ? directory->name : "");
}

char *place_directory_of(const struct place *place, char **ret_name)
{
	struct node_key directory;
	g_autofree char *chunk = NULL;

	*ret_name = locate(place, &directory, &chunk);
	return place_directory(&directory);
}

uint64_t place_directory_id(struct node_table *nodes, const struct place *place)
{
	struct node_key directory;
	g_autofree char *chunk = NULL;
	struct node *node NODE_CLEANUP = NULL;

	g_free(locate(place, &directory, &chunk));
	node = node_table_find(nodes, &directory);
	return node != NULL ? node->id : 0;
}
