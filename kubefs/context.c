#include "kubefs/context.h"

#include "client/lock.h"
#include <string.h>

struct context *context_create(
	struct filesystem *filesystem, const char *name, const char *namespace)
{
	struct context *context = g_new0(struct context, 1);

	context->filesystem = filesystem;
	context->name = g_strdup(name);
	context->namespace = g_strdup(namespace);
	pthread_mutex_init(&context->lock, NULL);
	context->order = g_ptr_array_new_with_free_func(g_free);
	context->places = g_hash_table_new(g_str_hash, g_str_equal);
	context->namespaces = g_ptr_array_new_with_free_func(g_free);
	if (namespace != NULL)
		g_ptr_array_add(context->namespaces, g_strdup(namespace));
	return context;
}

void context_destroy(struct context *context)
{
	if (context == NULL)
		return;
	g_hash_table_destroy(context->places);
	g_ptr_array_unref(context->order);
	g_ptr_array_unref(context->namespaces);
	pthread_mutex_destroy(&context->lock);
	g_free(context->namespace);
	g_free(context->name);
	g_free(context);
}

void context_learn(struct context *context, struct catalog *catalog)
{
	LOCK_GUARD(&context->lock);

	for (size_t i = 0; i < catalog_count(catalog); i++) {
		struct resource *resource = catalog_at(catalog, i);
		char *name;

		if (context->order->len >= CONTEXT_RESOURCES_MAX ||
			g_hash_table_contains(context->places, resource->name))
			continue;
		name = g_strdup(resource->name);
		g_ptr_array_add(context->order, name);
		g_hash_table_insert(context->places, name, GUINT_TO_POINTER(context->order->len));
	}
}

/*
 * The same objects stand under "events", so that grep -r meets them once: this form resolves,
 * unlisted.
 */
static gboolean is_listed(const struct resource *resource)
{
	return resource->can_list && strcmp(resource->name, "events.events.k8s.io") != 0;
}

struct resource *context_next(
	struct context *context, struct catalog *catalog, gboolean namespaced, uint64_t *place)
{
	LOCK_GUARD(&context->lock);

	while (*place < context->order->len) {
		const char *name = g_ptr_array_index(context->order, *place);
		struct resource *resource = catalog_find(catalog, name);

		(*place)++;
		if (resource != NULL && is_listed(resource) && resource->namespaced == namespaced)
			return resource;
	}
	return NULL;
}

guint context_count(struct context *context, struct catalog *catalog, gboolean namespaced)
{
	guint count = 0;
	uint64_t place = 0;

	while (context_next(context, catalog, namespaced, &place) != NULL)
		count++;
	return count;
}

gboolean context_add_namespace(struct context *context, const char *namespace)
{
	LOCK_GUARD(&context->lock);

	if (context->namespaces->len >= CONTEXT_NAMESPACES_MAX ||
		g_ptr_array_find_with_equal_func(context->namespaces, namespace, g_str_equal, NULL))
		return FALSE;
	g_ptr_array_add(context->namespaces, g_strdup(namespace));
	return TRUE;
}

char *context_namespace_at(struct context *context, guint index)
{
	LOCK_GUARD(&context->lock);

	if (index >= context->namespaces->len)
		return NULL;
	return g_strdup(g_ptr_array_index(context->namespaces, index));
}
