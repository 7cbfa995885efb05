#include "client/kubernetes_url.h"

#include <errno.h>
#include <string.h>

#include "client/error.h"
#include "client/escape.h"

gboolean kubernetes_url_segment_valid(const char *name)
{
	if (*name == '\0' || g_str_equal(name, ".") || g_str_equal(name, ".."))
		return FALSE;
	for (; *name != '\0'; name++) {
		if (*name == '/' || *name == '%' || g_ascii_iscntrl(*name))
			return FALSE;
	}
	return TRUE;
}

static void append_segment(GString *url, const char *segment)
{
	g_string_append_c(url, '/');
	g_string_append_uri_escaped(url, segment, NULL, FALSE);
}

static GString *begin_group_version(const char *group, const char *version)
{
	GString *url = g_string_new(*group == '\0' ? "/api" : "/apis");

	if (*group != '\0')
		append_segment(url, group);
	append_segment(url, version);
	return url;
}

char *kubernetes_url_group_version(const char *group, const char *version)
{
	return g_string_free(begin_group_version(group, version), FALSE);
}

char *kubernetes_url_api_version(const char *group, const char *version)
{
	return *group == '\0' ? g_strdup(version) : g_strconcat(group, "/", version, NULL);
}

static gboolean is_scale(const struct source_scope *scope)
{
	return g_strcmp0(scope->subresource, "scale") == 0;
}

char *kubernetes_url_scope_api_version(const struct source_scope *scope)
{
	const struct resource *resource = scope->resource;

	return is_scale(scope) ? g_strdup("autoscaling/v1")
			       : kubernetes_url_api_version(resource->group, resource->version);
}

const char *kubernetes_url_scope_kind(const struct source_scope *scope)
{
	return is_scale(scope) ? "Scale" : scope->resource->kind;
}

static int check_name(const char *what, const char *name, GError **error)
{
	g_autofree char *escaped = NULL;

	if (kubernetes_url_segment_valid(name))
		return 0;
	escaped = escape_text(name, -1);
	return error_set(error, ENOENT, "there can be no %s named \"%s\"", what, escaped);
}

static GString *begin_collection(const struct source_scope *scope, GError **error)
{
	const struct resource *resource = scope->resource;
	GString *url;

	if (scope->namespace != NULL && check_name("namespace", scope->namespace, error) < 0)
		return NULL;
	if (scope->name != NULL && check_name("object", scope->name, error) < 0)
		return NULL;
	url = begin_group_version(resource->group, resource->version);
	if (resource->namespaced && scope->namespace != NULL) {
		append_segment(url, "namespaces");
		append_segment(url, scope->namespace);
	}
	append_segment(url, resource->plural);
	return url;
}

char *kubernetes_url_collection(const struct source_scope *scope, GError **error)
{
	GString *url = begin_collection(scope, error);

	return url == NULL ? NULL : g_string_free(url, FALSE);
}

char *kubernetes_url_object(const struct source_scope *scope, GError **error)
{
	GString *url = begin_collection(scope, error);

	if (url == NULL)
		return NULL;
	append_segment(url, scope->name);
	if (scope->subresource != NULL)
		append_segment(url, scope->subresource);
	return g_string_free(url, FALSE);
}

void kubernetes_url_add(GString *url, const char *key, const char *value)
{
	g_string_append_c(url, memchr(url->str, '?', url->len) == NULL ? '?' : '&');
	g_string_append(url, key);
	g_string_append_c(url, '=');
	g_string_append_uri_escaped(url, value, NULL, FALSE);
}

void kubernetes_url_add_name(GString *url, const char *name)
{
	g_autoptr(GString) selector = g_string_new("metadata.name=");

	/* apimachinery's fields.EscapeValue. */
	for (; *name != '\0'; name++) {
		if (strchr("\\,=", *name) != NULL)
			g_string_append_c(selector, '\\');
		g_string_append_c(selector, *name);
	}
	kubernetes_url_add(url, "fieldSelector", selector->str);
}
