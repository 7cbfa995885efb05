#include "client/source.h"

#include "client/source_call.h"

struct resource *resource_ref(struct resource *resource)
{
	g_atomic_int_inc(&resource->references);
	return resource;
}

static void resource_free(struct resource *resource)
{
	g_free(resource->group);
	g_free(resource->version);
	g_free(resource->plural);
	g_free(resource->singular);
	g_free(resource->kind);
	g_strfreev(resource->short_names);
	g_strfreev(resource->categories);
	g_free(resource->name);
	g_free(resource);
}

struct resource *resource_unref(struct resource *resource)
{
	if (resource != NULL && g_atomic_int_dec_and_test(&resource->references))
		resource_free(resource);
	return NULL;
}

static gboolean strings_equal(char *const *a, char *const *b)
{
	return g_strv_equal((const char *const *)a, (const char *const *)b);
}

gboolean resource_equal(const struct resource *a, const struct resource *b)
{
	if (a == b)
		return TRUE;
	return g_str_equal(a->name, b->name) && g_str_equal(a->group, b->group) &&
	       g_str_equal(a->version, b->version) && g_str_equal(a->plural, b->plural) &&
	       g_str_equal(a->singular, b->singular) && g_str_equal(a->kind, b->kind) &&
	       strings_equal(a->short_names, b->short_names) &&
	       strings_equal(a->categories, b->categories) && a->namespaced == b->namespaced &&
	       a->can_list == b->can_list && a->can_watch == b->can_watch &&
	       a->can_get == b->can_get && a->can_update == b->can_update &&
	       a->can_create == b->can_create && a->can_delete == b->can_delete &&
	       a->has_status == b->has_status && a->has_scale == b->has_scale;
}

void source_catalog_free(struct source_catalog *catalog)
{
	if (catalog == NULL)
		return;
	g_ptr_array_unref(catalog->resources);
	g_ptr_array_unref(catalog->partial);
	g_free(catalog);
}

void source_call_init(struct source_call *call, const struct source_call_ops *ops)
{
	call->ops = ops;
	call->references = 1;
}

struct source_call *source_call_ref(struct source_call *call)
{
	g_atomic_int_inc(&call->references);
	return call;
}

struct source_call *source_call_unref(struct source_call *call)
{
	if (call != NULL && g_atomic_int_dec_and_test(&call->references))
		call->ops->free(call);
	return NULL;
}

void source_cancel(struct source_call *call)
{
	call->ops->cancel(call);
}
