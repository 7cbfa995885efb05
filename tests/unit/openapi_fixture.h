/*
 * What Kubernetes 1.36.1 serves for apps/v1 and for the group of a custom resource, without most of
 * its fields and texts.
 */
#pragma once

#include <check.h>
#include <glib.h>

#include "cache/schema.h"

static inline struct schema_set *openapi_load(const char *name)
{
	g_autofree char *path = g_build_filename(OPENAPI_FOLDER, name, NULL);
	g_autofree char *text = NULL;
	struct schema_set *set = NULL;
	gsize length;

	ck_assert(g_file_get_contents(path, &text, &length, NULL));
	ck_assert_int_eq(schema_set_parse(text, length, &set, NULL), 0);
	return set;
}

static inline struct schema_set *openapi_apps(void)
{
	return openapi_load("openapi_apps_v1.json");
}

static inline struct schema_set *openapi_parse(const char *text)
{
	struct schema_set *set = NULL;
	g_autoptr(GError) error = NULL;

	ck_assert_msg(schema_set_parse(text, strlen(text), &set, &error) == 0, "%s",
		error != NULL ? error->message : "no message");
	return set;
}
